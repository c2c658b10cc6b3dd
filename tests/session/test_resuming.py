"""A call's session stops, another goes on with its state: what the carrier's side hears is whole."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

import pytest

from bridge.agents.base import CallInfo, LikelyLine
from bridge.agents.script import ScriptAgent, ScriptFactory
from bridge.agents.script_load import compile_script
from bridge.audio.formats import AudioFormat
from bridge.call.commands import PullSpeech, Synthesise
from bridge.call.events import DigitPressed, MarkEchoed, SpeechArrived, SpeechEnded, Word
from bridge.call.record import replay
from bridge.call.settings import CallSettings
from bridge.call.state import CallState, decode, encode
from bridge.call.states import EndReason
from bridge.call.supplied import FindSpeech
from bridge.session.books import CallFollowers
from bridge.session.ports import CallServices, Deliver
from bridge.session.session import CallSession
from bridge.session.timers import TimerWheel
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.recorder import Recorder
from tests.gateway.doubles import Ears, PaperLine

SETTINGS = CallSettings(listens=False, inter_digit_s=1.0, no_input_s=30.0)
WORD_MS = 100
GREETING = "Welcome to Riverside Dental please key in your number of four digits now"
SCRIPT = f"""
start: number
states:
  number:
    say: {GREETING}
    expect: digits:4
    capture: number
    on_answer: confirm
  confirm:
    say: You keyed in {{number}} and that is it thank you very much
    digits:
      "1": {{say: Goodbye then, hang_up: done}}
"""
OTHER = "start: hello\nstates:\n  hello:\n    say: Hello there\n    on_speech: {say: Goodbye, hang_up: done}\n"


class WordVoice:
    """Says each word for a tenth of a second, in bytes by which it can be told on the line."""

    def __init__(self, deliver: Deliver, dictionary: list[str]) -> None:
        self._deliver, self._dictionary = deliver, dictionary
        self._texts: dict[int, str] = {}
        self._finals: set[int] = set()

    def synthesise(self, command: Synthesise) -> None:
        self._texts[command.utterance] = self._texts.get(command.utterance, "") + command.text
        if command.final:
            self._finals.add(command.utterance)

    def pull(self, command: PullSpeech) -> None:
        if command.utterance not in self._finals:
            return
        self._finals.remove(command.utterance)
        words = self._texts[command.utterance].split()
        self._dictionary += [word for word in words if word not in self._dictionary]
        audio = b"".join(bytes([self._dictionary.index(word)]) * (WORD_MS * 8) for word in words)
        placed = tuple(Word(word, n * WORD_MS, (n + 1) * WORD_MS) for n, word in enumerate(words))
        self._deliver(SpeechArrived(command.utterance, audio, placed))
        self._deliver(SpeechEnded(command.utterance))

    def cancel(self, utterance: int) -> None:
        self._finals.discard(utterance)

    def expect(self, lines: Iterable[LikelyLine]) -> None:
        pass

    def supply(self, find: FindSpeech) -> None: ...

    def savings(self) -> dict[str, float]:
        return {}

    def close(self) -> None:
        pass


class WordVoices:
    def __init__(self) -> None:
        self.dictionary: list[str] = []

    def open_call(self, deliver: Deliver, *, audio_format: AudioFormat) -> WordVoice:
        return WordVoice(deliver, self.dictionary)


class PlayingLine(PaperLine):
    """A carrier's buffer: plays 8 bytes a millisecond and knows which marks it has reached."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer: list[bytes | str] = []
        self.played = b""

    def send_audio(self, ulaw: bytes) -> None:
        self._buffer.append(ulaw)

    def send_mark(self, name: str) -> None:
        self._buffer.append(name)

    def clear(self) -> None:
        self._buffer.clear()

    def play(self, length: int) -> list[str]:
        """Play so many bytes; the marks that were reached."""
        reached = []
        while self._buffer:
            first = self._buffer[0]
            if isinstance(first, str):
                reached.append(first)
            elif length == 0:
                break
            else:
                self.played += first[:length]
                if len(first) > length:
                    self._buffer[0] = first[length:]
                    break
                length -= len(first)
            del self._buffer[0]
        return reached


class Caller:
    """Somebody on the phone, whose call is served by one process after another."""

    def __init__(self, directory: Path) -> None:
        self.now = 1000.0
        self.voices, self.metrics = WordVoices(), Metrics()
        self.script = ScriptFactory(compile_script(SCRIPT, "test"))
        self.recorder = Recorder(directory, self.metrics)
        self.heard = b""
        self._open(None)

    def _open(self, state: CallState | None) -> None:
        self.line = PlayingLine()
        self.wheel = TimerWheel(asyncio.get_running_loop(), clock=lambda: self.now)
        self.session = CallSession(
            CallInfo(call_id="CA1"),
            SETTINGS,
            line=self.line,
            services=CallServices(Ears(), self.voices, self.script),
            wheel=self.wheel,
            metrics=self.metrics,
            followers=CallFollowers(self.recorder.open_call("CA1", SETTINGS, resumed=state)),
            resume=state,
            clock=lambda: self.now,
        )
        self.session.start()

    async def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += 0.02
            for name in self.line.play(160):
                self.session.tell(MarkEchoed(name))
            self.wheel.fire_due()
            for _ in range(5):
                await asyncio.sleep(0)

    async def presses(self, keys: str) -> None:
        for key in keys:
            self.session.tell(DigitPressed(key))
            await self.wait(0.1)

    async def is_moved(self) -> None:
        """The process writes the call down and stops; what lies in the carrier's buffer is gone with the stream."""
        data = encode(self.session.state())
        self.session.stream_closed(EndReason.DRAIN)
        self.heard += self.line.played
        self.now += 0.5
        self._open(decode(data))

    def words(self) -> list[str]:
        """What was heard, a word for each stretch of its bytes that is most of it."""
        heard: list[tuple[int, int]] = []
        for byte in self.heard + self.line.played:
            last = heard[-1] if heard else (-1, 0)
            if last[0] == byte:
                heard[-1] = (byte, last[1] + 1)
            else:
                heard.append((byte, 1))
        return [self.voices.dictionary[byte] for byte, length in heard if length > WORD_MS * 8 * 0.8]

    def agent(self) -> ScriptAgent:
        agent = self.session._replies._agent
        assert isinstance(agent, ScriptAgent)
        return agent


@pytest.mark.parametrize("at_s", [0.06, 0.33, 0.61, 0.94, 1.18, 1.5])
async def test_a_call_that_is_moved_is_heard_whole_and_keeps_its_keys(at_s: float, tmp_path: Path) -> None:
    caller = Caller(tmp_path)
    await caller.wait(at_s)
    await caller.is_moved()
    await caller.wait(2.5)
    assert caller.words() == GREETING.split()
    await caller.presses("55")
    await caller.is_moved()
    await caller.presses("12")
    await caller.wait(0.9)
    await caller.is_moved()
    assert caller.agent().state_name == "confirm"
    assert caller.agent().slots["number"] == "5512"
    await caller.wait(3.0)
    said = "You keyed in 5512 and that is it thank you very much".split()
    assert caller.words() == [*GREETING.split(), *said]
    await caller.presses("1")
    await caller.wait(4.0)
    assert caller.words()[-2:] == ["Goodbye", "then"]
    page = caller.metrics.page().decode()
    assert 'bridge_calls_ended_total{why="agent"} 1.0' in page
    assert "bridge_calls_resumed_total 3.0" in page
    assert "bridge_calls_started_total 1.0" in page
    caller.recorder.close()
    records = sorted(tmp_path.glob("*.jsonl"))
    assert len(records) == 4
    for record in records:
        assert replay(record.read_bytes().splitlines()).differences == []


async def test_a_state_counts_its_changes_in_the_session_too(tmp_path: Path) -> None:
    caller = Caller(tmp_path)
    await caller.wait(0.5)
    before = caller.session.changes
    await caller.wait(0.5)
    assert caller.session.changes == before
    await caller.presses("5")
    assert caller.session.changes > before
    assert len(encode(caller.session.state())) < 2000
    caller.recorder.close()


async def test_an_agent_that_cannot_read_its_memory_begins_anew_and_the_call_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    caller = Caller(tmp_path)
    await caller.wait(0.6)
    caller.script = ScriptFactory(compile_script(OTHER, "other"))
    await caller.is_moved()
    await caller.wait(2.0)
    assert caller.words() == GREETING.split()
    assert any("agent does not remember" in record.getMessage() for record in caplog.records)
    caller.recorder.close()
