"""Steps of a few fixed shapes, which a GPU replays as one piece instead of launching hundreds of kernels.

A step's batch is padded to the next larger shape, copied into buffers that never move, and replayed. On CUDA what is
replayed is a graph, captured as torch's documentation says (CUDA semantics, "CUDA Graphs"): warm-up on a side stream,
capture on that stream, all graphs in one memory pool. They may share it in any order because a result is copied out
before the next replay on the same stream. Elsewhere the same function is simply called on the same buffers.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

log = logging.getLogger(__name__)

WARM_UPS = 3
"""Calls before the capture, in which libraries choose their algorithms and make their workspaces."""
MOST = 64
"""Shapes that are kept; each holds its buffers and its graph."""
_ONE_CAPTURE = threading.Lock()
"""Of all captures of a process only one may be underway (`torch.cuda.graph`)."""


class Shape(NamedTuple):
    """How many windows of a batch, and how many frames each gives."""

    rows: int
    frames: int


Inputs = tuple[Tensor, ...]
"""Each [rows, ...]"""
Step = Callable[..., Tensor]
"""inputs -> [rows, ...]; a row depends on its own inputs alone."""
Blank = Callable[[Shape], Inputs]
"""Inputs of a shape, all zeros, on the step's device."""
Fill = Callable[[int, Inputs], None]
"""Write every row of the inputs, windows for so many frames."""


def shapes(batch: int, frames: Sequence[int]) -> list[Shape]:
    """Powers of two up to the batch, times these frames."""
    rows = sorted({batch, *(2**power for power in range(batch.bit_length()) if 2**power < batch)})
    return [Shape(*pair) for pair in itertools.product(rows, sorted(set(frames)))]


def fixed_frames(chunks: Sequence[int]) -> list[int]:
    """Return the frame counts worth capturing for chunks and the shorter ends of pieces: each chunk, and halves of
    the longest."""
    longest = max(chunks)
    halves = [longest >> power for power in range(longest.bit_length()) if longest >> power > min(chunks)]
    return sorted({*chunks, *halves})


class BatchStep:
    """A step at any shape, or at the smallest of some fixed ones that holds it."""

    def __init__(self, step: Step, blank: Blank, fixed: Sequence[Shape] = (), most: int = MOST) -> None:
        self._step, self._blank = step, blank
        self._fixed = sorted(fixed, key=lambda shape: (shape.rows * shape.frames, shape))
        self._most = most
        self._kept: OrderedDict[Shape, _Kept] = OrderedDict()
        self._pool = Pool()

    @property
    def kept(self) -> list[Shape]:
        """Fixed shapes that are ready, the least recently used first."""
        return list(self._kept)

    @torch.inference_mode()
    def __call__(self, shape: Shape, fill: Fill) -> Tensor:
        """`shape.rows` rows, of as many frames as asked for or more."""
        fixed = next((one for one in self._fixed if one.rows >= shape.rows and one.frames >= shape.frames), None)
        if fixed is None:
            inputs = self._blank(shape)
            fill(shape.frames, inputs)
            return self._step(*inputs)
        return self._ready(fixed).run(shape.rows, fill)

    def warm(self) -> None:
        """Get every fixed shape ready that can be kept, the largest first: smaller ones then fit into its memory."""
        for shape in reversed(self._fixed[-self._most :]):
            self._ready(shape)

    @torch.inference_mode()
    def _ready(self, shape: Shape) -> _Kept:
        kept = self._kept.pop(shape, None)
        if kept is None:
            while len(self._kept) >= self._most:
                self._kept.popitem(last=False)
            kept = _Kept(self._step, self._blank(shape), shape, self._pool)
        self._kept[shape] = kept
        return kept


class Pool:
    """What the graphs of one step share: their memory, and the stream they were captured on."""

    handle: Any = None
    stream: torch.cuda.Stream | None = None


class _Kept:
    """One fixed shape: its buffers, and how to run the step on them."""

    def __init__(self, step: Step, inputs: Inputs, shape: Shape, pool: Pool) -> None:
        self._inputs, self._frames = inputs, shape.frames
        self._filled = 0
        on_cuda = inputs[0].device.type == "cuda"
        self._replay, self._output = capture(step, inputs, shape, pool) if on_cuda else _eager(step, inputs)

    def run(self, rows: int, fill: Fill) -> Tensor:
        """The first rows' results, which are the caller's to keep."""
        for buffer in self._inputs if self._filled > rows else ():
            buffer[rows : self._filled].zero_()  # nobody's speech stays behind
        self._filled = rows
        fill(self._frames, tuple(buffer[:rows] for buffer in self._inputs))
        self._replay()
        return self._output[:rows].clone()


def _eager(step: Step, inputs: Inputs) -> tuple[Callable[[], object], Tensor]:
    """What a capture gives, without one."""
    output = step(*inputs)
    return lambda: output.copy_(step(*inputs)), output


def capture(step: Step, inputs: Inputs, shape: Shape, pool: Pool) -> tuple[Callable[[], object], Tensor]:
    """A CUDA graph's replay, and the tensor it writes. A step that cannot be captured is called each time instead."""
    device = inputs[0].device
    with _ONE_CAPTURE, torch.cuda.device(device):
        pool.stream = pool.stream or torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        pool.handle = pool.handle or torch.cuda.graph_pool_handle()
        pool.stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(pool.stream):
            for _ in range(WARM_UPS):
                step(*inputs)
        torch.cuda.current_stream(device).wait_stream(pool.stream)
        graph = torch.cuda.CUDAGraph()
        try:
            # A capture that fails does not give the thread its stream back: the outer block does. Other threads may
            # use the device meanwhile.
            with (
                torch.cuda.stream(torch.cuda.current_stream(device)),
                torch.cuda.graph(graph, pool.handle, pool.stream, capture_error_mode="thread_local"),
            ):
                output = step(*inputs)
        except RuntimeError as error:
            log.warning("a step of %s cannot be captured as a CUDA graph and runs without: %s", shape, error)
            return _eager(step, inputs)
    return graph.replay, output
