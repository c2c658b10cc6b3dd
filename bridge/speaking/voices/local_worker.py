"""A speech worker of our own on a local socket, for a bridge that is told of none: started, watched, restarted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Sequence

import msgspec

from bridge.errors import ConfigError, VoiceError
from bridge.system.child_logs import level_name, pass_on, read_lines
from bridge.system.lifetime import STUCK_S, die_with_parent
from bridge.system.own_folder import OwnFolder
from bridge.system.sockets import socket_folder
from bridge.worker.settings import HUNG_EXIT_CODE, WRONG_SETTINGS_EXIT_CODE, WorkerSettings

log = logging.getLogger(__name__)

_RESTART_S = (0.1, 0.5, 2.0, 5.0, 15.0)
_WELL_AFTER_S = 30.0
_STOP_S = 5.0
_LINES_KEPT = 200
_LAST_WORDS = 5
"""Lines of a worker that ended which go into the bridge's own log."""
_SOCKET = "worker.sock"


class LocalWorker:
    """The process `python -m bridge.worker --supervised`; its address never changes while it is restarted.

    It gets its settings on standard input, and ends when that is closed. One that has answered and then does not for
    `stuck_s`, as one that was stopped, is killed and replaced. It asks nobody for a token: its socket is in a
    folder that is ours alone. Raises ConfigError when there is no place for its socket.
    """

    def __init__(
        self,
        settings: WorkerSettings | None = None,
        *,
        command: Sequence[str] = (sys.executable, "-m", "bridge.worker"),
        stuck_s: float = STUCK_S,
    ) -> None:
        self._command = tuple(command)
        self._stuck_s = stuck_s
        # Made when the worker starts: one that never does leaves nothing behind.
        self._folder = OwnFolder(socket_folder("bridge-voice", _SOCKET))
        self._socket = self._folder.path / _SOCKET
        self._settings = msgspec.structs.replace(settings or WorkerSettings(), unix=str(self._socket), token_env="")
        self._ready = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.lines: deque[str] = deque(maxlen=_LINES_KEPT)
        """What the worker wrote last, for `bridge doctor` and error messages."""
        self._run_lines: deque[str] = deque(maxlen=_LAST_WORDS)
        self.restarts = 0

    @property
    def address(self) -> str:
        """The address where the worker is reached."""
        return f"unix:{self._socket}"

    @property
    def pid(self) -> int | None:
        """The id of the running process."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self, deadline_s: float) -> None:
        """Start it and wait until it is ready.

        Raises ConfigError when it refuses its settings, and VoiceError with its last words if it is not in time.
        """
        try:
            self._folder.make()
        except OSError as error:
            raise VoiceError(f"the speech worker has no place for its socket: {error}") from error
        self._supervisor = asyncio.create_task(self._supervise())
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({ready, self._supervisor}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._ready.is_set():
            return
        refused = self._supervisor.done()
        await self.close()
        if refused:
            raise ConfigError("\n".join(self._run_lines) or "the speech worker refuses its settings")
        said = "\n  ".join([*self.lines][-10:]) or "nothing"
        raise VoiceError(f"the speech worker was not ready after {deadline_s:.0f} s; it said:\n  {said}")

    async def close(self) -> None:
        """Stop it and remove its socket."""
        if self._supervisor:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        await self._stop()
        self._folder.remove()

    async def _supervise(self) -> None:
        """Keep it running; returns only when it refuses its settings before it was ever ready."""
        loop = asyncio.get_running_loop()
        attempt = 0
        while True:
            started_at = loop.time()
            try:
                code: int | str = await self._run()
            except Exception as error:  # whatever it is, the bridge needs a worker: try again, and say why
                code = f"cannot be run: {error!r}"
                self.lines.append(code)
                await self._stop()
            if code == WRONG_SETTINGS_EXIT_CODE and not self._ready.is_set():
                return
            if loop.time() - started_at > _WELL_AFTER_S:
                attempt = 0
            pause_s = _RESTART_S[min(attempt, len(_RESTART_S) - 1)]
            log.warning(
                "the speech worker has ended (%s); starting another in %.1f s%s",
                _meaning(code),
                pause_s,
                self._last_words(),
            )
            attempt += 1
            self.restarts += 1
            await asyncio.sleep(pause_s)

    async def _run(self) -> int:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            "--supervised",
            "--log-level",
            level_name(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A terminal's Ctrl-C is ours to handle: the worker must live until the last call is over.
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            preexec_fn=die_with_parent(),
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(self._settings) + b"\n")
        self._run_lines.clear()
        watching = asyncio.create_task(self._watch(self._process))
        try:
            await read_lines(self._process.stdout, self._said)
            return await self._process.wait()
        finally:
            watching.cancel()

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Kill a worker that does not answer any more: it has its sockets still, and would be given speech to make."""
        well, missed = False, 0
        while missed < 2:
            await asyncio.sleep(self._stuck_s / 8)
            if await self._answers(self._stuck_s / 2):
                well, missed = True, 0
            elif well:
                missed += 1
        log.error("the speech worker has not answered for %g s", self._stuck_s)
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    async def _answers(self, within_s: float) -> bool:
        """Whether the worker answers anything at all in this time."""
        writer = None
        try:
            async with asyncio.timeout(within_s):
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n")
                return bool(await reader.read(1))
        except (TimeoutError, OSError):
            return False
        finally:
            if writer is not None:
                writer.close()

    def _said(self, line: str) -> None:
        told = pass_on(log, "worker", line, logging.INFO).splitlines() or [line]
        self.lines.extend(told)
        self._run_lines.extend(told)
        if line.startswith("speech worker ready"):
            self._ready.set()

    def _last_words(self) -> str:
        """The end of what the latest process wrote: of a traceback, the error."""
        return "".join(f"\n  {line}" for line in self._run_lines)

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _meaning(code: int | str) -> str:
    """An exit status in words."""
    if isinstance(code, str):
        return code
    if code == HUNG_EXIT_CODE:
        return f"status {code}: a step hung"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"status {code}"
