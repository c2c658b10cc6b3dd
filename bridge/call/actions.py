"""What an agent may want: the vocabulary between an agent and a call. Data only.

An agent answers a prompt with a stream of these; `bridge.call.machine` carries them out at the
caller's pace.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

Interruption = Literal["interruptible", "protected", "digits_only", "speech_only"]
"""What may break off an utterance: speech and keys, nothing (legal text), keys alone, or speech alone."""


RECORDING = "recording:"
"""A voice of this beginning plays the recording of that name (`speaking.recordings`), whose words are the text."""
_FROM = "@ms="
KEYS = "keys:"
"""A voice of this beginning plays the tones of these keys; `w` is half a second of silence."""
SUPPLIED = "supplied:"
"""A voice of this beginning plays speech that the agent makes itself (`bridge.call.supplied`); the text says its words,
which may come after it."""


def recording_from(voice: str, later_ms: float) -> str:
    """Return the voice that plays the rest of what this one plays, so much later."""
    name, from_ms = recording_place(voice)
    return f"{RECORDING}{name}{_FROM}{from_ms + int(later_ms)}"


def recording_place(voice: str) -> tuple[str, int]:
    """Return which recording this voice plays, and from which of its milliseconds on."""
    name, _, from_ms = voice.removeprefix(RECORDING).partition(_FROM)
    return name, int(from_ms) if from_ms.isascii() and from_ms.isdigit() else 0


def is_supplied(voice: str | None) -> bool:
    """Whether this voice stands for speech that the agent makes itself."""
    return voice is not None and voice.startswith(SUPPLIED)


class Say(msgspec.Struct, frozen=True, tag="say"):
    """Speak this text to the caller.

    `more` announces that the next `Say` goes on with the same utterance, so that text is spoken
    while it is still being written. `cacheable` says that the audio may be kept for other calls; text is not kept
    unless whoever wrote it says so, since it may hold what a caller told us.
    """

    text: str
    more: bool = False
    interruption: Interruption = "interruptible"
    voice: str | None = None
    cacheable: bool = False
    by: str | UnsetType = UNSET
    """Which agent of a team says it."""
    language: str = ""
    """In which this text is written, a tag such as `de-DE`; empty: the call's language."""


class ChangeLanguage(msgspec.Struct, frozen=True, tag="language"):
    """Go on in another language: what is said from now on, our own sentences, and what the caller is expected to speak.

    A voice that is declared for the language speaks it (`speaking.voices`), where an agent names none.
    """

    language: str
    """A tag such as `de` or `pt-BR`."""


class Expect(msgspec.Struct, frozen=True, tag="expect"):
    """Declare the answer that the caller is about to give, which sets patience and keypad rules.

    It holds until the answer was given and replied to. `answer` is one of `bridge.understanding.understand.ANSWERS`.
    """

    answer: str = "open"
    hints: tuple[str, ...] = ()
    """Words that are likely in the answer, for the recogniser: names, products, choices."""
    language: str = ""
    """The language of the answer, a tag such as `en-US`; empty: that of the call."""
    choices: dict[str, tuple[str, ...]] = {}
    """What may be chosen where `answer` is `choice`, each with other words for it."""
    keys: tuple[str, ...] = ()
    """Sequences of keys that mean something here: keys that begin no longer one of these are an answer at once."""


class Transfer(msgspec.Struct, frozen=True, tag="transfer"):
    """Hand the caller to `target` (an E.164 number or a SIP address) once the caller has heard all words so far."""

    target: str
    summary: str = ""
    """What whoever takes over is told first; the caller does not hear it."""
    values: dict[str, str] = {}
    """What was gathered so far, for an agent who takes over."""
    at_once: bool = False
    """An agent of the team takes over in the middle of the sentence."""


class HangUp(msgspec.Struct, frozen=True, tag="hang_up"):
    """End the call once the caller has heard all words so far."""

    reason: str = "agent"
    """In the agent's own words, for the call's record."""


class Wait(msgspec.Struct, frozen=True, tag="wait"):
    """Stay silent this long before the next action, without giving up the turn."""

    seconds: float


Action = Say | ChangeLanguage | Expect | Transfer | HangUp | Wait


class Spoken(msgspec.Struct, frozen=True):
    """One side's turn as it was really heard; `text` never holds a word the caller did not hear."""

    speaker: Literal["caller", "bot"]
    text: str
    interrupted: bool = False
    by_bridge: bool = False
    """Said by the bridge itself, such as an apology for an agent that failed: not the agent's words."""
    by: str | UnsetType = UNSET
    """Which agent of a team said it."""


class TextAlternative(msgspec.Struct, frozen=True):
    """One thing that may have been said, and how sure the recogniser is of it, 0..1."""

    text: str
    confidence: float


PromptKind = Literal[
    "call_started",
    "caller_said",
    "digits",
    "no_input",
    "transfer_refused",
    "transfer_failed",
    "floor_given",
    "handed_over",
    "overheard",
]
"""What just happened. `transfer_refused`: the target is not allowed, and `text` says why. `transfer_failed`: nobody
answered, and the caller is back; `text` is `busy`, `no_answer`, `declined` or `failed`. `floor_given`: the agent itself
has asked to speak (`bridge.call.events.AgentWantsFloor`), and now it may. `handed_over`: another agent of the team
leaves the caller to this one, and `text` is its summary. `overheard`: to a supervisor, whose answer is a hint for a
colleague."""


class Prompt(msgspec.Struct, frozen=True):
    """What an agent is asked: what just happened, and all that was said and heard before."""

    kind: PromptKind
    text: str = ""
    history: tuple[Spoken, ...] = ()
    attempt: int = 0
    """How many times in a row the caller has stayed silent (`no_input` only)."""
    again: bool = False
    """The last prompt was asked too early, or its answer came to nothing, and not enough of it was heard to count: this
    one replaces it."""
    guess: bool = False
    """The caller may go on speaking, and a longer prompt replace this one (`again`), until a second of the answer was
    heard: do nothing that cannot be taken back before the turn is confirmed."""
    turn: int = 0
    """The number of this prompt in its call."""
    answer: str = "open"
    """The answer that was expected when the caller spoke or pressed, see `Expect`."""
    language: str = ""
    choices: dict[str, tuple[str, ...]] = {}
    readings: tuple[TextAlternative, ...] = ()
    """What the recogniser may have heard, the likeliest (`text`) first, with its confidence; empty where it does not
    say."""
    hint: str | UnsetType = UNSET
    """What a supervisor whispers, which is not for the caller's ears."""
    scores: dict[str, float] | UnsetType = UNSET
    """What detectors make of the caller's voice, 0 (a person) .. 1 (a machine), by their names. They may be wrong."""
    so_far: tuple[Say, ...] | UnsetType = UNSET
    """The words that the answer has brought already, in the process that the call was in before: the caller hears
    them, and only the rest is wanted."""
