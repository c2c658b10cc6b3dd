"""What the command line calls: place a call, show it as it happens, leave its results as files, say pass or fail."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bridge.simulator import ear, report
from bridge.simulator.result import Happening
from bridge.simulator.runner import PlacedCall, place_call
from bridge.simulator.scenario import Scenario, load

SHOWN = {
    "dialled": "cyan",
    "stream_started": "green",
    "stream_error": "red",
    "stream_ended": "green",
    "caller": "cyan",
    "bot": "magenta",
    "carrier_says": "yellow",
    "transfer": "magenta",
    "second_stream": "yellow",
    "ended": "cyan",
}
"""Happenings worth a line while the call goes on, and their colour."""


def run_call(
    url: str,
    scenario_paths: list[Path],
    out_dir: Path,
    auth_token: str,
    *,
    connect_to: str = "",
    status_callback: str = "",
    console: Console | None = None,
) -> int:
    """Place one call for each scenario, one after the other; returns the exit status: 0 all expectations met, 1 not.

    Writes call.html, call.json, junit.xml and the recordings to `out_dir`. Raises ConfigError for a bad scenario.
    """
    console = console or Console()
    scenarios = [load(path) for path in scenario_paths]
    return asyncio.run(_run(url, scenarios, out_dir, auth_token, connect_to, status_callback, console))


async def _run(
    url: str,
    scenarios: list[Scenario],
    out_dir: Path,
    auth_token: str,
    connect_to: str,
    status_callback: str,
    console: Console,
) -> int:
    understand = await asyncio.to_thread(ear.whisper)
    calls: list[PlacedCall] = []
    for scenario in scenarios:
        console.print(f"[bold]{scenario.name}[/bold]: ringing {url}")
        with console.status("on the phone"):
            call = await place_call(
                url,
                scenario,
                auth_token=auth_token,
                connect_to=connect_to,
                status_callback=status_callback,
                understand=understand,
                on_happening=lambda one: progress(one, console),
            )
        calls.append(call)
        report.show(call.result, console)
    written = report.write_all(out_dir, [(call.result, call.recording) for call in calls])
    console.print("written: " + ", ".join(str(path) for path in written))
    return 0 if all(call.result.passed for call in calls) else 1


def progress(happening: Happening, console: Console) -> None:
    """One line for what just happened, if it is worth one."""
    if happening.kind in SHOWN:
        at = f"{happening.at_ms / 1000:7.2f} s  "
        line = Text.assemble(
            (at, "dim"), (happening.kind.replace("_", " "), SHOWN[happening.kind]), "  ", happening.text
        )
        console.print(line)
