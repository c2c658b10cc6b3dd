"""One gateway process: its parts put together, its routes on a port, its drain.

`GET /healthz` says that the process lives, `GET /readyz` that it takes new calls, or why it does not; how it fares
stands in `bridge.gateway.metrics_port`.
Below `/v1/` speech is offered to other programs (`bridge.api.speech`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aiohttp import web

from bridge import variables
from bridge.api.access import speech_keys
from bridge.api.socket import SpeechSockets
from bridge.api.speech import SpeechApi, SpeechSource
from bridge.api.use import KeyUse
from bridge.call.states import EndReason
from bridge.carriers.base import Carrier
from bridge.errors import ConfigError
from bridge.gateway.endpoint import MediaEndpoint
from bridge.gateway.hold_music import TUNE, serve_tune
from bridge.gateway.ladder import Rung
from bridge.gateway.metrics_port import MetricsPage
from bridge.gateway.observers import NOBODY, CallObservers
from bridge.gateway.process import BEGUN, OVER, open_process
from bridge.gateway.routes import CarrierRoutes
from bridge.gateway.settings import GatewaySettings
from bridge.http import HttpClient, OpenClient
from bridge.session.profiles import CallProfiles
from bridge.store.base import Store
from bridge.store.memory import MemoryStore
from bridge.system.connections import Connections, LimitedSite, limits_of_requests
from bridge.system.process_name import still_runs
from bridge.telemetry import logs
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_BACKLOG = 1024
_NEWS_S = 0.3
"""By then processes that were told to stop at the same time know of each other."""
_SURELY_S = 1.5
"""Who takes calls now and is about to stop as well has told so by then: somebody must keep the port."""


class Pages(Protocol):
    """Somebody who serves routes of their own on the service's port."""

    def add_to(self, app: web.Application) -> None:
        """Register the routes with the application."""
        ...


class Gateway:
    """A gateway process. Make it on a running loop; `start`, `open_doors`, then `drain` and `stop`.

    Raises ConfigError when the settings would leave requests unchecked. `carriers` are those whose calls are taken, and
    `profiles` say what each is held with.
    `tallies` is where allowances are counted, by default in the `store`.
    `ticket_secret`, `store` and `key_use` are shared by the processes of one port. `speech` is what the speech API
    speaks with; without it there is none. `open_client` reaches the carriers' REST APIs. The secrets that `settings`
    name are those of `environ`. Raises ConfigError for one that cannot be used.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        profiles: CallProfiles,
        carriers: Sequence[Carrier],
        *,
        metrics: Metrics | None = None,
        observers: CallObservers = NOBODY,
        store: Store | None = None,
        tallies: Store | None = None,
        ticket_secret: str = "",
        headroom: Callable[[], float] = lambda: 1.0,
        speech: SpeechSource | None = None,
        open_client: OpenClient = HttpClient,
        environ: Mapping[str, str] = os.environ,
        key_use: KeyUse | None = None,
    ) -> None:
        self.metrics = metrics or Metrics()
        self._settings = settings
        store = store or MemoryStore()
        self.process = open_process(
            settings,
            profiles,
            store=store,
            tallies=tallies or store,
            ticket_secret=ticket_secret or secrets.token_hex(16),
            metrics=self.metrics,
            observers=observers,
            headroom=headroom,
            open_client=open_client,
        )
        self.media = MediaEndpoint(self.process)
        self._carriers = [CarrierRoutes(carrier, self.process, self.media) for carrier in carriers]
        self._speech_api = SpeechApi(
            settings.speech_api,
            speech,
            self.process.admission,
            self.metrics,
            keys=speech_keys(settings.speech_api, environ),
            use=key_use,
        )
        self._speech_sockets = SpeechSockets(self._speech_api)
        self._metrics_page = MetricsPage(
            settings.metrics,
            self.metrics,
            token=variables.header(settings.metrics.token_env, environ),
            open_to_all=settings.development_unsigned,
            connections=settings.connections,
        )
        self._pages: list[Pages] = []
        self._unwatch: list[Callable[[], None]] = []
        self._runner: web.AppRunner | None = None
        self._site: LimitedSite | None = None
        self._connections: Connections | None = None
        self._shares_port = self._left = False
        self.relieve: Callable[[Rung], None] = lambda _rung: None
        """Told what this process gives up, when that changes."""
        self.port = 0
        """The port in use, once started."""

    @property
    def calls(self) -> int:
        """The number of calls in progress."""
        return self.process.admission.calls

    def add_pages(self, pages: Pages) -> None:
        """Serve these routes, too; to be called before `start`."""
        self._pages.append(pages)

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """Listen; calls are turned away as busy until `open_doors`. Raises ConfigError when the port is taken."""
        app = web.Application(client_max_size=self._settings.max_webhook_bytes, middlewares=[limits_of_requests])
        for carrier in self._carriers:
            carrier.add_to(app)
        self._speech_api.add_to(app)
        self._speech_sockets.add_to(app)
        for pages in self._pages:
            pages.add_to(app)
        app.router.add_get("/healthz", self._health)
        app.router.add_get(TUNE, serve_tune)
        app.router.add_get("/readyz", self._ready)
        self._metrics_page.add_to(app)
        limits = self._connections = Connections(
            self._settings.connections,
            count=lambda why: self.metrics.connections_refused.labels(why).inc(),
            tell_open=self.metrics.connections.set,
            is_exempt=self.process.signatures.is_proxy,
        )
        app.on_shutdown.append(limits.close)
        # No access log: a line for each frame's socket says nothing that the metrics do not.
        # No decompression: nobody here is sent compressed bodies but by those who want to make us unpack them.
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=1.0, auto_decompress=False
        )
        await self._runner.setup()
        site = self._site = LimitedSite(self._runner, host, port, limits, backlog=_BACKLOG, reuse_port=reuse_port)
        try:
            await site.start()
            await self._metrics_page.start(reuse_port=reuse_port)
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
        self.port, self._shares_port = _port_of(self._runner), reuse_port
        self.process.lag.each_second = self._each_second
        self.process.lag.start()
        self.process.keeper.taken = self.media.moved
        watch = self.process.store.watch
        self._unwatch = [
            watch(BEGUN, self._begun),
            watch(OVER, self._over),
        ]
        self.process.neighbours.start()

    def _each_second(self) -> None:
        """Show how full this process is, and give up what it cannot afford under this pressure."""
        admission = self.process.admission
        self.metrics.use.set(admission.use)
        self.metrics.tasks.set(len(asyncio.all_tasks()))
        self.process.spending.meter({key: session.seconds for key, session in self.media.sessions().items()})
        before, rung = admission.rung, admission.feel()
        if rung is before:
            return
        self.metrics.pressure_rung.set(rung)
        if rung > before:
            self.metrics.pressure_climbs.labels(rung.label).inc()
        logs.event(logger, "pressure", logging.WARNING if rung > before else logging.INFO, rung=rung.label)
        if Rung.CALM in (before, rung):
            self.media.speculate(allowed=rung is Rung.CALM)
        self.relieve(rung)

    def _begun(self, key: str, process: bytes) -> None:
        """A call's stream has come to some process."""
        if (name := process.decode()) != self.process.keeper.process:
            call = key.removeprefix(BEGUN)
            self.process.admission.came_elsewhere(call)
            if still_runs(name) is not False:  # late news of a process from which we have the call since it died
                self.media.moved(call)

    def _over(self, key: str, _value: bytes) -> None:
        """A call's carrier has told some process that it is over."""
        self.media.completed(key.removeprefix(OVER))

    def open_doors(self) -> None:
        """Everything is warm: admit calls."""
        self.process.admission.started = True
        self.process.neighbours.changed()
        self.metrics.ready.set(1)
        logs.event(logger, "ready", port=self.port)

    async def drain(self, deadline_s: float | None = None) -> None:
        """Admit nobody and let calls finish; returns when none is left.

        Those that last too long move to another process of the store; where none takes calls, they are asked to end.
        """
        admission = self.process.admission
        if not admission.draining:
            self.metrics.ready.set(0)
            await self._leave_port()
            admission.draining = True
            self.process.neighbours.changed()
            logs.event(logger, "draining", calls=self.calls)
        limit_s = self._settings.drain_deadline_s if deadline_s is None else deadline_s
        if await self._until(self._nobody_needs_us, max(limit_s, _NEWS_S)):
            return
        if self.process.neighbours.serving:
            await self._move_calls()
            return
        logs.event(logger, "asking calls to end", calls=self.calls)
        admission.ending = True
        self.media.end_all(EndReason.DRAIN)
        if not await self._until(lambda: not (self.calls or admission.expected), self._settings.drain_goodbye_s):
            logs.event(logger, "closing calls", logging.WARNING, calls=self.calls)

    async def _move_calls(self) -> None:
        """Leave the calls to the other processes, where their carriers find them once this port is closed.

        Connections that carriers keep are good for one more answer, and then come to another process: one that is
        closed at this moment may have a request on it.
        """
        logs.event(logger, "moving calls", calls=self.calls)
        await self._listen_no_more()
        await self.media.move_all()

    async def _leave_port(self) -> None:
        """Leave new callers to the processes that share this port, if there are any that stay; nobody is told busy."""
        neighbours = self.process.neighbours
        if not self._shares_port or not neighbours.serving:
            return
        neighbours.leave()
        if not await self._until(lambda: not neighbours.serving, _SURELY_S):
            await self._listen_no_more()

    async def _listen_no_more(self) -> None:
        if self._site is not None and not self._left:
            self._left = True
            await self._site.stop()
        if self._connections is not None:
            self._connections.leaving = True

    async def stop(self) -> None:
        """Close what is still open, and the port once the carrier knows what becomes of the calls that were."""
        self.process.admission.draining = self.process.admission.ending = True
        self.process.neighbours.changed()
        self.metrics.ready.set(0)
        if not await self._until(lambda: not self.calls, _NEWS_S) and self.process.neighbours.serving:
            await self._move_calls()
        await self.media.close_all()
        if not await self.process.departures.all_told():
            logs.event(logger, "the carrier did not ask what comes after a stream", logging.WARNING)
        await self._speech_sockets.close()
        for unwatch in self._unwatch:
            unwatch()
        await self.process.neighbours.close()
        await self.process.keeper.close()
        await self._metrics_page.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.process.lag.stop()
        self.process.wheel.close()
        await self.process.warm_transfers.close()
        await self.process.spending.close()
        await self.process.control.close()

    def _nobody_needs_us(self) -> bool:
        """No call goes on here, and none is expected that only this process could answer."""
        process = self.process
        if self.calls:
            return False
        away = process.admission.expected or process.departures.ringing or process.departures.waiting_s > 0
        return bool(process.neighbours.serving) or not away

    async def _until(self, reached: Callable[[], bool], limit_s: float) -> bool:
        until = time.monotonic() + limit_s
        while not reached():
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            await asyncio.sleep(min(left_s, 0.05))
        return True

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _ready(self, _request: web.Request) -> web.Response:
        admission = self.process.admission
        refusing = admission.refusing
        status = {
            "ready": refusing is None,
            "refusing": refusing or "",
            "draining": admission.draining,
            "calls": admission.calls,
            "pressure": admission.rung.label,
            "loop_lag_ms": round(self.process.lag.p90_ms, 1),
        }
        return web.json_response(status, status=200 if refusing is None else 503)


def _port_of(runner: web.AppRunner) -> int:
    for address in runner.addresses:
        if isinstance(address, tuple):
            return int(address[1])
    raise ConfigError("the gateway listens on no TCP port")


def free_port(host: str) -> int:
    """A port that is free now, for processes that must agree on one before they listen."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
