"""The carrier's HTTP side: signed webhooks and callbacks, how their answers are taken, and where they really go."""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import quote, urlencode, urljoin, urlsplit, urlunsplit

import aiohttp
import msgspec
from yarl import URL

from bridge.errors import BadMessage
from bridge.http import environment_proxy, why_unreachable
from bridge.simulator.carriers import CARRIERS
from bridge.simulator.carriers.base import Call, Carrier, Signing, Webhook
from bridge.simulator.carriers.verbs import Stream, Verb

WEBHOOK_TIMEOUT_S = 15.0
LARGEST_ANSWER = 64 * 1024
"""Bytes of a document."""
HTTP_REDIRECTS = 10
_TO_GET = (301, 302, 303)
_SAME_METHOD = (307, 308)


class Trunk(msgspec.Struct, frozen=True, kw_only=True):
    """The number that is rung: its webhook, its carrier, and the secret behind signatures."""

    url: str
    """The voice webhook, as it is configured at the carrier."""
    auth_token: str
    """The secret that this carrier signs with, see `Carrier.secret_variable`."""
    carrier: str = "twilio"
    connect_to: str = ""
    """Where the server really is, `http://127.0.0.1:8080`: requests to the origin of `url` go there."""
    status_callback: str = ""
    """The number's call status callback."""
    account: str = ""
    """Empty: one that the carrier double makes up."""

    @property
    def company(self) -> Carrier:
        """The double of the carrier that this trunk belongs to."""
        return CARRIERS[self.carrier]


def new_call(number: str, called: str, seed: str, carrier: str = "twilio") -> Call:
    """Identifiers made from a seed: the same seed gives the same call."""
    return CARRIERS[carrier].new_call(number, called, seed)


class Webhooks:
    """Sends requests to the server as the carrier does."""

    def __init__(
        self, trunk: Trunk, call: Call, session: aiohttp.ClientSession, *, wrong_signature: bool = False
    ) -> None:
        self._trunk = trunk
        self._call = call
        self._session = session
        self._carrier = trunk.company
        self._token = "not-" + trunk.auth_token if wrong_signature else trunk.auth_token
        self.log: list[str] = []
        """One line for each request: what was sent and how it was answered."""

    def dialled(self) -> Webhook:
        """The request for the first document of the call."""
        return self._carrier.document(self._call, self._trunk.url, self._carrier.dial_method, "ringing")

    async def document(self, webhook: Webhook, *, may_be_empty: bool = False) -> tuple[list[Verb], str]:
        """Fetch a document; returns its verbs and its text. Raises CarrierError when the carrier cannot use it."""
        status, content_type, body = await self._request(webhook)
        if not 200 <= status < 300:
            raise self._carrier.error("retrieval", f"{webhook.url} answered {status}", status=status)
        if may_be_empty and not body.strip():
            return [], ""
        return self._carrier.read(content_type, body), body

    async def notify(self, webhook: Webhook) -> None:
        """A status callback: its answer is noted and changes nothing."""
        try:
            await self._request(webhook)
        except BadMessage as error:
            self.log.append(f"{webhook.method} {_path(webhook.url)} {webhook.what} -> {error}")

    async def _request(self, webhook: Webhook) -> tuple[int, str, str]:
        method, url, form = webhook.method, webhook.url, dict(webhook.form)
        try:
            async with asyncio.timeout(WEBHOOK_TIMEOUT_S):
                for _ in range(HTTP_REDIRECTS):
                    status, content_type, body, location = await self._once(webhook, method, url, form)
                    self.log.append(f"{method} {_path(url)} {webhook.what} -> {status}")
                    if not location:
                        return status, content_type, body
                    url = urljoin(url, location)
                    method = "GET" if status in _TO_GET else method
        except TimeoutError as error:
            raise self._carrier.error("retrieval", f"{url}: no answer in {WEBHOOK_TIMEOUT_S:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._carrier.error("retrieval", f"{url}: {why_unreachable(error)}") from error
        raise self._carrier.error("redirects", f"{webhook.url} led through more than {HTTP_REDIRECTS}")

    async def _once(self, webhook: Webhook, method: str, url: str, form: dict[str, str]) -> tuple[int, str, str, str]:
        """Status, type and text of one answer, and where it redirects to."""
        body, headers = b"", {"User-Agent": self._carrier.webhook_agent}
        if webhook.json is not None and method != "GET":
            body, headers["Content-Type"] = json.dumps(webhook.json, separators=(",", ":")).encode(), "application/json"
        elif method == "GET":
            query = "&".join(f"{key}={quote(value, safe='')}" for key, value in form.items())
            url += ("&" if "?" in url else "?") + query if query else ""
        else:
            body, headers["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        signed_form = form if method != "GET" and webhook.json is None else {}
        headers |= self._carrier.sign(
            Signing(self._token, self._call.account, method, url, signed_form, body, time.time())
        )
        real = self.real_address(url)
        async with self._session.request(
            method,
            URL(real, encoded=True),
            data=body or None,
            headers=headers,
            allow_redirects=False,
            proxy=environment_proxy(real),
        ) as answer:
            location = answer.headers.get("Location", "") if answer.status in (*_TO_GET, *_SAME_METHOD) else ""
            text = await self._text(answer, url)
            return answer.status, answer.content_type, text, location

    async def _text(self, answer: aiohttp.ClientResponse, url: str) -> str:
        data = bytearray()
        async for part in answer.content.iter_chunked(8192):
            data += part
            if len(data) > LARGEST_ANSWER:
                raise self._carrier.error("too large", f"{url}: over {LARGEST_ANSWER // 1024} KB", status=answer.status)
        return data.decode("utf-8", errors="replace").removeprefix("\ufeff")

    def socket_headers(self, url: str, verb: Stream | None = None, *, signed: bool = True) -> dict[str, str]:
        """What the carrier sends with a media socket's upgrade."""
        headers = {"User-Agent": self._carrier.socket_agent}
        if signed:
            what = Signing(self._trunk.auth_token, self._call.account, "GET", url, {}, b"", time.time())
            headers |= self._carrier.sign_socket(what, verb or Stream(url))
        return headers

    def real_address(self, url: str) -> str:
        """Where a request to this URL really goes (see `Trunk.connect_to`)."""
        parts, public = urlsplit(url), urlsplit(self._trunk.url)
        if not self._trunk.connect_to or parts.netloc != public.netloc:
            return url
        real = urlsplit(self._trunk.connect_to)
        scheme = {"wss": "ws", "ws": "ws"}.get(parts.scheme, "http") + ("s" if real.scheme in ("https", "wss") else "")
        return urlunsplit((scheme, real.netloc, parts.path, parts.query, ""))


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return url[:80]
