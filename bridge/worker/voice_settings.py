"""What a voice of the worker is, by its engine: each kind has its own settings, and takes no others."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bridge.text.settings import Chunking
from bridge.variables import VariableOrNone

Path = Annotated[str, msgspec.Meta(min_length=1)]


class _AnyVoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="engine"):
    voice: str = ""
    """The engine's own name for it (of a Piper file: the speaker; of Kokoro: a voice or a blend, such as
    `af_heart*0.7+am_michael*0.3`); empty: the engine's default."""
    chunking: Chunking = "clause"
    """Where text that arrives is cut into pieces, see `bridge.text.settings.Chunking`."""
    language: str = ""
    """In which written text is said (`en-US`, `de`), numbers and addresses above all; empty: the one
    that its files declare, or else English."""
    pronunciations: dict[str, str] = msgspec.field(default_factory=dict)
    """How this voice says words that it does not know: `Nguyen: win`, or in the phonetic alphabet, `Nguyen: /wɪn/`.
    Voices without the default voice's front end ignore the latter."""
    gain_db: float | None = None
    """Fixed gain towards -20 dBFS active speech; None: the engine's own measure of its voice."""

    @property
    def engine(self) -> str:
        """The engine's name, as the configuration has it."""
        return str(self.__struct_config__.tag)


class HibariVoiceSettings(_AnyVoice, frozen=True, kw_only=True, tag="hibari"):
    """The default voice on the CPU."""


class _TorchVoice(_AnyVoice, frozen=True, kw_only=True):
    device: str = ""
    """Where torch computes, such as `cuda:1` or `cpu`; empty: on a GPU if there is one."""


class HibariTorchVoiceSettings(_TorchVoice, frozen=True, kw_only=True, tag="hibari_torch"):
    """The default voice in torch, for a GPU."""

    precision: Literal["", "float32", "float16", "bfloat16"] = ""
    """Of the decoder; empty: half on a GPU, where the difference is inaudible, float32 on a CPU
    (`bridge.worker.engines.device`)."""


class PiperVoiceSettings(_TorchVoice, frozen=True, kw_only=True, tag="piper"):
    """A Piper voice in torch."""

    model: Path
    """The voice's file, relative to the configuration file."""
    precision: Literal["", "float32", "float16", "bfloat16"] = ""
    """Of the decoder; empty: half on a GPU, where the difference is inaudible, float32 on a CPU
    (`bridge.worker.engines.device`)."""


class KokoroVoiceSettings(_TorchVoice, frozen=True, kw_only=True, tag="kokoro"):
    """A voice or a blend of voices of Kokoro-82M in torch, which computes in float32."""

    model: Path
    """The folder with the weights (`bridge.worker.engines.kokoro` says which), relative to the configuration file."""


class ServedVoiceSettings(_AnyVoice, frozen=True, kw_only=True, tag="openai_speech"):
    """A voice of any server with the OpenAI speech API (`bridge.worker.engines.openai_speech`)."""

    url: Annotated[str, msgspec.Meta(pattern="^https?://[^/]")]
    """Everything before `/audio/speech`, such as `http://127.0.0.1:8880/v1`."""
    model: Annotated[str, msgspec.Meta(min_length=1)]
    """The server's name for its model."""
    api_key_env: VariableOrNone = "BRIDGE_SPEECH_KEY"
    """The environment variable with the key for that server; without the variable none is sent."""
    rate_hz: Annotated[int, msgspec.Meta(ge=8000, le=48000)] = 24_000
    """Of the server's `pcm` format."""
    first_audio_s: Annotated[float, msgspec.Meta(gt=0)] = 4.0
    """How long the server may take to begin, and between two pieces of audio."""
    requests: Annotated[int, msgspec.Meta(ge=1)] = 16
    """How many pieces the server speaks at once."""
    extra: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
    """More fields for the server's requests, such as `instructions`."""


VoiceSettings = (
    HibariVoiceSettings | HibariTorchVoiceSettings | PiperVoiceSettings | KokoroVoiceSettings | ServedVoiceSettings
)
"""`engine: hibari`, `hibari_torch`, `piper`, `kokoro` or `openai_speech`."""
