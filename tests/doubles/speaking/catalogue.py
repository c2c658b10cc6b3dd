"""Every double of a hosted voice by the vendor's name."""

from __future__ import annotations

from collections.abc import Callable

from tests.doubles.speaking.aura import AuraDouble
from tests.doubles.speaking.azure_voice import AzureVoiceDouble
from tests.doubles.speaking.base import SpeakingDouble
from tests.doubles.speaking.elevenlabs import ElevenLabsDouble
from tests.doubles.speaking.google import GoogleVoiceDouble
from tests.doubles.speaking.hume import HumeDouble
from tests.doubles.speaking.inworld import InworldDouble
from tests.doubles.speaking.openai_speech import OpenAISpeechDouble
from tests.doubles.speaking.rime import RimeDouble
from tests.doubles.speaking.smallest import SmallestDouble
from tests.doubles.speaking.sonic import SonicDouble
from tests.doubles.speaking.speechify import SpeechifyDouble

DOUBLES: dict[str, Callable[[], SpeakingDouble]] = {
    "elevenlabs": ElevenLabsDouble,
    "deepgram": AuraDouble,
    "cartesia": SonicDouble,
    "openai": OpenAISpeechDouble,
    "rime": RimeDouble,
    "inworld": InworldDouble,
    "smallest": SmallestDouble,
    "hume": HumeDouble,
    "speechify": SpeechifyDouble,
    "azure": AzureVoiceDouble,
    "google": GoogleVoiceDouble,
}
VIRTUAL = tuple(vendor for vendor in DOUBLES if vendor != "google")
"""Those that can run in virtual time: gRPC has a clock and sockets of its own."""
UNTIMED = frozenset({"deepgram", "openai", "google"})
"""Those that place no words in time."""
NATIVE = frozenset(DOUBLES) - {"openai", "smallest", "hume"}
"""Those that give mu-law at 8 kHz."""
LATE_REFUSALS = frozenset({"openai"})
"""Those that can only break off once audio has come: the status is sent by then."""
REFUSES_CONNECTIONS = frozenset({"deepgram", "rime", "smallest", "hume"})
"""Those that are busy when a connection is asked for, not when a text is."""
ON_REQUEST = frozenset({"openai", "speechify", "google"})
"""Those with a request for each sentence and no socket."""
PLACES_WITH_AUDIO = frozenset({"elevenlabs"})
"""Those that say where words lie in the message that brings their audio, which therefore cannot come after it."""
