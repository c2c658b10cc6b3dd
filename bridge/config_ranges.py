"""What numbers in a configuration file may be: no setting is less than nothing, few can be zero, shares end at one.

The rules go by the settings' names, which have their unit in them. A bound that a setting's type has is the type's own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

import msgspec.inspect as shape

from bridge import yaml_text

_Holds = Callable[[float], bool]
_ANY = re.compile(r"(.*_)?db|.*_score|extra")
"""Levels, scores in logarithms, and what is handed on to a server as it is."""
_SHARE = re.compile(r".*probability|.*_ratio|.*_strength|.*_threshold|.*_share|.*_no_speech|echo|stability|similarity")
_MORE_THAN_NOTHING = re.compile(
    r"(.*_)?deadline_(s|ms)|connect_s|heartbeat_s|start_s|session_s|stalled_s|words_every_s|memory_s|piece_s|context_s"
    r"|linger_s|answer_s|longest_(turn_s|call_s|answer_s|ms|chars)|(.*_)?lead(_max)?_ms|mark_ms|unanswered_ms|tick_ms"
    r"|window_ms|message_ms|first_audio_ms|stall_ms|switch_ms|give_up_ms|ahead_ms|redis_keep_days|.*_limit"
    r"|.*_windows|rows|threads|processes|(.*_)?sockets|concurrency|speed|catch_up|fixed_chars|max_tokens"
    r"|(say|answer|result)_characters|answer_bytes|actions|tenant_share"
)
"""Deadlines that would be over at once, sizes that hold nothing, and numbers of those who would do the work."""


def out_of_range(value: object, name: str, expected: shape.Type) -> str:
    """What is wrong with a number that a setting of this name is given; empty where nothing is, or it is no number."""
    number = _number(expected)
    if number is None or isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    kind = "int" if isinstance(number, shape.IntType) else "float"
    for bound, holds in _bounds(name, number):
        if not holds(value):
            return f"is {value!r}, expected {yaml_text.in_words(f'{kind} {bound}')}"
    return ""


def _bounds(name: str, number: shape.IntType | shape.FloatType) -> Iterator[tuple[str, _Holds]]:
    yield "that is finite", math.isfinite
    if _ANY.fullmatch(name):
        return
    if number.ge is None and number.gt is None:
        if _MORE_THAN_NOTHING.fullmatch(name):
            yield "> 0", lambda value: value > 0
        else:
            yield ">= 0", lambda value: value >= 0
    if number.le is None and _SHARE.fullmatch(name):
        yield "<= 1", lambda value: value <= 1


def _number(expected: shape.Type) -> shape.IntType | shape.FloatType | None:
    types = expected.types if isinstance(expected, shape.UnionType) else (expected,)
    return next((one for one in types if isinstance(one, shape.IntType | shape.FloatType)), None)
