"""Sounds for these tests: a synthetic voice, noise, keypad tones, all as a telephone delivers them."""

from __future__ import annotations

import argparse
import functools
import hashlib
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bridge.audio import wav
from bridge.audio.mulaw import encode_float
from bridge.audio.resample import resample

Samples = npt.NDArray[np.float32]


SPOKEN = Path(__file__).with_name("spoken")
"""What the default voice said once, on one processor: on another it says the same a little otherwise."""


def _recording(text: str, speed: float) -> Path:
    """Return where the recording of this text is kept, under a name that a person can read."""
    words = "-".join(re.findall(r"[a-z0-9]+", text.lower()))[:40]
    return SPOKEN / f"{words}-{hashlib.sha256(f'{text}|{speed}'.encode()).hexdigest()[:8]}.wav"


def record(text: str, speed: float = 1.0) -> Path:
    """Have the default voice say the text, and keep it at 8 kHz without the silence around it."""
    from hibari import Hibari

    narrow = resample(np.asarray(Hibari()(text, speed=speed, seed=1), np.float32), 24000, 8000)
    loud = np.abs(narrow) > 0.02 * np.abs(narrow).max()
    first, last = np.flatnonzero(loud)[[0, -1]]
    path = _recording(text, speed)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(wav.write((narrow[first : last + 1] * 32767).astype(np.int16), 8000))
    return path


@functools.lru_cache(maxsize=64)
def say(text: str, level_db: float = -26.0, speed: float = 1.0) -> Samples:
    """Return the kept recording of the default voice with this text, at this level while it speaks.

    Raises:
        LookupError: There is none; the error tells how to make it.
    """
    path = _recording(text, speed)
    if not path.exists():
        raise LookupError(f"no {path.name}: make it with\npython -m tests.listening.sounds {text!r} --speed {speed}")
    narrow = wav.read(path.read_bytes()).mono.astype(np.float32) / np.float32(32768)
    active = np.abs(narrow) > 0.01 * np.abs(narrow).max()
    scaled: Samples = narrow * np.float32(10 ** (level_db / 20) / np.sqrt(np.mean(narrow[active] ** 2)))
    return scaled


def noise(seconds: float, level_db: float, seed: int = 0) -> Samples:
    """White noise."""
    samples = np.random.default_rng(seed).normal(0.0, 10 ** (level_db / 20), round(seconds * 8000))
    return samples.astype(np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * 8000), np.float32)


def keypad(digits: str = "5551234", level_db: float = -10.0) -> Samples:
    """DTMF, 100 ms on and 100 ms off (ITU-T Q.23 frequencies)."""
    rows, columns = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
    time = np.arange(800) / 8000
    found = []
    for digit in digits:
        row, column = divmod("123A456B789C*0#D".index(digit), 4)
        tone = np.sin(2 * np.pi * rows[row] * time) + np.sin(2 * np.pi * columns[column] * time)
        found += [tone * 10 ** (level_db / 20) / np.sqrt(2), np.zeros(800)]
    return np.concatenate(found).astype(np.float32)


def line(*parts: Samples, noise_db: float = -65.0) -> bytes:
    """These sounds one after the other over a line with a little noise, as mu-law."""
    whole = np.concatenate(parts)
    return encode_float(whole + noise(len(whole) / 8000, noise_db, seed=7)[: len(whole)])


def frames(ulaw: bytes, size: int = 160) -> list[bytes]:
    return [ulaw[start : start + size] for start in range(0, len(ulaw), size)]


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description="Keep what the default voice says for the tests that use `say`.")
    asked.add_argument("text")
    asked.add_argument("--speed", type=float, default=1.0)
    given = asked.parse_args()
    print(record(given.text, given.speed))
