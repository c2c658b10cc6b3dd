"""A run's results as tables of text, for the terminal, the page and the documentation alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.bench.chunking import WRITTEN_PER_S
from bridge.bench.goals import sources
from bridge.bench.measures import DeviceFloor, Goal, Level, Report, Sockets, Strategy, edge, milliseconds
from bridge.simulator.result import percentile


@dataclass(frozen=True)
class TextTable:
    """A table; a head or a cell may have several lines."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[int] = ()
    """Columns that hold words rather than numbers."""
    below: Sequence[str] = ()
    """What is to be read with it."""


def sheets(report: Report) -> list[TextTable]:
    """All that was measured, the most important first."""
    found = []
    if report.goals:
        found.append(_goals(report.goals))
    if report.levels:
        found.append(_levels("Streams at once, arrivals open-loop, each played in real time", report.levels, report))
    if report.searched:
        found.append(_levels("Search for the most streams without a gap", report.searched))
    if report.sockets is not None:
        found.append(_sockets(report.sockets))
    if report.strategies:
        found.append(_strategies(report.strategies))
    return found


def most(report: Report) -> str:
    """How many streams are borne, in words."""
    best, bad = edge([*report.levels, *report.searched])
    if not best:
        return "none"
    count = f"{'at least' if bad is None else 'up to'} {best}"
    if report.gpu:
        return f"{count} on one GPU"
    return f"{count}, {best / report.cores:.0f} a core" if report.cores else count


def _goals(goals: Sequence[Goal]) -> TextTable:
    rows = [[goal.name, goal.source, goal.bound, goal.measured, goal.verdict] for goal in goals]
    return TextTable("Goals", ("goal", "whose", "bound", "measured", ""), rows, range(5), sources(goals))


# ---- levels ---------------------------------------------------------------------------------------------------------

_LEVEL_HEADS = (
    "streams",
    "TTFA ms\np50 / p95 / p99",
    "jitter ms\np99",
    "underruns",
    "refused\nor failed",
    "cancel ms\np99",
    "RTF\n(floor)",
    "batch",
    "worker\nCPU",
    "our own\nlateness p99",
    "our own\nCPU",
    "",
)


def _levels(title: str, levels: Sequence[Level], report: Report | None = None) -> TextTable:
    below = [f"Streams without an underrun, a refusal or a failure: {most(report)}."] if report else []
    if report and report.floor:
        below.append(_floor(report.floor))
    rows = [[*cells(level), "; ".join(level.remarks)] for level in levels]
    return TextTable(title, _LEVEL_HEADS, rows, (len(_LEVEL_HEADS) - 1,), below)


def cells(level: Level) -> list[str]:
    """A level as a row; what may not be believed is left out."""
    own = [f"{milliseconds(level.p('late_ms', 0.99))} ms", f"{level.own_cpu:.0%}"]
    if level.void:
        return [str(level.streams), *["–"] * 8, *own]
    ttfa = " / ".join(milliseconds(level.p("ttfa_ms", share)) for share in (0.5, 0.95, 0.99))
    longest = f", longest {max(level.gaps_ms):.0f} ms" if level.gaps_ms else ""
    return [
        str(level.streams),
        ttfa,
        milliseconds(level.p("jitter_ms", 0.99)),
        f"{level.underruns}{longest}",
        f"{level.refused + level.failed} of {level.utterances}",
        milliseconds(level.p("cancel_ms", 0.99)),
        ("–" if level.rtf is None else f"{level.rtf:.3f}")
        + ("" if level.floor_share is None else f" ({level.floor_share:.0%})"),
        "–" if level.mean_batch is None else f"{level.mean_batch:.1f}",
        ("–" if level.worker_cpu is None else f"{level.worker_cpu:.0%}")
        + ("" if level.gpu_percent is None else f", GPU {level.gpu_percent:.0f}%"),
        *own,
    ]


def _floor(floor: DeviceFloor) -> str:
    return (
        f"Floor: the share of RTF that nothing could save. A second of speech takes {floor.operations / 1e9:.2f} G "
        f"operations in {floor.precision} and {(floor.activation_bytes + floor.weight_bytes) / 1e6:.0f} MB when served "
        f"alone ({floor.activation_bytes / 1e6:.0f} MB without the weights, which a batch shares); {floor.device} was "
        f"seen to do {floor.operations_per_s / 1e12:.2f} T operations and {floor.bytes_per_s / 1e9:.0f} GB a second."
    )


def _sockets(sockets: Sockets) -> TextTable:
    kinds = (
        ("warm socket", sockets.warm_ms),
        ("cold socket, opened for it", sockets.cold_ms),
        (f"warm socket, text of {sockets.long_chars} characters", sockets.long_ms),
    )
    rows = [
        [name, *(milliseconds(percentile(values, share)) for share in (0.5, 0.95)), str(len(values))]
        for name, values in kinds
    ]
    below = [f"RTF {sockets.rtf:.3f}."] if sockets.rtf else []
    return TextTable("One stream at a time", ("", "TTFA ms p50", "p95", "rounds"), rows, (0,), below)


# ---- chunking -------------------------------------------------------------------------------------------------------

_STRATEGY_HEADS = (
    "cut by",
    "pieces",
    "TTFA ms of whole\ntexts, p50 / p95",
    "TTFA ms while\nan agent writes",
    "words\nmisheard",
    "length against\nsentences",
    "sharpest edge dB\nat joins / elsewhere",
    "level step dB\nat joins / elsewhere",
)
_READING = (
    f"While an agent writes {WRITTEN_PER_S} characters a second: p50 from the first character on, computed from when "
    "the first piece is complete.",
    "Edges and steps: a join that is no worse than other places between words cannot be told from speech.",
)


def _strategies(strategies: Sequence[Strategy]) -> TextTable:
    sentence_s = next((one.audio_s for one in strategies if one.name == "sentence"), 0.0)
    rows = [_strategy(one, sentence_s) for one in strategies]
    return TextTable("Where text is cut", _STRATEGY_HEADS, rows, (0,), _READING)


def _strategy(one: Strategy, sentence_s: float) -> list[str]:
    ttfa = " / ".join(milliseconds(percentile(one.ttfa_ms, share)) for share in (0.5, 0.95))
    first, writing = percentile(one.ttfa_ms, 0.5), percentile(one.writing_ms, 0.5)
    written = milliseconds(None if first is None or writing is None else first + writing)
    longer = f"{100 * (one.audio_s / sentence_s - 1):+.0f}%" if sentence_s else "–"
    clicks = f"{_decibels(one.click_db)} / {_decibels(one.ordinary_click_db)}"
    steps = f"{_decibels(one.step_db)} / {_decibels(one.ordinary_step_db)}"
    return [one.name, str(one.pieces), ttfa, written, f"{one.word_errors:.1%}", longer, clicks, steps]


def _decibels(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f}"
