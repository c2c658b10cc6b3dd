"""Temporary folders that are gone with their process, also with one that was killed: the next to make one removes it.

A folder is locked (flock(2)) by everybody who uses it. The system lets go of a lock when a process ends in whatever
way, so that one which can be locked by somebody else has no user any more, in this container or another.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from types import TracebackType

_OURS = re.compile(r"bridge-[a-z]+\.[0-9a-f]{16}")
_MOST_TRIES = 16


def folder_name(prefix: str) -> str:
    """A new name for a folder, by which it is known as ours; `prefix` is `bridge-` and a word in small letters."""
    return f"{prefix}.{os.urandom(8).hex()}"


class OwnFolder:
    """A folder of this process alone (mode 0700), there between `make` and `remove`, or in a `with` block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def make(self) -> None:
        """Make it, and remove what dead processes have left beside it. Raises OSError."""
        sweep(self.path.parent)
        for _ in range(_MOST_TRIES):
            self.path.mkdir(mode=0o700)
            self._lock = hold(self.path)
            if self.path.exists():
                return
            self.remove()  # taken for one of a dead process before it was locked
        raise OSError(f"{self.path}: cannot be kept")

    def remove(self) -> None:
        """Remove it with all that is in it; doing so again does nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Path:
        self.make()
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()


def hold(path: Path) -> int | None:
    """Say that this process uses the folder, too, for as long as the descriptor is open; None where nothing locks."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing is swept there
        return None
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    with contextlib.suppress(OSError):  # a file system that locks nothing lets nobody else lock it, either
        fcntl.flock(folder, fcntl.LOCK_SH)
    return folder


def sweep(place: Path) -> None:
    """Remove the folders of ours in this place that nobody uses any more."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(place):
            if _OURS.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                _remove_unless_used(Path(entry.path))


def _remove_unless_used(path: Path) -> None:
    try:
        import fcntl
    except ImportError:
        return
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # somebody else's, or just gone
        return
    try:
        if os.fstat(folder).st_uid == os.geteuid():
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while somebody uses it
            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass
    finally:
        os.close(folder)
