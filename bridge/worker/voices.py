"""The worker's voices by name: which engine speaks each, and the one place that knows the engines."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bridge.errors import ConfigError
from bridge.worker.encoder import Samples
from bridge.worker.engines.base import Engine
from bridge.worker.residency import Residency, ResidentEngine
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


def load_voices(settings: WorkerSettings, *, graphs: bool | None = None) -> dict[str, Voice]:
    """Load every engine that the settings name, with its voices. Raises ConfigError for what cannot be loaded.

    `graphs`: whether torch engines work at fixed shapes, see `bridge.worker.engines.graphs`; None: as suits the device.
    """
    if not settings.voices:
        raise ConfigError("worker.voices: is empty, expected at least one voice")
    if settings.default_voice and settings.default_voice not in settings.voices:
        raise ConfigError(
            f"worker.default_voice: {settings.default_voice!r} is none of worker.voices: {', '.join(settings.voices)}"
        )
    residency = Residency(settings.memory_mib << 20) if settings.memory_mib else None
    wanted: dict[bytes, dict[str, VoiceSettings]] = defaultdict(dict)
    for name, voice in settings.voices.items():
        same_engine = msgspec.structs.replace(voice, voice="", chunking="clause", gain_db=None)
        wanted[msgspec.json.encode(same_engine)][name] = voice
    voices: dict[str, Voice] = {}
    for group in wanted.values():
        load = functools.partial(_load_engine, list(group.values()), settings.threads, graphs)
        engine = ResidentEngine(load, [voice.voice for voice in group.values()], residency) if residency else load({})
        for name, voice in group.items():
            gain_db = engine.gain_db(voice.voice) if voice.gain_db is None else voice.gain_db
            voices[name] = Voice(engine, voice.voice, 10 ** (gain_db / 20), voice.chunking)
    return {name: voices[name] for name in settings.voices}


def _load_engine(voices: list[VoiceSettings], threads: int, graphs: bool | None, kept: Mapping[str, Samples]) -> Engine:
    """Import an engine only when it is asked for: most need libraries that not every machine has.

    `kept` are the embeddings that it had before it was unloaded.
    """
    first, names = voices[0], sorted({voice.voice for voice in voices})
    try:
        match first.engine:
            case "hibari":
                from bridge.worker.engines.hibari import DEFAULT, HibariEngine

                return HibariEngine(sorted({name or DEFAULT for name in names}), threads)
            case "hibari_torch":
                from bridge.worker.engines.hibari import DEFAULT
                from bridge.worker.engines.hibari_torch import HibariTorchEngine

                return HibariTorchEngine(
                    sorted({name or DEFAULT for name in names}),
                    first.device,
                    threads,
                    precision=first.precision,
                    graphs=graphs,
                )
            case "piper":
                from bridge.worker.engines.piper import PiperEngine

                engine = PiperEngine(Path(first.model), first.device, threads, precision=first.precision, graphs=graphs)
                for name in names:
                    engine.speaker(name)
                return engine
            case "openai_speech":
                from bridge.worker.engines.openai_speech import OpenAiSpeechEngine

                return OpenAiSpeechEngine(first)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"worker.voices: engine {first.engine!r} needs {error.name}, which comes with pip install 'bridge[torch]'"
        ) from error
