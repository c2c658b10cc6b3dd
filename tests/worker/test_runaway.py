"""A voice that lost the text is stopped; one that speaks, however oddly, is not. Real speech, passed-in time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.encoder import Samples
from bridge.worker.engines.hibari import HibariEngine
from bridge.worker.runaway import Runaway, RunawayGuard, RunawayLimits

RATE_HZ = 24_000
LINE = "I have an opening on Tuesday at half past three, shall I book it for you?"


def spoken(engine: HibariEngine, text: str) -> Samples:
    return engine.run([engine.begin(text, text.split(), "heart", 1.0)])[0].audio


def follow(guard: RunawayGuard, audio: Samples, chunk: int = 2400) -> float:
    """Feed as fast as it would be heard; returns the seconds that were passed on."""
    passed = 0
    for start in range(0, len(audio), chunk):
        part = audio[start : start + chunk]
        passed += len(guard.feed(part, guard.began_s + start / RATE_HZ))
    return passed / RATE_HZ


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        "No, no, no, no, no, no, no, no!",
        "Ha ha ha ha ha ha ha ha ha.",
        "Your code is 0 0 0 0 0 0 0 0, I repeat, 0 0 0 0 0 0 0 0.",
        "Mississippi, Mississippi, Mississippi, Mississippi.",
        "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday.",
        "One hundred and one, two hundred and two, three hundred and three.",
        "$9.99",
        "4155550123",
        "Hmm.",
    ],
)
def test_real_speech_is_left_alone(hibari: HibariEngine, text: str) -> None:
    audio = spoken(hibari, text)
    guard = RunawayGuard(text, RATE_HZ, 10.0)
    assert follow(guard, audio) == len(audio) / RATE_HZ
    guard.finish()
    assert not guard.over


@pytest.mark.parametrize("period_s", [0.1, 0.24, 0.51, 1.0, 1.93, 2.31])
def test_a_loop_is_noticed_within_three_rounds(hibari: HibariEngine, period_s: float) -> None:
    """The loop's rounds differ by noise, as those of a codec that is sampled do."""
    audio = spoken(hibari, LINE)
    start = int(0.8 * RATE_HZ)
    loop = np.tile(audio[start : start + int(period_s * RATE_HZ)], 200)[: RATE_HZ * 30]
    loop = loop + np.random.default_rng(3).normal(0, 1e-3, len(loop)).astype(np.float32)
    guard = RunawayGuard(LINE * 10, RATE_HZ, 0.0)
    with pytest.raises(Runaway) as caught:
        follow(guard, np.concatenate([audio[:start], loop]))
    assert caught.value.reason == "repeats"
    assert guard.heard_s < 0.8 + max(3 * period_s, 1.6 + period_s) + 0.5


def test_a_single_stuck_sound_is_a_loop(hibari: HibariEngine) -> None:
    tone = (0.1 * np.sin(np.arange(RATE_HZ * 5) * 0.05)).astype(np.float32)
    with pytest.raises(Runaway, match="repeats"):
        follow(RunawayGuard(LINE, RATE_HZ, 0.0), tone)


def test_speech_that_never_ends_is_cut_off(hibari: HibariEngine) -> None:
    guard = RunawayGuard("Yes.", RATE_HZ, 0.0)
    babble = np.concatenate([spoken(hibari, f"{number} things more to be said") for number in range(8)])
    with pytest.raises(Runaway, match="endless"):
        follow(guard, babble)
    assert guard.heard_s < guard.longest_s + 0.2 < 4.2


def test_an_endless_tail_only_ends_the_piece(hibari: HibariEngine) -> None:
    speech = spoken(hibari, LINE)
    breath = np.random.default_rng(1).normal(0, 1e-4, RATE_HZ * 9).astype(np.float32)
    guard = RunawayGuard(LINE, RATE_HZ, 0.0)
    passed_s = follow(guard, np.concatenate([speech, breath]))
    assert guard.over
    assert passed_s == pytest.approx(len(speech) / RATE_HZ + 1.5, abs=0.4)
    guard.finish()


def test_a_pause_within_a_sentence_is_no_tail(hibari: HibariEngine) -> None:
    speech, pause = spoken(hibari, LINE), np.zeros(int(1.2 * RATE_HZ), np.float32)
    guard = RunawayGuard(LINE * 2, RATE_HZ, 0.0)
    follow(guard, np.concatenate([speech, pause, speech]))
    assert not guard.over


def test_silence_from_the_start_is_no_progress() -> None:
    guard = RunawayGuard(LINE, RATE_HZ, 5.0)
    guard.check(8.9)
    with pytest.raises(Runaway, match="no_progress"):
        guard.check(9.1)
    with pytest.raises(Runaway, match="no_progress"):
        RunawayGuard(LINE, RATE_HZ, 0.0).finish()
    RunawayGuard("...", RATE_HZ, 0.0).finish()


def test_an_engine_that_stops_in_the_middle_makes_no_progress(hibari: HibariEngine) -> None:
    guard = RunawayGuard(LINE, RATE_HZ, 5.0)
    guard.feed(spoken(hibari, "I have an"), 5.2)
    guard.check(8.1)
    with pytest.raises(Runaway, match="no_progress"):
        guard.check(8.3)


def _cuts(audio: Samples, sizes: list[int]) -> Iterator[Samples]:
    start, index = 0, 0
    while start < len(audio):
        size = sizes[index % len(sizes)]
        yield audio[start : start + size]
        start, index = start + size, index + 1


@settings(max_examples=15)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=5))
def test_however_audio_arrives_speech_passes_and_loops_do_not(hibari: HibariEngine, sizes: list[int]) -> None:
    sizes = [max(size, 400) for size in sizes]
    audio = spoken(hibari, LINE)
    guard = RunawayGuard(LINE, RATE_HZ, 0.0, limits=RunawayLimits())
    assert sum(len(guard.feed(part, 0.1)) for part in _cuts(audio, sizes)) == len(audio)
    guard = RunawayGuard(LINE * 9, RATE_HZ, 0.0)
    loop = np.tile(audio[9600:19200], 30)
    with pytest.raises(Runaway, match="repeats"):
        sum(len(guard.feed(part, 0.1)) for part in _cuts(loop, sizes))
