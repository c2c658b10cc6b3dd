"""X-Plivo-Signature-V3: did Plivo send this? HMAC-SHA256 over the URL, all fields in order, and a nonce.

Source: https://docs.plivo.com/docs/voice/xml/request/validation , plivo-python 4.63.0.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from bridge.carriers.base import NotGenuine
from bridge.carriers.urls import spellings
from bridge.carriers.web import CarrierRequest, Pairs

SIGNATURE = "x-plivo-signature-v3"
MAIN_SIGNATURE = "x-plivo-signature-ma-v3"
"""By the token of the main account, where a subaccount has the call."""
NONCE = "x-plivo-signature-v3-nonce"
_MOST_SIGNATURES = 10


def sign(token: str, method: str, url: str, form: Pairs, query: Pairs, nonce: str) -> str:
    """The signature of a request; `url` is without its query string, whose fields are `query`."""
    text = f"{url}{_fields(method, form, query)}.{nonce}".encode("utf-8", "surrogateescape")
    return base64.b64encode(hmac.digest(token.encode(), text, hashlib.sha256)).decode()


def check_webhook(tokens: Sequence[str], request: CarrierRequest) -> None:
    """Raise NotGenuine unless one of the tokens signed this webhook; UnreadableRequest for a form that is none."""
    told = [request.headers.get(name, "") for name in (SIGNATURE, MAIN_SIGNATURE)]
    # One header may hold several, while a token is renewed.
    given = [one.strip() for text in told for one in text.split(",", _MOST_SIGNATURES) if one.strip()]
    nonce = request.headers.get(NONCE, "")
    if not given or not nonce:
        raise NotGenuine("no_signature")
    if request.body and not request.form:
        # Only fields are signed: a body of another kind would be anybody's.
        raise NotGenuine("no_body_hash")
    parts = urlsplit(request.url)
    address = urlunsplit(parts._replace(query="", fragment=""))
    urls = spellings(address, host=request.headers.get("host", ""), covers=len(parts.query) + len(request.body))
    genuine = False
    for token in tokens:
        for url in urls:
            made = sign(token, request.method, url, request.form, request.query, nonce).encode()
            for one in given:
                # Every comparison is made, so that the time taken tells nothing. An empty token signs nothing.
                same = hmac.compare_digest(made, one.encode("utf-8", "surrogateescape"))
                genuine |= bool(token) and same
    if not genuine:
        raise NotGenuine("wrong_signature")


def _fields(method: str, form: Pairs, query: Pairs) -> str:
    """What follows the URL: a GET signs all fields as a query string, a POST the query string and then its form."""
    if method == "GET":
        joined = "&".join(f"{name}={value}" for name, value in sorted((*query, *form)))
        return f"?{joined}" if joined else ""
    joined = "&".join(f"{name}={value}" for name, value in sorted(query))
    posted = "".join(name + value for name, value in sorted(form))
    if not joined and not posted:
        return ""
    return f"?{joined}{'.' if joined and posted else ''}{posted}"
