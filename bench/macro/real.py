# SPDX-License-Identifier: MIT
"""Real programs from Debian packages, each on an input of its own size. What is not installed says so in its row."""
import json
import os
import random
import shutil
import subprocess

from programs import Program
from servers import Postgres, Redis

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "real")


class Real(Program):
    def __init__(self, name, package, argv, make_input=None, **rest):
        super().__init__(name, argv, suite="real", **rest)
        self.package, self.make_input = package, make_input

    def prepare(self, context):
        path = shutil.which(self.argv[0])
        if path is None:
            self.missing = f"{self.argv[0]} of Debian's package {self.package} is not installed (bash bench/setup.sh)"
            return
        self.argv = [path, *(a.replace("WORK", context.work) for a in self.argv[1:])]
        if self.make_input:
            self.make_input(context.work)


def _records(count):
    generator = random.Random(1)
    for i in range(count):
        yield {"id": i, "name": f"name {generator.randrange(10000)}",
               "values": [generator.randrange(1 << 20) for _ in range(generator.randrange(8))], "note": "n" * generator.randrange(80)}


def _json(work):
    with open(f"{work}/input.json", "w", encoding="ascii") as file:
        json.dump(list(_records(25000)), file)


def _xml(work):
    with open(f"{work}/input.xml", "w", encoding="ascii") as file:
        file.write("<list>\n")
        for r in _records(90000):
            values = "".join(f"<value>{v}</value>" for v in r["values"])
            file.write(f'<item id="{r["id"]}"><name>{r["name"]}</name>{values}<note>{r["note"]}</note></item>\n')
        file.write("</list>\n")


def _log(work):
    with open(f"{work}/input.log", "w", encoding="ascii") as file:
        for r in _records(250000):
            file.write(f'{r["id"]} {r["name"].replace(" ", "-")} {r["note"] or "-"} {len(r["values"]) * "v"}\n')


class Compiler(Real):
    """The compiler proper, without the driver, on a file that is preprocessed beforehand."""

    def prepare(self, context):
        super().prepare(context)
        if self.missing:
            return
        compiler = self.argv[0]
        found = subprocess.run([compiler, "-print-prog-name=cc1plus"], capture_output=True, text=True, check=True).stdout.strip()
        unit = f"{context.work}/unit.ii"
        subprocess.run([compiler, "-std=c++20", "-E", "-o", unit, os.path.join(HERE, "unit.cc")], check=True)
        self.argv = [found, "-quiet", "-std=c++20", "-O1", "-fpreprocessed", unit, "-o", "/dev/null"]


JQ = "map({id, name, sum: (.values | add), upper: (.note | ascii_upcase)}) | group_by(.name) | map({(.[0].name): map(.sum)})"


def programs():
    return [
        Compiler("gcc", "g++", ["g++"]),
        Real("sqlite3", "sqlite3", ["sqlite3", "-batch", "-bail", ":memory:"], stdin=os.path.join(HERE, "work.sql")),
        Real("python3", "python3", ["python3", "-B", "-S", os.path.join(HERE, "work.py")],
             env={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}),
        Real("perl", "perl", ["perl", os.path.join(HERE, "work.pl")], env={"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"}),
        Real("lua", "lua5.4", ["lua5.4", os.path.join(HERE, "work.lua")]),
        Real("jq", "jq", ["jq", "-c", JQ, "WORK/input.json"], _json),
        Real("xmllint", "libxml2-utils", ["xmllint", "--noout", "--xpath", "count(//value)", "WORK/input.xml"], _xml),
        Real("ruby", "ruby", ["ruby", "--disable=gems", os.path.join(HERE, "work.rb")]),
        Real("gawk", "gawk", ["gawk", "-f", os.path.join(HERE, "work.awk"), "WORK/input.log"], _log),
        Real("bc", "bc", ["bc", "-l", os.path.join(HERE, "work.bc")]),
        Redis(),
        Postgres(),
        Real("rocksdb", "rocksdb-tools", ["db_bench", "--benchmarks=fillrandom,readrandom", "--num=250000", "--seed=1", "--disable_wal=1",
                                          "--db=WORK/rocksdb"], checked=False),
    ]
