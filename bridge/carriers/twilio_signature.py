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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit, urlunsplit

_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}
_ALGORITHMS = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"

Fields = Sequence[tuple[str, str]]


def sign(token: str, url: str, fields: Fields = (), algorithm: str = "HMAC_SHA1") -> str:
    """The signature of a URL and form fields; `fields` may repeat a name."""
    values: dict[str, set[str]] = {}
    for name, value in fields:
        values.setdefault(name, set()).add(value)
    text = url + "".join(name + value for name in sorted(values) for value in sorted(values[name]))
    digest = hmac.new(token.encode(), text.encode(), _ALGORITHMS[algorithm]).digest()
    return base64.b64encode(digest).decode()


def webhook_is_genuine(
    tokens: Iterable[str], *, url: str, headers: Mapping[str, str], method: str, body: bytes
) -> bool:
    """Whether one of the tokens signed this webhook. `headers` have lower-case names; `url` is our public one."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    fields: Fields = ()
    if method.upper() == "POST" and kind == _FORM:
        try:
            fields = _form(body)
        except ValueError:
            return False
    elif body and not _hash_fits(url, body):
        return False
    return _signed(tokens, _candidates(url), fields, headers)


def socket_is_genuine(tokens: Iterable[str], *, url: str, headers: Mapping[str, str]) -> bool:
    """Whether one of the tokens signed this handshake; `url` may be written with http(s) or ws(s)."""
    scheme, rest = url.split("://", 1)
    scheme = {"https": "wss", "http": "ws"}.get(scheme, scheme)
    return _signed(tokens, _candidates(f"{scheme}://{rest}"), (), headers)


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


def _signed(tokens: Iterable[str], urls: Sequence[str], fields: Fields, headers: Mapping[str, str]) -> bool:
    given = headers.get("x-twilio-signature", "")
    algorithm = _algorithm(headers.get("x-twilio-webhooks-signature-settings", ""))
    if not given or algorithm not in _ALGORITHMS:
        return False
    genuine = False
    for token in tokens:
        for url in urls:
            # Every comparison is made, so that the time taken tells nothing.
            genuine |= hmac.compare_digest(sign(token, url, fields, algorithm).encode(), given.encode())
    return genuine


def _algorithm(settings: str) -> str:
    """`key=<id>,algorithm=HMAC_SHA256` announces another algorithm; without the header it is HMAC-SHA1."""
    if not settings:
        return "HMAC_SHA1"
    told = dict(part.strip().partition("=")[::2] for part in settings.split(","))
    return told.get("algorithm", "")


def _hash_fits(url: str, body: bytes) -> bool:
    told = dict(parse_qsl(urlsplit(url).query)).get("bodySHA256", "")
    return hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), told.lower().encode())


def _candidates(url: str) -> list[str]:
    """The URL as configured, with and without its port; for an empty path and for sockets also with another slash."""
    return list(dict.fromkeys(slashed for ported in _with_ports(url) for slashed in _with_slashes(ported)))


def _with_ports(url: str) -> Iterator[str]:
    yield url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    bare = host.rsplit(":", 1)[0] if not host.endswith("]") and ":" in host.rpartition("]")[2] else host
    default = _DEFAULT_PORTS.get(parts.scheme)
    if host == bare:
        if default:
            yield urlunsplit(parts._replace(netloc=f"{bare}:{default}"))
    elif host == f"{bare}:{default}":
        yield urlunsplit(parts._replace(netloc=bare))


def _with_slashes(url: str) -> Iterator[str]:
    yield url
    parts = urlsplit(url)
    if parts.path in ("", "/") or parts.scheme in ("ws", "wss"):
        other = parts.path[:-1] if parts.path.endswith("/") else parts.path + "/"
        yield urlunsplit(parts._replace(path=other))
