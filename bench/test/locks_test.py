# SPDX-License-Identifier: MIT
"""The model against what is known of it, and bench/macro/locks on a program."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys

path, build = sys.argv[1:3]
loader = importlib.machinery.SourceFileLoader("locks", path)
locks = importlib.util.module_from_spec(importlib.util.spec_from_loader("locks", loader))
loader.exec_module(locks)

assert locks.waiting_share(1.0, 0.1, 1) == 0, "one core waits for nobody"
# Saturated: the lock is always held, so each core gets 1/N of its time; it works and holds for 2 s out of N.
assert abs(locks.waiting_share(1.0, 1.0, 100) - (1 - 2 / 100)) < 0.01
assert locks.waiting_share(1.0, 0.001, 16) < 0.001, "a lock hardly ever held is hardly ever waited for"
shares = [locks.waiting_share(1.0, 0.02, n) for n in range(1, 129)]
assert shares == sorted(shares), "more cores never wait less"

program = [os.path.join(build, "bench", "bench_larson"), "scale=0.02"]
out = subprocess.run([sys.executable, path, "--build", build, *program], capture_output=True, text=True, check=True).stdout
rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in out.splitlines() if line.startswith("| ")]
row = {r[0]: r for r in rows}
assert {"bin", "extents", "meta"} <= row.keys(), out
assert float(row["bin"][1]) > 100 and row["extents"][-1].endswith("%"), out
assert 1 <= int(row["bin"][5]) <= int(row["bin"][6]) < 100000, out
