"""Twilio's REST requests about a call in progress, as data; whoever has a connection sends them.

Source: https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

import msgspec

LONGEST_DOCUMENT = 4000


class RestRequest(msgspec.Struct, frozen=True):
    """A form to be sent to the API's base URL, with HTTP Basic credentials.

    Account SID and auth token, or an API key's SID and secret, of the same region as the base URL.
    """

    method: str
    path: str
    form: dict[str, str]


class RestAnswer(msgspec.Struct, frozen=True):
    """How a request ended.

    `gone` is as good as `done` when hanging up: the call has ended already. `busy` may succeed when
    sent again a little later, `refused` never will.
    """

    outcome: Literal["done", "gone", "busy", "refused"]
    code: int = 0
    """Twilio's error code, such as 20404; 0 when it told none."""
    message: str = ""
    """What Twilio says about it, else the HTTP status; empty when done."""


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


_decode_error = msgspec.json.Decoder(_Error, strict=False).decode


def base_url(region: str = "", edge: str = "") -> str:
    """Where a region's API is (`ie1` and `dublin`, `au1` and `sydney`); without both the default, US1.

    Raises ValueError when one is given without the other.
    """
    if bool(region) != bool(edge):
        raise ValueError(f"a Twilio region needs its edge and the other way round: region {region!r}, edge {edge!r}")
    if not region:
        return "https://api.twilio.com"
    for name in (region, edge):
        if not name.replace("-", "").isalnum() or not name.isascii():
            raise ValueError(f"no name of a Twilio region or edge: {name!r}")
    return f"https://api.{edge}.{region}.twilio.com"


def hang_up(account_sid: str, call_sid: str) -> RestRequest:
    """End a call."""
    return RestRequest("POST", _call(account_sid, call_sid), {"Status": "completed"})


def replace_document(account_sid: str, call_sid: str, document: str) -> RestRequest:
    """Let a call go on with another document at once; its media stream ends. Raises ValueError when too long."""
    if len(document) > LONGEST_DOCUMENT:
        raise ValueError(f"a document sent by REST has at most {LONGEST_DOCUMENT} characters, not {len(document)}")
    return RestRequest("POST", _call(account_sid, call_sid), {"Twiml": document})


def read_answer(status: int, body: bytes) -> RestAnswer:
    """What an HTTP answer to one of these requests means; the body may be anything."""
    if 200 <= status < 300:
        return RestAnswer("done")
    try:
        error = _decode_error(body)
    except (ValueError, RecursionError):
        error = _Error()
    message = error.message or f"HTTP status {status}"
    if status == 404:
        return RestAnswer("gone", error.code, message)
    outcome: Literal["busy", "refused"] = "busy" if status == 429 or status >= 500 else "refused"
    return RestAnswer(outcome, error.code, message)


def _call(account_sid: str, call_sid: str) -> str:
    return f"/2010-04-01/Accounts/{quote(account_sid, safe='')}/Calls/{quote(call_sid, safe='')}.json"
