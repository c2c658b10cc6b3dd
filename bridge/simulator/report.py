"""Results for people and machines: terminal table, JSON, JUnit XML, stereo recording, one self-contained HTML page."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.simulator.ear import Recording
from bridge.simulator.plots import cumulative_plot, waveform_path
from bridge.simulator.records import beside
from bridge.simulator.result import CallResult, Happening, Turn, percentile
from bridge.simulator.sound import RATE_HZ, wav_bytes

MEASURES = (
    ("first audio", "stream start to the bot's first sound"),
    ("reply latency", "caller's last sound to the bot's first"),
    ("stop latency", "interrupting caller's first sound to the bot's silence"),
    ("duck latency", "interrupting caller's first sound to a voice 12 dB lower"),
    ("lead", "audio sent ahead of the caller's ear"),
)


def measured(calls: Sequence[CallResult]) -> dict[str, list[int]]:
    """Every measured value by name, over all calls."""
    first = [call.first_audio_ms for call in calls if call.first_audio_ms is not None]
    return {
        "first audio": first,
        "reply latency": [value for call in calls for value in call.reply_latencies_ms],
        "stop latency": [value for call in calls for value in call.stops_ms],
        "duck latency": [value for call in calls for value in call.ducks_ms],
        "lead": [value for call in calls for value in call.leads_ms],
    }


# terminal


def show(call: CallResult, console: Console) -> None:
    """The turns of one call, its measures, and what became of the expectations."""
    if call.turns:
        console.print(_turns_table(call))
        console.print(percentiles([call]))
    for verdict in call.verdicts:
        sign = Text("✓", "green") if verdict.passed else Text("✗", "bold red")
        line = f" {verdict.what}: {verdict.heard}"
        console.print(Text.assemble(sign, line, "" if verdict.passed else f" (expected: {verdict.expected})"))
    if call.remedy:
        console.print(Text.assemble(("→ ", "bold yellow"), call.remedy))
    for fault in call.faults:
        console.print(Text.assemble(("!", "yellow"), f" {fault.kind} at {fault.at_ms / 1000:.2f} s: {fault.text}"))
    timing = call.timing
    late = f"p50 {timing.late_p50_ms} ms, p99 {timing.late_p99_ms} ms over {timing.frames} frames"
    own = f"; simulator's own lateness {late}" if timing.frames else ""
    console.print(f"ended by {call.hung_up_by} ({call.ended}){own}", style="dim")


def _turns_table(call: CallResult) -> Table:
    title = f"{call.name}: {call.duration_ms / 1000:.1f} s"
    turns = Table(title=title, title_justify="left", title_style="bold")
    for column in ("at", "", "heard", *(["the server's record"] if call.bridge else []), "latency", ""):
        turns.add_column(column, justify="right" if column in ("at", "latency") else "left", overflow="fold")
    for turn, own in zip(call.turns, beside(call.turns, call.bridge), strict=True):
        at, who, words, latency, note = _turn_row(turn)
        turns.add_row(at, who, words, *([own] if call.bridge else []), latency, note)
    return turns


def turn_latency(turn: Turn) -> str:
    """A turn's own latency in words: `430 ms` for an answer, `stopped after 320 ms` for an interruption."""
    if turn.latency_ms is not None:
        return f"{turn.latency_ms} ms"
    parts = []
    if turn.duck_ms is not None and (turn.stop_ms is None or turn.duck_ms < turn.stop_ms):
        parts.append(f"ducked {turn.duck_ms} ms")
    if turn.stop_ms is not None:
        parts.append(f"stopped {turn.stop_ms} ms")
    return ", ".join(parts)


def _turn_row(turn: Turn) -> tuple[str, Text, str, str, str]:
    who = Text("caller", "cyan") if turn.speaker == "caller" else Text("bot", "magenta")
    note = (
        "interrupted"
        if turn.interrupted
        else ""
        if turn.kind == "speech"
        else turn.kind.replace("interrupt", "talks over")
    )
    return f"{turn.start_ms / 1000:.2f} s", who, turn.text or "…", turn_latency(turn), note


def percentiles(calls: Sequence[CallResult]) -> Table:
    """p50, p95 and p99 of every measure, milliseconds."""
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("ms")
    for column in ("p50", "p95", "p99", "max", "n"):
        table.add_column(column, justify="right")
    for name, values in measured(calls).items():
        if values:
            table.add_row(name, *_row(values))
    return table


def _row(values: list[int]) -> list[str]:
    shares = [percentile(values, share) for share in (0.5, 0.95, 0.99)]
    return [f"{value:.0f}" for value in shares if value is not None] + [str(max(values)), str(len(values))]


# files


def json_text(calls: Sequence[CallResult]) -> bytes:
    """Write all results as JSON text."""
    return msgspec.json.format(msgspec.json.encode(list(calls)), indent=1)


def junit(calls: Sequence[CallResult]) -> bytes:
    """JUnit XML: a suite for each call, a test case for each expectation."""
    root = ElementTree.Element("testsuites")
    for call in calls:
        failures = sum(not verdict.passed for verdict in call.verdicts)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=call.name,
            tests=str(len(call.verdicts)),
            failures=str(failures),
            errors="0",
            time=f"{call.duration_ms / 1000:.3f}",
            timestamp=call.started_at,
        )
        for verdict in call.verdicts:
            case = ElementTree.SubElement(suite, "testcase", classname=f"call.{call.name}", name=verdict.what)
            if not verdict.passed:
                message = f"expected {verdict.expected}, heard {verdict.heard}"
                ElementTree.SubElement(case, "failure", message=message).text = f"call {call.call_sid}: {message}"
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def recording_wav(recording: Recording) -> bytes:
    """Stereo, as heard: caller left, bot right."""
    return wav_bytes(recording.caller.sound, recording.bot.sound)


def page(calls: Sequence[tuple[CallResult, Recording]]) -> str:
    """One HTML page without any outside reference: timelines, sound, tables, distributions."""
    results = [result for result, _ in calls]
    plots = [
        {"name": name, "about": about, "values": _row(values), "plot": cumulative_plot(values, f"{name}, ms")}
        for name, about in MEASURES
        if (values := measured(results)[name])
    ]
    template = _environment().get_template("call.html")
    return template.render(
        calls=[_view(result, recording) for result, recording in calls], plots=plots, played=CARRIER_FAULTS
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bridge.simulator"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["seconds"] = lambda ms: f"{ms / 1000:.2f}"
    environment.filters["latency"] = turn_latency
    return environment


_WIDTH_PX = 1100
_PX_PER_SECOND = 36
"""A timeline is at least this wide, so that words stay readable; longer calls scroll."""


def _view(call: CallResult, recording: Recording) -> dict[str, Any]:
    """Everything the template shows of one call, positions in percent of the timeline."""
    sounds = recording.caller.sound, recording.bot.sound
    length_ms = max(1, call.duration_ms, *(len(sound) * 1000 // RATE_HZ for sound in sounds))
    width = max(_WIDTH_PX, round(length_ms / 1000 * _PX_PER_SECOND))

    def place(at_ms: float) -> float:
        return round(min(100.0, max(0.0, 100.0 * at_ms / length_ms)), 3)

    bars = [
        {
            "turn": turn,
            "left": place(turn.start_ms),
            "width": round(max(0.15, place(turn.end_ms) - place(turn.start_ms)), 3),
        }
        for turn in call.turns
    ]
    waits = [
        {"left": place(turn.start_ms - turn.latency_ms), "width": place(turn.latency_ms), "ms": turn.latency_ms}
        for turn in call.turns
        if turn.latency_ms is not None and turn.latency_ms > 0
    ]
    ticks = []
    label_free_at = 0.0
    for one in call.happenings:
        at = place(one.at_ms)
        label = _label(one) if one.at_ms >= 0 and at >= label_free_at else ""
        if label:
            label_free_at = at + 100.0 * (8 + 7 * len(label)) / width
        if one.at_ms >= 0:
            ticks.append({"left": at, "one": one, "label": label})
    step = next(step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300) if step * 1000 * width / length_ms >= 60)
    return {
        "call": call,
        "bars": bars,
        "waits": waits,
        "ticks": ticks,
        "faults": [{"left": place(fault.at_ms), "fault": fault} for fault in call.faults],
        "axis": [{"left": place(at * 1000), "text": _clock(at)} for at in range(0, length_ms // 1000 + 1, step)],
        "width": width,
        "waves": [waveform_path(sound, length_ms * RATE_HZ // 1000, width) for sound in sounds],
        "wave_width": width,
        "sound": base64.b64encode(wav_bytes(*_same_length(*sounds, length_ms))).decode(),
        "tiles": _tiles(call),
        "failed": [verdict for verdict in call.verdicts if not verdict.passed],
        "turns": list(zip(call.turns, beside(call.turns, call.bridge), strict=True)),
    }


def _label(one: Happening) -> str:
    if one.kind == "digits":
        return f"keys {one.text}"
    return one.kind.replace("_", " ") if one.kind in _LABELLED else ""


CARRIER_FAULTS = ("second_stream", "stolen_ticket", "second_start", "stray_messages")
"""Happenings that the scenario's carrier did wrong on purpose."""
_LABELLED = ("clear", "transfer", "warning", *CARRIER_FAULTS)


def _same_length(caller: Any, bot: Any, length_ms: int) -> tuple[Any, Any]:
    samples = length_ms * RATE_HZ // 1000
    return tuple(np.pad(sound[:samples], (0, max(0, samples - len(sound)))) for sound in (caller, bot))  # type: ignore[return-value]


def _clock(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02d}"


def _tiles(call: CallResult) -> list[dict[str, str]]:
    """The handful of numbers that say how the call was."""

    def worst(values: list[int]) -> str:
        return f"{max(values)}" if values else "–"

    middle = percentile(call.reply_latencies_ms, 0.5)
    leads = percentile(call.leads_ms, 0.5)
    return [
        {
            "name": "first audio",
            "value": "–" if call.first_audio_ms is None else str(call.first_audio_ms),
            "unit": "ms",
        },
        {"name": "reply latency, middle", "value": "–" if middle is None else f"{middle:.0f}", "unit": "ms"},
        {"name": "slowest duck", "value": worst(call.ducks_ms), "unit": "ms"},
        {"name": "slowest stop", "value": worst(call.stops_ms), "unit": "ms"},
        {"name": "lead, middle", "value": "–" if leads is None else f"{leads:.0f}", "unit": "ms"},
        {"name": "faults heard", "value": str(len(call.faults)), "unit": ""},
    ]


def write_all(folder: Path, calls: Sequence[tuple[CallResult, Recording]]) -> list[Path]:
    """Write call.json, junit.xml, call.html and a recording of each call (recording.wav, recording-2.wav ...)."""
    folder.mkdir(parents=True, exist_ok=True)
    results = [result for result, _ in calls]
    written = []
    for name, content in (
        ("call.html", page(calls).encode()),
        ("call.json", json_text(results)),
        ("junit.xml", junit(results)),
        *(
            (f"recording-{n}.wav" if n > 1 else "recording.wav", recording_wav(one))
            for n, (_, one) in enumerate(calls, 1)
        ),
    ):
        path = folder / name
        path.write_bytes(content)
        written.append(path)
    return written
