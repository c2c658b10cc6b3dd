"""The worker as a process: load, warm up, say that it is ready, serve, drain on SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import yaml
from aiohttp import web

from bridge.errors import ConfigError
from bridge.worker.runner import THREAD_NAME
from bridge.worker.server import Worker
from bridge.worker.settings import HUNG_EXIT_CODE, WorkerSettings
from bridge.worker.voices import load_sound_voices

log = logging.getLogger(__name__)

LAST_STEP_S = 5.0
"""How long a step that is running when the worker stops may still take."""


def say_ready(line: str) -> None:
    """Print it at once. Nobody may be reading, or the disk behind it be full: no reason not to speak."""
    try:
        print(line, flush=True)
    except OSError as error:
        log.error("standard output cannot be written (%s): %s", error.strerror, line)


def run_worker(settings: WorkerSettings, announce: Callable[[str], None] = say_ready) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    `announce` gets one line when streams may be opened: `speech worker ready on ws://127.0.0.1:8090, voices: heart`.
    Raises ConfigError when a voice cannot be loaded or the address cannot be used.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, str(settings.threads))
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        code = runner.run(serve(settings, announce))
    if code == HUNG_EXIT_CODE or not _threads_ended():
        log.critical("the worker stops without waiting for a step that does not come back")
        os._exit(code)  # an interpreter that ends by itself would wait for the engine's thread
    return code


def _threads_ended() -> bool:
    """Whether the engines' threads are over, or nearly."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]
    deadline = time.monotonic() + LAST_STEP_S
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    return not any(thread.is_alive() for thread in threads)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def serve(settings: WorkerSettings, announce: Callable[[str], None], stop: asyncio.Event | None = None) -> int:
    """The same within a running loop; `stop` ends it like SIGTERM."""
    stop = stop or asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # A loop on Windows, or outside the main thread, takes no signals: then `stop` alone ends it.
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    voices, refused = load_sound_voices(settings)
    for name, error in refused.items():
        log.error("voice %r is refused: %s", name, error)
    worker = Worker(settings, voices, {name: str(error) for name, error in refused.items()})
    await worker.start()
    server = web.AppRunner(worker.application(), access_log=None, shutdown_timeout=1.0)
    await server.setup()
    lifeline = asyncio.create_task(end_when_stuck(2 * settings.step_s))
    try:
        announce(f"speech worker ready on {await listen(server, settings)}, voices: {', '.join(worker.voices)}")
        stopping, failing = asyncio.create_task(stop.wait()), asyncio.create_task(worker.failed.wait())
        await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        failing.cancel()
        await worker.drain()
    finally:
        await server.cleanup()
        await worker.close()
        lifeline.cancel()
        faulthandler.cancel_dump_traceback_later()
    return HUNG_EXIT_CODE if worker.failed.is_set() else 0


async def end_when_stuck(limit_s: float) -> None:
    """Have the process end, with what every thread was at, once this loop has not run for so long.

    A step may hang in native code while it holds Python's lock; then nothing written in Python can notice it, and
    neither can anybody who asks this process.
    """
    while True:
        faulthandler.dump_traceback_later(limit_s, exit=True)
        await asyncio.sleep(limit_s / 4)


async def listen(server: web.AppRunner, settings: WorkerSettings) -> str:
    """Open the socket; returns the address that clients use."""
    try:
        if settings.unix:
            Path(settings.unix).unlink(missing_ok=True)
            await web.UnixSite(server, settings.unix).start()
            return f"unix:{settings.unix}"
        await web.TCPSite(server, settings.host, settings.port).start()
    except OSError as error:
        where = settings.unix or f"{settings.host}:{settings.port}"
        raise ConfigError(f"worker: cannot listen on {where}: {error}") from error
    host, port = server.addresses[0][:2]
    return f"ws://{host}:{port}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge worker`."""
    parser.add_argument("-c", "--config", type=Path, help="YAML file; its `worker` section is used")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 8090; 0: any free one)")
    parser.add_argument("--unix", help="path of a Unix socket to listen on instead")
    parser.add_argument("--default-voice", help="voice of streams that name none")
    parser.add_argument("--threads", type=int, help="threads of one synthesis step (default 1)")


def settings_from(arguments: argparse.Namespace, base: WorkerSettings | None = None) -> WorkerSettings:
    """Settings from `base` (or the file named on the command line), the environment, then the command line."""
    if base is None:
        base = _read(arguments.config) if arguments.config else WorkerSettings()
    changes = {
        name: getattr(arguments, name)
        for name in ("host", "port", "unix", "default_voice", "threads")
        if getattr(arguments, name, None) is not None
    }
    if token := os.environ.get("BRIDGE_WORKER_TOKEN"):
        changes["token"] = token
    return msgspec.structs.replace(base, **changes)


def _read(path: Path) -> WorkerSettings:
    try:
        section = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("worker") or {}
        return msgspec.convert(section, WorkerSettings)
    except (OSError, yaml.YAMLError, msgspec.ValidationError, AttributeError) as error:
        raise ConfigError(f"{path}: worker: {error}") from error


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m bridge.worker`."""
    parser = argparse.ArgumentParser(prog="bridge worker", description="Serve speech synthesis over a WebSocket.")
    add_arguments(parser)
    try:
        return run_worker(settings_from(parser.parse_args(argv)))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
