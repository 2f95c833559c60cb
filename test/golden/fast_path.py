#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instructions of the hit path, from objdump: from the entry along fall-through to the first return. Conditional branches count
one each and are not taken (what they lead to is cold); a call, an atomic or a barrier before the return fails.
`--update` as last argument rewrites the golden file."""
import pathlib
import re
import subprocess
import sys

library, objdump, arch, golden = sys.argv[1:5]
LIMITS = {  # most instructions on a hit
    "x86_64": {"malloc": 20, "free": 30, "_Znwm": 20, "_ZdlPvm": 32},
    "aarch64": {"malloc": 20, "free": 30, "_Znwm": 20, "_ZdlPvm": 40},
}[arch]
FORBIDDEN = re.compile(r"^(call|lock|xchg|[ml]fence|sfence|syscall|blr?\s|[di][ms]b|svc|ldaxp?r|ldx[pr]|stl?x[pr]|cas|swp|(ld|st)(add|clr|eor|set|[su]max|[su]min))")

text = subprocess.run([objdump, "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True).stdout
counts, problems = {}, []
for name, limit in LIMITS.items():
    # An alias may carry the code: __libc_malloc stands where malloc is.
    names = {"malloc": "(?:__libc_)?malloc", "free": "(?:__libc_)?c?free", "_ZdlPvm": "_Zd[la]Pvm", "_Znwm": "_Zn[wa]m"}[name]
    body = re.search(rf"^[0-9a-f]+ <{names}(?:@@?[\w.]+)?>:\n(.*?)(?:\n\n|\Z)", text, re.M | re.S)
    if not body:
        problems.append(f"{name}: not found")
        continue
    count = 0
    for line in body.group(1).splitlines():
        instruction = line.split(":", 1)[1].strip()
        count += 1
        if FORBIDDEN.match(instruction):
            problems.append(f"{name}: `{instruction}` on the hit path")
        if instruction.startswith(("ret", "jmp", "b ", "b\t")):
            if not instruction.startswith("ret"):
                problems.append(f"{name}: jumps away before it returns: `{instruction}`")
            break
    else:
        problems.append(f"{name}: no return seen")
    counts[name] = count
    if count > limit:
        problems.append(f"{name}: {count} instructions, at most {limit}")

lines = "".join(f"{name} {count}\n" for name, count in counts.items())
if sys.argv[-1] == "--update":
    pathlib.Path(golden).write_text(lines)
print(lines, end="")
if pathlib.Path(golden).read_text() != lines:
    problems.append(f"differs from {pathlib.Path(golden).name}: look at the change, then rewrite it with --update")
print("\n".join(problems))
sys.exit(1 if problems else 0)
