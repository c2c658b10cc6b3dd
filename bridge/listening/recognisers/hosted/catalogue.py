"""Every hosted recogniser: from its settings to its protocol, the one table that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridge.http import HttpClient, OpenClient
from bridge.listening.hosted_settings import (
    AssemblyAISettings,
    AzureSettings,
    DeepgramSettings,
    FluxSettings,
    GladiaSettings,
    GoogleSettings,
    HostedRecogniserSettings,
    InkSettings,
    OpenAIRealtimeSettings,
    ScribeSettings,
    SonioxSettings,
    SpeechmaticsSettings,
)
from bridge.listening.recognisers.base import ExpectedSpeech
from bridge.listening.recognisers.hosted.assemblyai import AssemblyAIWire
from bridge.listening.recognisers.hosted.azure import AzureWire
from bridge.listening.recognisers.hosted.deepgram import DeepgramWire
from bridge.listening.recognisers.hosted.flux import FluxWire
from bridge.listening.recognisers.hosted.gladia import GladiaWire
from bridge.listening.recognisers.hosted.google import GoogleRecogniser, GoogleWire
from bridge.listening.recognisers.hosted.ink import InkTurnsWire, InkWire
from bridge.listening.recognisers.hosted.openai_realtime import OpenAIRealtimeWire
from bridge.listening.recognisers.hosted.recogniser import HostedRecogniser
from bridge.listening.recognisers.hosted.scribe import ScribeWire
from bridge.listening.recognisers.hosted.soniox import SonioxWire
from bridge.listening.recognisers.hosted.speechmatics import SpeechmaticsWire
from bridge.listening.recognisers.wire import RecogniserWire

WIRES: dict[type, Callable[[Any, ExpectedSpeech], RecogniserWire]] = {
    DeepgramSettings: DeepgramWire,
    FluxSettings: FluxWire,
    AssemblyAISettings: AssemblyAIWire,
    OpenAIRealtimeSettings: OpenAIRealtimeWire,
    SonioxSettings: SonioxWire,
    SpeechmaticsSettings: SpeechmaticsWire,
    ScribeSettings: ScribeWire,
    InkSettings: lambda settings, expected: (InkTurnsWire if settings.turns else InkWire)(settings, expected),
    GladiaSettings: GladiaWire,
    AzureSettings: AzureWire,
    GoogleSettings: GoogleWire,
}


def hosted_recogniser(
    settings: HostedRecogniserSettings,
    open_client: OpenClient = HttpClient,
    environ: Mapping[str, str] | None = None,
) -> HostedRecogniser:
    """The recogniser that these settings describe. Raises ConfigError for one whose package is not installed."""
    if isinstance(settings, GoogleSettings):
        return GoogleRecogniser(settings, open_client, environ)
    wire = WIRES[type(settings)]
    recogniser = HostedRecogniser(settings, lambda expected: wire(settings, expected), open_client, environ)
    traits = wire(settings, ExpectedSpeech()).traits
    recogniser.name, recogniser.capabilities = traits.name, traits.capabilities
    return recogniser
