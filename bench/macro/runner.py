# SPDX-License-Identifier: MIT
"""Runs one benchmark under one allocator, and all of them in rounds."""
import dataclasses
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time

import machine

RETRIES = 2  # of a run that others disturbed
TIMEOUT = 300


class Failure(Exception):
    """A run that did not do its work: never a figure, always a remark."""


@dataclasses.dataclass
class Tools:
    """Programs that the build made."""
    build: str

    def __getattr__(self, name):
        return self.program(name)

    def program(self, name):
        path = os.path.join(self.build, "bench", f"bench_{name}")
        if not os.path.exists(path):
            raise SystemExit(f"compare: {path} is not built (bench/README.md)")
        return path


@dataclasses.dataclass
class Run:
    seconds: float
    user: float
    system: float
    peak_kib: int
    rusage_kib: int  # the same as wait4 says, which is less exact (launch.c)
    faults: int
    figures: dict = dataclasses.field(default_factory=dict)  # name: (value, unit)
    output: str = ""  # digest of what the program printed: the same work gives the same
    foreign: float = 0.0  # CPU seconds of others meanwhile
    slowness: float = 1.0  # times slower than usual, before or after
    apart: float = 1.0  # times farther from each other than usual the CPUs were, or nearer, before or after
    disturbed: bool = False

    @property
    def cpu(self):
        return self.user + self.system


class Launched:
    """A program started by the static launcher, whose own few pages are all that a child's peak can inherit."""

    def __init__(self, tools, argv, env, cwd=None, stdin=None, timeout=TIMEOUT):
        read_end, write_end = os.pipe()
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen([tools.launch, str(write_end), str(timeout), *argv], pass_fds=[write_end], env=env, cwd=cwd,
                                        stdin=stdin or subprocess.DEVNULL, stdout=self.out, stderr=self.err)
        os.close(write_end)
        self.report = os.fdopen(read_end)
        first = self.report.readline().split()
        if len(first) != 2:
            raise Failure(f"{argv[0]} could not be started")
        self.pid = int(first[1])
        self.name = os.path.basename(argv[0])

    def stop(self):
        self.process.terminate()

    def abandon(self):
        self.stop()
        self.process.wait()
        self.report.close()

    def wait(self, exits=(0,)):
        """The Run; output still to be looked at. Any end but a listed exit code is a failure."""
        line = self.report.readline()
        self.process.wait()
        self.report.close()
        if not line:
            raise Failure(f"{self.name}: no report")
        cost = dict(pair.split("=") for pair in line.split())
        if int(cost["exit"]) not in exits:
            why = "ran out of time" if cost["timeout"] == "1" else f"exit {cost['exit']}, signal {cost['signal']}"
            raise Failure(f"{self.name}: {why}: {self._text(self.err)[-300:].strip()}")
        return Run(float(cost["seconds"]), float(cost["user"]), float(cost["system"]), int(cost["peak_kib"]), int(cost["rusage_kib"]),
                   int(cost["faults"]))

    @staticmethod
    def _text(file):
        file.seek(0)
        return file.read().decode(errors="replace")

    def output(self):
        return self._text(self.out)


def figures_and_digest(text):
    """Splits lines `figure NAME VALUE UNIT` from the rest, which is the work's result."""
    figures, rest = {}, hashlib.sha256()
    for line in text.splitlines(keepends=True):
        words = line.split()
        if len(words) == 4 and words[0] == "figure":
            figures[words[1]] = (float(words[2]), words[3])
        else:
            rest.update(line.encode())
    return figures, rest.hexdigest()[:16]


def run_once(benchmark, allocator, context):
    """One run in the common state; again, at most RETRIES times, if others used the machine meanwhile or it was slower than usual before
    or after. The least disturbed counts."""
    best = None
    for _ in range(1 + RETRIES):
        machine.condition(context.tools, context.warm_mib)
        before = context.pace.measure()
        meter = machine.Meter()
        run = benchmark.run(context, allocator)
        run.foreign, busy = meter.foreign()
        after = context.pace.measure()
        run.slowness = max(context.pace.slowness(before), context.pace.slowness(after))
        run.apart = max(context.pace.apart(before), context.pace.apart(after))
        run.disturbed = busy or run.slowness > machine.SLOW
        if best is None or (run.disturbed, run.foreign) < (best.disturbed, best.foreign):
            best = run
        if not run.disturbed or not context.guard or context.spare <= 0:
            break
        context.spare -= 1
        why = f"others used {run.foreign:.2f} s of CPU meanwhile" if busy else f"the machine was {run.slowness:.2f} times slower than usual"
        machine.say(f"{benchmark.name} under {allocator.name}: {why}: again")
        if busy:
            machine.wait_until_idle(context.patience)
    return best


class Progress:
    def __init__(self, total):
        self.total, self.done, self.begin, self.line = total, 0, time.monotonic(), sys.stderr.isatty()

    def step(self, text, group):
        left = (time.monotonic() - self.begin) / self.done * (self.total - self.done) if self.done else 0
        text = f"[{self.done}/{self.total}] {text}" + (f", about {left:.0f} s left" if self.done else "")
        if self.line:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif group:
            print(text, file=sys.stderr, flush=True)
        self.done += 1

    def end(self):
        if self.line:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def rounds_of(benchmark, context):
    """A quick table runs what mostly waits only once."""
    return 1 if benchmark.slow and context.quick else context.rounds


def run_all(benchmarks, allocators, context):
    """After each round its number, and so far {benchmark: {allocator: [Run, ...]}} and the failures {(benchmark, allocator): text}. Every
    round goes through the benchmarks and, within each, through the allocators in an order of its own."""
    results = {b.name: {a.name: [] for a in allocators} for b in benchmarks}
    failures = {}
    shuffle = random.Random(context.seed)
    context.pace = machine.Pace(context.tools)
    progress = Progress(len(allocators) * sum(rounds_of(b, context) for b in benchmarks))
    context.spare = progress.total // 3  # runs that may be repeated: a machine that is always disturbed must not hold up the table for ever
    for number in range(context.rounds):
        context.turn.take()
        if context.guard:
            machine.wait_until_idle(context.patience)
        context.fault.measure()
        for benchmark in shuffle.sample(benchmarks, len(benchmarks)):
            if number >= rounds_of(benchmark, context):
                continue
            context.turn.take()
            for place, allocator in enumerate(shuffle.sample(allocators, len(allocators))):
                progress.step(f"round {number + 1}/{context.rounds}: {benchmark.name} under {allocator.name}", place == 0)
                if (benchmark.name, allocator.name) in failures:
                    continue
                try:
                    results[benchmark.name][allocator.name].append(run_once(benchmark, allocator, context))
                except Failure as failure:
                    failures[benchmark.name, allocator.name] = str(failure)
                    machine.say(f"{benchmark.name} under {allocator.name}: {failure}")
        if number + 1 == context.rounds:
            context.turn.release()
            progress.end()
        yield number + 1, results, failures
