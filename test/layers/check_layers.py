#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads every #include of src/ against the layer table of src/README.md; a CPU may be named in arch/ only, no C++ header anywhere."""
import pathlib
import re
import sys

src = pathlib.Path(sys.argv[1])
layer = {}
for line in (src / "README.md").read_text().splitlines():
    row = re.match(r"\| (\d+) \| `(\w+)` \|", line)
    if row:
        layer[row.group(2)] = int(row.group(1))

problems = []
files = sorted(p for p in src.rglob("*") if p.suffix in (".h", ".cc"))
for path in files:
    folder = path.relative_to(src).parts[0]
    if folder not in layer:
        problems.append(f"{path}: folder {folder} is not in the table")
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.relative_to(src)}:{number}"
        include = re.match(r'#include "(\w+)/', line)
        if include and include.group(1) != folder:
            other = include.group(1)
            if layer.get(other, 99) >= layer[folder]:
                problems.append(f"{where}: {folder} ({layer[folder]}) includes {other} ({layer.get(other, '?')})")
        if re.match(r"#include <\w+>", line):
            problems.append(f"{where}: a C++ standard header; src/ builds without one")
        if folder != "arch" and re.match(r"\s*#\s*(if|ifdef|elif).*(__x86_64__|__aarch64__)", line):
            problems.append(f"{where}: a CPU is named outside arch/")

if not layer or not files:
    problems.append("no table or no files: nothing was checked")
print("\n".join(problems) if problems else f"{len(files)} files keep to {len(layer)} layers")
sys.exit(1 if problems else 0)
