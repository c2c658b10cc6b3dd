"""The default voice, as its package ships it: an int8 network on onnxruntime, one CPU thread, whole pieces.

24 kHz. One call turns the phoneme ids [1, N] of a piece into five spectral parts [1, 601, F] and a pitch [1, F] (F
frames of 12.5 ms), from which the package's signal processing makes F * 300 samples. A piece of 2 s takes about 8 ms
on one core, so it is not cut further. The network also knows how many 25 ms frames each id lasts; that tensor is made
an output here, and gives the word times.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import hibari
import numpy as np
import onnxruntime
from hibari import dsp
from hibari.tts import ASSETS
from hibari.voices import VOICES, voice_path

from bridge.audio.encoder import Samples
from bridge.errors import ConfigError
from bridge.worker.engines.base import Engine, Job, SilenceGate, Step
from bridge.worker.engines.english import EnglishReader, word_times

RATE_HZ = 24_000
HOP = 300
DEFAULT = "heart"
DURATIONS = "/Cast_32_output_0"
"""The graph's tensor of frames per id, [N], int64."""
FRAME_S = 0.025
WARMING = "Warming up takes one made-up word, zorblatt, and a sentence of the usual length."


def with_output(model: bytes, tensor: str) -> bytes:
    """The ONNX model with one more of its tensors as an output.

    A protobuf parser merges a message that occurs twice, so ModelProto{graph{output{name}}} may be appended (field
    numbers 7, 12 and 1 of onnx.proto3); no ONNX library is needed.
    """
    name = tensor.encode()
    value = bytes([0x0A, len(name)]) + name
    graph = bytes([0x62, len(value)]) + value
    if len(graph) > 127:
        raise ValueError(f"tensor name too long for one length byte: {tensor}")
    return model + bytes([0x3A, len(graph)]) + graph


@dataclass(slots=True, eq=False)
class _Speech(Job):
    text: str
    tokens: Sequence[str]
    voice: str
    speed: float
    expected_s: float
    kind: str | None = "speech"

    @property
    def cost_s(self) -> float:
        return self.expected_s if self.kind else 0.0


_LONG = 150
"""Symbols of a long sentence. What longer pieces need grows faster than they do, and is not kept for the next one."""
_GIVING_BACK = onnxruntime.RunOptions()
_GIVING_BACK.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")


class _Voice:
    def __init__(self, name: str, path: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 3
        try:
            model = with_output(path.read_bytes(), DURATIONS)
            self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's have no common ancestor of their own
            raise ConfigError(f"{path}: not the weights of a hibari voice: {error}") from error
        self.size_bytes = len(model)
        self.reader = EnglishReader(british=VOICES[name]["british"])


class HibariEngine(Engine):
    """Voices of hibari-tts that are on this machine; "heart" comes with the package."""

    name = "hibari"
    rate_hz = RATE_HZ
    batch = 1

    def __init__(self, voices: Sequence[str] = (DEFAULT,), threads: int = 1) -> None:
        self._symbols = Symbols()
        self._voices = {name: _Voice(name, model_path(name), threads) for name in voices}
        self._cost_of_character_s = 0.0002

    def model(self, voice: str) -> str:
        """The package's version names the weights and the front end."""
        return f"{self.name}-{hibari.__version__}/{voice or DEFAULT}"

    def accent(self, voice: str) -> str:
        """Return the accent of the voice's front end."""
        return "british" if VOICES[voice or DEFAULT]["british"] else "american"

    def gain_db(self, voice: str) -> float:
        """Measured over five call-centre sentences; the loudest sample then comes to -2 dBFS."""
        return 5.4

    def memory_bytes(self) -> int:
        """The size of the weights as they lie in the file, in bytes."""
        return sum(voice.size_bytes for voice in self._voices.values())

    def cost_s(self, text: str) -> float:
        """A line through zero, from `warm`."""
        return self._cost_of_character_s * (len(text) + 8)

    def begin(self, text: str, tokens: Sequence[str], voice: str, speed: float) -> Job:
        """All the work is one step."""
        return _Speech(text, tokens, voice, speed, self.cost_s(text))

    def run(self, jobs: Sequence[Job]) -> list[Step]:
        """Speak whole pieces, one after the other: on a CPU a batch of them is no faster."""
        steps = []
        for job in jobs:
            assert isinstance(job, _Speech)
            steps.append(self._speak(job))
            job.kind = None
        return steps

    def warm(self) -> None:
        """Load the reader of unknown words, touch every buffer, and time a sentence."""
        for voice in self._voices:
            for _ in range(2):
                began = time.perf_counter()
                self.run([self.begin(WARMING, WARMING.split(), voice, 1.0)])
                self._cost_of_character_s = (time.perf_counter() - began) / (len(WARMING) + 8)

    def session(self, voice: str) -> onnxruntime.InferenceSession:
        """The network itself: ids [1, N] int64, speed [1] -> five parts [1, 601, F], pitch [1, F], durations [N]."""
        return self._voices[voice].session

    def _speak(self, job: _Speech) -> Step:
        voice = self._voices[job.voice or DEFAULT]
        reading = voice.reader.read(job.text, job.tokens)
        ids, places = self._symbols.numbers(reading.phonemes)
        if len(ids) == 2:
            return Step(words=tuple((0.0, 0.0) for _ in job.tokens))
        inputs = {"ids": np.array([ids], np.int64), "speed": np.array([job.speed], np.float32)}
        *spectrum, durations = voice.session.run(None, inputs, _GIVING_BACK if len(ids) > _LONG else None)
        noise = np.random.default_rng(crc32(job.text.encode()))
        audio: Samples = dsp.synth(*(part[0] for part in spectrum), noise)
        gate = SilenceGate(RATE_HZ, HOP)
        audio = gate.feed(audio, last=True)
        edges = [0.0, *(np.cumsum(durations) * FRAME_S).tolist()]
        words = word_times(reading, places, edges, gate.cut / RATE_HZ, len(audio) / RATE_HZ)
        return Step(audio, words)


class Symbols:
    """The package's phoneme alphabet as numbers."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = json.loads((Path(ASSETS) / "vocab.json").read_text(encoding="utf-8"))

    def numbers(self, phonemes: str) -> tuple[list[int], list[int]]:
        """Ids with the padding at both ends, and for each phoneme (and the end) the index of its id."""
        ids, places = [0], []
        for phoneme in phonemes:
            places.append(len(ids))
            if phoneme in self._ids:
                ids.append(self._ids[phoneme])
        places.append(len(ids))
        return [*ids, 0], places


def model_path(name: str) -> Path:
    """Where a voice's weights are. Raises ConfigError when there is no such voice on this machine."""
    if name not in VOICES:
        raise ConfigError(f"hibari has no voice {name!r}; there are: {', '.join(VOICES)}")
    try:
        return Path(voice_path(name, download_missing=False))
    except FileNotFoundError as missing:
        raise ConfigError(
            f"hibari voice {name!r} is not on this machine ({missing}); `hibari --voice {name} Hi` fetches it"
        ) from None
