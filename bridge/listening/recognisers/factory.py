"""Build the recognisers that the settings ask for: the one place that knows every kind, and how calls share them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from bridge.errors import ConfigError
from bridge.http import HttpClient, OpenClient
from bridge.listening.engine_pool import EnginePool
from bridge.listening.hosted_settings import HostedRecogniserSettings
from bridge.listening.recognisers.base import Recogniser
from bridge.listening.recognisers.chain import RankedRecogniser, RecogniserChain
from bridge.listening.recognisers.embedded import EmbeddedRecogniser
from bridge.listening.recognisers.hosted.catalogue import hosted_recogniser
from bridge.listening.recognisers.openai_transcriptions import OpenAITranscriptions
from bridge.listening.recognisers.websocket import WebSocketRecogniser
from bridge.listening.settings import (
    NoRecogniserSettings,
    OpenAITranscriptionSettings,
    RecogniserSettings,
    WebSocketRecogniserSettings,
    WhisperSettings,
)

SomeRecogniser = WhisperSettings | OpenAITranscriptionSettings | WebSocketRecogniserSettings | HostedRecogniserSettings
Order = tuple[SomeRecogniser, ...]
"""Recognisers, the one that is asked first at the beginning."""


def order_of(first: RecogniserSettings, fallbacks: Sequence[RecogniserSettings]) -> Order:
    """Who is asked on calls whose recogniser is `first`. Raises ConfigError for an order that makes no sense.

    With no recogniser there is nothing to fall back on, and a fallback that is the first itself is left out.
    """
    if any(isinstance(one, NoRecogniserSettings) for one in fallbacks):
        raise ConfigError("listening.fallback_recognisers: kind none recognises nothing, so it can replace nobody")
    if isinstance(first, NoRecogniserSettings):
        return ()
    ranked: list[RecogniserSettings] = [first, *(one for one in fallbacks if one != first)]
    order = tuple(one for one in ranked if not isinstance(one, NoRecogniserSettings))
    if sum(isinstance(one, WhisperSettings) for one in order) > 1:
        raise ConfigError("listening.fallback_recognisers: whisper is there twice; its processes hold one model")
    return order


class CallRecognisers:
    """The recognisers of a process: each is built once, and so is its health, however many orders it stands in.

    `open_client` reaches those elsewhere, whose keys are in `environ`.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        open_client: OpenClient = HttpClient,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._clock = clock
        self.open_client = open_client
        self._environ = environ
        self._ranked: dict[SomeRecogniser, RankedRecogniser] = {}
        self._chains: dict[RecogniserSettings, RecogniserChain] = {}
        self._seconds: dict[RecogniserSettings, RecogniserChain] = {}
        """For comparison: with a health of their own, since no call waits for them."""
        self._none = RecogniserChain((), clock)

    async def load(
        self,
        orders: Sequence[Order],
        pool_of: Callable[[WhisperSettings], EnginePool],
        seconds: Sequence[SomeRecogniser] = (),
    ) -> None:
        """Build what these orders name, and those that listen along, and get them ready. Raises ConfigError."""
        for settings in dict.fromkeys([*(one for order in orders for one in order), *seconds]):
            recogniser = build_recogniser(settings, pool_of, self.open_client, self._environ)
            ranked = RankedRecogniser(len(self._ranked), recogniser)
            self._ranked[settings] = ranked
            await ranked.recogniser.load()
        for order in filter(None, orders):
            self._chains[order[0]] = RecogniserChain([self._ranked[one] for one in order], self._clock)
        for settings in seconds:
            own = RankedRecogniser(self._ranked[settings].rank, self._ranked[settings].recogniser)
            self._seconds[settings] = RecogniserChain([own], self._clock)

    async def unload(self) -> None:
        """Let go of all of them."""
        for ranked in self._ranked.values():
            await ranked.recogniser.unload()

    def chain(self, first: RecogniserSettings) -> RecogniserChain:
        """Who is to be asked on calls whose recogniser is this one."""
        return self._none if isinstance(first, NoRecogniserSettings) else self._chains[first]

    def second(self, settings: RecogniserSettings) -> RecogniserChain | None:
        """Who listens along with these settings; None: nobody."""
        return self._seconds.get(settings)

    def heard_s(self) -> dict[str, float]:
        """Audio that each recogniser was given since the process started, by its name."""
        along = (ranked for chain in self._seconds.values() for ranked in chain.ranked)
        found: defaultdict[str, float] = defaultdict(float)
        for ranked in (*self._ranked.values(), *along):
            found[ranked.recogniser.name] += ranked.counters.heard_s
        return found

    def stats(self) -> dict[str, float]:
        """Counters by recogniser, for the metrics page."""
        found: dict[str, float] = {}
        for ranked in self._ranked.values():
            found |= ranked.stats()
        return found


def build_recogniser(
    settings: SomeRecogniser,
    pool_of: Callable[[WhisperSettings], EnginePool],
    open_client: OpenClient = HttpClient,
    environ: Mapping[str, str] | None = None,
) -> Recogniser:
    """The recogniser that these settings describe; `pool_of` has the processes of an embedded one."""
    match settings:
        case WhisperSettings():
            return EmbeddedRecogniser(pool_of(settings))
        case OpenAITranscriptionSettings():
            return OpenAITranscriptions(settings, open_client, environ)
        case WebSocketRecogniserSettings():
            return WebSocketRecogniser(settings, open_client, environ)
        case _:
            return hosted_recogniser(settings, open_client, environ)
