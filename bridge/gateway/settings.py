"""How the service meets the telephone network: addresses, credentials, limits and deadlines."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

import msgspec

from bridge.addresses import is_address
from bridge.gateway.allowances import AllowanceSettings
from bridge.gateway.ladder import PressureSettings
from bridge.system.settings import ConnectionSettings
from bridge.variables import VariableOrNone

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]


_CALLS_OF_A_NUMBER = 20


class SpeechApiSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Speech for other programs, see `bridge.api.speech`. Off while there is no key."""

    keys_env: VariableOrNone = "BRIDGE_API_KEYS"
    """The environment variable with the keys of those who may use it, separated by commas: long random strings."""
    voices: dict[str, str] = {}
    """Further names for voices, such as `alloy: heart`, for programs whose names cannot be changed."""
    text_chars: Count = 4096
    """Of one request or stream."""
    requests_per_minute: Count = 120
    """Of each key, streams on a WebSocket included; after a few quiet minutes as many may come at once. The processes
    of one port count together."""
    streams_per_key: Count = 16
    """Spoken at the same time, by all processes of one port together."""
    refuse_odd_speeds: bool = False
    """Refuse speeds that no voice has (below 0.5, above 2) instead of taking the nearest that they have."""
    stall_s: Positive = 15.0
    """A stream that brings no audio for this long has failed."""


class MetricsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may read the metrics: call volumes are nobody else's business."""

    host: str = "127.0.0.1"
    port: Port = 0
    """Where `GET /metrics` is answered without a token; 0: nowhere."""
    token_env: VariableOrNone = "BRIDGE_METRICS_TOKEN"
    """The environment variable with a token: whoever sends `Authorization: Bearer <token>` may read the metrics on the
    service's port, too."""


class WarmTransferSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Transfers with a summary, which whoever is called hears first, see `bridge.gateway.warm_transfers`."""

    accept_key: str = "1"
    """What they press to take the call, so that no answering machine does; empty: they are connected at once."""
    accept_text: str = ""
    """Said after the summary, by the carrier's voice; empty: our own sentence, in the language of the call."""
    rings_s: Annotated[float, msgspec.Meta(ge=5, le=60)] = 30.0
    """Then nobody has answered, and the caller is back."""
    decides_s: Annotated[float, msgspec.Meta(ge=5, le=300)] = 60.0
    """From the answer on, the summary included; then they have declined."""
    music_url: str = ""
    """A sound file that the caller hears meanwhile; empty: a tune of ours."""

    def __post_init__(self) -> None:
        if self.accept_key and not (len(self.accept_key) == 1 and self.accept_key in "0123456789*"):
            raise ValueError(f"accept_key is {self.accept_key!r}, expected a digit, *, or nothing")
        if self.music_url and not is_address(self.music_url):
            raise ValueError(f"music_url is {self.music_url!r}, expected an address such as https://example.com/a.mp3")


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Webhooks, media sockets, admission and shut-down."""

    host: str = "0.0.0.0"
    port: Port = 8080
    """0 takes any free port."""
    public_url: str = ""
    """How the carrier reaches this service, such as https://bridge.example.com. Environment: PUBLIC_URL.

    Signatures are checked over this address, never over what a proxy made of it. A path in it is a prefix
    that the proxy strips.
    """
    development_unsigned: bool = False
    """Accept requests that nobody signed. Never on a public address."""

    max_calls: Count = 200
    """Per process. Beyond it, or while the process is late, callers hear `busy_text` or ring `overflow_number`. A fifth
    more is taken while other processes that share the store have as many places free."""
    max_loop_lag_ms: Positive = 40.0
    """No new call while the event loop runs later than this (90th percentile over the last seconds)."""
    max_calls_per_number: Count | None = None
    """Per process, of one calling number; further calls of it are told busy. Withheld numbers have no such limit. None:
    half of `max_calls`, 20 at most."""
    max_calls_per_account: Count | None = None
    """The same of one of a carrier's accounts. None: all, while no other account calls; four fifths once one has."""
    allowances: AllowanceSettings = AllowanceSettings()
    pressure: PressureSettings = PressureSettings()
    busy_text: str = "All our lines are busy. Please call again in a few minutes."
    overflow_number: str = ""

    ticket_ttl_s: Positive = 60.0
    start_deadline_s: Positive = 5.0
    """A media socket must bring `start` within this time."""
    reconnect_s: Positive = 5.0
    """A call whose media socket is lost is kept this long, with carriers that open another for it."""
    webhook_timeout_s: Positive = 10.0
    """The body of a webhook must have come within this time."""
    max_webhook_bytes: Annotated[int, msgspec.Meta(ge=2048)] = 65_536
    max_message_bytes: Annotated[int, msgspec.Meta(ge=2048)] = 65_536
    max_waiting_per_address: Count = 64
    """Media sockets of one address that have not brought `start` yet."""
    no_media_s: Positive = 10.0
    """A running call from which no audio comes for this long is over: its line is dead."""
    max_unsent_bytes: Annotated[int, msgspec.Meta(ge=65_536)] = 1_048_576
    """A carrier that reads so slowly that this much piles up has stopped listening."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks whose X-Forwarded-For is believed, such as 10.0.0.0/8, for the limit per address alone."""

    warm_transfers: WarmTransferSettings = WarmTransferSettings()
    connections: ConnectionSettings = ConnectionSettings()
    metrics: MetricsSettings = MetricsSettings()
    speech_api: SpeechApiSettings = SpeechApiSettings()

    after_stream_ttl_s: Positive = 120.0
    """How long the next webhook of a call may ask what is to happen after its stream, and its state is kept for it."""
    after_stream_s: Annotated[float, msgspec.Meta(ge=0)] = 3.0
    """A process that stops keeps its port this long for those webhooks of calls that it has just ended."""
    on_lost_stream: Literal["apologise", "hang_up"] = "apologise"
    """What a caller gets whose media stream broke off, or never began, and with whose call nobody can go on."""
    rest_timeout_s: Positive = 5.0
    """How long a carrier's API may take to answer."""
    end_by_rest_grace_s: Positive = 2.0
    """After a REST request ended a call, the carrier has this long to close the socket before we do."""
    drain_deadline_s: Positive = 60.0
    """After SIGTERM calls may run this long; then they move to another process, or are asked to end."""
    drain_goodbye_s: Positive = 15.0
    """After that they have this long for their last words."""

    @property
    def calls_of_a_number(self) -> int:
        """How many calls one calling number may have in a process: never all of them, unless that is written."""
        return self.max_calls_per_number or max(1, min(_CALLS_OF_A_NUMBER, self.max_calls // 2))

    def __post_init__(self) -> None:
        url = self.public_url
        if url and (not is_address(url) or "?" in url or "#" in url):
            raise ValueError(f"public_url is {url!r}, expected an address such as https://bridge.example.com")
        for network in self.trusted_proxies:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(f"trusted_proxies has {network!r}, expected a network such as 10.0.0.0/8") from None
