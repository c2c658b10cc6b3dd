"""Equal URLs in another spelling (RFC 3986 section 6.2): proxies and carriers rewrite what means the same.

A signature covers one spelling. Trying the others is harmless, since each still takes a signature under our
secret, and there are few of them: host and port come from our own settings, and only escapes from outside.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from urllib.parse import urlsplit, urlunsplit

import idna

_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_LONGEST = 2000
"""Path and query of more characters are tried as they came: nobody's webhook is so long."""
_LONGEST_HOST = 300
_FEWEST = 8
_MOST_BYTES = 1_000_000
"""Are signed in all for one request, which takes a millisecond."""
_BEYOND_ASCII = re.compile("(?:%[89A-Fa-f][0-9A-Fa-f])+")
_HOST_AND_PORT = re.compile(r"^(.*?)(:\d*)?$")


def spellings(url: str, *, slash: bool = False, host: str = "", covers: int = 0) -> tuple[str, ...]:
    """The URL itself and its equals: case and escapes of the host, its default port, case and need of escapes.

    Without user and password, which no carrier signs. `slash` adds the path with and without a slash at its end, which
    is not the same by the book, but is to some; an empty path and `/` always are the same. `host` is the request's own
    word for the host, which counts where it means the same. `covers`: so many bytes are signed with each of them;
    where these are many, only the likeliest spellings are tried.
    """
    parts = urlsplit(url)
    hosts = _hosts(parts.scheme, parts.netloc.rpartition("@")[2], host)
    spells = _SPELLS if len(parts.path) + len(parts.query) <= _LONGEST else (str,)
    rests = list(dict.fromkeys((spell(parts.path), spell(parts.query)) for spell in spells))
    if slash or parts.path in ("", "/"):
        rests += [(path[:-1] if path.endswith("/") else path + "/", query) for path, query in rests]
    others = (
        urlunsplit(parts._replace(netloc=host, path=path, query=query)) for host in hosts for path, query in rests
    )
    most = max(_FEWEST, _MOST_BYTES // (covers + len(url)))
    return tuple(dict.fromkeys((url, *others)))[:most]


def _hosts(scheme: str, netloc: str, asked: str) -> list[str]:
    """The host's spellings, each with and without its port where that is the default one."""
    name, port = _HOST_AND_PORT.findall(netloc)[0]
    default = _DEFAULT_PORTS.get(scheme)
    by_default = bool(default) and port.removeprefix(":").lstrip("0") in ("", str(default))
    bare = name.lower().rstrip(".")
    names = [name, name.lower(), name.rstrip("."), bare, *_equals(bare)]
    asked_name, asked_port = _HOST_AND_PORT.findall(asked[:_LONGEST_HOST])[0]
    if asked_name and asked_port in ("", port, f":{default}") and _meaning(asked_name) == _meaning(name):
        names.append(asked_name)
    names = list(dict.fromkeys(names))
    if not name.startswith("["):
        names = list(dict.fromkeys([*names, *(f"{one.rstrip('.')}." for one in names)]))
    hosts = [f"{one}{port}" for one in names]
    if by_default:
        hosts += [f"{one}:{default}" for one in names]
    # Some senders leave out any port when they sign (seen at Twilio, whose own checker tries so, too).
    return list(dict.fromkeys([*hosts, *names]))


def _equals(host: str) -> list[str]:
    """An international name as it is in the DNS and as it is read, by both of the ways in use; an address in short."""
    if host.startswith("["):
        try:
            return [f"[{ipaddress.IPv6Address(host[1:-1])}]"]
        except ValueError:
            return []
    found = []
    for convert in (_meaning, _ascii_of_2003, _read, _read_of_2003):
        with contextlib.suppress(UnicodeError):  # idna.IDNAError is one, too
            found.append(convert(host))
    return found


def _meaning(host: str) -> str:
    """The host as it is in the DNS (RFC 5891), in small letters and without a dot at its end."""
    bare = host.lower().rstrip(".")
    try:
        return idna.encode(bare, uts46=True).decode("ascii") if not bare.startswith("[") else bare
    except UnicodeError:
        return bare


def _ascii_of_2003(host: str) -> str:
    return host.encode("idna").decode("ascii")


def _read(host: str) -> str:
    return idna.decode(host)


def _read_of_2003(host: str) -> str:
    return host.encode("ascii").decode("idna")


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


def _with_tilde(text: str) -> str:
    """As encoders older than RFC 3986 write it, which knew no bare tilde."""
    return _plain(text).replace("~", "%7E")


def _read_out(text: str) -> str:
    """With the characters themselves where escapes stand for such beyond ASCII (RFC 3987, 3.2)."""

    def spell(escapes: re.Match[str]) -> str:
        try:
            return bytes.fromhex(escapes[0].replace("%", "")).decode()
        except UnicodeDecodeError:
            return escapes[0]

    return _BEYOND_ASCII.sub(spell, text)


_SPELLS = (str, _upper, _lower, _plain, _with_tilde, _read_out)
