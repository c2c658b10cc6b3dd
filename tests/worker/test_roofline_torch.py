"""Operations and bytes against what can be counted by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import nn

from bridge.worker.engines.base import Job, Step
from bridge.worker.engines.hibari_torch import HibariTorchEngine
from bridge.worker.engines.roofline import Peak, Work, count_work, floor_rtf, measure_peak
from tests.worker.test_server import ToneEngine


class Layers(ToneEngine):
    """Runs some layers for every step, beside its tone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.linear, self.conv = nn.Linear(3, 5), nn.Conv1d(4, 6, 7, padding=3, groups=2)
        self.steps = 0
        self.samples = 0

    @torch.inference_mode()
    def run(self, jobs: Sequence[Job]) -> list[Step]:
        self.steps += 1
        self.conv(torch.ones(1, 4, 9))
        self.linear(torch.ones(2, 8, 3))
        self.linear(torch.ones(16, 3))
        torch.fft.irfft(torch.fft.rfft(torch.ones(10, 64), dim=1), 64, dim=1)
        made = super().run(jobs)
        self.samples += sum(len(step.audio) for step in made)
        return made


def test_operations_and_bytes_are_those_of_the_layers() -> None:
    engine = Layers()
    work = count_work(engine, text="Hello there.")
    seconds = engine.samples / engine.rate_hz
    linear, conv, fourier = 2 * 16 * 3 * 5, 2 * 6 * 2 * 7 * 9, 10 * 2.5 * 64 * math.log2(64)
    assert work.operations * seconds == pytest.approx(engine.steps * (2 * linear + conv + 2 * fourier))
    weights = 4 * (3 * 5 + 5 + 6 * 2 * 7 + 6)
    assert work.weight_bytes * seconds == pytest.approx(engine.steps * weights), "once in a step, though used twice"
    signals = 4 * (2 * 16 * (3 + 5) + 9 * (4 + 6) + 2 * 10 * (64 + 33 * 2))
    assert work.activation_bytes * seconds == pytest.approx(engine.steps * signals)


def test_the_floor_is_what_runs_out_first() -> None:
    work = Work(operations=8e9, activation_bytes=10e6, weight_bytes=90e6)
    assert floor_rtf(work, Peak(operations_per_s=1e12, bytes_per_s=1e9), batch=1) == pytest.approx(0.1)
    assert floor_rtf(work, Peak(operations_per_s=1e12, bytes_per_s=1e9), batch=90) == pytest.approx(0.011)
    assert floor_rtf(work, Peak(operations_per_s=1e10, bytes_per_s=1e9), batch=90) == pytest.approx(0.8)


def test_half_precision_moves_fewer_bytes_for_the_same_operations() -> None:
    full, half = (
        count_work(HibariTorchEngine(device="cpu", precision=name), text="Yes.") for name in ("float32", "bfloat16")
    )
    assert half.operations == pytest.approx(full.operations, rel=0.02)
    assert 0.5 * full.weight_bytes <= half.weight_bytes < 0.7 * full.weight_bytes
    assert full.operations > 1e9


def test_a_device_has_a_peak() -> None:
    peak = measure_peak(torch.device("cpu"), torch.float32)
    assert peak.operations_per_s > 1e9
    assert peak.bytes_per_s > 1e8
