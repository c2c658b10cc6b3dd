"""Memory that the C library keeps for later: given back to the system while nobody is waiting, or never kept."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


@cache
def _c_library() -> Any:
    """The C library, where it is one that can be told (glibc's malloc_trim(3)); None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None


def keep_nothing_large() -> None:
    """Have what is large given back as soon as it is free, in this process from now on.

    glibc raises the size from which it does so to that of whatever was freed (M_MMAP_THRESHOLD in mallopt(3)). What is
    below lies between smaller things that stay, so that a long text's arrays were kept until the process had rest.
    """
    library = _c_library()
    if library is not None:
        library.mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)


def give_back() -> None:
    """Return what is free to the system; takes up to a tenth of a second, in which nobody can allocate."""
    library = _c_library()
    if library is not None:
        library.malloc_trim(0)
