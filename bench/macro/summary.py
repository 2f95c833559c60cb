# SPDX-License-Identifier: MIT
"""From runs to figures: medians, priced faults, ratios, geometric means, noise."""
import math
import statistics

from allocators import AGAIN, BASE, SUBJECT

FAULT_PRICE = 0.25  # microseconds: what a page fault costs without virtual machines around it
FLOOR = 0.1  # of the measured time: less than this is left only where faults were cheaper than the measured kind
METRICS = ("time", "priced", "cpu", "rss", "faults")


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


def _cell(runs, benchmark, fault_us, cores):
    prices = [priced(r, fault_us, cores) for r in runs]
    times = [r.seconds for r in runs]
    cell = {
        "time": statistics.median(times), "spread": (max(times) - min(times)) / statistics.median(times) if statistics.median(times) else 0,
        "priced": statistics.median(p for p, _ in prices), "floored": any(f for _, f in prices),
        "cpu": statistics.median(r.cpu for r in runs), "rss": statistics.median(r.peak_kib for r in runs),
        "faults": statistics.median(r.faults for r in runs), "disturbed": sum(r.disturbed for r in runs),
        "figures": {}, "runs": [vars(r) for r in runs],
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

    def fixed(name):
        return lambda _row: name

    def best(metric):
        return lambda row: row["best"].get(metric)

    subjects = [n for n in names if n == SUBJECT or n.startswith(SUBJECT + "-")]
    against = {s: {p: _means(rows, fixed(s), fixed(p)) for p in peers} for s in subjects}
    field = {}
    for name in names:
        field[name] = {"base": _means(rows, fixed(name), fixed(BASE)),
                       "envelope": {m: geomean(ratios(rows, m, fixed(name), best(m)).values()) for m in METRICS}}
    envelope = {m: geomean(ratios(rows, m, best(m), fixed(BASE)).values()) for m in METRICS}
    return {"rows": rows, "peers": peers, "names": names, "subjects": subjects, "against": against, "field": field, "envelope": envelope,
            "noise": _noise(rows)}
