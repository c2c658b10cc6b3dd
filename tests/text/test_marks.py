"""What SSML asks of a voice goes with the text, however that is cut, and comes off without a trace."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.text import marks
from bridge.text.chunker import Chunker, unhurried
from bridge.text.cleaning import clean
from bridge.text.phonemes import ipa
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language
from bridge.text.ssml import Checker, rate_percent

MARKED = (
    'Ask <phoneme ph="wɪn">Nguyen</phoneme> in <phoneme ph="nuː jɔːk">New York</phoneme>, '
    '<prosody rate="slow">please. It is <prosody rate="50%">four seven</prosody> one two.</prosody> Thank you. Goodbye.'
)
PLAIN = "Ask Nguyen in New York, please. It is four seven one two. Thank you. Goodbye."


def paces(pieces: list[str]) -> list[tuple[str, int]]:
    """Each word and the rate that it is said at."""
    return [
        (word, run.percent) for piece in pieces for run in marks.runs(piece) for word in marks.plain(run.text).split()
    ]


@given(cuts=st.lists(st.integers(0, len(MARKED)), max_size=12), strategy=st.sampled_from(["word", "clause", "fixed"]))
def test_every_piece_says_its_rate_however_the_text_is_cut(cuts: list[int], strategy: str) -> None:
    chunker = Chunker(unhurried(strategy))  # type: ignore[arg-type]
    edges = sorted({0, len(MARKED), *cuts})
    pieces = [piece for start, end in pairwise(edges) for piece in chunker.feed(MARKED[start:end])] + chunker.finish()

    slow = dict.fromkeys("please. It is one two.".split(), 80) | {"four": 40, "seven": 40}
    assert paces(pieces) == [(word, slow.get(word, 100)) for word in PLAIN.split()]
    assert marks.plain("".join(pieces)) == PLAIN


def test_phonemes_belong_to_the_last_of_their_words_and_are_left_out_where_nobody_takes_them() -> None:
    written = clean(MARKED)

    assert marks.plain(written) == PLAIN
    assert [marks.phonemes(token) for token in written.split()][:6] == [None, "wɪn", None, "", "nuːjɔːk", None]
    assert spoken_form(written, language("en")).text == PLAIN
    told = spoken_form(written, language("en"), phonemes=lambda word, sounds: f"{word}/{sounds}/")
    assert told.text.startswith("Ask Nguyen/wɪn/ in York/nuːjɔːk/, please.")
    assert told.tokens[3] == ("New", "")


@given(st.text(st.characters(min_codepoint=0xDFF0, max_codepoint=0xF910, categories=["Co", "Lo"]), max_size=20))
def test_nobody_can_write_the_marks_themselves(text: str) -> None:
    assert marks.plain(cleaned := clean(f"a {text} b &#xe000; <sub alias='{text}c'>d</sub>")) == cleaned


def test_what_goes_on_after_a_failure_keeps_its_rate() -> None:
    text = marks.rate(80) + "one two " + marks.rate(100) + "three four"

    assert marks.plain(marks.from_token(text, 1)) == "two three four"
    assert paces([marks.from_token(text, 1)]) == [("two", 80), ("three", 100), ("four", 100)]
    assert paces([marks.from_token(text, 3)]) == [("four", 100)]


@pytest.mark.parametrize(
    ("value", "around", "percent"),
    [("slow", 100, 80), ("x-fast", 100, 150), ("50%", 80, 40), ("+20%", 100, 120), ("-20%", 50, 40),
     ("default", 50, 100), ("0.8", 100, 80), ("warp", 90, 90), ("", 90, 90)],
)  # fmt: skip
def test_a_rate_is_that_of_ssml_within_what_is_around_it(value: str, around: float, percent: float) -> None:
    assert rate_percent(value, around) == pytest.approx(percent)


def test_rates_beyond_understanding_and_endless_nesting_are_bounded() -> None:
    assert paces([clean('<prosody rate="999%">a</prosody> <prosody rate="1%">b</prosody>')]) == [("a", 400), ("b", 20)]
    assert marks.plain(clean('<prosody rate="90%">' * 500 + "a" + "</prosody>" * 500)) == "a"


@pytest.mark.parametrize(
    ("written", "said"), [('"wIn', "ˈwɪn"), ('n@"gu:j@n', "nəˈɡuːjən"), ("b3`d", "bɝd"), ("R\\", "ʀ")]
)
def test_x_sampa_is_the_ipa_in_ascii(written: str, said: str) -> None:
    assert ipa(written, "x-sampa") == said


@pytest.mark.parametrize(("written", "alphabet", "wrong"), [("w/n", "ipa", "'/'"), ("", "ipa", "there are none"),
                                                            ("ß", "x-sampa", "'ß' is no sign of X-SAMPA")])  # fmt: skip
def test_what_is_no_phoneme_is_named(written: str, alphabet: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        ipa(written, alphabet)


@given(cuts=st.lists(st.integers(0, 90), max_size=8))
def test_mistakes_are_found_once_however_the_text_is_cut(cuts: list[int]) -> None:
    text = "Wait <break time='soon'/> for <say-as>4</say-as>, 3 < 4 <sub>x</sub> <phoneme ph='/'>y</phoneme>"
    checker = Checker()
    found = [
        mistake for start, end in pairwise(sorted({0, len(text), *cuts})) for mistake in checker.feed(text[start:end])
    ]

    assert [mistake.split(" ")[0] for mistake in found] == ["<break>", "<say-as>", "<phoneme>"]


def test_looking_for_mistakes_keeps_little_of_a_text_without_end() -> None:
    checker = Checker()
    for _ in range(1000):
        assert checker.feed("<break time=" + "x" * 500) == []
    assert len(checker._begun) <= 512
