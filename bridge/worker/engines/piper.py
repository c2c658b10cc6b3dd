"""Any Piper voice (VITS: an `.onnx` file, its `.onnx.json` beside it) in torch: batched and made chunk by chunk.

A piece takes one `plan` step (text, durations, the latent of the whole piece) and then `wave` steps of a fixed number
of latent frames, decoded with as many more on either side as the decoder can see, so chunks joined equal the whole
piece.

English text is read by the default voice's front end, whose phonemes are rewritten as espeak-ng's; that of other
languages by espeak-ng itself, where it is installed (`bridge.worker.engines.phonemiser`). Voices trained on plain text
(`"phoneme_type": "text"`) need no front end, in any language.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bridge.audio.encoder import Encoder, Samples
from bridge.audio.formats import AudioFormat
from bridge.errors import ConfigError
from bridge.worker.alignment import Span
from bridge.worker.engines.base import Engine, Job, SilenceGate, Step
from bridge.worker.engines.device import name_of, pick_device, pick_precision, settle
from bridge.worker.engines.device_encoder import DeviceEncoder
from bridge.worker.engines.english import LONGEST, EnglishReader, Reading, word_times
from bridge.worker.engines.espeak import to_espeak
from bridge.worker.engines.graphs import BatchStep, Inputs, Shape, fixed_frames, shapes
from bridge.worker.engines.level import SAMPLE, gain_of
from bridge.worker.engines.phonemiser import PhonemeReader
from bridge.worker.engines.vits_network import VitsNetwork
from bridge.worker.engines.vits_weights import load_vits, random_noise

CHUNKS = (16, 16, 48)
"""Latent frames of a piece's first, second and every later chunk; one is about 12 ms."""
_PAD, _BEGIN, _END = "_", "^", "$"


@dataclass(slots=True, eq=False)
class _Piece(Job):
    text: str
    tokens: Sequence[str]
    speaker: int
    speed: float
    expected_s: float
    gate: SilenceGate
    kind: Hashable | None = ("plan",)
    reading: Reading | None = None
    latent: Tensor = field(default_factory=lambda: torch.zeros(0))
    """[C, halo + T + halo + longest chunk]"""
    words: tuple[Span, ...] | None = None
    edges: list[float] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    frames: int = 0
    next: int = 0
    chunks: int = 0

    @property
    def cost_s(self) -> float:
        left = 1.0 if not self.frames else 1 - self.next / self.frames
        return self.expected_s * left if self.kind else 0.0


class PiperEngine(Engine):
    """One voice file. Its speakers are the voices of this engine: by name, by number, or "" for the first.

    `device`, `precision` and `graphs` as in `bridge.worker.engines.hibari_torch`.
    """

    name = "piper"

    def __init__(
        self,
        path: Path,
        device: str = "",
        threads: int = 1,
        batch: int | None = None,
        chunks: Sequence[int] = CHUNKS,
        noise: bool = True,
        precision: str = "",
        graphs: bool | None = None,
    ) -> None:
        self._path = path
        self._config = _read_config(path)
        self._device = pick_device(device)
        self._precision = pick_precision(precision, self._device)
        settle(self._device, threads)
        self._network: VitsNetwork = load_vits(path).to(self._device)
        self._network.set_precision(self._precision)
        self.rate_hz = int(self._config["audio"]["sample_rate"])
        self.batch = batch or (1 if self._device.type == "cpu" else 32)
        self._chunks = tuple(chunks)
        with_graphs = self._device.type == "cuda" if graphs is None else graphs
        fixed = shapes(self.batch, fixed_frames(self._chunks)) if with_graphs else []
        inputs = functools.partial(blank, self._network, self._device)
        self._waves = BatchStep(functools.partial(sound, self._network), inputs, fixed)
        self._ids: dict[str, list[int]] = self._config["phoneme_id_map"]
        inference = self._config.get("inference", {})
        self._stretch = float(inference.get("length_scale", 1.0))
        self._latent_noise = float(inference.get("noise_scale", 0.667)) if noise else 0.0
        self._duration_noise = float(inference.get("noise_w", 0.8)) if noise else 0.0
        self._reader = _reader(self._config, path)
        self._version = blake2b(path.read_bytes(), digest_size=6).hexdigest()
        self._cost_of_character_s = 0.002
        self._gain_db = 0.0

    def model(self, voice: str) -> str:
        """The file's name and a hash of what it holds."""
        precision = "" if self._precision is torch.float32 else f"-{name_of(self._precision)}"
        return f"{self.name}/{self._path.stem}-{self._version}{precision}/{voice or 0}"

    def language(self, voice: str) -> str:
        """Return the language of the file: what its description calls it, or else that of its phonemes."""
        declared = self._config.get("language")
        code = declared.get("code") if isinstance(declared, dict) else declared
        return str(code or self._config.get("espeak", {}).get("voice", "")).replace("_", "-")

    def accent(self, voice: str) -> str:
        """Return the accent of the file's front end, if it is the English one."""
        return self._reader.accent

    def gain_db(self, voice: str) -> float:
        """Measured on one sentence when first asked."""
        if not self._gain_db:
            self._gain_db = gain_of(self.speak(SAMPLE, voice), self.rate_hz)
        return self._gain_db

    def memory_bytes(self) -> int:
        """The size of the weights in memory, in bytes."""
        networks = [self._network]
        return sum(weight.nbytes for network in networks for weight in network.parameters())

    def encoder(self, audio_format: AudioFormat, gain: float) -> Encoder:
        """On the same device; a CPU encodes single streams faster without torch."""
        if self._device.type == "cpu":
            return super().encoder(audio_format, gain)
        return DeviceEncoder(self.rate_hz, audio_format, gain, self._device)

    def cost_s(self, text: str) -> float:
        """A line through zero, from `warm`."""
        return self._cost_of_character_s * (len(text) + 8)

    def speaker(self, voice: str) -> int:
        """Number of a speaker. Raises ConfigError."""
        numbers: dict[str, int] = self._config.get("speaker_id_map") or {}
        number = numbers.get(voice, int(voice) if voice.isdigit() else 0 if not voice else -1)
        if not 0 <= number < self._network.shape.speakers:
            known = ", ".join(numbers) or f"0 to {self._network.shape.speakers - 1}"
            raise ConfigError(f"{self._path}: has no speaker {voice!r}; there are: {known}")
        return number

    def begin(self, text: str, tokens: Sequence[str], voice: str, speed: float) -> Job:
        """Begin a piece, whose first step makes its plan."""
        gate = SilenceGate(self.rate_hz, self._network.shape.hop)
        return _Piece(text, tokens, self.speaker(voice), speed, self.cost_s(text), gate)

    @torch.inference_mode()
    def run(self, jobs: Sequence[Job]) -> list[Step]:
        """One plan or one chunk for each piece."""
        pieces = [job for job in jobs if isinstance(job, _Piece)]
        return self._plan(pieces) if pieces[0].kind == ("plan",) else self._wave(pieces)

    def warm(self) -> None:
        """Run every kind of step, at one piece and at a full batch, then time a sentence."""
        self._waves.warm()
        for count in sorted({1, self.batch}):
            began = time.perf_counter()
            jobs = [self.begin(SAMPLE, SAMPLE.split(), "", 1.0) for _ in range(count)]
            while jobs[0].kind:
                self.run(jobs)
            self._cost_of_character_s = (time.perf_counter() - began) / count / (len(SAMPLE) + 8)

    def speak(self, text: str, voice: str = "", speed: float = 1.0) -> Samples:
        """A whole text at once, [n] samples."""
        job, parts = self.begin(text, text.split(), voice, speed), [np.zeros(0, np.float32)]
        while job.kind:
            parts.append(self.run([job])[0].audio)
        return np.concatenate(parts)

    # ---- the two steps ----------------------------------------------------------------------------------------

    def numbers(self, phonemes: str) -> tuple[list[int], list[int]]:
        """Ids as Piper lays them out (begin, each symbol with a pad after it, end), and each phoneme's first id."""
        symbols = to_espeak(phonemes) if isinstance(self._reader, EnglishReader) else list(phonemes)
        ids, places, pad = [*self._ids[_BEGIN], *self._ids[_PAD]], [], self._ids[_PAD]
        for symbol in symbols:
            places.append(len(ids))
            for character in symbol:
                if character in self._ids:
                    ids += [*self._ids[character], *pad]
        places.append(len(ids))
        return [*ids, *self._ids[_END]], places

    def _plan(self, pieces: list[_Piece]) -> list[Step]:
        readings = [self._reader.read(piece.text, piece.tokens) for piece in pieces]
        numbers = [self.numbers(reading.phonemes) for reading in readings]
        lengths = [len(ids) for ids, _ in numbers]
        seeds = [crc32(piece.text.encode()) for piece in pieces]
        ids = torch.zeros(len(pieces), max(lengths), dtype=torch.long)
        noise = torch.zeros(len(pieces), 2, max(lengths))
        for row, (symbols, _) in enumerate(numbers):
            ids[row, : lengths[row]] = torch.tensor(symbols)
            noise[row, :, : lengths[row]] = random_noise(seeds[row], 2, lengths[row]) * self._duration_noise
        stretch = torch.tensor([self._stretch / piece.speed for piece in pieces], device=self._device)
        speaker = self._speakers(pieces)
        durations, mean, deviation = self._network.durations(
            ids.to(self._device), torch.tensor(lengths, device=self._device), noise.to(self._device), stretch, speaker
        )
        frames = durations.sum(1).tolist()
        noise = torch.zeros(len(pieces), self._network.shape.width, max(max(frames), 1))
        for row, count in enumerate(frames):
            noise[row, :, :count] = random_noise(seeds[row] ^ 1, noise.shape[1], count) * self._latent_noise
        latent, _ = self._network.latent(durations, mean, deviation, noise.to(self._device), speaker)
        halo = self._network.shape.halo
        for row, piece in enumerate(pieces):
            piece.reading, piece.places, piece.frames = readings[row], numbers[row][1], frames[row]
            hop_s = self._network.shape.hop / self.rate_hz
            piece.edges = [edge * hop_s for edge in accumulate(durations[row, : lengths[row]].tolist(), initial=0)]
            row_latent = latent[row, :, : frames[row]]
            piece.latent = functional.pad(row_latent, (halo, halo + max(self._chunks))).clone()
            piece.kind = ("wave", self._chunks[0])
            if not any(end > start for start, end in piece.reading.words):
                piece.kind, piece.words = None, tuple((0.0, 0.0) for _ in piece.tokens)
        return [Step(words=piece.words) for piece in pieces]

    def _wave(self, pieces: list[_Piece]) -> list[Step]:
        count = self._chunks[min(pieces[0].chunks, len(self._chunks) - 1)]
        count = min(count, max(piece.frames - piece.next for piece in pieces))
        hop = self._network.shape.hop
        steps = []
        for piece, samples in zip(pieces, self._decode(pieces, count).cpu().numpy(), strict=True):
            ends = piece.next + count >= piece.frames
            audio = piece.gate.feed(samples[: (min(piece.next + count, piece.frames) - piece.next) * hop], ends)
            steps.append(Step(audio, self._words(piece) if len(audio) or ends else None))
            piece.next, piece.chunks = piece.next + count, piece.chunks + 1
            piece.kind = None if ends else ("wave", self._chunks[min(piece.chunks, len(self._chunks) - 1)])
        return steps

    def _words(self, piece: _Piece) -> tuple[Span, ...] | None:
        """Once, with the first sound."""
        if piece.words is not None or piece.reading is None:
            return None
        cut_s = piece.gate.cut / self.rate_hz
        piece.words = word_times(piece.reading, piece.places, piece.edges, cut_s, piece.edges[-1] - cut_s)
        return piece.words

    def _decode(self, pieces: list[_Piece], count: int) -> Tensor:
        """The next `count` frames of each piece or more, [B, count * hop]; what is beyond its end is not to be used."""
        rows = [[piece.next - self._network.shape.halo, piece.frames, piece.speaker] for piece in pieces]

        def fill(count: int, inputs: Inputs) -> None:
            latent, table = inputs
            window = latent.shape[2]
            torch.stack([piece.latent[:, piece.next : piece.next + window] for piece in pieces], out=latent)
            table.copy_(torch.tensor(rows))

        return self._waves(Shape(len(pieces), count), fill)

    def _speakers(self, pieces: list[_Piece]) -> Tensor | None:
        return self._network.speaker(torch.tensor([piece.speaker for piece in pieces], device=self._device))


def blank(network: VitsNetwork, device: torch.device, shape: Shape) -> Inputs:
    """Inputs of `sound` for so many latent frames."""
    window = shape.frames + 2 * network.shape.halo
    return (
        torch.zeros(shape.rows, network.shape.width, window, device=device),
        torch.zeros(shape.rows, 3, dtype=torch.long, device=device),
    )


def sound(network: VitsNetwork, latent: Tensor, table: Tensor) -> Tensor:
    """Windows of pieces -> samples [B, N * hop].

    latent [B, C, halo + N + halo], table [B, 3]: the number of the window's first frame, how many frames the piece
    has, and its speaker.
    """
    start, end, speakers = table.unbind(1)
    seen = start[:, None] + torch.arange(latent.shape[2], device=table.device)  # [B, halo + N + halo]
    mask = ((seen >= 0) & (seen < end[:, None]))[:, None].to(latent.dtype)
    edge = network.shape.halo * network.shape.hop
    return network.decode(latent, mask, network.speaker(speakers))[:, edge:-edge]


class TextReader:
    """Front end of voices whose symbols are letters: the text is its own reading."""

    accent = ""

    def read(self, text: str, tokens: Sequence[str]) -> Reading:
        """Lower-case letters, and each token's place among them."""
        spans, joined = [], ""
        for token in tokens:
            joined += " " if joined else ""
            spans.append((float(len(joined)), float(len(joined) + len(token.lower()))))
            joined += token.lower()
        limit = float(min(len(joined), LONGEST))
        return Reading(joined[:LONGEST], tuple((min(a, limit), min(b, limit)) for a, b in spans))


def _reader(config: dict[str, Any], path: Path) -> EnglishReader | PhonemeReader | TextReader:
    if config.get("phoneme_type") == "text":
        return TextReader()
    voice = str(config.get("espeak", {}).get("voice", ""))
    if voice.startswith("en"):
        return EnglishReader(british=voice.startswith("en-gb"))
    if not voice:
        raise ConfigError(f"{path}: names no language (espeak.voice in its description)")
    try:
        return PhonemeReader(voice)
    except ConfigError as error:
        raise ConfigError(f"{path}: speaks {voice}; {error}") from error


def _read_config(path: Path) -> dict[str, Any]:
    file = path.with_name(path.name + ".json")
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        missing = [key for key in (_PAD, _BEGIN, _END) if key not in config["phoneme_id_map"]]
        if missing or not int(config["audio"]["sample_rate"]):
            raise ConfigError(f"{file}: phoneme_id_map lacks {missing}")
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; a Piper voice needs its .onnx.json beside it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file}: not the description of a Piper voice: {error!r}") from error
    return config
