# SPDX-License-Identifier: MIT
"""From runs to figures: medians, priced faults, ratios, geometric means, noise."""
import math
import statistics

import machine
from allocators import AGAIN, BASE, SUBJECT

FAULT_PRICE = 0.25  # microseconds: what a page fault costs without virtual machines around it
FLOOR = 0.1  # of the measured time: less than this is left only where faults were cheaper than the measured kind
METRICS = ("time", "priced", "cpu", "rss", "faults")
KINDS = {"macro": "made-up programs", "real": "real programs"}  # suites whose means are also told apart: one must not hide the other


def priced(run, fault_us, cores):
    """Seconds of the run if a page fault cost FAULT_PRICE: the faults' measured cost is taken out and their price put in. Where
    several threads run at once, so do their faults: a fault shortens the run by its cost over the number of CPUs that were at work.
    (seconds, whether the floor held it up). User time is no floor: part of what a guest's fault costs is accounted as the user's."""
    if run.seconds <= 0:
        return run.seconds, False
    at_work = min(max(run.cpu / run.seconds, 1.0), float(cores))
    value = run.seconds - run.faults * (fault_us - FAULT_PRICE) * 1e-6 / at_work
    floor = FLOOR * run.seconds
    return (floor, True) if value < floor else (value, False)


def geomean(values):
    values = [v for v in values if v > 0]
    return math.exp(sum(math.log(v) for v in values) / len(values)) if values else None


def usual(runs):
    """Those that the machine's usual state saw, if that is at least half of them; else all: a median is not to be chosen by chance between two
    states that each saw some."""
    found = [r for r in runs if not r.disturbed and r.apart <= machine.APART]
    return found if 2 * len(found) >= len(runs) else runs


def _cell(all_runs, benchmark, fault_us, cores):
    runs = usual(all_runs)
    prices = [priced(r, fault_us, cores) for r in runs]
    times = [r.seconds for r in runs]
    cell = {
        "time": statistics.median(times), "spread": (max(times) - min(times)) / statistics.median(times) if statistics.median(times) else 0,
        "priced": statistics.median(p for p, _ in prices), "floored": any(f for _, f in prices),
        "cpu": statistics.median(r.cpu for r in runs), "rss": statistics.median(r.peak_kib for r in runs),
        "faults": statistics.median(r.faults for r in runs), "disturbed": sum(r.disturbed for r in runs),
        "left_out": len(all_runs) - len(runs), "apart": sum(r.apart > machine.APART for r in runs),
        "figures": {}, "runs": [vars(r) for r in all_runs],
    }
    if benchmark.suite in ("micro", "growth"):
        cell["priced"] = cell["time"]  # nanoseconds of one operation: the faults of the whole run are not its
    for name in runs[0].figures:
        cell["figures"][name] = [statistics.median(r.figures[name][0] for r in runs), runs[0].figures[name][1]]
    return cell


def _row(benchmark, by_allocator, failures, fault_us, cores, peers):
    row = {"suite": benchmark.suite, "unit": benchmark.unit, "timed": benchmark.timed, "sized": benchmark.sized, "x": benchmark.x,
           "missing": benchmark.missing, "cells": {}, "failures": {}, "best": {}, "remarks": []}
    for name, runs in by_allocator.items():
        if (benchmark.name, name) in failures:
            row["failures"][name] = failures[benchmark.name, name]
        elif runs:
            row["cells"][name] = _cell(runs, benchmark, fault_us, cores)
    outputs = {r.output for runs in by_allocator.values() for r in runs}
    if benchmark.checked and len(outputs) > 1:
        row["remarks"].append("the runs did not all print the same result: not the same work, not counted")
        row["timed"] = row["sized"] = False
    for metric in METRICS:
        values = {name: cell[metric] for name, cell in row["cells"].items() if name in peers}
        if values:
            row["best"][metric] = min(values, key=values.get)
    return row


def _counts(row, metric):
    return row["sized"] if metric == "rss" else row["timed"]


def ratios(rows, metric, over, under):
    """over(row) / under(row) for each row where both exist and the metric means something."""
    found = {}
    for name, row in rows.items():
        if not _counts(row, metric):
            continue
        above, below = over(row), under(row)
        if above and below and row["cells"].get(above) and row["cells"].get(below):
            bottom = row["cells"][below][metric]
            if bottom > 0:
                found[name] = row["cells"][above][metric] / bottom
    return found


def _means(rows, over, under):
    means = {metric: geomean(ratios(rows, metric, over, under).values()) for metric in METRICS}
    means["rows"] = len(ratios(rows, "time", over, under))
    return means


def _fixed(name):
    return lambda _row: name


def _best(metric):
    return lambda row: row["best"].get(metric)


def _against(rows, subjects, peers):
    return {s: {p: _means(rows, _fixed(s), _fixed(p)) for p in peers} for s in subjects}


def _over_envelope(rows, name):
    return {m: geomean(ratios(rows, m, _fixed(name), _best(m)).values()) for m in METRICS}


def _by_kind(rows, subjects, peers):
    """{kind of program: what the subjects are against each peer and over the envelope}, of the kinds of which something ran."""
    found = {}
    for suite, kind in KINDS.items():
        own = {name: row for name, row in rows.items() if row["suite"] == suite and row["cells"]}
        if own:
            found[kind] = {"against": _against(own, subjects, peers), "envelope": {s: _over_envelope(own, s) for s in subjects}}
    return found


def _noise(rows):
    noise = {}
    for metric in METRICS:
        values = list(ratios(rows, metric, lambda _: AGAIN, lambda _: BASE).values())
        if values:
            away = [math.exp(abs(math.log(v))) - 1 for v in values]
            noise[metric] = {"geomean": geomean(values), "typical": statistics.median(away), "worst": max(away)}
    return noise


def summarize(benchmarks, allocators, results, failures, fault_us, cores):
    peers = [a.name for a in allocators if a.peer]
    names = [a.name for a in allocators]
    rows = {b.name: _row(b, results.get(b.name, {}), failures, fault_us, cores, peers) for b in benchmarks}

    subjects = [n for n in names if n == SUBJECT or n.startswith(SUBJECT + "-")]
    field = {}
    for name in names:
        field[name] = {"base": _means(rows, _fixed(name), _fixed(BASE)), "envelope": _over_envelope(rows, name)}
    envelope = {m: geomean(ratios(rows, m, _best(m), _fixed(BASE)).values()) for m in METRICS}
    return {"rows": rows, "peers": peers, "names": names, "subjects": subjects, "against": _against(rows, subjects, peers),
            "by_kind": _by_kind(rows, subjects, peers), "field": field, "envelope": envelope, "noise": _noise(rows)}
