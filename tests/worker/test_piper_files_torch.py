"""Piper files of low and high quality, of one speaker and of several, against onnxruntime: small, random weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from bridge.audio.encoder import Samples
from bridge.errors import ConfigError
from bridge.worker.engines.piper import PiperEngine, _Piece
from bridge.worker.engines.vits_shape import VitsShape
from bridge.worker.engines.vits_weights import load_vits
from tests.worker.published_vits import PublishedVits, export
from tests.worker.test_piper import SHAPES

pytest.importorskip("onnx", reason="torch needs it to write the files")

TEXTS = ["call me at noon", "order a big one", "where is my car"]
PHONEMES = 2 * len(TEXTS[0]) + 3
"""With a pad after each, and the beginning and end: the files are for this length."""
LETTERS = "_^$ abcdefghijklmnopqrstuvwxyz"
STRETCH = 5.0
HIGH = replace(SHAPES["high"], speakers=3, speaker_width=8)


@dataclass
class File:
    path: Path
    rate_hz: int
    shape: VitsShape
    speakers: list[str]

    def engine(self, batch: int = 1) -> PiperEngine:
        return PiperEngine(self.path, "cpu", batch=batch, chunks=(5, 9), noise=False)

    def runtime(self, text: str, speaker: int) -> Samples:
        """What onnxruntime makes of it."""
        session = onnxruntime.InferenceSession(str(self.path), providers=["CPUExecutionProvider"])
        ids, _ = self.engine().numbers(text)
        inputs = {
            "input": np.array([ids]),
            "input_lengths": np.array([len(ids)]),
            "scales": np.array([0, STRETCH, 0], np.float32),
            "sid": np.array([speaker]),
        }
        known = {given.name for given in session.get_inputs()}
        made = session.run(None, {name: value for name, value in inputs.items() if name in known})
        return np.asarray(made[0], np.float32).ravel()


VOICES = {
    "low": (16_000, SHAPES["low"], [""]),
    "high": (22_050, HIGH, ["ann", "bob", "cleo"]),
}


@pytest.fixture(scope="module", params=VOICES)
def voice(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> File:
    rate_hz, shape, speakers = VOICES[request.param]
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("voice") / f"{request.param}.onnx"
    export(PublishedVits(shape).eval(), path, PHONEMES)
    description = {
        "audio": {"sample_rate": rate_hz},
        "phoneme_type": "text",
        "phoneme_id_map": {letter: [number] for number, letter in enumerate(LETTERS)},
        "speaker_id_map": {name: number for number, name in enumerate(speakers) if name},
        "inference": {"length_scale": STRETCH},
    }
    path.with_name(path.name + ".json").write_text(json.dumps(description))
    return File(path, rate_hz, shape, speakers)


def say(engine: PiperEngine, asked: Sequence[tuple[str, str]]) -> list[tuple[int, Samples]]:
    """Each text by its speaker, as one batch: samples cut from the beginning, and the rest."""
    jobs = [engine.begin(text, text.split(), speaker, 1.0) for text, speaker in asked]
    parts: list[list[Samples]] = [[] for _ in jobs]
    while kind := next((job.kind for job in jobs if job.kind), None):
        batch = [index for index, job in enumerate(jobs) if job.kind == kind]
        for index, step in zip(batch, engine.run([jobs[index] for index in batch]), strict=True):
            parts[index].append(step.audio)
    cuts = [job.gate.cut for job in jobs if isinstance(job, _Piece)]
    return list(zip(cuts, (np.concatenate(part) for part in parts), strict=True))


def test_each_speaker_equals_onnxruntime(voice: File) -> None:
    engine = voice.engine()
    assert engine.rate_hz == voice.rate_hz
    assert load_vits(voice.path).shape == voice.shape
    fade = int(0.005 * voice.rate_hz)
    spoken = []
    for number, name in enumerate(voice.speakers):
        ((cut, audio),) = say(engine, [(TEXTS[0], name)])
        theirs = voice.runtime(TEXTS[0], number)[cut : cut + len(audio)]
        assert len(audio) == len(theirs) > 500
        assert np.abs(audio - theirs)[fade:-fade].max() < 1e-5
        assert np.abs(theirs).max() > 0.05
        spoken.append(audio)
    for one, other in pairwise(spoken):
        assert len(one) != len(other) or np.abs(one - other).max() > 1e-3, "speakers sound different"


def test_streams_of_any_speakers_share_a_batch(voice: File) -> None:
    engine = voice.engine(batch=3)
    asked = [(text, voice.speakers[index % len(voice.speakers)]) for index, text in enumerate(TEXTS)]
    alone, together = [say(engine, [one])[0] for one in asked], say(engine, asked)
    for (_, one), (_, other) in zip(alone, together, strict=True):
        assert len(one) == len(other)
        assert np.abs(one - other).max() < 1e-5


def test_a_speaker_that_is_not_there_is_named(voice: File) -> None:
    with pytest.raises(ConfigError, match="no speaker 'zoe'"):
        voice.engine().begin("hi", ["hi"], "zoe", 1.0)
