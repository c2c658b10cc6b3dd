"""How pieces of speech are put together: the pause that their marks ask for, no more and no less. Pure."""

from __future__ import annotations

from bridge.audio.mulaw import SILENCE
from bridge.speaking.phrases.phrase import FRAME_BYTES

PAUSES_MS = {".": 320, "!": 320, "?": 320, "…": 340, ";": 220, ":": 220, "—": 180, "–": 180, ",": 150}
"""Silence after a piece of speech by its last mark; the worker puts the same between sentences of one text."""


def pause_after_ms(text: str) -> int:
    """The pause that belongs after this text when more follows."""
    return PAUSES_MS.get(text.rstrip("\"')]}» ")[-1:], 0)


def silence(milliseconds: float) -> bytes:
    """Mu-law silence, rounded to whole 20 ms frames."""
    return bytes((SILENCE,)) * (max(0, round(milliseconds / 20)) * FRAME_BYTES)
