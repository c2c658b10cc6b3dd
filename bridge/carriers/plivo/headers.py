"""Plivo's extra headers: one string of `key=value`, in which only letters and digits of ASCII are allowed.

Our values hold other characters, so they travel in base32. The document has commas between the pairs, the events
semicolons; both are read.
Source: https://www.plivo.com/docs/voice/xml/audiostream
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

LONGEST = 512
"""Bytes of the whole string."""
_KEY = re.compile("[A-Za-z0-9]+")
_MOST_PAIRS = 32


def write(parameters: Mapping[str, str]) -> str:
    """The parameters as extra headers. Raises ValueError for a name that cannot be sent, or when they are too long."""
    pairs = []
    for name, value in parameters.items():
        if not _KEY.fullmatch(name):
            raise ValueError(f"an extra header's name has letters and digits only, not {name!r}")
        if value:
            coded = base64.b32encode(value.encode("utf-8", "replace")).decode().rstrip("=")
            pairs.append(f"{name}={coded}")
    text = ",".join(pairs)
    if len(text) > LONGEST:
        raise ValueError(f"extra headers have at most {LONGEST} bytes, not {len(text)}")
    return text


def read(text: str) -> dict[str, str]:
    """The parameters that `write` wrote; what it did not write is left out."""
    parameters: dict[str, str] = {}
    for pair in re.split("[,;]", text[: 2 * LONGEST])[:_MOST_PAIRS]:
        name, _, coded = pair.strip().partition("=")
        try:
            value = base64.b32decode(coded.upper() + "=" * (-len(coded) % 8)).decode()
        except (binascii.Error, ValueError):
            continue
        if _KEY.fullmatch(name) and value:
            parameters[name] = value
    return parameters
