"""Speech at its listeners' ears, one socket's streams: what is asked for, what arrives, what one would notice.

A listener plays as a bridge does: it starts 60 ms after its first sound and reports, for each 200 ms heard, how much it
has left and how far the worker may go on: 800 ms beyond what was heard. No socket, no clock: time is passed in, in
seconds.
"""

from __future__ import annotations

import numpy as np

from bridge.audio.mulaw import DECODE
from bridge.bench.measures import Level
from bridge.worker import protocol
from bridge.worker.protocol import Audio, Cancel, Cancelled, Done, End, Error, Open, PlayoutReport, Text

CREDIT_MS, REPORT_MS = 800, 200
PLAYS_AFTER_S = 0.06
CANCELLED_AFTER_MS = 700.0
AUDIBLE = 300
"""Of 32768: about -41 dBFS."""
_SAMPLES_PER_MS = 8


def first_audible(ulaw: bytes) -> int | None:
    """Place of the first sample that can be heard."""
    loud = np.flatnonzero(np.abs(DECODE[np.frombuffer(ulaw, np.uint8)]) > AUDIBLE)
    return int(loud[0]) if len(loud) else None


class FirstSound:
    """When the first sample that can be heard would be heard, if all that came before it were played as it came."""

    def __init__(self, asked_at: float) -> None:
        self._asked_at = asked_at
        self._began_at: float | None = None
        self.ttfa_ms: float | None = None

    def feed(self, audio: Audio, now: float) -> bool:
        """Some more; True when it holds that sample."""
        if self._began_at is None:
            self._began_at = now
        place = first_audible(audio.data) if self.ttfa_ms is None else None
        if place is None:
            return False
        starts_at = max(now, self._began_at + audio.offset / _SAMPLES_PER_MS / 1000)
        self.ttfa_ms = (starts_at - self._asked_at) * 1000 + place / _SAMPLES_PER_MS
        return True


class Playback:
    """One utterance, played in real time. When nothing is left to play it waits, and goes on when more arrives."""

    def __init__(self, asked_at: float, cancels: bool = False) -> None:
        self.cancels = cancels
        self.first = FirstSound(asked_at)
        self.received_ms = 0.0
        self.upto_ms = CREDIT_MS
        self.credited_at: float | None = None
        """Since when it waits for the audio that its last report allowed."""
        self.cancelled_at: float | None = None
        self._plays_at: float | None = None
        """When its first sample was played; later after a gap, as if it had all been played without."""

    def _due_ms(self, now: float) -> float:
        """How much would have been heard by now if enough had been there."""
        return 0.0 if self._plays_at is None else max(0.0, (now - self._plays_at) * 1000)

    def heard_ms(self, now: float) -> float:
        """How much has been played."""
        return min(self._due_ms(now), self.received_ms)

    @property
    def ends_at(self) -> float:
        """When all that has come will have been played."""
        return 0.0 if self._plays_at is None else self._plays_at + self.received_ms / 1000

    def receive(self, audio: Audio, now: float) -> float:
        """Take some sound. Returns how long the listener had waited in silence for it, in milliseconds."""
        self.first.feed(audio, now)
        gap_ms = 0.0
        if self._plays_at is None:
            self._plays_at = now + PLAYS_AFTER_S
        else:
            gap_ms = max(0.0, self._due_ms(now) - self.received_ms)
            self._plays_at += gap_ms / 1000
        self.received_ms += len(audio.data) / _SAMPLES_PER_MS
        return gap_ms

    def report(self, stream: int, now: float) -> PlayoutReport | None:
        """What is told to the worker, when there is anything new."""
        heard_ms = self.heard_ms(now)
        upto_ms = int(heard_ms) // REPORT_MS * REPORT_MS + CREDIT_MS
        if self._plays_at is None or upto_ms <= self.upto_ms:
            return None
        if self.received_ms >= self.upto_ms:
            self.credited_at = now
        self.upto_ms = upto_ms
        return PlayoutReport(stream, int(self.received_ms - heard_ms), upto_ms)


class Listeners:
    """The listeners on one socket; what happens to them is noted in `level`."""

    def __init__(self, level: Level, voice: str | None = None) -> None:
        self.active: dict[int, Playback] = {}
        self._level = level
        self._voice = voice
        self._silenced: set[int] = set()
        self._ending: list[float] = []
        self._number = 0

    def begin(self, text: str, cancels: bool, now: float) -> list[str]:
        """One more: the messages that ask for a text, with credit for its beginning."""
        self._number += 1
        number = self._number
        self._level.utterances += 1
        self.active[number] = Playback(now, cancels)
        asked = (Open(number, self._voice), PlayoutReport(number, 0, CREDIT_MS), Text(number, text), End(number))
        return [protocol.encode(message) for message in asked]

    def receive(self, data: str | bytes, now: float) -> None:
        """Take one message that the worker sent."""
        if isinstance(data, bytes):
            return self._audio(protocol.decode_audio(data), now)
        told = protocol.decode_worker(data)
        if isinstance(told, Done | Cancelled | Error) and told.stream in self.active:
            self._over(self.active.pop(told.stream), told, now)
        return None

    def _audio(self, audio: Audio, now: float) -> None:
        playback = self.active.get(audio.stream)
        if playback is None:
            if audio.stream in self._silenced:
                self._silenced.remove(audio.stream)
                self._level.sound_after_cancel += 1
            return
        unheard = playback.first.ttfa_ms is None
        gap_ms = playback.receive(audio, now)
        if gap_ms * _SAMPLES_PER_MS > 1:  # less than a sample is arithmetic
            self._level.gaps_ms.append(gap_ms)
        if playback.credited_at is not None:
            self._level.jitter_ms.append((now - playback.credited_at) * 1000)
            playback.credited_at = None
        if unheard and playback.first.ttfa_ms is not None:
            self._level.ttfa_ms.append(playback.first.ttfa_ms)

    def _over(self, playback: Playback, told: Done | Cancelled | Error, now: float) -> None:
        match told:
            case Error(code="busy" | "draining"):
                self._level.refused += 1
            case Error():
                self._level.failed += 1
            case Cancelled(stream=number):
                self._level.finished += 1
                self._silenced.add(number)
                if playback.cancelled_at is not None:
                    self._level.cancel_ms.append((now - playback.cancelled_at) * 1000)
            case Done():
                # What is still unplayed is all there: nothing can go wrong any more.
                self._level.finished += 1
                self._ending.append(playback.ends_at)

    def listening(self, now: float) -> int:
        """How many wait or listen; some have all they will get, and go on playing it."""
        self._ending = [ends_at for ends_at in self._ending if ends_at > now]
        return len(self.active) + len(self._ending)

    def tick(self, now: float) -> list[str]:
        """The messages that are due: cancels, and reports of what was heard."""
        due: list[str] = []
        for number, playback in self.active.items():
            if playback.cancelled_at is not None:
                continue
            if playback.cancels and playback.heard_ms(now) > CANCELLED_AFTER_MS:
                playback.cancelled_at = now
                due.append(protocol.encode(Cancel(number)))
            elif (report := playback.report(number, now)) is not None:
                due.append(protocol.encode(report))
        return due

    def hang_up(self) -> None:
        """The socket is gone, and whatever was open on it has failed."""
        self._level.failed += len(self.active)
        self.active.clear()
