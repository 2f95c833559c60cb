#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The exported functions are real, named functions in both symbol tables (uprobes and profilers attach to them), and gdb breaks on
them and walks from the slow path back to the caller."""
import re
import subprocess
import sys

library, linked = sys.argv[1:3]
failures = []


def check(name, holds, seen):
    print(f"{'ok  ' if holds else 'FAIL'} {name}")
    if not holds:
        failures.append(name)
        print(seen)


def gdb(*commands):
    command = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "set breakpoint pending on", "-ex", "set language c"]
    for c in commands:
        command += ["-ex", c]
    return subprocess.run([*command, "--args", linked, "good"], capture_output=True, text=True, timeout=120).stdout


symbols = {".dynsym": {}, ".symtab": {}}
table = None
for row in subprocess.run(["readelf", "-Ws", library], capture_output=True, text=True, check=True).stdout.splitlines():
    if found := re.match(r"Symbol table '(\.\w+)'", row):
        table = symbols[found.group(1)]
    cells = row.split()
    if len(cells) >= 8 and re.fullmatch(r"\d+:", cells[0]) and cells[6] != "UND":
        table[cells[7].split("@")[0]] = (cells[3], int(cells[2], 0))
for name in ("malloc", "free", "calloc", "realloc", "aligned_alloc", "posix_memalign", "memalign", "malloc_usable_size", "_Znwm", "_ZdlPvm", "xmallocx"):
    for section, table in symbols.items():
        kind, size = table.get(name, ("absent", 0))
        if kind != "FUNC" or size == 0:
            check(f"{name} is a function in {section}", False, (kind, size))
check("malloc and its like are functions with a size in both symbol tables", not failures, "")

out = gdb("break malloc", "run", "backtrace")
check("gdb stops at malloc, shows the caller", re.search(r"^#0 .*\bmalloc\b.*\n(#.*\n)*?#\d+ .*\bin (main|work|__libc_start|_dl_\w+|call_init)", out, re.M), out)
out = gdb("break leaky_function", "break xalloc::MallocSlow if size == 100", "run", "backtrace")
check("a backtrace from the slow path leads through malloc to main", re.search(r"#0 .*MallocSlow.*\n(?:#.*\n)*#\d+ .*main \(", out), out)
out = gdb("break xalloc::Arena::Refill", "run", "backtrace")
check("and from the arena", re.search(r"#0 .*Refill.*\n(?:#.*\n)*#\d+ .*MallocSlow.*\n(?:#.*\n)*#\d+ .*(work|main|call_init|_dl_\w+) ", out), out)
sys.exit(bool(failures))
