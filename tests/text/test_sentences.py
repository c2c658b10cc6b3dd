"""The bridge's own sentences: whole in every language, and said in the call's."""

from __future__ import annotations

import pytest

from bridge.call.settings import CallSettings, FallbackSettings
from bridge.text.sentences import languages, sentences
from bridge.text.spoken.languages import CODES


def test_there_is_a_file_for_every_language_that_can_be_spoken() -> None:
    assert languages() == {code.partition("-")[0] for code in CODES}


@pytest.mark.parametrize("tag", sorted(languages()))
def test_every_language_has_every_sentence(tag: str) -> None:
    own = sentences(tag)

    assert own.keys() == sentences("en").keys()
    assert all(own.values())
    if tag != "en":
        assert all(own[key] != english for key, english in sentences("en").items())


def test_a_call_says_them_in_its_language_unless_they_are_set() -> None:
    german = CallSettings(language="de-AT", apology="Moment.")

    assert german.apology == "Moment."
    assert german.goodbye == sentences("de")["goodbye"]
    assert german.fallback.text == sentences("de")["fallback"]
    assert CallSettings(language="sv").goodbye == sentences("en")["goodbye"]
    assert CallSettings().goodbye == CallSettings(language="en-GB").goodbye == sentences("en")["goodbye"]
    assert FallbackSettings().text == sentences("en")["fallback"]
