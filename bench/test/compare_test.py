#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""compare_test.py <compare> <build folder> <slow_fat_malloc.so>: the instrument, run for real on tiny work.

Its JSON is complete; an allocator that is slow and fat shows as such; the same one twice does not; a preload that does not take is
refused; a program that is not installed says so; a peak is that of the program, whatever its parent holds, to the page; every row is
in one table; what is stopped leaves what it found until then."""
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

COMPARE, BUILD, SLOW = sys.argv[1:4]
METRICS = ("time", "priced", "cpu", "rss", "faults")


def command(*words):
    return [sys.executable, COMPARE, "--build", BUILD, "--no-guard", "--warm", "32", *words]


def compare(*words, env=None, fails=False):
    run = subprocess.run(command(*words), capture_output=True, text=True, check=False, env=env)
    assert (run.returncode != 0) == fails, f"exit {run.returncode}: {run.stdout}{run.stderr}"
    return run.stdout + run.stderr


def check_json(folder):
    with open(f"{folder}/benchmarks/benchmarks.json", encoding="utf-8") as file:
        data = json.load(file)
    assert set(data["rows"]) == {"larson", "sh8mix"}, data["rows"].keys()
    assert {"xalloc", "glibc", "glibc again", "slow"} <= set(data["names"]), data["names"]
    folders = re.findall(r'"[^"]*(?<![\w.])/\w+/[^"]*"', json.dumps(data["meta"]))
    assert not folders, f"published: {folders}"
    assert data["meta"]["fault_us"]["median"] > 0 and data["meta"]["machine"]["cores"] > 0 and data["meta"]["seed"] == 1
    for name, row in data["rows"].items():
        assert not row["failures"] and not row["remarks"], (name, row["failures"], row["remarks"])
        assert set(row["cells"]) == set(data["names"]), (name, row["cells"].keys())
        for allocator, cell in row["cells"].items():
            assert len(cell["runs"]) == 2, (name, allocator)
            assert all(math.isfinite(cell[m]) and cell[m] > 0 for m in METRICS), (name, allocator, cell)
        assert all(row["best"][m] in data["peers"] for m in METRICS), row["best"]
    for peer in data["peers"]:
        assert all(data["against"]["xalloc"][peer][m] > 0 for m in METRICS), peer
    assert all(data["envelope"][m] > 0 and data["field"]["xalloc"]["envelope"][m] > 0 and data["noise"][m]["geomean"] > 0 for m in METRICS)
    return data


def check_truth(data):
    slow, again = data["field"]["slow"]["base"], data["noise"]
    assert slow["cpu"] > 2 and slow["time"] > 1.5, f"several times the work was measured as {slow['cpu']:.2f} of the CPU, {slow['time']:.2f} of the time"
    assert slow["rss"] > 1.5, f"three times the memory was measured as {slow['rss']:.2f}"
    assert 0.6 < again["cpu"]["geomean"] < 1.6 and 0.8 < again["rss"]["geomean"] < 1.25, f"the same allocator twice: {again}"


def check_documents(folder, printed):
    with open(f"{folder}/benchmarks.md", encoding="utf-8") as file:
        text = file.read()
    for part in ("xalloc / envelope", "Peak resident size", "Every figure", "glibc again"):
        assert part in text, part
    assert "xalloc / envelope" in printed
    plots = re.findall(r"!\[.*\]\((.*\.svg)\)", text)
    assert len(plots) == 3, plots
    for plot in plots:
        tree = xml.etree.ElementTree.parse(f"{folder}/{plot}")
        assert sum(1 for e in tree.iter() if e.tag.endswith("circle")) >= len(("xalloc", "glibc", "slow")), plot


def launched(*program, under=()):
    """What the launcher says of a program; and what that printed."""
    read_end, write_end = os.pipe()
    done = subprocess.run([*under, f"{BUILD}/bench/bench_launch", str(write_end), "20", *program], pass_fds=[write_end], check=True,
                          capture_output=True, text=True)
    os.close(write_end)
    with os.fdopen(read_end) as report:
        return dict(pair.split("=") for pair in report.read().splitlines()[1].split()), done.stdout


def check_peak():
    """64 MiB and not much more, started from here with 200 MB in hand; the same as what the program `time` says, as near as wait4 is."""
    held = bytearray(b"x") * 200_000_000
    program = [f"{BUILD}/bench/bench_machine", "warm", "64"]
    found, _ = launched(*program)
    kib = int(found["peak_kib"])
    assert len(held) and 64 << 10 <= kib <= 70 << 10, f"64 MiB were measured as {kib} KiB"
    timed = subprocess.run(["time", "-f", "%M", *program], capture_output=True, text=True, check=True)
    other = int(timed.stderr.split()[-1])
    assert abs(other - kib) <= 1024, f"the program time says {other} KiB, the launcher {kib}"


def check_small_peak():
    """To the page what the program says of itself, and what its way out of the world touches; wait4's figure is less exact."""
    itself = ("grep", "VmHWM", "/proc/self/status")
    off = []
    for _ in range(5):
        found, said = launched(*itself)
        more = int(found["peak_kib"]) - int(said.split()[1])
        assert 0 <= more <= 256, f"{said} was measured as {found['peak_kib']} KiB"
        off.append(int(found["peak_kib"]) - int(found["rusage_kib"]))
    assert any(off), "five times the very same as wait4: nothing was read at the exit"
    found, _ = launched("sh", "-c", f"{BUILD}/bench/bench_machine warm 64; exit 0")
    assert 64 << 10 <= int(found["peak_kib"]) <= 70 << 10, f"the peak of a child is {found['peak_kib']} KiB"
    # Where it may not be traced (it is already) wait4's figure is all there is.
    found, _ = launched(*itself, under=("strace", "-f", "-qq", "-o", "/dev/null"))
    assert found["exit"] == "0" and int(found["peak_kib"]) == int(found["rusage_kib"]) > 0, found


def check_signals():
    """Traced or not: a program gets its signals, stops and goes on, and dies of them."""
    found, _ = launched("sh", "-c", "trap 'exit 3' TERM; kill -TERM $$; exit 1")
    assert found["exit"] == "3", found
    found, _ = launched("sh", "-c", "(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 4")
    assert found["exit"] == "4" and float(found["seconds"]) >= 0.2 and found["timeout"] == "0", found
    found, _ = launched("sh", "-c", "kill -KILL $$")
    assert found["signal"] == "9" and int(found["peak_kib"]) > 0, found


def check_stop(folder):
    """A table that is killed leaves what its whole rounds found."""
    with subprocess.Popen(command("--allocators", "xalloc,glibc", "--no-noise", "--rounds", "1000", "--out", folder, "--", "sleep", "0.05"),
                          stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
        while "round 3/1000" not in (line := run.stderr.readline()):
            assert line, "never in round 3"
        run.kill()
    with open(f"{folder}/benchmarks/command.json", encoding="utf-8") as file:
        data = json.load(file)
    rounds = data["meta"]["rounds"]
    assert 2 <= rounds < 1000 and f"{rounds} of 1000 rounds so far" in data["meta"]["remarks"], data["meta"]
    assert {len(cell["runs"]) for cell in data["rows"]["sleep"]["cells"].values()} == {rounds}, data["rows"]


def check_rows():
    """One table, with every row of the list of peers but those whose source we do not have; the quick one is its made-up part."""
    table, quick = (compare("--list", *words).split() for words in (("--all",), ("--quick",)))
    assert len(set(table)) == len(table) and table == compare("--list").split() and table[:len(quick)] == quick, (table, quick)
    made = {"larson", "larson-sized", "mstress", "rptest", "xmalloc-test", "sh6mix", "sh8mix", "cache-scratch-1", "cache-scratch", "cache-thrash-1",
            "cache-thrash", "alloc-test-1", "alloc-test-2", "glibc-simple", "glibc-thread", "thread-churn", "buffers"}
    found = {"lua", "python3", "perl", "sqlite3", "gcc", "xmllint", "jq", "redis", "postgres", "bc"}
    assert made <= set(quick) and found <= set(table) - set(quick), (made - set(quick), found - set(table))


def main():
    check_rows()
    with tempfile.TemporaryDirectory() as folder:
        printed = compare("--rounds", "2", "--scale", "0.01", "--seed", "1", "--out", folder, "--extra", f"slow={SLOW}",
                          "--allocators", "xalloc,glibc,slow", "larson", "sh8mix")
        data = check_json(folder)
        check_truth(data)
        check_documents(folder, printed)
        refused = compare("--allocators", "wrong", "--extra", f"wrong={__file__}", "--out", folder, "larson", fails=True)
        assert "under wrong malloc came from" in refused, refused
        absent = compare("--allocators", "xalloc", "--rounds", "1", "--out", folder, "lua", env={"PATH": "/nonexistent"})
        assert "lua: not run: lua5.4 of Debian's package lua5.4 is not installed" in absent, absent
        died = compare("--allocators", "glibc", "--no-noise", "--rounds", "1", "--out", folder, "--", "false", fails=True)
        assert "false under glibc: failed: false: exit 1" in died, died
        check_stop(folder)
    check_peak()
    check_small_peak()
    check_signals()
    print("the instrument works")


main()
