#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every crime at every size: one line with the exact text, then SIGABRT. Nothing survives, though what a thread cache holds may be
found as late as at exit. With a third argument, a setting of MALLOC_CONF under which the same must hold."""
import os
import re
import signal
import subprocess
import sys

program, library = sys.argv[1:3]
conf = {"MALLOC_CONF": sys.argv[3]} if len(sys.argv) > 3 else {}
SIZES = [16, 200, 2000, 20000, 200000, 64 << 20]
CLASS = {16: 16, 200: 208, 2000: 2048, 20000: 20480, 200000: 200704, 64 << 20: 64 << 20}  # bytes usable
P = "0x[0-9a-f]+"
EMULATOR = "qemu: uncaught target signal 6 (Aborted) - core dumped\n"  # its own last words, where there is one


def slab(n):
    return n <= 32768


def double(n):
    return rf"double free of {P} \({CLASS[n]} bytes\), see docs/errors.md#double-free"


def foreign(verb="free"):
    return rf"{verb} of foreign pointer {P} \(not from xalloc\), see docs/errors.md#foreign-pointer"


def unallocated(verb="free"):
    return rf"{verb} of unallocated pointer {P} \(free memory\), see docs/errors.md#unallocated-pointer"


def interior(n, verb="free"):
    return rf"{verb} of interior pointer {P} \({CLASS[n]} bytes\), see docs/errors.md#interior-pointer"


def misaligned(n):
    return rf"free of misaligned pointer {P} \({CLASS[n]} bytes\), see docs/errors.md#misaligned-pointer"


def freed(n):
    """Freed before: its slab is still there, for the neighbours live; or free memory of ours; or (a mapping of its own) nobody's."""
    if slab(n):
        return double(n)
    return unallocated() if n < 32 << 20 else foreign()


crimes = []
for n in SIZES:
    for crime in ("double", "interleaved", "delayed", "reused", "cross-thread", "two-caches", "trim", "sized-double"):
        crimes.append((crime, n, freed(n)))
    crimes.append(("realloc-freed", n, foreign("realloc") if n > 32 << 20 else unallocated("realloc")))
    for crime in ("interior", "interior-half"):
        crimes.append((crime, n, interior(n)))
    crimes.append(("realloc-interior", n, interior(n, "realloc")))
    for crime in ("odd", "odd-half"):
        crimes.append((crime, n, misaligned(n) if slab(n) else interior(n)))
    for crime in ("stack", "static", "mapped", "wild", "wild-low", "wild-high", "sized-stack"):
        crimes.append((crime, n, foreign()))
    for crime in ("realloc-stack", "realloc-static"):
        crimes.append((crime, n, foreign("realloc")))
    if slab(n):
        crimes.append(("never-slot", n, double(n)))
    elif n < 32 << 20:
        crimes.append(("never", n, rf"(?:{unallocated()}|{interior(n)})"))
    if n < 32 << 20:
        crimes.append(("never-page", n, unallocated()))
crimes.append(("function", 16, foreign()))
crimes.append(("usable-stack", 16, foreign("usable size")))


def run(crime, size):
    got = subprocess.run([program, crime, str(size)], env={**os.environ, **conf, "LD_PRELOAD": library}, capture_output=True, text=True)
    got.stderr = got.stderr.removesuffix(EMULATOR)
    return got


failed = 0
for crime, size, line in crimes:
    got = run(crime, size)
    if got.returncode != -signal.SIGABRT or not re.fullmatch(rf"xalloc: {line}\n", got.stderr) or (got.stdout and not slab(size)):
        failed += 1
        print(f"{crime} {size}: exit {got.returncode}\n  stdout {got.stdout!r}\n  stderr {got.stderr!r}\n  wanted {line}")
for size in SIZES:
    got = run("wrong-size", size)
    if (got.returncode, got.stdout, got.stderr) != (0, "survived\n", ""):
        failed += 1
        print(f"wrong-size {size}: exit {got.returncode}, {got.stderr!r}; it is harmless")
print(f"{len(crimes)} crimes and {len(SIZES)} wrong sizes, {failed} not handled as they should be")
sys.exit(failed != 0)
