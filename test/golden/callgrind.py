#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions per allocate-and-free pair, preloaded, the caller's loop and the PLT included: counted exactly, never timed."""
import os
import re
import subprocess
import sys

program, library, arch = sys.argv[1:4]
LIMITS = {  # kind, size: most instructions a pair
    "x86_64": {
        ("malloc", 16): 46,
        ("malloc", 64): 46,
        ("malloc", 1024): 52,
        ("malloc", 16384): 52,  # 59 with a frame on the way
        ("new", 64): 53,
        ("batch", 64): 50,
    },
    "aarch64": {
        ("malloc", 16): 60,
        ("malloc", 64): 60,
        ("malloc", 1024): 60,
        ("malloc", 16384): 69,
        ("new", 64): 69,
        ("batch", 64): 64,
    },
}[arch]


def count(kind, size, n):
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, kind, str(size), str(n)],
        env={**os.environ, "LD_PRELOAD": library}, capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", run.stderr).group(1))


failed = False
for (kind, size), limit in LIMITS.items():
    n = 100000
    per_pair = (count(kind, size, 2 * n) - count(kind, size, n)) / n
    verdict = "ok" if per_pair <= limit else "TOO MANY"
    failed |= per_pair > limit
    print(f"{kind:7} {size:6} {per_pair:7.2f}  (at most {limit}) {verdict}")
sys.exit(failed)
