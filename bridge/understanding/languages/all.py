"""The languages in which answers are understood: one YAML file each, which a translator can mend."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any, get_type_hints

from bridge import yaml_text
from bridge.text.spoken import languages
from bridge.text.spoken.language import Language
from bridge.understanding.lexicon import Lexicon, Phrase, Phrases, Words
from bridge.understanding.phrases import opened

FILES = {
    "en": "english", "de": "german", "es": "spanish", "fr": "french", "it": "italian", "pt": "portuguese",
    "nl": "dutch",
}  # fmt: skip
"""By the first part of a language's tag."""
UNDERSTOOD = (*languages.CODES, "es-MX", "es-US")
"""The ways of countries that matter to what is understood: the order of dates, and what a comma in a number is."""
_AGREEMENT = ("yes", "no", "weak_yes", "neither", "reported")
"""Keys whose phrases are looked for in texts with contractions opened."""
NO_LANGUAGE = "und"
"""The tag of a language that is not known (BCP 47): there only what is written in digits and signs is understood."""


def lexicon(code: str) -> Lexicon:
    """A language's words by its tag, such as `de` or `en-GB`; English where no language is said.

    A language without a file has no words: what it says is not understood, but for digits and addresses as written.
    """
    tag = code.replace("_", "-").lower() or "en-us"
    return _lexicon(tag if tag.partition("-")[0] in FILES else NO_LANGUAGE)


@functools.lru_cache(maxsize=64)
def _lexicon(tag: str) -> Lexicon:
    if tag == NO_LANGUAGE:
        return Lexicon(spoken=languages.language("en-GB"), largest_name=-1)
    name = FILES[tag.partition("-")[0]]
    text = resources.files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    spoken = languages.language(tag)
    if spoken.code not in UNDERSTOOD:
        spoken = languages.language(spoken.code.partition("-")[0])
    return _shared(name, text, spoken)


@functools.lru_cache(maxsize=64)
def _shared(name: str, text: str, spoken: Language) -> Lexicon:
    """One lexicon for all tags that are spoken alike, since tables are kept for each."""
    return read(name, text, spoken)


def read(name: str, text: str, spoken: Language) -> Lexicon:
    """The lexicon that a file's text holds. Raises ValueError, naming the file, the key and what is wrong there."""
    found = yaml_text.load(text)
    if not isinstance(found, Mapping):
        raise ValueError(f"{name}.yaml: not a table")
    hints = get_type_hints(Lexicon)
    known = {entry.name for entry in dataclasses.fields(Lexicon)} - {"spoken"}
    values: dict[str, Any] = {}
    for key, value in found.items():
        if key not in known:
            raise ValueError(f"{name}.yaml: {key} is none of {', '.join(sorted(known))}")
        try:
            values[key] = _agreement(value) if key in _AGREEMENT else _READERS[hints[key]](value)
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{name}.yaml: {key}: {error}") from error
    return Lexicon(spoken=spoken, **values)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value.lower()


def _words(value: object) -> Words:
    return frozenset(_text(value).split())


def _phrases(value: object) -> Phrases:
    return frozenset(_each(value))


def _agreement(value: object) -> Phrases:
    return frozenset(tuple(opened(" ".join(phrase)).split()) for phrase in _each(value))


def _each(value: object) -> list[Phrase]:
    return [tuple(phrase.split()) for phrase in _text(value).split(",") if phrase.strip()]


def _table(number: Callable[[str], object]) -> Callable[[object], dict[Phrase, object]]:
    """`2: double` as a table from the phrases to the value before them."""

    def reader(value: object) -> dict[Phrase, object]:
        if not isinstance(value, Mapping):
            raise ValueError("not a table")
        return {phrase: number(str(key)) for key, said in value.items() for phrase in _each(said)}

    return reader


def _word_table(number: Callable[[str], object]) -> Callable[[object], dict[str, object]]:
    def reader(value: object) -> dict[str, object]:
        return {" ".join(phrase): found for phrase, found in _table(number)(value).items()}

    return reader


def _clock(text: str) -> tuple[int, int]:
    hour, _, minute = text.partition(":")
    return int(hour), int(minute)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _int(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no whole number")
    return value


_READERS: dict[object, Callable[[object], object]] = {
    int: _int,
    bool: _flag,
    Words: _words,
    Phrases: _phrases,
    Mapping[str, str]: _word_table(str),
    Mapping[str, int]: _word_table(int),
    Mapping[Phrase, str]: _table(str),
    Mapping[Phrase, int]: _table(int),
    Mapping[Phrase, float]: _table(float),
    Mapping[Phrase, tuple[int, int]]: _table(_clock),
}
