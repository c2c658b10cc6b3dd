"""Equal URLs in another spelling (RFC 3986 section 6.2): proxies and carriers rewrite what means the same.

A signature covers one spelling. Trying the others is harmless, since each still takes a signature under our
secret, and there are few of them: host and port come from our own settings, and only escapes from outside.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_LONGEST = 2000
"""Path and query of more characters are tried as they came: nobody's webhook is so long."""
_HOST_AND_PORT = re.compile(r"^(.*?)(:\d*)?$")


def spellings(url: str, *, slash: bool = False) -> tuple[str, ...]:
    """The URL itself and its equals: case and escapes of the host, its default port, case and need of escapes.

    Without user and password, which no carrier signs. `slash` adds the path with and without a slash at its end, which
    is not the same by the book, but is to some; an empty path and `/` always are the same.
    """
    parts = urlsplit(url)
    hosts = _hosts(parts.scheme, parts.netloc.rpartition("@")[2])
    spells = (str, _upper, _lower, _plain) if len(parts.path) + len(parts.query) <= _LONGEST else (str,)
    rests = list(dict.fromkeys((spell(parts.path), spell(parts.query)) for spell in spells))
    if slash or parts.path in ("", "/"):
        rests += [(path[:-1] if path.endswith("/") else path + "/", query) for path, query in rests]
    others = (
        urlunsplit(parts._replace(netloc=host, path=path, query=query)) for host in hosts for path, query in rests
    )
    return tuple(dict.fromkeys((url, *others)))


def _hosts(scheme: str, netloc: str) -> list[str]:
    """The host's spellings, each with and without its port where that is the default one."""
    name, port = _HOST_AND_PORT.findall(netloc)[0]
    names = [name, name.lower(), name.rstrip(".")]
    names += [one for text in (name.lower().rstrip("."),) for one in (text, _ascii(text), _unicode(text))]
    hosts = list(dict.fromkeys(f"{one}{port}" for one in names))
    default = _DEFAULT_PORTS.get(scheme)
    if default and port in ("", ":", f":{default}"):
        hosts += [f"{one}:{default}" for one in names]
    # Some senders leave out any port when they sign (seen at Twilio, whose own checker tries so, too).
    return list(dict.fromkeys([*hosts, *names]))


def _ascii(host: str) -> str:
    """An international name as it is in the DNS."""
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _unicode(host: str) -> str:
    """A name in the DNS as it is read."""
    try:
        return host.encode("ascii").decode("idna")
    except UnicodeError:
        return host


def _upper(text: str) -> str:
    return _ESCAPE.sub(lambda escape: escape[0].upper(), text)


def _lower(text: str) -> str:
    return _ESCAPE.sub(lambda escape: escape[0].lower(), text)


def _plain(text: str) -> str:
    """Without escapes that nobody needs; the others in capitals, as is the normal form."""

    def spell(escape: re.Match[str]) -> str:
        character = chr(int(escape[1], 16))
        return character if character in _UNRESERVED else escape[0].upper()

    return _ESCAPE.sub(spell, text)
