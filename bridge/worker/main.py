"""The worker as a process: load, warm up, say that it is ready, serve, drain on SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
from aiohttp import web

from bridge import variables
from bridge.errors import ConfigError
from bridge.system import memory
from bridge.system.connections import Connections, LimitedSite
from bridge.system.lifetime import StopSignals, end_when_stuck
from bridge.system.settings import ConnectionSettings
from bridge.system.sockets import check_path, check_port, clear_socket
from bridge.system.termination import Terminated, obey_sigterm
from bridge.telemetry.logs import configure_logs
from bridge.telemetry.settings import TelemetrySettings
from bridge.worker.runner import THREAD_NAME
from bridge.worker.server import Worker
from bridge.worker.settings import HUNG_EXIT_CODE, WRONG_SETTINGS_EXIT_CODE, WorkerSettings
from bridge.worker.voices import load_sound_voices

log = logging.getLogger(__name__)

LIMITS = ConnectionSettings()
BACKLOG = 128
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
    obey_sigterm()  # loading takes its time, and holds the loop
    memory.keep_nothing_large()
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            code = runner.run(serve(settings, announce))
    except Terminated:
        return 0
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
    """Run a worker within a running loop; `stop` ends it like SIGTERM."""
    variables.check_set(variables.unset(settings, os.environ, "worker"))
    check_address(settings)
    voices, refused = load_sound_voices(settings)
    for name, error in refused.items():
        log.error("voice %r is refused: %s", name, error)
    stop = stop or StopSignals().asked
    worker = Worker(settings, voices, {name: str(error) for name, error in refused.items()})
    stopping, failing = asyncio.create_task(stop.wait()), asyncio.create_task(worker.failed.wait())
    server = runner_of(worker)
    lifeline = None
    try:
        starting = asyncio.create_task(worker.start())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            return 0
        starting.result()
        await server.setup()
        lifeline = asyncio.create_task(end_when_stuck(2 * settings.step_s))
        address = await listen(server, settings, worker.refused_connection)
        announce(f"speech worker ready on {address}, voices: {', '.join(worker.voices)}")
        await asyncio.wait({stopping, failing}, return_when=asyncio.FIRST_COMPLETED)
        await worker.drain()
    finally:
        stopping.cancel()
        failing.cancel()
        await server.cleanup()
        await worker.close()
        if lifeline is not None:
            lifeline.cancel()
            if settings.unix:
                Path(settings.unix).unlink(missing_ok=True)
    return HUNG_EXIT_CODE if worker.failed.is_set() else 0


def check_address(settings: WorkerSettings) -> None:
    """Raises ConfigError when the address is taken, or open to others without a token."""
    if settings.unix:
        check_path(settings.unix, "worker.unix")
        clear_socket(settings.unix)
        return
    if not variables.value(settings.token_env, os.environ) and not _is_loopback(settings.host):
        raise ConfigError(
            f"worker.host: {settings.host} can be reached from other machines, and no token is set: anybody could use "
            f"it; set {settings.token_env or 'worker.token_env'} (for the bridges, too), or listen on 127.0.0.1"
        )
    check_port(settings.host, settings.port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def runner_of(worker: Worker) -> web.AppRunner:
    """Serve the worker's routes. Nothing is inflated: no client sends compressed bodies, and a bomb holds the loop."""
    return web.AppRunner(worker.application(), access_log=None, shutdown_timeout=1.0, auto_decompress=False)


async def listen(
    server: web.AppRunner,
    settings: WorkerSettings,
    count: Callable[[str], None] = lambda _why: None,
    limits: ConnectionSettings = LIMITS,
) -> str:
    """Open the socket; returns the address that clients use. `count` is told of connections closed before their time.

    A port can be reached by others, whose connections are under the limits; a Unix socket by whom its folder lets in.
    """
    try:
        if settings.unix:
            await web.UnixSite(server, settings.unix).start()
            return f"unix:{settings.unix}"
        connections = Connections(limits, count)
        await LimitedSite(server, settings.host, settings.port, connections, backlog=BACKLOG).start()
    except OSError as error:
        where = settings.unix or f"{settings.host}:{settings.port}"
        raise ConfigError(f"worker: cannot listen on {where}: {error}") from error
    host, port = server.addresses[0][:2]
    return f"ws://{host}:{port}"


def settings_from(arguments: argparse.Namespace, base: WorkerSettings) -> WorkerSettings:
    """`base` with what the command line says."""
    changes = {
        name: getattr(arguments, name)
        for name in ("host", "port", "unix", "threads")
        if getattr(arguments, name, None) is not None
    }
    return msgspec.structs.replace(base, **changes)


def settings_from_parent(stdin: BinaryIO) -> WorkerSettings:
    """Settings as one line of JSON; the process ends like at SIGTERM when whoever wrote it closes the pipe, or dies."""
    try:
        settings = msgspec.json.decode(stdin.readline(), type=WorkerSettings)
    except msgspec.DecodeError as error:
        raise ConfigError(f"standard input holds no settings of a worker: {error}") from None

    def watch() -> None:
        # not through `stdin`, whose lock would be held when the interpreter ends, which aborts the process
        while os.read(stdin.fileno(), 65_536):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    return settings


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m bridge.worker`: a worker that another program starts; for people there is `bridge worker`."""
    obey_sigterm()
    parser = argparse.ArgumentParser(prog="python -m bridge.worker", description=main.__doc__)
    parser.add_argument(
        "--supervised",
        action="store_true",
        help="read settings as a line of JSON from standard input, and end when that is closed",
    )
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--port", type=int, help="port to listen on (default 8090; 0: any free one)")
    parser.add_argument("--unix", help="path of a Unix socket to listen on instead")
    arguments = parser.parse_args(argv)
    # A parent reads each line, and passes it on in its own form.
    form: Literal["json", "text"] = "json" if arguments.supervised else "text"
    configure_logs(TelemetrySettings(log_level=arguments.log_level, log_format=form))
    try:
        base = settings_from_parent(sys.stdin.buffer) if arguments.supervised else WorkerSettings()
        return run_worker(settings_from(arguments, base))
    except Terminated:
        return 0
    except ConfigError as error:
        print(error, file=sys.stderr)
        return WRONG_SETTINGS_EXIT_CODE
