"""The default voice in torch: batched across streams and made chunk by chunk, for GPUs; the same code runs on a CPU.

A piece takes one `plan` step (text, durations, pitch) and then `wave` steps of a fixed number of frames. A wave step
decodes its frames with 27 more on either side, all that a frame can see, so the chunks joined equal the whole piece.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import hibari
import numpy as np
import torch
from hibari.voices import VOICES
from torch import Tensor
from torch.nn import functional

from bridge.audio.encoder import Encoder
from bridge.audio.formats import AudioFormat
from bridge.worker.alignment import Span
from bridge.worker.engines.base import Engine, Job, SilenceGate, Step
from bridge.worker.engines.device import name_of, pick_device, pick_precision, settle
from bridge.worker.engines.device_encoder import DeviceEncoder
from bridge.worker.engines.english import EnglishReader, Reading, word_times
from bridge.worker.engines.graphs import BatchStep, Inputs, Shape, fixed_frames, shapes
from bridge.worker.engines.hibari import DEFAULT, FRAME_S, WARMING, Symbols, model_path
from bridge.worker.engines.hibari_network import FEATURES, HALO, HibariNetwork, load_network
from bridge.worker.engines.hibari_sound import AFTER, BEFORE, HOP, RATE_HZ, WINDOW, blocks, noise, pulses, spectrum

CHUNKS = (16, 16, 64)
"""Frames of 12.5 ms of a piece's first, second and every later chunk: small until the caller has something to hear."""
EARLIER, LATER = 6, 6
"""Frames made before the first sound and after the last, by the durations; silence among them is not sent."""


@dataclass(slots=True, eq=False)
class _Piece(Job):
    text: str
    tokens: Sequence[str]
    voice: str
    speed: float
    expected_s: float
    kind: Hashable | None
    reading: Reading | None = None
    features: Tensor = field(default_factory=lambda: torch.zeros(0))
    """[130, left + F + right], padded so that every chunk's window lies inside."""
    pulses: Tensor = field(default_factory=lambda: torch.zeros(0))
    """[300 + F * 300 + 1200 + ...], likewise."""
    gate: SilenceGate = field(default_factory=lambda: SilenceGate(RATE_HZ, HOP))
    words: tuple[Span, ...] | None = None
    edges: list[float] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    frames: int = 0
    first: int = 0
    next: int = 0
    end: int = 0
    chunks: int = 0

    @property
    def cost_s(self) -> float:
        left = 1.0 if not self.end else (self.end - self.next) / max(self.end - self.first, 1)
        return self.expected_s * left if self.kind else 0.0


class HibariTorchEngine(Engine):
    """Voices of hibari-tts that are on this machine.

    `device` and `precision` as in `bridge.worker.engines.device`. `graphs`: chunks run at fixed shapes
    (`bridge.worker.engines.graphs`); None: on a GPU.
    """

    name = "hibari_torch"
    rate_hz = RATE_HZ

    def __init__(
        self,
        voices: Sequence[str] = (DEFAULT,),
        device: str = "",
        threads: int = 1,
        batch: int | None = None,
        chunks: Sequence[int] = CHUNKS,
        precision: str = "",
        graphs: bool | None = None,
    ) -> None:
        self._device = pick_device(device)
        self._precision = pick_precision(precision, self._device)
        settle(self._device, threads)
        self.batch = batch or (1 if self._device.type == "cpu" else 64)
        self._chunks = tuple(chunks)
        self._symbols = Symbols()
        self._readers = {british: EnglishReader(british) for british in {VOICES[name]["british"] for name in voices}}
        self._networks: dict[str, HibariNetwork] = {
            name: load_network(model_path(name)).to(self._device) for name in voices
        }
        with_graphs = self._device.type == "cuda" if graphs is None else graphs
        fixed = shapes(self.batch, fixed_frames(self._chunks)) if with_graphs else []
        self._waves: dict[str, BatchStep] = {}
        for name, network in self._networks.items():
            network.set_precision(self._precision)
            inputs = functools.partial(blank, self._device)
            self._waves[name] = BatchStep(functools.partial(sound, network), inputs, fixed)
        self._cost_of_character_s = 0.0005

    def model(self, voice: str) -> str:
        """The package's version names the weights; the sound differs a little from the default engine's 8-bit one."""
        precision = "" if self._precision is torch.float32 else f"-{name_of(self._precision)}"
        return f"{self.name}-{hibari.__version__}{precision}/{voice or DEFAULT}"

    def accent(self, voice: str) -> str:
        """Return the accent of the voice's front end."""
        return "british" if VOICES[voice or DEFAULT]["british"] else "american"

    def gain_db(self, voice: str) -> float:
        """The gain in dB that brings the voice to the common level, the same as the default engine's."""
        return 5.4

    def memory_bytes(self) -> int:
        """The size of the weights in memory, in bytes."""
        networks = [*self._networks.values()]
        return sum(weight.nbytes for network in networks for weight in network.parameters())

    def encoder(self, audio_format: AudioFormat, gain: float) -> Encoder:
        """On the same device; a CPU encodes single streams faster without torch."""
        if self._device.type == "cpu":
            return super().encoder(audio_format, gain)
        return DeviceEncoder(self.rate_hz, audio_format, gain, self._device)

    def cost_s(self, text: str) -> float:
        """A line through zero, from `warm`."""
        return self._cost_of_character_s * (len(text) + 8)

    def begin(self, text: str, tokens: Sequence[str], voice: str, speed: float) -> Job:
        """Begin a piece, whose first step makes its plan."""
        voice = voice or DEFAULT
        return _Piece(text, tokens, voice, speed, self.cost_s(text), ("plan", voice))

    @torch.inference_mode()
    def run(self, jobs: Sequence[Job]) -> list[Step]:
        """One plan or one chunk for each piece."""
        pieces = [job for job in jobs if isinstance(job, _Piece)]
        what, *_ = pieces[0].kind if isinstance(pieces[0].kind, tuple) else ("",)
        return self._plan(pieces) if what == "plan" else self._wave(pieces)

    def warm(self) -> None:
        """Run every kind of step, at one piece and at a full batch, then time a sentence."""
        for voice in self._networks:
            self._waves[voice].warm()
            for count in {1, self.batch}:
                self._whole([self.begin(WARMING, WARMING.split(), voice, 1.0) for _ in range(count)])
            began = time.perf_counter()
            self._whole([self.begin(WARMING, WARMING.split(), voice, 1.0) for _ in range(self.batch)])
            took_s = (time.perf_counter() - began) / self.batch
            self._cost_of_character_s = took_s / (len(WARMING) + 8)

    def _whole(self, jobs: list[Job]) -> None:
        while jobs[0].kind:
            self.run(jobs)

    # ---- the two steps ----------------------------------------------------------------------------------------

    def _plan(self, pieces: list[_Piece]) -> list[Step]:
        network = self._networks[pieces[0].voice]
        reader = self._readers[VOICES[pieces[0].voice]["british"]]
        readings = [reader.read(piece.text, piece.tokens) for piece in pieces]
        numbers = [self._symbols.numbers(reading.phonemes) for reading in readings]
        lengths = [len(ids) for ids, _ in numbers]
        ids = torch.zeros(len(pieces), max(lengths), dtype=torch.long)
        for row, (symbols, _) in enumerate(numbers):
            ids[row, : len(symbols)] = torch.tensor(symbols)
        speeds = torch.tensor([piece.speed for piece in pieces], device=self._device)
        plan = network.plan(ids.to(self._device), torch.tensor(lengths, device=self._device), speeds)
        trains = pulses(plan.pitch_hz, plan.frames)
        durations = plan.durations.cpu().numpy()
        for row, piece in enumerate(pieces):
            piece.reading, piece.places = readings[row], numbers[row][1]
            piece.edges = [0.0, *(np.cumsum(durations[row, : lengths[row]]) * FRAME_S).tolist()]
            piece.frames = 2 * int(durations[row].sum())
            self._lay_out(piece, plan.features[row, :, : piece.frames], trains[row, : piece.frames * HOP + 1200])
        return [Step(words=piece.words) if piece.kind is None else Step() for piece in pieces]

    def _lay_out(self, piece: _Piece, features: Tensor, train: Tensor) -> None:
        """Decide which frames to make, and pad what they are made from."""
        assert piece.reading is not None
        longest = max(self._chunks)
        piece.features = functional.pad(features, (BEFORE + HALO, AFTER + HALO + longest)).clone()
        piece.pulses = functional.pad(train, (BEFORE * HOP, (AFTER + longest) * HOP)).clone()
        ends = [end for start, end in piece.reading.words if end > start]
        if not ends:
            piece.kind, piece.words = None, tuple((0.0, 0.0) for _ in piece.tokens)
            return
        last = piece.places[min(math.ceil(max(ends)), len(piece.places) - 1)]
        piece.first = piece.next = max(round(piece.edges[1] / FRAME_S) * 2 - EARLIER, 0)
        piece.end = min(round(piece.edges[last] / FRAME_S) * 2 + LATER, piece.frames)
        piece.kind = ("wave", piece.voice, self._chunks[0])

    def _wave(self, pieces: list[_Piece]) -> list[Step]:
        count = min(self._chunks[min(pieces[0].chunks, len(self._chunks) - 1)], max(p.end - p.next for p in pieces))
        sound = self._decode(pieces, count).cpu().numpy()
        steps = []
        for piece, samples in zip(pieces, sound, strict=True):
            ends = piece.next + count >= piece.end
            audio = piece.gate.feed(samples[: (min(piece.next + count, piece.end) - piece.next) * HOP], ends)
            steps.append(Step(audio, self._words(piece) if len(audio) or ends else None))
            piece.next, piece.chunks = piece.next + count, piece.chunks + 1
            following = self._chunks[min(piece.chunks, len(self._chunks) - 1)]
            piece.kind = None if ends else ("wave", piece.voice, following)
        return steps

    def _words(self, piece: _Piece) -> tuple[Span, ...] | None:
        """Once, with the first sound."""
        if piece.words is not None or piece.reading is None:
            return None
        cut_s = (piece.first * HOP + piece.gate.cut) / RATE_HZ
        length_s = piece.end * HOP / RATE_HZ - cut_s
        piece.words = word_times(piece.reading, piece.places, piece.edges, cut_s, length_s)
        return piece.words

    def _decode(self, pieces: list[_Piece], count: int) -> Tensor:
        """The next `count` blocks of each piece or more, [B, count * 300]; what is beyond its end is not to be used."""
        rows = [[piece.next - BEFORE, piece.frames, crc32(piece.text.encode())] for piece in pieces]

        def fill(count: int, inputs: Inputs) -> None:
            features, train, table = inputs
            frames, samples = features.shape[2], train.shape[1]
            torch.stack([piece.features[:, piece.next : piece.next + frames] for piece in pieces], out=features)
            starts = [piece.next * HOP for piece in pieces]
            windows = [piece.pulses[start : start + samples] for piece, start in zip(pieces, starts, strict=True)]
            torch.stack(windows, out=train)
            table.copy_(torch.tensor(rows))

        return self._waves[pieces[0].voice](Shape(len(pieces), count), fill)


def blank(device: torch.device, shape: Shape) -> Inputs:
    """Inputs of `sound` for so many blocks."""
    frames = shape.frames + BEFORE + AFTER
    return (
        torch.zeros(shape.rows, FEATURES, frames + 2 * HALO, device=device),
        torch.zeros(shape.rows, (frames - 1) * HOP + WINDOW, device=device),
        torch.zeros(shape.rows, 3, dtype=torch.long, device=device),
    )


def sound(network: HibariNetwork, features: Tensor, train: Tensor, table: Tensor) -> Tensor:
    """Windows of pieces -> samples [B, N * 300].

    features [B, 130, 27 + 1 + N + 2 + 27], pulses [B, (N + 2) * 300 + 1200], table [B, 3]: the number of the first
    frame after the halo, how many frames the piece has, and its seed.
    """
    start, end, seeds = table.unbind(1)
    seen = start[:, None] + torch.arange(-HALO, features.shape[2] - HALO, device=table.device)  # [B, N + 57]
    real = (seen >= 0) & (seen < end[:, None])
    inner = slice(HALO, -HALO)
    parts = network.decode(features, real[:, None].to(features.dtype))[:, inner]
    return blocks(spectrum(parts, train, noise(seeds, seen[:, inner])), real[:, inner])
