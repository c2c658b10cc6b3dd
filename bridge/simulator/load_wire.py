"""A WebSocket client just wide enough for fifty frames a second on hundreds of calls: a transport, bytes in, texts out.

RFC 6455. The frames of all calls of a process are built here, so there is one bytes object and one write for each.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import os
import ssl
import struct
from collections.abc import Callable
from typing import cast
from urllib.parse import SplitResult, unquote, urlsplit

from bridge.errors import BadMessage
from bridge.http import environment_proxy

_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OPEN_S = 10.0
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10


def frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """A whole client frame. The mask is zero: it protects browsers' proxies, and we are neither."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
    elif length < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, length)
    return head + b"\0\0\0\0" + payload


@functools.cache
def trust() -> ssl.SSLContext:
    """Who is trusted; read once, as reading all authorities takes longer than a frame may wait."""
    return ssl.create_default_context()


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a connection to `target` (RFC 9110, 9.3.6); `opened` has what became of it."""

    def __init__(self, target: str, proxy: SplitResult) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
        if proxy.username is not None:
            known = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
            self._head += f"Proxy-Authorization: Basic {base64.b64encode(known).decode()}\r\n"
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(f"{self._head}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """All of it is the proxy's own: a WebSocket's server speaks second."""
        self._answer += data
        if self.opened.done():
            return
        if b"\r\n\r\n" in self._answer:
            first = self._answer.splitlines()[0].decode("latin-1")
            refused = first.split(" ")[1:2] != ["200"]
            self._settle(OSError(f"the proxy refused: {first}") if refused else None)
        elif len(self._answer) > 8192:
            self._settle(OSError("the proxy did not answer as one does"))

    def connection_lost(self, error: Exception | None) -> None:
        self._settle(OSError("the proxy did not answer as one does"))

    def _settle(self, error: OSError | None) -> None:
        if self.opened.done():
            return
        if error is None:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(error)


class MediaSocket(asyncio.Protocol):
    """One socket. `on_text` gets each message, `on_close` is called once at the end with the close code or None."""

    def __init__(self, on_text: Callable[[bytes], None], on_close: Callable[[int | None], None]) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_text = on_text
        self._on_close = on_close
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._parts = bytearray()
        self._request = b""
        self._accept = b""
        self._open = False
        self._code: int | None = None

    @classmethod
    async def connect(
        cls, url: str, headers: dict[str, str], on_text: Callable[[bytes], None], on_close: Callable[[int | None], None]
    ) -> MediaSocket:
        """Open a socket. Raises BadMessage for an answer that is no upgrade, OSError (also TimeoutError)
        when nobody answers."""
        parts = urlsplit(url)
        secure = parts.scheme == "wss"
        port = parts.port or (443 if secure else 80)
        media = cls(on_text, on_close)
        key = base64.b64encode(os.urandom(16))
        lines = [
            f"GET {parts.path or '/'} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Connection: Upgrade",
            "Upgrade: websocket",
        ]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key.decode()}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        media._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        media._accept = base64.b64encode(hashlib.sha1(key + _ACCEPT, usedforsecurity=False).digest())
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_OPEN_S):
            host, tls = parts.hostname or "", trust() if secure else None
            proxy = environment_proxy(url)
            if proxy is None:
                await loop.create_connection(lambda: media, host, port, ssl=tls)
            else:
                await media._open_through(urlsplit(proxy), host, port, tls)
            await media.opened
        return media

    async def _open_through(self, proxy: SplitResult, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Connect through a proxy, which may itself be spoken to over TLS. Raises OSError."""
        loop = asyncio.get_running_loop()
        tunnel = _Tunnel(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", proxy)
        guarded = trust() if proxy.scheme == "https" else None
        at = proxy.port or (443 if guarded else 80)
        transport, _ = await loop.create_connection(lambda: tunnel, proxy.hostname or "", at, ssl=guarded)
        try:
            await tunnel.opened
            transport.set_protocol(self)
            inner = transport if tls is None else await loop.start_tls(transport, self, tls, server_hostname=host)
        except BaseException:
            transport.abort()
            raise
        if inner is None:
            raise OSError("the connection was closed while TLS began")
        self.connection_made(inner)

    def send(self, payload: bytes) -> None:
        """Send one text message to the server."""
        if self._transport is not None:
            self._transport.write(frame(payload))

    def close(self) -> None:
        """Send a close frame and close the connection."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(struct.pack("!H", 1000), _CLOSE))
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request for the upgrade to a WebSocket."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Answer of the handshake, then frames."""
        self._buffer += data
        if not self._open and not self._handshake():
            return
        while self._one_frame():
            pass

    def connection_lost(self, error: Exception | None) -> None:
        """Report that the connection is gone."""
        if not self.opened.done():
            self.opened.set_exception(BadMessage("31920 handshake error: closed before the upgrade"))
        elif self._open:
            self._open = False
            self._on_close(self._code)

    def _handshake(self) -> bool:
        head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not found:
            return False
        lines = head.split(b"\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:] if b": " in line)
        upgraded = lines[0].split(b" ")[1:2] == [b"101"] and b"sec-websocket-accept" in fields
        if not upgraded or fields[b"sec-websocket-accept"] != self._accept.lower():
            self.opened.set_exception(BadMessage(f"31920 handshake error: {lines[0].decode('latin-1')}"))
            if self._transport is not None:
                self._transport.abort()
            return False
        self._buffer = bytearray(rest)
        self._open = True
        self.opened.set_result(None)
        return True

    def _one_frame(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        length, at = buffer[1] & 0x7F, 2
        if length == 126:
            length, at = int.from_bytes(buffer[2:4], "big"), 4
        elif length == 127:
            length, at = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < at + length or (at > 2 and len(buffer) < at):
            return False
        first, payload = buffer[0], bytes(buffer[at : at + length])
        del buffer[: at + length]
        opcode = first & 0x0F
        if opcode in (0, _TEXT, _BINARY):
            self._parts += payload
            if first & 0x80:
                whole = bytes(self._parts)
                self._parts.clear()
                self._on_text(whole)
        elif opcode == _PING and self._transport is not None:
            self._transport.write(frame(payload, _PONG))
        elif opcode == _CLOSE:
            self._code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
            self.close()
        return True
