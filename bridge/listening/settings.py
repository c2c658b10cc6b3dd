"""How the bridge listens: voice activity, echo, speech to text, end of turn. Units are in the names."""

from __future__ import annotations

from typing import Literal

import msgspec


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
    longest_ms: int = 600
    """The longest round trip from our sending to the echo's arrival."""
    window_ms: int = 208
    """How much inbound audio is compared."""


class RecogniserSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which engine turns speech into text, and when to distrust it."""

    engine: Literal["whisper", "openai", "none"] = "whisper"
    model: str = ""
    """`whisper`: folder of a CTranslate2 model, empty = the one installed; `openai`: the model's name at the server."""
    threads: int = 1
    deadline_s: float = 8.0
    """A `Transcribe` that has no answer after this long has failed."""
    context_s: float = 12.0
    """`whisper`: how much audio the encoder sees at least; less is faster, below 10 s it breaks down."""
    compute: Literal["float32", "int8"] = "float32"
    """`whisper`: `int8` takes half the time, and its words differ by processor: integer kernels do not agree."""
    minimum_score: float = -1.1
    """`whisper`: texts of a lower average log probability are noise."""
    maximum_no_speech: float = 0.4
    """`whisper`: texts with a higher no-speech probability are noise."""
    url: str = "https://api.openai.com/v1/audio/transcriptions"
    """`openai`: where any server that speaks this API takes a file."""
    api_key_variable: str = "OPENAI_API_KEY"
    """`openai`: the environment variable that holds the key; a server without keys needs none."""


class TurnSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which engine judges from his tone whether the caller has finished."""

    engine: Literal["smart_turn", "none"] = "smart_turn"
    threads: int = 1


class ListeningSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything on the caller's side of the bridge."""

    activity: ActivitySettings = ActivitySettings()
    echo: EchoSettings = EchoSettings()
    recogniser: RecogniserSettings = RecogniserSettings()
    turn: TurnSettings = TurnSettings()
    processes: int = 1
    """Processes that run the embedded recogniser and the end-of-turn model, about 300 MB each."""
    memory_s: float = 24.0
    """How much of the caller's audio is kept for recognition: 8 kB a second for each call."""
    before_ms: int = 300
    """Audio before the first speech window that the recogniser hears too: soft beginnings."""
