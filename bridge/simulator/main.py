"""What the command line calls: place calls, show them as they happen, leave results as files, say pass or fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from bridge.errors import ConfigError
from bridge.simulator import ear, load_report, processes, records, report, sound
from bridge.simulator.carriers import carrier_named, carrier_of
from bridge.simulator.load import Load, OwnLimits, ServiceLevel, Step
from bridge.simulator.load_generator import Job, LoadMeasures
from bridge.simulator.rest import serve
from bridge.simulator.result import Happening
from bridge.simulator.runner import PlacedCall, place_call
from bridge.simulator.scenario import Scenario
from bridge.simulator.scenario import load as load_scenario
from bridge.simulator.trunk import Trunk

SHOWN = {
    "dialled": "cyan",
    "stream_started": "green",
    "stream_error": "red",
    "stream_ended": "green",
    "caller": "cyan",
    "bot": "magenta",
    "carrier_says": "yellow",
    "carrier_plays": "yellow",
    "carrier_waits": "yellow",
    "transfer": "magenta",
    "reconnect": "yellow",
    "rest": "yellow",
    "ended": "cyan",
} | dict.fromkeys(report.CARRIER_FAULTS, "yellow")
"""Happenings worth a line while the call goes on, and their colour."""


def run_call(
    url: str,
    scenario_paths: list[Path],
    out_dir: Path,
    auth_token: str,
    *,
    carrier: str = "",
    connect_to: str = "",
    status_callback: str = "",
    rest: str = "",
    record: Path | None = None,
    console: Console | None = None,
) -> int:
    """Place one call for each scenario, one after the other; returns the exit status: 0 all expectations met, 1 not.

    `rest` (host:port) is where the carrier's REST API is served; `record` is the server's record of the call, or the
    folder of its records. Writes call.html, call.json, junit.xml and the recordings to `out_dir`. Raises ConfigError
    for a bad scenario.
    """
    console = console or Console()
    company = carrier_named(carrier) if carrier else carrier_of(url)
    if told := company.told_to_server(auth_token):
        console.print(told, style="dim", soft_wrap=True)
    scenarios = [load_scenario(path) for path in scenario_paths]
    number = Number(url, auth_token, company.name, connect_to, status_callback)
    return asyncio.run(_run(number, scenarios, out_dir, rest, record, console))


@dataclass(frozen=True, slots=True)
class Number:
    """What is rung, and by whom."""

    url: str
    auth_token: str = field(repr=False)
    carrier: str
    connect_to: str
    status_callback: str


async def _run(
    number: Number, scenarios: list[Scenario], out_dir: Path, rest: str, record: Path | None, console: Console
) -> int:
    understand = await asyncio.to_thread(ear.whisper)
    calls: list[PlacedCall] = []
    async with serve(rest) as api:
        for scenario in scenarios:
            console.print(Text.assemble((scenario.name, "bold"), f": ringing {number.url}"))
            with console.status("on the phone"):
                call = await place_call(
                    number.url,
                    scenario,
                    auth_token=number.auth_token,
                    carrier=number.carrier,
                    connect_to=number.connect_to,
                    status_callback=number.status_callback,
                    understand=understand,
                    on_happening=lambda one: progress(one, console),
                    rest=api,
                )
            if record is not None and call.result.connected:
                try:
                    call.result.bridge = await records.of_call(record, call.result.call_sid)
                except ConfigError as error:
                    console.print(Text(f"{error}", "yellow"), soft_wrap=True)
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
        console.print(line, soft_wrap=True)


def run_load(
    url: str,
    auth_token: str,
    recordings: list[Path],
    out_dir: Path,
    *,
    calls: int = 20,
    search: bool = False,
    hold_s: float = 40.0,
    generators: int = 1,
    calls_per_s: float = 10.0,
    connect_to: str = "",
    server_pid: int | None = None,
    level: ServiceLevel | None = None,
    limits: OwnLimits | None = None,
    console: Console | None = None,
) -> int:
    """Hold `calls` calls, or search for the most up to `calls`; 0 levels held, 1 missed, 3 not measurable from here.

    The server's CPU and memory are those of `server_pid`, or of whoever listens on its port on this machine.
    Writes load.html and load.json to `out_dir`, also of a search that breaks off. Raises BridgeError when the calls do
    not come about, ConfigError when no call would end in `hold_s`.
    """
    console = console or Console()
    for path in recordings:
        sound.read_wav(path)  # a missing file is told here, in one line, rather than by every process
    job = Job(recordings=tuple(str(path) for path in recordings))
    if hold_s < job.length_s:
        raise ConfigError(f"--hold {hold_s:g}: a call is measured when it ends, after {job.length_s:g} s; hold as long")
    pid = server_pid or _server_here(connect_to or url)
    trunk = Trunk(url=url, auth_token=auth_token, connect_to=connect_to)
    steps: list[Step] = []
    try:
        with console.status("starting the callers") as status:

            def tell(what: str, tally: LoadMeasures) -> None:
                status.update(load_report.progress_line(what, tally))

            with Load(
                trunk,
                job,
                generators=generators,
                server_pid=pid,
                level=level,
                limits=limits,
                calls_per_s=calls_per_s,
                progress=tell,
            ) as load:
                for step in load.search(calls, hold_s) if search else [load.step(calls, hold_s)]:
                    steps.append(step)
    finally:
        # A search that breaks off has measured all the same.
        if steps:
            written = load_report.write(out_dir, steps)
            result = load_report.conclude(steps, console, search=search)
            console.print("written: " + ", ".join(str(path) for path in written))
    return result


def _server_here(url: str) -> int | None:
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return None
    return processes.listening_on(parts.port or (443 if parts.scheme == "https" else 80))
