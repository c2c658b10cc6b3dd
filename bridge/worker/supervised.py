"""A worker process that somebody else keeps: started with its settings on standard input, watched, drained.

It is not restarted here: who keeps a fleet replaces the place as a whole, perhaps on another machine. When we are
killed its standard input ends, at which it drains as well.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence

import msgspec

from bridge.errors import ConfigError, VoiceError
from bridge.worker.settings import WRONG_SETTINGS_EXIT_CODE, WorkerSettings

log = logging.getLogger(__name__)

_READY = re.compile(r"speech worker ready on (ws://\S+),")
_LAST_WORDS = 10
_LINE_CHARS = 2000


class SupervisedWorker:
    """The process `python -m bridge.worker --supervised`; it drains when it is told to, or when we are gone.

    Raises ConfigError when it refuses its settings, and VoiceError when it is not ready in time.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        start_s: float,
        command: Sequence[str] = (sys.executable, "-m", "bridge.worker"),
    ) -> None:
        self.address = ""
        self._lines: deque[str] = deque(maxlen=_LAST_WORDS)
        self._ready = threading.Event()
        self._process = subprocess.Popen(
            [*command, "--supervised"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(settings) + b"\n")
        self._process.stdin.flush()
        threading.Thread(target=self._read, name="worker-output", daemon=True).start()
        in_time = self._ready.wait(start_s)
        if self.address:
            return
        said = "\n  ".join(self._lines) or "nothing"
        code = self._process.poll()
        self.kill()
        if code == WRONG_SETTINGS_EXIT_CODE:
            raise ConfigError(f"the speech worker refuses its settings:\n  {said}")
        why = f"has ended with status {code}" if in_time else f"was not ready after {start_s:g} s"
        raise VoiceError(f"the speech worker {why}; it said:\n  {said}")

    @property
    def pid(self) -> int:
        """Return the id of the worker process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the worker process still runs."""
        return self._process.poll() is None

    @property
    def last_words(self) -> str:
        """The last lines that the worker wrote."""
        return "\n  ".join(self._lines)

    def drain(self) -> None:
        """Ask it to take no new streams, finish those it has, and end; returns at once."""
        if self.alive:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, deadline_s: float) -> bool:
        """Wait for its end, and kill it at the deadline. Whether it ended by itself."""
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        """End it at once, with whatever it is saying."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in iter(lambda: self._process.stdout.readline(_LINE_CHARS), b""):  # type: ignore[union-attr]
            line = raw.decode(errors="replace").rstrip()
            if not line:
                continue
            self._lines.append(line)
            log.info("worker: %s", line)
            if not self.address and (ready := _READY.match(line)):
                self.address = ready[1]
                self._ready.set()
        self._process.wait()
        self._ready.set()
