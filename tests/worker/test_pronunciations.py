"""The builder's pronunciation list: what it may hold, and that voices say what it says."""

from __future__ import annotations

import pytest

from bridge.errors import ConfigError
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language
from bridge.worker.engines.english import EnglishReader
from bridge.worker.settings import WorkerSettings
from bridge.worker.voice_settings import HibariVoiceSettings
from bridge.worker.voices import load_voices


def settings(**words: str) -> WorkerSettings:
    return WorkerSettings(voices={"heart": HibariVoiceSettings(voice="heart", pronunciations=words)})


def test_words_are_said_as_the_list_says_and_keep_their_spelling() -> None:
    voice = load_voices(settings(Nguyen="win", Xero="/zˈɪɹO/"))["heart"]
    form = spoken_form("Ask Nguyen, at Xero.", language("en"), pronunciations=voice.pronunciations)

    assert form.text == "Ask win, at [Xero](/zˈɪɹO/)."
    assert form.written == ("Ask", "Nguyen,", "at", "Xero.")
    reading = EnglishReader().read(form.text, form.text.split())
    assert reading.phonemes.endswith("zˈɪɹO.")
    assert len(reading.words) == 4


def test_phonemes_of_a_long_name_are_said_too() -> None:
    voice = load_voices(settings(Wojciechowski="/vɔɪtʃɪˈxɒfskɪ/"))["heart"]
    text = spoken_form("Doctor Wojciechowski, please.", language("en"), pronunciations=voice.pronunciations).text

    assert "vYʧɪˈxɑfskɪ," in EnglishReader().read(text, text.split()).phonemes


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        ({"two words": "x"}, "heart.pronunciations.two words: expected a single word"),
        ({"Nguyen": "42"}, "heart.pronunciations.Nguyen: '42': expected words, or phonemes between strokes"),
        ({"Nguyen": "/w ɪn/"}, "phonemes are written without spaces"),
        ({"Nguyen": "w" * 101}, "expected words"),
    ],
)
def test_a_mistake_in_the_list_is_named(words: dict[str, str], mistake: str) -> None:
    with pytest.raises(ConfigError, match=mistake.replace("?", ".")):
        load_voices(settings(**words))


@pytest.mark.parametrize(
    ("text", "letters"),
    [("flight B A two four", 1), ("at nine A M tomorrow", 1), ("code A one A B", 2), ("A man and a plan", 0)],
)
def test_an_a_among_letters_and_digits_is_no_article(text: str, letters: int) -> None:
    reader = EnglishReader()
    reading = reader.read(text, text.split())
    as_letter = [word for word, (first, end) in zip(text.split(), reading.words, strict=True)
                 if word == "A" and reading.phonemes[round(first) : round(end)].strip() == "ˈA"]  # fmt: skip

    assert len(as_letter) == letters
