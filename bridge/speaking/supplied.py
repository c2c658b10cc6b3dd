"""An utterance that the agent makes itself: delivered as far as the call has asked for, as synthesised speech is."""

from __future__ import annotations

from collections.abc import Callable

from bridge.audio.formats import FRAME_MS, AudioFormat
from bridge.call.events import Event, SpeechArrived, SpeechEnded, Word
from bridge.call.supplied import SuppliedSpeech


class SuppliedUtterance:
    """Events out through `deliver`: SpeechArrived as far as pulled, then SpeechEnded.

    Speech that was played before and broken off goes on where the text of this utterance begins in it. `deliver` may be
    called from within any method, and may itself call `pull` or `cancel`.
    """

    def __init__(
        self,
        number: int,
        speech: SuppliedSpeech,
        audio_format: AudioFormat,
        deliver: Callable[[Event], None],
        over: Callable[[int], None],
    ) -> None:
        self.number = number
        self._speech = speech
        self._format = audio_format
        self._deliver = deliver
        self._over = over
        self._begun = False
        self._closed = False
        self._from_ms = 0
        """Where in the speech this utterance begins, in whole frames."""
        self._allowed = self._delivered = 0
        self._words_given = 0
        self._pumping = self._pump_again = False

    def add(self, text: str, final: bool, voice: str | None, cacheable: bool, language: str = "") -> None:
        """Begin to play; text that comes later is known to the speech itself."""
        if self._begun or self._closed:
            return
        self._begun = True
        speech = self._speech
        if speech.plays:
            start_ms = speech.start_of_last(len(text.split()))
            self._from_ms = int(start_ms // FRAME_MS * FRAME_MS)
            self._words_given = sum(word.start_ms < start_ms for word in speech.words(speech.audio_ms + 1))
        speech.plays[self.number] = self._from_ms
        speech.changed = self.pump
        self.pump()

    def pull(self, upto_ms: int, lead_ms: int) -> None:
        """Deliver the speech up to this place."""
        self._allowed = max(self._allowed, upto_ms * self._format.bytes_per_ms)
        self.pump()

    def cancel(self) -> None:
        """Stop playing; nothing more is delivered."""
        if not self._closed:
            self._close()

    def pump(self) -> None:
        """Deliver what there is, as far as there is room for it."""
        self._pump_again = True
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._pump_again and not self._closed:
                self._pump_again = False
                self._pump_once()
        finally:
            self._pumping = False

    def _pump_once(self) -> None:
        audio, words = self._read(), self._words()
        if audio or words:
            self._deliver(SpeechArrived(self.number, audio, tuple(words)))
        if not self._closed and self._allowed and self._speech.over and self._left() <= 0:
            self._close()
            self._deliver(SpeechEnded(self.number, partial=not self._speech.whole))

    def _left(self) -> int:
        """Bytes of the speech that were not delivered."""
        return len(self._speech.audio) - self._from_ms * self._format.bytes_per_ms - self._delivered

    def _read(self) -> bytes:
        frame, left = self._format.frame_bytes, self._left()
        room = self._allowed - self._delivered
        count = min(left, room)
        count -= count % frame
        start = self._from_ms * self._format.bytes_per_ms + self._delivered
        audio = bytes(self._speech.audio[start : start + max(count, 0)])
        if self._speech.over and 0 < left - len(audio) < frame <= room - len(audio):
            rest = bytes(self._speech.audio[start + len(audio) :])
            audio += (rest + self._format.silence(FRAME_MS))[:frame]  # its last frame, filled up
        self._delivered += len(audio)
        return audio

    def _words(self) -> list[Word]:
        """Words of what was delivered that were not given yet, in this utterance's time."""
        if not self._delivered:
            return []
        speech, from_ms = self._speech, self._from_ms
        upto_ms = from_ms + self._delivered / self._format.bytes_per_ms + (1 if self._left() <= 0 else 0)
        words = speech.words(upto_ms)[self._words_given :]
        self._words_given += len(words)
        return [Word(word.text, max(word.start_ms - from_ms, 0), max(word.end_ms - from_ms, 0)) for word in words]

    def _close(self) -> None:
        self._closed = True
        if self._speech.changed == self.pump:
            self._speech.changed = _nobody
        self._over(self.number)


def _nobody() -> None:
    """Stands in for an utterance that is over."""
