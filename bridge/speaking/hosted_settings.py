"""Settings of the hosted voices: one struct for each vendor, beside what all of them have.

What each vendor can do, and which of it nobody has tried against the live service:
`bridge/speaking/voices/hosted/README.md`.
"""

from __future__ import annotations

import msgspec

from bridge.variables import VariableOrNone


class HostedVoiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the settings of every hosted voice have."""

    url: str
    key_env: VariableOrNone
    """The environment variable that holds the key; empty: none is sent."""
    model: str
    voices: tuple[str, ...]
    """The vendor's names of the voices that may be used, the default one first."""
    connect_s: float = 3.0
    concurrency: int = 10
    """Texts spoken at once; beyond it the next voice in order speaks, before the vendor refuses."""
    sockets: int = 20
    """Connections at once, at most."""
    warm: int = 1
    """Connections with the default voice that are held open for the next text."""
    price_per_million_chars: float = 0.0
    """What the vendor charges for what is sent, in any currency; for the counters of cost."""
    keep_phrases: bool = True
    """Finished phrases are kept and played again: look whether the vendor's terms allow it."""

    def __post_init__(self) -> None:
        if not self.voices or not all(self.voices):
            raise ValueError("voices is empty, expected the vendor's name of at least one voice")
        for name in ("concurrency", "sockets"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)}: expected at least 1")


class ElevenLabsSettings(HostedVoiceSettings, frozen=True, tag_field="kind", tag="elevenlabs"):
    """ElevenLabs, several texts on one connection (`bridge.speaking.voices.hosted.elevenlabs`)."""

    url: str = "wss://api.elevenlabs.io"
    key_env: VariableOrNone = "ELEVENLABS_API_KEY"
    model: str = "eleven_flash_v2_5"
    stability: float = 0.5
    similarity: float = 0.8


class AuraSettings(HostedVoiceSettings, frozen=True, tag_field="kind", tag="deepgram"):
    """Deepgram Aura, one text at a time on a connection (`bridge.speaking.voices.hosted.aura`)."""

    url: str = "wss://api.deepgram.com/v1/speak"
    key_env: VariableOrNone = "DEEPGRAM_API_KEY"
    model: str = "aura-2"
    """For the records: the voice's name holds the model."""
    voices: tuple[str, ...] = ("aura-2-thalia-en",)
    concurrency: int = 5


class SonicSettings(HostedVoiceSettings, frozen=True, tag_field="kind", tag="cartesia"):
    """Cartesia Sonic, several texts on one connection (`bridge.speaking.voices.hosted.sonic`)."""

    url: str = "wss://api.cartesia.ai/tts/websocket"
    key_env: VariableOrNone = "CARTESIA_API_KEY"
    model: str = "sonic-3"
    version: str = "2026-03-01"
    concurrency: int = 3


class OpenAISpeechSettings(HostedVoiceSettings, frozen=True, tag_field="kind", tag="openai"):
    """OpenAI speech, or a server that speaks its API (`bridge.speaking.voices.hosted.openai_speech`)."""

    url: str = "https://api.openai.com/v1/audio/speech"
    key_env: VariableOrNone = "OPENAI_API_KEY"
    model: str = "gpt-4o-mini-tts"
    voices: tuple[str, ...] = ("alloy", "ash", "coral", "nova", "onyx", "sage", "shimmer")
    instructions: str = ""
    """How to speak, in words."""


class RimeSettings(HostedVoiceSettings, frozen=True, tag_field="kind", tag="rime"):
    """Rime, one text at a time on a connection (`bridge.speaking.voices.hosted.rime`)."""

    url: str = "wss://users-ws.rime.ai/ws3"
    key_env: VariableOrNone = "RIME_API_KEY"
    model: str = "coda"


class InworldSettings(HostedVoiceSettings, frozen=True, tag_field="kind", tag="inworld"):
    """Inworld, several texts on one connection (`bridge.speaking.voices.hosted.inworld`)."""

    url: str = "wss://api.inworld.ai/tts/v1/voice:streamBidirectional"
    key_env: VariableOrNone = "INWORLD_API_KEY"
    model: str = "inworld-tts-2"
    concurrency: int = 5


class SmallestSettings(HostedVoiceSettings, frozen=True, tag_field="kind", tag="smallest"):
    """Smallest.ai Lightning, one text at a time on a connection (`bridge.speaking.voices.hosted.smallest`)."""

    url: str = "wss://api.smallest.ai/waves/v1/tts/live"
    key_env: VariableOrNone = "SMALLEST_API_KEY"
    model: str = "lightning_v3.1"
    concurrency: int = 1
    sockets: int = 5


class HumeSettings(HostedVoiceSettings, frozen=True, tag_field="kind", tag="hume"):
    """Hume Octave, a connection for each text (`bridge.speaking.voices.hosted.hume`)."""

    url: str = "wss://api.hume.ai/v0/tts/stream/input"
    key_env: VariableOrNone = "HUME_API_KEY"
    model: str = "2"
    """The version of Octave; only the second places words in time."""
    voice_provider: str = "HUME_AI"
    """`HUME_AI`, or `CUSTOM_VOICE` for one of your own."""


class SpeechifySettings(HostedVoiceSettings, frozen=True, tag_field="kind", tag="speechify"):
    """Speechify Simba, a request for each sentence (`bridge.speaking.voices.hosted.speechify`)."""

    url: str = "https://api.speechify.ai/v1/audio/stream/with-timestamps"
    key_env: VariableOrNone = "SPEECHIFY_API_KEY"
    model: str = "simba-3.0"


class AzureVoiceSettings(HostedVoiceSettings, frozen=True, tag_field="kind", tag="azure"):
    """Azure Speech, one text at a time on a connection (`bridge.speaking.voices.hosted.azure_voice`)."""

    region: str = ""
    """Such as `westeurope`; or give `url`."""
    url: str = ""
    """Empty: that of the region."""
    key_env: VariableOrNone = "AZURE_SPEECH_KEY"
    model: str = "neural"
    """For the records: the voice's name holds the model."""
    voices: tuple[str, ...] = ("en-US-AvaMultilingualNeural",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.region and not self.url:
            raise ValueError("region is empty, expected one such as westeurope")


class GoogleVoiceSettings(HostedVoiceSettings, frozen=True, tag_field="kind", tag="google"):
    """Google's streaming voices, for which `bridge[google]` is installed (`bridge.speaking.voices.hosted.google`)."""

    location: str = "global"
    """Where it is spoken to, such as `us` or `europe-west2`."""
    url: str = ""
    """Empty: that of the location."""
    key_env: VariableOrNone = "GOOGLE_APPLICATION_CREDENTIALS"
    """The environment variable with a service account's key file: its path, or what is in it."""
    model: str = "chirp3-hd"
    """For the records: the voice's name holds the model."""
    voices: tuple[str, ...] = ("en-US-Chirp3-HD-Charon",)
    concurrency: int = 50

    @property
    def address(self) -> str:
        """Where the service is spoken to."""
        place = "" if self.location == "global" else f"{self.location}-"
        return self.url.rstrip("/") or f"https://{place}texttospeech.googleapis.com"


HostedVoice = (
    ElevenLabsSettings
    | AuraSettings
    | SonicSettings
    | OpenAISpeechSettings
    | RimeSettings
    | InworldSettings
    | SmallestSettings
    | HumeSettings
    | SpeechifySettings
    | AzureVoiceSettings
    | GoogleVoiceSettings
)
"""The settings of any hosted voice, told apart by `kind`."""
