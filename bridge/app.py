"""The composition root: settings -> a running service. The only place that knows everybody."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bridge import variables
from bridge.agents.base import AgentFactory, FixedLine
from bridge.api.use import KeyUse
from bridge.audio.formats import MULAW_8000
from bridge.carriers.catalogue import build_carriers
from bridge.config import Settings, unset_variables
from bridge.console.factory import browser_phone, build_console, build_logins
from bridge.console.pages import Console
from bridge.errors import ConfigError, VoiceError
from bridge.gateway.ladder import Rung, relief
from bridge.gateway.observers import CallObservers
from bridge.gateway.server import Gateway
from bridge.http import HttpClient
from bridge.listening.service import ListeningService
from bridge.numbers import MULTILINGUAL, every_profile, not_understood
from bridge.profiles import Agents, call_profiles, fixed_lines
from bridge.session.detecting import open_detection
from bridge.session.failures import report_agent_error
from bridge.speaking.speech import SpeechService
from bridge.store.base import Store
from bridge.store.factory import open_store, open_tallies
from bridge.store.settings import redis_address
from bridge.system import memory
from bridge.system.lifetime import StopSignals
from bridge.telemetry.after_call.delivery import AfterCallPost, report_keys
from bridge.telemetry.files import make_folder
from bridge.telemetry.fork import open_forks
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.recorder import Recorder
from bridge.telemetry.recording import SoundRecorder
from bridge.telemetry.traces import Traces
from bridge.telemetry.vendor_costs import VendorCosts
from bridge.understanding.number_names import read_languages
from bridge.warm_up import warm_up

logger = logging.getLogger(__name__)

_REFRESH_S = 2.0
_WARM_AGAIN_S = 2.0
_WARM_REPORTS = 5
"""How often the warm-up says how far it is."""

_TRIAL = "Okay."

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


def service_secret(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """Return the secret that signs tickets and what lies in Redis. Raises ConfigError where machines must share one."""
    secret = variables.value(settings.store.secret_env, environ)
    if not secret and redis_address(settings.store, environ):
        raise ConfigError(
            f"Redis joins machines, which need one secret: set {settings.store.secret_env} to the same long "
            "random text on all of them (for example: openssl rand -hex 32)"
        )
    return secret or secrets.token_hex(32)


class Application:
    """One process of the service.

    `directory` is where the configuration file lies, which paths in it are relative to. `shared_file`, `secret` and
    `key_use` are shared by the processes of one port; without them each service has its own. The secrets that settings
    name come from `environ`, by default this process's own. Raises ConfigError.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        directory: Path = Path(),
        progress: Progress = lambda _what: None,
        shared_file: Path | None = None,
        secret: str = "",
        environ: Mapping[str, str] | None = None,
        key_use: KeyUse | None = None,
    ) -> None:
        environ = os.environ if environ is None else environ
        variables.check_set(unset_variables(settings, environ))
        self.settings = settings
        self.metrics = Metrics()
        agents = Agents(settings, directory, environ, report=partial(report_agent_error, self.metrics))
        self._close_agents, self._prepare_agents = agents.close, agents.prepare
        self.agents: dict[str, AgentFactory] = agents.numbers
        """By the number that was dialled; those of all other numbers under the empty key."""
        self._secret = secret or service_secret(settings, environ)
        self._logins = build_logins(settings.console, environ, self._secret)
        self.carriers = (
            *build_carriers(settings.carriers, environ, unsigned=settings.gateway.development_unsigned),
            *browser_phone(settings.console, self._logins),
        )
        open_client = partial(HttpClient, settings.http, directory=directory, environ=environ)
        self._open_client = open_client
        redis_url = redis_address(settings.store, environ)
        self.listening = ListeningService(
            settings.listening,
            clock=time.monotonic,
            open_client=open_client,
            recognisers=[its.recogniser for number, its in every_profile(settings) if number in self.agents],
            seconds=[its.second_recogniser for number, its in every_profile(settings) if number in self.agents],
            environ=environ,
        )
        self.speech = SpeechService(
            settings.speaking,
            directory=directory,
            redis_url=redis_url,
            redis_prefix=settings.store.redis_prefix,
            secret=self._secret,
            worker=settings.worker,
            environ=environ,
            open_client=open_client,
            formats=tuple(dict.fromkeys(carrier.open_stream().our_format for carrier in self.carriers))
            or (MULAW_8000,),
        )
        self.gateway: Gateway | None = None
        self._directory = directory
        self._environ = environ
        self._key_use = key_use
        self._progress = progress
        self.store: Store = open_store(
            settings.store, secret=self._secret, redis_url=redis_url, shared_file=shared_file
        )
        counted_in = settings.gateway.allowances.file
        self._tallies = open_tallies(directory / counted_in, redis_url) if counted_in else self.store
        self._recorder: Recorder | None = None
        self._sound_recorder: SoundRecorder | None = None
        self._closers: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port in use, once started."""
        return 0 if self.gateway is None else self.gateway.port

    async def start(self, host: str, port: int, *, reuse_port: bool = False, listen_when_warm: bool = False) -> None:
        """Listen, load and warm everything, then admit calls. On failure nothing is left running.

        The port answers from the beginning, callers hear that all lines are busy until the warm-up is over; where
        others share the port, it may be theirs until then (`listen_when_warm`).
        """
        try:
            await self._start(host, port, reuse_port=reuse_port, listen_when_warm=listen_when_warm)
        except BaseException:
            await self.stop()
            raise

    async def _start(self, host: str, port: int, *, reuse_port: bool, listen_when_warm: bool) -> None:
        settings = self.settings
        after_call = self._open_post()
        self._open_recorders()
        forks = open_forks(settings.telemetry.forks, self._environ, self.metrics, self._open_client)
        traces = self._open_traces()
        detection = open_detection(settings.listening.detector, self._directory, self.metrics)
        self.gateway = Gateway(
            settings.gateway,
            call_profiles(settings, self.agents, self.listening, self.speech),
            self.carriers,
            metrics=self.metrics,
            observers=CallObservers(self._recorder, self._sound_recorder, after_call, forks, traces, detection),
            store=self.store,
            tallies=self._tallies,
            ticket_secret=self._secret,
            headroom=self._headroom,
            speech=self.speech,
            open_client=self._open_client,
            environ=self._environ,
            key_use=self._key_use,
        )
        self.gateway.relieve = self._relieve
        self._closers = [
            ("store", self.store.close),
            ("listening", self.listening.close),
            ("speech", self.speech.close),
            ("agents", self._close_agents),
            ("gateway", self.gateway.stop),
        ]
        if detection is not None:
            self._closers.insert(0, ("detector of voices", detection.close))
        if traces is not None:
            self._closers.insert(0, ("traces", partial(asyncio.to_thread, traces.close)))
        for fork in forks:
            self._closers.insert(0, (f"fork to {fork.name}", fork.close))
        if after_call is not None:
            self._closers.insert(0, ("reports of calls", after_call.close))
            await after_call.start()
        console = self._open_console(self.gateway)
        await self.store.start()
        await self._start_tallies()
        if console is not None:
            await console.start()
        if not listen_when_warm:
            await self._listen(host, port, reuse_port=reuse_port)
        for mistake in not_understood(self.settings):
            self._progress(f"warning: {mistake}; {MULTILINGUAL}")
        self._progress("loading voice activity, speech recognition and the voice")
        languages = asyncio.to_thread(read_languages)
        await _all_of(self.listening.start(), self.speech.start(), self._prepare_agents(), languages)
        await self._warm()
        self._refreshing = asyncio.create_task(self._refresh())
        if listen_when_warm:
            await self._listen(host, port, reuse_port=reuse_port)
        self.gateway.open_doors()
        self._progress("ready for calls")

    async def _listen(self, host: str, port: int, *, reuse_port: bool) -> None:
        assert self.gateway is not None
        await self.gateway.start(host, port, reuse_port=reuse_port)
        self._progress(f"listening on {host}:{self.gateway.port}")

    async def _start_tallies(self) -> None:
        if self._tallies is self.store:
            return
        try:
            await self._tallies.start()
        except (OSError, sqlite3.Error) as error:
            file = self.settings.gateway.allowances.file
            raise ConfigError(f"gateway.allowances.file: {file} cannot be used: {error}") from None
        self._closers.insert(0, ("allowances", self._tallies.close))

    def _open_recorders(self) -> None:
        """Those who write calls to files, where somebody wants them."""
        wanted = self.settings.telemetry
        if wanted.record_directory:
            make_folder(self._directory / wanted.record_directory, "telemetry.record_directory")
            self._recorder = Recorder(
                self._directory / wanted.record_directory,
                self.metrics,
                max_waiting=wanted.record_waiting,
                keep_days=wanted.record_days,
            )
        recording = wanted.recording
        if recording.directory:
            make_folder(self._directory / recording.directory, "telemetry.recording.directory")
            self._sound_recorder = SoundRecorder(
                self._directory / recording.directory, self.metrics, keep_days=recording.days
            )

    def _open_console(self, gateway: Gateway) -> Console | None:
        """The pages about calls, for those who may log in."""
        if self._logins is None:
            return None
        console = build_console(
            self.settings.console,
            self._logins,
            gateway,
            self.store,
            self.settings.telemetry,
            self._directory,
            public_url=self.settings.gateway.public_url,
        )
        gateway.add_pages(console)
        self._closers.append(("console", console.close))
        return console

    def _open_post(self) -> AfterCallPost | None:
        """Whoever delivers the reports of calls, where somebody wants them."""
        wanted = self.settings.after_call
        if not wanted.url:
            return None
        make_folder(self._directory / wanted.directory, "after_call.directory")
        keys = report_keys(wanted, self._environ)
        return AfterCallPost(wanted, keys, self._open_client(), self.metrics, directory=self._directory)

    def _open_traces(self) -> Traces | None:
        """Whoever sends the spans of calls, where somebody wants them."""
        wanted, http = self.settings.telemetry.traces, self.settings.http
        if not wanted.url:
            return None
        bundle = self._directory / http.ca_bundle if http.ca_bundle else None
        return Traces(wanted, self._environ, self._open_client(), ca_bundle=bundle)

    async def run(self, stop: StopSignals) -> None:
        """Serve until asked to stop, then drain; the second time end at once."""
        assert self.gateway is not None
        await stop.asked.wait()
        if stop.orphaned:
            self._progress(f"the parent process is gone: {self.gateway.calls} calls are told goodbye")
        else:
            self._progress(f"draining, {self.gateway.calls} calls in progress; a second signal ends them now")
        drain = asyncio.create_task(self.gateway.drain(0.0 if stop.orphaned else None))
        hurry = asyncio.create_task(stop.hurried.wait())
        await asyncio.wait({drain, hurry}, return_when=asyncio.FIRST_COMPLETED)
        drain.cancel()
        hurry.cancel()

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
        if self._sound_recorder is not None:
            await asyncio.to_thread(self._sound_recorder.close)
            self._sound_recorder = None

    async def _warm(self) -> None:
        """Make the phrases; while no speech worker can, callers are better off with a busy line than with silence."""
        lines = fixed_lines(self.settings, self.agents)

        def progress(done: int, total: int, _text: str) -> None:
            if done * _WARM_REPORTS // total > (done - 1) * _WARM_REPORTS // total:
                self._progress(f"{done} of {total} phrases that callers will hear are ready")

        while True:
            await self._check_voices(lines)
            try:
                await warm_up(self.speech, lines, progress=progress)
                return
            except VoiceError as error:
                self._progress(f"no speech yet ({error}); trying again")
                await asyncio.sleep(_WARM_AGAIN_S)

    async def _check_voices(self, lines: Sequence[FixedLine]) -> None:
        """Raises ConfigError for a voice that no worker has; nothing is said while none answers."""
        known = self.speech.voices
        aliases = self.settings.gateway.speech_api.voices.values()
        defaults = (its.voice for _, its in every_profile(self.settings))
        wanted = {*defaults, *(line.voice or "" for line in lines), *aliases} - {""}
        for voice in sorted(wanted - known.keys()) if known else ():
            try:
                await self.speech.warm([_TRIAL], voice=voice)  # the worker says why it has none of this name
            except VoiceError as error:
                raise ConfigError(f"there is no voice {voice!r}, only {', '.join(known)}: {error}") from None

    def _headroom(self) -> float:
        """0..1 for the scarcer of listening and speech. A worker that restarts is not a full one: the cache speaks."""
        speech = self.speech.headroom() if self.speech.ready else 1.0
        return min(self.listening.headroom(), speech)

    def _relieve(self, rung: Rung) -> None:
        self.speech.relieve(**relief(rung))

    async def _refresh(self) -> None:
        """Keep the rooms' own counters on the metrics page, and give back what calls that are over needed."""
        used = False
        costs = VendorCosts(self.metrics)
        while True:
            costs.update(self.speech.usage(), self.listening.usage())
            for name, value in {**self.listening.stats(), **self.speech.stats()}.items():
                self.metrics.rooms.labels(name).set(value)
            await asyncio.sleep(_REFRESH_S)
            idle = self.gateway is not None and not self.gateway.calls
            if used and idle:
                memory.give_back()  # it stops the process for a moment, which no call is there to hear
            used = not idle


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
