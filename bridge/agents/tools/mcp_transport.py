"""The way of requests to MCP servers, which `mcp` sends by httpx2: once more where a kept connection had just closed.

As `bridge.http.HttpClient` does it for everybody else.
"""

from __future__ import annotations

import ssl
from typing import Any

import httpx2

_CLOSES = 408
"""What some servers say as they close a connection that was idle."""
_CONNECTS = "connection.connect_tcp.started"


class OnceMore(httpx2.AsyncBaseTransport):
    """Sends requests over kept connections, and over one of its own where the kept one closed without an answer."""

    def __init__(self, proxy: str | None, trust: ssl.SSLContext | None) -> None:
        how: dict[str, Any] = {"proxy": proxy, "verify": trust or True, "trust_env": False}
        self._kept = httpx2.AsyncHTTPTransport(**how)
        self._fresh = httpx2.AsyncHTTPTransport(**how, limits=httpx2.Limits(max_keepalive_connections=0))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. Raises httpx2.TransportError."""
        connected = False

        async def noted(event: str, _info: Any) -> None:
            nonlocal connected
            connected = connected or event == _CONNECTS

        request.extensions = {**request.extensions, "trace": noted}
        try:
            answer = await self._kept.handle_async_request(request)
            if connected or answer.status_code != _CLOSES:
                return answer
            await answer.aclose()
        except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
            if connected:
                raise
        return await self._fresh.handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections to the server."""
        await self._kept.aclose()
        await self._fresh.aclose()
