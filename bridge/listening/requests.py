"""What a call's speech to text is at work on, and what the process counts of it. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from bridge.listening.recognisers.chain import RankedRecogniser
from bridge.listening.turn_text import HeardText

NOTHING_HEARD = HeardText("", 0.0)


class RecognitionCounters(msgspec.Struct):
    """Counters of this process, summed over all calls."""

    transcriptions: int = 0
    transcriptions_failed: int = 0
    transcription_s: float = 0.0
    """From a request to its answer, summed."""
    promoted: int = 0
    """Answers from a text that was not final in time."""
    replayed_s: float = 0.0
    """Audio that was given to a second engine."""


@dataclass(slots=True)
class RecognitionRequest:
    """The words of a turn that the call waits for, and who has been asked."""

    revision: int
    since: float
    so_far: bool
    began: float
    tried: list[RankedRecogniser] = field(default_factory=list)
    doubted: RankedRecogniser | None = None
    """Who said nothing, or no more after the caller's last sound; if another hears more words, it has failed."""
    its_words: HeardText = NOTHING_HEARD
    """What it had said, which counts where nobody else says anything."""


@dataclass(slots=True)
class LongTurn:
    """The pieces of a turn that are recognised already."""

    since: float = -1.0
    until: int = 0
    """The byte of the call's audio where the last piece ends."""
    parts: list[HeardText] = field(default_factory=list)
