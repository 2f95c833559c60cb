# SPDX-License-Identifier: MIT
"""Servers: the client's elapsed time, the server's peak, CPU and faults; the client always runs on the C library's allocator."""
import glob
import os
import random
import re
import shutil
import subprocess
import time

import machine
from allocators import Allocator, libc_path
from programs import Program
from runner import Failure, Launched

CLIENT = Allocator("client")
START_SECONDS = 20


def resident_kib(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":"))


def check_mapped(pid, allocator):
    """That the server really has the allocator: where the library could not be read, it starts without."""
    path = os.path.realpath(allocator.path or libc_path())
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        if not any(os.path.realpath(line.split()[-1]) == path for line in maps if line.rstrip().endswith(os.path.basename(path))):
            raise Failure(f"the server does not have {path}")


class Server(Program):
    def __init__(self, name, binaries, packages):
        super().__init__(name, [], suite="real")
        self.binaries, self.packages = binaries, packages

    def find(self, binary):
        return shutil.which(binary)

    def prepare(self, context):
        absent = [b for b in self.binaries if not self.find(b)]
        if absent:
            self.missing = f"{', '.join(absent)} of Debian's packages {self.packages} not installed (bash bench/setup.sh)"

    @staticmethod
    def client(context, argv, stdin=None, cwd=None):
        """A client's seconds and what it printed."""
        launched = Launched(context.tools, argv, CLIENT.environment(), stdin=stdin, cwd=cwd)
        return launched.wait().seconds, launched.output()

    @staticmethod
    def await_ready(ready, server):
        end = time.monotonic() + START_SECONDS
        while not ready():
            if time.monotonic() > end or server.process.poll() is not None:
                server.stop()
                server.wait()  # raises with what the server said, if it ended by itself
                raise Failure(f"{server.name} did not start")
            time.sleep(0.02)


class Redis(Server):
    """A dataset of skewed values is loaded, then queried and changed, then flushed; a second later the server is asked to end."""
    KEYS = 120000

    def __init__(self):
        super().__init__("redis", ["redis-server", "redis-cli", "redis-benchmark"], "redis-server and redis-tools")
        self.bound = set()

    def prepare(self, context):
        super().prepare(context)
        if self.missing:
            return
        generator = random.Random(1)
        with open(f"{context.work}/redis-load", "wb") as file:
            for i in range(self.KEYS):
                value = "v" * int(8 * 2 ** (generator.random() * 6))
                words = (("SET", f"key:{i}", value), ("RPUSH", f"list:{i % 5000}", value),
                         ("HSET", f"hash:{i % 8000}", f"f{i % 97}", value))[i % 3]
                file.write(f"*{len(words)}\r\n".encode() + b"".join(f"${len(w)}\r\n{w}\r\n".encode() for w in words))

    def check_bound(self, allocator, env):
        """Debian links this server to jemalloc: whose malloc it calls is asked of the dynamic linker, once per allocator."""
        if allocator.name in self.bound:
            return
        asked = subprocess.run([self.find("redis-server"), "--version"], env={**env, "LD_DEBUG": "bindings"}, capture_output=True, text=True,
                               check=False)
        found = re.findall(r"binding file \S*redis-server \[0\] to (\S+) \[0\]: normal symbol `malloc'", asked.stderr)
        wanted = os.path.realpath(allocator.path or libc_path())
        if not found or os.path.realpath(found[0]) != wanted:
            raise Failure(f"the server's malloc comes from {found[0] if found else 'nowhere'}, not from {wanted}")
        self.bound.add(allocator.name)

    def run(self, context, allocator):
        env = allocator.environment(preload_base=True)
        self.check_bound(allocator, env)
        socket = f"{context.work}/redis.sock"
        cli = [self.find("redis-cli"), "-s", socket]
        bench = [self.find("redis-benchmark"), "-s", socket, "-q", "-n", "60000", "-r", "60000", "-c", "20", "-P", "8", "-d", "120",
                 "-t", "set,get,lpush,sadd,hset,zadd"]
        server = Launched(context.tools, [self.find("redis-server"), "--port", "0", "--unixsocket", socket, "--dir", context.work, "--save", ""],
                          env)
        try:
            self.await_ready(lambda: os.path.exists(socket) and machine.output_of(*cli, "ping") == "PONG", server)
            with open(f"{context.work}/redis-load", "rb") as load:
                loading, _ = self.client(context, [*cli, "--pipe"], stdin=load)
            loaded = resident_kib(server.pid)
            _, size = self.client(context, [*cli, "dbsize"])
            working, shown = self.client(context, bench)
            peak = resident_kib(server.pid, "VmHWM")
            self.client(context, [*cli, "flushall"])
            time.sleep(1)
            flushed = resident_kib(server.pid)
            self.client(context, [*cli, "shutdown", "nosave"])
        except BaseException:
            server.abandon()
            raise
        run = server.wait()
        run.seconds, run.peak_kib, run.output = loading + working, peak, size
        rates = [float(r) for r in re.findall(r"([\d.]+) requests per second", shown)]
        if not rates:
            raise Failure(f"redis-benchmark: {shown[-200:]}")
        run.figures = {"requests": (len(rates) / sum(1 / r for r in rates) / 1000, "thousand/s"), "loaded": (loaded / 1024, "MiB"),
                       "flushed": (flushed / 1024, "MiB")}
        return run


class Postgres(Server):
    """pgbench's own mix, a fixed number of transactions, every statement parsed and planned again. Each run gets a copy of one cluster.
    The peak is that of the largest process; how much all of them hold for themselves is a figure."""
    BINARIES = ("postgres", "initdb", "pgbench", "psql")
    CLIENTS, TRANSACTIONS = 4, 700

    def __init__(self):
        super().__init__("postgres", self.BINARIES, "postgresql and postgresql-contrib")
        self.user = []

    def find(self, binary):
        found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{binary}"), key=lambda p: float(p.split("/")[4]))
        return found[-1] if found else shutil.which(binary)

    def prepare(self, context):
        super().prepare(context)
        if self.missing:
            return
        self.folder = os.path.join(context.work, "postgres")
        os.mkdir(self.folder)
        if os.geteuid() == 0:  # the server refuses to run as root
            self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
            os.chmod(context.work, 0o755)
            shutil.chown(self.folder, "postgres", "postgres")
        try:
            self._as_user("initdb", "-D", f"{self.folder}/template", "--auth=trust", "--no-sync", "--username=bench", "--encoding=UTF8",
                          "--locale=C")
            server = self._start(context, CLIENT, "template")
            self._as_user("pgbench", "-h", self.folder, "-U", "bench", "-i", "-q", "-s", "2", "postgres")
            server.stop()
            server.wait()
        except (subprocess.CalledProcessError, Failure) as problem:
            self.missing = f"no cluster could be made: {getattr(problem, 'stderr', '') or problem}"

    def _as_user(self, program, *words):
        return subprocess.run([*self.user, self.find(program), *words], cwd=self.folder, env=CLIENT.environment(), capture_output=True,
                              text=True, check=True)

    def _start(self, context, allocator, data):
        settings = ("listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off", "shared_buffers=16MB", "autovacuum=off",
                    "max_connections=20", "bgwriter_delay=10s")
        argv = [*self.user, self.find("postgres"), "-D", f"{self.folder}/{data}", *(word for s in settings for word in ("-c", s))]
        server = Launched(context.tools, argv, allocator.environment(), cwd=self.folder)
        ask = [self.find("psql"), "-h", self.folder, "-U", "bench", "-c", "select 1", "postgres"]
        self.await_ready(lambda: machine.output_of(*ask) != "", server)
        return server

    @staticmethod
    def _private_kib(postmaster):
        """Memory that the server's processes hold for themselves."""
        total = 0
        with open(f"/proc/{postmaster}/task/{postmaster}/children", encoding="ascii") as children:
            for pid in [str(postmaster), *children.read().split()]:
                try:
                    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                        total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss_Anon:"))
                except OSError:
                    pass  # ended meanwhile
        return total

    def run(self, context, allocator):
        data = f"{self.folder}/run"
        shutil.rmtree(data, ignore_errors=True)
        subprocess.run(["cp", "-a", f"{self.folder}/template", data], check=True)
        server = self._start(context, allocator, "run")
        try:
            check_mapped(server.pid, allocator)
            bench = Launched(context.tools, [self.find("pgbench"), "-h", self.folder, "-U", "bench", "-n", "-M", "simple",
                                             "-c", str(self.CLIENTS), "-j", "1", "-t", str(self.TRANSACTIONS), "postgres"],
                             CLIENT.environment(), cwd=self.folder)
            private = 0
            while bench.process.poll() is None:
                private = max(private, self._private_kib(server.pid))
                time.sleep(0.25)
            seconds = bench.wait().seconds
            done = re.search(r"actually processed: (\d+/\d+)", bench.output())
        except BaseException:
            server.abandon()
            raise
        server.process.send_signal(2)  # fast shutdown
        run = server.wait()
        run.seconds, run.output = seconds, done.group(1) if done else ""
        run.figures = {"private_of_all": (private / 1024, "MiB")}
        return run
