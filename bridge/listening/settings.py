"""How the bridge listens: voice activity, echo, speech to text, end of turn. Units are in the names."""

from __future__ import annotations

from typing import Literal

import msgspec

from bridge.listening.hosted_settings import HostedRecogniserSettings
from bridge.variables import VariableOrNone


class ActivitySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Neural voice activity for all calls of the process (`bridge.listening.activity`)."""

    tick_ms: float = 8.0
    """The first ready window waits at most this long for those of other calls, so that they share the model call;
    less when there are few calls."""
    batch_windows: int = 64
    """Judged at once, which holds up the event loop for about 1 ms; other work comes before the next batch."""
    report_probability: float = 0.3
    """Windows of at least this probability are reported ..."""
    linger_s: float = 2.5
    """... and for this long after them silent ones too, so that silence can be told from audio that is late."""
    silence_db: float = -62.0
    """Windows below this level are silence without asking the model ..."""
    above_floor_db: float = 3.0
    """... and so is what stands out of the line's own noise by less than this."""
    backlog_windows: int = 32
    """A call whose windows are not judged in time loses the oldest beyond this many (32 ms each)."""
    rows: int = 256
    """Calls to reserve memory for at start-up; more calls make it grow."""


class EchoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Recognising our own voice in what comes back (`bridge.listening.echo`)."""

    enabled: bool = True
    longest_ms: int = 720
    """The longest round trip from our sending to the echo's arrival."""
    window_ms: int = 208
    """How much inbound audio is compared."""


class NoDetectorSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="none"
):
    """Nobody judges whether callers' voices are machines'."""


class SpectralDetectorSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="spectral"
):
    """The simple detector that comes with the bridge (`bridge.listening.detectors.spectral`)."""


class OnnxDetectorSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="onnx"
):
    """A model of yours (`bridge.listening.detectors.onnx_model`)."""

    model: str
    """The ONNX file; relative to the configuration file."""
    name: str = "synthetic"
    """Under which agents know its scores."""


DetectorSettings = NoDetectorSettings | SpectralDetectorSettings | OnnxDetectorSettings


class WhisperSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="whisper"
):
    """The embedded recogniser (`bridge.listening.recognisers.whisper`)."""

    model: str = ""
    """Folder of a CTranslate2 Whisper model; empty: the one that is installed."""
    threads: int = 1
    deadline_s: float = 8.0
    """An utterance that has no answer after this long has failed."""
    context_s: float = 12.0
    """How much audio the encoder sees at least; less is faster, below 10 s it breaks down."""
    compute: Literal["float32", "int8"] = "float32"
    """`int8` takes half the time, and its words differ by processor: integer kernels do not agree."""
    minimum_score: float = -1.1
    """Texts of a lower average log probability are noise."""
    maximum_no_speech: float = 0.4
    """Texts with a higher no-speech probability are noise."""


class OpenAITranscriptionSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="openai"
):
    """Any server that speaks the OpenAI transcription API (`bridge.listening.recognisers.openai_transcriptions`)."""

    model: str
    """The model's name at the server, such as `whisper-1`."""
    url: str = "https://api.openai.com/v1/audio/transcriptions"
    key_env: VariableOrNone = "OPENAI_API_KEY"
    """The environment variable that holds the API key; without the variable no key is sent."""
    deadline_s: float = 8.0
    """An utterance that has no answer after this long has failed."""
    minimum_score: float = -1.1
    """Texts of a lower average log probability are noise."""
    maximum_no_speech: float = 0.4
    """Texts with a higher no-speech probability are noise."""


class WebSocketRecogniserSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="websocket"
):
    """A recogniser of your own behind our streaming protocol (`bridge.listening.recognisers.websocket`)."""

    url: str
    """`ws://` or `wss://`."""
    key_env: VariableOrNone = "RECOGNISER_KEY"
    """The environment variable whose value is sent as a bearer token; without the variable none is sent."""
    connect_s: float = 2.0
    """A connection that is not open and accepted after this long has failed."""
    message_ms: int = 40
    """Audio is sent in messages of this length."""


class NoRecogniserSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="none"
):
    """No speech to text: calls by keypad and voice activity only."""


RecogniserSettings = (
    WhisperSettings
    | OpenAITranscriptionSettings
    | WebSocketRecogniserSettings
    | HostedRecogniserSettings
    | NoRecogniserSettings
)
"""`kind: whisper`, `openai`, `websocket`, one of the hosted ones (`bridge.listening.hosted_settings`), or `none`."""


class SmartTurnSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="smart_turn"
):
    """The end-of-turn model, which judges from the caller's tone whether they have finished."""

    threads: int = 1


class NoTurnModelSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="none"
):
    """No end-of-turn model: the end of a turn is judged from silence and words."""


TurnModelSettings = SmartTurnSettings | NoTurnModelSettings
"""`kind: smart_turn` or `kind: none`."""


class ListeningSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything on the caller's side of the bridge."""

    activity: ActivitySettings = ActivitySettings()
    echo: EchoSettings = EchoSettings()
    recogniser: RecogniserSettings = WhisperSettings()
    fallback_recognisers: tuple[RecogniserSettings, ...] = ()
    """Who is asked, in this order, when the recogniser fails; what was said so far is said again to the next."""
    second_recogniser: RecogniserSettings = NoRecogniserSettings()
    """Listens along, to be compared: the record says where it understood something else (`heard_otherwise`), and the
    call never hears of it. `kind: none`: nobody does, at no cost."""
    detector: DetectorSettings = NoDetectorSettings()
    """Judges whether callers' voices are machines': a hint to agents and metrics. `kind: none`: nobody does."""
    prices_per_minute: dict[str, float] = {}
    """What services charge for a minute of audio, in any currency, by the `kind` of the recogniser; for the counters of
    cost."""
    pass_over_s: float = 0.8
    """A recogniser that has not answered after this long is passed over for this turn, if there is another."""
    final_ms: int = 600
    """A live recogniser that has not settled its texts so long after a pause is taken at its newest word."""
    turn: TurnModelSettings = SmartTurnSettings()
    processes: int = 1
    """Processes that run the embedded recogniser, about 280 MB each. For every three of them there is one of 150 MB for
    the end-of-turn model."""
    spare_engine: Literal["ready", "light"] = "ready"
    """One more recogniser stands by for one that dies: `ready` costs as much memory, and the caller's turn no time;
    `light` costs 70 MB, and the turn two to four seconds."""
    memory_s: float = 24.0
    """How much of the caller's audio is kept for recognition: 8 kB a second for each call."""
    piece_s: float = 10.0
    """A turn longer than this is recognised in pieces, at its pauses, while the caller goes on."""
    before_ms: int = 300
    """Audio before the first speech window that the recogniser hears too: soft beginnings."""
