"""Memory that runs out in a step: how it is recognised, and what can be given back before the step is tried again."""

from __future__ import annotations

import gc
import sys

_SIGNS = ("out of memory", "can't allocate memory", "failed to allocate memory", "alloc_failed", "bad allocation")
"""How torch's allocators, cuBLAS, cuDNN and onnxruntime say it; only torch's for CUDA has a type of its own."""


class OutOfMemory(Exception):
    """A step asked for more memory than there was; its message says so even if the system's own was empty."""


def ran_out(error: Exception) -> bool:
    """Whether this is an allocation that failed, of the host or of a device."""
    if isinstance(error, MemoryError):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in said for sign in _SIGNS)


def give_back() -> None:
    """Free what is only kept for later. Call it when nobody holds the failed step's traceback any more."""
    gc.collect()
    torch = sys.modules.get("torch")  # an extra; if nobody has imported it, it holds nothing
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
