"""Addresses of machines and versions of programs: `192.168.0.1`, `v2.0.1`. Pure."""

from __future__ import annotations

import re

from bridge.text.spoken.codes import IP, spelled
from bridge.text.spoken.cursor import Cursor, Reading
from bridge.text.spoken.numerals import digits, whole

_VERSION = re.compile(r"[vV]?\d{1,6}(?:\.\d{1,6}){1,6}")
_IP6 = re.compile(
    r"::(?:[0-9a-fA-F]{1,4}:){0,6}[0-9a-fA-F]{1,4}|(?=.*::|(?:[^:]+:){7})[0-9a-fA-F]{1,4}(?::{1,2}[0-9a-fA-F]{1,4}){1,7}(?:::)?"
)


def machine(c: Cursor) -> Reading | None:
    """IP addresses and versions: `192.168.0.1`, `v2.0.1`, `version 3.11`."""
    language, core = c.language, c.core()
    dot = language.address_signs["."]
    if ":" in core and _IP6.fullmatch(core):
        parts = re.findall(r"[0-9a-fA-F]+|:", core)
        return Reading(
            1, " ".join(spelled(part, language) if part != ":" else language.address_signs[":"] for part in parts)
        )
    if IP.fullmatch(core) and all(int(part) <= 255 for part in re.findall(r"\d+", core)[:4]):
        words = [
            digits(run, language) if run.isdecimal() else language.address_signs[run]
            for run in re.findall(r"\d+|\D", core)
        ]
        return Reading(1, " ".join(words))
    if not _VERSION.fullmatch(core):
        return None
    lettered = core[0] in "vV"
    if not lettered and core.count(".") < 2 and c.word(-1) not in language.version_words:
        return None
    if not lettered and re.fullmatch(r"\d{1,3}(?:\.\d{3})+", core):
        return None
    words = [whole(run, language) if run.isdecimal() else dot for run in re.findall(r"\d+|\.", core)]
    head = f"{language.before_numbers['v']} " if lettered else ""
    return Reading(1, head + " ".join(words).replace(dot, dot if language.decimal_mark == "," else language.point))
