#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The path of a report: handlers that use the heap, descriptors that are closed or broken, the text in a core file."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

crimes, last_words, library = sys.argv[1:4]
environment = {**os.environ, "LD_PRELOAD": library}
LINE = r"xalloc: double free of 0x[0-9a-f]+ \((\d+) bytes\), see docs/errors.md#double-free"
failures = []


def check(name, holds, seen):
    print(f"{'ok  ' if holds else 'FAIL'} {name}")
    if not holds:
        failures.append(name)
        print(f"     {seen}")


def run(command, **more):
    got = subprocess.run(command, env=environment, text=True, timeout=60, **{"capture_output": True, **more})
    if got.stderr:
        got.stderr = got.stderr.removesuffix("qemu: uncaught target signal 6 (Aborted) - core dumped\n")  # an emulator's own last words
    return got


got = run([last_words, "handler"])
check("a handler that uses the heap comes through, then the abort", got.returncode == -signal.SIGABRT and got.stdout == "handled\n"
      and re.fullmatch(LINE + "\n", got.stderr), got)
got = run([last_words, "jump"])
check("a program that leaves the handler by a jump goes on", got.returncode == 0 and got.stdout == "handled\nwent on\n"
      and re.fullmatch(LINE + "\n", got.stderr), got)
for _ in range(20):
    got = run([last_words, "two"])
    if got.returncode != -signal.SIGABRT or not re.fullmatch(f"({LINE}\n){{1,2}}", got.stderr):
        break
check("two threads that report at once: whole lines, one abort", got.returncode == -signal.SIGABRT, got)

got = run([crimes, "double", "200"], preexec_fn=lambda: os.close(2))
check("fd 2 closed: the abort alone", got.returncode == -signal.SIGABRT and got.stdout == "" and got.stderr == "", got)
readable, writable = os.pipe()
os.close(readable)
got = run([crimes, "double", "200"], capture_output=False, stderr=writable)
check("fd 2 a pipe that nobody reads: still SIGABRT", got.returncode == -signal.SIGABRT, got)
with open("/dev/full", "w") as full:
    got = run([crimes, "double", "200"], capture_output=False, stderr=full)
check("fd 2 full: still SIGABRT", got.returncode == -signal.SIGABRT, got)

if "QEMU_LD_PREFIX" in os.environ:
    print("not under emulation: core files and gdb, which see the emulator's process")
    sys.exit(bool(failures))
with tempfile.TemporaryDirectory() as folder:
    core = pathlib.Path(folder, "core")
    gdb = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex", "set startup-with-shell off"]  # a shell would be preloaded, too
    debugged = [*gdb, "-ex", f"set environment LD_PRELOAD {library}", "-ex", "run", "-ex", f"generate-core-file {core}", "--args", crimes, "double", "200"]
    make = subprocess.run(debugged, capture_output=True, text=True)
    read = subprocess.run([*gdb, "-ex", "printf \"message: %s\\n\", xalloc_abort_message", "-ex", "backtrace", crimes, str(core)], capture_output=True, text=True)
    check("the message is in a core file", re.search("^message: " + LINE + "$", read.stdout, re.M), (make.stdout[-500:], read.stdout[-500:], read.stderr[-500:]))
    # musl's raise() tells debuggers nothing of its frame.
    check("and the backtrace leads through free to the culprit", re.search(r"ReportMisuse.*\b(Free|free|FreeSlow) \(.*\btwice\b.*\bmain\b", read.stdout, re.S) or "--no-backtrace" in sys.argv, read.stdout)
sys.exit(bool(failures))
