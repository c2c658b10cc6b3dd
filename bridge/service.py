"""`bridge serve`: the service in one process or several that share a port, from the first signal to the last."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import MutableSequence
from ctypes import Array, c_double
from functools import partial
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import cast

import msgspec

from bridge import variables
from bridge.api.access import speech_keys
from bridge.api.use import KeyUse, cells_needed
from bridge.app import Application, Progress, freeze_garbage, new_loop, service_secret
from bridge.config import Settings, unset_variables
from bridge.errors import BridgeError, ConfigError
from bridge.gateway.processes import ProcessGroup, say_starting
from bridge.gateway.server import free_port
from bridge.speaking.voices.local_worker import LocalWorker
from bridge.system.lifetime import (
    STUCK_S,
    StopSignals,
    UnwaitedThreads,
    end_when_stuck,
    when_parent_dies,
)
from bridge.system.own_folder import OwnFolder, folder_name, hold
from bridge.system.sockets import check_port, temporary_folder
from bridge.system.standard_streams import say
from bridge.system.termination import Terminated, leave_threads_behind, obey_sigterm
from bridge.telemetry import logs

logger = logging.getLogger(__name__)


def run(
    settings: Settings,
    host: str = "",
    port: int | None = None,
    *,
    processes: int = 1,
    directory: Path = Path(),
    progress: Progress = print,
) -> int:
    """Serve until a signal ends it; returns the exit code. `host` and `port` replace the configured ones."""
    obey_sigterm()
    os.umask(0o077)  # records, cached phrases and sockets are the operator's alone
    logs.configure_logs(settings.telemetry)
    in_json = settings.telemetry.log_format == "json"
    if in_json:  # whoever reads the log reads JSON alone
        progress = partial(logs.event, logger)
    host, port = host or settings.gateway.host, settings.gateway.port if port is None else port
    try:
        check_port(host, port)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            if processes == 1:
                runner.run(_serve_alone(Application(settings, directory=directory, progress=progress), host, port))
            else:
                return runner.run(_serve_by_many(settings, host, port, processes, directory, progress))
    except BridgeError as error:
        return refuse(settings, str(error))
    except Terminated:
        return 0
    except KeyboardInterrupt:
        return 130
    return 0


def refuse(settings: Settings, mistakes: str) -> int:
    """Name what is wrong, a line each, in the form that the settings which can be read want; returns the exit code."""
    in_json = settings.telemetry.log_format == "json"
    if in_json:
        logs.configure_logs(settings.telemetry)
    for line in mistakes.splitlines():
        if in_json:
            logger.error("%s", line)
        else:
            say(f"bridge: {line}")
    return 2


async def _serve_alone(application: Application, host: str, port: int) -> None:
    await _serve(application, StopSignals(), host, port)


async def _serve(
    application: Application,
    stop: StopSignals,
    host: str,
    port: int,
    *,
    reuse_port: bool = False,
    beat: c_double | None = None,
    listen_when_warm: bool = False,
) -> None:
    """One process: start, serve, drain. A signal before it is ready ends it, too, and so does a loop that is stuck."""

    def still_alive() -> None:
        if beat is not None:
            beat.value = time.monotonic()

    asyncio.get_running_loop().set_default_executor(UnwaitedThreads())
    watchdog: asyncio.Task[None] | None = None
    beating = asyncio.create_task(say_starting(beat)) if beat is not None else None
    try:
        starting = application.start(host, port, reuse_port=reuse_port, listen_when_warm=listen_when_warm)
        if await stop.unless_asked(starting):
            # Now there may be calls, which are told goodbye; before that, a child ends with its parent at once.
            when_parent_dies(asyncio.get_running_loop(), stop.parent_died)
            freeze_garbage()
            if beating is not None:
                beating.cancel()
            watchdog = asyncio.create_task(end_when_stuck(STUCK_S, still_alive))
            await application.run(stop)
    finally:
        await application.stop()
        for task in (watchdog, beating):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def _serve_by_many(
    settings: Settings, host: str, port: int, processes: int, directory: Path, progress: Progress
) -> int:
    """Share out one port, one speech worker, one store and one page of metrics among several processes."""
    variables.check_set(unset_variables(settings, os.environ))
    stop = StopSignals()
    worker: LocalWorker | None = None
    place = temporary_folder()
    if not place:
        raise ConfigError("no folder for temporary files can be written: set TMPDIR to one that can")
    with OwnFolder(Path(place, folder_name("bridge-shared"))) as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)
        try:
            if not settings.speaking.workers:
                progress("starting the speech worker")
                worker = LocalWorker(settings.worker)
                if not await stop.unless_asked(worker.start(settings.speaking.start_s)):
                    return 0
                speaking = msgspec.structs.replace(settings.speaking, workers=(worker.address,))
                settings = msgspec.structs.replace(settings, speaking=speaking)
            port = port or free_port(host)
            secret = service_secret(settings)
            keys = len(dict.fromkeys(speech_keys(settings.gateway.speech_api, os.environ)))
            use = RawArray(c_double, cells_needed(keys, processes))  # without a lock, as `bridge.api.use` explains
            arguments = (settings, host, port, directory, shared / "store", secret, keys, use)
            group = ProcessGroup(_serve_as_one_of_many, arguments, processes, stuck_s=STUCK_S)
            progress(f"starting {processes} processes on {host}:{port}")
            stopping = asyncio.create_task(_pass_on(stop, group))
            await group.run()
            stopping.cancel()
            return 2 if group.refused else 0
        finally:
            if worker is not None:
                await worker.close()
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


async def _pass_on(stop: StopSignals, group: ProcessGroup) -> None:
    """What this process is told, its children are."""
    await stop.asked.wait()
    group.stop()
    await stop.hurried.wait()
    group.stop()


def _serve_as_one_of_many(
    settings: Settings,
    host: str,
    port: int,
    directory: Path,
    shared_file: Path,
    secret: str,
    keys: int,
    use: Array[c_double],
    place: int,
    beat: c_double,
    replaces: bool,
) -> None:
    """What each of several processes does."""
    obey_sigterm()
    # A terminal's Ctrl-C reaches the whole group, and the parent passes it on: once is enough.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure_logs(settings.telemetry)
    hold(shared_file.parent)  # it is needed until we end, should our parent be killed and another service start

    async def serve_one() -> None:
        stop = StopSignals((signal.SIGTERM,))
        application = Application(
            settings,
            directory=directory,
            progress=lambda what: logs.event(logger, what),
            shared_file=shared_file,
            secret=secret,
            key_use=KeyUse(keys, cast(MutableSequence[float], use), place),
        )
        # Callers who come back from a process that died are served by the others, and must not wait for this one.
        await _serve(application, stop, host, port, reuse_port=True, beat=beat, listen_when_warm=replaces)

    code = 0
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(serve_one())
    except ConfigError as error:
        logger.error("%s", error)
        code = 2
    except Terminated:
        pass
    except Exception:  # multiprocessing would print it, whatever form our logs have
        logger.critical("not caught", exc_info=True)
        code = 1
    leave_threads_behind(code)
    sys.exit(code)
