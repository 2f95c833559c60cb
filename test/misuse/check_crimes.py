#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every crime at every size: one line with the exact text, then SIGABRT. Nothing survives."""
import os
import re
import signal
import subprocess
import sys

program, library = sys.argv[1:3]
SMALL, MEDIUM, UPPER, LARGE, HUGE = 64, 4096, 24576, 102400, 67108864
SIZES = [SMALL, MEDIUM, UPPER, LARGE, HUGE]
P = "0x[0-9a-f]+"


def slab(n):
    return n <= 32768


def double(n):
    return rf"double free of {P} \({n} bytes\), see docs/errors.md#double-free"


def foreign(verb="free"):
    return rf"{verb} of foreign pointer {P} \(not from xalloc\), see docs/errors.md#foreign-pointer"


def unallocated(verb="free"):
    return rf"{verb} of unallocated pointer {P} \(free memory\), see docs/errors.md#unallocated-pointer"


def interior(n):
    return rf"free of interior pointer {P} \({n} bytes\), see docs/errors.md#interior-pointer"


def gone(n, verb="free"):
    """A large block that was freed: its memory is ours still, or nobody's."""
    return unallocated(verb) if n < 32 << 20 else foreign(verb)


crimes = []
for size in SIZES:
    for crime in ("double", "interleaved", "delayed", "cross-thread", "trim"):
        # Purged as a whole, a slab is free memory: what comes later is unallocated.
        crimes.append((crime, size, rf"(?:{double(size)}|{unallocated()})" if slab(size) else gone(size)))
    crimes.append(("interior16", size, interior(size)))
    crimes.append(("interior-half", size, interior(size)))
    crimes.append(("odd", size, rf"free of (?:misaligned|interior) pointer {P} \({size} bytes\), see docs/errors.md#(?:misaligned|interior)-pointer"))
    crimes.append(("realloc-freed", size, rf"(?:{unallocated('realloc')}|{foreign('realloc')})"))
for crime in ("stack", "static", "function", "wild"):
    crimes.append((crime, SMALL, foreign()))
crimes.append(("realloc-stack", SMALL, foreign("realloc")))
crimes.append(("usable-stack", SMALL, foreign("usable size")))

failed = 0
for crime, size, line in crimes:
    run = subprocess.run([program, crime, str(size)], env={**os.environ, "LD_PRELOAD": library}, capture_output=True, text=True)
    if run.returncode != -signal.SIGABRT or not re.fullmatch(rf"xalloc: {line}\n", run.stderr):
        failed += 1
        print(f"{crime} {size}: exit {run.returncode}\n  stdout {run.stdout!r}\n  stderr {run.stderr!r}\n  wanted {line}")
print(f"{len(crimes)} crimes, {failed} not reported as they should be")
sys.exit(failed != 0)
