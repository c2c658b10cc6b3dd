"""Speech that an agent makes itself: its audio and its transcript as they come, and its words placed in it.

Nobody tells when each word of such speech is said: the transcript comes beside the audio. So words are spread by their
letters over the audio in which a voice is heard, pauses left out: at the voice's usual pace while more is to come, and
exactly to its end once all has come. A word that was given its place keeps it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable

import numpy as np

from bridge.audio import mulaw
from bridge.audio.formats import FRAME_MS, AudioFormat
from bridge.call.events import Word

MS_PER_LETTER = 60.0
"""Of a voice that is not known yet, pauses left out and the space behind each word counted as a letter."""
_VOICED_DB = -45.0
_FULL_SCALE = 32768.0


class SuppliedSpeech:
    """One utterance that an agent makes itself, in the format of the call's line.

    ms_per_letter  the pace of the voice, as far as it is known from speech before
    """

    def __init__(self, audio_format: AudioFormat, ms_per_letter: float = MS_PER_LETTER) -> None:
        self.audio_format = audio_format
        self.over = False
        """No more of it will come."""
        self.whole = False
        """All of its audio and of its transcript has come."""
        self.changed: Callable[[], None] = _nobody
        """Called when there is more of it, or it is over: whoever plays it listens here."""
        self.plays: dict[int, float] = {}
        """Utterances that have played it, and from which place in it, in milliseconds."""
        self.audio = bytearray()
        """All of it so far."""
        self.text = ""
        """What is said, as far as it is known."""
        self._pace = ms_per_letter
        self._voiced: list[int] = []
        """For each frame of 20 ms, how many milliseconds of voice there are until its end."""
        self._placed: list[Word] = []

    @property
    def audio_ms(self) -> float:
        """The length of its audio so far."""
        return self.audio_format.duration_ms(self.audio)

    @property
    def ms_per_letter(self) -> float:
        """The pace that it was spoken at; what was assumed of it while it is not over or says next to nothing."""
        letters = sum(len(word) + 1 for word in self.text.split())
        return self._voice_ms / letters if self.whole and letters > 20 and self._voice_ms > 0 else self._pace

    def add(self, audio: bytes) -> None:
        """More of its audio has come: whole samples."""
        self.audio += audio
        self.changed()

    def say(self, text: str) -> None:
        """More of its transcript has come, cut anywhere."""
        self.text += text
        self.changed()

    def end(self, *, whole: bool = True) -> None:
        """No more of it will come; `whole`: because this is all of it."""
        if not self.over:
            self.over, self.whole = True, whole
            self.changed()

    def words(self, upto_ms: float) -> list[Word]:
        """The words that begin before this place, from the first one on; the same words again have the same places."""
        self._measure()
        tokens = self.text.split()
        if tokens and not self.whole and not self.text[-1:].isspace():
            tokens.pop()  # it may go on
        while len(self._placed) < len(tokens) and self._place(tokens, upto_ms):
            pass
        return [word for word in self._placed if word.start_ms < upto_ms]

    def start_of_last(self, count: int) -> float:
        """The place where the last so many words begin; its end where it has fewer that are placed."""
        words = self.words(self.audio_ms + 1)
        left = len(self.text.split()) - count
        return float(words[left].start_ms) if 0 <= left < len(words) else 0.0 if left < 0 else self.audio_ms

    def _place(self, tokens: list[str], upto_ms: float) -> bool:
        """Place the next word. False where that is too soon: it lies further on, or its audio has not come."""
        number = len(self._placed)
        from_ms = self._voice_until(self._placed[-1].end_ms) if self._placed else 0.0
        letters = len(tokens[number]) + 1
        pace = self._pace
        if self.whole:
            left = sum(len(token) + 1 for token in tokens[number:])
            pace = (self._voice_ms - from_ms) / left
        until_ms = from_ms + letters * pace
        start_ms = self._at_voice(from_ms, bisect_right)
        if start_ms >= upto_ms and not self.whole:
            return False
        if until_ms > self._voice_ms + 0.5:
            return False
        end_ms = max(self._at_voice(until_ms, bisect_left) + FRAME_MS, start_ms)
        if self.whole and number == len(tokens) - 1:
            end_ms = self.audio_ms
        self._placed.append(Word(tokens[number], round(start_ms), round(min(end_ms, self.audio_ms))))
        return True

    @property
    def _voice_ms(self) -> float:
        return float(self._voiced[-1]) if self._voiced else 0.0

    def _voice_until(self, at_ms: float) -> float:
        """How much voice there is before this place."""
        frame = min(int(at_ms // FRAME_MS), len(self._voiced))
        return float(self._voiced[frame - 1]) if frame > 0 else 0.0

    def _at_voice(self, voice_ms: float, bisect: Callable[[list[int], float], int]) -> float:
        """The frame, by its beginning, in which so much voice was heard."""
        return float(min(bisect(self._voiced, voice_ms), max(len(self._voiced) - 1, 0)) * FRAME_MS)

    def _measure(self) -> None:
        """Look in which of the frames that have come a voice is heard."""
        size = self.audio_format.frame_bytes
        known, whole = len(self._voiced), len(self.audio) // size
        if whole == known:
            return
        data = bytes(self.audio[known * size : whole * size])
        linear = mulaw.decode(data) if self.audio_format.codec == "mulaw" else np.frombuffer(data, dtype="<i2")
        power = np.square(linear.astype(np.float32) / _FULL_SCALE).reshape(whole - known, -1).mean(axis=1)
        total = self._voiced[-1] if self._voiced else 0
        for loud in power > 10 ** (_VOICED_DB / 10):
            total += FRAME_MS if loud else 0
            self._voiced.append(total)


FindSpeech = Callable[[str], SuppliedSpeech | None]
"""Gives the speech that a voice's name stands for; None: there is none, or no more."""


def _nobody() -> None:
    """Stands in for whoever plays it."""
