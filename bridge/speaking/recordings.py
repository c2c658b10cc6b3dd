"""Sounds that were recorded and are played as they are: legal texts, jingles, somebody's own voice.

A recording is a phrase like any other, so that it is cut, lowered and gone on with as speech is. Its words are spread
evenly over it: that is what the history says of it when a caller breaks it off.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bridge.audio.encoder import Encoder
from bridge.audio.formats import FRAME_MS, AudioFormat
from bridge.audio.mulaw import RATE_HZ
from bridge.audio.tones import dtmf, silence
from bridge.audio.wav import BadWav, Wav, read
from bridge.call.actions import KEYS, recording_place
from bridge.call.events import Word
from bridge.errors import ConfigError
from bridge.speaking.phrases.phrase import Phrase, PhraseKey, loudness_db, normalise, tokens

_LARGEST_FILE = 64 * 1024 * 1024
_LONGEST_S = 600.0
_KEYS = re.compile(r"[0-9*#A-DwW]{1,100}", re.ASCII)
_PAUSE_MS = 500.0
"""What a `w` among keys stands for."""


class Recordings:
    """The recordings of a service by name, read once. Raises ConfigError for a file that cannot be played."""

    def __init__(self, files: Mapping[str, str], directory: Path) -> None:
        self._sounds = {name: _read(directory / file, f"speaking.recordings.{name}") for name, file in files.items()}
        self._audio: dict[tuple[str, str], bytes] = {}
        """By name and format, as it is sent."""

    def phrase(self, voice: str, text: str, audio_format: AudioFormat) -> Phrase | None:
        """The recording that this voice names (`recording:NAME`), or the tones of its keys (`keys:12#`).

        The rest of a recording begins where the caller stopped hearing it, a frame before its end at the latest.
        """
        if voice.startswith(KEYS):
            return _tones(voice.removeprefix(KEYS), text, audio_format)
        name, from_ms = recording_place(voice)
        sound = self._sounds.get(name)
        if sound is None:
            return None
        audio = self._audio.get((name, audio_format.name))
        if audio is None:
            audio = self._audio[name, audio_format.name] = _encoded(sound, audio_format)
        if from_ms:
            begin = from_ms // FRAME_MS * audio_format.frame_bytes
            audio = audio[min(begin, len(audio) - audio_format.frame_bytes) :]
        return _phrase(f"{name} from {from_ms}" if from_ms else name, text, audio, audio_format)


def _phrase(name: str, text: str, audio: bytes, audio_format: AudioFormat) -> Phrase:
    key = PhraseKey(normalise(text), name, "", format=audio_format.name, provider="recording")
    words = _spread(text, len(audio) // audio_format.bytes_per_ms)
    return Phrase(key, audio, words, loudness_db(audio, audio_format))


def _tones(keys: str, text: str, audio_format: AudioFormat) -> Phrase | None:
    """The tones of keys as a telephone makes them; None for what is no row of keys."""
    if not _KEYS.fullmatch(keys):
        return None
    parts = [silence(_PAUSE_MS) if part in "wW" else dtmf(part) for part in keys]
    samples = np.concatenate(parts)
    sound = Wav(np.round(samples * 32767.0).astype(np.int16)[:, np.newaxis], RATE_HZ)
    return _phrase(f"keys {keys}", text, _encoded(sound, audio_format), audio_format)


def _read(file: Path, where: str) -> Wav:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise ConfigError(f"{where}: {str(file)!r}: larger than {_LARGEST_FILE // 2**20} MiB")
        sound = read(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{where}: {str(file)!r}: cannot be read: {error.strerror}") from None
    except BadWav as error:
        raise ConfigError(f"{where}: {str(file)!r}: {error}") from None
    if not 0 < sound.duration_s <= _LONGEST_S:
        raise ConfigError(f"{where}: {str(file)!r}: lasts {sound.duration_s:.1f} s, expected up to {_LONGEST_S:.0f} s")
    return sound


def _encoded(sound: Wav, audio_format: AudioFormat) -> bytes:
    """The sound in a line's format, in whole frames."""
    encoder = Encoder(sound.rate_hz, audio_format, 1.0)
    audio = encoder.feed(sound.mono.astype(np.float32) / 32768.0) + encoder.finish()
    missing_ms = -(-len(audio) // audio_format.frame_bytes) * FRAME_MS - len(audio) / audio_format.bytes_per_ms
    return (audio + audio_format.silence(FRAME_MS))[: len(audio) + round(missing_ms * audio_format.bytes_per_ms)]


def _spread(text: str, audio_ms: int) -> tuple[Word, ...]:
    """The words of a text, evenly by their letters over so many milliseconds."""
    said = tokens(text)
    letters = sum(map(len, said)) or 1
    words: list[Word] = []
    before = 0
    for word in said:
        start, before = before, before + len(word)
        words.append(Word(word, start * audio_ms // letters, before * audio_ms // letters))
    return tuple(words)
