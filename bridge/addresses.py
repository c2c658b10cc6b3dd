"""What can be the address of a server, judged without asking anybody. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

WEB = ("http", "https")


def is_address(url: str, schemes: tuple[str, ...] = WEB) -> bool:
    """Whether an address has one of these schemes, a host, and a port that there can be."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and not _has_space(parts.netloc)
    except ValueError:  # a port over 65535 or of letters, half an IPv6 address
        return False


def _has_space(text: str) -> bool:
    return any(map(str.isspace, text))
