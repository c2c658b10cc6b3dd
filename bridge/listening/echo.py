"""Is that sound our own voice coming back? Pure numpy, one `EchoGate` a call.

What we sent is laid on a time line as the far end plays it; what comes in is compared with it by normalised
cross-correlation over all round trips up to the longest. Speech of somebody else correlates by chance up to
about 0.4; an echo over a line or a loudspeaker in a room 0.5 to 1. Once the same round trip has come up again and
again, the gate also knows how well this echo usually correlates and how loud it is: less similarity is then enough,
but sound clearly louder than the echo is a caller who speaks over it. The line's own noise is neither: its energy is
left out of both comparisons.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.fft import irfft, rfft

from bridge.audio.mulaw import RATE_HZ, decode_float
from bridge.audio.mulaw import SILENCE as SILENT_CODE
from bridge.listening.settings import EchoSettings
from bridge.listening.sound import Floats

SILENCE = bytes([SILENT_CODE])
_MEMORY_BYTES = 3 * RATE_HZ
_SHORTEST = 512
# Less inbound audio than two windows says nothing.
_CHANCE, _CERTAIN = 0.25, 0.66
# Correlations that score 0 and 1 while nothing is known of the echo.
_KNOWN_CHANCE = 0.15
_KNOWN_CERTAIN = 0.7
# ... and for a round trip that is known: 1 is this part of the echo's usual correlation.
_ALIKE = 0.38
# A correlation that may be a sighting of the echo; by chance it comes up, but not again and again at one lag.
_SAME_LAG_SAMPLES = 45 * RATE_HZ // 1000
_FIRST_LAGS_SAMPLES = 8 * RATE_HZ // 1000
# Within an utterance the lag stands still, between utterances it moves by the jitter of the network.
_SIGHTINGS = 3
_WHITENED = 2.22
# What halving makes of the power of white noise.
_LEAST_SOUND = 0.25
# However loud the noise is said to be, so much of what came in counts as sound.
_EXCESS_DB = (3.0, 6.0)
# Inbound this much louder than the known echo begins to count as the caller, and surely is.
_RESTART_S = 0.7
_STRANGER = 0.2
_STRANGE_WINDOWS = ((18, 8), (9, 4), (3, 2))
_SURELY_STRANGE = 9
_SAME_SPEECH_S = 0.1
# After so many windows in a row that scored less, one in so many is compared, and the others are taken to be like the
# last: speech that was somebody else's for a tenth of a second does not become ours from one window to the next. Nor
# does it ever, once a third of a second was somebody else's and we say nothing any more.


class EchoGate:
    """Compares one call's inbound audio with what was sent on it."""

    def __init__(self, settings: EchoSettings | None = None) -> None:
        self._settings = settings or EchoSettings()
        self._window = self._settings.window_ms * RATE_HZ // 1000 // 2 * 2
        self._longest = self._settings.longest_ms * RATE_HZ // 1000 // 2 * 2
        self._reference = bytearray()  # without gaps: silence fills them
        self._starts_at: float | None = None  # when the reference's first byte is played
        self._lag: int | None = None
        self._sightings = 0
        self._usual = 0.0
        self._gain_db = 0.0
        self._strange_windows = 0
        self._noise = 0.0
        """Power of the line's own noise; 1 is full scale."""
        self._last: tuple[float, float] = (-1.0, 0.0)
        """When the last window ended, and its score."""

    @property
    def round_trip_s(self) -> float | None:
        """Seconds from playing a sound to hearing it back, once that is known."""
        known = self._lag is not None and self._sightings >= _SIGHTINGS
        return self._lag / RATE_HZ if known and self._lag is not None else None

    def sent(self, ulaw: bytes, at: float) -> None:
        """Note audio given to the far end `at`; it is played then, or after what it still has to play."""
        end = self._ends_at()
        if end is None or at < end - _RESTART_S or at > end + _MEMORY_BYTES / RATE_HZ:
            self._reference.clear()
            self._starts_at = at
        elif at > end:
            self._reference += SILENCE * round((at - end) * RATE_HZ)
        self._reference += ulaw
        excess = len(self._reference) - _MEMORY_BYTES
        if excess > _MEMORY_BYTES and self._starts_at is not None:
            del self._reference[:excess]
            self._starts_at += excess / RATE_HZ

    def cleared(self, at: float) -> None:
        """The far end forgot what it had not played by now."""
        if self._starts_at is not None:
            del self._reference[max(0, round((at - self._starts_at) * RATE_HZ)) :]

    def _ends_at(self) -> float | None:
        """When the far end will have played all."""
        return None if self._starts_at is None else self._starts_at + len(self._reference) / RATE_HZ

    def is_possible(self, at: float) -> bool:
        """Whether anything sent could still come back now."""
        end = self._ends_at()
        return end is not None and self._settings.enabled and at < end + self._settings.longest_ms / 1000 + 0.1

    def judge(self, inbound: bytes, at: float, noise_db: float = -96.0) -> float:
        """0..1: how well the inbound audio that ends `at` is explained by what was sent.

        `inbound` is its last `window_ms`; less is judged by what there is. `noise_db` is the line's own noise in dBFS.
        """
        self._noise = 10.0 ** (noise_db / 10.0)
        before, score = self._last
        goes_on = at - before < _SAME_SPEECH_S
        if not (goes_on and self._may_skip(at)):
            score = self._judged(inbound, at)
        self._strange_windows = (self._strange_windows + 1 if goes_on else 1) if score < _STRANGER else 0
        self._last = at, score
        return score

    def _may_skip(self, at: float) -> bool:
        strange, end = self._strange_windows, self._ends_at()
        if strange >= _SURELY_STRANGE and (end is None or at > end):
            return True
        return any(strange >= after and strange % one_in != 0 for after, one_in in _STRANGE_WINDOWS)

    def _judged(self, inbound: bytes, at: float) -> float:
        if self._starts_at is None or len(inbound) < _SHORTEST:
            return 0.0
        incoming = decode_float(inbound[-(min(len(inbound) // 2 * 2, self._window)) :])
        end = round((at - self._starts_at) * RATE_HZ)
        if self._lag is not None and self._sightings >= _SIGHTINGS:
            shortest = max(0, self._lag - _SAME_LAG_SAMPLES) // 2 * 2
            found = self._search(incoming, end, shortest, shortest + 2 * _SAME_LAG_SAMPLES)
            if found[0] >= _KNOWN_CERTAIN * self._usual:
                return self._weigh(*found)  # as usual: no need to look at all other round trips
        return self._weigh(*self._search(incoming, end, 0, self._longest))

    def _search(self, incoming: Floats, end: int, shortest: int, longest: int) -> tuple[float, int, float]:
        """`correlate` over these round trips (even), for inbound audio that ends `end` bytes into the reference."""
        span = len(incoming) + longest - shortest
        last = end - shortest
        known = bytes(self._reference[max(0, last - span) : max(0, last)])
        before = SILENCE * min(max(0, span - last), span)
        outgoing = decode_float((before + known).ljust(span, SILENCE))
        similarity, lag, gain_db = correlate(incoming, outgoing, self._noise)
        return similarity, lag + shortest, gain_db

    def _weigh(self, similarity: float, lag: int, gain_db: float) -> float:
        """Similarity to a score, in the light of what is known of this call's echo."""
        known = self._lag is not None and self._sightings >= _SIGHTINGS and abs(lag - self._lag) <= _SAME_LAG_SAMPLES
        if known:
            certain = max(_KNOWN_CERTAIN * self._usual, _KNOWN_CHANCE + 0.1)
            score = (similarity - _KNOWN_CHANCE) / (certain - _KNOWN_CHANCE)
            excess = (gain_db - self._gain_db - _EXCESS_DB[0]) / (_EXCESS_DB[1] - _EXCESS_DB[0])
            score *= 1.0 - min(1.0, max(0.0, excess))
        else:
            score = (similarity - _CHANCE) / (_CERTAIN - _CHANCE)
        self._learn(similarity, lag, gain_db, score if known else 1.0)
        return round(min(1.0, max(0.0, score)), 3)

    def _learn(self, similarity: float, lag: int, gain_db: float, score: float) -> None:
        if similarity < _ALIKE:
            if score < 0.6 and self._sightings:
                return  # the caller over a known echo teaches nothing
            self._sightings = max(0, self._sightings - 1)
            return
        tolerance = _SAME_LAG_SAMPLES if self._sightings >= _SIGHTINGS else _FIRST_LAGS_SAMPLES
        if self._lag is None or abs(lag - self._lag) > tolerance:
            self._sightings -= 1
            if self._sightings <= 0:
                self._lag, self._sightings, self._usual, self._gain_db = lag, 1, similarity, gain_db
            return
        weight = max(0.1, 1.0 / (self._sightings + 1))
        self._lag = round(self._lag + weight * (lag - self._lag))
        self._usual += weight * (similarity - self._usual)
        self._gain_db += weight * (gain_db - self._gain_db)
        self._sightings = min(self._sightings + 1, 12)


def correlate(incoming: Floats, outgoing: Floats, noise: float = 0.0) -> tuple[float, int, float]:
    """The best normalised correlation of `incoming` with any stretch of `outgoing`; even lengths, ending together.

    Returns it (0..1), its lag in samples, and how much louder incoming is than that stretch in dB, `noise` (power, 1 is
    full scale) aside. Both are
    whitened a little, since voiced speech otherwise resembles itself at every multiple of its pitch, and halved in
    rate, since the lower half survives codecs best.
    """
    near, far = _halve(incoming), _halve(outgoing)
    waves = np.zeros((2, 1 << len(far).bit_length()), np.float32)  # of all lengths the quickest
    waves[0, : len(near)], waves[1, : len(far)] = near, far
    incoming_waves, outgoing_waves = rfft(waves)
    products = irfft(incoming_waves.conj() * outgoing_waves)[: len(far) - len(near) + 1]
    running = np.zeros(len(far) + 1)
    np.cumsum(np.square(far), out=running[1:], dtype=np.float64)
    energy = running[len(near) :] - running[: -len(near)]
    near_energy = float(np.dot(near, near))
    near_energy = max(near_energy - _WHITENED * noise * len(near), _LEAST_SOUND * near_energy)
    loudest = float(energy.max())
    if near_energy < 1e-9 or loudest < 1e-6:
        return 0.0, 0, 0.0
    likeness = np.square(products) / np.maximum(energy, 1e-9)
    likeness[energy < 0.02 * loudest] = 0.0
    best = int(likeness.argmax())
    gain_db = 10.0 * math.log10(near_energy / max(float(energy[best]), 1e-9))
    return min(1.0, math.sqrt(float(likeness[best]) / near_energy)), 2 * (len(likeness) - 1 - best), gain_db


def _halve(sound: Floats) -> Floats:
    """Sums of two samples each of the sound's change, and a tenth of the sound."""
    even, odd = sound[0::2], sound[1::2]
    halved: Floats = np.float32(1.1) * odd + np.float32(0.1) * even
    halved[1:] -= odd[:-1]
    return halved
