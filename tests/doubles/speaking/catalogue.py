"""Every double of a hosted voice by the vendor's name."""

from __future__ import annotations

from collections.abc import Callable

from tests.doubles.speaking.aura import AuraDouble
from tests.doubles.speaking.base import SpeakingDouble
from tests.doubles.speaking.elevenlabs import ElevenLabsDouble
from tests.doubles.speaking.openai_speech import OpenAISpeechDouble
from tests.doubles.speaking.sonic import SonicDouble

DOUBLES: dict[str, Callable[[], SpeakingDouble]] = {
    "elevenlabs": ElevenLabsDouble,
    "deepgram": AuraDouble,
    "cartesia": SonicDouble,
    "openai": OpenAISpeechDouble,
}
UNTIMED = frozenset({"deepgram", "openai"})
"""Those that place no words in time."""
LATE_REFUSALS = frozenset({"openai"})
"""Those that can only break off once audio has come: the status is sent by then."""
