"""Kokoro-82M in torch: text in any of its voices and their blends, batched across streams.

The weights are not part of this package. They are published as hexgrad/Kokoro-82M (Apache-2.0) on huggingface.co; put
`config.json`, `kokoro-v1_0.pth` and the wanted files of `voices/` into one folder, as they are there, for instance by
`hf download hexgrad/Kokoro-82M --local-dir kokoro`, and name the folder:

    voices:
      heart: {engine: kokoro, model: kokoro, voice: af_heart}
      ours: {engine: kokoro, model: kokoro, voice: af_heart*0.6+am_michael*0.4}

A voice's first letter is its language: English (`a`, `b`) is read by the default voice's front end, Spanish (`e`),
French (`f`), Hindi (`h`), Italian (`i`) and Portuguese (`p`) by espeak-ng where it is installed
(`bridge.worker.engines.phonemiser`); Japanese and Chinese are refused.

Voices of one folder share its network. A voice may also be raw little-endian float32, `voices/NAME.bin`, 510 x 256.

A piece takes a `plan` step (text, durations, pitch) and a `wave` step, which makes all of its samples: the generator
normalises every channel over the whole piece, so chunks could not equal it. More than 510 phonemes, which is what the
network has read at once in training, are spoken in parts, each with its own two steps; all are planned before the
first is heard, for the sake of word times.
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b, file_digest
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bridge.audio.encoder import Encoder, Samples
from bridge.audio.formats import AudioFormat
from bridge.errors import ConfigError
from bridge.worker.alignment import Span
from bridge.worker.engines.base import NO_SAMPLES, Engine, Job, SilenceGate, Step
from bridge.worker.engines.device import pick_device, settle
from bridge.worker.engines.device_encoder import DeviceEncoder
from bridge.worker.engines.english import SILENT, EnglishReader, Reading, word_times
from bridge.worker.engines.kokoro_config import RATE_HZ, KokoroConfig, read_config
from bridge.worker.engines.kokoro_styles import DEFAULT, UNREAD, Styles, language_of
from bridge.worker.engines.kokoro_weights import load_network
from bridge.worker.engines.level import SAMPLE, gain_of
from bridge.worker.engines.phonemiser import PhonemeReader

EDGE_FRAMES = 3
"""Frames of 25 ms kept before the first sound and after the last, by the durations; silence among them is not sent."""


class _Part(NamedTuple):
    """Up to 510 phonemes, planned."""

    body: Tensor
    """[C, 2 T]"""
    pitch_hz: Tensor
    """[2 T]"""
    style: Tensor
    """[256]"""
    frames: int


@dataclass(slots=True, eq=False)
class _Piece(Job):
    text: str
    tokens: Sequence[str]
    voice: str
    speed: float
    expected_s: float
    gate: SilenceGate
    kind: Hashable | None = ("plan",)
    reading: Reading | None = None
    unread: list[str] = field(default_factory=list)
    """Phonemes of the parts that are to be planned."""
    parts: list[_Part] = field(default_factory=list)
    """Planned, and not yet heard."""
    words: tuple[Span, ...] | None = None
    edges: list[int] = field(default_factory=lambda: [0])
    """The frame at which each id begins, and the end."""
    places: list[int] = field(default_factory=list)
    """For each phoneme, and for the end, the index of its id."""
    next: int = 0
    """Frames heard or left out."""
    first: int = 0
    end: int = 0
    """Frames from the first to the last sound."""

    @property
    def cost_s(self) -> float:
        left = 1 - self.next / self.end if self.end else 1.0
        return self.expected_s * left if self.kind else 0.0


class KokoroEngine(Engine):
    """One folder of weights, in float32. `device` as in `bridge.worker.engines.device`.

    `styles` are the embeddings that an earlier engine of this folder gave back. Raises ConfigError, saying what is
    missing, foreign or of another size.
    """

    name = "kokoro"
    rate_hz = RATE_HZ

    def __init__(
        self,
        folder: Path,
        voices: Sequence[str] = (DEFAULT,),
        device: str = "",
        threads: int = 1,
        batch: int | None = None,
        styles: Mapping[str, Samples] | None = None,
    ) -> None:
        self._config: KokoroConfig = read_config(folder / "config.json")
        checkpoint = find_checkpoint(folder)
        self._styles = Styles(folder / "voices", self._config, styles or {})
        for voice in voices:
            self._styles.style(voice or DEFAULT)
        self._device = pick_device(device)
        settle(self._device, threads)
        self.batch = batch or (1 if self._device.type == "cpu" else 32)
        self._network = load_network(checkpoint, self._config).to(self._device)
        with checkpoint.open("rb") as file:
            self._version = file_digest(file, lambda: blake2b(digest_size=6)).hexdigest()
        self._stem = checkpoint.stem
        self._readers: dict[str, EnglishReader | PhonemeReader] = {}
        for voice in voices:
            self._reader(voice)
        self._gains_db: dict[str, float] = {}
        self._cost_of_character_s = 0.01

    def model(self, voice: str) -> str:
        """The checkpoint's name, a hash of what it holds, and the voice with a hash of its styles."""
        style = blake2b(self._styles.style(voice or DEFAULT).tobytes(), digest_size=4).hexdigest()
        return f"{self.name}/{self._stem}-{self._version}/{voice or DEFAULT}-{style}"

    def language(self, voice: str) -> str:
        """Return the language of a voice by its name."""
        return language_of(voice or DEFAULT)

    def accent(self, voice: str) -> str:
        """Return the accent of the voice's front end, if it is the English one."""
        return self._reader(voice).accent

    def gain_db(self, voice: str) -> float:
        """Measured on one sentence when first asked."""
        if voice not in self._gains_db:
            self._gains_db[voice] = gain_of(self.speak(SAMPLE, voice), self.rate_hz)
        return self._gains_db[voice]

    def memory_bytes(self) -> int:
        """The size of the weights in memory, in bytes."""
        return sum(weight.nbytes for weight in self._network.parameters())

    def embeddings(self) -> Mapping[str, Samples]:
        """The styles of all voices that were asked for."""
        return self._styles.read

    def encoder(self, audio_format: AudioFormat, gain: float) -> Encoder:
        """On the same device; a CPU encodes single streams faster without torch."""
        if self._device.type == "cpu":
            return super().encoder(audio_format, gain)
        return DeviceEncoder(self.rate_hz, audio_format, gain, self._device)

    def cost_s(self, text: str) -> float:
        """A line through zero, from `warm`."""
        return self._cost_of_character_s * (len(text) + 8)

    def begin(self, text: str, tokens: Sequence[str], voice: str, speed: float) -> Job:
        """Begins with its plan. Raises ConfigError if there is no such voice."""
        voice = voice or DEFAULT
        self._styles.style(voice)
        gate = SilenceGate(self.rate_hz, self._config.istftnet.hop)
        return _Piece(text, tokens, voice, speed, self.cost_s(text), gate)

    @torch.inference_mode()
    def run(self, jobs: Sequence[Job]) -> list[Step]:
        """One plan or one waveform for each piece."""
        pieces = [job for job in jobs if isinstance(job, _Piece)]
        return self._plan(pieces) if pieces[0].kind == ("plan",) else self._wave(pieces)

    def warm(self) -> None:
        """Run both steps at one piece and at a full batch, then time a sentence."""
        for count in (1, self.batch):
            began = time.perf_counter()
            jobs = [self.begin(SAMPLE, SAMPLE.split(), next(iter(self._styles.read)), 1.0) for _ in range(count)]
            while jobs[0].kind:
                self.run(jobs)
            self._cost_of_character_s = (time.perf_counter() - began) / count / (len(SAMPLE) + 8)

    def speak(self, text: str, voice: str = "", speed: float = 1.0) -> Samples:
        """A whole text at once, [n] samples."""
        job, parts = self.begin(text, text.split(), voice, speed), [NO_SAMPLES]
        while job.kind:
            parts.append(self.run([job])[0].audio)
        return np.concatenate(parts)

    # ---- the two steps ----------------------------------------------------------------------------------------

    def numbers(self, phonemes: str) -> tuple[list[int], list[int]]:
        """Ids with the padding at both ends, and for each phoneme the index of its id, or of the next that has one."""
        ids, places = [0], []
        for phoneme in phonemes:
            places.append(len(ids))
            if phoneme in self._config.vocab:
                ids.append(self._config.vocab[phoneme])
        return [*ids, 0], places

    def _reader(self, voice: str) -> EnglishReader | PhonemeReader:
        spoken = language_of(voice or DEFAULT)
        if spoken not in self._readers:
            if spoken in UNREAD:
                raise ConfigError(f"kokoro: {voice} speaks {spoken}, whose text cannot be read aloud yet")
            english = spoken.startswith("en")
            try:
                reader = EnglishReader(spoken == "en-gb") if english else PhonemeReader(spoken, misaki=True)
            except ConfigError as error:
                raise ConfigError(f"kokoro: {voice} speaks {spoken}; {error}") from error
            self._readers[spoken] = reader
        return self._readers[spoken]

    def _plan(self, pieces: list[_Piece]) -> list[Step]:
        """The next part of each piece."""
        parts, readings = [], []
        for piece in pieces:  # nothing is changed before all is computed: the batch may be run again in halves
            reading = piece.reading or self._reader(piece.voice).read(piece.text, piece.tokens)
            readings.append(reading)
            parts.append(piece.unread if piece.reading else split(reading.phonemes, self._config.longest))
        numbers = [self.numbers(part[0]) for part in parts]
        lengths = torch.tensor([len(ids) for ids, _ in numbers])
        ids = torch.zeros(len(pieces), int(lengths.max()), dtype=torch.long)
        for row, (symbols, _) in enumerate(numbers):
            ids[row, : len(symbols)] = torch.tensor(symbols)
        rows = [max(len(part[0]), 1) - 1 for part in parts]
        styles = np.stack([self._styles.style(piece.voice)[row] for piece, row in zip(pieces, rows, strict=True)])
        style = torch.from_numpy(styles).to(self._device)
        speed = torch.tensor([piece.speed for piece in pieces], device=self._device)
        plan = self._network.plan(ids.to(self._device), lengths, style, speed)
        planned = [
            _Part(plan.body[row, :, : 2 * count].clone(), plan.pitch_hz[row, : 2 * count].clone(), style[row], count)
            for row, count in enumerate(plan.frames.tolist())
        ]
        for row, piece in enumerate(pieces):
            durations = plan.durations[row, : len(numbers[row][0])].tolist()
            _take(piece, readings[row], planned[row], parts[row][1:], durations, numbers[row][1])
        return [Step(words=piece.words) for piece in pieces]

    def _wave(self, pieces: list[_Piece]) -> list[Step]:
        """All samples of each piece's next part."""
        parts = [piece.parts[0] for piece in pieces]
        longest, samples = max(part.frames for part in parts), self._config.frame
        body = torch.stack([functional.pad(part.body, (0, 2 * (longest - part.frames))) for part in parts])
        pitch_hz = torch.stack([functional.pad(part.pitch_hz, (0, 2 * (longest - part.frames))) for part in parts])
        noise = torch.zeros(len(parts), longest * samples, device=self._device)
        for row, (piece, part) in enumerate(zip(pieces, parts, strict=True)):
            seed = torch.Generator(self._device).manual_seed(crc32(piece.text.encode()) ^ piece.next)
            noise[row, : part.frames * samples].normal_(generator=seed)
        frames = torch.tensor([part.frames for part in parts], device=self._device)
        style = torch.stack([part.style for part in parts])
        made = self._network.waveform(body, pitch_hz, frames, style, noise).cpu().numpy()
        return [self._hear(piece, audio) for piece, audio in zip(pieces, made, strict=True)]

    def _hear(self, piece: _Piece, made: Samples) -> Step:
        """What is sent of a part's samples, and what the piece needs next."""
        part, samples = piece.parts.pop(0), self._config.frame
        first, end = max(piece.first - piece.next, 0), max(min(piece.end - piece.next, part.frames), 0)
        piece.next += part.frames
        ends = not piece.parts
        audio = piece.gate.feed(made[first * samples : end * samples], ends)
        piece.kind = None if ends else _wave_kind(piece.parts[0])
        return Step(audio, self._words(piece) if len(audio) or ends else None)

    def _words(self, piece: _Piece) -> tuple[Span, ...] | None:
        """Once, with the first sound."""
        if piece.words is not None or piece.reading is None:
            return None
        frame_s = self._config.frame / RATE_HZ
        cut_s = piece.first * frame_s + piece.gate.cut / RATE_HZ
        edges = [edge * frame_s for edge in piece.edges]
        piece.words = word_times(piece.reading, piece.places, edges, cut_s, piece.end * frame_s - cut_s)
        return piece.words


def _take(
    piece: _Piece, reading: Reading, part: _Part, unread: list[str], durations: list[int], places: list[int]
) -> None:
    """Note a planned part; with the last one decide which frames will be heard."""
    ids = len(piece.edges) - 1
    piece.reading, piece.unread = reading, unread
    piece.parts.append(part)
    piece.places += [ids + place for place in places]
    piece.edges = piece.edges[:-1] + list(accumulate(durations, initial=piece.edges[-1]))
    if unread:
        return
    piece.places.append(len(piece.edges) - 2)
    ends = [end for start, end in reading.words if end > start]
    if not ends:
        piece.kind, piece.words = None, tuple((0.0, 0.0) for _ in piece.tokens)
        return
    last = piece.places[min(math.ceil(max(ends)), len(piece.places) - 1)]
    piece.first = max(piece.edges[1] - EDGE_FRAMES, 0)
    piece.end = min(piece.edges[last] + EDGE_FRAMES, piece.edges[-1])
    piece.kind = _wave_kind(piece.parts[0])


def _wave_kind(part: _Part) -> Hashable:
    """Parts of about the same length share a batch: within a factor of the square root of 2, so little is padding."""
    return "wave", round(2 * math.log2(part.frames))


def split(phonemes: str, longest: int) -> list[str]:
    """Parts of at most so many phonemes, cut after a mark if there is one in the second half, else between words."""
    parts = []
    while len(phonemes) > longest:
        spaces = [place + 1 for place, phoneme in enumerate(phonemes[:longest]) if phoneme == " "]
        late = [place for place in spaces if place > longest // 2]
        marked = [place for place in late if phonemes[place - 2] in SILENT]
        cut = max(marked or spaces, default=longest)
        parts.append(phonemes[:cut])
        phonemes = phonemes[cut:]
    return [*parts, phonemes]


def find_checkpoint(folder: Path) -> Path:
    """The `.pth` file of a folder. Raises ConfigError unless there is exactly one."""
    found = sorted(folder.glob("*.pth"))
    if len(found) != 1:
        there = f"{len(found)}: {', '.join(path.name for path in found)}" if found else "none"
        raise ConfigError(f"{folder}: a Kokoro model needs one checkpoint, kokoro-v1_0.pth; *.pth files there: {there}")
    return found[0]
