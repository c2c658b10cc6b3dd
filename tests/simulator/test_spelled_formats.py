"""The test voice speaks in the format that a line has, as any provider of speech must."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bridge.audio.formats import FORMATS, MULAW_8000, AudioFormat
from bridge.simulator.spelled import WORD_MS, SpelledVoice


class Heard:
    def __init__(self) -> None:
        self.sound = b""

    def audio(self, audio: bytes) -> None:
        self.sound += audio

    def words(self, words: Any) -> None: ...

    def done(self) -> None: ...


@pytest.mark.parametrize("audio_format", FORMATS.values(), ids=lambda form: form.name)
def test_a_text_is_as_long_in_every_format(audio_format: AudioFormat) -> None:
    heard = Heard()
    voice = SpelledVoice(lambda *place: place, lambda _delay, work: work())
    voice.open(SimpleNamespace(text="one two three", audio_format=audio_format), heard)
    assert audio_format.duration_ms(heard.sound) == 3 * WORD_MS


def test_without_a_format_it_is_mu_law() -> None:
    heard = Heard()
    SpelledVoice(lambda *place: place, lambda _delay, work: work()).open(SimpleNamespace(text="one"), heard)
    assert MULAW_8000.duration_ms(heard.sound) == WORD_MS
