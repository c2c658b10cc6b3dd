"""How text becomes speech: settings of the phrase cache, of the providers and of the voices."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bridge.speaking.hosted_settings import HostedVoice
from bridge.speaking.voices.addresses import check_address
from bridge.text.settings import ChunkSettings
from bridge.text.spoken.languages import language
from bridge.variables import VariableOrNone


class CacheSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where finished phrases are kept (`bridge.speaking.phrases.cache`)."""

    memory_mb: float = 64.0
    disk_path: str = ""
    """A folder, relative to the configuration file's; empty: nothing is kept on disk."""
    disk_mb: float = 512.0
    disk_deadline_ms: float = 100.0
    """The longest that a look-up on disk may hold a call up; a disk that is late thrice is left alone for a while."""
    redis_mb: float = 256.0
    """The most that Redis keeps for one tenant."""
    redis_deadline_ms: float = 5.0
    """The longest that a look-up in Redis (`store.redis_url`) may hold a call up."""
    redis_keep_days: float = 30.0
    tenant_share: float = 0.5
    """The most of memory and disk that one tenant may take."""
    share_between_tenants: bool = False
    """True: a phrase that one tenant's call made is played to all. Only for tenants that trust each other."""
    finish_chars: int = 160
    """A phrase up to this length is finished and kept although the call that asked for it has gone."""
    price_per_million_chars: float = 15.0
    """What a hosted voice would cost, for the counter of money saved."""


class WorkerProviderSettings(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="worker"
):
    """A further fleet of speech workers, beside that of `speaking.workers`."""

    addresses: tuple[str, ...]
    """`ws://host:port` or `unix:/path`, at least one; `dns+ws://name:port` and `ray+http://host:port/workers` stand for
    as many as there are."""
    token_env: VariableOrNone = ""
    """The environment variable that holds the token; empty: none is asked for."""
    sockets: int = 1
    """Warm sockets that are held to each address."""

    def __post_init__(self) -> None:
        if not self.addresses:
            raise ValueError("addresses is empty, expected at least one worker such as ws://127.0.0.1:8090")
        for address in self.addresses:
            check_address(address)


ProviderSettings = WorkerProviderSettings | HostedVoice
"""A union with one member for each kind of provider, told apart by `kind`."""


class VoiceRoute(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way to speak with a voice."""

    provider: str = "worker"
    """One of `speaking.providers`, or `worker`: the workers of `speaking.workers`."""
    voice: str = ""
    """That provider's own name for it; empty: its default."""
    language: str = ""
    """The language that this voice speaks, such as `de-DE`: texts of this language, and those that name none, are read
    in it, and it is chosen where a call goes on in the language. Empty: English, and with a worker's voice the language
    that the worker's configuration gives it."""


class SpeakingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bot's side of the sound."""

    workers: tuple[str, ...] = ()
    """`ws://host:port` or `unix:/path`; `dns+ws://name:port` stands for all whom the name leads to, and
    `ray+http://host:port/workers` for a fleet on Ray Serve. Empty: a worker process is started on a local socket."""
    worker_token_env: VariableOrNone = "BRIDGE_WORKER_TOKEN"
    """The environment variable with the token of the workers in `workers`; without the variable none is sent."""
    worker_sockets: int = 1
    """Warm sockets to each worker."""
    recordings: dict[str, str] = {}
    """WAV files that agents may play instead of speaking, by a name; relative to the configuration file."""
    providers: dict[str, ProviderSettings] = {}
    """Who else makes speech, by a name of your own."""
    voices: dict[str, tuple[VoiceRoute, ...]] = {}
    """Names that agents use for voices, each with the ways to speak with it, best first: when one fails, the next goes
    on. A name that is not here means the voice that a provider calls so."""
    voice: str = ""
    """Speaks where no voice is named; empty: the worker's default."""
    lighter: dict[str, str] = {}
    """Who speaks what is not in memory in a voice's place, such as `{heart: small}`, while the process is under
    pressure (`gateway.pressure`): a cheaper voice of the same kind. `""` stands for the worker's default."""
    speed: float = 1.0
    chunking: ChunkSettings = ChunkSettings()
    cache: CacheSettings = CacheSettings()
    first_audio_ms: float = 1200.0
    """No audio after this long: the stream is tried on another worker."""
    stall_ms: float = 1500.0
    """A caller who waits this long in the middle of an utterance: the rest is made by another worker."""
    switch_ms: float = 900.0
    """Where the next provider of a voice's order could go on, no longer is waited than this, for first audio or in the
    middle: with the lead of a call hardly any of it is heard."""
    give_up_ms: float = 3500.0
    """No audio from any worker after this long: the utterance has failed."""
    ahead_ms: float = 3000.0
    """Speech made beyond what the caller's lead has taken: more would be made for nobody at an interruption."""
    filler_after_ms: Annotated[float, msgspec.Meta(ge=0)] = 350.0
    """Under pressure (`gateway.pressure`) an answer of which nothing is there so long after it should begin is bridged
    by `call.filler`: the caller hears that we are there, and the worker has that much more time."""
    start_s: float = 60.0
    """How long a local worker may take to load its voices."""
    warm: tuple[str, ...] = ()
    """Phrases made before the service is ready."""
    prefetch_streams: int = 1
    """Phrases made ahead at the same time, while no caller waits for speech."""

    def __post_init__(self) -> None:
        if "worker" in self.providers:
            raise ValueError("providers has one named 'worker', which is the name of the workers in `workers`")
        for address in self.workers:
            check_address(address)
        known = ("worker", *self.providers)
        for name, routes in self.voices.items():
            if not routes:
                raise ValueError(f"voices.{name} is empty, expected at least one provider")
            for route in routes:
                if route.provider not in known:
                    raise ValueError(
                        f"voices.{name} names the provider {route.provider!r}; there are: {', '.join(known)}"
                    )
                if route.language:
                    try:
                        language(route.language)
                    except KeyError as error:
                        raise ValueError(f"voices.{name}.language: {error.args[0]}") from None
