#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads the page of a program that runs with stats_page:true, as docs/stats.md says; starts one, forks inside of it, and compares."""
import os
import struct
import subprocess
import sys
import time

FIELDS = ("magic layout bytes pid sequence updated_ns allocated active resident mapped retained metadata cached depots slab_free dirty muzzy"
          " huge_pinned peak arenas caches small_nmalloc small_ndalloc nfills nflushes large_nmalloc purged purge_calls purge_ns huge populated"
          " collapses size_mismatches").split()


def read(pid):
    folder = f"/proc/{pid}/fd"
    for fd in os.listdir(folder):
        if "memfd:xalloc-stats" not in os.readlink(f"{folder}/{fd}"):
            continue
        with open(f"{folder}/{fd}", "rb") as page:
            while True:
                page.seek(0)
                first = dict(zip(FIELDS, struct.unpack(f"<{len(FIELDS)}Q", page.read(8 * len(FIELDS)))))
                page.seek(0)
                again = struct.unpack_from("<Q", page.read(40), 32)[0]
                if first["sequence"] % 2 == 0 and first["sequence"] == again:
                    return first, f"{folder}/{fd}"
    return None, None


PROGRAM = """
import os, sys, time
keep = [bytes(600 + i % 1000) for i in range(30000)]
child = os.fork()
if child == 0:
    more = [bytes(600 + i % 1000) for i in range(60000)]
deadline = time.time() + 20
print(os.getpid(), flush=True)
while time.time() < deadline and not os.path.exists(sys.argv[1]):
    for i in range(3000): bytes(600 + i)
    junk = [bytes(700 + i % 3000) for i in range(3000)]
    time.sleep(0.02)
if child: os.waitpid(child, 0)
os._exit(0)
"""


def main(library):
    stop = f"{os.environ.get('TMPDIR', '/tmp')}/stats_page_stop.{os.getpid()}"
    environment = dict(os.environ, LD_PRELOAD=library, MALLOC_CONF="stats_page:true")
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, stop], env=environment, stdout=subprocess.PIPE, text=True)
    pids = sorted(int(program.stdout.readline()) for _ in range(2))
    try:
        time.sleep(0.5)
        parent, path = read(program.pid)
        child, _ = read(next(p for p in pids if p != program.pid))
        assert parent and child, "no page found"
        for page, pid in ((parent, program.pid), (child, child["pid"])):
            assert page["magic"] == struct.unpack("<Q", b"allcpage")[0], hex(page["magic"])
            assert page["layout"] == 1 and page["bytes"] >= 8 * len(FIELDS)
            assert page["pid"] == pid in pids, (page["pid"], pid)
            assert 0 < page["allocated"] <= page["active"] <= page["resident"], page
        assert child["pid"] != parent["pid"]
        assert child["allocated"] > parent["allocated"] + (20 << 20), (child["allocated"], parent["allocated"])
        time.sleep(0.5)
        later, _ = read(program.pid)
        assert later["updated_ns"] > parent["updated_ns"] and later["nfills"] > parent["nfills"], "it stands still"
        try:
            descriptor = os.open(path, os.O_RDWR)
            try:
                os.write(descriptor, b"x" * 8)
                raise AssertionError("it could be written to")
            except PermissionError:
                pass
            finally:
                os.close(descriptor)
        except PermissionError:
            pass
    finally:
        open(stop, "w").close()
        program.wait()
        os.unlink(stop)
    print("passed")


main(sys.argv[1])
