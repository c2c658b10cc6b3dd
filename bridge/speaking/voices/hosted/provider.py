"""What all hosted voices share: keys, voices, how many texts at once, and counters of what was sent and its price."""

from __future__ import annotations

import asyncio
import logging
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import msgspec

from bridge import variables
from bridge.audio.formats import MULAW_8000
from bridge.errors import VoiceError, VoiceLost
from bridge.http import HttpClient, OpenClient
from bridge.speaking.hosted_settings import HostedVoiceSettings
from bridge.speaking.voices.base import SpeechListener, SpeechRequest, SpeechStream
from bridge.speaking.voices.hosted.connection import VoiceConnection
from bridge.speaking.voices.hosted.http_stream import HttpStream, by_http
from bridge.speaking.voices.hosted.socket_stream import SocketStream
from bridge.speaking.voices.hosted.wire import HttpVoiceWire, VoiceWire, busy

log = logging.getLogger(__name__)

_AGAIN_S = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Between tries to open a warm connection."""
_WATCH_S = 5.0
"""How often warm connections are looked at."""


class HostedProvider(ABC):
    """A vendor's voices: who is asked, with which key, and how many at once."""

    def __init__(
        self,
        name: str,
        settings: HostedVoiceSettings,
        open_client: OpenClient = HttpClient,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._environ = os.environ if environ is None else environ
        self.default_voice = settings.voices[0]
        self.voices: Mapping[str, str] = MappingProxyType(dict.fromkeys(settings.voices, settings.model))
        self.keeps_phrases = settings.keep_phrases
        self.price_per_million_chars = settings.price_per_million_chars
        self.counts: Counter[str] = Counter()
        self._settings = settings
        self._open_client = open_client
        self._http: HttpClient | None = None
        self._key = variables.Secret()
        self._changed: Callable[[], None] = lambda: None
        self._streams: set[SocketStream | HttpStream] = set()
        self._serial = 0

    @property
    def usable(self) -> bool:
        """Whether it has a key, and nothing is known to be wrong."""
        return self._http is not None and not self._keyless

    @property
    def _keyless(self) -> bool:
        return bool(self._settings.key_env) and not self._key

    async def start(self, changed: Callable[[], None]) -> None:
        """Have a client ready, and return at once; without a key it stays unusable."""
        self._changed = changed
        self._read_key()
        if self._keyless:
            log.error("voice %s: environment variable %s is not set", self.name, self._settings.key_env)
        self._http = self._open()
        changed()

    def _read_key(self) -> None:
        self._key = variables.header(self._settings.key_env, self._environ)

    def _open(self) -> HttpClient:
        """Open the client through which everything is asked for."""
        return self._open_client()

    async def close(self) -> None:
        """Fail all streams as lost and let go of everything."""
        http, self._http = self._http, None
        for stream in list(self._streams):
            stream.fail(VoiceLost(f"voice {self.name} is closing"))
        if http is not None:
            await http.close()

    def open(self, request: SpeechRequest, listener: SpeechListener) -> SpeechStream:
        """Begin a stream. Raises VoiceError when it is known at once that nothing will come of it."""
        if self._http is None:
            raise VoiceLost(f"voice {self.name} is not started")
        if self._keyless:
            raise VoiceError(f"environment variable {self._settings.key_env} is not set", "auth")
        if self.at_work >= self._settings.concurrency:
            raise busy(f"voice {self.name} has {self._settings.concurrency} texts to speak already")
        if request.voice and request.voice not in self.voices:
            raise VoiceError(f"voice {self.name} has none that is called {request.voice!r}", "rejected")
        self._serial += 1
        request = _with_voice(request, self.default_voice)
        stream = self._begin(f"bridge{self._serial}", request, listener)
        self._streams.add(stream)
        return stream

    @property
    def at_work(self) -> int:
        """Texts that the vendor counts as being spoken."""
        return len(self._streams)

    def stats(self) -> dict[str, float]:
        """Counters: texts under way, characters sent, their price."""
        cost = self.counts["characters"] * self.price_per_million_chars / 1e6
        return {**self.counts, "at_work": self.at_work, "cost": cost}

    @abstractmethod
    def _begin(self, context: str, request: SpeechRequest, listener: SpeechListener) -> SocketStream | HttpStream:
        """Open the stream of one text, which belongs to this context."""

    def sent(self, text: str) -> None:
        """Count what the vendor will bill."""
        self.counts["characters"] += len(text)

    def over(self, stream: SocketStream | HttpStream) -> None:
        """A stream has ended, in whatever way."""
        self._streams.discard(stream)


class HttpProvider(HostedProvider):
    """A vendor that is asked sentence by sentence; `wire_of` makes the protocol of each request."""

    def __init__(
        self,
        name: str,
        settings: HostedVoiceSettings,
        wire_of: Callable[[], HttpVoiceWire],
        open_client: OpenClient = HttpClient,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, settings, open_client, environ)
        self._wire_of = wire_of

    def _begin(self, context: str, request: SpeechRequest, listener: SpeechListener) -> HttpStream:
        assert self._http is not None
        return HttpStream(self, partial(by_http, self._http, self._key), self._wire_of, request, listener)


class SocketProvider(HostedProvider):
    """A vendor with WebSockets, a few of which are held open; `wire_of` makes the protocol of each."""

    def __init__(
        self,
        name: str,
        settings: HostedVoiceSettings,
        wire_of: Callable[[], VoiceWire],
        open_client: OpenClient = HttpClient,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, settings, open_client, environ)
        self._wire_of = wire_of
        self._connections: list[VoiceConnection] = []
        self._keeper: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._unreachable = False

    @property
    def usable(self) -> bool:
        """Whether it has a key, and could be reached when that was last tried without a text."""
        return super().usable and not self._unreachable

    @property
    def at_work(self) -> int:
        """Texts that the vendor counts, cancelled ones that it has not confirmed included."""
        return max(len(self._streams), sum(connection.contexts for connection in self._connections))

    async def start(self, changed: Callable[[], None]) -> None:
        """Begin to connect, if connections are to be held open."""
        self._unreachable = self._settings.warm > 0
        await super().start(changed)
        if not self._keyless and self._settings.warm:
            self._keeper = asyncio.get_running_loop().create_task(self._keep_warm())

    async def close(self) -> None:
        """Fail all streams as lost and close all connections."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for stream in list(self._streams):
            stream.fail(VoiceLost(f"voice {self.name} is closing"))
        connections = list(self._connections)
        for connection in connections:
            connection.close(VoiceLost(f"voice {self.name} is closing"))
        await asyncio.gather(*(connection.closed() for connection in connections))
        await super().close()

    def stats(self) -> dict[str, float]:
        """Counters, those of the connections included."""
        return {**super().stats(), "connected": sum(one.opened for one in self._connections)}

    def _begin(self, context: str, request: SpeechRequest, listener: SpeechListener) -> SocketStream:
        connection = self._place(request)
        stream = SocketStream(self, connection, context, request, listener)
        self._look.set()  # another one may be wanted for the next text
        return stream

    def _place(self, request: SpeechRequest) -> VoiceConnection:
        """The connection that is to speak this text. Raises VoiceError when there may be no more of them."""
        self._sweep()
        wire = self._wire_of()
        address = wire.address(request, self._key)
        free = [one for one in self._connections if one.address == address and one.free()]
        if free:
            # Those that are open, and among them the fullest: the others grow idle and go.
            return max(free, key=lambda one: (one.opened, one.contexts))
        return self._connect(request, wire)

    def _connect(self, request: SpeechRequest, wire: VoiceWire) -> VoiceConnection:
        if len(self._connections) >= self._settings.sockets:
            idle = next((one for one in self._connections if not one.busy), None)
            if idle is None:
                raise busy(f"voice {self.name} has {self._settings.sockets} connections at work already")
            idle.close(VoiceLost("closed for another voice"))
        assert self._http is not None
        address = wire.address(request, self._key)
        connection = VoiceConnection(self._http, wire, address, self._settings.connect_s, self._look.set)
        self._connections.append(connection)
        self.counts["connections"] += 1
        return connection

    async def _keep_warm(self) -> None:
        """Hold connections of the default voice open, and know by them whether the vendor can be reached."""
        wanted = _with_voice(SpeechRequest(audio_format=MULAW_8000), self.default_voice)
        attempt = 0
        while True:
            self._look.clear()
            self._sweep()
            address = self._wire_of().address(wanted, self._key)
            spare = [one for one in self._connections if one.address == address and one.free()]
            if len(spare) < self._settings.warm and len(self._connections) < self._settings.sockets:
                if not await self._warm_up(self._connect(wanted, self._wire_of())):
                    await asyncio.sleep(_AGAIN_S[min(attempt, len(_AGAIN_S) - 1)])
                    attempt += 1
                    continue
                attempt = 0
            try:
                async with asyncio.timeout(_WATCH_S):
                    await self._look.wait()
            except TimeoutError:
                pass

    async def _warm_up(self, connection: VoiceConnection) -> bool:
        """Wait until a connection is open, or has failed."""
        while not connection.opened and connection.failure is None:
            self._look.clear()
            await self._look.wait()
        reachable = connection.opened
        if not reachable:
            (log.debug if self._unreachable else log.warning)("voice %s: %s", self.name, connection.failure)
        if self._unreachable == reachable:
            self._unreachable = not reachable
            self._changed()
        return reachable

    def _sweep(self) -> None:
        """Forget what is closed, and close what is old and idle."""
        for connection in self._connections:
            if not connection.busy and not connection.free():
                connection.close(VoiceLost("closed after a while without use"))
        self._connections = [one for one in self._connections if one.failure is None]


def _with_voice(request: SpeechRequest, default: str) -> SpeechRequest:
    return request if request.voice else msgspec.structs.replace(request, voice=default)
