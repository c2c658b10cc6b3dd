"""How a stretch of speech ends: its melody, its last sound, and the gaps in it. Pure numpy, telephone rate.

People who have finished let the voice fall and hold the last sound longer; people who look for words pause between
them. Frames of 40 ms every 10 ms; the pitch is the best autocorrelation lag between 60 and 400 Hz, corrected for the
window's own (Boersma 1993).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, rfft

from bridge.audio.mulaw import RATE_HZ, decode_float
from bridge.listening.sound import Floats

_LONGEST_S = 6.0
_STEP, _WINDOW, _FFT = RATE_HZ // 100, RATE_HZ // 25, 512
_LAGS = slice(RATE_HZ // 400, RATE_HZ // 60)
_OCTAVE_COST = 0.02 * np.log2(np.arange(_LAGS.start, _LAGS.stop) / _LAGS.start)
"""What is alike after one period is so after two: the shorter one is meant."""
_VOICED = 0.5
"""Autocorrelation from which a frame has a pitch."""
_ACTIVE_DB = 25.0
"""Frames at most this far below the loudest are speech ..."""
_ABOVE_SILENCE_DB, _SILENT_FRAMES = 6.0, 6
"""... if they are this much above the pause in which we ask."""
_LEAST_DB = 6.0
"""The loudest frames are speech in any case."""
_LONGEST_GAP = 8
"""Longer gaps count as this many frames: that somebody once paused is known elsewhere."""
_LAST_FRAMES, _SEARCHED = 12, 60
_OCTAVE_SLIP = 10.0
"""Semitones from the median at which a pitch is taken for a mistake."""
_FEWEST_FRAMES = 20

_HANN = np.hanning(_WINDOW).astype(np.float32)


class Prosody(NamedTuple):
    """What is measured of the last seconds of a turn, each about -1..2 so that weights compare."""

    density: float
    """Part of the time, from the first sound to the last, that was speech: hesitant speech has gaps."""
    final_pitch: float
    """The last voiced tenth of a second against the speaker's median, in units of 3 semitones."""
    final_sound: float
    """Length of the last voiced stretch, in units of 0.2 s."""


UNKNOWN = Prosody(0.8, 0.0, 0.5)
"""Too little sound to measure anything."""


def prosody(ulaw: bytes) -> Prosody:
    """Measure how the speech in this mu-law audio ends. The silence behind it tells how loud the line itself is."""
    samples = decode_float(ulaw[-round(_LONGEST_S * RATE_HZ) :])
    if len(samples) < _WINDOW + _FEWEST_FRAMES * _STEP:
        return UNKNOWN
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_STEP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    power = np.square(frames).mean(axis=1, dtype=np.float64)
    level_db = 10.0 * np.log10(power + 1e-9)
    loudest_db = float(np.percentile(level_db, 95))
    silence_db = float(level_db[-_SILENT_FRAMES:].mean()) + _ABOVE_SILENCE_DB
    active = np.flatnonzero(level_db > min(max(loudest_db - _ACTIVE_DB, silence_db), loudest_db - _LEAST_DB))
    last = int(active[-1])
    hz = _pitch(frames, level_db)
    voiced = active[hz[active] > 0.0]
    gaps = np.diff(active) - 1
    density = len(active) / (len(active) + float(np.minimum(gaps, _LONGEST_GAP).sum()))
    if not len(voiced):
        return Prosody(density, UNKNOWN.final_pitch, 0.0)
    return Prosody(density, _final_pitch(hz, voiced, last), _final_sound(voiced))


def _pitch(frames: Floats, level_db: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Hz of each frame, 0 where it has none."""
    found = np.zeros(len(frames))
    loud = np.flatnonzero(level_db > level_db.max() - 2 * _ACTIVE_DB)
    spectrum = rfft(frames[loud] * _HANN, _FFT, axis=1)
    likeness = irfft(spectrum.real**2 + spectrum.imag**2, axis=1)[:, : _LAGS.stop]
    window = irfft(np.abs(rfft(_HANN, _FFT)) ** 2)[: _LAGS.stop]
    likeness = likeness / (likeness[:, :1] + 1e-12) / (window / window[0])
    best = (likeness[:, _LAGS] - _OCTAVE_COST).argmax(axis=1)
    strength = likeness[np.arange(len(loud)), _LAGS.start + best]
    found[loud] = np.where(strength > _VOICED, RATE_HZ / (_LAGS.start + best), 0.0)
    return found


def _final_pitch(hz: npt.NDArray[np.float64], voiced: npt.NDArray[np.intp], last: int) -> float:
    semitones = 12.0 * np.log2(hz[voiced] / np.median(hz[voiced]))
    at_end = semitones[voiced > last - _SEARCHED][-_LAST_FRAMES:]
    at_end = at_end[np.abs(at_end) <= _OCTAVE_SLIP]
    return float(np.clip(at_end.mean() if len(at_end) else 0.0, -4.0, 4.0)) / 3.0


def _final_sound(voiced: npt.NDArray[np.intp]) -> float:
    breaks = np.flatnonzero(np.diff(voiced) > 1)
    length = len(voiced) - (int(breaks[-1]) + 1 if len(breaks) else 0)
    return min(length, 60) * 0.01 / 0.2
