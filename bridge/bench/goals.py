"""What a speech worker should reach: published rules of thumb for streaming voice APIs, and our own budgets."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.bench.measures import Goal, Level, Report, Sockets, Verdict, milliseconds, saving
from bridge.simulator.result import percentile

RULE, BUDGET, RECORD = "rule of thumb", "our budget", "best published"
_SOURCES = {
    RULE: "what is commonly asked of streaming voice APIs at 50, 100 and 500 connections",
    BUDGET: "what this project set itself, see tests/bench/README.md",
    RECORD: "Nari's server for Qwen3-TTS on one H100, in sglang-omni issue 1754; a larger model",
}
CROWDS = (50, 100, 500)
TTFA_P95_MS, JITTER_P99_MS = 300.0, 20.0
GPU_P95_MS, RECORD_P95_MS, RECORD_RATE = 100.0, 32.8, 10.0
CANCEL_RULE_MS, CANCEL_BUDGET_MS = 50.0, 20.0
ONE_STREAM_MS = 40.0
WARM_GAIN = 0.30
SAME = 0.10
"""Of a time: less than this is no difference."""


def sources(goals: Sequence[Goal]) -> list[str]:
    """Where these goals come from, a line each."""
    return [f"{name}: {what}" for name, what in _SOURCES.items() if any(name in goal.source for goal in goals)]


def goals(report: Report) -> list[Goal]:
    """Each goal with what was measured; not measured where the levels were not run, or cannot be believed."""
    found = [_alone(report.levels)]
    found += [_crowd(report.levels, streams, f"{RULE}, {BUDGET}", TTFA_P95_MS) for streams in CROWDS]
    if report.gpu:
        found.append(_crowd(report.levels, CROWDS[-1], f"{BUDGET} for a data-centre GPU", GPU_P95_MS))
        found.append(_record(report.levels))
    believed = [level for level in [*report.levels, *report.searched] if not level.void]
    # Beyond what the worker bears, arrivals are turned away and delays grow: goals there are about the TTFA rows.
    borne = [level for level in believed if level.sound]
    found.append(_worst("chunk jitter p99, while nobody is turned away", RULE, borne, "jitter_ms", JITTER_P99_MS))
    found.append(_worst("cancel to the last byte, p99", RULE, believed, "cancel_ms", CANCEL_RULE_MS))
    found.append(_worst("cancel to the last byte, p99", BUDGET, believed, "cancel_ms", CANCEL_BUDGET_MS))
    late = sum(level.sound_after_cancel for level in believed)
    found.append(
        Goal(
            name="sound after a cancel was answered",
            source=BUDGET,
            bound="none",
            measured=f"{late} streams" if believed else "–",
            verdict=_verdict(late == 0 if believed else None),
        )
    )
    return [*found, *_sockets(report.sockets)]


def _verdict(met: bool | None) -> Verdict:
    return "not measured" if met is None else "met" if met else "missed"


def _alone(levels: Sequence[Level]) -> Goal:
    p50 = next((level.p("ttfa_ms", 0.5) for level in levels if level.streams == 1 and not level.void), None)
    return Goal(
        name="TTFA p50 at 1 stream",
        source=f"{BUDGET} for the CPU's default voice",
        bound=f"< {ONE_STREAM_MS:.0f} ms",
        measured=f"{milliseconds(p50)} ms" if p50 is not None else "–",
        verdict=_verdict(None if p50 is None else p50 < ONE_STREAM_MS),
    )


def _crowd(levels: Sequence[Level], streams: int, source: str, bound_ms: float) -> Goal:
    level = next((level for level in levels if level.streams == streams), None)
    name, bound = f"TTFA p95 at {streams} streams, none refused, no gap", f"< {bound_ms:.0f} ms"
    if level is None or level.void:
        why = "–" if level is None else "; ".join(level.void)
        return Goal(name=name, source=source, bound=bound, measured=why, verdict="not measured")
    p95 = level.p("ttfa_ms", 0.95)
    measured = f"{milliseconds(p95)} ms"
    if level.refused or level.failed or level.underruns:
        measured += f", {level.refused} refused, {level.failed} failed, {level.underruns} underruns"
    met = level.sound and p95 is not None and p95 < bound_ms
    return Goal(name=name, source=source, bound=bound, measured=measured, verdict=_verdict(met))


def _record(levels: Sequence[Level]) -> Goal:
    """The smallest load that is at least as heavy as the record's counts."""
    heavy = [level for level in levels if not level.void and level.utterances >= RECORD_RATE * level.seconds]
    level = min(heavy, key=lambda one: one.streams, default=None)
    p95 = level.p("ttfa_ms", 0.95) if level else None
    return Goal(
        name=f"TTFA p95 at {RECORD_RATE:.0f} requests a second or more, no gap",
        source=RECORD,
        bound=f"< {RECORD_P95_MS} ms",
        measured=f"{milliseconds(p95)} ms, at {level.streams} streams" if level else "–",
        verdict=_verdict(level.sound and p95 is not None and p95 < RECORD_P95_MS if level else None),
    )


def _worst(name: str, source: str, levels: Sequence[Level], what: str, bound_ms: float) -> Goal:
    """Judge a goal by the level that did worst."""
    values = [(value, level.streams) for level in levels if (value := level.p(what, 0.99)) is not None]
    bound = f"< {bound_ms:.0f} ms"
    if not values:
        return Goal(name=name, source=source, bound=bound, measured="–", verdict="not measured")
    worst, streams = max(values)
    measured = f"{milliseconds(worst)} ms, at {streams} streams"
    return Goal(name=name, source=source, bound=bound, measured=measured, verdict=_verdict(worst < bound_ms))


# ---- one stream at a time -------------------------------------------------------------------------------------------


def _sockets(sockets: Sockets | None) -> list[Goal]:
    warm = percentile(sockets.warm_ms, 0.5) if sockets else None
    cold = percentile(sockets.cold_ms, 0.5) if sockets else None
    long = percentile(sockets.long_ms, 0.5) if sockets else None
    gain = saving(sockets.cold_ms, sockets.warm_ms) if sockets else None
    growth = saving(sockets.warm_ms, sockets.long_ms) if sockets else None
    one = "one stream at a time, p50"
    return [
        Goal(
            name=f"a warm socket against a cold one, {one}",
            source=f"{RULE}, {BUDGET}",
            bound=f"{WARM_GAIN:.0%} faster",
            measured=_compared(warm, cold, gain) + _from_afar(warm, cold),
            verdict=at_least(gain, WARM_GAIN),
        ),
        Goal(
            name=f"TTFA of a text of 500+ characters, {one}",
            source=f"{RULE}, {BUDGET}",
            bound=f"no later (within {SAME:.0%})",
            measured=_compared(long, warm, growth),
            verdict=at_least(growth, -SAME),
        ),
    ]


def at_least(saved: tuple[float, float, float] | None, bound: float) -> Verdict:
    """Met or missed only if the whole confidence interval says so."""
    if saved is None:
        return "not measured"
    _, low, high = saved
    return "met" if low >= bound else "missed" if high < bound else "undecided"


def _compared(this: float | None, other: float | None, saved: tuple[float, float, float] | None) -> str:
    if saved is None:
        return "–"
    share, low, high = saved
    how, low, high = ("faster", low, high) if share >= 0 else ("later", -high, -low)
    return f"{milliseconds(this)} against {milliseconds(other)} ms: {abs(share):.0%} {how} ({low:.0%} to {high:.0%})"


def _from_afar(warm: float | None, cold: float | None) -> str:
    """From which round trip on the goal is met: a cold socket takes three (TCP, upgrade, text), a warm one one."""
    if warm is None or cold is None:
        return ""
    trip_ms = (warm - (1 - WARM_GAIN) * cold) / (3 * (1 - WARM_GAIN) - 1)
    return f"; computed: {WARM_GAIN:.0%} where a round trip takes {trip_ms:.1f} ms" if trip_ms > 0 else ""
