"""X-Twilio-Signature: did Twilio send this? Pure: URL, headers and body in, a verdict out.

HMAC over the exact public URL, followed by the sorted form fields of a POST; a JSON body is covered
by its hash in the query string; a WebSocket handshake is signed over the `wss://` URL alone.
Source: https://www.twilio.com/docs/usage/webhooks/webhooks-security, twilio-python 9.13.0.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal
from urllib.parse import parse_qsl, urlsplit, urlunsplit

_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}
_ALGORITHMS = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}
_HOST_AND_PORT = re.compile(r"^(.*?)(:\d*)?$")
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"

Fields = Sequence[tuple[str, str]]

Refusal = Literal[
    "no_signature", "unknown_algorithm", "unreadable_form", "no_body_hash", "wrong_body_hash", "wrong_signature"
]
"""Why a request is not Twilio's, in words that can label a metric. A wrong token shows as `wrong_signature`."""


def sign(token: str, url: str, fields: Fields = (), algorithm: str = "HMAC_SHA1") -> str:
    """The signature of a URL and form fields; `fields` may repeat a name."""
    values: dict[str, set[str]] = {}
    for name, value in fields:
        values.setdefault(name, set()).add(value)
    text = url + "".join(name + value for name in sorted(values) for value in sorted(values[name]))
    digest = hmac.new(token.encode(), _bytes(text), _ALGORITHMS[algorithm]).digest()
    return base64.b64encode(digest).decode()


def webhook_refusal(
    tokens: Iterable[str], *, url: str, headers: Mapping[str, str], method: str, body: bytes
) -> Refusal | None:
    """None when one of the tokens signed this webhook, otherwise why it is not believed.

    `headers` have lower-case names; `url` is our public one with the query string just as it came.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    fields: Fields = ()
    if method.upper() == "POST" and kind == _FORM and body:
        try:
            fields = _form(body)
        except ValueError:
            return "unreadable_form"
    else:
        refusal = _body_refusal(url, body)
        if refusal:
            return refusal
    return _refusal(tokens, _candidates(url), fields, headers)


def socket_refusal(tokens: Iterable[str], *, url: str, headers: Mapping[str, str]) -> Refusal | None:
    """None when one of the tokens signed this handshake; `url` may be written with http(s) or ws(s)."""
    scheme, rest = url.split("://", 1)
    scheme = {"https": "wss", "http": "ws"}.get(scheme, scheme)
    return _refusal(tokens, _candidates(f"{scheme}://{rest}"), (), headers)


def fields_of(method: str, path_and_query: str, content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a webhook from form, query or JSON; the first value of each name.

    Raises ValueError for a body that is not what its type says.
    """
    fields = dict(reversed(parse_qsl(urlsplit(path_and_query).query, keep_blank_values=True)))
    if method.upper() != "POST":
        return fields
    if content_type == _JSON:
        try:
            told = json.loads(body or b"{}")
        except (ValueError, RecursionError):
            raise ValueError("the body is not JSON") from None
        if not isinstance(told, dict):
            raise ValueError("the body is not a JSON object")
        return fields | {
            str(name): value if isinstance(value, str) else json.dumps(value) for name, value in told.items()
        }
    return fields | dict(reversed(_form(body)))


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("the form is not UTF-8") from None


def _refusal(tokens: Iterable[str], urls: Sequence[str], fields: Fields, headers: Mapping[str, str]) -> Refusal | None:
    given = headers.get("x-twilio-signature", "")
    algorithm = _algorithm(headers.get("x-twilio-webhooks-signature-settings", ""))
    if not given:
        return "no_signature"
    if algorithm not in _ALGORITHMS:
        return "unknown_algorithm"
    genuine = False
    for token in tokens:
        for url in urls:
            # Every comparison is made, so that the time taken tells nothing. An empty token signs nothing.
            genuine |= bool(token) and hmac.compare_digest(_bytes(sign(token, url, fields, algorithm)), _bytes(given))
    return None if genuine else "wrong_signature"


def _bytes(text: str) -> bytes:
    """A header's or URL's bytes as they came: the HTTP server keeps what is not UTF-8 as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def _algorithm(settings: str) -> str:
    """`key=<id>,algorithm=HMAC_SHA256` announces another algorithm; without the header it is HMAC-SHA1."""
    if not settings:
        return "HMAC_SHA1"
    told = dict(part.strip().partition("=")[::2] for part in settings.split(","))
    return told.get("algorithm", "")


def _body_refusal(url: str, body: bytes) -> Refusal | None:
    """Whether a body is the one whose hash is in the URL; without that hash there must be no body.

    A hash counts without a body, too: otherwise a genuine URL could be sent again with its body left out.
    """
    told = dict(parse_qsl(urlsplit(url).query)).get("bodySHA256", "")
    if not told:
        return "no_body_hash" if body else None
    fits = hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), _bytes(told.lower()))
    return None if fits else "wrong_body_hash"


def _candidates(url: str) -> list[str]:
    """What Twilio may have signed for this URL, the URL itself first.

    With and without its port, since Twilio does not sign the same one everywhere; without name and
    password; for an empty path and for sockets also with another slash at the end. Trying more than
    needed is harmless: each candidate takes a signature under our token.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    without_port, port = _HOST_AND_PORT.findall(host)[0]
    hosts = [host, without_port]
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default and port in ("", f":{default}"):
        hosts.append(f"{without_port}:{default}")
    paths = [parts.path]
    if parts.path in ("", "/") or parts.scheme in ("ws", "wss"):
        paths.append(parts.path[:-1] if parts.path.endswith("/") else parts.path + "/")
    others = [urlunsplit(parts._replace(netloc=host, path=path)) for host in hosts for path in paths]
    return list(dict.fromkeys([url, *others]))
