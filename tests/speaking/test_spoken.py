"""Times of spoken words are given as times of written ones, however they come."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.call.events import Word
from bridge.speaking.voices.spoken import WrittenWords
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language

tokens = st.lists(
    st.sampled_from("$45.20 one 0042 😀 FBI No. 5 9:30 p.m. and - 3 * 4 (555) 123-4567".split()), max_size=12
)


@given(written=tokens, cuts=st.lists(st.integers(0, 60), max_size=6), missing=st.integers(0, 2))
@settings(deadline=None)
def test_every_written_word_has_a_time_in_order_however_the_words_are_told(
    written: list[str], cuts: list[int], missing: int
) -> None:
    said = spoken_form(" ".join(written), language("en"))
    spoken = said.text.split()
    words = [Word(word, 100 * place, 100 * place + 80) for place, word in enumerate(spoken)]
    words = words[: max(0, len(words) - missing)]
    times, told = WrittenWords(), list[Word]()
    times.add(said.tokens)
    edges = sorted({0, len(words), *(min(cut, len(words)) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        told += times.place(words[start:end])
    told += times.rest()

    assert [word.text for word in told] == written
    assert all(word.start_ms <= word.end_ms for word in told)
    assert [word.start_ms for word in told] == sorted(word.start_ms for word in told)
    if words and not missing:
        assert told[-1].end_ms == words[-1].end_ms
