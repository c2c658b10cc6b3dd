"""Steps of fixed shapes: padding, buffers that are used again, a bounded number of them, and how CUDA is asked."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bridge.worker.engines.graphs import BatchStep, Inputs, Pool, Shape, capture, fixed_frames, shapes

FIXED = shapes(8, [4, 16])


def blank(shape: Shape) -> Inputs:
    return torch.zeros(shape.rows, shape.frames), torch.zeros(shape.rows, 1)


def all_together(x: Tensor, number: Tensor) -> Tensor:
    """No step may do this: every row hears all rows, so that whatever is left in a buffer is heard."""
    return x + 1000 * x.sum() + number * number.sum()


def speak(step: BatchStep, frames: int, rows: list[int]) -> Tensor:
    def fill(frames: int, inputs: Inputs) -> None:
        x, number = inputs
        assert x.shape == (len(rows), frames)
        x[:, 0], x[:, 1:] = torch.tensor(rows), 0.0
        number[:, 0] = torch.tensor(rows)

    return step(Shape(len(rows), frames), fill)


def test_shapes_are_powers_of_two_up_to_the_batch() -> None:
    assert shapes(6, [16, 64, 16]) == [
        (1, 16),
        (1, 64),
        (2, 16),
        (2, 64),
        (4, 16),
        (4, 64),
        (6, 16),
        (6, 64),
    ]
    assert fixed_frames((16, 16, 64)) == [16, 32, 64]
    assert fixed_frames((16, 16, 48)) == [16, 24, 48]


@given(st.lists(st.tuples(st.integers(1, 16), st.lists(st.integers(-9, 9), min_size=1, max_size=8)), max_size=8))
def test_what_an_earlier_batch_left_is_never_heard(batches: list[tuple[int, list[int]]]) -> None:
    """Whatever batches came before, however large: each is as if it were the first, and stays the caller's own."""
    used, results = BatchStep(all_together, blank, FIXED), []
    for frames, rows in batches:
        results.append(speak(used, frames, rows))
    for (frames, rows), result in zip(batches, results, strict=True):
        alone = speak(BatchStep(all_together, blank), frames, rows)
        assert result.shape == (len(rows), 4 if frames <= 4 else 16)
        assert torch.equal(result[:, :frames], alone)


def test_the_smallest_shape_that_holds_it_is_taken() -> None:
    step = BatchStep(all_together, blank, FIXED)
    for frames, rows in ((4, 1), (3, 3), (5, 2), (16, 8)):
        speak(step, frames, [1] * rows)
    assert step.kept == [(1, 4), (4, 4), (2, 16), (8, 16)]


def test_what_fits_no_shape_runs_at_its_own() -> None:
    step = BatchStep(all_together, blank, FIXED)
    assert speak(step, 17, [1, 2]).shape == (2, 17)
    assert speak(step, 4, [1] * 9).shape == (9, 4)
    assert step.kept == []


def test_the_least_recently_used_shape_is_given_up() -> None:
    step = BatchStep(all_together, blank, FIXED, most=2)
    for rows in (1, 2, 1, 4):
        speak(step, 4, [1] * rows)
    assert step.kept == [(1, 4), (4, 4)]
    assert torch.equal(speak(step, 4, [2, 3]), speak(BatchStep(all_together, blank), 4, [2, 3]))
    assert step.kept == [(4, 4), (2, 4)]


def test_warming_gets_ready_what_can_be_kept_the_largest_first() -> None:
    every, some = BatchStep(all_together, blank, FIXED), BatchStep(all_together, blank, FIXED, most=2)
    every.warm()
    some.warm()
    assert sorted(every.kept) == FIXED
    assert every.kept[0] == (8, 16)
    assert some.kept == [(8, 16), (4, 16)]


# ---- CUDA, as far as it can be followed without it ------------------------------------------------------------------


class Cuda:
    """Notes what is asked of `torch.cuda`, with the real signatures, and on which stream a step runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: bool = False) -> None:
        self.log: list[str] = []
        self.streams = ["main"]
        self.fails = fails
        real = inspect.signature(torch.cuda.graph.__init__)

        class Stream:
            def __init__(stream, device: object, name: str = "side") -> None:
                stream.name = name

            def wait_stream(stream, other: Any) -> None:
                self.log.append(f"{stream.name} waits for {other.name}")

        class Graph:
            def replay(graph) -> None:
                self.log.append("replay")

        @contextlib.contextmanager
        def on(stream: Any) -> Iterator[None]:
            depth = len(self.streams)
            self.streams.append(stream.name)
            try:
                yield
            finally:
                del self.streams[depth:]

        @contextlib.contextmanager
        def graph(*args: Any, **more: Any) -> Iterator[None]:
            asked = real.bind(None, *args, **more).arguments
            self.log.append(f"capture into {asked['pool']} on {asked['stream'].name}, {asked['capture_error_mode']}")
            self.streams.append(asked["stream"].name)
            yield
            if self.fails:
                raise RuntimeError("operation not permitted when stream is capturing")
            self.streams.pop()

        for name, double in {
            "Stream": Stream,
            "CUDAGraph": Graph,
            "graph": graph,
            "stream": on,
            "device": lambda device: contextlib.nullcontext(),
            "current_stream": lambda device: Stream(device, self.streams[-1]),
            "graph_pool_handle": lambda: "pool",
        }.items():
            assert hasattr(torch.cuda, name)
            monkeypatch.setattr(torch.cuda, name, double)

    def step(self, x: Tensor) -> Tensor:
        self.log.append(f"step on {self.streams[-1]}")
        return 2 * x


def test_a_graph_is_captured_after_a_warm_up_on_a_side_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, pool, x = Cuda(monkeypatch), Pool(), torch.ones(2, 4)
    replay, output = capture(cuda.step, (x,), Shape(2, 4), pool)
    replay()
    assert cuda.log == [
        "side waits for main",
        *["step on side"] * 3,
        "main waits for side",
        "capture into pool on side, thread_local",
        "step on side",
        "replay",
    ]
    assert torch.equal(output, 2 * x)
    stream = pool.stream
    capture(cuda.step, (x,), Shape(2, 4), pool)
    assert pool.stream is stream, "graphs that share memory are captured on one stream"
    assert cuda.streams == ["main"]


def test_a_step_that_cannot_be_captured_runs_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cuda, x = Cuda(monkeypatch, fails=True), torch.ones(2, 4)
    replay, output = capture(cuda.step, (x,), Shape(2, 4), Pool())
    x.fill_(3.0)
    replay()
    assert torch.equal(output, torch.full((2, 4), 6.0))
    assert cuda.streams == ["main"], "the thread has its own stream back"
    assert "not permitted when stream is capturing" in caplog.text
