"""What to do about it: everything `bridge.call.machine.Call.receive` can order. Data only.

The session in `bridge.gateway` carries these out in order and decides nothing itself.
"""

from __future__ import annotations

import msgspec

from bridge.call.actions import Prompt
from bridge.call.states import Decision, EndReason


class SendAudio(msgspec.Struct, frozen=True, tag="send_audio"):
    """Send this audio to the carrier in one message. `offset_ms` is its place in the utterance."""

    utterance: int
    offset_ms: int
    audio: bytes


class SendMark(msgspec.Struct, frozen=True, tag="send_mark"):
    """Send a mark after the audio sent so far."""

    name: str


class ClearPlayout(msgspec.Struct, frozen=True, tag="clear_playout"):
    """Make the carrier forget all audio it has not played yet."""


class Synthesise(msgspec.Struct, frozen=True, tag="synthesise"):
    """Add text to an utterance; `final` ends it. Audio is delivered only as far as `PullSpeech` asks."""

    utterance: int
    text: str
    final: bool
    voice: str | None = None
    cacheable: bool = True
    language: str = ""
    """In which the text is written; empty: the language that the call began in."""


class PullSpeech(msgspec.Struct, frozen=True, tag="pull_speech"):
    """Deliver the utterance's audio up to `upto_ms` from its start; the caller has `lead_ms` still to hear.

    `lead_ms` is the synthesis scheduler's deadline.
    """

    utterance: int
    upto_ms: int
    lead_ms: int


class CancelSynthesis(msgspec.Struct, frozen=True, tag="cancel_synthesis"):
    """Stop making this utterance; nothing more of it is wanted."""

    utterance: int


class AskAgent(msgspec.Struct, frozen=True, tag="ask_agent"):
    """Start the agent's answer to this prompt."""

    turn: int
    prompt: Prompt


class ConfirmAnswer(msgspec.Struct, frozen=True, tag="confirm_answer"):
    """Tell the agent that the prompt of this turn, which was a guess, counts: the caller has heard of its answer."""

    turn: int


class CancelAgent(msgspec.Struct, frozen=True, tag="cancel_agent"):
    """Break off the agent's answer."""

    turn: int


class Transcribe(msgspec.Struct, frozen=True, tag="transcribe"):
    """Recognise what the caller said from `since` until now, and judge whether the turn is over.

    Answers carry `revision`. A newer revision makes the older ones worthless.
    """

    revision: int
    since: float
    so_far: bool = False
    """The caller still speaks: what is known of the words so far will do."""


class ExpectSpeech(msgspec.Struct, frozen=True, tag="expect_speech"):
    """Tell the recogniser what the caller will say from now on, as far as known (see `bridge.call.actions.Expect`)."""

    answer: str
    hints: tuple[str, ...]
    language: str
    choices: dict[str, tuple[str, ...]] = {}
    keys: tuple[str, ...] = ()


class Disconnect(msgspec.Struct, frozen=True, tag="hang_up"):
    """End the call at once, for this reason."""

    reason: EndReason
    said: str = ""
    """The agent's own words for why it hung up."""


class Redirect(msgspec.Struct, frozen=True, omit_defaults=True, tag="transfer"):
    """Leave the call to `target` at once."""

    target: str
    summary: str = ""
    """What whoever takes over is told first."""
    language: str = ""
    """The language of the summary, as `de-DE`."""


class Decided(msgspec.Struct, frozen=True, tag="decided"):
    """A why record: what was decided, and the inputs and margins it was decided from. Nothing to carry out."""

    what: Decision
    why: dict[str, float | int | str | bool]


def decided(what: Decision, **why: float | int | str | bool) -> Decided:
    """A why record of `what`, with the inputs and margins it was decided from."""
    return Decided(what, why)


Command = (
    SendAudio
    | SendMark
    | ClearPlayout
    | Synthesise
    | PullSpeech
    | CancelSynthesis
    | AskAgent
    | ConfirmAnswer
    | CancelAgent
    | Transcribe
    | ExpectSpeech
    | Disconnect
    | Redirect
    | Decided
)
