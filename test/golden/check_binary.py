#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_binary.py <library> <SONAME> <folder> [--jemalloc] [--musl] [--update]: the library as the dynamic loader sees it: exported and undefined
symbols as listed, libc as the only dependency, a small TLS segment (or dlopen fails), the SONAME. --jemalloc: with all of jemalloc's names
and nothing else beside; without, none of them. --musl: built against musl, which has other names for the same. --update rewrites the list of exports."""
import pathlib
import re
import subprocess
import sys

library, soname, folder, how = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4:]
problems = []


def readelf(flag):
    return subprocess.run(["readelf", "-W", flag, library], capture_output=True, text=True, check=True).stdout


exports, undefined = set(), set()
for line in readelf("--dyn-syms").splitlines():
    cells = line.split()
    if len(cells) < 8 or not cells[0].rstrip(":").isdigit() or cells[3] == "SECTION" or cells[7] == "":
        continue
    name, where, bind = cells[7].replace("@@", "@"), cells[6], cells[4]
    if where == "UND":
        undefined.add(name.split("@")[0] + (" weak" if bind == "WEAK" else ""))
    elif where != "ABS":
        exports.add(name)

list_of_exports = folder / "exports.txt"
if "--update" in how:
    list_of_exports.write_text("\n".join(sorted(exports)) + "\n")
expected = set(list_of_exports.read_text().split())
if "--jemalloc" in how:
    expected |= set((folder / "exports_jemalloc.txt").read_text().split())
if "--musl" in how:
    expected -= set((folder / "exports_glibc_only.txt").read_text().split())
problems += [f"exported but not listed: {n}" for n in sorted(exports - expected)]
problems += [f"listed but not exported: {n}" for n in sorted(expected - exports)]
list_of_undefined = folder / ("undefined_musl.txt" if "--musl" in how else "undefined.txt")
allowed = {line for line in list_of_undefined.read_text().splitlines() if line and not line.startswith("#")}
problems += [f"undefined symbol that is not allowed: {n}" for n in sorted(undefined - allowed)]

dynamic = readelf("-d")
needed = re.findall(r"NEEDED.*\[(.*)\]", dynamic)
libc = r"libc\.(so|musl-.*)" if "--musl" in how else r"libc\.so\.6|ld-linux-.*"
problems += [f"needs {n}" for n in needed if not re.fullmatch(libc, n)]
if f"[{soname}]" not in dynamic:
    problems.append(f"SONAME is not {soname}")
tls = [int(line.split()[5], 16) for line in readelf("-l").splitlines() if line.split()[:1] == ["TLS"]]
if sum(tls) > 64:
    problems.append(f"TLS segment of {sum(tls)} bytes (at most 64)")
print("\n".join(problems) if problems else f"{len(exports)} exports, {len(undefined)} undefined, needs {needed}, TLS {sum(tls)} bytes")
sys.exit(1 if problems else 0)
