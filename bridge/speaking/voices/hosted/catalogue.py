"""Every hosted voice: from its settings to its protocol, the one table that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bridge.http import HttpClient, OpenClient
from bridge.speaking.hosted_settings import (
    AuraSettings,
    AzureVoiceSettings,
    ElevenLabsSettings,
    GoogleVoiceSettings,
    HostedVoice,
    HumeSettings,
    InworldSettings,
    OpenAISpeechSettings,
    RimeSettings,
    SmallestSettings,
    SonicSettings,
    SpeechifySettings,
)
from bridge.speaking.voices.hosted.aura import AuraWire
from bridge.speaking.voices.hosted.azure_voice import AzureVoiceWire
from bridge.speaking.voices.hosted.elevenlabs import ElevenLabsWire
from bridge.speaking.voices.hosted.google import GoogleVoice
from bridge.speaking.voices.hosted.hume import HumeWire
from bridge.speaking.voices.hosted.inworld import InworldWire
from bridge.speaking.voices.hosted.openai_speech import OpenAISpeechWire
from bridge.speaking.voices.hosted.provider import HostedProvider, HttpProvider, SocketProvider
from bridge.speaking.voices.hosted.rime import RimeWire
from bridge.speaking.voices.hosted.smallest import SmallestWire
from bridge.speaking.voices.hosted.sonic import SonicWire
from bridge.speaking.voices.hosted.speechify import SpeechifyWire
from bridge.speaking.voices.hosted.wire import HttpVoiceWire, VoiceWire

SOCKETS: dict[type, Callable[[Any], VoiceWire]] = {
    ElevenLabsSettings: ElevenLabsWire,
    AuraSettings: AuraWire,
    SonicSettings: SonicWire,
    RimeSettings: RimeWire,
    InworldSettings: InworldWire,
    SmallestSettings: SmallestWire,
    HumeSettings: HumeWire,
    AzureVoiceSettings: AzureVoiceWire,
}
REQUESTS: dict[type, Callable[[Any], HttpVoiceWire]] = {
    OpenAISpeechSettings: OpenAISpeechWire,
    SpeechifySettings: SpeechifyWire,
}


def hosted_voice(
    name: str,
    settings: HostedVoice,
    open_client: OpenClient = HttpClient,
    environ: Mapping[str, str] | None = None,
) -> HostedProvider:
    """The provider that these settings describe; `name` is what logs and counters call it.

    Raises ConfigError for one whose package is not installed.
    """
    if isinstance(settings, GoogleVoiceSettings):
        return GoogleVoice(name, settings, open_client, environ)
    if (request := REQUESTS.get(type(settings))) is not None:
        return HttpProvider(name, settings, lambda: request(settings), open_client, environ)
    wire = SOCKETS[type(settings)]
    return SocketProvider(name, settings, lambda: wire(settings), open_client, environ)
