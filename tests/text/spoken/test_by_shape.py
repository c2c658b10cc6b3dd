"""What is said of a token by its shape is what the rules say of it."""

from __future__ import annotations

import random

import pytest

from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import CODES, language
from bridge.text.spoken.lexicon import lexicon
from tests.text.kinds import VARIED

SHAPES = (
    "0.0 0.00 00.00 -0.5 +0.25 0,5 00,50 000,00 0.000 00,000 1.000 0,000 ~0.5 0.00000 $0 "
    "$0.0 $0.00 $00.00 -$0.00 $-0.00 "
    "€0.00 €0,00 0€ 0,00€ 00.00€ -00,00€ £0.00 £00 0p 00p 0.00$ R$0,00 ¥000 ¥0.00 $0.000 €0.000 0% 00% 0.0% 0,0% -0% "
    "0km 0,0km 00kg 0m 0h 0l 0.0l 00st 0st 0th 00GB 0k 0M 0°C 00°F 0min 0Std 0a 0in 00x 0er 0º 000-000-0000 "
    "000.000.0000 1-000-000-0000 +1-000-000-0000 (000)000-0000 00/00/0000 0/0/0000 00/00/00 00.00.0000 0.0.0000 "
    "00-00-0000 0-0-00 00/00 0/0 0-0 00-00 00:00 0:00 0000-00-00 0000-0000 0.0.0 00.00.00.00 000/000"
).split()
"""With zeros for digits."""


def tokens(code: str) -> list[str]:
    """Some of every shape, with the figures that are said in ways of their own, and with what closes them."""
    r = random.Random(code)
    found = [make(r).rstrip(",") for make in VARIED.values() for _ in range(10)]
    for shape in SHAPES:
        for figures in ("0", "1", "01", "10", "31", "12", "", "", "", ""):
            drawn = iter(figures * 12) if figures else iter(lambda: r.choice("0123456789"), "")
            found.append("".join(next(drawn) if sign.isdecimal() else sign for sign in shape))
    return [token + mark for token in found for mark in ("", ",", ".", "!")]


@pytest.mark.parametrize("code", CODES)
def test_what_is_said_by_shape_is_what_the_rules_say(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = language(code)
    texts = [f"yes {token} and" for token in tokens(code)]
    by_shape = [spoken_form(text, known) for text in texts]
    assert sum(shape.saying is not None for shape in lexicon(known)._shapes.values()) > 100
    lexicon.cache_clear()
    monkeypatch.setattr("bridge.text.spoken.lexicon.saying", lambda *_: None)

    assert [spoken_form(text, known) for text in texts] == by_shape
    lexicon.cache_clear()
