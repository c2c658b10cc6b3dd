"""One try at making a phrase: listens to a maker's stream and hands on what belongs to the phrase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.call.events import Word
from bridge.errors import VoiceError
from bridge.speaking.phrases.phrase import BYTES_PER_MS, Phrase
from bridge.speaking.phrases.template import cut_body, fade_in, level_table


class Taker(Protocol):
    """The phrase that is being made."""

    def arrived(self, ulaw: bytes) -> None:
        """More audio, in order."""

    def place(self, words: Sequence[Word]) -> None:
        """More words, in the phrase's own time."""

    def attempt_done(self) -> None:
        """The stream has ended well."""

    def attempt_failed(self, error: VoiceError) -> None:
        """The stream has failed."""


class Attempt:
    """Listens to one stream on behalf of a phrase, and places its words after what was there before."""

    def __init__(self, taker: Taker, begins_at: int) -> None:
        self._taker = taker
        self.begins_at = begins_at
        """Bytes of the phrase that came from earlier attempts."""

    def audio(self, ulaw: bytes) -> None:
        """More audio."""
        self._taker.arrived(ulaw)

    def words(self, words: Sequence[Word]) -> None:
        """Words placed in the attempt's own time."""
        self._taker.place(_moved(words, self.begins_at // BYTES_PER_MS))

    def done(self) -> None:
        """The stream is complete."""
        self._taker.attempt_done()

    def failed(self, error: VoiceError) -> None:
        """The stream broke off."""
        self._taker.attempt_failed(error)


class JoiningAttempt(Attempt):
    """Listens to a rendition of a whole sentence whose first words are there already, and takes what follows them."""

    def __init__(self, taker: Taker, head: Phrase) -> None:
        super().__init__(taker, len(head.ulaw))
        self._head = head
        self._words: list[Word] = []
        self._cut: int | None = None
        """Bytes of the rendition that the head stands for; unknown until its words are placed."""
        self._held = bytearray()
        self._skipped = False
        self._level: bytes | None = None

    def words(self, words: Sequence[Word]) -> None:
        """Words in the rendition's own time."""
        spoken = len(self._head.words)
        self._words.extend(words)
        if self._cut is None:
            if len(self._words) <= spoken:
                return
            words = self._words[spoken:]
            self._cut = cut_body(self._head.audio_ms, self._head.words[-1].end_ms, self._words[spoken - 1].end_ms)
        offset = self._head.audio_ms - self._cut // BYTES_PER_MS
        self._taker.place(_moved(words, offset))

    def audio(self, ulaw: bytes) -> None:
        """More of the rendition."""
        if self._skipped:
            self._taker.arrived(ulaw.translate(self._level) if self._level else ulaw)
            return
        self._held += ulaw
        if self._cut is not None and len(self._held) > self._cut:
            self._skipped = True
            # The sentence keeps the balance that it has when it is spoken as a whole.
            self._level = level_table(self._head.ulaw, bytes(self._held[: self._cut]))
            body = bytes(self._held[self._cut :])
            self._taker.arrived(fade_in(body.translate(self._level) if self._level else body))

    def done(self) -> None:
        """The rendition is complete."""
        if self._skipped:
            super().done()
        else:
            self.failed(VoiceError("the maker gave no word times to join at"))


def _moved(words: Sequence[Word], by_ms: int) -> Sequence[Word]:
    return [Word(w.text, w.start_ms + by_ms, w.end_ms + by_ms) for w in words] if by_ms else words
