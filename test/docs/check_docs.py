#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_docs.py <top>: what the docs say exists. Links between pages lead somewhere, every anchor that a message of the library names is a heading
of docs/errors.md, every option of the table is a row of docs/options.md with its default and meaning, every leaf of the tree one of docs/stats.md.
The instructions of a hit are those that test/golden counts."""
import pathlib
import re
import sys

top = pathlib.Path(sys.argv[1])
wrong = []

pages = [top / "README.md", *(top / "docs").rglob("*.md"), top / "bench/README.md", top / "src/README.md"]
for page in pages:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target and not (page.parent / target).exists():
            wrong.append(f"{page.relative_to(top)}: no {target}")

headings = set(re.findall(r"^## (\S+)$", (top / "docs/errors.md").read_text(), re.M))
sources = "\n".join(f.read_text() for f in (top / "src").rglob("*.cc"))
named = set(re.findall(r"docs/errors\.md#([a-z][a-z-]*)", sources))
named |= set(re.findall(r'"([a-z-]+)"};', (top / "src/diag/report.cc").read_text()))
wrong += [f"docs/errors.md: no heading {anchor}" for anchor in sorted(named - headings)]

table = (top / "src/conf/options.h").read_text()
rows = re.findall(r'X\((\w+), ([^,]+), [^,]+, [^,]+, \w+, "[^"]*",\s*\\?\s*"([^"]*)"\)', table)
if len(rows) < 10:
    wrong.append("the option table was not understood")
options = (top / "docs/options.md").read_text()
for name, default, meaning in rows:
    if f"| `{name}` |" not in options or meaning.replace("|", "\\|") not in options:
        wrong.append(f"docs/options.md: {name} ({meaning}) is missing or says something else")
if len(re.findall(r"^\| `", options, re.M)) != len(rows):
    wrong.append("docs/options.md: another number of options than the table has")

# Every leaf of the tree has its row, with its type and access.
TYPES = {"B": "bool", "U": "unsigned", "W": "uint32_t", "Z": "size_t", "Q": "uint64_t", "S": "ssize_t", "T": "const char *", "P": "pointer", "V": "–"}
ACCESS = {"R": "r", "W": "w", "RW": "rw", "RP": "r, w pointer", "RC": "r"}
leaves = re.findall(r'X\("([^"]+)", (\w+), (\w+),', (top / "src/ctl/tree.h").read_text())
tree = (top / "docs/stats.md").read_text().split("## The tree")[1]
for name, kind, access in leaves:
    shown = name.replace("#", "<i>", 1).replace("#", "<j>")
    if f"| `{shown}` | {TYPES[kind]} | {ACCESS[access]} | " not in tree:
        wrong.append(f"docs/stats.md: {shown} ({TYPES[kind]}, {ACCESS[access]}) is missing or says something else")
if len(leaves) < 100 or len(re.findall(r"^\| `", tree, re.M)) != len(leaves) + 1:
    wrong.append("docs/stats.md: another number of leaves than the tree has")

# Instructions of a hit.
x86, arm = (dict(line.split() for line in (top / f"test/golden/fast_path_{arch}.txt").read_text().splitlines()) for arch in ("x86_64", "aarch64"))
CALLS = {"malloc": "`malloc`", "free": "`free`", "_Znwm": "`operator new`", "_ZdlPvm": "sized `operator delete`"}
said = {
    "README.md": f"takes {x86['malloc']} instructions on x86-64, `free` {x86['free']} ({arm['malloc']} and {arm['free']} on AArch64)",
    "docs/benchmarks.md": ", ".join(f"{shown} {x86[name]} / {arm[name]}" for name, shown in CALLS.items()),
}
wrong += [f"{page}: does not say: {text}" for page, text in said.items() if text not in " ".join((top / page).read_text().split())]

print("\n".join(wrong) or f"{len(pages)} pages, {len(named)} anchors, {len(rows)} options, {len(leaves)} leaves")
sys.exit(1 if wrong else 0)
