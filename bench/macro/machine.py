# SPDX-License-Identifier: MIT
"""The machine: what it is, what a page fault costs on it, whether somebody else is using it, and putting it into the same state."""
import fcntl
import os
import platform
import statistics
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")
QUIET_SHARE = 0.10  # of one core: what others may use before a run counts as disturbed
SLOW = 1.2  # times the usual pace
APART = 2.0  # times farther from each other than usual, or nearer, the CPUs are
HAND_OVER = "hand-over"
QUIET_SLACK = 0.03  # seconds: the kernel counts in ticks


def say(text):
    print(f"\r\033[K{text}" if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


class FaultCost:
    """Microseconds of the first touch of a small page, in the state that every run finds. Measured again before each round: it is a
    property of the hour as much as of the machine."""

    def __init__(self, tools, warm_mib):
        self.tools, self.warm_mib, self.all = tools, warm_mib, []

    def measure(self):
        condition(self.tools, self.warm_mib)
        run = subprocess.run([self.tools.machine, "fault", "128"], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise SystemExit(f"compare: the cost of a page fault could not be measured: {run.stderr.strip()}")
        values = {k: float(v) / 1000 for k, v in (pair.split("=") for pair in run.stdout.split())}
        self.all.append(values["median"])
        say(f"a page fault costs {values['median']:.2f} us now (quartiles {values['low']:.2f} to {values['high']:.2f})")

    @property
    def median(self):
        return statistics.median(self.all)


def condition(tools, warm_mib):
    """Whoever ran before, the next program finds the same: huge pages have just been used by somebody else and given back."""
    if "[never]" not in read("/sys/kernel/mm/transparent_hugepage/enabled"):  # where there are none, none can be inherited
        subprocess.run([tools.machine, "warm", str(warm_mib)], check=True)


def _busy_seconds():
    """CPU seconds that anybody has used since boot, stolen ones included."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _idle, _iowait, irq, softirq, steal = (int(x) for x in stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICK


def _own_seconds():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Meter:
    """How much CPU others used while something of ours ran. `own` is all that this process and its ended children used: a program
    that is still running when the meter is read must be added by the caller."""

    def __init__(self):
        self.begin, self.busy, self.own = time.monotonic(), _busy_seconds(), _own_seconds()

    def foreign(self, unreaped=0.0):
        """(seconds used by others, whether that is too much)"""
        elapsed = time.monotonic() - self.begin
        others = max(0.0, _busy_seconds() - self.busy - (_own_seconds() - self.own) - unreaped)
        return others, others > QUIET_SHARE * elapsed + QUIET_SLACK


class Pace:
    """How fast the machine is right now, arithmetic and memory apart, and how far its CPUs are from each other. In a virtual machine neighbours
    slow both down, for seconds or minutes, CPUs are moved about, and no counter of the guest shows it."""
    MIB = 16

    def __init__(self, tools):
        self.tools, self.all = tools, []

    def measure(self):
        out = subprocess.run([self.tools.machine, "pace", str(self.MIB)], capture_output=True, text=True, check=True).stdout
        self.all.append({k: float(v) for k, v in (pair.split("=") for pair in out.split())})
        return self.all[-1]

    def slowness(self, values):
        """How many times slower than usual in this session, by the worse of the two."""
        return max(value / self._usual(name) for name, value in values.items() if name != HAND_OVER)

    def apart(self, values):
        """How many times farther from each other than usual the CPUs are, or nearer."""
        times = values[HAND_OVER] / self._usual(HAND_OVER) if HAND_OVER in values else 1.0
        return max(times, 1 / times)

    def _usual(self, name):
        return statistics.median(p[name] for p in self.all if name in p)

    def summary(self):
        found = {}
        for name in sorted({name for p in self.all for name in p}):
            values = [p[name] for p in self.all if name in p]  # a hand-over that took too long was not timed
            found[name] = {"median": statistics.median(values), "low": min(values), "high": max(values)}
        return found


def wait_until_idle(patience):
    """Waits until others use less than the quiet share of a core for half a second. Returns whether that came to be."""
    begin, told = time.monotonic(), False
    while True:
        meter = Meter()
        time.sleep(0.5)
        others, busy = meter.foreign()
        if not busy:
            return True
        if time.monotonic() - begin > patience:
            say(f"the machine stays busy ({others / 0.5:.0%} of a core by others) after {patience:.0f} s: measuring all the same")
            return False
        if not told:
            say(f"the machine is busy ({others / 0.5:.0%} of a core by others): waiting")
            told = True


class Turn:
    """Exclusive use of a machine that several share: a lock on a file, held for a slice of time, given up between two groups of runs."""

    def __init__(self, path, slice_seconds):
        self.path, self.slice_seconds, self.file, self.since = path, slice_seconds, None, 0.0

    def take(self):
        if not self.path:
            return
        if self.file and time.monotonic() - self.since > self.slice_seconds:
            self.release()
            time.sleep(1)  # let a waiter have it
        if not self.file:
            self.file = open(self.path, "a", encoding="ascii")  # pylint: disable=consider-using-with
            fcntl.flock(self.file, fcntl.LOCK_EX)
            self.since = time.monotonic()

    def release(self):
        if self.file:
            self.file.close()
            self.file = None


def output_of(*argv):
    """What a helper program prints; nothing where it is not installed or fails."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def describe(build):
    """What the reader of a figure must know of where it came from."""
    def value(path, name, separator, otherwise):
        return next((line.split(separator, 1)[1].strip() for line in read(path).splitlines() if line.startswith(name)), otherwise)

    cpu = value("/proc/cpuinfo", "model name", ":", platform.machine())
    memory = int(value("/proc/meminfo", "MemTotal", ":", "0 kB").split()[0])
    build_type = value(os.path.join(build, "CMakeCache.txt"), "CMAKE_BUILD_TYPE:", "=", "unknown")
    here = os.path.dirname(os.path.abspath(__file__))

    def git(*words):
        return output_of("git", "-C", here, *words)

    return {
        "cpu": cpu, "cores": len(os.sched_getaffinity(0)), "memory_mib": memory // 1024, "kernel": platform.release(),
        "architecture": platform.machine(), "page_size": os.sysconf("SC_PAGE_SIZE"), "libc": " ".join(platform.libc_ver()),
        "transparent_hugepage": read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "commit": git("rev-parse", "--short", "HEAD"),
        "modified": bool(git("status", "--porcelain", "--", "../../src", "../../include")), "build_type": build_type, "date": time.strftime("%Y-%m-%d"),
    }
