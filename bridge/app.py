"""The composition root: settings -> a running service. The only place that knows everybody."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bridge.agents.base import AgentFactory
from bridge.agents.factory import build_agents
from bridge.config import Settings
from bridge.errors import BridgeError, ConfigError, VoiceError
from bridge.gateway.processes import ProcessGroup
from bridge.gateway.server import Gateway, free_port
from bridge.listening.listening import Listening
from bridge.session.ports import Rooms
from bridge.speaking.speech import Speech
from bridge.speaking.voices.local_worker import LocalWorker
from bridge.store.base import Store
from bridge.store.factory import open_store
from bridge.telemetry import logs
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.recorder import Recorder
from bridge.warm_up import fixed_lines, warm_up

logger = logging.getLogger(__name__)

_REFRESH_S = 2.0
_WARM_AGAIN_S = 2.0
_WARM_REPORTS = 5
"""How often the warm-up says how far it is."""

Progress = Callable[[str], None]
"""Told, in a few words, what start-up is at."""


def new_loop() -> asyncio.AbstractEventLoop:
    """The fastest event loop there is here."""
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def service_secret(settings: Settings) -> str:
    """Return the secret that signs tickets and what lies in Redis. Raises ConfigError where machines must share one."""
    secret = os.environ.get(settings.store.secret_env, "")
    if not secret and settings.store.redis_url:
        raise ConfigError(
            f"store.redis_url joins machines, which need one secret: set {settings.store.secret_env} to the same long "
            "random text on all of them (for example: openssl rand -hex 32)"
        )
    return secret or secrets.token_hex(32)


class Application:
    """One process of the service.

    `directory` is where the configuration file lies, which paths in it are relative to. `shared_file` and
    `secret` are shared by the processes of one port; without them each service has its own.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        directory: Path = Path(),
        progress: Progress = lambda _what: None,
        shared_file: Path | None = None,
        secret: str = "",
    ) -> None:
        if settings.agent is None:
            raise ConfigError("no agent: set agent.kind to script, chat or web, and what that kind needs")
        self.settings = settings
        self.metrics = Metrics()
        self.agents: AgentFactory = build_agents(settings.agent, directory)
        self.listening = Listening(settings.listening, clock=time.monotonic)
        self.speech = Speech(
            settings.speaking,
            directory=directory,
            redis_url=settings.store.redis_url,
            redis_prefix=settings.store.redis_prefix,
        )
        self.gateway: Gateway | None = None
        self._directory = directory
        self._progress = progress
        self._secret = secret or service_secret(settings)
        self.store: Store = open_store(settings.store, secret=self._secret, shared_file=shared_file)
        self._recorder: Recorder | None = None
        self._closers: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port in use, once started."""
        return 0 if self.gateway is None else self.gateway.port

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """Listen, load and warm everything, then admit calls. On failure nothing is left running.

        The port answers from the beginning, callers hear that all lines are busy until the warm-up is over.
        """
        try:
            await self._start(host, port, reuse_port=reuse_port)
        except BaseException:
            await self.stop()
            raise

    async def _start(self, host: str, port: int, *, reuse_port: bool) -> None:
        settings = self.settings
        if settings.telemetry.record_directory:
            records = self._directory / settings.telemetry.record_directory
            self._recorder = Recorder(records, self.metrics, max_waiting=settings.telemetry.record_waiting)
        self.gateway = Gateway(
            settings.gateway,
            settings.call,
            Rooms(self.listening, self.speech, self.agents),
            metrics=self.metrics,
            recorder=self._recorder,
            store=self.store,
            ticket_secret=self._secret,
            headroom=self._headroom,
            speech=self.speech,
        )
        await self.store.start()
        self._closers = [
            ("store", self.store.close),
            ("listening", self.listening.close),
            ("speech", self.speech.close),
            ("agents", self.agents.close),
            ("gateway", self.gateway.stop),
        ]
        await self.gateway.start(host, port, reuse_port=reuse_port)
        self._progress(f"listening on {host}:{self.gateway.port}")
        self._progress("loading voice activity, speech recognition and the voice")
        await _all_of(self.listening.start(), self.speech.start())
        await self._warm()
        self._refreshing = asyncio.create_task(self._refresh())
        self.gateway.open_doors()
        self._progress("ready for calls")

    async def run(self, signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> None:
        """Serve until one of `signals`, then drain; a second one ends at once."""
        assert self.gateway is not None
        stopping, hurrying = asyncio.Event(), asyncio.Event()

        def on_signal() -> None:
            (hurrying if stopping.is_set() else stopping).set()

        loop = asyncio.get_running_loop()
        for number in signals:
            loop.add_signal_handler(number, on_signal)
        try:
            await stopping.wait()
            self._progress(f"draining, {self.gateway.calls} calls in progress; a second signal ends them now")
            drain, hurry = asyncio.create_task(self.gateway.drain()), asyncio.create_task(hurrying.wait())
            await asyncio.wait({drain, hurry}, return_when=asyncio.FIRST_COMPLETED)
            drain.cancel()
            hurry.cancel()
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    async def stop(self) -> None:
        """End what is still running and let go of everything; one part's failure does not keep the others."""
        if self._refreshing is not None:
            self._refreshing.cancel()
        # The last to be started is the first to go: the doors before the rooms behind them.
        while self._closers:
            name, close = self._closers.pop()
            try:
                await close()
            except Exception:
                logger.exception("could not close %s", name)
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)
            self._recorder = None

    async def _warm(self) -> None:
        """Make the phrases; while no speech worker can, callers are better off with a busy line than with silence."""
        lines = fixed_lines(self.settings, self.agents)

        def progress(done: int, total: int, _text: str) -> None:
            if done * _WARM_REPORTS // total > (done - 1) * _WARM_REPORTS // total:
                self._progress(f"{done} of {total} phrases that callers will hear are ready")

        while True:
            try:
                await warm_up(self.speech, lines, progress=progress)
                return
            except VoiceError as error:
                self._progress(f"no speech yet ({error}); trying again")
                await asyncio.sleep(_WARM_AGAIN_S)

    def _headroom(self) -> float:
        """0..1 for the scarcer of listening and speech. A worker that restarts is not a full one: the cache speaks."""
        speech = self.speech.headroom() if self.speech.ready else 1.0
        return min(self.listening.headroom(), speech)

    async def _refresh(self) -> None:
        """Keep the rooms' own counters on the metrics page, whichever process answers for it."""
        while True:
            for name, value in {**self.listening.stats(), **self.speech.stats()}.items():
                self.metrics.rooms.labels(name).set(value)
            await asyncio.sleep(_REFRESH_S)


async def _all_of(*starts: Coroutine[Any, Any, None]) -> None:
    """Wait for all, even when one fails, so that none is still starting while everything is closed."""
    for result in await asyncio.gather(*starts, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def freeze_garbage() -> None:
    """What is alive now stays alive: the collector need never look at it again, nor hold up a call for it."""
    gc.collect()
    gc.freeze()
    # Calls leave next to no cycles behind: at the default of 700 the collector took 6 % of a busy process.
    gc.set_threshold(50_000, 20, 20)


async def serve(
    settings: Settings,
    host: str = "",
    port: int | None = None,
    *,
    directory: Path = Path(),
    progress: Progress = lambda _what: None,
) -> None:
    """Run one process until a signal ends it. `host` and `port` replace the configured ones. Raises BridgeError."""
    application = Application(settings, directory=directory, progress=progress)
    await application.start(host or settings.gateway.host, settings.gateway.port if port is None else port)
    freeze_garbage()
    try:
        await application.run()
    finally:
        await application.stop()


def run(
    settings: Settings,
    host: str = "",
    port: int | None = None,
    *,
    processes: int = 1,
    directory: Path = Path(),
    progress: Progress = print,
) -> int:
    """`bridge serve`: run the service in one process or several; returns the exit code."""
    logs.configure_logs(settings.telemetry)
    host, port = host or settings.gateway.host, settings.gateway.port if port is None else port
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            if processes == 1:
                runner.run(serve(settings, host, port, directory=directory, progress=progress))
            else:
                return runner.run(_serve_by_many(settings, host, port, processes, directory, progress))
    except BridgeError as error:
        progress(f"bridge: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve_by_many(
    settings: Settings, host: str, port: int, processes: int, directory: Path, progress: Progress
) -> int:
    """Share out one port, one speech worker, one store and one page of metrics among several processes."""
    worker: LocalWorker | None = None
    with tempfile.TemporaryDirectory(prefix="bridge-") as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        try:
            if not settings.speaking.workers:
                progress("starting the speech worker")
                worker = LocalWorker()
                await worker.start(settings.speaking.start_s)
                speaking = msgspec.structs.replace(settings.speaking, workers=(worker.address,))
                settings = msgspec.structs.replace(settings, speaking=speaking)
            arguments = (
                settings,
                host,
                port or free_port(host),
                directory,
                Path(shared, "store"),
                service_secret(settings),
            )
            group = ProcessGroup(_serve_as_one_of_many, arguments, processes)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, group.stop)
            progress(f"starting {processes} processes on {host}:{port}")
            await group.run()
            return 2 if group.refused else 0
        finally:
            if worker is not None:
                await worker.close()
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def _serve_as_one_of_many(
    settings: Settings, host: str, port: int, directory: Path, shared_file: Path, secret: str
) -> None:
    """What each of several processes does."""

    async def serve_one() -> None:
        application = Application(
            settings,
            directory=directory,
            progress=lambda what: logs.event(logger, what),
            shared_file=shared_file,
            secret=secret,
        )
        await application.start(host, port, reuse_port=True)
        freeze_garbage()
        try:
            await application.run((signal.SIGTERM,))
        finally:
            await application.stop()

    # A terminal's Ctrl-C reaches the whole group, and the parent passes it on: once is enough.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure_logs(settings.telemetry)
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(serve_one())
    except ConfigError as error:
        logger.error("%s", error)
        sys.exit(2)
