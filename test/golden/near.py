#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What an ordinary program with threads runs of the library lies in the first 64 KiB of its code, which a kernel maps at once: each 64 KiB more
are resident in every small process."""
import os
import re
import subprocess
import sys
import tempfile

library, nm, readelf, *programs = sys.argv[1:]
WINDOW = 64 << 10
BY_THE_CLOCK = r"Drain|Fingerprint|Cold|CollapseStep|FindDense"  # what the purger does after half a second: on a slow machine the program lasts that long
library = os.path.realpath(library)


def lines(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def executed(program):
    """Addresses in the library, as callgrind saw them."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        subprocess.run(["valgrind", "--tool=callgrind", "--dump-instr=yes", "--compress-pos=no", "--compress-strings=no",
                        f"--callgrind-out-file={out}", program],
                       env={**os.environ, "LD_PRELOAD": library}, capture_output=True, check=True)
        ours = False
        with open(out) as text:
            for line in text:
                if line.startswith("ob="):
                    ours = os.path.realpath(line[3:].strip()) == library
                elif ours and line.startswith("0x"):
                    yield int(line.split()[0], 16)


text = next(int(m.group(1), 16) for m in (re.search(r"\.text +PROGBITS +([0-9a-f]+)", x) for x in lines(readelf, "-SW", library)) if m)
symbols = []
for line in lines(nm, "-nSC", library):
    if m := re.match(r"([0-9a-f]+) ([0-9a-f]+) [tTwW] (.*)", line):
        symbols.append((int(m.group(1), 16), int(m.group(2), 16), m.group(3)))
failed = False
for program in programs:
    ran = set(executed(program))
    for at, size, name in symbols:
        if re.search(BY_THE_CLOCK, name):
            ran.difference_update(range(at, at + size))
    names = {f"{at - text:x} {name}" for at, size, name in symbols if at + size > text + WINDOW and any(at <= a < at + size for a in ran)}
    last = max(ran) - text
    print(f"{os.path.basename(program)}: {len(ran)} instructions, the last at {last} of {WINDOW}", *sorted(names), sep="\n  ")
    failed |= last >= WINDOW or len(ran) < 1000
sys.exit(failed)
