#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the library adds to the smallest programs: at most 15 system calls."""
import os
import subprocess
import sys
import tempfile

library, one_malloc = sys.argv[1:3]
MOST = 15
if "XALLOC_DEBUG_PAGE_SIZE" in os.environ:
    MOST += 2  # larger pages are only played: both ends of a mapping are cut to fit


def syscalls(command, preload):
    # The preload goes to the program itself, through env: strace must not load it.
    with tempfile.NamedTemporaryFile("r") as out:
        wrapped = ["env", f"LD_PRELOAD={preload}"] + command if preload else ["env"] + command
        subprocess.run(["strace", "-f", "-o", out.name] + wrapped, check=True, stdout=subprocess.DEVNULL)
        lines = out.read().splitlines()
    # Count from the second execve on: the first is env's own.
    execs = [i for i, line in enumerate(lines) if "execve(" in line and line.rstrip().endswith("= 0")]
    return len(lines) - execs[-1]


failed = False
for command in (["/bin/sh", "-c", "true"], [one_malloc]):
    more = syscalls(command, library) - syscalls(command, "")
    name = os.path.basename(command[0])
    print(f"{name}: {more} more system calls (at most {MOST})")
    failed |= more > MOST
sys.exit(failed)
