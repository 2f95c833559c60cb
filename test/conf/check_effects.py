#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_effects.py <effects> <libxalloc.so> <options.h>: every option of the table does what it says, seen from outside."""
import os
import re
import signal
import subprocess
import sys
import tempfile

program, library, table = sys.argv[1:4]
wrong = []
seen = set()


# What the program must see whatever its environment is: the page size, and an emulator's settings.
MACHINE = {name: value for name, value in os.environ.items() if name == "XALLOC_DEBUG_PAGE_SIZE" or name.startswith("QEMU_")}
PAGE = int(os.environ.get("XALLOC_DEBUG_PAGE_SIZE", os.environ.get("QEMU_PAGESIZE", os.sysconf("SC_PAGESIZE"))))
EMULATED = "QEMU_LD_PREFIX" in os.environ  # no rseq there, and no flags of mappings


def run(conf, *args, **env):
    result = subprocess.run([program, *args], env={"LD_PRELOAD": library, "MALLOC_CONF": conf, **MACHINE, **env}, capture_output=True, text=True, timeout=120)
    seen.update(pair.split(":")[0] for pair in conf.split(",") if pair)
    err = result.stderr.removesuffix("qemu: uncaught target signal 6 (Aborted) - core dumped\n")  # an emulator's own last words
    return result.returncode, result.stdout.strip(), err.strip()


def expect(what, holds):
    if not holds:
        wrong.append(what)


def output(conf, *args):
    status, out, err = run(conf, *args)
    expect(f"{conf} {args}: status {status}, {err}", status == 0)
    return out


def number(conf, pattern, *args, **env):
    status, out, err = run(f"stats_print:true,{conf}".rstrip(","), *args, **env)
    found = re.search(pattern, out + err)
    expect(f"{conf} {args}: status {status}, no {pattern} in {out} {err}", status == 0 and found)
    return int(found.group(1)) if found else -1


def made_huge(conf, *args):
    """KiB of huge pages made at birth. A kernel that takes 2 ms for one, where a hypervisor has to find the memory, is spared the next 8: then once more."""
    for _ in range(10):
        status, _, err = run(f"stats_print:true,{conf}", *args)
        found = re.search(r"huge pages: (\d+) KiB made at birth, .* (\d+) slow", err)
        expect(f"{conf} {args}: status {status}, {err}", status == 0 and found)
        if not found or found.group(2) == "0":
            break
    return int(found.group(1)) if found else -1


def aborts(conf, line, *args):
    status, _, err = run(conf, *args)
    expect(f"{conf} {args}: status {status}, {err}, wanted {line}", status == -signal.SIGABRT and re.search(line, err))


MOVED, PURGED = r"program: (\d+) small", r"purged (\d+) KiB"

# What sees every operation, and thread caches.
expect("caches: a pair is no slow path", number("", MOVED, "pairs") < 1000)
for conf in ("tcache:false", "thread_stats:exact", "junk:true", "zero:true", "tcache_max:32"):
    expect(f"{conf}: every operation counts", number(conf, MOVED, "pairs") >= 10000)
expect("tcache_max:1024: 4 KiB are not cached", number("tcache_max:1024", MOVED, "pairs", "4096") >= 10000)
expect("tcache_max:1024: 64 bytes are", number("tcache_max:1024", MOVED, "pairs", "64") < 1000)

expect("lg_tcache_max:10: 4 KiB are not cached", number("lg_tcache_max:10", MOVED, "pairs", "4096") >= 10000)
expect("lg_tcache_max:10: 64 bytes are", number("lg_tcache_max:10", MOVED, "pairs", "64") < 1000)
expect("lg_tcache_max:16 is all there is", number("lg_tcache_max:16", MOVED, "pairs", "32768") < 1000)
CAPPED = "tcache_ncached_max:1-64:2|1K-4K:0"
expect("no caps: 64 blocks fit", number("", MOVED, "stacks", "64") < 3000)
expect("tcache_ncached_max: not so with a cap of 2", number(CAPPED, MOVED, "stacks", "64") >= 500 * 60)
expect("tcache_ncached_max: of other sizes", number(CAPPED, MOVED, "stacks", "100") < 3000)
expect("tcache_ncached_max: none of 2 KiB", number(CAPPED, MOVED, "pairs", "2048") >= 10000)
expect("tcache_ncached_max: of 8 KiB", number(CAPPED, MOVED, "pairs", "8192") < 1000)

# Filling.
expect("zero", output("zero:true", "fill") == "zero " * 8 + "grown zero")
expect("junk", output("junk:true", "fill") == "a5 " * 8 + "grown a5")
expect("junk:alloc", output("junk:alloc", "fill") == "a5 " * 8 + "grown a5" and output("junk:alloc", "freed") == "other")
expect("junk:free", output("junk:free", "freed") == "5a")
expect("no junk", output("", "freed") == "other")

# The purger.
for conf, alone, threaded in (("", "0", "1"), ("background_thread:auto", "0", "1"), ("background_thread:true", "1", "1"),
                              ("background_thread:false", "0", "0"), ("dirty_decay_ms:never", "0", "0"), ("dirty_decay_ms:now", "0", "0")):
    expect(f"{conf}: a purger in a single-threaded program", output(conf, "threads") == alone)
    expect(f"{conf}: a purger in a threaded one", output(conf, "threads", "threaded") == threaded)

# Arenas.
ARENAS = r'arenas count="(\d+)"'
expect("narenas:1", number("narenas:1,percpu_arena:disabled", ARENAS, "arenas") == 1)
expect("narenas:3", number("narenas:3,percpu_arena:disabled", ARENAS, "arenas") == 3)
expect("percpu_arena:disabled", number("percpu_arena:disabled", ARENAS, "arenas") > max(os.cpu_count(), 4))
if not EMULATED:
    expect("percpu_arena:percpu", number("percpu_arena:percpu", ARENAS, "arenas") <= max(os.cpu_count(), 4))

# Purging.
expect("dirty_decay_ms:now", number("dirty_decay_ms:now", PURGED, "burst") > 1000)
expect("dirty_decay_ms:never", number("dirty_decay_ms:never", PURGED, "burst") == 0)
expect("dirty_limit:0", number("dirty_decay_ms:never,dirty_limit:0", PURGED, "strand") > 10000)
expect("dirty_limit:1000", number("dirty_decay_ms:never,dirty_limit:1000", PURGED, "strand") == 0)
OFFERED, HUGE, HELPERS = r"offered (\d+) KiB", r"huge pages: (\d+) KiB made at birth", r"(\d+) helpers"
expect("muzzy_decay_ms:0", number("dirty_decay_ms:now,muzzy_decay_ms:0", OFFERED, "burst") == 0)
expect("muzzy_decay_ms:never", number("dirty_decay_ms:now,muzzy_decay_ms:never", OFFERED, "burst") > 1000)
expect("soft_limit:off", number("dirty_decay_ms:never,dirty_limit:1000,soft_limit:off", PURGED, "strand") == 0)
expect("soft_limit:16M", number("dirty_decay_ms:never,dirty_limit:1000,soft_limit:16M", PURGED, "strand") > 10000)
with tempfile.TemporaryDirectory() as root:
    for path, text in (("proc/self/cgroup", "0::/a\n"), ("sys/fs/cgroup/a/memory.max", "20000000\n")):
        os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="ascii") as file:
            file.write(text)
    conf = "dirty_decay_ms:never,dirty_limit:1000,soft_limit:cgroup"
    expect("soft_limit:cgroup", number(conf, PURGED, "strand", XALLOC_DEBUG_ROOT=root) > 10000)
    expect("soft_limit:cgroup, none", number(conf, PURGED, "strand", XALLOC_DEBUG_ROOT=root + "/none") == 0)
expect("max_background_threads:1", number("dirty_decay_ms:1000,background_thread:true,max_background_threads:1", HELPERS, "release") == 0)
expect("max_background_threads, auto", number("dirty_decay_ms:1000,max_background_threads:3", HELPERS, "release") == 0)
# Much at once is what falls due in one step of the purger: on a busy machine it may not be much each time.
expect("max_background_threads:3", any(number("dirty_decay_ms:1000,background_thread:true,max_background_threads:3", HELPERS, "release") >= 1 for _ in range(4)))

# Huge pages.
if PAGE == 4096 and not EMULATED:
    expect("thp:auto, small", number("thp:auto", HUGE, "pairs") == 0)
    # Where a huge page takes long, as on a busy machine it may, the next ones are not asked for.
    expect("thp:auto, large", any(made_huge("thp:auto", "burst") > 10000 for _ in range(4)))
    expect("thp:always", made_huge("thp:always", "pairs") >= 2048)
    expect("thp:never", number("thp:never", HUGE, "burst") == 0 and output("thp:never", "advised") == "nh")
    expect("thp:default", number("thp:default", HUGE, "strand") == 0 and output("thp:default", "advised") == "")
    expect("metadata_thp:disabled", output("thp:never,metadata_thp:disabled", "advised") == "nh")
    expect("metadata_thp:auto", output("thp:never,metadata_thp:auto", "advised") == "nh")
    expect("metadata_thp:always", output("thp:never,metadata_thp:always", "advised") == "hg nh")
else:
    seen.update(("thp", "metadata_thp"))
expect("oversize_threshold", output("oversize_threshold:2M", "mapped") == "mapped" and output("", "mapped") == "heap")

LARGE = str(40 << 20)
expect("oversize_threshold:0", output("oversize_threshold:0", "mapped", LARGE) == "heap" and output("oversize_threshold:off", "mapped", LARGE) == "heap"
       and output("", "mapped", LARGE) == "mapped")

# Failure.
expect("out of memory", output("", "huge") == "null")
aborts("xmalloc:true", r"^xalloc: out of memory for 1152921504606846976 bytes, and xmalloc:true is set, see docs/errors.md#out-of-memory$", "huge")
expect("zero_realloc:free", output("zero_realloc:free", "zero_realloc") == "null")
expect("zero_realloc:alloc", output("zero_realloc:alloc", "zero_realloc") == "block")
aborts("zero_realloc:abort", r"^xalloc: realloc to size 0, and zero_realloc:abort is set", "zero_realloc")

# Misuse.
aborts("", r"^xalloc: (double free|free of) ", "double")
aborts("harden:default", r"^xalloc: (double free|free of) ", "double")
expect("harden:off", output("harden:off", "double") == "alive" and output("harden:off,tcache:false", "double") == "alive")
expect("harden:default", output("harden:default", "wrong_size") == "alive")
aborts("harden:full", r"^xalloc: sized free of 0x[0-9a-f]+ with size 640 \(64 bytes\), see docs/errors.md#size-mismatch$", "wrong_size")

# The options about options.
status, _, err = run("confirm_conf:true,narenas:2,utrace:true", "pairs", XALLOC_CONF="junk:free")
expect(f"confirm_conf: {err}", "xalloc: option narenas:2 (MALLOC_CONF)" in err and "xalloc: option junk:free (XALLOC_CONF)" in err
       and "xalloc: option tcache:true (default)" in err and "xalloc: option utrace is accepted and has no effect here" in err)
_, _, err = run("confirm_conf:true,tcache_ncached_max:1-2:3,lg_tcache_max:12,retain:false,prof:false", "pairs")
for line in ("tcache_ncached_max:1-2:3 (MALLOC_CONF)", "lg_tcache_max:12 (MALLOC_CONF)", "tcache_max:4096 (MALLOC_CONF)", "stats_print_opts: (default)",
             "retain is accepted and has no effect here: address space is always kept", "prof is accepted and has no effect here: heap profiling is not built yet"):
    expect(f"confirm_conf, {line}: {err}", f"xalloc: option {line}\n" in err + "\n")
status, _, err = run("narena:2", "pairs")
expect("an unknown key is a warning", status == 0 and "(did you mean narenas?)" in err)
for conf in ("abort_conf:true,narena:2", "abort:true,narenas:many"):
    aborts(conf, "^xalloc: option narena", "pairs")
SUMMARY = re.compile("^xalloc: served this program", re.M)
plain = run("stats_print:true", "pairs")[2]
expect("stats_print_opts", run("stats_print:true,stats_print_opts:J", "pairs")[2].split("\n")[0] != plain.split("\n")[0])
expect("stats_print_opts alone", run("stats_print_opts:J", "pairs")[2] == "")
for conf, low, high in (("stats_interval:16M", 4, 9), ("stats_interval:64M", 1, 2), ("stats_interval:off", 0, 0), ("stats_interval:0", 0, 0), ("", 0, 0)):
    printed = len(SUMMARY.findall(run(conf, "strand")[2]))
    expect(f"{conf}: {printed} times for 128 MB", low <= printed <= high)
expect("stats_interval, small blocks", len(SUMMARY.findall(run("stats_interval:4M", "advised")[2])) >= 10)
expect("stats_interval, without caches", len(SUMMARY.findall(run("stats_interval:100K,tcache:false", "pairs")[2])) in (5, 6, 7))
expect("stats_page", "memfd:xalloc-stats" in run("stats_page:true", "descriptors")[1])
expect("no stats_page", "memfd:xalloc-stats" not in run("", "descriptors")[1])
first = run("stats_interval:16M,stats_interval_opts:J", "strand")[2].split("\n")[0]
expect(f"stats_interval_opts: {first}", first and not SUMMARY.match(first))
expect("stats_print", re.match("^xalloc: served this program", run("stats_print:true", "pairs")[2]) and run("", "pairs")[2] == "")

# The lines that docs/tuning.md offers.
with open(os.path.join(os.path.dirname(table), "../../docs/tuning.md"), encoding="utf-8") as file:
    ready = re.findall(r"\| `(\w+:[^`]*)` \|$", file.read(), re.M)
expect(f"{len(ready)} ready lines", len(ready) >= 6)
for conf in ready:
    expect(f"a ready line: {conf}", run(conf, "pairs") == (0, "", ""))

with open(table, encoding="utf-8") as file:
    options = set(re.findall(r"X\((\w+), ", file.read()))
expect(f"no check for {options - seen}", not options - seen)
print("\n".join(wrong) or f"{len(options)} options have their effects")
sys.exit(1 if wrong else 0)
