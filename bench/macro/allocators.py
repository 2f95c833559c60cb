# SPDX-License-Identifier: MIT
"""Which allocators there are, and the proof that each is really the one that serves."""
import dataclasses
import glob
import os
import subprocess

import machine

SUBJECT = "xalloc"
BASE = "glibc"
AGAIN = "glibc again"  # the same allocator under a second name: what the two differ by is noise
DEBIAN = (  # name, file, package
    ("jemalloc", "libjemalloc.so.2", "libjemalloc2"),
    ("mimalloc", "libmimalloc.so.2", "libmimalloc2.0"),
    ("tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
)


@dataclasses.dataclass
class Allocator:
    name: str
    path: str = ""  # empty: the C library's own
    env: dict = dataclasses.field(default_factory=dict)
    version: str = ""

    @property
    def peer(self):
        """Whether it is one that the subject is measured against. Variants of the subject (xalloc-...) and noise are not."""
        return self.name != AGAIN and self.name != SUBJECT and not self.name.startswith(SUBJECT + "-")

    def environment(self, preload_base=False):
        """The variables of a program under this allocator, on top of none of ours: a preload of the caller must not leak in.
        preload_base: the program is linked to an allocator of its own, so that even glibc has to be put before it."""
        env = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "MALLOC_CONF", "GLIBC_TUNABLES", "MALLOC_ARENA_MAX")}
        path = self.path or (libc_path() if preload_base else "")
        if path:
            env["LD_PRELOAD"] = path
        return {**env, "LC_ALL": "C", **self.env}


def _debian_library(file):
    found = sorted(glob.glob(f"/usr/lib/*/{file}"))
    return found[0] if found else ""


def libc_path():
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        for line in maps:
            if "/libc.so.6" in line:
                return line.split()[-1]
    raise RuntimeError("this Python is not linked to libc.so.6")


def _package_version(package):
    return machine.output_of("dpkg-query", "-W", "-f=${Package} ${Version}", package)


def parse_extra(text):
    """name=/path.so[,ENV=VALUE...]; an empty path is the C library under other variables."""
    name, separator, rest = text.partition("=")
    path, *variables = rest.split(",")
    if not separator or not name or (path and not os.path.exists(path)) or any("=" not in v for v in variables):
        raise SystemExit(f"compare: --extra {text}: wanted is name=/path.so[,ENV=VALUE], with a file that exists")
    return Allocator(name, os.path.abspath(path) if path else "", dict(v.split("=", 1) for v in variables))


def find(build, extras, only, noise):
    """The allocators in a fixed order, and a list of remarks on what is missing."""
    found, remarks = [], []
    library = os.path.join(build, "libxalloc.so")
    if os.path.exists(library):
        found.append(Allocator(SUBJECT, os.path.abspath(library)))
    else:
        remarks.append(f"{SUBJECT}: not built in {build}")
    found.append(Allocator(BASE, version=_package_version("libc6")))
    if noise:
        found.append(Allocator(AGAIN))
    for name, file, package in DEBIAN:
        path = _debian_library(file)
        if path:
            found.append(Allocator(name, path, version=_package_version(package)))
        else:
            remarks.append(f"{name}: package {package} is not installed (bash bench/setup.sh)")
    found.extend(parse_extra(extra) for extra in extras)
    if only:
        unknown = set(only) - {a.name for a in found}
        if unknown:
            raise SystemExit(f"compare: no such allocator: {', '.join(sorted(unknown))}; there are {', '.join(a.name for a in found)}")
        found = [a for a in found if a.name in only or (a.name == AGAIN and BASE in only)]
    return found, remarks


def read_anew(path):
    """A library that was just written lies in the page cache in large pieces, of which a fault maps a whole one: some 50 KiB more of it would be
    resident in every program than after the machine's next start."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


def verify(allocator, tools):
    """Runs a program under the allocator that says whose malloc it got: a preload that fails is a mere warning of the linker."""
    if allocator.path:
        read_anew(allocator.path)
    run = subprocess.run([tools.whose_malloc], env=allocator.environment(), capture_output=True, text=True, check=False)
    got = os.path.realpath(run.stdout.strip())
    wanted = os.path.realpath(allocator.path or libc_path())
    if run.returncode != 0 or got != wanted:
        raise SystemExit(f"compare: under {allocator.name} malloc came from {got}, not from {wanted}: {run.stderr.strip()}")
