"""Every double of a hosted recogniser by the vendor's name, and of those that have two ways each of them."""

from __future__ import annotations

from collections.abc import Callable

from tests.doubles.listening.assemblyai import AssemblyAIDouble
from tests.doubles.listening.azure import AzureDouble
from tests.doubles.listening.base import ListeningDouble
from tests.doubles.listening.deepgram import DeepgramDouble
from tests.doubles.listening.flux import FluxDouble
from tests.doubles.listening.gladia import GladiaDouble
from tests.doubles.listening.google import GoogleDouble
from tests.doubles.listening.ink import InkDouble, InkTurnsDouble
from tests.doubles.listening.openai_realtime import OpenAIRealtimeDouble
from tests.doubles.listening.scribe import ScribeDouble
from tests.doubles.listening.soniox import SonioxDouble
from tests.doubles.listening.speechmatics import SpeechmaticsDouble


class ForcedFluxDouble(FluxDouble):
    force_end = True


DOUBLES: dict[str, Callable[[], ListeningDouble]] = {
    "deepgram": DeepgramDouble,
    "deepgram_flux": FluxDouble,
    "deepgram_flux_forced": ForcedFluxDouble,
    "assemblyai": AssemblyAIDouble,
    "openai_realtime": OpenAIRealtimeDouble,
    "soniox": SonioxDouble,
    "speechmatics": SpeechmaticsDouble,
    "elevenlabs_scribe": ScribeDouble,
    "cartesia_ink": InkTurnsDouble,
    "cartesia_ink_manual": InkDouble,
    "gladia": GladiaDouble,
    "azure": AzureDouble,
    "google": GoogleDouble,
}
VIRTUAL = tuple(vendor for vendor in DOUBLES if vendor != "google")
"""Those that can run in virtual time: gRPC has a clock and sockets of its own."""
