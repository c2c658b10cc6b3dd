"""The speech worker's limits and patience, with their units in their names; its voices (`voice_settings.py`)."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

import msgspec

from bridge.http import HttpSettings
from bridge.variables import VariableOrNone
from bridge.worker.voice_settings import HibariVoiceSettings, KokoroVoiceSettings, PiperVoiceSettings, VoiceSettings

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]

HUNG_EXIT_CODE = 70
"""Of a worker one of whose steps hung (EX_SOFTWARE of sysexits.h): whoever started it should start another."""
WRONG_SETTINGS_EXIT_CODE = 2
"""Of a worker that cannot work as it is told to: another one would fare no better."""


class SchedulerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is served when (`bridge.worker.scheduler`)."""

    first_audio_ms: Positive = 100.0
    """Deadline of a stream's first audio, from when its text could be spoken."""
    margin_ms: Positive = 150.0
    """A refill is due this long before the caller's buffer runs dry."""
    ahead_ms: Positive = 2000.0
    """A stream with more lead than this waits."""
    credit_ahead_ms: float = 0.0
    """Under `upto_ms` credit: what is made (and kept here) beyond the credit before the stream waits."""
    backlog_ms: Positive = 400.0
    """More live work than this in the queue: new streams are refused as busy."""
    pressed: Positive = 0.8
    """Part of the engine's time that goes into work that cannot wait: beyond it new streams are refused, too."""
    max_streams: Count = 2000
    slow_step_s: Positive = 2.0
    """A step that takes so long, and twenty times its expected time, is stuck in its text: its streams are given up."""


class WorkerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of a speech worker process."""

    host: str = "127.0.0.1"
    port: Port = 8090
    """0 takes any free port; the ready line says which."""
    unix: str = ""
    """A socket path; when set, host and port are not used."""
    token_env: VariableOrNone = "BRIDGE_WORKER_TOKEN"
    """The environment variable with a token: when it is set, clients must send `Authorization: Bearer <token>`."""
    voices: dict[str, VoiceSettings] = msgspec.field(default_factory=lambda: {"heart": HibariVoiceSettings()})
    """By the names that clients use; the first speaks where none is named."""
    memory_mib: Annotated[int, msgspec.Meta(ge=0)] = 0
    """What loaded voices may take together; least recently used ones are unloaded, and loaded again when they are asked
    for. All are loaded once at the start. 0: no bound."""
    http: HttpSettings = HttpSettings()
    """How voices' servers are reached; in a configuration file this is said once, in its section `http`."""
    threads: Count = 1
    """Threads of one synthesis step. More workers serve more streams than more threads do."""
    scheduler: SchedulerSettings = SchedulerSettings()

    text_chars: Count = 20_000
    text_chars_per_s: Positive = 20_000.0
    """Text that one socket may send in the long run; a caller's agent writes about 20."""
    text_burst_chars: Count = 200_000
    """Text that it may send at once."""
    streams_per_socket: Count = 1024
    sockets: Count = 256
    keep_alive_s: Positive = 20.0
    held_bytes: Count = 524_288
    """Unsent bytes on a socket above which its streams are not synthesised further."""
    slow_reader_s: Positive = 10.0
    """A socket that takes no data for this long is closed."""
    step_s: Positive = 30.0
    """A synthesis step that takes longer has hung: the worker stops, to be started anew; at once after twice as long if
    the step lets nothing else run."""
    drain_s: Positive = 30.0
    """On SIGTERM running streams get this long to finish."""


def beside(settings: WorkerSettings, directory: PurePath, http: HttpSettings) -> WorkerSettings:
    """Return the settings with the paths of voices' files taken from `directory`, where the configuration lies."""
    voices = {
        name: msgspec.structs.replace(voice, model=str(directory / voice.model))
        if isinstance(voice, PiperVoiceSettings | KokoroVoiceSettings)
        else voice
        for name, voice in settings.voices.items()
    }
    if http.ca_bundle:
        http = msgspec.structs.replace(http, ca_bundle=str(directory / http.ca_bundle))
    return msgspec.structs.replace(settings, voices=voices, http=http)
