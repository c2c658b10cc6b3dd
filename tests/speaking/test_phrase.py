from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.events import Word
from bridge.errors import BadMessage
from bridge.speaking.phrases import phrase as phrase_module
from bridge.speaking.phrases.phrase import (
    PhraseKey,
    loudness_db,
    normalise,
    pack,
    relabel,
    tokens,
    unpack,
    verified,
)
from tests.speaking.phrases import phrase


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello!", "hello !"),
        ("  Hello   there ", "hello there"),
        ("Thank you .", "thank you."),
        ("Café time", "Cafe\u0301 time"),
        ("Wait ...", "wait..."),
    ],
)
def test_what_sounds_the_same_meets(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("10", "1 0"),
        ("US", "us"),
        ("It is", "IT is"),
        ("US dollars.", "Us dollars."),
        ("Polish it", "polish it"),
        ("We are Polish", "we are polish"),
        ("in August", "in august"),
        ("A.", "a."),
        ("I", "i"),
        ("Yes?", "Yes."),
        ("Yes!", "Yes."),
        ("Hello", "Hello."),
        ("Hello, you", "Hello you"),
        ("3.5", "3 .5"),
        ("$5", "5"),
        ("resume", "résumé"),
        ("e.g. this", "eg this"),
        ("U.S. law", "us law"),
        ("re-sign", "resign"),
        ("McDonald", "mcdonald"),
        ("x²", "x2"),
    ],
)
def test_what_may_sound_different_never_meets(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@given(st.text(max_size=40))
def test_normalising_again_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(max_size=40))
def test_both_spellings_of_a_phrase_have_the_same_tokens(text: str) -> None:
    """Else the words of one could not be given to the other."""
    assert len(tokens(text)) == len(tokens(normalise(text)))


def test_every_part_of_the_key_counts_and_no_two_run_into_each_other() -> None:
    keys = [
        PhraseKey("a", "heart", "hibari-1"),
        PhraseKey("b", "heart", "hibari-1"),
        PhraseKey("a", "joe", "hibari-1"),
        PhraseKey("a", "heart", "hibari-2"),
        PhraseKey("a", "heart", "hibari-1", speed=1.1),
        PhraseKey("a", "heart", "hibari-1", tenant="acme"),
        PhraseKey("a", "heart", "hibari-1", format="pcm_8000"),
        PhraseKey("a", "heart", "hibari-1", language="de-DE"),
        PhraseKey("ah", "eart", "hibari-1"),
    ]
    assert len({key.digest for key in keys}) == len(keys)


@given(st.text(max_size=30), st.integers(0, 5), st.floats(0, 1e6), st.text(max_size=10))
def test_a_phrase_comes_back_as_it_was_stored(text: str, frames: int, synthesis_ms: float, tenant: str) -> None:
    stored = msgspec.structs.replace(
        phrase("one two"), key=PhraseKey(text, "v", "e", tenant=tenant), audio=b"\x10" * 160 * frames
    )
    stored = msgspec.structs.replace(stored, synthesis_ms=synthesis_ms)
    assert unpack(pack(stored)) == stored


@given(st.data())
def test_any_damage_is_found(data: st.DataObject) -> None:
    whole = pack(phrase("good morning"))
    at = data.draw(st.integers(0, len(whole) - 1))
    change = data.draw(st.integers(1, 255))
    damaged = whole[:at] + bytes((whole[at] ^ change,)) + whole[at + 1 :]
    if at in (6, 7):
        return  # two bytes of the header that carry nothing
    with pytest.raises(BadMessage):
        unpack(damaged)
    with pytest.raises(BadMessage):
        unpack(whole[:at])


def test_only_whole_and_sensible_phrases_are_kept() -> None:
    good = phrase("good morning")
    assert verified(good)
    assert not verified(msgspec.structs.replace(good, audio=good.audio[:-1]))
    assert not verified(msgspec.structs.replace(good, audio=b""))
    silent = b"\xff" * 3200
    assert not verified(msgspec.structs.replace(good, audio=silent, loudness_db=loudness_db(silent)))
    assert not verified(msgspec.structs.replace(good, words=(Word("good", 0, 900),)))
    assert not verified(msgspec.structs.replace(good, words=(Word("b", 200, 300), Word("a", 0, 100))))


def test_the_words_take_the_spelling_of_who_asks() -> None:
    words = (Word("Hello!", 0, 200), Word("You", 200, 400))
    assert relabel(words, "hello ! You") == (Word("hello!", 0, 200), Word("You", 200, 400))
    assert relabel(words, "something quite different") == words


def test_loudness_leaves_pauses_out() -> None:
    loud = phrase("hello there").audio
    assert loudness_db(loud + b"\xff" * 16_000) == pytest.approx(loudness_db(loud), abs=0.01)
    assert loudness_db(b"") == -120.0


def test_a_phrase_made_under_other_rules_of_reading_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    now = PhraseKey("it is 5", "heart", "hibari-1").digest
    monkeypatch.setattr(phrase_module, "RULES_VERSION", -1)

    assert PhraseKey("it is 5", "heart", "hibari-1").digest != now
