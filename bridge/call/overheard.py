"""What the caller says over words that nobody may break off: kept, and listened to when those words are over."""

from __future__ import annotations

from dataclasses import dataclass

_GAP_S = 1.0
"""After a longer silence somebody speaks anew; what was said before is forgotten."""
_SHORTEST_MS = 90.0
"""A "no" said in a hurry has three windows of speech."""


@dataclass(slots=True)
class Overheard:
    """One stretch of the caller's speech. Times are seconds on the call's clock."""

    since: float
    """When its first window began."""
    last_speech_at: float
    speech_ms: float = 0.0

    def enough(self, needed_ms: float = _SHORTEST_MS) -> bool:
        """Whether so much of it was speech that it may have been words."""
        return self.speech_ms >= needed_ms

    def reaches(self, at: float) -> bool:
        """Whether speech that begins at this moment goes on with it."""
        return at - self.last_speech_at <= _GAP_S


def heard_on(before: Overheard | None, at: float, window_ms: float) -> Overheard:
    """The stretch with one more window of speech, which ended `at`; another one after a long silence."""
    start = at - window_ms / 1000
    if before is None or not before.reaches(start):
        return Overheard(start, at, window_ms)
    before.last_speech_at = at
    before.speech_ms += window_ms
    return before
