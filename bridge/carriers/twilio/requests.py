"""Twilio's REST requests about a call in progress, as data; whoever has a connection sends them.

Source: https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote, urlencode

import msgspec

from bridge.carriers.base import RestAnswer
from bridge.carriers.json_text import text_of
from bridge.carriers.web import FORM, Document, RestRequest

LONGEST_DOCUMENT = 4000


class CallsApi(msgspec.Struct, frozen=True):
    """Twilio's API about calls: where it is, and the credentials for it.

    Account SID and auth token, or an API key's SID and secret, of the same region as the base URL.
    """

    base_url: str
    account_sid: str
    user: str
    password: str

    def hang_up(self, call_sid: str) -> RestRequest:
        """Build the request that ends a call, whether it rings or goes on."""
        return self._update(call_sid, {"Status": "completed"})

    def replace_document(self, call_sid: str, document: Document) -> RestRequest:
        """Let a call go on with another document at once; its media stream ends. Raises ValueError when too long."""
        if len(document.text) > LONGEST_DOCUMENT:
            size = len(document.text)
            raise ValueError(f"a document sent by REST has at most {LONGEST_DOCUMENT} characters, not {size}")
        return self._update(call_sid, {"Twiml": document.text})

    def fetch_document(self, call_sid: str, url: str) -> RestRequest:
        """Let a call go on with the document at this address; its media stream ends."""
        return self._update(call_sid, {"Url": url, "Method": "POST"})

    def call(self, target: str, from_number: str, *, url: str, told: str, rings_s: int) -> RestRequest:
        """Call somebody, who hears the document at `url`; `told` is where the end of that call is reported."""
        form = {
            "To": target,
            "From": from_number,
            "Url": url,
            "Method": "POST",
            "StatusCallback": told,
            "StatusCallbackMethod": "POST",
            "Timeout": str(rings_s),
        }
        return self._post("Calls.json", form)

    def _update(self, call_sid: str, form: dict[str, str]) -> RestRequest:
        return self._post(f"Calls/{quote(call_sid, safe='')}.json", form)

    def _post(self, path: str, form: dict[str, str]) -> RestRequest:
        account = quote(self.account_sid, safe="")
        credentials = b64encode(f"{self.user}:{self.password}".encode()).decode()
        return RestRequest(
            "POST",
            f"{self.base_url.rstrip('/')}/2010-04-01/Accounts/{account}/{path}",
            {"Authorization": f"Basic {credentials}", "Content-Type": FORM},
            urlencode(form).encode(),
        )


def sid_of(body: bytes) -> str:
    """The SID of the call that an answer is about; empty where it tells none."""
    try:
        return text_of(msgspec.json.decode(body), "sid")
    except (ValueError, RecursionError):
        return ""


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


_decode_error = msgspec.json.Decoder(_Error, strict=False).decode


def read_answer(status: int, body: bytes) -> RestAnswer:
    """What an HTTP answer to one of these requests means; the body may be anything."""
    if 200 <= status < 300:
        return RestAnswer("done", call_id=sid_of(body))
    try:
        error = _decode_error(body)
    except (ValueError, RecursionError):
        error = _Error()
    message = error.message or f"HTTP status {status}"
    if error.code:
        message = f"{error.code} {message}"
    if status == 404:
        return RestAnswer("gone", message)
    return RestAnswer("busy" if status == 429 or status >= 500 else "refused", message)
