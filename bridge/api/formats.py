"""What the speech API sends: raw linear16 and mu-law, and WAV, whose header is written before its length is known."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from bridge.audio.formats import MULAW_8000, AudioFormat

SUPPORTED = ("wav", "pcm", "mulaw")
RATES_HZ = (8000, 16000, 24000)
HIGHEST_HZ = 24000
"""The rate of OpenAI's `pcm`, and the voices' own."""
_UNKNOWN_LENGTH = 0xFFFFFFFF
"""Of a file that is still being made; ffmpeg writes the same into a pipe, and readers then go on to the end."""


@dataclass(frozen=True)
class ResponseFormat:
    """One way of sending speech."""

    audio_format: AudioFormat
    """Of its samples."""
    content_type: str
    header: bytes = b""
    """Goes before the samples."""


def format_of(response_format: str, rate_hz: int | None = None) -> ResponseFormat:
    """The format for OpenAI's `response_format` and our `sample_rate`. Raises ValueError, naming what is supported."""
    if response_format not in SUPPORTED:
        raise ValueError(f"response_format {response_format!r} is not supported; supported are: {', '.join(SUPPORTED)}")
    if response_format == "mulaw":
        if rate_hz not in (None, 8000):
            raise ValueError(f"sample_rate {rate_hz} is not supported for mulaw, which has 8000")
        return ResponseFormat(MULAW_8000, "audio/basic")  # RFC 2046, 4.3: mu-law, one channel, 8000 Hz
    rate_hz = HIGHEST_HZ if rate_hz is None else rate_hz
    if rate_hz not in RATES_HZ:
        raise ValueError(
            f"sample_rate {rate_hz} is not supported; supported are: {', '.join(str(rate) for rate in RATES_HZ)}"
        )
    if response_format == "pcm":
        return ResponseFormat(AudioFormat("pcm", rate_hz), "audio/pcm")
    return ResponseFormat(AudioFormat("pcm", rate_hz), "audio/wav", wav_header(rate_hz))


def wav_header(rate_hz: int) -> bytes:
    """The 44 bytes before linear16 samples of unknown number, one channel."""
    described = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", _UNKNOWN_LENGTH, b"WAVE")
        + described
        + struct.pack("<4sI", b"data", _UNKNOWN_LENGTH)
    )
