"""What a session needs from the other rooms, as they offer it for one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from bridge.agents.base import AgentFactory, LikelyLine
from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.commands import ExpectSpeech, PullSpeech, Synthesise, Transcribe
from bridge.call.events import Event
from bridge.call.supplied import FindSpeech
from bridge.carriers.base import DEFAULT_PACING, Outcome, Pacing

Deliver = Callable[[Event], None]
"""How a room hands an event to its call: on the event loop, never from a thread."""


class KeptCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a caller finds who comes back, from a transfer or because the stream broke off: the call, and its facts."""

    state: bytes
    """`bridge.call.state.encode`; empty: the call is admitted, and begins with its first word."""
    from_number: str = ""
    to_number: str = ""
    parameters: dict[str, str] = {}
    account_id: str = ""
    process: str = ""
    """The process that wrote this while the call was there; empty: nothing was heard after it was written."""
    written_at: float = 0.0
    """On that process's clock."""
    costs: dict[str, float] = {}
    """What was spent on hearing and speaking so far."""
    returned: str = ""
    """From where the caller comes back: `bridge.agents.base.CallInfo.transfer_failed`; empty: from nowhere."""


@dataclass(frozen=True, slots=True)
class LineAudio:
    """How audio travels on a carrier's line: its format each way, and at what pace ours is sent."""

    caller: AudioFormat = MULAW_8000
    ours: AudioFormat = MULAW_8000
    pacing: Pacing = DEFAULT_PACING


PHONE_LINE = LineAudio()
"""Mu-law at 8 kHz both ways, paced as most carriers are."""


class Line(Protocol):
    """The carrier's side of one call: audio towards the caller, and the end of it. Nothing here waits."""

    def send_audio(self, audio: bytes) -> None:
        """Queue audio in the format of the carrier's line."""
        ...

    def send_mark(self, name: str) -> None:
        """Queue a mark behind the audio sent so far."""
        ...

    def clear(self) -> None:
        """Make the carrier forget what it has not played."""
        ...

    def flush(self) -> None:
        """Let go of what was queued: the orders of one event are complete."""
        ...

    def end(self, outcome: Outcome, kept: KeptCall | None = None) -> None:
        """Leave the call; only the first call of this counts. `kept`: to go on with should the caller come back."""
        ...


class CallListener(Protocol):
    """The listening of one call: audio in, events out through `Deliver`."""

    def hear(self, ulaw: bytes, now: float) -> None:
        """Take audio from the caller."""
        ...

    def sent(self, ulaw: bytes, now: float) -> None:
        """Take note of audio sent to the caller."""
        ...

    def cleared(self, now: float) -> None:
        """The carrier dropped what it had not played."""
        ...

    def expect(self, command: ExpectSpeech) -> None:
        """Take note of what the caller will say from now on."""
        ...

    def transcribe(self, command: Transcribe) -> None:
        """Start to recognise what the caller said."""
        ...

    def costs(self) -> dict[str, float]:
        """What services were given to hear, and its price: `seconds_NAME`, `cost_NAME`; empty where none listens."""
        ...

    def close(self) -> None:
        """Let go of the call; nothing is delivered afterwards."""
        ...


class CallSpeaker(Protocol):
    """The speech of one call: text in, audio and words out through `Deliver`."""

    def synthesise(self, command: Synthesise) -> None:
        """Add text to an utterance."""
        ...

    def pull(self, command: PullSpeech) -> None:
        """Deliver an utterance's audio so far."""
        ...

    def cancel(self, utterance: int) -> None:
        """Stop making this utterance; nothing more of it is delivered."""
        ...

    def expect(self, lines: Iterable[LikelyLine]) -> None:
        """Take note of what will probably be said next; may be made ahead."""
        ...

    def supply(self, find: FindSpeech) -> None:
        """Play what the agent makes itself: `find` gives it by the name of its voice."""
        ...

    def savings(self) -> dict[str, float]:
        """What was said from the cache: `phrases`, `hit_rate`, `saved_synthesis_s`, `saved_money`, and more."""
        ...

    def close(self) -> None:
        """Let go of the call; nothing is delivered afterwards."""
        ...


class Listening(Protocol):
    """The listening of a process, which opens that of each call."""

    def open_call(self, deliver: Deliver, *, started_at: float) -> CallListener:
        """Begin to listen to a call that started at `started_at` (`time.monotonic`)."""
        ...


class Speech(Protocol):
    """The speech of a process, which opens that of each call."""

    def open_call(self, deliver: Deliver, *, audio_format: AudioFormat) -> CallSpeaker:
        """Begin to speak on a call, in its line's format."""
        ...


class CallServices(msgspec.Struct, frozen=True):
    """The services that a session works with."""

    listening: Listening
    speech: Speech
    agents: AgentFactory
