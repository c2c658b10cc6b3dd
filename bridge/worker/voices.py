"""The worker's voices by name: which engine speaks each, and the one place that knows the engines."""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import msgspec

from bridge.audio.encoder import Samples
from bridge.errors import ConfigError
from bridge.http import HttpClient
from bridge.text.settings import Chunking
from bridge.text.spoken.form import Phonemes
from bridge.text.spoken.languages import language
from bridge.worker.engines.base import Engine
from bridge.worker.engines.misaki import in_text
from bridge.worker.residency import Loader, Residency, ResidentEngine
from bridge.worker.settings import WorkerSettings
from bridge.worker.voice_settings import (
    HibariTorchVoiceSettings,
    HibariVoiceSettings,
    KokoroVoiceSettings,
    PiperVoiceSettings,
    ServedVoiceSettings,
    VoiceSettings,
)

_LONGEST_PRONUNCIATION = 100


DEFAULT_LANGUAGE = "en-US"


@dataclass(frozen=True, slots=True)
class LoadedVoice:
    """A voice as a client asks for it."""

    engine: Engine
    own_name: str
    """What the engine calls it."""
    gain: float
    """Factor from the engine's level to the worker's."""
    chunking: Chunking = "clause"
    language: str = DEFAULT_LANGUAGE
    """In which written text is said, as `bridge.text.spoken.languages` names it."""
    pronunciations: Mapping[str, str] = field(default_factory=dict)
    """Words in lower case, and how they are given to the engine."""
    phonemes: Phonemes | None = None
    """How words are given to the engine whose phonemes the text says; None: it takes none."""

    @property
    def model(self) -> str:
        """Name and version of everything that the sound of a text depends on."""
        language = self.language if self.language != DEFAULT_LANGUAGE else ""
        words = repr(sorted(self.pronunciations.items())).encode() if self.pronunciations else b""
        said = blake2b(words, digest_size=4).hexdigest() if words else ""
        return "+".join(filter(None, (self.engine.model(self.own_name), language, said)))


def load_voices(settings: WorkerSettings, *, graphs: bool | None = None) -> dict[str, LoadedVoice]:
    """Load every engine that the settings name, with its voices. Raises ConfigError for what cannot be loaded.

    `graphs`: whether torch engines work at fixed shapes, see `bridge.worker.engines.graphs`; None: as suits the device.
    """
    voices, refused = load_sound_voices(settings, graphs=graphs)
    for error in refused.values():
        raise error
    return voices


def load_sound_voices(
    settings: WorkerSettings, *, graphs: bool | None = None
) -> tuple[dict[str, LoadedVoice], dict[str, ConfigError]]:
    """Load all voices but those whose files are damaged: returns the voices, and those refused with the reason.

    Raises ConfigError when that is the first voice, which speaks where none is named.
    """
    if not settings.voices:
        raise ConfigError("worker.voices: is empty, expected at least one voice")
    residency = Residency(settings.memory_mib << 20) if settings.memory_mib else None
    wanted: dict[bytes, dict[str, VoiceSettings]] = defaultdict(dict)
    for name, voice in settings.voices.items():
        same_engine = msgspec.structs.replace(
            voice, voice="", chunking="clause", gain_db=None, language="", pronunciations={}
        )
        wanted[msgspec.json.encode(same_engine)][name] = voice
    voices: dict[str, LoadedVoice] = {}
    refused: dict[str, ConfigError] = {}
    default = next(iter(settings.voices))
    for group in wanted.values():
        load = functools.partial(_load_engine, list(group.values()), settings, graphs)
        try:
            voices |= _load_group(group, load, residency)
        except Exception as error:  # bad weights may break anything on their way
            reason = error if isinstance(error, ConfigError) else ConfigError(f"{_described(group)}: {error!r}")
            if default in group:
                raise reason from error
            refused |= dict.fromkeys(group, reason)
    return {name: voices[name] for name in settings.voices if name in voices}, refused


def _load_group(group: dict[str, VoiceSettings], load: Loader, residency: Residency | None) -> dict[str, LoadedVoice]:
    """The voices of one engine."""
    engine = ResidentEngine(load, [voice.voice for voice in group.values()], residency) if residency else load({})
    voices = {}
    for name, voice in group.items():
        gain_db = engine.gain_db(voice.voice) if voice.gain_db is None else voice.gain_db
        if not math.isfinite(gain_db):
            raise ConfigError(f"{_described(group)}: its weights make no sound")
        accent = engine.accent(voice.voice)
        voices[name] = LoadedVoice(
            engine,
            voice.voice,
            10 ** (gain_db / 20),
            voice.chunking,
            _language(name, voice, engine.language(voice.voice)),
            _pronunciations(name, voice, accent),
            functools.partial(in_text, accent=accent) if accent else None,
        )
    return voices


def _pronunciations(name: str, voice: VoiceSettings, accent: str) -> dict[str, str]:
    """A voice's list as its engine takes it. Raises ConfigError for what is no single word, or says nothing."""
    taken = {}
    for word, said in voice.pronunciations.items():
        where = f"worker.voices.{name}.pronunciations.{word}"
        phonemes = len(said) > 2 and said[0] == said[-1] == "/"
        if len(word.split()) != 1 or word != word.strip(".,;:!?"):
            raise ConfigError(f"{where}: expected a single word without marks")
        if len(said) > _LONGEST_PRONUNCIATION or not any(map(str.isalpha, said)):
            raise ConfigError(f"{where}: {said!r}: expected words, or phonemes between strokes such as /wɪn/")
        if phonemes and any(char.isspace() or char in "[]()" for char in said):
            raise ConfigError(f"{where}: {said!r}: phonemes are written without spaces and brackets")
        if not phonemes:
            taken[word.lower()] = said
        elif accent:
            if not (given := in_text(word, said[1:-1], accent)):
                raise ConfigError(f"{where}: {said!r}: has a sign that is none of the IPA for English")
            taken[word.lower()] = given
    return taken


def _language(name: str, voice: VoiceSettings, declared: str) -> str:
    """The code of the language that a voice's texts are said in. Raises ConfigError for one that is not known.

    declared  what the voice says of itself; it holds where the settings say nothing
    """
    try:
        return language(voice.language or declared or DEFAULT_LANGUAGE).code
    except KeyError as error:
        where = f"worker.voices.{name}" + (".language" if voice.language else "")
        raise ConfigError(f"{where}: {error.args[0]}") from None


def _described(group: dict[str, VoiceSettings]) -> str:
    """Which voices of which file, for an error message."""
    first = next(iter(group.values()))
    return f"worker.voices: {', '.join(group)}: engine {first.engine} {getattr(first, 'model', '')}".rstrip()


def _load_engine(
    voices: list[VoiceSettings], settings: WorkerSettings, graphs: bool | None, kept: Mapping[str, Samples]
) -> Engine:
    """Import an engine only when it is asked for: most need libraries that not every machine has.

    `kept` are the embeddings that it had before it was unloaded.
    """
    first, names, threads = voices[0], sorted({voice.voice for voice in voices}), settings.threads
    try:
        match first:
            case HibariVoiceSettings():
                from bridge.worker.engines.hibari import DEFAULT, HibariEngine

                return HibariEngine(sorted({name or DEFAULT for name in names}), threads)
            case HibariTorchVoiceSettings():
                from bridge.worker.engines.hibari import DEFAULT
                from bridge.worker.engines.hibari_torch import HibariTorchEngine

                return HibariTorchEngine(
                    sorted({name or DEFAULT for name in names}),
                    first.device,
                    threads,
                    precision=first.precision,
                    graphs=graphs,
                )
            case PiperVoiceSettings():
                from bridge.worker.engines.piper import PiperEngine

                engine = PiperEngine(Path(first.model), first.device, threads, precision=first.precision, graphs=graphs)
                for name in names:
                    engine.speaker(name)
                return engine
            case KokoroVoiceSettings():
                from bridge.worker.engines.kokoro import KokoroEngine

                return KokoroEngine(Path(first.model), names, first.device, threads, styles=kept)
            case ServedVoiceSettings():
                from bridge.worker.engines.openai_speech import OpenAiSpeechEngine

                return OpenAiSpeechEngine(first, HttpClient(settings.http))
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"worker.voices: engine {first.engine!r} needs {error.name}, which comes with pip install 'bridge[torch]'"
        ) from error
