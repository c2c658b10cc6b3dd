"""Reports on disk until they are delivered: one file each, whole or not there, readable by us alone.

The processes of a service share the folder. Who delivers a report holds a lock on its file, which the system releases
however that process ends. A file's time stamp is when it is due.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

try:
    import fcntl
except ImportError:  # there is none for Windows, where a service has but one process
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_REPORT = re.compile(r"\d{13}-[0-9A-Za-z_]{1,64}\.json", re.ASCII)
_UNFINISHED = ".new"
_STALE_S = 3600.0
"""What was not finished in this time never will be: its process was killed."""


class WaitingReport(NamedTuple):
    """A report that is not delivered yet."""

    path: Path
    due_at: float
    """On the clock of files, in seconds since 1970."""
    size: int

    @property
    def identifier(self) -> str:
        """The name under which it is delivered, however often that is tried."""
        return self.path.stem.partition("-")[2]


class Outbox:
    """The folder of what waits. Its methods touch the disk and belong into a thread. Raises OSError."""

    def __init__(self, directory: Path, *, most_waiting: int, most_bytes: int) -> None:
        self._directory = directory
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes

    def open(self) -> None:
        """Make the folder, and keep others out of it."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory.chmod(0o700)

    def put(self, identifier: str, body: bytes, now: float) -> int:
        """Keep a report, due at once; it is on the disk when this returns. How many old ones were given up for it."""
        lost = self._make_room(len(body))
        path = self._directory / f"{int(now * 1000):013d}-{identifier}.json"
        unfinished = path.with_suffix(_UNFINISHED)
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(body)
                stream.flush()
                os.fsync(stream.fileno())
            os.utime(unfinished, (now, now))
            unfinished.rename(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        self._settle()
        return lost

    def waiting(self) -> list[WaitingReport]:
        """Everything that waits, the oldest first."""
        found = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if not _REPORT.fullmatch(entry.name):
                    continue
                with contextlib.suppress(FileNotFoundError):  # another process has delivered it
                    status = entry.stat()
                    found.append(WaitingReport(Path(entry.path), status.st_mtime, status.st_size))
        return sorted(found, key=lambda report: report.path.name)

    def sweep(self, now: float) -> None:
        """Remove what a killed process had begun to write."""
        for path in self._directory.glob(f"*{_UNFINISHED}"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < now - _STALE_S:
                    path.unlink()

    @contextlib.contextmanager
    def claimed(self, report: WaitingReport) -> Iterator[bytes | None]:
        """The report's body, for this process alone; None when another one has it, or has delivered it."""
        try:
            file = os.open(report.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield None
            return
        with os.fdopen(file, "rb") as stream:
            try:
                if fcntl is not None:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            gone = os.fstat(stream.fileno()).st_nlink == 0
            yield None if gone else stream.read()

    def delivered(self, report: WaitingReport) -> None:
        """Forget a report that has arrived."""
        report.path.unlink(missing_ok=True)
        self._settle()

    def postpone(self, report: WaitingReport, due_at: float) -> None:
        """Try this report again, not before that time."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(report.path, (due_at, due_at))

    def _make_room(self, size: int) -> int:
        """Give up the oldest reports, where there are too many; how many there were."""
        waiting = self.waiting()
        total, lost = sum(report.size for report in waiting) + size, 0
        while waiting and (len(waiting) >= self._most_waiting or total > self._most_bytes):
            oldest = waiting.pop(0)
            total -= oldest.size
            oldest.path.unlink(missing_ok=True)
            lost += 1
            logger.error("a report of a call is given up undelivered, too many wait: %s", oldest.path.name)
        return lost

    def _settle(self) -> None:
        """Have the folder's own changes on the disk, too."""
        folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
