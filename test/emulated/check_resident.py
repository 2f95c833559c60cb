#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_resident.py <libxalloc.so> <python> <emulator...>: what `python3 -c pass` takes on AArch64, with the library and without, in the same run.
Two measures, the least of five runs each (the kernel maps more or less of the interpreter's file around a fault):
  pages  when the interpreter is about to leave, which is when it has the most: the pages, of the size that the program sees
         (QEMU_PAGESIZE), of which any part is resident. What a kernel with such pages would count. At most 1.5 MiB more with the library.
  peak   ru_maxrss of the emulator's process while it runs `python3 -c pass`, in pages of the machine below. No bound: it has the emulator's
         own memory in it, code that it translated and a descriptor for each 4 KiB of address space that the library only reserves."""
import os
import struct
import subprocess
import sys

library, *python = sys.argv[1:2] + sys.argv[3:] + sys.argv[2:3]
ALLOWED, RUNS, BELOW = 1536, 5, 4096
PAGE = int(os.environ.get("QEMU_PAGESIZE", BELOW))
PROGRAM = 1 << 40  # the emulated program's addresses are below, the emulator's above


def start(code, preload, **more):
    return subprocess.Popen([*python, "-I", "-c", code], env={**os.environ, "LD_PRELOAD": preload}, **more)


def peak(preload):
    child = start("pass", preload)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    assert status == 0, status
    return usage.ru_maxrss


def pages(preload):
    # os is there already; and nothing more is when the interpreter waits here.
    child = start("import os; os.write(1, b'.'); os.read(0, 1)", preload, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.read(1) == b"."
    resident = set()
    with open(f"/proc/{child.pid}/maps", encoding="utf-8") as maps, open(f"/proc/{child.pid}/pagemap", "rb") as pagemap:
        text = maps.read()
        for line in text.splitlines():
            first, last = (int(address, 16) for address in line.split()[0].split("-"))
            if last > PROGRAM:
                continue
            pagemap.seek(first // BELOW * 8)
            entries = pagemap.read((last - first) // BELOW * 8)
            # The two highest bits: present, in swap.
            resident.update((first + i * BELOW) // PAGE for i, (entry,) in enumerate(struct.iter_unpack("<Q", entries)) if entry >> 62)
    child.communicate(b"x")
    assert child.returncode == 0 and "/python3" in text and ("/libxalloc" in text) == bool(preload), text
    return len(resident) * PAGE // 1024


failed = 0
for name, measure in (("pages", pages), ("peak", peak)):
    runs = [(measure(""), measure(library)) for _ in range(RUNS)]
    plain, ours = (min(column) for column in zip(*runs))
    print(f"{name}: {ours:.0f} KiB, without the library {plain:.0f} KiB: {ours - plain:+.0f} KiB")
    failed |= name == "pages" and ours - plain > ALLOWED
sys.exit(failed)
