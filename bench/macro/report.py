# SPDX-License-Identifier: MIT
"""The tables, as Markdown that is aligned enough to be read in a terminal."""
import os

import machine
from allocators import AGAIN, BASE
from summary import FAULT_PRICE

TITLES = {"time": "Time", "priced": f"Time with a page fault at {FAULT_PRICE} us", "rss": "Peak resident size"}

PRICED_KINDS = ("benchmarks", "command")  # elsewhere the time is that of one operation, and the faults are the whole run's


def table(header, lines):
    lines = [[str(c) for c in line] for line in lines]
    width = [max(len(line[i]) for line in [header, *lines]) for i in range(len(header))]

    def one(line):
        return "| " + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, width))) + " |"

    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(width)) + "|"
    return "\n".join([one(header), rule, *(one(line) for line in lines)])


def number(value, digits=2):
    return "–" if value is None else f"{value:.{digits}f}"


def short(value):
    """Three significant digits."""
    if value == 0:
        return "0"
    return next((f"{value:.{digits}f}" for least, digits in ((100, 0), (10, 1), (0.1, 2)) if abs(value) >= least), f"{value:.4f}")


def counted(summary, metric):
    return {n: r for n, r in summary["rows"].items() if r["cells"] and (r["sized"] if metric == "rss" else r["timed"])}


def means(summary):
    """The headline: the subject against each peer and against the envelope."""
    parts = []
    for subject in summary["subjects"]:
        if not any(subject in r["cells"] for r in summary["rows"].values()):
            continue
        lines = [[f"{subject} / {peer}", *(number(m[k], 3) for k in ("time", "priced", "cpu", "rss")), m["rows"]]
                 for peer, m in summary["against"][subject].items()]
        over = summary["field"][subject]["envelope"]
        lines.append([f"**{subject} / envelope**", *(f"**{number(over[k], 3)}**" for k in ("time", "priced", "cpu", "rss")), ""])
        parts.append(table(["geometric means", "time", "faults priced", "CPU", "peak RSS", "rows"], lines))
    return "\n\n".join(parts)


def kinds(summary):
    """The first subject as in means(), made-up and real programs apart; nothing if only one kind ran."""
    by_kind = summary["by_kind"]
    if len(by_kind) < 2 or not summary["subjects"]:
        return ""
    subject = summary["subjects"][0]
    lines = []
    for over in [*summary["peers"], "envelope"]:
        for kind, of in by_kind.items():
            found = of["envelope"][subject] if over == "envelope" else of["against"][subject][over]
            lines.append([f"{subject} / {over}", kind, *(number(found[k], 3) for k in ("time", "priced", "rss")), found.get("rows", "")])
    return table(["geometric means", "of", "time", "faults priced", "peak RSS", "rows"], lines)


def field(summary):
    """Everybody against glibc."""
    lines = [[name, *(number(f["base"][k], 3) for k in ("time", "priced", "cpu", "rss")), *(number(f["envelope"][k], 3) for k in ("time", "rss"))]
             for name, f in summary["field"].items()]
    lines.append(["envelope", *(number(summary["envelope"][k], 3) for k in ("time", "priced", "cpu", "rss")), "", ""])
    return table([f"relative to {BASE}", "time", "faults priced", "CPU", "peak RSS", "time / envelope", "RSS / envelope"], lines)


def noise(summary):
    if not summary["noise"]:
        return "Noise was not measured: glibc did not run under a second name."
    words = []
    for metric in ("time", "rss"):
        if metric in summary["noise"]:
            n = summary["noise"][metric]
            words.append(f"{TITLES[metric].lower()} {n['geomean']:.3f} (a row is typically {n['typical']:.1%} off, at worst {n['worst']:.1%})")
    return f"Noise, {AGAIN} / {BASE}: " + "; ".join(words) + ". Whatever differs by less means nothing."


def ratio_table(summary, metric):
    """One line per benchmark: everybody relative to glibc, the best peer, and the subject relative to that one."""
    rows = counted(summary, metric)
    if not rows:
        return ""
    subject = summary["subjects"][0] if summary["subjects"] else None
    lines = []
    for name, row in rows.items():
        base = row["cells"].get(BASE, {}).get(metric)
        line = [name]
        for allocator in summary["names"]:
            cell = row["cells"].get(allocator)
            if allocator in row["failures"]:
                line.append("failed")
            elif cell is None or not base:
                line.append("–")
            else:
                line.append(number(cell[metric] / base) + ("*" if metric == "priced" and cell["floored"] else ""))
        best = row["best"].get(metric)
        line.append(best or "–")
        if subject:
            ours = row["cells"].get(subject)
            line.append(number(ours[metric] / row["cells"][best][metric]) if ours and best and row["cells"][best][metric] > 0 else "–")
        lines.append(line)
    header = ["benchmark", *summary["names"], "best peer"] + ([f"{subject} / best"] if subject else [])
    return table(header, lines)


def details(summary):
    """Every figure of every row."""
    lines = []
    for name, row in summary["rows"].items():
        for allocator in summary["names"]:
            if allocator in row["failures"]:
                lines.append([name, allocator, "failed", *[""] * 8])
                continue
            cell = row["cells"].get(allocator)
            if cell is None:
                continue
            best = {m: row["cells"][row["best"][m]][m] for m in ("time", "rss") if m in row["best"]}
            over = {m: number(cell[m] / best[m]) if best.get(m) else "–" for m in ("time", "rss")}
            lines.append([name, allocator, f"{short(cell['time'])} {row['unit']}", f"{cell['spread']:.0%}", short(cell["cpu"]),
                          short(cell["priced"]), short(cell["rss"] / 1024), f"{cell['faults']:.0f}", over["time"] if row["timed"] else "–",
                          over["rss"] if row["sized"] else "–", cell["disturbed"] or ""])
    return table(["benchmark", "allocator", "time", "spread", "CPU s", "faults priced", "peak MiB", "minor faults", "time / best", "RSS / best",
                  "disturbed"], lines)


def figures(summary):
    """What programs measured themselves."""
    lines = []
    for name, row in summary["rows"].items():
        found = {f: unit for cell in row["cells"].values() for f, (_, unit) in cell["figures"].items()}
        for figure, unit in found.items():
            lines.append([f"{name}: {figure} ({unit})",
                          *(short(row["cells"][a]["figures"][figure][0]) if figure in row["cells"].get(a, {}).get("figures", {}) else "–"
                            for a in summary["names"])])
    return table(["figure", *summary["names"]], lines) if lines else ""


def remarks(summary, more):
    lines = list(more)
    for name, row in summary["rows"].items():
        if row["missing"]:
            lines.append(f"{name}: not run: {row['missing']}")
        lines.extend(f"{name} under {a}: failed: {text}" for a, text in row["failures"].items())
        lines.extend(f"{name}: {text}" for text in row["remarks"])
    disturbed, floored, left_out, apart = (sum(c[name] for r in summary["rows"].values() for c in r["cells"].values())
                                           for name in ("disturbed", "floored", "left_out", "apart"))
    if left_out:
        lines.append(f"{left_out} runs are left out, of cells of which at least half the runs were undisturbed, with the CPUs as near each other as usual")
    if apart:
        lines.append(f"{apart} runs are counted although the CPUs were more than {machine.APART:g} times farther from each other than usual, or nearer")
    if disturbed:
        lines.append(f"{disturbed} runs are counted although others used the machine meanwhile or it was slower than usual (column disturbed)")
    if floored:
        lines.append(f"{floored} priced times (marked *) are held up at a tenth of the measured time: a fault is cheaper there than the "
                     "measured kind")
    return "\n".join(f"- {line}" for line in lines)


def provenance(meta):
    m = meta["machine"]
    state = f"{m['commit']}{' with changes' if m['modified'] else ''}"
    fault = meta["fault_us"]
    pace = "".join(f" One step of {name} took {v['median']:.2f} ns (from {v['low']:.2f} to {v['high']:.2f} in the course of the runs)."
                   for name, v in meta["pace_ns"].items())
    who = (f"- {a['name']}: {a['version'] or os.path.basename(a['path']) or 'the C library'}" + (f" with {a['env']}" if a["env"] else "")
           for a in meta["allocators"])
    return (f"{m['date']}, {m['cores']} CPUs ({m['cpu']}, {m['architecture']}), {m['memory_mib']} MiB, Linux {m['kernel']}, {m['libc']}, "
            f"transparent huge pages {m['transparent_hugepage']}. Sources at {state}, build {m['build_type']}. {meta['rounds']} rounds, scale "
            f"{meta['scale']}, seed {meta['seed']}. A page fault costs {fault['median']:.2f} us here (the median of {len(fault['all'])} "
            f"measurements, from {min(fault['all']):.2f} to {max(fault['all']):.2f}).{pace}\n\n" + "\n".join(who))


def markdown(summary, meta, plots):
    """The whole document. plots: {title: file name relative to it}."""
    parts = [f"# {meta['title']}", meta["introduction"], "## In one table", means(summary), field(summary), noise(summary)]
    parts += [f"![{title}]({file})" for title, file in plots.items()]
    if kinds(summary):
        parts += ["## By kind of program", kinds(summary)]
    for metric in ("time", "priced", "rss"):
        if counted(summary, metric) and (metric != "priced" or meta["kind"] in PRICED_KINDS):
            parts += [f"## {TITLES[metric]}", f"Relative to {BASE}, lower is better.", ratio_table(summary, metric)]
    if figures(summary):
        parts += ["## What the programs measured themselves", figures(summary)]
    noted = remarks(summary, meta["remarks"])
    if noted:
        parts += ["## Remarks", noted]
    parts += ["## Where and how", provenance(meta), "## Every figure", details(summary)]
    return "\n\n".join(p for p in parts if p) + "\n"


def terminal(summary, meta):
    parts = [details(summary)]
    for metric in ("time", "priced", "rss"):
        if counted(summary, metric) and (metric != "priced" or meta["kind"] in PRICED_KINDS):
            parts += [f"{TITLES[metric]}, relative to {BASE}", ratio_table(summary, metric)]
    parts += [figures(summary), field(summary), kinds(summary), means(summary), noise(summary), remarks(summary, meta["remarks"])]
    return "\n\n".join(p for p in parts if p)
