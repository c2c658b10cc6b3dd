"""The languages in which answers are understood."""

from __future__ import annotations

from bridge.understanding.languages.english import ENGLISH_GB, ENGLISH_US
from bridge.understanding.lexicon import Lexicon

_ALL = (ENGLISH_US, ENGLISH_GB)
_BY_CODE = {known.spoken.code: known for known in _ALL}
_BY_LANGUAGE = {known.spoken.code.partition("-")[0]: known for known in reversed(_ALL)}


def lexicon(code: str) -> Lexicon:
    """A language's words by its tag, such as `de` or `en-GB`; English where the language is not known or not said."""
    parts = code.replace("_", "-").split("-")
    tag = "-".join([parts[0].lower(), *(part.upper() for part in parts[1:2])])
    return _BY_CODE.get(tag) or _BY_LANGUAGE.get(parts[0].lower(), ENGLISH_US)
