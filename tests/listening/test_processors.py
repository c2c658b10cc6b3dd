"""The same caller is understood the same on every processor: no answer hangs on an instruction set."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.settings import WhisperSettings
from bridge.listening.sound import samples_16k
from bridge.listening.turn_model import SMART_TURN, TurnModel, features
from tests.bench.turn_taking import CLIPS, read_ulaw

SPOKEN = ["declared_03.wav", "declared_04.wav", "declared_09.wav", "complete_01.wav", "unfinished_03.wav"]
"""Among them those that came out differently on an Intel and on two AMD processors while kernels were integer ones."""
SLICES_S = (1.1, 2.2, 9.9)

READ_ALL = """
import json, sys
from tests.listening.test_processors import read_all
print(json.dumps(read_all()))
"""


def read_all() -> list[str]:
    """What the recogniser makes of the beginnings of all clips."""
    whisper = Whisper(WhisperSettings())
    clips = [read_ulaw(CLIPS / name) for name in SPOKEN]
    return [whisper.recognise(clip[: int(length_s * 8000)]).text for clip in clips for length_s in SLICES_S]


@pytest.fixture(scope="module")
def read_here() -> list[str]:
    return read_all()


@pytest.mark.parametrize("instruction_set", ["GENERIC", "AVX2"])
def test_the_recogniser_reads_the_same_with_fewer_instructions(instruction_set: str, read_here: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL],
        env={**os.environ, "CT2_FORCE_CPU_ISA": instruction_set},
        capture_output=True,
        text=True,
        check=False,
    )
    if "does not support" in done.stderr or "Invalid CPU ISA" in done.stderr:
        pytest.skip(f"this processor has no {instruction_set}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == read_here


@pytest.mark.parametrize("name", SPOKEN)
def test_the_end_of_turn_model_does_not_hang_on_the_order_of_adding(name: str) -> None:
    """Without its optimisations the runtime adds in another order, as another processor's kernels do."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = onnxruntime.InferenceSession(str(SMART_TURN), options, providers=["CPUExecutionProvider"])
    model = TurnModel()
    for length_s in SLICES_S:
        ulaw = read_ulaw(CLIPS / name)[: int(length_s * 8000)]
        [[[expected]]] = plain.run(None, {"input_features": features(samples_16k(ulaw))[None]})
        assert model.tone(ulaw) == pytest.approx(float(expected), abs=1e-4)
        assert np.isfinite(expected)
