"""X-Twilio-Signature: did Twilio send this? Pure: URL, headers and body in, a verdict out.

HMAC over the exact public URL, followed by the sorted form fields of a POST; a JSON body is covered
by its hash in the query string; a WebSocket handshake is signed over the `wss://` URL alone.
Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security, twilio-python 9.13.0.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

from bridge.carriers.base import NotGenuine
from bridge.carriers.urls import spellings
from bridge.carriers.web import FORM, CarrierRequest

SIGNATURE = "x-twilio-signature"
_ALGORITHMS = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}


def sign(token: str, url: str, fields: Iterable[tuple[str, str]] = (), algorithm: str = "HMAC_SHA1") -> str:
    """The signature of a URL and form fields; `fields` may repeat a name."""
    return _digest(token, _bytes(url) + _bytes(_sorted(fields)), algorithm)


def check_webhook(tokens: Sequence[str], request: CarrierRequest) -> None:
    """Raise NotGenuine unless one of the tokens signed this webhook; UnreadableRequest for a form that is none."""
    fields: Iterable[tuple[str, str]] = ()
    if request.method == "POST" and request.content_type == FORM and request.body:
        fields = request.form
    else:
        _check_body(request)
    signed = _sorted(fields)
    urls = spellings(request.url, host=request.headers.get("host", ""), covers=len(signed))
    _check(tokens, urls, signed, request.headers)


def check_socket(tokens: Sequence[str], request: CarrierRequest) -> None:
    """Raise NotGenuine unless one of the tokens signed this handshake; the URL may be written with http(s) or ws(s)."""
    parts = urlsplit(request.url)
    url = urlunsplit(parts._replace(scheme={"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)))
    # With and without a slash at the end: which of them is signed is not documented for sockets.
    _check(tokens, spellings(url, slash=True, host=request.headers.get("host", "")), "", request.headers)


def _sorted(fields: Iterable[tuple[str, str]]) -> str:
    """The fields as they are signed: by name, each different value once."""
    values: dict[str, set[str]] = {}
    for name, value in fields:
        values.setdefault(name, set()).add(value)
    return "".join(name + value for name in sorted(values) for value in sorted(values[name]))


def _digest(token: str, signed: bytes, algorithm: str) -> str:
    digest = hmac.digest(token.encode(), signed, _ALGORITHMS[algorithm])
    return base64.b64encode(digest).decode()


def _check(tokens: Sequence[str], urls: Sequence[str], fields: str, headers: Mapping[str, str]) -> None:
    given = headers.get(SIGNATURE, "")
    algorithm = _algorithm(headers.get("x-twilio-webhooks-signature-settings", ""))
    if not given:
        raise NotGenuine("no_signature")
    if algorithm not in _ALGORITHMS:
        raise NotGenuine("unknown_algorithm")
    genuine, ends = False, _bytes(fields)
    for url in urls:
        signed = _bytes(url) + ends
        for token in tokens:
            # Every comparison is made, so that the time taken tells nothing. An empty token signs nothing.
            genuine |= bool(token) and hmac.compare_digest(_bytes(_digest(token, signed, algorithm)), _bytes(given))
    if not genuine:
        raise NotGenuine("wrong_signature")


def _bytes(text: str) -> bytes:
    """A header's or URL's bytes as they came: the HTTP server keeps what is not UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def _algorithm(settings: str) -> str:
    """`key=<id>,algorithm=HMAC_SHA256` announces another algorithm; without the header it is HMAC-SHA1."""
    if not settings:
        return "HMAC_SHA1"
    told = dict(part.strip().partition("=")[::2] for part in settings.split(","))
    return told.get("algorithm", "")


def _check_body(request: CarrierRequest) -> None:
    """Whether a body is the one whose hash is in the URL; without that hash there must be no body.

    A hash counts without a body, too: otherwise a genuine URL could be sent again with its body left out.
    """
    told = dict(request.query).get("bodySHA256", "")
    if not told:
        if request.body:
            raise NotGenuine("no_body_hash")
    elif not hmac.compare_digest(hashlib.sha256(request.body).hexdigest().encode(), _bytes(told.lower())):
        raise NotGenuine("wrong_body_hash")
