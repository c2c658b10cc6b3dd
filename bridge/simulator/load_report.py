"""What a load came to: a table of numbers that can be trusted, JSON, and an HTML page of distributions."""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import jinja2
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.simulator.load import Step
from bridge.simulator.load_generator import LoadMeasures
from bridge.simulator.plots import cumulative_plot
from bridge.simulator.result import percentile


def machine() -> str:
    """Describe this machine in a few words, to stand beside every number."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {model}, Python {platform.python_version()}"


def progress_line(what: str, tally: LoadMeasures) -> str:
    """One line of at most 80 columns, as a rule, for the terminal while it runs."""
    told = [f"{tally.active} up", f"{tally.finished} over"]
    for count, name in ((tally.failed, "failed"), (tally.refused, "refused"), (tally.underruns, "underruns")):
        if count:
            told.append(f"{count} {name}")
    if tally.reply_ms:
        told.append(f"reply p95 {_number(tally.reply_ms, 0.95)} ms")
    return f"{what}: {', '.join(told)}; own lateness {_number(tally.late_ms, 0.99, 1)} ms"


_COLUMNS = (
    "calls",
    "first\naudio",
    "reply",
    "stop",
    "under-\nruns",
    "CPU",
    "MB per\ncall",
    "own\nlateness",
    "own\nCPU",
)
_LEGEND = (
    "first audio, reply, stop: p50/p95 in ms · underruns: a minute of speech · CPU: the server's ms for a second of a "
    "call · own: the load generator's lateness (p99, ms) and CPU"
)


def table(steps: Sequence[Step]) -> Table:
    """A row for each step, in 80 columns. A void step shows no numbers about the server."""
    shown = Table(title=f"Load, on {machine()}", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    shown.show_edge = shown.pad_edge = False
    shown.padding = (0, 1, 0, 0)
    for column in (*_COLUMNS, ""):
        shown.add_column(column, justify="right" if column else "left", no_wrap=True)
    for step in steps:
        own = f"{_number(step.tally.late_ms, 0.99, 1)}", f"{100 * max(step.generator_cpu, default=0):.0f} %"
        sign = Text("–", "yellow") if step.void else Text("✗", "red") if step.missed else Text("✓", "green")
        shown.add_row(str(step.calls), *_cells(step), *own, sign)
    return shown


def conclude(steps: Sequence[Step], console: Console, *, search: bool = False) -> int:
    """Print the table and what it means; exit status 0 passed, 1 missed, 3 not measured. `search`: for the most."""
    console.print(table(steps))
    console.print(_LEGEND, style="dim")
    for step in steps:
        if step.void:
            console.print(Text(f"{step.calls} calls not measured: {'; '.join(step.void)}", "yellow"))
        elif step.missed:
            console.print(Text(f"{step.calls} calls: {'; '.join(step.missed)}", "red"))
    good = [step.calls for step in steps if step.passed]
    void = [step for step in steps if step.void]
    if search and good:
        if any(step.missed and step.calls > max(good) for step in steps if not step.void):
            console.print(f"highest number of calls at which the service levels held: [bold]{max(good)}[/bold]")
        else:
            console.print(f"the service levels held at [bold]{max(good)}[/bold] calls; the limit lies higher")
    if void and (not good or void[-1].calls > max(good)):
        console.print(
            "[yellow]the load generator was the bottleneck: give it a machine of its own, or more processes[/yellow]"
        )
    return 0 if good else 3 if len(void) == len(steps) else 1


def json_text(steps: Sequence[Step]) -> bytes:
    """Every raw sample, with the machine and the time."""
    return msgspec.json.format(
        msgspec.json.encode(
            {"machine": machine(), "at": _now(), "steps": [msgspec.to_builtins(step) for step in steps]}
        ),
        indent=1,
    )


def page(steps: Sequence[Step]) -> str:
    """A self-contained HTML page: the table and a distribution of every measure."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bridge.simulator"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    rows = []
    for step in steps:
        plots = (
            []
            if step.void
            else [
                {
                    "name": name,
                    "plot": cumulative_plot([round(value) for value in values], f"{name}, ms"),
                    "n": len(values),
                }
                for name, values in {**_measured(step.tally), "lead": step.tally.lead_ms}.items()
                if values
            ]
        )
        rows.append({"step": step, "cells": _cells(step), "plots": plots})
    return environment.get_template("load.html").render(rows=rows, machine=machine(), at=_now())


def write(folder: Path, steps: Sequence[Step]) -> list[Path]:
    """Write load.json and load.html."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "load.html", folder / "load.json"]
    written[0].write_text(page(steps), encoding="utf-8")
    written[1].write_bytes(json_text(steps))
    return written


def _cells(step: Step) -> list[str]:
    if step.void:
        return ["–"] * 6
    cpu, memory = step.cpu_ms_per_call_second, step.memory_per_call
    per_minute = 60.0 * step.tally.underruns / step.tally.bot_s if step.tally.bot_s else 0.0
    return [
        *[f"{_number(values, 0.5)}/{_number(values, 0.95)}" for values in _measured(step.tally).values()],
        f"{per_minute:.2f}",
        "–" if cpu is None else f"{cpu:.2f}",
        "–" if memory is None else f"{memory / 1e6:.2f}",
    ]


def _measured(tally: LoadMeasures) -> dict[str, list[float]]:
    return {"first audio": tally.first_audio_ms, "reply latency": tally.reply_ms, "stop latency": tally.stop_ms}


def _number(values: list[float], share: float, digits: int = 0) -> str:
    value = percentile(values, share)
    return "–" if value is None else f"{value:.{digits}f}"


def _now() -> str:
    return datetime.datetime.fromtimestamp(time.time(), datetime.UTC).isoformat(timespec="seconds")
