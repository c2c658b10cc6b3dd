"""A link to a service that is spoken to by gRPC: one call after another, each of them ended by an empty message.

A wire sends an empty message to say that nothing more comes of a call; it is given one when the service has ended
that call in turn. Its next message begins another. What comes of a call that was given up is not passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from bridge.errors import ConfigError
from bridge.grpc_client import GrpcClient, Rpc, RpcFailed
from bridge.listening.recognisers.base import StreamFailed
from bridge.listening.recognisers.links import Channel, Closed, LinkFailed
from bridge.listening.recognisers.wire import Message

END = b""


class RpcLink:
    """The way to one method of a service; `headers` make up what each call carries."""

    def __init__(
        self,
        client: GrpcClient,
        where: str,
        method: str,
        headers: Callable[[], Mapping[str, str]],
        connect_s: float,
    ) -> None:
        self.where = where
        self.connect_s = connect_s
        self._client = client
        self._method = method
        self._headers = headers

    async def open(self) -> Channel:
        """Have a connection open; a call begins with the first message."""
        try:
            await self._client.reach(self.connect_s)
        except RpcFailed as error:
            raise LinkFailed(StreamFailed("lost", str(error))) from None
        return RpcChannel(self.begin, self.connect_s)

    def begin(self) -> Rpc:
        """Begin a call. Raises LinkFailed when our account cannot sign for it."""
        try:
            return self._client.call(self._method, self._headers())
        except ConfigError as error:
            raise LinkFailed(StreamFailed("auth", str(error))) from None


class RpcChannel:
    """Calls in a row as one channel."""

    def __init__(self, begin: Callable[[], Rpc], connect_s: float) -> None:
        self._begin = begin
        self._connect_s = connect_s
        self._rpc: Rpc | None = None
        self._ended = False
        """Of the call under way no more will be sent."""
        self._begun = asyncio.Event()

    async def send(self, message: Message) -> None:
        """Send one message on the call under way, or on a new one if that was ended. Raises LinkFailed."""
        assert isinstance(message, bytes)
        try:
            if message == END:
                if self._rpc is not None and not self._ended:
                    self._ended = True
                    await self._rpc.end()
                return
            if self._rpc is None or self._ended:
                await self._next()
            assert self._rpc is not None
            await self._rpc.write(message)
        except RpcFailed as error:
            raise LinkFailed(failure_of(error)) from None

    async def receive(self) -> Message | Closed:
        """Wait for the next message of the call under way. Raises LinkFailed when it fails."""
        while True:
            await self._begun.wait()
            rpc = self._rpc
            assert rpc is not None
            try:
                message = await rpc.read()
            except RpcFailed as error:
                if self._rpc is not rpc:
                    continue
                raise LinkFailed(failure_of(error)) from None
            except asyncio.CancelledError:
                if self._rpc is rpc or asyncio.current_task().cancelling():  # type: ignore[union-attr]
                    raise
                continue  # it was given up for another
            if self._rpc is not rpc:
                continue
            if message is not None:
                return message
            if not self._ended:
                return Closed(None, "ended the call")
            self._rpc, self._ended = None, False
            self._begun.clear()
            return END

    async def close(self) -> None:
        """End the call under way at once."""
        rpc, self._rpc = self._rpc, None
        self._begun.clear()
        if rpc is not None:
            rpc.cancel()

    async def _next(self) -> None:
        before, self._rpc = self._rpc, self._begin()
        self._ended = False
        self._begun.set()
        if before is not None:
            before.cancel()
        async with asyncio.timeout(self._connect_s):
            await self._rpc.connected()


def failure_of(error: RpcFailed) -> StreamFailed:
    """Sort a status by what helps, as Google's services mean it.

    A stream that has grown too old and one that was sent nothing have the same status (ABORTED, or OUT_OF_RANGE), and
    differ in their words.
    """
    said = error.details.lower()
    if "no more client requests" in said or "without audio" in said:
        return StreamFailed("idle", str(error))
    if error.code == "RESOURCE_EXHAUSTED" and "billing" in said:
        return StreamFailed("quota", str(error))
    return StreamFailed(error.kind, str(error))
