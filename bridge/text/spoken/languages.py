"""The languages that texts can be spoken in."""

from __future__ import annotations

from bridge.text.spoken.english import AMERICAN, BRITISH
from bridge.text.spoken.language import Language

_LANGUAGES = {language.code: language for language in (AMERICAN, BRITISH)}
_DEFAULTS = {"en": "en-US"}
CODES = tuple(_LANGUAGES)
"""All that are known, as `en-US`."""


def language(code: str) -> Language:
    """A language by its code, such as `de`, `en-GB` or `de-AT`: the nearest that is known. Raises KeyError."""
    parts = code.replace("_", "-").split("-")
    tag = "-".join([parts[0].lower(), *(part.upper() for part in parts[1:2])])
    known = _LANGUAGES.get(tag) or _LANGUAGES.get(_DEFAULTS.get(parts[0].lower(), ""))
    if known is None:
        raise KeyError(f"{code!r} is not a language that can be spoken; known are {', '.join(CODES)}")
    return known
