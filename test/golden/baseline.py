#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""baseline.py <objdump> <x86_64|aarch64> <library>...: no instruction that a CPU of the architecture's baseline (x86-64 without SSE3 and
what came after; ARMv8.0-A) does not have. Prints what it finds, function by function."""
import re
import subprocess
import sys

objdump, arch, *libraries = sys.argv[1:]

# By the level or extension that brought them, as objdump writes them (AT&T).
ABOVE_X86 = {
    "SSE3": r"addsubp[sd]|h(add|sub)p[sd]|lddqu|movddup|movs[hl]dup|fisttp\w*|monitor|mwait",
    "SSSE3": r"pabs[bwd]|palignr|ph(add|sub)(w|d|sw)|pmaddubsw|pmulhrsw|pshufb|psign[bwd]",
    "SSE4": r"blendv?p[sd]|pblend(vb|w)|dpp[sd]|extractps|insertps|movntdqa|mpsadbw|packusdw|pcmp(eqq|gtq)|pcmp[ei]str[im]\w?|pextr[bdq]|pinsr[bdq]"
            r"|phminposuw|pm(ax|in)(sb|sd|ud|uw)|pmov[sz]x\w\w|pmul(dq|ld)|ptest|round[ps][sd]|crc32\w?",
    "x86-64-v2": r"popcnt\w?|cmpxchg16b|[ls]ahf",
    # Not tzcnt: on older CPUs it is bsf, and compilers use it where both give the same.
    "x86-64-v3": r"andn[lq]?|bextr\w?|bls(r|i|msk)\w?|bzhi\w?|lzcnt\w?|mulx\w?|pdep\w?|pext\w?|rorx\w?|sarx\w?|shlx\w?|shrx\w?|movbe\w?|xgetbv|xsave\w*|xrstor\w*",
    "AVX": r"v(?!er[rw]$)\w+|k(mov|and|or|xor|not|add|test|ortest|shift|unpck)\w+",
    "others": r"adcx\w?|adox\w?|aes\w+|pclmul\w+|sha(1|256)\w+|gf2p8\w+|(rd|wr)[fg]sbase\w?|rdrand\w?|rdseed\w?|rdpid\w?|rdtscp|clflushopt|clwb|cldemote"
              r"|prefetchw\w*|movdiri|movdir64b|serialize|umonitor|umwait|tpause|xbegin\w?|xend|xabort|xtest|enqcmds?",
}
ABOVE_AARCH64 = {
    "LSE": r"casp?(al?|l)?[bh]?|swp(al?|l)?[bh]?|(ld|st)(add|clr|eor|set|[su]max|[su]min)(al?|l)?[bh]?",
    "RCPC": r"ldapu?r\w*|stlur\w*",
    "CRC32": r"crc32\w+",
    "crypto": r"aes\w+|sha(1|256|512)\w+|sm[34]\w+|eor3|rax1|bcax|xar",
    "SIMD of 8.1 and later": r"sqrdml[as]h|[su]dot|usdot|sudot|bf\w*(dot|mmla|mlal\w?|cvtn?2?)|[su]mmla|usmmla|fmlal2?|fmlsl2?|fcmla|fcadd",
    "pointer authentication": r"ret[ab]{2}|blra[ab]z?|bra[ab]z?|eret[ab]{2}|ldra[ab]|xpac[id]|(pac|aut)(ga|[id][abz]+)",
    "flags, rounding": r"cfinv|rmif|setf(8|16)|[ax]xflag|fjcvtzs|frint(32|64)[xz]",
    "memory tagging": r"irg|gmi|addg|subg|subps?|st2?g|stz2?g|ldg|stgp|ldgm|stgm",
    "others": r"wf[ei]t|ld64b|st64b\w*|cpy[efpm]\w+|setg?[pme]\w*|ctz|sb",
}
# Registers of SVE and SME, and half-precision arithmetic.
ABOVE_AARCH64_OPERANDS = {"SVE": r"\bz\d+\b|\bp\d+[/.]|\bza", "half precision": r"\bf\w+\s.*(\bh\d+\b|\.[48]h\b)"}
# libgcc asks the CPU and goes to one of these.
OUTLINE_HELPERS = re.compile(r"__aarch64_(cas|swp|ld|st)")

MNEMONICS = {"x86_64": ABOVE_X86, "aarch64": ABOVE_AARCH64}[arch]
OPERANDS = {"x86_64": {}, "aarch64": ABOVE_AARCH64_OPERANDS}[arch]
mnemonics = {extension: re.compile(f"(?:{words})$") for extension, words in MNEMONICS.items()}
operands = {extension: re.compile(words) for extension, words in OPERANDS.items()}
# fcvt to and from half precision is of ARMv8.0.
OPERANDS_OF_BASELINE = re.compile(r"fcvt[nl]?2?\b")
PREFIXES = re.compile(r"^(?:(?:lock|rep[nz]*|repne|bnd|notrack|data16|addr32|cs|ds|es|ss|fs|gs|rex(?:\.\w+)?)\s+)+")


def above(instruction):
    bare = PREFIXES.sub("", instruction)
    word = bare.split(None, 1)[0] if bare else ""
    for extension, pattern in mnemonics.items():
        if pattern.match(word):
            return extension
    for extension, pattern in operands.items():
        if pattern.search(bare) and not OPERANDS_OF_BASELINE.match(word):
            return extension
    return None


bad = {}
for library in libraries:
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True).stdout
    function, count = "", 0
    for line in text.splitlines():
        if head := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            function = head.group(1)
        elif found := re.match(r"\s+[0-9a-f]+:\s+(\S.*)", line):
            count += 1
            extension = above(found.group(1).split("//")[0].split("#")[0].split("<")[0].strip())
            if extension is None or (extension == "LSE" and OUTLINE_HELPERS.match(function)):
                continue
            bad.setdefault((extension, found.group(1).split()[0]), []).append(function)
    if count < 1000:
        bad[("nothing was read", library)] = ["only %d instructions" % count]
    print(f"{library.split('/')[-1]}: {count} instructions looked at")
for (extension, word), functions in sorted(bad.items()):
    print(f"above the baseline: {word} ({extension}), {len(functions)} times, in {', '.join(sorted(set(functions))[:4])}")
sys.exit(1 if bad else 0)
