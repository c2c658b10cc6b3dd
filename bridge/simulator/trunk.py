"""The carrier's HTTP side: who we say we are, signed webhooks, status callbacks, and where they really go."""

from __future__ import annotations

import datetime
import email.utils
import hashlib
import time
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp
import msgspec
from yarl import URL

from bridge.errors import BadMessage
from bridge.simulator.signing import signature

WEBHOOK_TIMEOUT_S = 15.0
WEBHOOK_AGENT = "TwilioProxy/1.1"
SOCKET_AGENT = "Twilio.TmeWs/1.0"


class Trunk(msgspec.Struct, frozen=True, kw_only=True):
    """The number that is rung: its webhook, and the account that signs."""

    url: str
    """The voice webhook, as it is configured at the carrier."""
    auth_token: str
    connect_to: str = ""
    """Where the server really is, `http://127.0.0.1:8080`: requests to the origin of `url` go there."""
    status_callback: str = ""
    """The number's call status callback."""
    account_sid: str = "AC" + "0" * 31 + "b"


class Call(msgspec.Struct, kw_only=True):
    """What identifies one call to the server."""

    number: str
    called: str
    call_sid: str
    stream_sid: str


def new_call(number: str, called: str, seed: str) -> Call:
    """Identifiers made from a seed: the same seed gives the same call."""
    digest = hashlib.md5(seed.encode(), usedforsecurity=False).hexdigest()
    stream = hashlib.md5(f"stream/{seed}".encode(), usedforsecurity=False).hexdigest()
    return Call(number=number, called=called, call_sid="CA" + digest, stream_sid="MZ" + stream)


class Webhooks:
    """Posts to the server as the carrier does."""

    def __init__(
        self, trunk: Trunk, call: Call, session: aiohttp.ClientSession, *, wrong_signature: bool = False
    ) -> None:
        self._trunk = trunk
        self._call = call
        self._session = session
        self._token = "not-" + trunk.auth_token if wrong_signature else trunk.auth_token
        self.log: list[str] = []
        """One line for each request: what was sent and how it was answered."""

    def form(self, status: str, **more: str) -> dict[str, str]:
        """The fields of a voice webhook (https://www.twilio.com/docs/voice/twiml#request-parameters)."""
        call = self._call
        return {
            "AccountSid": self._trunk.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": call.call_sid,
            "CallStatus": status,
            "Called": call.called,
            "Caller": call.number,
            "CallerCity": "",
            "Direction": "inbound",
            "From": call.number,
            "To": call.called,
            **more,
        }

    async def document(self, url: str, method: str, status: str, **more: str) -> str:
        """Fetch a document. Raises BadMessage with the carrier's error number when it cannot be used."""
        code, content_type, body = await self._request(url, method, self.form(status, **more), status)
        if code != 200:
            raise BadMessage(f"11200 HTTP retrieval failure: {url} answered {code}")
        if content_type not in ("text/xml", "application/xml"):
            raise BadMessage(f"12300 invalid content type {content_type!r} from {url}")
        return body

    async def notify(self, url: str, method: str, form: dict[str, str], what: str) -> None:
        """A status callback: its answer is noted and changes nothing."""
        try:
            await self._request(url, method, form, what)
        except BadMessage as error:
            self.log.append(f"{method} {urlsplit(url).path} {what} -> {error}")

    def stream_event(self, event: str, error: str = "") -> dict[str, str]:
        """The fields of a stream status callback (https://www.twilio.com/docs/voice/twiml/stream)."""
        call = self._call
        form = {
            "AccountSid": self._trunk.account_sid,
            "CallSid": call.call_sid,
            "StreamSid": call.stream_sid,
            "StreamName": call.stream_sid,
            "StreamEvent": event,
            "Timestamp": datetime.datetime.fromtimestamp(time.time(), datetime.UTC).isoformat(),
        }
        return form | ({"StreamError": error} if error else {})

    def call_event(self, status: str, number: int, seconds: int) -> dict[str, str]:
        """The fields of a call status callback."""
        ended = {"CallDuration": str(seconds), "Duration": str(-(-seconds // 60))} if status == "completed" else {}
        return self.form(
            status,
            SequenceNumber=str(number),
            CallbackSource="call-progress-events",
            Timestamp=email.utils.format_datetime(datetime.datetime.fromtimestamp(time.time(), datetime.UTC)),
            **ended,
        )

    async def _request(self, url: str, method: str, form: dict[str, str], what: str) -> tuple[int, str, str]:
        signed_url, data = url, form
        if method == "GET":
            signed_url = (
                url + ("&" if "?" in url else "?") + "&".join(f"{k}={quote(v, safe='')}" for k, v in form.items())
            )
            data = {}
        headers = {
            "X-Twilio-Signature": signature(self._token, signed_url, data),
            "User-Agent": WEBHOOK_AGENT,
            "I-Twilio-Idempotency-Token": hashlib.md5(f"{url}{form}".encode(), usedforsecurity=False).hexdigest(),
        }
        timeout = aiohttp.ClientTimeout(total=WEBHOOK_TIMEOUT_S)
        target = URL(self.real_address(signed_url), encoded=True)
        try:
            async with self._session.request(
                method, target, data=data or None, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                body = await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise BadMessage(f"11200 HTTP retrieval failure: {url}: {error or 'no answer in time'}") from None
        self.log.append(f"{method} {urlsplit(url).path} {what} -> {answer.status}")
        return answer.status, answer.content_type, body

    def socket_headers(self, url: str, *, signed: bool = True) -> dict[str, str]:
        """What the carrier was seen to send with a media socket's upgrade."""
        headers = {"User-Agent": SOCKET_AGENT, "Accept-Encoding": "gzip"}
        if signed:
            headers["X-Twilio-Signature"] = signature(self._trunk.auth_token, url)
        return headers

    def real_address(self, url: str) -> str:
        """Where a request to this URL really goes (see `Trunk.connect_to`)."""
        parts, public = urlsplit(url), urlsplit(self._trunk.url)
        if not self._trunk.connect_to or parts.netloc != public.netloc:
            return url
        real = urlsplit(self._trunk.connect_to)
        scheme = {"wss": "ws", "ws": "ws"}.get(parts.scheme, "http") + ("s" if real.scheme in ("https", "wss") else "")
        return urlunsplit((scheme, real.netloc, parts.path, parts.query, ""))
