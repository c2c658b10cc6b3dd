"""The worker's voices by name: which engine speaks each, and the one place that knows the engines."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from bridge.errors import ConfigError
from bridge.worker.engines.base import Engine
from bridge.worker.settings import VoiceSettings, WorkerSettings
from bridge.worker.text import Chunking


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice as a client asks for it."""

    engine: Engine
    own_name: str
    """What the engine calls it."""
    gain: float
    """Factor from the engine's level to the worker's."""
    chunking: Chunking = "clause"


def load_voices(settings: WorkerSettings) -> dict[str, Voice]:
    """Load every engine that the settings name, with its voices. Raises ConfigError for what cannot be loaded."""
    if not settings.voices:
        raise ConfigError("worker.voices: is empty, expected at least one voice")
    if settings.default_voice and settings.default_voice not in settings.voices:
        raise ConfigError(
            f"worker.default_voice: {settings.default_voice!r} is none of worker.voices: {', '.join(settings.voices)}"
        )
    wanted: dict[str, dict[str, VoiceSettings]] = defaultdict(dict)
    for name, voice in settings.voices.items():
        wanted[voice.engine][name] = voice
    voices: dict[str, Voice] = {}
    for engine_name, group in wanted.items():
        engine = _load_engine(engine_name, group, settings.threads)
        for name, voice in group.items():
            gain_db = engine.gain_db(voice.voice) if voice.gain_db is None else voice.gain_db
            voices[name] = Voice(engine, voice.voice, 10 ** (gain_db / 20), voice.chunking)
    return {name: voices[name] for name in settings.voices}


def _load_engine(engine: str, voices: dict[str, VoiceSettings], threads: int) -> Engine:
    """Import an engine only when it is asked for: most need libraries that not every machine has."""
    match engine:
        case "hibari":
            from bridge.worker.engines.hibari import DEFAULT, HibariEngine

            return HibariEngine(sorted({voice.voice or DEFAULT for voice in voices.values()}), threads)
        case _:
            raise ConfigError(f"worker.voices: unknown engine {engine!r}")
