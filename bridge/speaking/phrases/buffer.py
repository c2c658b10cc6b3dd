"""The audio and the words of one phrase while it is being made, by one stream or by several in a row. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.audio.formats import AudioFormat
from bridge.call.events import Word
from bridge.speaking.phrases.phrase import Phrase, spread
from bridge.speaking.phrases.template import SentenceRemainder
from bridge.text import marks

_MS_PER_CHAR = 65.0
"""How long a character takes to say, where no word is ever placed in time."""


class PhraseBuffer:
    """What has come of a phrase so far, and what is missing.

    head  its first words from the cache, to be heard while a rendition of the whole is made
    """

    def __init__(self, text: str, audio_format: AudioFormat, head: Phrase | None = None) -> None:
        self.text = text
        self.format = audio_format
        self.audio = bytearray(head.audio if head else b"")
        self.words: list[Word] = list(head.words) if head else []
        self.parts = 0
        """Streams that some of its audio came from."""
        self.part_at = 0
        """Byte with which the latest stream's audio begins."""
        self._head = head
        self._join: SentenceRemainder | None = None
        self._begun = False
        self._untimed = False
        """The latest stream places no words in time."""

    @property
    def frames(self) -> int:
        """Bytes of it that are whole frames, which is what may be played before it is complete."""
        return len(self.audio) - len(self.audio) % self.format.frame_bytes

    @property
    def part_begun(self) -> bool:
        """Whether the latest stream has brought audio."""
        return self._begun

    def missing(self, delivered: int) -> tuple[str, int]:
        """The text that no audio has come for, and the byte from which it belongs.

        delivered  bytes that somebody has been given, which cannot be taken back
        """
        if self._head is not None:
            return self.text, len(self.audio)
        if not self.audio:
            return self.text, 0
        per_ms = self.format.bytes_per_ms
        for index, word in enumerate(self.words):
            if word.end_ms * per_ms > len(self.audio):
                # A word that the caller is already hearing is said again from its start, as a person would.
                at = min(max(delivered, word.start_ms * per_ms), len(self.audio))
                return marks.from_token(self.text, index), at
        return marks.from_token(self.text, len(self.words)), len(self.audio)

    def begin(self, at: int) -> None:
        """Another stream goes on from this byte: forget what an earlier one left beyond it."""
        self._begun = self._untimed = False
        if self._head is not None:
            self._join, self._head = SentenceRemainder(self._head), None
            self.part_at = 0
            return
        self._join = None
        per_ms, whole = self.format.bytes_per_ms, at - at % self.format.frame_bytes
        del self.audio[whole:]
        # A word that was said stays, though its end may lie within the frame that is cut off here.
        said = [word for word in self.words if word.end_ms * per_ms <= at]
        end_ms = whole // per_ms
        self.words = [Word(w.text, min(w.start_ms, end_ms), min(w.end_ms, end_ms)) for w in said]
        self.part_at = whole

    def add(self, audio: bytes) -> None:
        """More audio of the latest stream."""
        if self._join is not None:
            audio = self._join.audio(audio)
            if not audio:
                return
        if not self._begun:
            self._begun = True
            self.parts += 1
        self.audio += audio

    def place(self, words: Sequence[Word]) -> None:
        """More words of the latest stream, in its own time."""
        if self._join is not None:
            self.words += self._join.words(words)
        else:
            at_ms = self.part_at // self.format.bytes_per_ms
            self.words += [Word(w.text, w.start_ms + at_ms, w.end_ms + at_ms) for w in words] if at_ms else words

    def untimed(self) -> None:
        """The latest stream will place no words: guess where they are."""
        self._untimed = True
        rest = " ".join(marks.plain(self.text).split()[len(self.words) :])
        start_ms = self.part_at / self.format.bytes_per_ms
        self.words += spread(rest, start_ms, start_ms + len(rest) * _MS_PER_CHAR)

    def finish(self) -> bool:
        """The latest stream is complete: fill up the last frame. False if it left out what it was opened for."""
        if not self.audio or (self._join is not None and not self._join.joined):
            return False
        short = -len(self.audio) % self.format.frame_bytes
        self.audio += self.format.silence(20)[:short]
        if self._untimed:
            end_ms = len(self.audio) // self.format.bytes_per_ms
            self.words = [Word(w.text, min(w.start_ms, end_ms), min(w.end_ms, end_ms)) for w in self.words]
        return True
