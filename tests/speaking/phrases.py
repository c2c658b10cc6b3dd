"""Phrases made without a voice."""

from __future__ import annotations

from bridge.call.events import Word
from bridge.speaking.phrases.phrase import Phrase, PhraseKey, loudness_db, normalise
from tests.speaking.doubles import WORD_MS, sound_of


def key(text: str, tenant: str = "default", voice: str = "heart", engine: str = "fake-1") -> PhraseKey:
    return PhraseKey(normalise(text), voice, engine, tenant=tenant)


def phrase(text: str, tenant: str = "default", voice: str = "heart", engine: str = "fake-1") -> Phrase:
    """A loud phrase of 200 ms per word."""
    ulaw = b"".join(sound_of(word) for word in text.split())
    words = tuple(Word(word, i * WORD_MS, (i + 1) * WORD_MS) for i, word in enumerate(text.split()))
    return Phrase(key(text, tenant, voice, engine), ulaw, words, loudness_db(ulaw), 12.5)
