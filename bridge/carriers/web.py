"""HTTP as plain data: a carrier's request as it came, its fields read at most once, and what we answer or send.

Everything in a request is an outsider's until its signature was checked, so that reading it is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from bridge.errors import BadMessage

MOST_FIELDS = 200
"""Of one form or query string; the longest known webhook has about 40."""
MOST_ESCAPES = 4096
"""`%` signs in one of them, 0.4 us each to undo; a webhook of 40 fields that are all names and numbers has hundreds."""
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

Pairs = tuple[tuple[str, str], ...]


class UnreadableRequest(BadMessage):
    """A request from outside is not what it says it is, or lacks what it must have; answered with HTTP 400."""


class CarrierRequest:
    """One HTTP request of a carrier: `url` is our public address with path and query string just as they were sent.

    `headers` have lower-case names. `body` is empty for a WebSocket handshake. The fields are read when they are first
    asked for, and once: properties raise UnreadableRequest.
    """

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.method = method.upper()
        self.url = url
        self.headers = headers
        self.body = body

    @property
    def content_type(self) -> str:
        """The body's type in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def query(self) -> Pairs:
        """The fields of the query string in their order; a name may be repeated, a value may be empty."""
        return _pairs(urlsplit(self.url).query, "query string")

    @cached_property
    def form(self) -> Pairs:
        """The fields of a form body in their order; none for a body of another type."""
        if self.method != "POST" or self.content_type == JSON or not self.body:
            return ()
        try:
            return _pairs(self.body.decode(), "form")
        except UnicodeDecodeError:
            raise UnreadableRequest("the form is not UTF-8") from None

    @cached_property
    def json(self) -> dict[str, Any]:
        """The members of a JSON body; none for a body of another type."""
        if self.content_type != JSON or not self.body:
            return {}
        try:
            told = msgspec.json.decode(self.body)
        except (ValueError, RecursionError):
            raise UnreadableRequest("the body is not JSON") from None
        if not isinstance(told, dict):
            raise UnreadableRequest("the body is not a JSON object")
        return told

    @cached_property
    def fields(self) -> dict[str, str]:
        """The first value of each name, from query string, form and JSON body: of JSON, texts and whole numbers alone.

        Anything else there says nothing: a null for the caller's number is a number that was withheld, not `null`.
        """
        told = {name: _written(value) for name, value in self.json.items()}
        texts = {name: text for name, text in told.items() if text is not None}
        return dict(reversed(self.query)) | dict(reversed(self.form)) | texts


class Document(msgspec.Struct, frozen=True):
    """What a webhook is answered with: instructions for the carrier."""

    text: str
    content_type: str


class RestRequest(msgspec.Struct, frozen=True):
    """A request to a carrier's API about a call, with its credentials; whoever has a connection sends it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"RestRequest({self.method} {self.url})"


def _pairs(text: str, what: str) -> Pairs:
    if text.count("%") > MOST_ESCAPES:
        raise UnreadableRequest(f"the {what} has more than {MOST_ESCAPES} escaped bytes")
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS))
    except UnicodeDecodeError:
        raise UnreadableRequest(f"the {what} is not UTF-8") from None
    except ValueError:
        raise UnreadableRequest(f"the {what} has more than {MOST_FIELDS} fields") from None


def _written(value: object) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as some write numbers of a telephone
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None
