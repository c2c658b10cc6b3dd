"""What one simulated call came to: plain data, written as JSON and shown by the reports.

Times are milliseconds on the line's clock, which starts with the media stream; what happened earlier is negative.
"""

from __future__ import annotations

from typing import Literal

import msgspec

HungUpBy = Literal["server", "caller", "carrier", "nobody"]


class Turn(msgspec.Struct, kw_only=True):
    """One side talking, as the ear heard it."""

    speaker: Literal["caller", "bot"]
    start_ms: int
    end_ms: int
    text: str = ""
    kind: str = "speech"
    """`speech`, or for the caller also `interrupt`, `digits`, `cough`, `knock`, `backchannel`."""
    latency_ms: int | None = None
    """A bot's turn: from the caller's last sound to the bot's first. The first turn: from the stream's start."""
    stop_ms: int | None = None
    """A caller's turn over the bot: from its first sound to the bot's silence."""
    duck_ms: int | None = None
    """The same until the bot's voice had become at least 12 dB lower."""
    interrupted: bool = False
    """A bot's turn that ended because the caller talked."""
    level_db: float = -100.0


class BridgeTurn(msgspec.Struct, kw_only=True):
    """One turn as the server's own record has it."""

    at_ms: int
    speaker: Literal["caller", "bot", "call"]
    text: str
    """What was recognised of the caller, or what the server takes for heard of the bot."""
    unheard: str = ""
    """What was to be said and was not heard."""


class Happening(msgspec.Struct, kw_only=True):
    """Something on the time line that is no turn: webhook, mark, clear, key, warning, hang-up."""

    at_ms: int
    kind: str
    text: str = ""


class Fault(msgspec.Struct, kw_only=True):
    """Something the ear objects to."""

    at_ms: int
    kind: Literal["dropout", "repeat", "click", "seam", "foreign_audio"]
    text: str
    ms: float = 0.0


class Verdict(msgspec.Struct, kw_only=True):
    """One expectation and what became of it."""

    what: str
    expected: str
    heard: str
    passed: bool


class Timing(msgspec.Struct, kw_only=True):
    """The simulator's own error: how late its frames went out against the absolute 20 ms clock."""

    frames: int = 0
    late_p50_ms: float = 0.0
    late_p99_ms: float = 0.0
    late_max_ms: float = 0.0


class CallResult(msgspec.Struct, kw_only=True):
    """What one simulated call came to."""

    name: str
    call_sid: str
    url: str
    carrier: str = "twilio"
    started_at: str = ""
    """ISO 8601, the wall clock when the number was dialled."""
    duration_ms: int = 0
    hung_up_by: HungUpBy = "nobody"
    ended: str = ""
    connected: bool = False
    """The caller came through: a media stream was opened."""
    remedy: str = ""
    """What to look at when the caller never came through."""
    transferred_to: str = ""
    announced: str = ""
    music: str = ""
    first_audio_ms: int | None = None
    last_sound_to_end_ms: int | None = None
    """From the bot's last sound to the end of the call; negative when words were cut off."""
    turns: list[Turn] = msgspec.field(default_factory=list)
    bridge: list[BridgeTurn] = msgspec.field(default_factory=list)
    """The turns of the server's own record, where there is one."""
    happenings: list[Happening] = msgspec.field(default_factory=list)
    faults: list[Fault] = msgspec.field(default_factory=list)
    verdicts: list[Verdict] = msgspec.field(default_factory=list)
    unheard_ms: int = 0
    """Audio the carrier still held when the call ended, which nobody heard."""
    leads_ms: list[int] = msgspec.field(default_factory=list)
    """How far ahead of the ear the server was, at each of its media messages."""
    timing: Timing = msgspec.field(default_factory=Timing)
    callbacks: list[str] = msgspec.field(default_factory=list)
    """Status callbacks and webhooks in order with the server's answer, `POST /path event -> 200`."""

    @property
    def passed(self) -> bool:
        """Whether every expectation was met."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def reply_latencies_ms(self) -> list[int]:
        """The reply latency of every answer in milliseconds; the greeting is none."""
        bot = [turn for turn in self.turns if turn.speaker == "bot"]
        return [turn.latency_ms for turn in bot[1:] if turn.latency_ms is not None]

    @property
    def stops_ms(self) -> list[int]:
        """Milliseconds to silence, for every time that the caller talked over the bot and the bot fell silent."""
        return [turn.stop_ms for turn in self.turns if turn.stop_ms is not None]

    @property
    def ducks_ms(self) -> list[int]:
        """Milliseconds to a lowered voice, for every time that the caller talked over the bot and the bot lowered its
        voice."""
        return [turn.duck_ms for turn in self.turns if turn.duck_ms is not None]

    def heard(self) -> str:
        """All words the bot was heard to say."""
        return " ".join(turn.text for turn in self.turns if turn.speaker == "bot" and turn.text)


def percentile(values: list[int] | list[float], share: float) -> float | None:
    """The value that this share (0..1) of the sorted values does not exceed; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))])
