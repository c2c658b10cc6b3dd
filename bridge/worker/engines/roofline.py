"""How much work a second of speech is, and how fast a device could do it: the floor below which no engine gets.

Operations and bytes are counted while a sentence is spoken, from the matrix products, convolutions and Fourier
transforms that torch runs, with the halos of the chunks but without padding. Everything between them is taken to cost
nothing, and weights to be read once in a step. What a device can do is measured on it: a large matrix product in the
decoder's precision, and a large copy.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from bridge.worker.engines.base import Engine

SENTENCE = "I have an opening on Tuesday at half past three, shall I book it for you?"


@dataclass(frozen=True, slots=True)
class Work:
    """What one second of sound takes when a stream is served alone."""

    operations: float
    """A multiplication and its addition are two."""
    activation_bytes: float
    weight_bytes: float

    def bytes(self, batch: float) -> float:
        """When so many streams share a step and its weights."""
        return self.activation_bytes + self.weight_bytes / batch


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that a device was seen to do."""

    operations_per_s: float
    bytes_per_s: float


def floor_rtf(work: Work, peak: Peak, batch: float) -> float:
    """The least seconds that a second of sound can take, in batches of this size."""
    return max(work.operations / peak.operations_per_s, work.bytes(batch) / peak.bytes_per_s)


def count_work(engine: Engine, voice: str = "", text: str = SENTENCE) -> Work:
    """Count while the engine speaks one sentence. It must be a torch engine without fixed shapes (`graphs=False`)."""
    counter = _Counter()
    job = engine.begin(text, text.split(), voice, 1.0)
    samples = 0
    while job.kind:
        with counter:
            samples += len(engine.run([job])[0].audio)
        counter.end_step()
    seconds = samples / engine.rate_hz
    return Work(counter.operations / seconds, counter.activation_bytes / seconds, counter.weight_bytes / seconds)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation on its way to the device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.activation_bytes = self.weight_bytes = 0
        self._known: set[int] = set()
        self._read: dict[int, int] = {}

    def end_step(self) -> None:
        """The next step reads its weights anew."""
        self.weight_bytes += sum(self._read.values())
        self._read.clear()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self._known |= {_place(argument) for argument in args if isinstance(argument, torch.nn.Parameter)}
        count = _COUNTS.get(func._overloadpacket)
        if count is None:
            with self:
                parts = func.decompose(*args, **kwargs)
            return func(*args, **kwargs) if parts is NotImplemented else parts
        out = func(*args, **kwargs)
        self.operations += count(*args, **kwargs, out_val=out)
        for tensor in (*args, out):
            if not isinstance(tensor, Tensor):
                continue
            if _place(tensor) in self._known:
                self._read[_place(tensor)] = tensor.nbytes
            else:
                self.activation_bytes += tensor.nbytes
        return out


def _place(tensor: Tensor) -> int:
    """Where its memory begins: views of a weight are that weight."""
    return tensor.untyped_storage().data_ptr()


def _fourier(x: Tensor, dims: list[int], *rest: object, out_val: Tensor, **more: object) -> int:
    """2.5 n log2 n for each transform of n real samples, as is usual."""
    real = out_val if x.is_complex() else x
    count = real.shape[dims[-1]]
    return round(2.5 * count * math.log2(count)) * (real.numel() // count)


_COUNTS: dict[Any, Callable[..., int]] = {
    **cast("dict[Any, Callable[..., int]]", flop_registry),
    torch.ops.aten._fft_r2c: _fourier,
    torch.ops.aten._fft_c2r: _fourier,
}


def measure_peak(device: torch.device, precision: torch.dtype) -> Peak:
    """The best of some large matrix products and copies."""
    size, length = (8192, 1 << 30) if device.type == "cuda" else (1024, 1 << 27)
    a, b = (
        torch.ones(size, size, dtype=precision, device=device),
        torch.ones(size, size, dtype=precision, device=device),
    )
    c = torch.empty_like(a)
    source = torch.ones(length, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    product_s = _best_s(lambda: torch.mm(a, b, out=c), device)
    copy_s = _best_s(lambda: target.copy_(source), device)
    return Peak(2 * size**3 / product_s, 2 * length / copy_s)


def _best_s(work: Callable[[], object], device: torch.device, rounds: int = 10) -> float:
    best_s = math.inf
    for _ in range(rounds):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        best_s = min(best_s, time.perf_counter() - began)
    return best_s


def wait(device: torch.device) -> None:
    """Until the device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
