"""What holds for every text: nothing lost, nothing invented, nothing left for a voice to rewrite, linear cost."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.text import marks
from bridge.text.spoken.cursor import ANYTHING, Cursor
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import CODES, language
from bridge.text.spoken.lexicon import Shape, lexicon
from bridge.text.spoken.rules import FIGURES
from tests.text.counting import steps
from tests.text.kinds import REPEATED, VARIED, repeated, varied

LEFT = re.compile(r"[^\W\d_]|[ '’\-.,;:!?…()\"—]")
"""Letters, and marks that voices take for pauses."""

pieces = st.sampled_from(
    "a I the St. Dr. no. No. Main code PIN call on in at $ € £ % + - * # @ / . , : ; ( ) [ ] < > & ' \" ½ ² 😀 – — "
    "… 0 1 5 12 42 305 0042 1984 12345 5551234567 1,200.50 12,50 9:30 2h30m 1h30 1m80 9 a.m. pm am Jan. 5th 3/4 "
    "3/14/2024 km kg x A1B2 FBI IV VIII john@example.com example.com www.a.b 192.168.0.1 v2.0 *67 #5 ext. USD "
    "million per h ~ ± ° _ ` | \\ ^ é ß ñ 中 文 ا".split()
)
texts = st.one_of(
    st.text(max_size=80),
    st.lists(st.tuples(pieces, st.sampled_from(["", " ", " ", "  ", "\n"])), max_size=14).map(
        lambda parts: "".join(piece + gap for piece, gap in parts)
    ),
)


@pytest.mark.parametrize("code", CODES)
@given(text=texts)
@settings(max_examples=300, deadline=None)
def test_only_words_and_pauses_are_left(code: str, text: str) -> None:
    spoken = spoken_form(text, language(code)).text

    assert not re.search(r"[0-9$€£%+*#@/&=<>_^~\\|{}\[\]`°]", spoken), spoken


@pytest.mark.parametrize("code", CODES)
@given(text=st.lists(pieces, max_size=10).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_saying_it_once_more_changes_nothing(code: str, text: str) -> None:
    once = spoken_form(text, language(code)).text

    assert spoken_form(once, language(code)).text == once


@given(text=texts)
@settings(max_examples=300, deadline=None)
def test_every_written_token_is_accounted_for_in_order(text: str) -> None:
    form = spoken_form(text, language("en"))

    assert " ".join(token.written for token in form.tokens).split() == marks.plain(text).split()
    assert len(form.text.split()) == sum(form.counts)
    assert len(form.written) == len(form.counts)


@given(words=st.lists(st.sampled_from("please call us when you have time because we would like to help".split())))
def test_plain_words_are_left_alone(words: list[str]) -> None:
    text = " ".join(words)

    assert spoken_form(text, language("en")).text == text


@pytest.mark.parametrize(
    "unit",
    ["1a", "1.", "1-", "a@", "a.", "a/", "x", "1 ", "1 2 3 ", "$1.50 ", "+1 ", "(1 ", "* ", "A B ", "FBI ", "St. ",
     "-", "a@b.c ", "555-123-4567 ", "4111 1111 ", "http://a.b/c ", "😀 ", "1/2 ", "12:30 ", "- ", "code 1 ", "'",
     "II ", "#1"],
)  # fmt: skip
def test_twice_the_text_is_at_most_twice_the_work(unit: str) -> None:
    def work(length: int) -> int:
        text = (unit * length)[:length]
        return steps(lambda: spoken_form(text, language("en")))

    work(500)
    assert work(8000) <= 2.2 * work(4000) + 200


@pytest.mark.parametrize("code", CODES)
def test_twice_the_text_of_any_kind_is_at_most_twice_the_work_in_every_language(code: str) -> None:
    known = language(code)

    def work(kind: str, length: int) -> int:
        text = varied(kind, length)
        spoken_form(text, known)
        return steps(lambda: spoken_form(text, known))

    for kind in list(VARIED)[CODES.index(code) % 3 :: 3]:
        assert work(kind, 1600) <= 2.6 * work(kind, 800) + 400, kind


@pytest.mark.parametrize("unit", REPEATED)
def test_the_same_again_is_hardly_any_work(unit: str) -> None:
    text = repeated(unit, 8000)
    spoken_form(text, language("en"))

    assert steps(lambda: spoken_form(text, language("en"))) <= 8 * len(text)


@pytest.mark.parametrize("kind", VARIED)
def test_no_kind_of_text_is_much_work(kind: str) -> None:
    text = varied(kind, 8000)
    spoken_form(text, language("en"))

    assert steps(lambda: spoken_form(text, language("en"))) <= 12 * len(text)


ROWS_OF_FIGURES = (
    "digits", "numbers below 100", "money", "prices with commas", "prices apart", "decimals", "fractions", "dates",
    "ordinals", "numbers with stops", "telephone numbers", "times", "ranges", "years",
)  # fmt: skip
"""Kinds of which each token is said by its shape, or as its neighbours are."""


@pytest.mark.parametrize("code", CODES)
def test_few_calls_are_enough_for_a_token_that_was_not_met_before(code: str) -> None:
    known = language(code)
    lexicon.cache_clear()
    for kind in VARIED:
        for seed in "ab":
            spoken_form(varied(kind, 3000, seed), known)
        text = varied(kind, 3000, "c")
        calls = steps(lambda text=text: spoken_form(text, known)) / len(text.split())  # type: ignore[misc]

        assert calls <= (45 if kind in ROWS_OF_FIGURES else 120), (kind, calls)


CONTEXTS = (
    "code room call No. 5 12 4111 0042 - (1 1) +1 +49 (30 555 * 3 a.m. am 9am-5pm Mon Mon-Fri Jan. May 5th "
    "km km/h % $ € $1.50 1,200 3.5 million Mio. 1/2 3/2 12:30 14h30 Uhr x X12 A B IV e Dr. and is St. Main 3. Mai "
    "Tagen FBI 5-10 /h # M€ 5, 42; 1984, 20500, 12.34, 12.5 9.30, on version press since to from in €, pm, am, PM km, "
    "a bill people m 2m 3M 12\" 6' form 1040 3ª feira 12st €50 per min. Abc1! password "
    "the der NASA QRX VW 555-123-4567 555-123-4567, ext12 x4 ***42 3/4, 25/12 3.5. '80s 80s IV, 2026-05-10 03.05.2026"
).split()


@pytest.mark.parametrize("code", CODES)
def test_what_is_remembered_of_a_text_changes_nothing(code: str) -> None:
    r, known = random.Random(code), language(code)
    for _ in range(250):
        text = " ".join([*r.choices(CONTEXTS, k=r.randint(0, 3)), *r.choices(CONTEXTS, k=r.randint(1, 9)) * 4])
        remembered = spoken_form(text, known)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Cursor, "surroundings", property(lambda cursor: str(cursor.at)))
            patch.setattr("bridge.text.spoken.form._Reader.known", lambda *_: None)
            patch.setattr("bridge.text.spoken.form._Reader._counting", lambda *_: None)
            patch.setattr("bridge.text.spoken.form._Reader._row", lambda *_: [])
            assert spoken_form(text, known) == remembered, text


def _met(code: str) -> list[str]:
    """Some tokens with digits of every kind, with marks around them."""
    r = random.Random(code)
    signs = "01234567890123456789aAxX.,:;-–/'()$€%&@#+*hm²º½"
    tokens = [token for kind in VARIED for token in varied(kind, 40, code).split()]
    return tokens + ["".join(r.choices(signs, k=r.randint(1, 9))) for _ in range(80)]


@pytest.mark.parametrize("code", CODES)
def test_tokens_that_differ_in_their_digits_alone_are_of_one_shape(code: str) -> None:
    known = language(code)
    words = [word for table in (known.abbreviations, known.units) for word in table if any(map(str.isdecimal, word))]
    for token in [*_met(code), *words]:
        shape, own = Shape(token.translate(FIGURES), known), Shape(token, known)
        if shape.exact:
            continue
        for name in set(Shape.__slots__) - {"_core", "_part", "_rules", "_sums", "saying"}:
            assert getattr(shape, name) == getattr(own, name), (token, name)
        for beside in (0, int(ANYTHING)):
            assert shape.rules(beside) == own.rules(beside), token


@pytest.mark.parametrize("code", CODES)
def test_no_figures_of_any_shape_are_more_than_a_language_knows(code: str) -> None:
    signs = "-/:.,'x "
    units = "h hr min m s u km kg in ft st nd th er e a o º am pm u k M % € $ ° ish er s p ext".split()
    figures = ("1", "2", "12", "30", "100", "1980", "0042")
    for first in figures:
        for unit in units:
            for text in (f"{first}{unit}", f"{first}{unit}30", f"{first}{unit}30m", f"{first} {unit} {first}"):
                assert spoken_form(text, language(code)).text
        for sign in signs:
            for unit in ("", *units):
                assert spoken_form(f"{first}{sign}30{unit}", language(code)).text


def test_a_stop_after_a_unit_is_read_by_what_follows_it_each_time() -> None:
    said = [spoken_form(f"It has 100Mbps. {after}", language("en")).text for after in ("and more", "Then", "5/6/24")]

    assert said[0].startswith("It has one hundred megabits per second and")
    assert all(one.startswith("It has one hundred megabits per second. ") for one in said[1:])


def test_what_was_read_before_changes_nothing() -> None:
    texts = [varied(kind, 600) for kind in VARIED]
    before = [spoken_form(text, language("en")) for text in texts]
    lexicon.cache_clear()

    assert [spoken_form(text, language("en")) for text in reversed(texts)] == before[::-1]


@pytest.mark.parametrize("text", [".-1", "1-.-5", "1-.", "-.5-", "١9:30", "1‒.–2"])
def test_dashes_and_stops_in_any_order_are_read(text: str) -> None:
    assert spoken_form(text, language("en")).text
