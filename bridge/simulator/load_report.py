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
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.simulator.load import Step
from bridge.simulator.load_generator import Tally
from bridge.simulator.plots import cumulative_plot
from bridge.simulator.result import percentile


def machine() -> str:
    """This machine in a few words, to stand beside every number."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {model}, Python {platform.python_version()}"


def progress_line(what: str, tally: Tally) -> str:
    """One line for the terminal while it runs."""
    return (
        f"{what}: {tally.active} in progress, {tally.finished} finished, {tally.failed} failed, "
        f"{tally.refused} refused; "
        f"reply p95 {_ms(tally.reply_ms)}, underruns {tally.underruns}, our lateness p99 {_ms(tally.late_ms, 0.99, 1)}"
    )


def table(steps: Sequence[Step]) -> Table:
    """A row for each step. A void step shows why, and no numbers about the server."""
    shown = Table(title=f"Load, on {machine()}", title_justify="left", title_style="bold")
    columns = ("calls", "first audio\np50 / p95", "reply\np50 / p95", "stop\np50 / p95", "underruns\nper minute")
    for column in (*columns, "CPU\nms per call s", "memory\nper call", "our lateness\np99", "our CPU", ""):
        shown.add_column(column, justify="right" if column else "left")
    for step in steps:
        tally = step.tally
        own = [f"{_ms(tally.late_ms, 0.99, 1)}", f"{100 * max(step.generator_cpu, default=0):.0f} %"]
        if step.void:
            shown.add_row(str(step.calls), *["–"] * 6, *own, Text("not measured: " + "; ".join(step.void), "yellow"))
            continue
        verdict = Text("✓", "green") if not step.missed else Text("; ".join(step.missed), "red")
        shown.add_row(
            str(step.calls),
            *_cells(step),
            *own,
            verdict,
        )
    return shown


def conclude(steps: Sequence[Step], console: Console) -> int:
    """Print the table and what it means; exit status 0 passed, 1 missed, 3 not measured."""
    console.print(table(steps))
    good = [step.calls for step in steps if step.passed]
    void = [step for step in steps if step.void]
    if len(steps) > 1 and good:
        console.print(f"highest number of calls at which the service levels held: [bold]{max(good)}[/bold]")
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
        *[f"{_number(values, 0.5)} / {_number(values, 0.95)}" for values in _measured(step.tally).values()],
        f"{per_minute:.2f}",
        "–" if cpu is None else f"{cpu:.2f}",
        "–" if memory is None else f"{memory / 1e6:.2f} MB",
    ]


def _measured(tally: Tally) -> dict[str, list[float]]:
    return {"first audio": tally.first_audio_ms, "reply latency": tally.reply_ms, "stop latency": tally.stop_ms}


def _number(values: list[float], share: float, digits: int = 0) -> str:
    value = percentile(values, share)
    return "–" if value is None else f"{value:.{digits}f}"


def _ms(values: list[float], share: float = 0.95, digits: int = 0) -> str:
    return f"{_number(values, share, digits)} ms"


def _now() -> str:
    return datetime.datetime.fromtimestamp(time.time(), datetime.UTC).isoformat(timespec="seconds")
