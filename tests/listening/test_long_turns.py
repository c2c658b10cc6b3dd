"""A caller who talks for forty seconds: real speech, the real machine, the real models, audio memory for 24 s."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bridge.audio import mulaw
from bridge.audio.wav import read as read_wav
from bridge.call.actions import Expect, Prompt
from bridge.call.commands import AskAgent, Command, ExpectSpeech, Transcribe
from bridge.call.events import AgentActed, AgentFinished, CallStarted, Event, Recognised, TimePassed, VoiceActivity
from bridge.call.machine import Call
from bridge.call.settings import CallSettings, EndpointSettings
from bridge.listening.service import ListeningService
from bridge.listening.settings import ActivitySettings, ListeningSettings, NoTurnModelSettings
from bridge.listening.sound import quietest
from tests.call.phone import Phone
from tests.listening.recogniser_contract import plain, until
from tests.listening.sounds import Samples, frames, line, silence

CALLERS = Path(__file__).parents[2] / "fixtures" / "callers"
STORY = ("two_cities_human", "long_story", "book_appointment", "tuesday_morning", "opening_hours", "real_person")
PATIENT = CallSettings(no_input_s=60.0, endpoint=EndpointSettings(guess_ms=250, short_ms=900))
"""The speakers pause for half a second here and there: it shall be one turn all the same."""
WORDS = 12 + 3 * (23 + 7 + 6 + 5 + 7) + 6
FIRST, LAST = "it was the best of times", "cancel my order"


def recording(name: str) -> Samples:
    found = read_wav((CALLERS / f"{name}.wav").read_bytes()).mono.astype(np.float32) / np.float32(32768)
    loud = np.flatnonzero(np.abs(found) > 0.02)
    return found[loud[0] : loud[-1] + 1]


def story() -> bytes:
    """Some forty seconds, hardly a pause in the first half; the first and the last sentence are said once."""
    from tests.listening.sounds import say

    parts: list[Samples] = [silence(0.5), recording(STORY[0])]
    while sum(map(len, parts)) < 38 * 8000:
        pause_s = 0.03 if sum(map(len, parts)) < 20 * 8000 else 0.3
        for name in STORY[1:]:
            parts += [silence(pause_s), recording(name)]
    return line(*parts, silence(0.3), say("I want to cancel my order."), silence(3.0))


class Session:
    """The machine and the listening room in step: the caller's time stands still while words are awaited."""

    def __init__(self, service: ListeningService) -> None:
        phone = Phone()
        self.call = Call(PATIENT, phone.line.audio_format, phone.line.pacing)
        self.commands: list[Command] = []
        self.prompts: list[Prompt] = []
        self.now = 0.0
        self._told: list[Event] = []
        self.ear = service.open_call(self._told.append, started_at=0.0)

    def tell(self, event: Event) -> None:
        for command in self.call.receive(event, self.now):
            self.commands.append(command)
            match command:
                case Transcribe():
                    self.ear.transcribe(command)
                case ExpectSpeech():
                    self.ear.expect(command)
                case AskAgent(turn, prompt):
                    self.prompts.append(prompt)
                    self.tell(AgentActed(turn, Expect()))  # it only listens
                    self.tell(AgentFinished(turn))

    def asked(self) -> list[Transcribe]:
        return [command for command in self.commands if isinstance(command, Transcribe)]

    async def hears(self, ulaw: bytes) -> None:
        self.tell(CallStarted())
        for frame in frames(ulaw):
            self.now = round(self.now + 0.02, 6)
            self.ear.hear(frame, self.now)
            await until(lambda: self.ear._ticks.batch.ready == 0)
            asked = len(self.asked())
            self._pass_on()
            if len(self.asked()) > asked:
                await until(lambda: any(isinstance(event, Recognised) for event in self._told))
                self._pass_on()
            if self.call.wake_at is not None and self.call.wake_at <= self.now:
                self.tell(TimePassed())

    def _pass_on(self) -> None:
        told, self._told[:] = list(self._told), []
        for event in told:
            if isinstance(event, VoiceActivity | Recognised):
                self.tell(event)

    def said(self) -> Sequence[str]:
        return [plain(prompt.text) for prompt in self.prompts if prompt.kind == "caller_said"]


async def test_a_turn_of_forty_seconds_is_recognised_from_its_first_word_to_its_last() -> None:
    settings = ListeningSettings(
        activity=ActivitySettings(tick_ms=0.1, backlog_windows=10_000), turn=NoTurnModelSettings()
    )
    service = ListeningService(settings, clock=time.monotonic)
    await service.start()
    try:
        session = Session(service)
        ulaw = story()
        assert len(ulaw) > 40 * 8000
        await session.hears(ulaw)
        said = session.said()[-1]
        assert said.startswith(FIRST)
        assert said.endswith(LAST)
        # Each recording between them was said three times; where one breath is cut, a word may be misheard.
        for words in ("dentist", "another visit", "an appointment", "tuesday morning", "real person"):
            assert 2 <= said.count(words) <= 3, (words, said)
        assert len(said.split()) == pytest.approx(WORDS, rel=0.08)
        assert len(session.ear._memory._ring) <= settings.memory_s * 8000
        session.ear.close()
    finally:
        await service.close()


def test_a_long_turn_is_cut_where_it_is_quietest_and_as_late_as_that_allows() -> None:
    loud = mulaw.encode_float(np.full(8000, 0.3, np.float32) * np.where(np.arange(8000) % 2, 1, -1).astype(np.float32))
    quiet = b"\xff" * 1600
    ulaw = loud + quiet + loud + quiet + loud
    cut = quietest(ulaw, 4000)
    assert 8000 * 2 + 1600 <= cut <= 8000 * 2 + 3200
    assert 0 < quietest(loud, 4000) <= len(loud)
    assert quietest(b"\xff" * 100, 50) == 100
    assert quietest(b"", 0) == 0
