# SPDX-License-Identifier: MIT
"""Writes what was measured: JSON with every run, a Markdown document, plots; and prints the tables."""
import json
import os
import re

import plot
import report
from allocators import BASE
from machine import say
from programs import GROWTH

TEXTS = {
    "benchmarks": ("Benchmarks", "Whole programs under each allocator: time, peak resident size, page faults. `bench/README.md` says "
                                 "what each program is after and how to read the tables. Written by `bench/macro/compare`."),
    "micro": ("Single operations", "The benchmarks of `bench/micro`: nanoseconds of one operation. Written by `bench/macro/compare --micro`."),
    "growth": ("Growth", "What one operation costs as a program grows. Written by `bench/macro/compare --growth`."),
    "command": ("A command", "Written by `bench/macro/compare -- COMMAND`."),
}


def _ratios(result, metric):
    rows = {}
    for name, row in report.counted(result, metric).items():
        base = row["cells"].get(BASE, {}).get(metric)
        if base:
            rows[name] = {a: c[metric] / base for a, c in row["cells"].items()}
    return rows


def _plots(result, kind):
    plots = {}
    if kind == "growth":
        for curve, (across, points, fixed) in GROWTH.items():
            lines = {a: [(x, result["rows"][f"{curve}={x}"]["cells"][a]["time"]) for x in points
                         if a in result["rows"].get(f"{curve}={x}", {}).get("cells", {})] for a in result["names"]}
            plots[f"CPU nanoseconds of one replacement against {across} ({fixed})"] = (
                curve, plot.curves(f"One replacement against {across} ({fixed})", lines, result["names"], across, "ns"))
        return plots
    for metric in ("time", "rss"):
        rows = _ratios(result, metric)
        if rows:
            title = f"{report.TITLES[metric]} relative to {BASE} (lower is better)"
            plots[title] = (metric, plot.dots(title, rows, result["names"]))
    means = {n: (f["base"]["time"], f["base"]["rss"]) for n, f in result["field"].items()}
    means["envelope"] = (result["envelope"]["time"], result["envelope"]["rss"])
    if any(x and y for x, y in means.values()):
        title = f"Time and memory relative to {BASE} (geometric means)"
        plots[title] = ("field", plot.plane(title, means, "time", "peak resident size"))
    return plots


def without_folders(value):
    """What is published names files, not where they lay on the machine that ran them."""
    if isinstance(value, str):
        return re.sub(r"(?<![\w.])/(?:[^\s/,]+/)+", "", value)
    if isinstance(value, dict):
        return {k: without_folders(v) for k, v in value.items()}
    return [without_folders(v) for v in value] if isinstance(value, list) else value


def write(result, meta, out):
    """The Markdown document, its plots and the JSON; the text for a terminal."""
    meta = without_folders(meta)
    meta["title"], meta["introduction"] = TEXTS[meta["kind"]]
    name = "benchmarks" if meta["kind"] == "benchmarks" else f"benchmarks-{meta['kind']}"
    assets = os.path.join(out, "benchmarks")
    os.makedirs(assets, exist_ok=True)
    files = {}
    for title, (short, text) in _plots(result, meta["kind"]).items():
        file = f"benchmarks/{meta['kind']}-{short}.svg"
        with open(os.path.join(out, file), "w", encoding="utf-8") as svg:
            svg.write(text)
        files[title] = file
    whole = os.path.join(assets, f"{meta['kind']}.json")
    with open(whole + ".new", "w", encoding="utf-8") as file:
        json.dump({"meta": meta, **result}, file, indent=1)
        file.write("\n")
    os.replace(whole + ".new", whole)  # who ends us leaves the old one or the new one
    with open(os.path.join(out, f"{name}.md"), "w", encoding="utf-8") as file:
        file.write(report.markdown(result, meta, files))
    say(f"written: {os.path.join(out, name)}.md, {assets}/")
    return report.terminal(result, meta)
