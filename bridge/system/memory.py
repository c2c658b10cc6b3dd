"""Memory that the C library keeps for later, given back to the system while nobody is waiting."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


@cache
def _c_library() -> Any:
    """The C library, where it is one that can be told (glibc's malloc_trim(3)); None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None


def give_back() -> None:
    """Return what is free to the system; takes up to a tenth of a second, in which nobody can allocate."""
    library = _c_library()
    if library is not None:
        library.malloc_trim(0)
