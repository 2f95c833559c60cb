#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_resident.py <python> <resident.so> <libxalloc.so>: what `python3 -c pass` takes on AArch64, with the library and without, in the same
run. Two measures, the median of five runs each:
  pages  when the interpreter is about to leave, which is when it has the most: the pages, of the size that the program sees, of which any
         part is resident. What a kernel with such pages would count. At most 1.5 MiB more with the library.
  peak   ru_maxrss of the emulator's process while it runs `python3 -c pass`, in pages of the machine below. No bound: it has the emulator's
         own memory in it, code that it translated and a descriptor for each 4 KiB of address space that the library only reserves."""
import os
import statistics
import subprocess
import sys

python, resident, library = sys.argv[1:4]
ALLOWED, RUNS = 1536, 5


def peak(preload):
    child = subprocess.Popen([python, "-I", "-c", "pass"], env={**os.environ, "LD_PRELOAD": preload})
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    assert status == 0, status
    return usage.ru_maxrss


def pages(preload):
    code = "import os; os._exit(0)"  # os is there already
    got = subprocess.run([python, "-I", "-c", code], env={**os.environ, "LD_PRELOAD": f"{resident}:{preload}".rstrip(":")}, stdout=subprocess.PIPE, check=True)
    below, whole = map(int, got.stdout.split())
    assert 4096 < below <= whole, (below, whole)
    return whole


failed = 0
for name, measure in (("peak", peak), ("pages", pages)):
    runs = [(measure(""), measure(library)) for _ in range(RUNS)]
    plain, ours = (statistics.median(column) for column in zip(*runs))
    print(f"{name}: {ours:.0f} KiB, without the library {plain:.0f} KiB: {ours - plain:+.0f} KiB")
    failed |= name == "pages" and ours - plain > ALLOWED
sys.exit(failed)
