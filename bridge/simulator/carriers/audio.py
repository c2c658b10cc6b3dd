"""The audio formats of media streams, and what a caller's phone makes of them.

The phone's own side is mu-law at 8 kHz, whatever a stream carries: a phone network is G.711. Wider sound is filtered on
its way to the phone and interpolated on its way from it, by filters that go on from one message to the next, so that
a server which starts its own anew with each message is heard doing so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin

from bridge.simulator.sound import RATE_HZ, SILENCE, Sound, from_ulaw, resample, to_ulaw

Encoding = Literal["PCMU", "PCMA", "L16"]

FILTER_DELAY = 32
"""Samples at 8 kHz by which wider sound comes late through the filter: four milliseconds."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A stream's encoding and rate; L16 is little-endian."""

    encoding: Encoding
    rate_hz: int = RATE_HZ

    @property
    def factor(self) -> int:
        """Samples of the stream for each of the phone's."""
        return self.rate_hz // RATE_HZ

    @property
    def unit(self) -> int:
        """Bytes of the stream for one sample of the phone's, 1/8000 s."""
        return self.factor * (2 if self.encoding == "L16" else 1)

    @property
    def delay(self) -> int:
        """Samples of the phone's by which what is played is heard later."""
        return FILTER_DELAY if self.factor > 1 else 0

    @property
    def silence(self) -> bytes:
        """Return the shortest unit of silence."""
        return {"PCMU": b"\xff", "PCMA": b"\xd5", "L16": b"\0\0"}[self.encoding] * self.factor

    def name(self) -> str:
        """The format's name as people write it: `L16 at 16000 Hz`."""
        return f"{self.encoding} at {self.rate_hz} Hz"


class ToPhone:
    """Converts a stream's bytes to what the receiver plays: mu-law, sample for sample. `feed` takes whole units."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        taps = _taps(format.factor)
        self._past = np.zeros(len(taps) - 1, np.float32)

    def feed(self, data: bytes | bytearray) -> bytes:
        """The phone's sound for these bytes, `format.delay` samples late."""
        if self._format.encoding == "PCMU":
            return bytes(data)
        if self._format.encoding == "PCMA":
            return bytes(_ALAW_TO_ULAW[np.frombuffer(data, np.uint8)])
        wide = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768.0)
        factor = self._format.factor
        if factor == 1:
            return to_ulaw(wide)
        whole = np.concatenate([self._past, wide])
        self._past = whole[len(whole) - len(self._past) :]
        return to_ulaw(np.convolve(whole, _taps(factor), mode="valid")[::factor].astype(np.float32))


class FromPhone:
    """Converts the caller's voice to a stream's bytes."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._past = np.zeros(len(_taps(format.factor)) - 1, np.float32)

    def feed(self, ulaw: bytes) -> bytes:
        """The stream's bytes for this sound."""
        if self._format.encoding == "PCMU":
            return ulaw
        if self._format.encoding == "PCMA":
            return bytes(_ULAW_TO_ALAW[np.frombuffer(ulaw, np.uint8)])
        sound: Sound = from_ulaw(ulaw)
        factor = self._format.factor
        if factor > 1:
            spread = np.zeros(len(sound) * factor, np.float32)
            spread[::factor] = sound * factor
            whole = np.concatenate([self._past, spread])
            self._past = whole[len(whole) - len(self._past) :]
            sound = np.convolve(whole, _taps(factor), mode="valid").astype(np.float32)
        return _linear16(sound)


def on_the_phone(sound: Sound, rate_hz: int, line: AudioFormat) -> Sound:
    """What a phone makes at best of a sound of this rate, on a line of this format."""
    if line.factor == 1:
        return resample(sound, rate_hz, RATE_HZ)
    wide = resample(sound, rate_hz, line.rate_hz)
    wide = np.pad(wide, (0, -len(wide) % line.factor + line.delay * line.factor))
    return from_ulaw(ToPhone(line).feed(_linear16(wide)))[line.delay :]


def _linear16(sound: Sound) -> bytes:
    return bytes(np.clip(np.rint(sound * 32768.0), -32768, 32767).astype("<i2").tobytes())


@lru_cache(maxsize=8)
def _taps(factor: int) -> NDArray[np.float32]:
    """A low-pass, flat to 3.4 kHz and 50 dB down at 4.1, whose delay is `FILTER_DELAY` samples at 8 kHz."""
    if factor == 1:
        return np.ones(1, np.float32)
    return np.asarray(firwin(2 * FILTER_DELAY * factor + 1, 3750.0, fs=RATE_HZ * factor), np.float32)


def _alaw_values() -> NDArray[np.int32]:
    """The linear value of every A-law code (ITU-T G.711, table 1, scaled to 16 bits)."""
    codes = np.arange(256) ^ 0x55
    mantissa, segment = (codes & 0x0F) << 4, (codes & 0x70) >> 4
    magnitude = np.where(segment == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(segment - 1, 0))
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.int32)


def _nearest(values: NDArray[np.int32]) -> NDArray[np.uint8]:
    """For each mu-law code, the code of another law whose value is nearest."""
    wanted = np.rint(from_ulaw(bytes(range(256))) * 32768.0).astype(np.int32)
    return np.asarray(np.argmin(np.abs(values[None, :] - wanted[:, None]), axis=1), np.uint8)


_ALAW = _alaw_values()
_ALAW_TO_ULAW = np.frombuffer(to_ulaw((_ALAW / 32768.0).astype(np.float32)), np.uint8).copy()
_ALAW_TO_ULAW[[0xD5, 0x55]] = SILENCE  # A-law has no zero: its smallest value, 8, is what it says silence with
_ULAW_TO_ALAW = _nearest(_ALAW)
_ULAW_TO_ALAW[SILENCE] = 0xD5
