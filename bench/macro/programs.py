# SPDX-License-Identifier: MIT
"""The benchmarks: what is run, what of it counts."""
import dataclasses
import json
import subprocess

from runner import Failure, Launched, figures_and_digest


@dataclasses.dataclass
class Program:
    """A command that does its work and ends."""
    name: str
    argv: list
    env: dict = dataclasses.field(default_factory=dict)
    suite: str = "command"  # the kind of benchmark: macro, real, micro, growth, command
    time_figure: str = ""  # the figure that is the time, instead of the whole run's
    timed: bool = True  # whether time and CPU mean something
    sized: bool = True  # whether the peak does
    checked: bool = True  # whether every run must print the same
    slow: bool = False  # mostly waits
    unit: str = "s"
    x: float = 0.0  # place on a growth curve
    directory: str = None
    stdin: str = None
    missing: str = ""  # why it cannot run

    def prepare(self, context):
        """Fills in what is missing, or makes inputs. Untimed."""

    def run(self, context, allocator):
        stdin = open(self.stdin, "rb") if self.stdin else None  # pylint: disable=consider-using-with
        try:
            launched = Launched(context.tools, self.argv, {**allocator.environment(), **self.env}, self.directory, stdin)
            run = launched.wait()
        finally:
            if stdin:
                stdin.close()
        run.figures, run.output = self.read(launched.output())
        if self.time_figure:
            run.seconds = run.figures.pop(self.time_figure)[0]
        return run

    def read(self, text):
        return figures_and_digest(text)


# name of the row, program, arguments, what differs from the rule
MACRO = (
    ("larson", "larson", (), {}),
    ("larson-sized", "larson_sized", (), {}),
    ("producer-consumer", "producer_consumer", (), {}),
    ("xmalloc-test", "producer_consumer", ("batch=4096", "size=64", "blocks=24000000"), {}),
    ("mstress", "mstress", (), {}),
    ("rptest", "rptest", (), {}),
    ("sh6mix", "sh8mix", ("exchange=0",), {}),
    ("sh8mix", "sh8mix", (), {}),
    ("alloc-test-1", "alloc_test", (), {}),
    ("alloc-test-2", "alloc_test", ("threads=2",), {}),
    ("glibc-simple", "glibc_simple", (), {}),
    ("glibc-thread", "glibc_thread", (), {}),
    ("phase-change", "phase_change", (), {}),
    ("cache-thrash-1", "cache_lines", ("threads=1",), {}),
    ("cache-thrash", "cache_lines", (), {}),
    ("cache-scratch-1", "cache_lines", ("threads=1", "scratch=1"), {}),
    ("cache-scratch", "cache_lines", ("scratch=1",), {}),
    ("message-server", "message_server", (), {}),
    ("message-pauses", "message_pauses", (), {"timed": False, "sized": False}),
    ("lru-cache", "lru_cache", (), {}),
    ("buffers", "buffers", (), {}),
    ("thread-churn", "thread_churn", (), {}),
    ("heap-24", "heap_growth", ("mib=24",), {}),
    ("heap-128", "heap_growth", ("mib=128",), {}),
    ("heap-512", "heap_growth", ("mib=512",), {}),
    ("fork-cow", "fork_cow", (), {}),
    ("burst-idle", "leak_return", (), {"time_figure": "work", "slow": True}),
    ("leak-idle", "leak_return", ("leak=2000",), {"time_figure": "work", "slow": True}),
    ("thread-cost", "thread_cost", (), {"timed": False, "sized": False}),
)


def macro(context):
    return [Program(name, [context.tools.program(program), f"scale={context.scale}", *arguments], suite="macro", **rest)
            for name, program, arguments, rest in MACRO]


# curve: what is on its x axis, its points, what stays fixed
GROWTH = {
    "threads": ("threads", (1, 2, 4, 8, 16, 32, 64), "live=64000 size=64"),
    "live": ("live blocks", (1000, 10000, 100000, 1000000, 10000000), "threads=1 size=32"),
    "size": ("bytes of a block", (16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576), "threads=1 live=64"),
}


def growth(context):
    program = context.tools.program("growth")
    return [Program(f"{curve}={x}", [program, f"scale={context.scale}", f"{curve}={x}", *fixed.split()], suite="growth",
                    time_figure="per_replacement", unit="ns", x=x) for curve, (_, points, fixed) in GROWTH.items() for x in points]


class Micro(Program):
    """One benchmark of the micro program: nanoseconds per operation, as many operations as its library finds good."""

    def read(self, text):
        try:
            row = json.loads(text)["benchmarks"][0]
        except (ValueError, LookupError) as problem:
            raise Failure(f"no figure: {problem}") from problem
        if row.get("error_occurred"):
            raise Failure(row.get("error_message", "error"))
        scale = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[row["time_unit"]]
        items = row.get("items_per_second")
        return {"per_operation": (1e9 / items if items else row["real_time"] * scale, "ns")}, ""


def micro(context, pattern):
    program = context.tools.build + "/bench/xalloc_micro"
    try:
        listing = subprocess.run([program, "--benchmark_list_tests=true", f"--benchmark_filter={pattern}"], capture_output=True, text=True,
                                 check=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        raise SystemExit(f"compare: {problem}") from problem
    words = [f"--benchmark_min_time={0.05 * context.scale}", "--benchmark_format=json"]
    return [Micro(name, [program, f"--benchmark_filter=^{name}$", *words], suite="micro", time_figure="per_operation", sized=False,
                  checked=False, unit="ns") for name in listing.stdout.split()]
