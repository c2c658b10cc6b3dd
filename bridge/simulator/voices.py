"""What callers sound like: a text in a voice, a recording, a cough, a key's tones. All made before the call."""

from __future__ import annotations

import zlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.signal import butter, resample_poly, sosfilt

from bridge.errors import ConfigError
from bridge.simulator.scenario import Utterance
from bridge.simulator.sound import RATE_HZ, Sound, at_level, levels_db, read_wav, resample

if TYPE_CHECKING:
    from hibari import Hibari

VOICES = {"heart": 1.0, "heart-low": 0.84, "heart-deep": 0.74, "heart-high": 1.14}
"""The engine's one speaker at several pitches, so that caller and bot can be told apart by ear."""

DTMF_HZ = {
    key: (low, high)
    for low, row in zip((697, 770, 852, 941), ("123A", "456B", "789C", "*0#D"), strict=True)
    for high, key in zip((1209, 1336, 1477, 1633), row, strict=True)
}
"""ITU-T Q.23."""


@lru_cache(maxsize=1)
def _engine() -> Hibari:
    from hibari import Hibari

    return Hibari()


@lru_cache(maxsize=256)
def speak(text: str, voice: str = "heart") -> Sound:
    """Say a text in one of `VOICES`, trimmed of leading and trailing silence. The same call gives the same samples.

    Raises ConfigError for an unknown voice.
    """
    if voice not in VOICES:
        raise ConfigError(f"voice {voice!r} is unknown, expected one of {', '.join(VOICES)}")
    pitch = VOICES[voice]
    engine = _engine()
    # Faster or slower speech, played back slower or faster: the pitch moves and the tempo stays.
    made = [
        np.asarray(part, np.float32)
        for part in engine.stream(text, speed=1.0 / pitch, seed=zlib.crc32(f"{voice}/{text}".encode()))
    ]
    whole = np.concatenate(made) if made else np.zeros(0, np.float32)
    if pitch != 1.0:
        whole = np.asarray(resample_poly(whole, 100, round(100 * pitch)), np.float32)
    return trimmed(resample(whole, int(engine.sample_rate), RATE_HZ))


def trimmed(sound: Sound, *, below_db: float = -38.0, keep_ms: int = 20) -> Sound:
    """Cut silence off both ends, leaving `keep_ms`; quiet is `below_db` under the loudest 10 ms."""
    levels = levels_db(sound)
    if not len(levels):
        return sound
    loud = np.flatnonzero(levels > levels.max() + below_db)
    keep = keep_ms * RATE_HZ // 1000
    first, last = int(loud[0]) * 80, (int(loud[-1]) + 1) * 80
    return sound[max(0, first - keep) : last + keep]


def utterance(what: Utterance, voice: str, folder: Path) -> Sound:
    """The sound of something a scenario's caller says. Raises ConfigError for a missing file or unknown voice."""
    sound = read_wav(folder / what.recording) if what.recording else speak(what.text, what.voice or voice)
    return at_level(sound, what.level_db)


def noise(kind: Literal["cough", "knock"], level_db: float, seed: int = 1) -> Sound:
    """A cough (two bursts of shaped breath, 380 ms) or a knock on the table (60 ms)."""
    random = np.random.default_rng(seed)
    if kind == "knock":
        length = RATE_HZ * 60 // 1000
        decay = np.exp(-np.arange(length) / (0.010 * RATE_HZ))
        return at_level((decay * random.standard_normal(length)).astype(np.float32), level_db)
    low, high = 350.0, 2600.0
    band = butter(2, [low, high], btype="bandpass", fs=RATE_HZ, output="sos")
    parts = []
    for length_ms, decay_ms, loud in ((150, 45, 1.0), (60, 30, 0.0), (170, 60, 0.7)):
        length = RATE_HZ * length_ms // 1000
        rise = np.minimum(1.0, np.arange(length) / (0.006 * RATE_HZ))
        shape = loud * rise * np.exp(-np.arange(length) / (decay_ms / 1000 * RATE_HZ))
        parts.append(shape * sosfilt(band, random.standard_normal(length)))
    return at_level(np.concatenate(parts).astype(np.float32), level_db)


def key_tone(key: str, milliseconds: int = 90, level_db: float = -14.0) -> Sound:
    """The two tones of a key, with 5 ms ramps."""
    time = np.arange(RATE_HZ * milliseconds // 1000) / RATE_HZ
    low, high = DTMF_HZ[key]
    tones = np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)
    ramp = np.minimum(1.0, np.minimum(np.arange(len(time)), np.arange(len(time))[::-1]) / (0.005 * RATE_HZ))
    return at_level((tones * ramp).astype(np.float32), level_db)


def room(kind: Literal["white", "babble", "hum"], samples: int, level_db: float, seed: int) -> Sound:
    """Background noise of a room: white, many voices at once, or mains hum with a fan."""
    random = np.random.default_rng(seed)
    if kind == "white":
        sound = random.standard_normal(samples)
    elif kind == "hum":
        time = np.arange(samples) / RATE_HZ
        sound = sum(np.sin(2 * np.pi * 50 * k * time + k) / k for k in (2, 3, 5, 7)) + 0.3 * random.standard_normal(
            samples
        )
    else:
        talk = speak("We were going to see them later on but nobody had told us where the others would be waiting.")
        sound = np.zeros(samples)
        for _ in range(6):
            sound += np.resize(np.roll(talk, int(random.integers(len(talk)))), samples)
    return at_level(np.asarray(sound, np.float32), level_db)
