"""WAV files in memory: bytes to samples and back. Whoever owns the disk reads and writes the file.

The chunks are walked, never skipped by a fixed 44 bytes: recorders put others before the samples.
Source: Microsoft's Multimedia Programming Interface and Data Specifications 1.0 (1991), and
WAVEFORMATEXTENSIBLE.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.audio import mulaw

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE
_NAMES = {_PCM: "PCM", _FLOAT: "float", _ALAW: "A-law", _MULAW: "mu-law"}
_UNKNOWN_LENGTH = 0xFFFFFFFF
"""What a program writes that did not know the length when it began, ffmpeg into a pipe for one."""


class BadWav(ValueError):
    """The bytes are no WAV file that we can read; the message names what is wrong."""


@dataclass(frozen=True, slots=True)
class Wav:
    """The sound of a WAV file."""

    samples: NDArray[np.int16]
    """Shape [samples, channels]."""
    rate_hz: int

    @property
    def mono(self) -> NDArray[np.int16]:
        """All channels mixed into one, shape [samples]."""
        if self.samples.shape[1] == 1:
            return np.ascontiguousarray(self.samples[:, 0])
        return np.asarray(self.samples.mean(axis=1).round(), dtype=np.int16)

    @property
    def duration_s(self) -> float:
        """The length of the sound in seconds."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    rate_hz: int
    bits: int


def read(data: bytes) -> Wav:
    """The sound of a WAV file: PCM of 8 to 32 bits, float, mu-law or A-law, any rate. Raises BadWav."""
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise BadWav(f"no WAV file: it begins with {data[:12]!r}, expected RIFF....WAVE")
    described: _Format | None = None
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        if name == b"fmt ":
            described = _format(body)
        elif name == b"data":
            if described is None:
                raise BadWav("the data chunk comes before the fmt chunk")
            if len(body) < length and length != _UNKNOWN_LENGTH:
                raise BadWav(f"the file is cut off: {len(body)} bytes of samples, the header announces {length}")
            return Wav(_samples(described, body), described.rate_hz)
        at += 8 + length + length % 2
    raise BadWav("no data chunk: the file holds no samples")


def write(samples: NDArray[np.int16], rate_hz: int) -> bytes:
    """A 16-bit PCM file of samples, shape [samples] or [samples, channels]."""
    pcm = np.ascontiguousarray(samples, dtype="<i2")
    channels = 1 if pcm.ndim == 1 else pcm.shape[1]
    header = struct.pack("<HHIIHH", _PCM, channels, rate_hz, rate_hz * channels * 2, channels * 2, 16)
    return _file(header, pcm.tobytes())


def write_mulaw(*channels: bytes, rate_hz: int = mulaw.RATE_HZ) -> bytes:
    """A mu-law file with a channel for each argument; the shorter ones end in silence.

    Raises ValueError without any channel.
    """
    if not channels:
        raise ValueError("a WAV file has at least one channel")
    count, longest = len(channels), max(map(len, channels))
    mixed = np.full((longest, count), mulaw.SILENCE, dtype=np.uint8)
    for channel, ulaw in enumerate(channels):
        mixed[: len(ulaw), channel] = np.frombuffer(ulaw, dtype=np.uint8)
    header = struct.pack("<HHIIHHH", _MULAW, count, rate_hz, rate_hz * count, count, 8, 0)
    # Anything but PCM also tells its number of samples.
    return _file(header, mixed.tobytes(), struct.pack("<4sII", b"fact", 4, longest))


def _file(header: bytes, body: bytes, between: bytes = b"") -> bytes:
    chunks = struct.pack("<4sI", b"fmt ", len(header)) + header + between
    chunks += struct.pack("<4sI", b"data", len(body)) + body + b"\0" * (len(body) % 2)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WAVE") + chunks


def _format(body: bytes) -> _Format:
    if len(body) < 16:
        raise BadWav(f"the fmt chunk has {len(body)} bytes, expected 16 at least")
    tag, channels, rate_hz, _, block, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE:
        if len(body) < 26:
            raise BadWav("the extensible fmt chunk is cut off")
        (tag,) = struct.unpack_from("<H", body, 24)
    readable = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64), _ALAW: (8,), _MULAW: (8,)}
    if bits not in readable.get(tag, ()):
        raise BadWav(f"unsupported coding: {bits} bits of {_NAMES.get(tag, f'format 0x{tag:04x}')}")
    if not channels or not rate_hz:
        raise BadWav(f"the fmt chunk tells {channels} channels at {rate_hz} Hz")
    if block != channels * bits // 8:
        raise BadWav(f"the fmt chunk tells {block} bytes for {channels} samples of {bits} bits")
    return _Format(tag, channels, rate_hz, bits)


def _samples(described: _Format, body: bytes) -> NDArray[np.int16]:
    """Shape [samples, channels]; a broken last sample is left out."""
    whole = described.channels * described.bits // 8
    body = body[: len(body) // whole * whole]
    return _linear(described, body).reshape(-1, described.channels)


def _linear(described: _Format, body: bytes) -> NDArray[np.int16]:
    match described.tag, described.bits:
        case tag, _ if tag == _MULAW:
            return mulaw.decode(body)
        case tag, _ if tag == _ALAW:
            return mulaw.decode_alaw(body)
        case tag, bits if tag == _FLOAT:
            floats = np.nan_to_num(np.frombuffer(body, dtype="<f4" if bits == 32 else "<f8"))
            return np.asarray((np.clip(floats, -1.0, 1.0) * 32767.0).round(), dtype=np.int16)
        case _, 8:  # the only unsigned one
            return ((np.frombuffer(body, dtype=np.uint8).astype(np.int16) - 128) * 256).astype(np.int16)
        case _, 16:
            return np.frombuffer(body, dtype="<i2").astype(np.int16)
        case _, bits:
            # The upper 16 bits of each little-endian sample.
            parts = np.frombuffer(body, dtype=np.uint8).reshape(-1, bits // 8)
            return np.ascontiguousarray(parts[:, -2:]).view("<i2")[:, 0].astype(np.int16)
