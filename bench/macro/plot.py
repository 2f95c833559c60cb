# SPDX-License-Identifier: MIT
"""Plots as SVG, written by hand: dots per benchmark, the field in the plane of time and memory, growth curves."""
import math
from html import escape

COLOURS = ("#d62728", "#444444", "#aaaaaa", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#bcbd22")
FONT = 'font-family="sans-serif" font-size="12"'


class Canvas:
    def __init__(self, width, height, title):
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {FONT}>', f'<rect width="{width}" height="{height}" fill="white"/>',
                      f"<title>{escape(title)}</title>"]
        self.text(width / 2, 18, title, "middle", bold=True)

    def text(self, x, y, text, anchor="start", bold=False, colour="#222"):
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, colour="#ddd", width=1):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>')

    def dot(self, x, y, colour, label, radius=4):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}" fill-opacity="0.85">'
                          f"<title>{escape(label)}</title></circle>")

    def path(self, points, colour):
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{steps}" fill="none" stroke="{colour}" stroke-width="1.5"/>')

    def legend(self, names, colours, x, y):
        for name in names:
            self.dot(x, y - 4, colours[name], name)
            self.text(x + 8, y, name)
            x += 24 + 7 * len(name)

    def __str__(self):
        return "\n".join([*self.parts, "</svg>"]) + "\n"


def colours_of(names):
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def scale(values, low, high):
    """A logarithmic axis from values to pixels, and round values to mark on it."""
    bottom, top = min(values) / 1.1, max(values) * 1.1

    def place(value):
        return low + (math.log(value) - math.log(bottom)) / (math.log(top) - math.log(bottom)) * (high - low)

    steps = (1, 2, 5) if top / bottom < 1000 else (1,)
    marks = [m * 10.0 ** e for e in range(-9, 13) for m in steps if bottom <= m * 10.0 ** e <= top]
    if len(marks) < 4:  # less than a decade: evenly spaced values, the coarsest of which there are at least four
        for step in (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01):
            marks = [i * step for i in range(1, 1000) if bottom <= i * step <= top]
            if len(marks) >= 4:
                break
    return place, marks


def label(value):
    return f"{value:.4g}" if value < 10000 else f"10^{math.log10(value):.0f}" if math.log10(value) % 1 == 0 else f"{value:.0e}"


def dots(title, rows, names):
    """rows: {benchmark: {allocator: ratio}}; one line each, logarithmic."""
    rows = {n: {a: v for a, v in r.items() if v and v > 0} for n, r in rows.items()}
    rows = {n: r for n, r in rows.items() if r}
    left, right, top = 150, 780, 60
    canvas = Canvas(800, top + 20 * len(rows) + 30, title)
    if not rows:
        return str(canvas)
    colours = colours_of(names)
    place, marks = scale([v for r in rows.values() for v in r.values()] + [1.0], left, right)
    bottom = top + 20 * len(rows)
    for mark in marks:
        canvas.line(place(mark), top - 10, place(mark), bottom, "#888" if mark == 1 else "#e4e4e4")
        canvas.text(place(mark), bottom + 16, label(mark), "middle")
    canvas.legend(names, colours, left - 100, 40)
    for i, (name, row) in enumerate(rows.items()):
        y = top + 20 * i + 8
        canvas.line(left, y, right, y, "#f2f2f2")
        canvas.text(left - 8, y + 4, name, "end")
        for allocator in reversed([n for n in names if n in row]):
            canvas.dot(place(row[allocator]), y, colours[allocator], f"{name}, {allocator}: {row[allocator]:.2f}")
    return str(canvas)


def plane(title, points, across, up):
    """points: {allocator: (x, y)}: the nearer to the lower left corner the better."""
    points = {n: p for n, p in points.items() if p[0] and p[1]}
    canvas = Canvas(560, 420, title)
    if not points:
        return str(canvas)
    colours = colours_of(points)
    place_x, marks_x = scale([p[0] for p in points.values()] + [1.0], 70, 520)
    place_y, marks_y = scale([p[1] for p in points.values()] + [1.0], 360, 40)
    for mark in marks_x:
        canvas.line(place_x(mark), 40, place_x(mark), 360)
        canvas.text(place_x(mark), 376, label(mark), "middle")
    for mark in marks_y:
        canvas.line(70, place_y(mark), 520, place_y(mark))
        canvas.text(64, place_y(mark) + 4, label(mark), "end")
    canvas.text(295, 402, across, "middle")
    canvas.text(70, 34, up)
    for name, (x, y) in points.items():
        canvas.dot(place_x(x), place_y(y), colours[name], f"{name}: {x:.3f}, {y:.3f}", 6)
        canvas.text(place_x(x) + 9, place_y(y) + 4, name, colour=colours[name])
    return str(canvas)


def curves(title, lines, names, across, up):
    """lines: {allocator: [(x, y), ...]}; both axes logarithmic."""
    canvas = Canvas(720, 440, title)
    values = [p for points in lines.values() for p in points]
    if not values:
        return str(canvas)
    colours = colours_of(names)
    place_x, marks_x = scale([x for x, _ in values], 70, 690)
    place_y, marks_y = scale([y for _, y in values], 380, 60)
    canvas.legend(names, colours, 70, 42)
    for mark in marks_x:
        canvas.line(place_x(mark), 60, place_x(mark), 380)
        canvas.text(place_x(mark), 396, label(mark), "middle")
    for mark in marks_y:
        canvas.line(70, place_y(mark), 690, place_y(mark))
        canvas.text(64, place_y(mark) + 4, label(mark), "end")
    canvas.text(380, 422, across, "middle")
    canvas.text(20, 56, up)
    for name in names:
        points = [(place_x(x), place_y(y)) for x, y in lines.get(name, [])]
        if points:
            canvas.path(points, colours[name])
            for (x, y), (at, value) in zip(points, lines[name]):
                canvas.dot(x, y, colours[name], f"{name}, {at:g}: {value:.3g}", 3)
    return str(canvas)
