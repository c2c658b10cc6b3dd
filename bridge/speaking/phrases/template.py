"""Sentences with slots, `"Your code is {digits}."`: the words before the first slot are played from the cache.

While they play, the whole real sentence is synthesised, and from the slot on it is that rendition which is
heard. So the first audio comes at once, the slot is spoken in its own sentence's intonation, there is one join
instead of two, and nothing that was in a slot is ever stored. The cached words come from a rendition of the
same sentence with a sample in the slot, cut at the quiet point before it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.audio.formats import FRAME_MS, MULAW_8000, AudioFormat
from bridge.call.events import Word
from bridge.speaking.phrases.phrase import Phrase, linear, loudness_db, normalise, tokens

_SLOT = re.compile(r"\{(\w+)\}")
_SAMPLES = {
    "digits": "4 2 7",
    "number": "4",
    "name": "Taylor",
    "date": "2026-03-04",
    "time": "10:30",
    "amount": "20",
    "code": "4 2 7",
    "phone": "5 5 5",
    "email": "taylor@example.com",
    "spelled": "A, B, C",
}
_ANY_SAMPLE = "10"
"""Samples are figures, which are read in the language of the sentence."""
_FEWEST_WORDS = 2
_FADE_MS = 4
_FADE_DB = -30.0
_LEAST_GAIN_DB = 0.2
_MOST_GAIN_DB = 3.0
_SEARCH_MS = 40
"""How far into the next word the quietest point of the gap before it is looked for; word times are that rough."""


class Template(NamedTuple):
    """A sentence with slots, which are filled in when it is said."""

    text: str
    head: tuple[str, ...]
    """The tokens before the first slot."""
    carrier: str
    """The sentence with samples in its slots."""

    @property
    def kept_as(self) -> str:
        """The text that its head is cached under; a brace is never spoken, so no sentence has the same."""
        return normalise(" ".join(self.head)) + " {}"


def has_slot(text: str) -> bool:
    """Whether a text is a template rather than something that can be said."""
    return _SLOT.search(text) is not None


def parse(text: str) -> Template | None:
    """Read a template; None if there is no slot, or too little before the first to be worth a join."""
    first = _SLOT.search(text)
    if first is None:
        return None
    head = text[: first.start()]
    if head and not head[-1].isspace():
        head = head.rpartition(" ")[0]  # "${amount}": the sign belongs to the slot's token
    spoken = tuple(tokens(head))
    if len(spoken) < _FEWEST_WORDS:
        return None
    return Template(text, spoken, _SLOT.sub(lambda slot: _SAMPLES.get(slot[1], _ANY_SAMPLE), text))


class Templates:
    """The templates of a service, and which of them a sentence fills."""

    def __init__(self) -> None:
        self._by_head: dict[str, Template] = {}
        self._lengths: set[int] = set()

    def __len__(self) -> int:
        return len(self._by_head)

    def add(self, texts: Iterable[str]) -> list[Template]:
        """Register what can be parsed; return those."""
        found = [template for text in texts if (template := parse(text)) is not None]
        for template in found:
            self._by_head[template.kept_as] = template
            self._lengths.add(len(template.head))
        return found

    def discard(self, template: Template) -> None:
        """Forget a template that turned out to be of no use."""
        self._by_head.pop(template.kept_as, None)

    def match(self, text: str) -> Template | None:
        """The template with the longest head that this sentence begins with and goes on after."""
        if not self._by_head:
            return None
        spoken = tokens(normalise(text))
        for length in sorted(self._lengths, reverse=True):
            if len(spoken) > length:
                template = self._by_head.get(" ".join(spoken[:length]) + " {}")
                if template is not None:
                    return template
        return None


def cut_head(
    audio: bytes, words: Sequence[Word], length: int, audio_format: AudioFormat = MULAW_8000
) -> tuple[bytes, tuple[Word, ...]]:
    """The first `length` words of a rendition, cut where it is quietest before the next one, on a 20 ms frame."""
    last, following = words[length - 1], words[length]
    first_frame = -(-last.end_ms // FRAME_MS)
    last_frame = max(first_frame, min(following.start_ms + _SEARCH_MS, following.end_ms) // FRAME_MS)
    samples = linear(audio, audio_format)
    frame = audio_format.frame_bytes // audio_format.sample_bytes
    at = min(range(first_frame, last_frame + 1), key=lambda n: _power_around(samples, n * frame, frame))
    kept = audio[: at * audio_format.frame_bytes]
    fade = _FADE_MS * audio_format.bytes_per_ms
    return kept[:-fade] + audio_format.ramped(kept[-fade:], 0.0, _FADE_DB), tuple(words[:length])


def cut_body(head_ms: int, head_ends_ms: int, last_word_end_ms: int) -> int:
    """The millisecond of the real rendition from which it goes on after the head, so that the gap keeps its length.

    head_ms           length of the head's audio; its last word ends at `head_ends_ms`
    last_word_end_ms  where the same word ends in the real rendition
    """
    return max(0, round((last_word_end_ms + head_ms - head_ends_ms) / FRAME_MS)) * FRAME_MS


class SentenceRemainder:
    """Takes from a rendition of a whole sentence what follows its first words, which are there already."""

    def __init__(self, head: Phrase) -> None:
        self._head = head
        self._format = head.key.audio_format
        self._words: list[Word] = []
        self._cut_ms: int | None = None
        """How much of the rendition the head stands for; unknown until its words are placed."""
        self._held = bytearray()
        self.joined = False
        """Some of the rendition follows the head."""
        self._gain_db = 0.0

    def words(self, words: Sequence[Word]) -> list[Word]:
        """Words in the rendition's own time; returns those to be placed, in the sentence's."""
        spoken = len(self._head.words)
        self._words.extend(words)
        if self._cut_ms is None:
            if len(self._words) <= spoken:
                return []
            words = self._words[spoken:]
            self._cut_ms = cut_body(self._head.audio_ms, self._head.words[-1].end_ms, self._words[spoken - 1].end_ms)
        offset_ms = self._head.audio_ms - self._cut_ms
        return [Word(word.text, word.start_ms + offset_ms, word.end_ms + offset_ms) for word in words]

    def audio(self, audio: bytes) -> bytes:
        """More of the rendition; returns what follows the head."""
        if self.joined:
            return self._format.scaled(audio, self._gain_db)
        self._held += audio
        cut = None if self._cut_ms is None else self._cut_ms * self._format.bytes_per_ms
        if cut is None or len(self._held) <= cut:
            return b""
        self.joined = True
        # The sentence keeps the balance that it has when it is spoken as a whole.
        self._gain_db = level_difference_db(self._head.audio, bytes(self._held[:cut]), self._format)
        return fade_in(self._format.scaled(bytes(self._held[cut:]), self._gain_db), self._format)


def fade_in(audio: bytes, audio_format: AudioFormat = MULAW_8000) -> bytes:
    """The beginning of the audio after a join, without a click."""
    length = _FADE_MS * audio_format.bytes_per_ms
    return audio_format.ramped(audio[:length], _FADE_DB, 0.0) + audio[length:]


def level_difference_db(head: bytes, replaced: bytes, audio_format: AudioFormat = MULAW_8000) -> float:
    """What makes the audio after a join as loud for its head as it was for the words that the head replaces.

    0 where the difference is too small to hear or cannot be told.
    """
    if not replaced:
        return 0.0
    gain_db = loudness_db(head, audio_format) - loudness_db(replaced, audio_format)
    if abs(gain_db) < _LEAST_GAIN_DB:
        return 0.0
    return round(max(-_MOST_GAIN_DB, min(_MOST_GAIN_DB, gain_db)), 1)


def _power_around(samples: NDArray[np.float32], at: int, frame: int) -> float:
    near = samples[max(0, at - frame // 2) : at + frame // 2]
    return float(np.square(near).mean()) if len(near) else 0.0
