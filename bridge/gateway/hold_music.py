"""What a caller hears who waits for somebody: a quiet tune of our own, which no one has rights to, or a sound of yours.

`GET /NAME/hold-music` is the carrier's document about it, `GET /hold-music.wav` the tune. Neither is a secret, and
carriers do not say whether they sign these requests.
"""

from __future__ import annotations

import functools
import io
import wave

import numpy as np
from aiohttp import web

from bridge.carriers.conference import HoldMusic

_RATE_HZ = 8000
_NOTE_S = 0.6
_CHORDS_HZ = (
    (261.63, 329.63, 392.00, 523.25),
    (220.00, 261.63, 329.63, 440.00),
    (174.61, 220.00, 261.63, 349.23),
    (196.00, 246.94, 293.66, 392.00),
)
"""C, A minor, F and G, each broken up and down again."""
_LOUDNESS = 0.12
TUNE = "/hold-music.wav"


@functools.lru_cache(maxsize=1)
def tune() -> bytes:
    """The tune as a WAV file, about twenty seconds that may be repeated without a seam."""
    notes = [note for chord in _CHORDS_HZ for note in (*chord, *reversed(chord))]
    length = round(_NOTE_S * _RATE_HZ)
    song = np.zeros(length * len(notes))
    times = np.arange(2 * length) / _RATE_HZ
    fades = np.minimum(times / 0.02, 1.0) * np.exp(-2.5 * times) * np.minimum((times[-1] - times) / 0.05, 1.0)
    for place, pitch in enumerate(notes):
        sound = fades * (np.sin(2 * np.pi * pitch * times) + 0.3 * np.sin(4 * np.pi * pitch * times))
        song[(place * length + np.arange(2 * length)) % len(song)] += sound
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(_RATE_HZ)
        out.writeframes((song * _LOUDNESS * 32767).astype("<i2").tobytes())
    return file.getvalue()


async def serve_tune(_request: web.Request) -> web.Response:
    """Answer with the tune as a WAV file."""
    return web.Response(body=tune(), content_type="audio/wav")


def music_of(url: str, public_url: str) -> HoldMusic:
    """The music to play: that at `url`, or ours."""
    return HoldMusic(url or f"{public_url}{TUNE}")
