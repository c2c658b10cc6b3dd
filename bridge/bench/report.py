"""A run's results: tables for the terminal and the documentation, JSON with every raw value, and a page with plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import jinja2
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.bench.measures import Level, Report, document, thinned
from bridge.bench.tables import TextTable, sheets
from bridge.simulator.plots import cumulative_plot

_COLOURS: dict[str, str] = {"met": "green", "missed": "red", "undecided": "yellow", "not measured": "yellow"}


def about(report: Report) -> list[str]:
    """What was measured, where and when, a line each."""
    return [
        f"{report.worker}: {', '.join(report.models.values())}",
        f"{report.machine} · {report.at} · seed {report.seed} · bridge {report.version}",
    ]


def show(report: Report, console: Console) -> None:
    """Print the whole report on the console."""
    console.print("\n[bold]Speech[/bold]")
    for line in about(report):
        console.print(line, highlight=False)
    for sheet in reversed(sheets(report)):  # what counts most stands last, where one looks
        console.print()
        console.print(_table(sheet))
        for line in sheet.below:
            console.print(line, highlight=False)
    for note in report.notes:
        console.print(f"[yellow]{note}[/yellow]", highlight=False)


def _table(sheet: TextTable) -> Table:
    table = Table(title=sheet.title, title_justify="left", title_style="bold")
    for column, head in enumerate(sheet.heads):
        table.add_column(head, justify="left" if column in sheet.words else "right")
    for row in sheet.rows:
        table.add_row(*row[:-1], Text(row[-1], _COLOURS.get(row[-1], "" if sheet.heads[-1] else "yellow")))
    return table


def write(folder: Path, report: Report) -> list[Path]:
    """Write speech.json, speech.md and speech.html; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"speech.{kind}" for kind in ("json", "md", "html")]
    files[0].write_bytes(document(report))
    files[1].write_text(markdown(report), encoding="utf-8")
    files[2].write_text(page(report), encoding="utf-8")
    return files


def markdown(report: Report) -> str:
    """Write the report's tables as Markdown, for documentation."""
    parts = ["# Speech", "  \n".join([*about(report), f"`{report.command}`"]), *report.notes]
    for sheet in sheets(report):
        aligned = ["---" if column in sheet.words else "---:" for column in range(len(sheet.heads))]
        rows = [[head.replace("\n", " ") for head in sheet.heads], aligned, *sheet.rows]
        parts += [f"## {sheet.title}", "\n".join(f"| {' | '.join(row)} |" for row in rows), *sheet.below]
    return "\n\n".join(parts) + "\n"


def page(report: Report) -> str:
    """Write the report as a self-contained HTML page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bridge.bench"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    believed = [level for level in [*report.levels, *report.searched] if not level.void]
    return environment.get_template("speech.html").render(
        report=report,
        about=about(report),
        sheets=sheets(report),
        verdicts=_COLOURS,
        plots=[(level.streams, list(_plots(level))) for level in believed],
        rise=rise([level for level in report.levels if not level.void]),
    )


def _plots(level: Level) -> list[dict[str, object]]:
    named = {"TTFA": level.ttfa_ms, "chunk jitter": level.jitter_ms, "cancel to last byte": level.cancel_ms}
    return [
        {
            "name": name,
            "n": len(values),
            "plot": cumulative_plot([round(value) for value in thinned(values)], f"{name}, ms"),
        }
        for name, values in named.items()
        if values
    ]


def rise(levels: Sequence[Level], width: int = 640, height: int = 220) -> str:
    """TTFA against the number of streams as an SVG drawing, one line for each percentile; both axes logarithmic."""
    points = {
        share: [(level.streams, value) for level in levels if (value := level.p("ttfa_ms", share)) is not None]
        for share in (0.5, 0.95, 0.99)
    }
    every = [point for line in points.values() for point in line]
    if not every:
        return ""
    low, high = min(value for _, value in every) / 1.3, max(max(value for _, value in every), 330.0) * 1.3
    fewest, most = min(x for x, _ in every), max(x for x, _ in every)
    left, right, top, bottom = 48.0, width - 40.0, 10.0, height - 24.0

    def x(streams: float) -> float:
        span = math.log(most / fewest) or 1.0
        return round(left + math.log(streams / fewest) / span * (right - left), 1)

    def y(value: float) -> float:
        return round(bottom - math.log(value / low) / math.log(high / low) * (bottom - top), 1)

    parts = [
        f'<line class="goal" x1="{left}" x2="{right}" y1="{y(300)}" y2="{y(300)}"/>'
        f'<text class="scale" x="{left - 6}" y="{y(300) + 3}" text-anchor="end">300</text>'
    ]
    label_y = bottom + 10
    for share, line in points.items():
        drawn = " ".join(f"{x(streams)},{y(value)}" for streams, value in line)
        parts.append(f'<polyline points="{drawn}"/>')
        parts += [
            f'<circle cx="{x(streams)}" cy="{y(value)}" r="3"><title>{streams} streams: p{share:.0%} '
            f"{value:.0f} ms</title></circle>"
            for streams, value in line
        ]
        streams, value = line[-1]
        label_y = min(y(value) + 3, label_y - 10)  # never over the one below it
        parts.append(f'<text class="scale" x="{x(streams) + 6}" y="{label_y}">p{100 * share:.0f}</text>')
    for streams in sorted({streams for streams, _ in every}):
        parts.append(f'<text class="scale" x="{x(streams)}" y="{height - 8}" text-anchor="middle">{streams}</text>')
    for value in (10, 30, 100, 1000, 3000):
        if low < value < high:
            parts.append(f'<text class="scale" x="{left - 6}" y="{y(value) + 3}" text-anchor="end">{value}</text>')
    return (
        f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-label="TTFA in ms against streams">'
        f"{''.join(parts)}</svg>"
    )
