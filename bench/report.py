"""What was measured, for people, for programs and as a picture."""

from __future__ import annotations

import datetime as dt
import json
import platform
from dataclasses import asdict
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.measure import Result

    Results = Mapping[str, Mapping[str, Result]]

OURS = "echod"


def circumstances() -> dict[str, str]:
    """Say when, on what and with what it was measured."""
    return {
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
        "kernel": f"{platform.system()} {platform.release()}",
        "CPU": processor(),
        "Python": platform.python_version(),
        "Twisted": version("Twisted"),
        "echod": version("echod"),
    }


def processor() -> str:
    """Name the CPU."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()  # arm64 kernels give no name


def heading(where: Mapping[str, str], rounds: int, seconds: float) -> str:
    """Return what stands above the figures."""
    facts = ", ".join(f"{name} {value}" for name, value in where.items())
    turns = f"medians of {rounds} rounds" if rounds > 1 else "one round"
    return f"{facts}; {turns} of {seconds:g} s\n"


def grid(rows: Iterable[Iterable[str]]) -> str:
    """Lay out rows, the first of them the heads, as a Markdown table that can be read as it is."""
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in cells
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def names(results: Results) -> list[str]:
    """Name the servers, in the order of their first appearance."""
    return list(dict.fromkeys(name for by_name in results.values() for name in by_name))


def ratios(results: Results, base: str = "C") -> str:
    """Return the table of ratios: a line for each server, a column for each load."""

    def cell(result: Result | None, name: str) -> str:
        if result is None:
            return ""
        absolute = f" ({result.cpu_us:.2f} µs)" if name == base else ""
        lost = f" ({result.lost:,} lost)" if result.lost else ""
        return f"{result.ratio:.2f}{absolute}{lost}"

    head = ["CPU per message, to C's" if base == "C" else f"CPU per message, to that of {base}", *results]
    lines = [[name, *(cell(by_name.get(name), name) for by_name in results.values())] for name in names(results)]
    return grid([head, *lines])


def document(where: Mapping[str, str], results: Results) -> str:
    """Return everything as JSON."""
    figures = {load: {name: asdict(result) for name, result in of.items()} for load, of in results.items()}
    return json.dumps({"measured": dict(where), "results": figures}, indent=1) + "\n"


BAR, GAP, LABEL, WIDTH = 16, 4, 120, 760
"""Height of a bar, space below it, width of the names, width of the picture, in pixels."""

STYLE = """
text { font: 12px system-ui, 'DejaVu Sans', sans-serif; fill: #24292f }
.head { font-weight: 600 } .quiet { fill: #57606a } .bar { fill: #afb8c1 } .ours { fill: #0969da }
line { stroke: #57606a; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .quiet { fill: #9198a1 } .bar { fill: #4d5560 } .ours { fill: #4493f8 }
  line { stroke: #9198a1 }
}
"""


def chart(where: Mapping[str, str], results: Results) -> str:
    """Draw the ratios as bars, grouped by load, with a line at C's; readable on light and on dark paper."""
    longest = max(result.ratio for of in results.values() for result in of.values())
    scale = (WIDTH - LABEL - 50) / longest
    drawn: list[str] = []
    y = 24

    def text(x: float, content: str, style: str = "", anchor: str = "start") -> None:
        drawn.append(f'<text x="{x:.1f}" y="{y}" class="{style}" text-anchor="{anchor}">{escape(content)}</text>')

    text(0, "CPU time per message as a ratio to the same echo in C; shorter is cheaper", "head")
    for load, of in results.items():
        y += 30
        text(0, load, "head")
        top = y + 8
        y = top
        for name, result in of.items():
            length = result.ratio * scale
            style = "bar ours" if name == OURS else "bar"
            drawn.append(f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" class="{style}" rx="2"/>')
            y += 12
            text(LABEL - 8, name, "head" if name == OURS else "", "end")
            text(LABEL + length + 6, f"{result.ratio:.2f}", "head" if name == OURS else "quiet")
            y += BAR + GAP - 12
        x = LABEL + scale
        drawn.append(f'<line x1="{x:.1f}" y1="{top - 4}" x2="{x:.1f}" y2="{y}"/>')
    y += 24
    text(0, ", ".join(f"{name} {value}" for name, value in where.items()), "quiet")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 {WIDTH + 20} {y + 12}" role="img">'
    return f"{head}\n<style>{STYLE}</style>\n" + "\n".join(drawn) + "\n</svg>\n"
