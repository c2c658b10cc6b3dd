"""How a carrier reads the addresses in a document, and opens the media socket at one of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

import aiohttp

from bridge.http import environment_proxy, why_unreachable
from bridge.simulator.carriers.base import Carrier
from bridge.simulator.carriers.verbs import Stream
from bridge.simulator.trunk import Webhooks

LOCAL = ("127.0.0.1", "localhost", "::1", "[::1]")


async def open_media_socket(
    session: aiohttp.ClientSession, company: Carrier, webhooks: Webhooks, verb: Stream, *, signed: bool
) -> aiohttp.ClientWebSocketResponse:
    """Open the media socket that a verb asks for. Raises CarrierError, saying what was wrong with it."""
    url = verb.url
    parts = urlsplit(url)
    if parts.scheme != "wss" and parts.hostname not in LOCAL:
        raise company.error("scheme", f"{url} must be wss")
    headers = webhooks.socket_headers(url, verb, signed=signed)
    try:
        target = webhooks.real_address(url)
        opening = session.ws_connect(
            target, headers=headers, max_msg_size=0, autoclose=True, proxy=environment_proxy(target)
        )
        return await asyncio.wait_for(opening, 10.0)
    except aiohttp.WSServerHandshakeError as error:
        raise company.error("handshake", f"{url} answered {error.status}", status=error.status) from None
    except TimeoutError:
        raise company.error("timeout", url) from None
    except aiohttp.InvalidURL:
        raise company.error("url", url[:200]) from None
    except (aiohttp.ClientError, OSError) as error:
        raise company.error("refused", f"{url}: {why_unreachable(error)}") from error
    except ValueError as error:
        raise company.error("url", f"{url[:200]!r}: {error}") from None


def whole_address(company: Carrier, base: str, url: str) -> str:
    """The address that a document at `base` gave, made whole. Raises CarrierError."""
    try:
        joined = urljoin(base, url)
        return joined if urlsplit(joined).hostname else base
    except ValueError as error:
        raise company.error("url", f"{url[:200]!r}: {error}") from None


def whole_addresses(company: Carrier, verb: Stream, base: str) -> Stream:
    """A stream's verb with all its addresses made whole. Raises CarrierError."""
    made = {
        "url": whole_address(company, base.replace("http", "ws", 1), verb.url),
        "action": whole_address(company, base, verb.action) if verb.action else "",
        "status_callback": whole_address(company, base, verb.status_callback) if verb.status_callback else "",
    }
    return replace(verb, **made)  # type: ignore[arg-type]
