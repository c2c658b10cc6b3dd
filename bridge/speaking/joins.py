"""How pieces of speech are put together: the pause that their marks ask for, no more and no less. Pure."""

from __future__ import annotations

import numpy as np

from bridge.audio.mulaw import SILENCE, decode
from bridge.speaking.phrase import BYTES_PER_MS, FRAME_BYTES

PAUSES_MS = {".": 320, "!": 320, "?": 320, "…": 340, ";": 220, ":": 220, "—": 180, "–": 180, ",": 150}
"""Silence after a piece of speech by its last mark; the worker puts the same between sentences of one text."""
_QUIET_DB = -42.0
"""Relative to the loudest 10 ms: below this it counts as pause."""
_STEP = 80
_LONGEST_MEASURED_MS = 600


def pause_after_ms(text: str) -> int:
    """The pause that belongs after this text when more follows."""
    return PAUSES_MS.get(text.rstrip("\"')]}» ")[-1:], 0)


def quiet_ms(ulaw: bytes | bytearray, *, at_end: bool) -> int:
    """How long audio is quiet at its start or its end, in steps of 10 ms; at most 600."""
    edge = min(len(ulaw), _LONGEST_MEASURED_MS * BYTES_PER_MS)
    edge -= edge % _STEP
    if not edge:
        return 0
    part = bytes(ulaw[-edge:]) if at_end else bytes(ulaw[:edge])
    power = np.square(decode(part).astype(np.float32)).reshape(-1, _STEP).mean(axis=1)
    loud = np.flatnonzero(power > max(power.max(), 1e4) * 10 ** (_QUIET_DB / 10))
    if not len(loud):
        return edge // BYTES_PER_MS
    steps = len(power) - 1 - loud[-1] if at_end else loud[0]
    return int(steps) * 10


def silence(milliseconds: float) -> bytes:
    """Mu-law silence, rounded to whole 20 ms frames."""
    return bytes((SILENCE,)) * (max(0, round(milliseconds / 20)) * FRAME_BYTES)
