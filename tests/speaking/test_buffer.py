"""A phrase that is put together from what several streams brought: no word is lost, each is whole once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.formats import FORMATS, MULAW_8000
from bridge.call.events import Word
from bridge.speaking.phrases.buffer import PhraseBuffer
from bridge.speaking.phrases.phrase import spread, tokens
from tests.speaking.doubles import WORD_BYTES, WORD_MS, heard, sound_of

WORDS = "one two three four five six seven".split()


def bring(buffer: PhraseBuffer, text: str, words: int, extra_bytes: int, announced: int) -> None:
    """A stream speaks so many words and a bit of the next, and has said where `announced` more will be."""
    spoken = text.split()
    placed = spoken[: words + announced]
    buffer.place([Word(word, index * WORD_MS, (index + 1) * WORD_MS) for index, word in enumerate(placed)])
    for word in spoken[:words]:
        buffer.add(sound_of(word))
    if extra_bytes and words < len(spoken):
        buffer.add(sound_of(spoken[words])[:extra_bytes])


BREAKS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, WORD_BYTES - 1), st.integers(1, 4), st.floats(0, 1)), max_size=5
)


@given(st.integers(1, 7), BREAKS)
def test_whatever_breaks_off_every_word_is_heard_whole(count: int, breaks: list[tuple[int, int, int, float]]) -> None:
    text = " ".join(WORDS[:count])
    buffer = PhraseBuffer(text, MULAW_8000)
    delivered = 0
    for words, extra_bytes, announced, taken in breaks:
        rest, at = buffer.missing(delivered)
        if not rest:
            break
        assert delivered <= at <= len(buffer.audio), "what was given to a caller stays"
        buffer.begin(at)
        bring(buffer, rest, words, extra_bytes, announced)
        delivered += int((buffer.frames - delivered) * taken) // 160 * 160
    rest, at = buffer.missing(delivered)
    if rest:
        buffer.begin(at)
        bring(buffer, rest, len(rest.split()), 0, 0)
    assert buffer.finish()
    assert [word.text for word in buffer.words] == text.split()
    for word in buffer.words:
        assert heard(bytes(buffer.audio[word.start_ms * 8 : word.end_ms * 8])) == [word.text]
    assert len(buffer.audio) % 160 == 0


@given(st.sampled_from(list(FORMATS.values())), st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_only_whole_frames_are_given_out_and_the_last_is_filled_up(audio_format: object, samples: list[int]) -> None:
    audio_format = FORMATS[audio_format.name]  # type: ignore[attr-defined]
    buffer = PhraseBuffer("one two", audio_format)
    buffer.begin(0)
    for count in samples:
        buffer.add(b"\x11" * count * audio_format.sample_bytes)
        assert buffer.frames % audio_format.frame_bytes == 0
        assert 0 <= len(buffer.audio) - buffer.frames < audio_format.frame_bytes
    made = len(buffer.audio)
    assert buffer.finish()
    assert len(buffer.audio) % audio_format.frame_bytes == 0
    assert buffer.audio[made:] == audio_format.silence(20)[: len(buffer.audio) - made]


def test_without_times_words_are_where_the_pace_puts_them_and_none_ends_after_the_sound() -> None:
    buffer = PhraseBuffer("one two three", MULAW_8000)
    buffer.begin(0)
    buffer.untimed()
    buffer.add(b"\x11" * 8 * 500)
    assert buffer.finish()
    assert [word.text for word in buffer.words] == ["one", "two", "three"]
    assert buffer.words[-1].end_ms <= 500


@given(st.text(alphabet="ab .", max_size=40), st.integers(0, 900), st.integers(0, 5000))
def test_spread_words_follow_on_each_other(text: str, start_ms: int, length_ms: int) -> None:
    words = spread(text, start_ms, start_ms + length_ms)
    assert [word.text for word in words] == tokens(text)
    edges = [start_ms, *(edge for word in words for edge in (word.start_ms, word.end_ms)), start_ms + length_ms]
    assert edges == sorted(edges)


@pytest.mark.parametrize("heard_ms", range(0, 1200, 37))
def test_a_word_whose_time_is_a_guess_is_either_said_already_or_said_again(heard_ms: int) -> None:
    """Whatever was heard when a stream without word times broke off: no word falls between the two streams."""
    buffer = PhraseBuffer("nine ten eleven twelve", MULAW_8000)
    buffer.begin(0)
    buffer.untimed()
    buffer.add(b"\x11" * 8 * heard_ms)
    text, at = buffer.missing(buffer.frames)
    buffer.begin(at)
    assert [*(word.text for word in buffer.words), *text.split()] == "nine ten eleven twelve".split()
    assert all(word.end_ms * 8 <= len(buffer.audio) for word in buffer.words)


def test_nothing_at_all_is_no_phrase() -> None:
    buffer = PhraseBuffer("one", MULAW_8000)
    buffer.begin(0)
    assert not buffer.finish()
