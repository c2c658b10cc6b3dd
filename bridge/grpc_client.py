"""Outgoing gRPC for hosted services: calls with a stream each way, in raw messages, reached as HTTP is (`bridge.http`).

The package `grpcio` is loaded when a service is configured that speaks it (`pip install 'bridge[google]'`).
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bridge.errors import BridgeError, ConfigError, FailureKind
from bridge.http import HttpClient

_CALLS_A_CHANNEL = 50
"""Servers let about a hundred calls share a connection, and those beyond wait without a word."""
_LARGEST_MESSAGE = 1 << 20
_KINDS: dict[str, FailureKind] = {
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "auth",
    "RESOURCE_EXHAUSTED": "busy",
    "INVALID_ARGUMENT": "rejected",
    "NOT_FOUND": "rejected",
    "FAILED_PRECONDITION": "rejected",
    "OUT_OF_RANGE": "rejected",
    "UNIMPLEMENTED": "rejected",
    "ABORTED": "lost",
    "UNAVAILABLE": "lost",
    "DEADLINE_EXCEEDED": "lost",
    "CANCELLED": "lost",
}
"""By the names of https://grpc.io/docs/guides/status-codes; all others are the service's own fault."""


def load(module: str, extra: str = "google") -> Any:
    """Return a module of an extra. Raises ConfigError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ConfigError(f"the package with {module} is not installed: pip install 'bridge[{extra}]'") from None


class RpcFailed(BridgeError):
    """A call has ended without having been asked to; `code` is the name of its status."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"{code}{': ' + ' '.join(details.split())[:120] if details else ''}")
        self.code = code
        self.details = details

    @property
    def kind(self) -> FailureKind:
        """Why it failed, as far as every service means the same by this status."""
        ours = "larger than max" in self.details  # which is our limit, under a status that means theirs
        return "internal" if ours else _KINDS.get(self.code, "internal")


class Rpc:
    """One call: messages out, messages in, until either side ends it. Methods raise RpcFailed."""

    def __init__(self, call: Any, over: Any) -> None:
        self._call = call
        self._over = over

    async def connected(self) -> None:
        """Wait until the call has reached the service."""
        await self._guarded(self._call.wait_for_connection())

    async def write(self, message: bytes) -> None:
        """Send one message to the service."""
        # Its own `write` takes a refusal that comes meanwhile for an error of its core, and forgets what it said.
        send = getattr(getattr(self._call, "_cython_call", None), "send_serialized_message", self._call.write)
        if self._call.done():
            await self._fail()
        await self._guarded(send(message))

    async def end(self) -> None:
        """Say that nothing more is sent, while answers still come."""
        await self._guarded(self._call.done_writing())

    async def read(self) -> bytes | None:
        """The next message; None: the service has ended the call, and all is well."""
        message = await self._guarded(self._call.read())
        return message if isinstance(message, bytes) else None

    def cancel(self) -> None:
        """End the call at once; the service stops its work."""
        self._call.cancel()
        self._over()

    async def _guarded(self, step: Any) -> Any:
        grpc = load("grpc")
        try:
            return await step
        except grpc.aio.AioRpcError as error:
            raise RpcFailed(error.code().name, error.details() or "") from None
        except (asyncio.InvalidStateError, grpc.aio.InternalError):
            await self._fail()

    async def _fail(self) -> None:
        """The call is over, or is just ending: say why. Raises RpcFailed."""
        code = await self._call.code()
        raise RpcFailed(code.name, await self._call.details() or "")


class GrpcClient:
    """Connections to one server, as many as its calls need; belongs to one event loop.

    A URL with `http` is one without TLS, for servers on this machine.
    """

    def __init__(self, http: HttpClient, url: str) -> None:
        self._grpc = load("grpc")
        load("grpc.aio")
        self._http = http
        self._url = url
        self._channels: list[_Channel] = []

    async def reach(self, connect_s: float) -> None:
        """Have a connection open. Raises RpcFailed when none can be had in time."""
        channel = self._free()
        try:
            async with asyncio.timeout(connect_s):
                await channel.channel.channel_ready()
        except TimeoutError:
            raise RpcFailed("UNAVAILABLE", f"no connection within {connect_s:g} s") from None

    def call(self, method: str, metadata: Mapping[str, str]) -> Rpc:
        """Begin a call with a stream each way."""
        channel = self._free()
        began = channel.channel.stream_stream(method, None, None)(metadata=tuple(metadata.items()))
        channel.calls += 1
        done = False

        def over(*_call: Any) -> None:
            nonlocal done
            channel.calls -= not done
            done = True

        began.add_done_callback(over)
        return Rpc(began, over)

    async def close(self) -> None:
        """End all calls and close all connections."""
        channels, self._channels = self._channels, []
        for one in channels:
            await one.channel.close()

    def _free(self) -> _Channel:
        for one in self._channels:
            if one.calls < _CALLS_A_CHANNEL:
                return one
        self._channels.append(_Channel(self._open()))
        return self._channels[-1]

    def _open(self) -> Any:
        parts = urlsplit(self._url)
        proxy = self._http.proxy_for(self._url)
        options: list[tuple[str, int | str]] = [
            ("grpc.enable_retries", 0),  # who is asked again is decided elsewhere
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2000),
            ("grpc.enable_http_proxy", int(proxy is not None)),
        ]
        if proxy is not None:
            options.append(("grpc.http_proxy", proxy))
        if parts.scheme == "http":
            return self._grpc.aio.insecure_channel(parts.netloc, options)
        target = parts.netloc if parts.port else f"{parts.netloc}:443"
        ours = self._http.authorities
        usual = pkgutil.get_data("grpc._cython", "_credentials/roots.pem") if ours else None
        trust = self._grpc.ssl_channel_credentials(None if usual is None else ours + b"\n" + usual)
        return self._grpc.aio.secure_channel(target, trust, options)


class _Channel:
    """One connection, and how many calls are on it."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.calls = 0
