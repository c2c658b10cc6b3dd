"""Lines as carriers have them: formats, message lengths, and what is told of what was played."""

from __future__ import annotations

from typing import Any

from bridge.audio.formats import FORMATS, MULAW_8000
from bridge.carriers.base import Pacing
from tests.call.phone import Line

LINES: dict[str, dict[str, Any]] = {
    "mulaw, marks come back": {"audio_format": MULAW_8000, "pacing": Pacing()},
    "linear16 at 16 kHz, whole frames, no marks": {
        "audio_format": FORMATS["pcm_16000"],
        "pacing": Pacing(message_ms=20, frame_ms=20, marks="none"),
    },
    "linear16 at 8 kHz, played and cleared are told": {
        "audio_format": FORMATS["pcm_8000"],
        "pacing": Pacing(message_ms=40),
        "tells_fate": True,
    },
    "mulaw, only what was played is told": {
        "audio_format": MULAW_8000,
        "pacing": Pacing(message_ms=100, frame_ms=20, marks="played"),
        "tells_fate": True,
        "echoes_cleared": False,
    },
    "mulaw, no clear": {"audio_format": MULAW_8000, "pacing": Pacing(message_ms=40, can_clear=False)},
    "linear16 at 16 kHz, neither clear nor marks": {
        "audio_format": FORMATS["pcm_16000"],
        "pacing": Pacing(message_ms=20, frame_ms=20, can_clear=False, marks="none"),
    },
    "mulaw, hardly any buffer": {"audio_format": MULAW_8000, "pacing": Pacing(message_ms=40, lead_max_ms=160)},
}


def line_of(kind: str, **changes: Any) -> Line:
    """A new line of this kind."""
    return Line(**{**LINES[kind], **changes})
