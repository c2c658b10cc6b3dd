"""The languages that texts can be spoken in."""

from __future__ import annotations

from bridge.text.spoken.countries import ELSEWHERE
from bridge.text.spoken.dutch import DUTCH
from bridge.text.spoken.english import AMERICAN, BRITISH
from bridge.text.spoken.french import FRENCH
from bridge.text.spoken.german import GERMAN
from bridge.text.spoken.italian import ITALIAN
from bridge.text.spoken.language import Language
from bridge.text.spoken.portuguese import BRAZILIAN, EUROPEAN
from bridge.text.spoken.spanish import SPANISH

_ALL = (AMERICAN, BRITISH, SPANISH, GERMAN, FRENCH, ITALIAN, BRAZILIAN, EUROPEAN, DUTCH)
_BY_CODE = {known.code: known for known in _ALL}
_BY_LANGUAGE = {known.code.partition("-")[0]: known for known in reversed(_ALL)}
CODES = tuple(_BY_CODE)
"""All that are known, as `en-US`; `ELSEWHERE` are their ways in other countries."""


def nearest(wanted: str, own: str) -> str:
    """The code in which a text of a language is read by who has one: their own country's way if none is wanted."""
    if not wanted or (own and "-" not in wanted.replace("_", "-") and own.partition("-")[0] == wanted.lower()):
        return own
    return wanted


def language(code: str) -> Language:
    """A language by its code, such as `de`, `en-GB` or `de-AT`: the nearest that is known. Raises KeyError."""
    parts = code.replace("_", "-").split("-")
    country = next((part.upper() for part in parts[1:] if len(part) in (2, 3)), "")
    tag = f"{parts[0].lower()}-{country}"
    known = _BY_CODE.get(tag) or ELSEWHERE.get(tag) or _BY_LANGUAGE.get(parts[0].lower())
    if known is None:
        raise KeyError(f"{code!r} is not a language that can be spoken; known are {', '.join(CODES)}")
    return known
