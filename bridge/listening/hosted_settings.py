"""Settings of the hosted recognisers: one struct for each, with nothing in it that does not belong to it.

What each vendor can do, and which of it nobody has tried against the live service:
`bridge/listening/recognisers/hosted/README.md`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from bridge.variables import VariableOrNone

CONNECT_S = 3.0


class DeepgramSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="deepgram"
):
    """Deepgram Nova, which settles text by segments (`bridge.listening.recognisers.hosted.deepgram`)."""

    url: str = "wss://api.deepgram.com/v1/listen"
    key_env: VariableOrNone = "DEEPGRAM_API_KEY"
    """The environment variable that holds the key; empty: none is sent."""
    connect_s: float = CONNECT_S
    model: str = "nova-3"
    endpointing_ms: int = 300
    """A pause this long settles the text without being asked."""
    live_hints: bool = True
    """Change hints on the open connection (`Configure`, nova-3 at the global address); otherwise by a new one."""


class FluxSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="deepgram_flux"
):
    """Deepgram Flux, `/v2/listen`, which has an opinion of turns (`bridge.listening.recognisers.hosted.flux`)."""

    url: str = "wss://api.deepgram.com/v2/listen"
    key_env: VariableOrNone = "DEEPGRAM_API_KEY"
    connect_s: float = CONNECT_S
    model: str = "flux-general-en"
    end_threshold: float = 0.7
    """How sure it must be that a turn is over, 0.5..0.9."""
    eager_threshold: float | None = 0.5
    """How sure to begin an answer; None: it never says so."""
    end_timeout_ms: int = 5000
    force_end: bool = False
    """Ask it to end the turn at our pauses; not for `call.endpoint.decided_by: engine`."""


class AssemblyAISettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="assemblyai"
):
    """AssemblyAI Universal-Streaming (`bridge.listening.recognisers.hosted.assemblyai`)."""

    url: str = "wss://streaming.assemblyai.com/v3/ws"
    key_env: VariableOrNone = "ASSEMBLYAI_API_KEY"
    connect_s: float = CONNECT_S
    model: str = "universal-streaming-english"
    end_threshold: float = 0.4
    minimum_silence_ms: int = 400
    maximum_silence_ms: int = 1280
    force_end: bool = True
    """Ask it to end the turn at our pauses; not for `call.endpoint.decided_by: engine`."""
    catch_up: float = 1.25
    """Audio that had to wait is sent so much faster than it was spoken; the service refuses much more."""


class OpenAIRealtimeSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="openai_realtime"
):
    """OpenAI realtime transcription (`bridge.listening.recognisers.hosted.openai_realtime`)."""

    url: str = "wss://api.openai.com/v1/realtime?intent=transcription"
    key_env: VariableOrNone = "OPENAI_API_KEY"
    connect_s: float = CONNECT_S
    model: str = "gpt-live-transcribe"


class SonioxSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="soniox"
):
    """Soniox real-time (`bridge.listening.recognisers.hosted.soniox`)."""

    url: str = "wss://stt-rt.soniox.com/transcribe-websocket"
    key_env: VariableOrNone = "SONIOX_API_KEY"
    connect_s: float = CONNECT_S
    model: str = "stt-rt-v5"
    endpoint_delay_ms: int = 2000
    """The longest silence until it says that the turn is over, 500..3000."""
    finalise_gap_s: float = 1.0
    """Requests for final texts are not sent more often; the newest text counts in between."""
    catch_up: float = 4.0


class SpeechmaticsSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="speechmatics"
):
    """Speechmatics real-time (`bridge.listening.recognisers.hosted.speechmatics`)."""

    url: str = "wss://eu.rt.speechmatics.com/v2"
    key_env: VariableOrNone = "SPEECHMATICS_API_KEY"
    connect_s: float = CONNECT_S
    model: str = "enhanced"
    max_delay_s: float = 0.7
    """How long it may think about a word, 0.7..4."""
    silence_s: float = 0.5
    """A pause this long settles the text without being asked, 0..2; 0: never."""


class ScribeSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="elevenlabs_scribe"
):
    """ElevenLabs Scribe v2 Realtime (`bridge.listening.recognisers.hosted.scribe`)."""

    url: str = "wss://api.elevenlabs.io/v1/speech-to-text/realtime"
    key_env: VariableOrNone = "ELEVENLABS_API_KEY"
    connect_s: float = CONNECT_S
    model: str = "scribe_v2_realtime"


class InkSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="cartesia_ink"
):
    """Cartesia Ink, with turns or with word times (`bridge.listening.recognisers.hosted.ink`)."""

    url: str = "wss://api.cartesia.ai/stt/"
    """With a slash at the end; what follows depends on `turns`."""
    key_env: VariableOrNone = "CARTESIA_API_KEY"
    connect_s: float = CONNECT_S
    model: str = "ink-2"
    version: str = "2026-03-01"
    turns: bool = True
    """It says when turns end, without word times. False: it settles texts when asked, with word times."""
    start_threshold: float = 0.8
    eager_threshold: float = 0.4
    end_threshold: float = 0.2
    """Lower is surer; they must rise in this order: end, eager, start."""

    def __post_init__(self) -> None:
        if not self.end_threshold < self.eager_threshold < self.start_threshold:
            raise ValueError("expected end_threshold < eager_threshold < start_threshold")


class GladiaSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="gladia"
):
    """Gladia Live v2 (`bridge.listening.recognisers.hosted.gladia`)."""

    url: str = "https://api.gladia.io/v2/live"
    """Asked by POST; its answer says where to connect."""
    key_env: VariableOrNone = "GLADIA_API_KEY"
    connect_s: float = CONNECT_S
    model: str = "solaria-1"
    endpointing_s: float = 0.2
    """A pause this long settles the text, which nothing else does."""


class AzureSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="azure"
):
    """Azure Speech, of one region or at a URL (`bridge.listening.recognisers.hosted.azure`)."""

    region: str = ""
    """Such as `westeurope`; or give `url`."""
    url: str = ""
    """Empty: that of the region."""
    key_env: VariableOrNone = "AZURE_SPEECH_KEY"
    connect_s: float = CONNECT_S
    mode: Literal["conversation", "dictation"] = "conversation"

    def __post_init__(self) -> None:
        if not self.region and not self.url:
            raise ValueError("region is empty, expected one such as westeurope")


class GoogleSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="google"
):
    """Google Speech v2, for which `bridge[google]` is installed (`bridge.listening.recognisers.hosted.google`)."""

    location: str = "global"
    """Where it is spoken to, such as `us` or `europe-west4`; models differ by place."""
    url: str = ""
    """Empty: that of the location."""
    key_env: VariableOrNone = "GOOGLE_APPLICATION_CREDENTIALS"
    """The environment variable with a service account's key file: its path, or what is in it."""
    project: str = ""
    """Who pays; empty: the account's own project."""
    connect_s: float = CONNECT_S
    model: str = "telephony"

    @property
    def address(self) -> str:
        """Where the service is spoken to."""
        place = "" if self.location == "global" else f"{self.location}-"
        return self.url.rstrip("/") or f"https://{place}speech.googleapis.com"


HostedRecogniserSettings = (
    DeepgramSettings
    | FluxSettings
    | AssemblyAISettings
    | OpenAIRealtimeSettings
    | SonioxSettings
    | SpeechmaticsSettings
    | ScribeSettings
    | InkSettings
    | GladiaSettings
    | AzureSettings
    | GoogleSettings
)
"""Every hosted recogniser that follows a call's audio."""
