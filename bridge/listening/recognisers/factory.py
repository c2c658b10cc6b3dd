"""Build the recognisers that the settings ask for: the one place that knows every kind of them."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.errors import ConfigError
from bridge.http import HttpClient, OpenClient
from bridge.listening.engine_pool import EnginePool
from bridge.listening.recognisers.base import Recogniser
from bridge.listening.recognisers.embedded import EmbeddedRecogniser
from bridge.listening.recognisers.openai_transcriptions import OpenAITranscriptions
from bridge.listening.recognisers.websocket import WebSocketRecogniser
from bridge.listening.settings import (
    NoRecogniserSettings,
    OpenAITranscriptionSettings,
    RecogniserSettings,
    WebSocketRecogniserSettings,
    WhisperSettings,
)


def build_recognisers(
    ranked: Sequence[RecogniserSettings], pool: EnginePool | None, open_client: OpenClient = HttpClient
) -> list[Recogniser]:
    """The recognisers in the order of their settings; `open_client` reaches those elsewhere.

    Raises ConfigError for an order that makes no sense.
    """
    if sum(isinstance(settings, WhisperSettings) for settings in ranked) > 1:
        raise ConfigError("listening.fallback_recognisers: whisper is there twice; its processes hold one model")
    if len(ranked) > 1 and any(isinstance(settings, NoRecogniserSettings) for settings in ranked):
        raise ConfigError(
            "listening.fallback_recognisers: with kind none in the order there is nothing to fall back on"
        )
    return [
        _build(settings, pool, open_client) for settings in ranked if not isinstance(settings, NoRecogniserSettings)
    ]


def _build(
    settings: WhisperSettings | OpenAITranscriptionSettings | WebSocketRecogniserSettings,
    pool: EnginePool | None,
    open_client: OpenClient,
) -> Recogniser:
    match settings:
        case WhisperSettings():
            assert pool is not None
            return EmbeddedRecogniser(pool)
        case OpenAITranscriptionSettings():
            return OpenAITranscriptions(settings, open_client)
        case WebSocketRecogniserSettings():
            return WebSocketRecogniser(settings, open_client)
