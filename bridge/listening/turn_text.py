"""What a live recogniser has said on one call: its segments in order, and the text since any moment. Pure.

Engines settle their segments late, in pieces, out of order, twice, or never; asked for the text since a moment, this
gives the best there is of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bridge.call.actions import TextAlternative
from bridge.call.events import TextPiece, WordsHeard
from bridge.listening.recognisers.base import FinalText, PartialText, RecognisedWord

_MOST_SEGMENTS = 64
_RECENT = 8
MOST_ALTERNATIVES = 5
"""Readings of a turn besides its best one."""


class HeardText(NamedTuple):
    """What was said as far as known, the least confidence in any of it, and what may have been said instead."""

    text: str
    confidence: float
    alternatives: tuple[TextAlternative, ...] = ()


def joined(parts: Sequence[HeardText]) -> HeardText:
    """Parts of a turn in their order as one: another reading of one part is another reading of the whole."""
    parts = [part for part in parts if part.text]
    whole = HeardText(" ".join(part.text for part in parts), min((part.confidence for part in parts), default=0.0))
    others = [
        TextAlternative(
            " ".join(other.text if index == place else near.text for index, near in enumerate(parts)),
            min(whole.confidence, other.confidence),
        )
        for place, part in enumerate(parts)
        for other in part.alternatives
    ]
    others.sort(key=lambda other: -other.confidence)
    return whole._replace(alternatives=tuple(others[:MOST_ALTERNATIVES]))


@dataclass(slots=True)
class _Segment:
    text: str
    until_at: float
    confidence: float
    words: tuple[RecognisedWord, ...]
    final: bool
    alternatives: tuple[TextAlternative, ...] = ()

    def since(self, at: float) -> str:
        """Its text after this moment; a segment that began before is cut at its words, where their times are known."""
        if self.until_at <= at or not self.text:
            return ""
        if any(word.end_at is not None and word.end_at <= at for word in self.words):
            return " ".join(word.text for word in self.words if word.end_at is None or word.end_at > at)
        return self.text


class TurnText:
    """Segments by number. A stream that replaces a dead one counts from 0 again: `restart` keeps them apart."""

    def __init__(self) -> None:
        self._segments: dict[int, _Segment] = {}
        self._first = 0
        """What is added to the numbers of the present stream."""
        self._unsettled: set[int] = set()
        """Partial texts of a stream that died: good until its successor has heard the same audio."""
        self._asked_at: float | None = None

    def asked(self, at: float) -> None:
        """Take note that final texts of the audio up to this moment were asked for."""
        self._asked_at = at

    def answered(self) -> None:
        """Take note that they have come."""
        self._asked_at = None
        self._forget_unsettled()

    def take(self, said: PartialText | FinalText) -> None:
        """Add or replace a segment."""
        if said.text:
            self._forget_unsettled()
        number = self._first + said.segment
        final = isinstance(said, FinalText)
        known = self._segments.get(number)
        if known is not None and known.final and not final:
            return  # a partial text that was overtaken by its final one
        until_at = said.at
        if known is not None and not said.words and self._asked_at is not None:
            until_at = max(known.until_at, min(until_at, self._asked_at))  # late, but about audio before we asked
        others = said.alternatives if isinstance(said, FinalText) else ()
        self._segments[number] = _Segment(said.text.strip(), until_at, said.confidence, said.words, final, others)
        while len(self._segments) > _MOST_SEGMENTS:
            del self._segments[min(self._segments)]

    def restart(self) -> float:
        """Another stream takes over. Returns until when the texts are final: it has to hear the audio since then."""
        self._unsettled = {number for number, segment in self._segments.items() if not segment.final}
        self._first = max(self._segments, default=self._first - 1) + 1
        self._asked_at = None
        return max((segment.until_at for segment in self._segments.values() if segment.final), default=0.0)

    def doubt(self, since: float) -> None:
        """Take what was said after this moment for final no more: somebody else is to hear that audio, too."""
        for segment in self._segments.values():
            if segment.until_at > since:
                segment.final = False

    def _forget_unsettled(self) -> None:
        for number in self._unsettled:
            self._segments.pop(number, None)
        self._unsettled.clear()

    @property
    def settled(self) -> bool:
        """Whether nothing that was heard still waits for its final text."""
        return all(segment.final or not segment.text for segment in self._segments.values())

    def since(self, at: float) -> HeardText:
        """What was said after this moment; of a segment that is cut there, only its best reading."""
        found = []
        for _, segment in sorted(self._segments.items()):
            text = segment.since(at)
            found.append(HeardText(text, segment.confidence, segment.alternatives if text == segment.text else ()))
        return joined(found)

    def heard(self) -> WordsHeard:
        """The latest segments, for whoever wants to know before they are final."""
        latest = [segment for _, segment in sorted(self._segments.items())[-_RECENT:] if segment.text]
        pieces = tuple(TextPiece(segment.text, round(segment.until_at, 3)) for segment in latest)
        return WordsHeard(pieces, latest[-1].confidence if latest else 0.0)
