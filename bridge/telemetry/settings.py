"""What the service tells about itself, and to whom."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bridge.addresses import is_address
from bridge.variables import VariableOrNone, without_password


class RecordingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The sound of calls on disk. Whether callers have to be told, or asked, is for the law of where they are."""

    directory: str = ""
    """Where each call's recording goes, a WAV file a call; empty: calls are not recorded."""
    days: Annotated[float, msgspec.Meta(ge=0)] = 0
    """Recordings older than this many days are removed; 0: they are kept until somebody removes them."""
    announcement: str = ""
    """Said before anything else when a call begins, such as "This call is recorded."; callers cannot talk it away."""


class ForkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A server that hears calls as they go, in the format of one-way media streams (`bridge.carriers.one_way`)."""

    url: str
    """Such as wss://analytics.example.com/calls: each call opens a socket of its own."""
    token_env: VariableOrNone = ""
    """Where the token is that the server asks for (`Authorization: Bearer`)."""
    tracks: Literal["both", "caller", "ours"] = "both"
    """Whose sound: the caller's is the track `inbound`, ours as it was heard `outbound`."""

    def __post_init__(self) -> None:
        if not is_address(self.url, ("ws", "wss")):
            raise ValueError(
                f"url is {without_password(self.url)!r}, expected an address such as wss://analytics.example.com/calls"
            )


class TraceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Spans of calls and turns for an OpenTelemetry collector (the extra `bridge[traces]`)."""

    url: str = ""
    """OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; empty: nothing is traced."""
    token_env: VariableOrNone = ""
    """Where the token is that the collector asks for (`Authorization: Bearer`)."""
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Of all calls, which are traced."""
    service: str = "bridge"
    """Under this name they are found (`service.name`)."""

    def __post_init__(self) -> None:
        if self.url and not is_address(self.url):
            raise ValueError(
                f"url is {without_password(self.url)!r}, expected an address such as http://127.0.0.1:4318/v1/traces"
            )


class TelemetrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Logs and call records. Who may read the metrics stands in `gateway.metrics`."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    log_private: bool = False
    """Write phone numbers, words and digits into logs. Off: they are replaced by their kind."""
    record_directory: str = ""
    """Where each call's record goes, one JSON-lines file a call; empty: none is kept.

    A record holds every word and digit of its call, though no sound, so that `bridge replay` can re-run it.
    """
    record_days: Annotated[float, msgspec.Meta(ge=0)] = 0
    """Records older than this many days are removed; 0: they are kept until somebody removes them."""
    record_waiting: Annotated[int, msgspec.Meta(ge=1000)] = 200_000
    """Events of all calls that may wait to be written; beyond it records lose their tails, calls lose nothing."""
    recording: RecordingSettings = RecordingSettings()
    traces: TraceSettings = TraceSettings()
    forks: tuple[ForkSettings, ...] = ()
    """Servers that hear every call. Whether callers have to be told, or asked, is for the law of where they are."""
