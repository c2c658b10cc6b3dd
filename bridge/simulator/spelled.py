"""A voice whose words are chords, and the ear that reads them: exact to the word without any recogniser.

Every word becomes three chords of two tones each, looked up by a hash of the word, then a short silence. The ear finds
the chords again in what was played, also when it was ducked or cut in the middle of a word. For tests in
virtual time, where hundreds of calls are listened to in seconds.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.audio.resample import resample
from bridge.simulator.sound import RATE_HZ, Sound, from_ulaw, to_ulaw

CHORD_MS = 60
REST_MS = 60
WORD_MS = 3 * CHORD_MS + REST_MS
TONES_HZ = tuple(400 + 150 * index for index in range(14))
"""400 to 2350 Hz, whole periods in 20 ms."""
CHORDS = tuple(itertools.combinations(range(len(TONES_HZ)), 2))

_LEVEL = 0.11
"""Of each tone; about -19 dBFS for a chord."""
_STEP = RATE_HZ * 10 // 1000
_WINDOW = RATE_HZ * 20 // 1000


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word as the ear read it; `complete` is false when it was broken off or joined late."""

    text: str
    start_ms: int
    end_ms: int
    complete: bool = True
    likeness: float = 0.0
    """1 for a complete word whose every sample is the voice's, whatever the level; holes and clicks lower it."""


def words_of(text: str) -> list[str]:
    """The words of a text, as they are spelled: digits one by one, case and punctuation aside."""
    return re.findall(r"[a-z']+|[0-9]", text.lower())


def spelling(word: str) -> tuple[int, int, int]:
    """The three chords of a word, all different from their neighbours."""
    digest = hashlib.sha256(word.encode()).digest()
    first = int.from_bytes(digest[:4], "big") % len(CHORDS)
    second = (first + 1 + int.from_bytes(digest[4:8], "big") % (len(CHORDS) - 1)) % len(CHORDS)
    third = (second + 1 + int.from_bytes(digest[8:12], "big") % (len(CHORDS) - 1)) % len(CHORDS)
    return first, second, third


@lru_cache(maxsize=4096)
def _word_sound(word: str) -> Sound:
    time = np.arange(RATE_HZ * CHORD_MS // 1000) / RATE_HZ
    edge = np.minimum(1.0, np.minimum(np.arange(len(time)), np.arange(len(time))[::-1]) / 16.0)
    parts = []
    for chord in spelling(word):
        low, high = (TONES_HZ[tone] for tone in CHORDS[chord])
        parts.append(_LEVEL * edge * (np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)))
    parts.append(np.zeros(RATE_HZ * REST_MS // 1000))
    return np.concatenate(parts).astype(np.float32)


def speak(text: str) -> tuple[Sound, list[tuple[str, int, int]]]:
    """The sound of a text, and its words with start and end in milliseconds."""
    words = words_of(text)
    if not words:
        return np.zeros(_WINDOW, np.float32), []
    places = [(word, index * WORD_MS, index * WORD_MS + 3 * CHORD_MS) for index, word in enumerate(words)]
    return np.concatenate([_word_sound(word) for word in words]), places


# the ear


def read(sound: Sound, vocabulary: Iterable[str]) -> list[HeardWord]:
    """The words in a sound, in order. Words outside the vocabulary come out as `?`, broken ones as `wor-`."""
    known: dict[tuple[int, ...], str] = {spelling(word): word for word in vocabulary}
    heads: dict[tuple[int, ...], str] = {}
    for chords, word in known.items():
        for length in (1, 2):
            heads.setdefault(chords[:length], word)
    tails = {chords[length:]: word for chords, word in known.items() for length in (1, 2)}
    words = [_word(group, known, heads, tails) for group in _groups(_chords(sound))]
    return [replace(word, likeness=_likeness(sound, word)) if word.complete else word for word in words]


def _likeness(sound: Sound, word: HeardWord) -> float:
    """Normalised correlation with the word as it should sound, at the best fitting sample."""
    wanted = _word_sound(word.text)[: 3 * CHORD_MS * RATE_HZ // 1000]
    first = max(0, (word.start_ms - 25) * RATE_HZ // 1000)
    around = sound[first : first + len(wanted) + 50 * RATE_HZ // 1000]
    if len(around) < len(wanted):
        return 0.0
    match = np.correlate(around, wanted, "valid")
    best = int(np.argmax(match))
    heard = around[best : best + len(wanted)]
    return float(match[best] / (np.linalg.norm(heard) * np.linalg.norm(wanted) + 1e-9))


def reader(vocabulary: Iterable[str]) -> Callable[[bytes, Sequence[str]], str]:
    """An ear for `bridge.simulator.ear` that reads chords: mu-law in, words out."""
    known = sorted(set(vocabulary))
    return lambda ulaw, hints: " ".join(word.text for word in read(from_ulaw(ulaw), known))


def _chords(sound: Sound) -> list[tuple[int, int, int]]:
    """(chord, start, end in milliseconds) of each chord heard; -1 is silence."""
    frames = max(0, (len(sound) - _WINDOW) // _STEP + 1)
    if not frames:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::_STEP][:frames]
    power = np.abs(windows @ _basis()) ** 2
    loudest = np.argsort(power, axis=1)
    high, low = loudest[:, -1], loudest[:, -2]
    rows = np.arange(frames)
    clear = power[rows, low] > 12.0 * power[rows, loudest[:, -3]]
    loud = power[rows, high] > _FLOOR
    even = power[rows, high] < 8.0 * power[rows, low]
    names = {pair: index for index, pair in enumerate(CHORDS)}
    found: list[tuple[int, int, int]] = []
    for row in range(frames):
        if not loud[row]:
            chord = -1
        elif clear[row] and even[row]:
            chord = names[min(int(high[row]), int(low[row])), max(int(high[row]), int(low[row]))]
        else:
            continue  # a window across a border: its neighbours tell
        at = row * 10
        if found and found[-1][0] == chord:
            found[-1] = (chord, found[-1][1], at + 20)
        else:
            found.append((chord, at, at + 20))
    return found


_FLOOR = (0.11 * 10 ** (-30 / 20) * _WINDOW / 2) ** 2
"""A tone 30 dB below the voice's level still counts: ducked speech is heard."""


@lru_cache(maxsize=1)
def _basis() -> NDArray[np.complex64]:
    time = np.arange(_WINDOW) / RATE_HZ
    return np.asarray(np.exp(-2j * np.pi * np.outer(time, TONES_HZ)), np.complex64)


def _groups(chords: list[tuple[int, int, int]]) -> list[list[tuple[int, int, int]]]:
    """Chords up to a rest are one word; a silence shorter than a rest within a word is a hole, not a border."""
    groups: list[list[tuple[int, int, int]]] = [[]]
    for chord, start, end in chords:
        if chord < 0:
            if groups[-1]:
                groups.append([])
        else:
            groups[-1].append((chord, start, end))
    return [group for group in groups if group]


def _word(
    group: list[tuple[int, int, int]],
    known: Mapping[tuple[int, ...], str],
    heads: Mapping[tuple[int, ...], str],
    tails: Mapping[tuple[int, ...], str],
) -> HeardWord:
    chords = tuple(chord for chord, _, _ in group)
    start, end = group[0][1], group[-1][2]
    if chords in known:
        # A chord cut short still tells its word; only a last one that is nearly whole has been heard whole.
        whole = end - start >= 3 * CHORD_MS - 20
        return HeardWord(known[chords], start, end, whole)
    if chords in heads:
        return HeardWord(f"{heads[chords]}-", start, end, False)
    if chords in tails:
        return HeardWord(f"-{tails[chords]}", start, end, False)
    return HeardWord("?", start, end, False)


# the voice


def _in_format(sound: Sound, audio_format: Any) -> bytes:
    """The sound as a line has it: a format has a codec and a rate; None is mu-law at 8 kHz."""
    if audio_format is None or audio_format.codec == "mulaw":
        return to_ulaw(sound)
    wide = resample(sound, RATE_HZ, audio_format.rate_hz)
    return bytes((np.clip(wide, -1.0, 1.0) * 32767.0).round().astype("<i2").tobytes())


class Listener(Protocol):
    """Whoever takes the audio of one text."""

    def audio(self, audio: bytes) -> None: ...
    def words(self, words: Any) -> None: ...
    def done(self) -> None: ...


class SpelledVoice:
    """Makes speech where a bridge asks for it (`bridge.speaking.voices.base.SpeechProvider`, by its shape alone).

    `later` schedules work, `(seconds, callback)`; `delay_s` is the time to the first audio. `word` builds the
    asker's own kind of word from text, start_ms and end_ms.
    """

    reads_written_text = True
    """Every written character has a sound of its own."""

    name = "spelled"
    default_voice = "chords"

    def __init__(
        self,
        word: Callable[[str, int, int], Any],
        later: Callable[[float, Callable[[], None]], Any],
        *,
        delay_s: float = 0.03,
    ) -> None:
        self._word = word
        self._later = later
        self._delay_s = delay_s
        self.usable = False
        self.voices: dict[str, str] = {"chords": "1"}
        self.texts: list[str] = []
        """Everything that was asked for."""

    async def start(self, changed: Callable[[], None]) -> None:
        """Do nothing, since this voice is ready at once."""
        self.usable = True
        changed()

    async def close(self) -> None:
        """Close without effect, since this voice holds no connection."""
        self.usable = False

    def open(self, request: Any, listener: Listener) -> SpelledStream:
        """Begin to speak the text of a request."""
        self.texts.append(request.text)
        sound, places = speak(request.text)
        audio = _in_format(sound, getattr(request, "audio_format", None))
        stream = SpelledStream(audio, [self._word(*place) for place in places], listener)
        self._later(self._delay_s, stream.deliver)
        return stream

    def stats(self) -> dict[str, float]:
        """Return how many texts were spoken so far."""
        return {"texts": float(len(self.texts))}


class SpelledStream:
    """One text being spoken: all of it arrives at once, after the delay."""

    def __init__(self, audio: bytes, words: Sequence[Any], listener: Listener) -> None:
        self._audio = audio
        self._words = words
        self._listener: Listener | None = listener

    def deliver(self) -> None:
        """Give everything to the listener, unless it was cancelled."""
        if self._listener is not None:
            self._listener.words(self._words)
            self._listener.audio(self._audio)
            self._listener.done()

    def text(self, delta: str) -> None:
        """Do nothing, since the text was whole from the start."""

    def flush(self) -> None:
        """Do nothing, since the text was whole from the start."""

    def end(self) -> None:
        """Do nothing, since the text was whole from the start."""

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        """Do nothing, since all audio arrives at once."""

    def cancel(self) -> None:
        """The listener hears nothing more."""
        self._listener = None
