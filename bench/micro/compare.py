#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs each benchmark of xalloc_micro, in a process of its own, under xalloc, glibc and the allocators that Debian packages, in random order within each round, and prints the
ratio of medians to glibc and the best peer of each row.
  compare.py <xalloc_micro> <libxalloc.so> [--rounds 5] [--filter REGEX] [--min-time 0.05] [--extra name=path ...]"""
import argparse
import glob
import json
import os
import random
import statistics
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("library")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--filter", default=".")
parser.add_argument("--min-time", default="0.05")
parser.add_argument("--extra", action="append", default=[])
args = parser.parse_args()

allocators = {"xalloc": os.path.abspath(args.library), "glibc": ""}
for name, pattern in (("jemalloc", "libjemalloc.so.2"), ("mimalloc", "libmimalloc.so.2"), ("tcmalloc", "libtcmalloc_minimal.so.4")):
    found = glob.glob(f"/usr/lib/*/{pattern}")
    if found:
        allocators[name] = found[0]
allocators.update(extra.split("=", 1) for extra in args.extra)

listing = subprocess.run([args.program, "--benchmark_list_tests=true", f"--benchmark_filter={args.filter}"], capture_output=True, text=True, check=True)
benches = listing.stdout.split()

times = {}
for round_number in range(args.rounds):
    for bench in benches:
        print(f"round {round_number + 1}/{args.rounds}: {bench}", file=sys.stderr)
        for name in random.sample(list(allocators), len(allocators)):
            run = subprocess.run([args.program, f"--benchmark_filter=^{bench}$", f"--benchmark_min_time={args.min_time}", "--benchmark_format=json"],
                                 env={**os.environ, "LD_PRELOAD": allocators[name]}, capture_output=True, text=True, check=True)
            row = json.loads(run.stdout)["benchmarks"][0]
            items = row.get("items_per_second")
            times.setdefault(bench, {}).setdefault(name, []).append(1e9 / items if items else row["real_time"])

names = list(allocators)
print("| benchmark | " + " | ".join(names) + " | xalloc / best other |\n|" + "---|" * (len(names) + 2))
for bench, by_name in times.items():
    median = {n: statistics.median(v) for n, v in by_name.items()}
    peers = {n: m for n, m in median.items() if n not in ("xalloc", "glibc")}
    best = min(peers, key=peers.get) if peers else "glibc"
    cells = [f"{median[n] / median['glibc']:.2f}" for n in names]
    print(f"| {bench} | " + " | ".join(cells) + f" | {median['xalloc'] / median[best]:.2f} ({best}) |")
