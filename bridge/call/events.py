"""What happened on a call: everything `bridge.call.machine.Call.receive` can be told. Data only.

Times are seconds on the call's own monotonic clock, the same clock as `now`; offsets into an
utterance are milliseconds from its first sample; audio is in the call's own format (`bridge.audio.formats`).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from bridge.call.actions import Action, TextAlternative
from bridge.call.states import EndReason


class Word(msgspec.Struct, frozen=True, array_like=True):
    """One spoken word and where it lies in its utterance, in milliseconds from the first sample."""

    text: str
    start_ms: int
    end_ms: int


class CallStarted(msgspec.Struct, frozen=True, tag="call_started"):
    """The media stream is open and trusted: audio may flow both ways."""

    transfer_failed: str = ""
    """Why the transfer did not succeed from which the caller comes back; empty when the call is new."""


class CallResumed(msgspec.Struct, frozen=True, tag="call_resumed"):
    """The media stream of a call that another stream began is open here: go on.

    `transfer_failed` as in `CallStarted`: the caller comes back from a transfer, and the agent is told so.
    """

    transfer_failed: str = ""


class VoiceActivity(msgspec.Struct, frozen=True, tag="voice_activity"):
    """The voice model judged one 32 ms window of the caller's audio.

    Windows that are clearly silent, after a silent time, are not reported.
    """

    probability: float
    level_db: float
    """Level of the window in dBFS (RMS, 0 = full scale)."""
    at: float
    """When the window's last sample arrived."""
    echo: float = 0.0
    """0..1: how well the window is explained by what we sent one round trip ago."""
    noise_db: float = -96.0
    """Level of the line's own noise when the window was judged, in dBFS; the lowest there is while it is unknown."""


class Recognised(msgspec.Struct, frozen=True, tag="recognised"):
    """Speech to text answered: the whole turn so far, empty when no word was found in it.

    `revision` repeats the number of the `Transcribe` that asked.
    """

    revision: int
    text: str
    confidence: float = 1.0
    alternatives: tuple[TextAlternative, ...] = ()
    """Other readings of the whole turn, the likeliest first."""


class RecogniserFailed(msgspec.Struct, frozen=True, tag="recogniser_failed"):
    """Speech to text gave no answer to this `Transcribe`."""

    revision: int
    reason: str


class TextPiece(msgspec.Struct, frozen=True, array_like=True):
    """Some words in a row, and when the last of them was said, as far as known."""

    text: str
    until_at: float


class HeardOtherwise(msgspec.Struct, frozen=True, tag="heard_otherwise"):
    """A second recogniser, which listens along for comparison, has understood a turn otherwise. Decides nothing."""

    revision: int
    """Of the answer that it differs from."""
    recogniser: str
    text: str
    """What it has understood; empty: nothing."""
    instead_of: str
    """What the first one has answered."""


class WordsHeard(msgspec.Struct, frozen=True, tag="words_heard"):
    """A recogniser that follows the audio knows more or other words: all it has heard lately, in order."""

    pieces: tuple[TextPiece, ...]
    confidence: float = 1.0
    """Of its newest piece."""

    def since(self, at: float) -> str:
        """The text of what was said after this time."""
        return " ".join(piece.text for piece in self.pieces if piece.until_at > at)


class Opinion(StrEnum):
    """What a recogniser may think of the caller's turn."""

    SPEECH = "speech"
    """The caller has begun to speak."""
    PAUSED = "paused"
    """The caller has stopped, for whatever reason."""
    OVER_EARLY = "over_early"
    """The turn is probably over: good enough to begin an answer, not to let it out."""
    RESUMED = "resumed"
    """It was not over after all."""
    OVER = "over"
    """The turn is over."""


class TurnOpinion(msgspec.Struct, frozen=True, tag="turn_opinion"):
    """A recogniser's own opinion of the caller's turn, and how sure it is of that, 0..1."""

    opinion: Opinion
    strength: float
    at: float


class TurnJudged(msgspec.Struct, frozen=True, tag="turn_judged"):
    """The end-of-turn model's opinion for one `Transcribe`: 1 = the caller has finished."""

    revision: int
    probability: float


class DigitPressed(msgspec.Struct, frozen=True, tag="digit_pressed"):
    """The caller pressed a key: one of 0-9, *, #, A-D."""

    digit: str


class SpeechArrived(msgspec.Struct, frozen=True, tag="speech_arrived"):
    """Synthesised audio, in order, a multiple of 20 ms; `words` are those newly placed in time."""

    utterance: int
    audio: bytes
    words: tuple[Word, ...] = ()


class SpeechEnded(msgspec.Struct, frozen=True, omit_defaults=True, tag="speech_ended"):
    """All audio of the utterance has arrived."""

    utterance: int
    partial: bool = False
    """No more of it will come, though not all of its text was spoken: what counts as said are the words placed."""


NO_SOUND = "the provider made no audio"
"""Why speech failed of which nobody can make a sound: the voice is well, and the text is nothing to it."""


class SpeechFailed(msgspec.Struct, frozen=True, tag="speech_failed"):
    """No more audio of the utterance will come, and it is not complete."""

    utterance: int
    reason: str


class MarkFate(StrEnum):
    """What became of a mark, as far as its carrier tells."""

    PLAYED = "played"
    CLEARED = "cleared"
    UNKNOWN = "unknown"


class MarkEchoed(msgspec.Struct, frozen=True, tag="mark_echoed"):
    """The carrier sent a mark back: playout reached it, or a clear threw it out."""

    name: str
    fate: MarkFate = MarkFate.UNKNOWN


class AgentActed(msgspec.Struct, frozen=True, tag="agent_acted"):
    """The agent's next action in answer to `AskAgent(turn)`."""

    turn: int
    action: Action


class AgentFinished(msgspec.Struct, frozen=True, tag="agent_finished"):
    """The agent has no more actions for this turn."""

    turn: int


class AgentFailed(msgspec.Struct, frozen=True, tag="agent_failed"):
    """The agent broke its answer off."""

    turn: int
    reason: str


class AgentWantsFloor(msgspec.Struct, frozen=True, tag="agent_wants_floor"):
    """The agent has something to say that nobody asked it for: it is given the floor once both sides are silent."""

    cut: bool = False
    """It will not wait for its own words: what is still unheard of them is dropped, unless it is protected."""


class SpeculationAllowed(msgspec.Struct, frozen=True, tag="speculation_allowed"):
    """Answers may be begun before the caller's turn is over, or not: a process under pressure spares itself that."""

    allowed: bool


class CallerScored(msgspec.Struct, frozen=True, tag="caller_scored"):
    """A detector has judged the caller's voice: 0 (a person) .. 1 (a machine). A hint, and no reason to act."""

    detector: str
    score: float


class EndRequested(msgspec.Struct, frozen=True, tag="end_requested"):
    """Somebody on our side (operator, drain, admission) wants the call to end politely."""

    reason: EndReason


class TransferRequested(msgspec.Struct, frozen=True, tag="transfer_requested"):
    """Somebody who looks after the service sends the caller on to `target`, whatever the agent is doing."""

    target: str


class StreamClosed(msgspec.Struct, frozen=True, tag="stream_closed"):
    """The carrier's socket is gone: the call is over for us."""

    reason: EndReason


class StreamReopened(msgspec.Struct, frozen=True, tag="stream_reopened"):
    """The carrier has replaced its socket by another for the same call: what it had not played is gone."""


class TimePassed(msgspec.Struct, frozen=True, tag="time_passed"):
    """The time that `Call.wake_at` named was reached."""


Event = (
    CallStarted
    | CallResumed
    | VoiceActivity
    | Recognised
    | RecogniserFailed
    | HeardOtherwise
    | WordsHeard
    | TurnOpinion
    | TurnJudged
    | DigitPressed
    | SpeechArrived
    | SpeechEnded
    | SpeechFailed
    | MarkEchoed
    | AgentActed
    | AgentFinished
    | AgentFailed
    | AgentWantsFloor
    | SpeculationAllowed
    | CallerScored
    | EndRequested
    | TransferRequested
    | StreamClosed
    | StreamReopened
    | TimePassed
)
