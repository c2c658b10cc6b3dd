"""Calls through the whole room, with the real models."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest

from bridge.audio.mulaw import encode_float
from bridge.call.commands import Transcribe
from bridge.call.events import Event, Recognised, RecogniserFailed, TurnJudged, VoiceActivity
from bridge.call.settings import EndpointSettings
from bridge.listening.echo import EchoGate
from bridge.listening.service import CallListening, ListeningService
from bridge.listening.settings import (
    ActivitySettings,
    ListeningSettings,
    NoRecogniserSettings,
    NoTurnModelSettings,
)
from bridge.listening.taps import TappedAudio
from bridge.listening.ticks import Lateness
from tests.listening.sounds import frames, line, say, silence

SENTENCE = "I want to cancel my order."
NO_ENGINES = ListeningSettings(
    activity=ActivitySettings(tick_ms=0.5, backlog_windows=10_000),
    recogniser=NoRecogniserSettings(),
    turn=NoTurnModelSettings(),
)


class Caller:
    """One call: what is fed in, and what the session is told."""

    def __init__(self, listening: ListeningService) -> None:
        self.told: list[Event] = []
        self.now = 0.0
        self.ear: CallListening = listening.open_call(self.told.append, started_at=0.0)

    async def says(self, ulaw: bytes) -> None:
        """Faster than real time, but in frames, and judged before it returns."""
        for number, frame in enumerate(frames(ulaw)):
            self.now = round(self.now + len(frame) / 8000, 6)
            self.ear.hear(frame, self.now)
            if number % 25 == 0:
                await asyncio.sleep(0)
        await until(lambda: self.ear._ticks.batch.ready == 0)
        await asyncio.sleep(0)

    @property
    def activity(self) -> list[VoiceActivity]:
        return [event for event in self.told if isinstance(event, VoiceActivity)]

    @property
    def answers(self) -> list[Event]:
        return [event for event in self.told if not isinstance(event, VoiceActivity)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
async def without_engines() -> AsyncIterator[ListeningService]:
    listening = ListeningService(NO_ENGINES, clock=time.monotonic)
    await listening.start()
    yield listening
    await listening.close()


@pytest.fixture
async def listening() -> AsyncIterator[ListeningService]:
    whole = ListeningService(ListeningSettings(activity=NO_ENGINES.activity), clock=time.monotonic)
    await whole.start()
    yield whole
    await whole.close()


async def test_a_caller_speaks_and_is_understood(listening: ListeningService) -> None:
    caller = Caller(listening)
    await caller.says(line(silence(1.0), say(SENTENCE), silence(0.3)))
    began = next(event.at for event in caller.activity if event.probability >= 0.5)
    assert 1.0 < began < 1.15
    caller.ear.transcribe(Transcribe(revision=1, since=began))
    await until(lambda: len(caller.answers) == 2)
    judged, recognised = caller.answers
    assert isinstance(judged, TurnJudged)
    assert judged.revision == 1
    assert judged.probability > EndpointSettings().finished_probability
    assert isinstance(recognised, Recognised)
    assert (recognised.revision, recognised.text.rstrip(".")) == (1, SENTENCE.rstrip("."))
    assert 0.5 < recognised.confidence <= 1.0


async def test_only_what_was_said_since_then_is_recognised(listening: ListeningService) -> None:
    caller = Caller(listening)
    await caller.says(line(silence(0.5), say("Please hold the line."), silence(2.0)))
    since = caller.now
    await caller.says(line(silence(0.5), say(SENTENCE), silence(0.3)))
    caller.ear.transcribe(Transcribe(revision=3, since=since))
    await until(lambda: len(caller.answers) == 2)
    assert [event.text.rstrip(".") for event in caller.answers if isinstance(event, Recognised)] == [
        SENTENCE.rstrip(".")
    ]


async def test_a_newer_revision_makes_the_older_one_silent(listening: ListeningService) -> None:
    caller = Caller(listening)
    await caller.says(line(silence(0.5), say(SENTENCE), silence(0.3)))
    for revision in (1, 2, 3):
        caller.ear.transcribe(Transcribe(revision=revision, since=0.5))
        await asyncio.sleep(0)
    await until(lambda: len(caller.answers) == 2)
    assert {getattr(event, "revision", None) for event in caller.answers} == {3}
    await until(lambda: listening.stats()["engine_waiting"] == 0)


async def test_calls_at_once_hear_only_their_own_words(listening: ListeningService) -> None:
    sentences = [SENTENCE, "When do you open on Saturday?", "I have a question about my bill."]
    callers = [Caller(listening) for _ in sentences]
    await asyncio.gather(
        *(
            caller.says(line(silence(0.4 + 0.1 * n), say(sentence), silence(0.3)))
            for n, (caller, sentence) in enumerate(zip(callers, sentences, strict=True))
        )
    )
    for caller in callers:
        caller.ear.transcribe(Transcribe(revision=1, since=0.3))
    await until(lambda: all(len(caller.answers) == 2 for caller in callers))
    texts = [event.text for caller in callers for event in caller.answers if isinstance(event, Recognised)]
    assert [text.rstrip(".?") for text in texts] == [sentence.rstrip(".?") for sentence in sentences]


async def test_without_a_recogniser_each_request_is_answered_at_once(without_engines: ListeningService) -> None:
    caller = Caller(without_engines)
    await caller.says(line(silence(0.5), say("Yes."), silence(0.3)))
    caller.ear.transcribe(Transcribe(revision=5, since=0.5))
    await until(lambda: len(caller.answers) == 1)
    [failed] = caller.answers
    assert isinstance(failed, RecogniserFailed)
    assert failed.revision == 5
    assert "none" in failed.reason


async def test_our_own_voice_coming_back_is_marked_as_echo(without_engines: ListeningService) -> None:
    bot = say("I have an opening on Tuesday at three, or on Thursday at half past nine.", -20.0)
    back = np.concatenate([np.zeros(1200, np.float32), bot * np.float32(0.1)])
    caller = Caller(without_engines)
    out, inbound = encode_float(bot), line(back)
    for start in range(0, len(out), 160):
        caller.ear.sent(out[start : start + 160], caller.now)
        await caller.says(inbound[start : start + 160])
    speech = [event for event in caller.activity if event.probability >= 0.5]
    assert len(speech) > 40  # the voice model takes it for a caller
    assert sum(event.echo >= 0.6 for event in speech) > 0.95 * len(speech)
    assert without_engines.stats()["listening_echoes"] > 0


async def test_a_caller_over_the_bot_is_not_marked(without_engines: ListeningService) -> None:
    bot = encode_float(say("I have an opening on Tuesday at three, or on Thursday at half past nine.", -20.0))
    caller = Caller(without_engines)
    inbound = line(silence(0.7), say("No, wait, I need something on Friday.", speed=1.1), silence(1.0))
    for start in range(0, len(bot), 160):
        caller.ear.sent(bot[start : start + 160], caller.now)
        await caller.says(inbound[start : start + 160])
    speech = [event for event in caller.activity if event.probability >= 0.5]
    assert len(speech) > 30
    assert sum(event.echo >= 0.6 for event in speech) < 0.05 * len(speech)


async def test_after_the_end_of_a_call_nothing_is_delivered(listening: ListeningService) -> None:
    caller = Caller(listening)
    await caller.says(line(silence(0.3), say("Yes."), silence(0.1)))
    caller.ear.transcribe(Transcribe(revision=1, since=0.3))
    await asyncio.sleep(0)
    told = len(caller.told)
    caller.ear.close()
    caller.ear.close()
    caller.ear.hear(b"\x10" * 1600, 9.0)
    caller.ear.sent(b"\x10" * 1600, 9.0)
    caller.ear.transcribe(Transcribe(revision=2, since=0.3))
    other = Caller(listening)  # gets the row, and its own audio only
    await other.says(line(silence(0.3), say("Yes."), silence(0.3)))
    other.ear.transcribe(Transcribe(revision=1, since=0.3))
    await until(lambda: len(other.answers) == 2)
    assert len(caller.told) == told


async def test_a_tap_hears_both_directions_and_a_full_one_costs_the_call_nothing(
    without_engines: ListeningService,
) -> None:
    full = []
    without_engines.on_call.append(lambda ear: full.append(ear.tap(limit=1)))
    caller = Caller(without_engines)
    tap = caller.ear.tap()
    caller.ear.sent(b"\x20" * 480, 0.01)
    await caller.says(b"\x30" * 320)
    caller.ear.close()
    pieces = [piece async for piece in tap]
    assert pieces == [
        TappedAudio("bot", b"\x20" * 480, 0.01),
        TappedAudio("caller", b"\x30" * 160, 0.02),
        TappedAudio("caller", b"\x30" * 160, 0.04),
    ]
    assert [tap.lost for tap in full] == [2]


async def test_memory_per_call_stays_within_its_budget(without_engines: ListeningService) -> None:
    caller = Caller(without_engines)
    for frame in range(50 * 60):
        caller.ear.hear(b"\xff" * 160, frame * 0.02)
        caller.ear.sent(b"\x30" * 160, frame * 0.02)
    gate = caller.ear._echo._gate
    assert gate is not None
    held = len(caller.ear._memory._ring) + len(gate._reference)
    assert held < 300_000


async def test_where_callers_are_heard_late_there_is_no_room_for_another(listening: ListeningService) -> None:
    assert listening._ticks is not None
    now = 100.0
    lateness = listening._ticks.lateness = Lateness(lambda: now)
    lateness.note(0.0)
    now += 10.0
    lateness.note(75.0)
    assert 0.4 < listening.headroom() <= 0.51
    now += 10.0
    lateness.note(400.0)
    assert listening.headroom() == 0.0
    assert listening.stats()["activity_late_ms"] > 300.0
    now += 10.0
    assert listening.headroom() > 0.9


async def test_headroom_and_stats_are_there_for_the_operator(listening: ListeningService) -> None:
    caller = Caller(listening)
    assert 0.0 <= listening.headroom() <= 1.0
    await caller.says(line(silence(0.5), say("Yes."), silence(0.3)))
    stats = listening.stats()
    assert stats["activity_windows"] >= len(caller.activity) > 0
    assert stats["listening_calls"] == 1
    assert all(isinstance(value, int | float) for value in stats.values())


@pytest.mark.parametrize("step", ["sent", "cleared", "is_possible", "judge"])
async def test_a_fault_in_one_calls_echo_gate_deafens_nobody(
    step: str, without_engines: ListeningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call itself goes on without the gate, the others with theirs, and it is counted."""
    whole = getattr(EchoGate, step)
    broken: list[EchoGate] = []

    def fails(gate: EchoGate, *arguments: object) -> object:
        if not broken:
            broken.append(gate)
        if gate is broken[0]:
            raise ZeroDivisionError("an echo gate's fault")
        return whole(gate, *arguments)

    monkeypatch.setattr(EchoGate, step, fails)
    bot = encode_float(say("I have an opening on Tuesday.", -20.0))
    callers = [Caller(without_engines), Caller(without_engines)]
    for start in range(0, len(bot), 160):
        for caller in callers:
            caller.ear.sent(bot[start : start + 160], caller.now)
            await caller.says(bot[start : start + 160])
    for caller in callers:
        caller.ear.cleared(caller.now)
        assert sum(event.probability >= 0.5 for event in caller.activity) > 15
    assert without_engines.stats()["listening_echo_failures"] == 1
