"""Where text is cut: each strategy's time to first audio against what its joins do to the sound.

The same texts are spoken by the same voice under every strategy. Pieces are made one after the other, so joins fall
between words; at each of them the sharpest edge and the change of level are measured, and a recogniser writes down what
it understands of the whole.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from bridge.audio import mulaw
from bridge.audio.formats import AudioFormat
from bridge.audio.loudness import step_db
from bridge.audio.resample import resample
from bridge.bench.measures import Strategy
from bridge.bench.sentences import READ_BACK
from bridge.bench.single import WorkerLine
from bridge.bench.worker import Target, own_worker
from bridge.call.events import Word
from bridge.errors import ConfigError, VoiceError
from bridge.listening.settings import WhisperSettings
from bridge.text.chunker import Chunker, unhurried
from bridge.text.settings import Chunking
from bridge.worker.client import connect
from bridge.worker.protocol import Audio
from bridge.worker.settings import WorkerSettings

RATE_HZ = 24_000
WRITTEN_PER_S = 80
"""Characters that an agent writes: a language model's 20 tokens a second."""
_ROUNDS = 3
_ECHO_WORDS = 3
_EDGE_S = 0.01

Sound = NDArray[np.float64]
Progress = Callable[[str], None]
Recognise = Callable[[bytes], str]


@dataclass(frozen=True)
class SpokenSample:
    """A text as it was said."""

    text: str
    sound: Sound
    """Full scale is 1, at 24 kHz."""
    words: list[Word]


async def compare(
    settings: WorkerSettings,
    voice: str | None,
    cores: Sequence[int],
    progress: Progress,
    texts: Sequence[str] = READ_BACK,
) -> list[Strategy]:
    """Every strategy with the same voice, spoken by a worker of our own. Raises VoiceError, ConfigError."""
    base = settings.voices.get(voice or next(iter(settings.voices)))
    if base is None:
        raise ConfigError(f"no voice {voice!r}; there are: {', '.join(settings.voices)}")
    names: tuple[Chunking, ...] = get_args(Chunking)
    voices = {name: msgspec.structs.replace(base, chunking=name) for name in names}
    recognise = _recogniser()
    measured = []
    async with own_worker(msgspec.structs.replace(settings, voices=voices), cores) as target:
        for name in names:
            progress(f"chunking by {name}: speaking")
            ttfa_ms = await _first_audio(target, name, texts)
            spoken = [await _speak(target, name, text) for text in texts]
            progress(f"chunking by {name}: listening")
            measured.append(await asyncio.to_thread(judge, name, spoken, ttfa_ms, recognise))
    return measured


def _recogniser() -> Recognise:
    from bridge.listening.recognisers.whisper import Whisper

    whisper = Whisper(WhisperSettings())
    return lambda ulaw: whisper.recognise(ulaw).text


async def _first_audio(target: Target, voice: str, texts: Sequence[str]) -> list[float]:
    async with target.session() as session:
        line = WorkerLine(session, target)
        await line.open()
        try:
            found = [await line.speak(text, voice, first_only=True) for _ in range(_ROUNDS) for text in texts]
        finally:
            await line.close()
    return [ttfa_ms for ttfa_ms, _ in found]


async def _speak(target: Target, voice: str, text: str) -> SpokenSample:
    samples, words = bytearray(), []
    async with await connect(target.address, target.token) as link:
        speech = link.open(voice, AudioFormat("pcm", RATE_HZ))
        speech.text(text)
        speech.end()
        async for message in speech:
            if isinstance(message, Audio):
                samples += message.data
            else:
                words += message.words
    if not words:
        raise VoiceError(f"voice {voice!r} said nothing")
    return SpokenSample(text, np.frombuffer(bytes(samples), "<i2").astype(np.float64) / 32768, words)


# ---- what is heard ------------------------------------------------------------------------------------------------


def judge(name: Chunking, spoken: Sequence[SpokenSample], ttfa_ms: list[float], recognise: Recognise) -> Strategy:
    """All that is measured of one strategy."""
    clicks: dict[bool, list[float]] = {True: [], False: []}
    steps: dict[bool, list[float]] = {True: [], False: []}
    pieces = wrong = total = 0
    for one in spoken:
        joins = places_of_joins(name, one.text)
        pieces += len(joins) + 1
        for place in range(1, len(one.words)):
            gap = (one.words[place - 1].end_ms / 1000, one.words[place].start_ms / 1000)
            clicks[place in joins].append(edge_db(one.sound, *gap))
            steps[place in joins].append(level_step_db(one.sound, *gap))
        said, heard = plain(one.text), without_echo(plain(recognise(telephone(one.sound))))
        wrong += distance(said, heard)
        total += len(said)
    return Strategy(
        name=name,
        pieces=pieces,
        ttfa_ms=ttfa_ms,
        writing_ms=[1000 * first_piece(name, one.text) / WRITTEN_PER_S for one in spoken],
        audio_s=sum(len(one.sound) for one in spoken) / RATE_HZ,
        word_errors=wrong / total,
        click_db=max(clicks[True], default=None),
        ordinary_click_db=max(clicks[False], default=None),
        step_db=statistics.median(steps[True]) if steps[True] else None,
        ordinary_step_db=statistics.median(steps[False]) if steps[False] else None,
    )


def places_of_joins(strategy: Chunking, text: str) -> set[int]:
    """Before which words (by number) a new piece begins."""
    counts = [len(piece.split()) for piece in Chunker(unhurried(strategy)).finish(0.0, text)]
    return {sum(counts[:number]) for number in range(1, len(counts))}


def first_piece(strategy: Chunking, text: str) -> int:
    """How many characters must be written before anything can be spoken."""
    chunker = Chunker(unhurried(strategy))
    return next((count for count, character in enumerate(text, 1) if chunker.feed(character)), len(text))


def edge_db(sound: Sound, end_s: float, start_s: float) -> float:
    """The sharpest edge between one word's end and the next one's start, against the sharpest 0.1 % of all speech.

    A click is a jump between neighbouring samples, which a second difference shows and smooth speech does not have.
    """
    edges = np.abs(np.diff(sound, 2))
    first = max(0, int((end_s - _EDGE_S) * RATE_HZ))
    last = max(first + 1, int((start_s + _EDGE_S) * RATE_HZ))
    usual = float(np.quantile(edges, 0.999))
    return 20 * float(np.log10(max(float(edges[first:last].max(initial=0.0)), 1e-9) / max(usual, 1e-9)))


def level_step_db(sound: Sound, end_s: float, start_s: float) -> float:
    """How much louder or softer the speech goes on, pauses left out."""
    return abs(step_db(sound[: int(end_s * RATE_HZ)], sound[int(start_s * RATE_HZ) :], RATE_HZ))


def telephone(sound: Sound) -> bytes:
    """Convert sound to mu-law at 8 kHz, as a telephone carries it."""
    narrow = resample(sound, RATE_HZ, 8000)
    return mulaw.encode((np.clip(narrow, -1, 1) * 32767).astype(np.int16))


def plain(text: str) -> list[str]:
    """Split a text into lower-case words without punctuation."""
    kept = "".join(one if one.isalnum() or one == "'" else " " for one in text.lower().replace("’", "'"))
    return kept.split()


def without_echo(words: list[str]) -> list[str]:
    """Drop an end of the text that only repeats what stands before it.

    Small recognisers write their last sentence again and again when silence follows. No text here ends so.
    """
    for period in range(_ECHO_WORDS, len(words) // 2 + 1):
        same = 0
        while same < len(words) - period and words[-1 - same] == words[-1 - same - period]:
            same += 1
        if same >= _ECHO_WORDS:
            return words[:-same]
    return words


def distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words inserted, left out or changed (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for line, word in enumerate(said, 1):
        diagonal, row[0] = row[0], line
        for column, other in enumerate(heard, 1):
            changed = diagonal + (word != other)
            diagonal = row[column]
            row[column] = min(changed, row[column] + 1, row[column - 1] + 1)
    return row[-1]
