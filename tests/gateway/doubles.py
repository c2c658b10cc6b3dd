"""Small stand-ins for the rooms around a session, for tests of the gateway itself.

`ToneVoice` turns each character into 20 ms of sound at once; `QuietEar` remembers what it was given;
`SetAgent` answers prompts from a list.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable

from bridge.agents.base import CallInfo, FixedLine, LikelyLine
from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.actions import Action, HangUp, Prompt, Say
from bridge.call.commands import ExpectSpeech, PullSpeech, Synthesise, Transcribe
from bridge.call.events import Event, SpeechArrived, SpeechEnded, Word
from bridge.call.supplied import FindSpeech
from bridge.carriers.base import Outcome
from bridge.session.ports import CallServices, Deliver, KeptCall

FRAME = b"\x20" * 160


class QuietEar:
    def __init__(self, deliver: Deliver) -> None:
        self.deliver = deliver
        self.heard: list[bytes] = []
        self.sounds_sent: list[bytes] = []
        self.spent: dict[str, float] = {}
        self.asked: list[Transcribe] = []
        self.closed = 0

    def hear(self, ulaw: bytes, now: float) -> None:
        self.heard.append(ulaw)

    def sent(self, ulaw: bytes, now: float) -> None:
        self.sounds_sent.append(ulaw)

    def cleared(self, now: float) -> None:
        self.sounds_sent.clear()

    def expect(self, command: ExpectSpeech) -> None:
        self.expected = command

    def transcribe(self, command: Transcribe) -> None:
        self.asked.append(command)

    def costs(self) -> dict[str, float]:
        return self.spent

    def close(self) -> None:
        self.closed += 1


class Ears:
    def __init__(self) -> None:
        self.calls: list[QuietEar] = []

    def open_call(self, deliver: Deliver, *, started_at: float) -> QuietEar:
        self.calls.append(QuietEar(deliver))
        return self.calls[-1]


class ToneVoice:
    """Delivers everything once it is whole and was pulled: events come from inside the carrying out of a command."""

    def __init__(self, deliver: Deliver, audio_format: AudioFormat = MULAW_8000) -> None:
        self._deliver = deliver
        self._frame = FRAME[:1] * audio_format.frame_bytes
        self._texts: dict[int, str] = {}
        self._finals: set[int] = set()
        self._done: set[int] = set()
        self._pulled: set[int] = set()
        self.cancelled: list[int] = []
        self.expected: list[LikelyLine] = []
        self.pulling = False
        self.closed = 0
        self.spent: dict[str, float] = {}

    @property
    def texts(self) -> list[str]:
        """What each utterance was asked to say, the latest last."""
        return list(self._texts.values())

    def synthesise(self, command: Synthesise) -> None:
        self._texts[command.utterance] = self._texts.get(command.utterance, "") + command.text
        if command.final:
            self._finals.add(command.utterance)
            if command.utterance in self._pulled:
                self._deliver_whole(command.utterance)

    def pull(self, command: PullSpeech) -> None:
        self._pulled.add(command.utterance)
        self._deliver_whole(command.utterance)

    def _deliver_whole(self, number: int) -> None:
        if number in self._finals and number not in self._done:
            self._done.add(number)
            self.pulling = True
            text = self._texts[number]
            self._deliver(SpeechArrived(number, self._frame * len(text), (Word(text, 0, 20 * len(text)),)))
            self._deliver(SpeechEnded(number))
            self.pulling = False

    def cancel(self, utterance: int) -> None:
        self.cancelled.append(utterance)

    def expect(self, lines: Iterable[LikelyLine]) -> None:
        self.expected = list(lines)

    def supply(self, find: FindSpeech) -> None: ...

    def savings(self) -> dict[str, float]:
        return {
            "phrases": 4,
            "hits": 3,
            "hit_rate": 0.75,
            "saved_synthesis_s": 1.5,
            "saved_money": 0.25,
        } | self.spent

    def close(self) -> None:
        self.closed += 1


class Voices:
    def __init__(self) -> None:
        self.calls: list[ToneVoice] = []

    def open_call(self, deliver: Deliver, *, audio_format: AudioFormat = MULAW_8000) -> ToneVoice:
        self.calls.append(ToneVoice(deliver, audio_format))
        return self.calls[-1]


Answer = Callable[[Prompt], Iterable[Action]]


class SetAgent:
    def __init__(self, info: CallInfo, answer: Answer) -> None:
        self.info = info
        self.prompts: list[Prompt] = []
        self.next_lines: list[LikelyLine] = []
        self.confirmed_turns: list[int] = []
        self.resumed_from: bytes | None = None
        self._answer = answer

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        self.prompts.append(prompt)
        for action in self._answer(prompt):
            yield action

    def confirmed(self, turn: int) -> None:
        self.confirmed_turns.append(turn)

    def state(self) -> bytes:
        return f"of {self.info.call_id}".encode()

    def resume(self, state: bytes) -> None:
        self.resumed_from = state

    def likely(self) -> list[LikelyLine]:
        return self.next_lines


class Agents:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls: list[SetAgent] = []

    def open_call(self, info: CallInfo) -> SetAgent:
        self.calls.append(SetAgent(info, self.answer))
        return self.calls[-1]

    def phrases(self) -> list[FixedLine]:
        return []

    async def close(self) -> None:
        pass


def greet(prompt: Prompt) -> list[Action]:
    """Says hello, repeats digits, and hangs up on 9."""
    if prompt.kind == "call_started":
        return [Say("hello")]
    if prompt.kind == "digits":
        return [Say("bye"), HangUp()] if "9" in prompt.text else [Say(prompt.text)]
    return []


class ServiceDoubles:
    """All rooms of a process."""

    def __init__(self, answer: Answer = greet) -> None:
        self.ears, self.voices, self.agents = Ears(), Voices(), Agents(answer)
        self.services = CallServices(self.ears, self.voices, self.agents)


class PaperLine:
    """Writes down what a session sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str | bytes]] = []
        self.ended: list[Outcome] = []
        self.flushed = 0

    def send_audio(self, audio: bytes) -> None:
        self.sent.append(("audio", audio))

    def send_mark(self, name: str) -> None:
        self.sent.append(("mark", name))

    def clear(self) -> None:
        self.sent.append(("clear", ""))

    def flush(self) -> None:
        self.flushed = len(self.sent)

    def end(self, outcome: Outcome, kept: KeptCall | None = None) -> None:
        self.ended.append(outcome)
        self.kept = kept

    def audio(self) -> bytes:
        return b"".join(what for kind, what in self.sent if kind == "audio" and isinstance(what, bytes))


def ignore(_event: Event) -> None:
    pass
