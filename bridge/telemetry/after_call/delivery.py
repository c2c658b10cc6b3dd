"""Reports of calls, from a process's memory to the disk, and from the disk to whoever wants them.

A report is kept before it is sent, and forgotten when the receiver has said 2xx. While the receiver is away or
overloaded nothing is sent for a while, longer each time; a report that it refuses waits by itself, the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import aiohttp

from bridge import variables
from bridge.addresses import is_address
from bridge.errors import ConfigError
from bridge.http import HttpClient
from bridge.telemetry import logs
from bridge.telemetry.after_call import signing
from bridge.telemetry.after_call.outbox import Outbox, WaitingReport
from bridge.telemetry.after_call.reporter import CallReporter
from bridge.telemetry.after_call.settings import AfterCallSettings
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")

_AT_ONCE = 4
"""Reports under way at a time."""
_LOOK_EVERY_S = 30.0
"""How often the folder is looked through for what another process has left behind."""
_LAST_S = 2.0
"""How long a service that stops still delivers."""
_PASSING = frozenset({408, 425, 429})
"""Refusals that say nothing about the report itself."""
_MOST_UNWRITTEN = 1000
"""Reports in memory, should the disk stand still."""
_LONGEST_PATIENCE_S = 86_400.0
"""However long the receiver asks us to wait."""


def report_keys(settings: AfterCallSettings, environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """The keys that sign reports. Raises ConfigError where there are none: nobody could tell a genuine report."""
    if not is_address(settings.url):
        raise ConfigError(f"after_call.url: {settings.url!r}: expected an address that starts with http:// or https://")
    secrets = variables.values(settings.secret_env, environ)
    if not secrets:
        raise ConfigError(
            f"after_call.url: reports are signed: set {settings.secret_env or 'after_call.secret_env'} to a long "
            "random text (for example: openssl rand -hex 32)"
        )
    return tuple(signing.key_of(secret) for secret in secrets)


class _Fate(Enum):
    DELIVERED = "delivered"
    REFUSED = "refused"
    """The receiver does not want this report, and perhaps others."""
    FAILED = "failed"
    """The receiver cannot be reached, or cannot take anything now."""


class _Answer(NamedTuple):
    """What became of one attempt."""

    fate: _Fate
    why: str = ""
    patience_s: float = 0.0
    """How long the receiver asks us to wait."""


class AfterCallPost:
    """The post office of one process. `random` is 0..1, `clock` that of files, in seconds since 1970."""

    def __init__(
        self,
        settings: AfterCallSettings,
        keys: tuple[bytes, ...],
        http: HttpClient,
        metrics: Metrics,
        *,
        directory: Path = Path(),
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self._keys = keys
        self._http = http
        self._metrics = metrics
        self._clock = clock
        self._chance = chance
        self._outbox = Outbox(
            directory / settings.directory,
            most_waiting=settings.most_waiting,
            most_bytes=settings.most_waiting_bytes,
        )
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="after-call")
        self._unwritten = 0
        self._written = asyncio.Event()
        self._news = asyncio.Event()
        self._delivering = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._refusals: dict[str, int] = {}

    async def start(self) -> None:
        """Begin to deliver, what an earlier process has left first. Raises OSError for a folder that cannot be used."""
        await self._on_disk(self._outbox.open)
        await self._on_disk(self._outbox.sweep, self._clock())
        self._running = asyncio.get_running_loop().create_task(self._deliver_for_ever())

    def open_call(self, **about: Any) -> CallReporter:
        """Begin to follow a call for its report; `about` is what `CallReporter` is told of it."""
        return CallReporter(self, self._clock, words=self.settings.words, **about)

    def put(self, identifier: str, body: bytes) -> None:
        """Keep a report and deliver it; never waits."""
        if self._unwritten >= _MOST_UNWRITTEN:
            self._count("lost")
            logger.error("a report of a call is lost, the disk does not take it: %s", identifier)
            return
        self._unwritten += 1
        asyncio.get_running_loop().run_in_executor(
            self._disk, self._outbox.put, identifier, body, self._clock()
        ).add_done_callback(partial(self._kept, identifier))

    def _kept(self, identifier: str, writing: asyncio.Future[int]) -> None:
        self._unwritten -= 1
        self._written.set()
        error = writing.exception()
        if error is not None:
            self._count("lost")
            logger.error("a report of a call is lost: %s: %s", identifier, error)
            return
        for _ in range(writing.result()):
            self._count("lost")
        self._news.set()

    async def close(self) -> None:
        """Have everything on the disk, and try once more; what is left is delivered by whoever comes next."""
        while self._unwritten:
            self._written.clear()
            await self._written.wait()
        if self._running is not None and not self._running.done():
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(_LAST_S):
                    await self.deliver_due()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._disk.shutdown()
        await self._http.close()

    # -- delivering ----------------------------------------------------------------------------------

    async def _deliver_for_ever(self) -> None:
        while True:
            self._news.clear()
            try:
                wait_s = await self.deliver_due()
            except OSError as error:
                logger.error("the folder of reports cannot be read: %s", error)
                wait_s = _LOOK_EVERY_S
            try:
                async with asyncio.timeout(wait_s):
                    await self._news.wait()
                    await asyncio.sleep(max(self._not_before - self._clock(), 0.0))
            except TimeoutError:
                pass

    async def deliver_due(self) -> float:
        """Deliver what is due, unless the receiver is away. How long there is nothing to do then, in seconds."""
        async with self._delivering:
            return await self._deliver_due()

    async def _deliver_due(self) -> float:
        reports = await self._on_disk(self._outbox.waiting)
        self._metrics.after_call_waiting.set(len(reports))
        now = self._clock()
        due = [report for report in reports if report.due_at <= now]
        for start in range(0, len(due), _AT_ONCE):
            if self._clock() < self._not_before:
                break
            sent = await asyncio.gather(*map(self._deliver, due[start : start + _AT_ONCE]))
            self._learn([answer for answer in sent if answer is not None])
        now = self._clock()
        if now < self._not_before:
            return min(self._not_before - now, _LOOK_EVERY_S)
        later = [report.due_at - now for report in reports if report.due_at > now]
        return min(max(min(later, default=_LOOK_EVERY_S), 0.01), _LOOK_EVERY_S)

    def _learn(self, answers: list[_Answer]) -> None:
        """Leave the receiver in peace for a while when it could not be reached; longer each time."""
        failed = [answer for answer in answers if answer.fate is _Fate.FAILED]
        if len(failed) < len(answers):
            self._failures = 0
        if failed:
            self._failures += 1
            wait_s = self._wait_s(self._failures, max(answer.patience_s for answer in failed))
            self._not_before = self._clock() + wait_s
            self._tell(f"{failed[0].why}; {len(failed)} at once", wait_s)

    async def _deliver(self, report: WaitingReport) -> _Answer | None:
        """Deliver one report, unless another process does; one that is refused waits by itself."""
        claim = self._outbox.claimed(report)
        body = await self._on_disk(claim.__enter__)
        try:
            if body is None:
                return None
            answer = await self._send(report.identifier, body)
            self._count(answer.fate.value)
            if answer.fate is _Fate.DELIVERED:
                await self._on_disk(self._outbox.delivered, report)
                self._refusals.pop(report.identifier, None)
                self._metrics.after_call_waiting.dec()
            elif answer.fate is _Fate.REFUSED:
                tries = self._refusals[report.identifier] = self._refusals.get(report.identifier, 0) + 1
                wait_s = self._wait_s(tries, 0.0)
                await self._on_disk(self._outbox.postpone, report, self._clock() + wait_s)
                self._tell(f"{report.identifier}: {answer.why}", wait_s)
            return answer
        finally:
            await self._on_disk(claim.__exit__, None, None, None)

    def _tell(self, why: str, wait_s: float) -> None:
        again_in_s = round(wait_s, 1)
        logs.event(logger, "report of a call not delivered", logging.WARNING, why=why, again_in_s=again_in_s)

    async def _send(self, identifier: str, body: bytes) -> _Answer:
        """Post one report, and say what became of it."""
        signed = signing.headers(self._keys, identifier, int(self._clock()), body)
        try:
            async with asyncio.timeout(self.settings.deadline_s):
                answer = await self._http.request(
                    "POST",
                    self.settings.url,
                    data=body,
                    headers={"Content-Type": "application/json", **signed},
                    allow_redirects=False,
                )
        except TimeoutError:
            return _Answer(_Fate.FAILED, f"no answer in {self.settings.deadline_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return _Answer(_Fate.FAILED, type(error).__name__)
        answer.close()  # whatever else it has to say
        if 200 <= answer.status < 300:
            return _Answer(_Fate.DELIVERED)
        why = f"the receiver answered {answer.status}"
        if answer.status in _PASSING or answer.status >= 500:
            return _Answer(_Fate.FAILED, why, _seconds(answer.headers.get("Retry-After", "")))
        return _Answer(_Fate.REFUSED, why)

    def _wait_s(self, tries: int, patience_s: float) -> float:
        """The wait after so many failures in a row, spread by a quarter so that processes do not march in step."""
        wait_s = min(self.settings.first_retry_s * 2.0 ** min(tries - 1, 30), self.settings.longest_retry_s)
        return max(float(wait_s) * (0.75 + 0.5 * self._chance()), patience_s)

    def _count(self, what: str) -> None:
        self._metrics.after_call_reports.labels(what).inc()

    def _on_disk(self, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._disk, work, *arguments)


def _seconds(retry_after: str) -> float:
    """The seconds of a `Retry-After`; a date in it, which few servers send, is not read."""
    if not (retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 9):
        return 0.0
    return min(float(retry_after), _LONGEST_PATIENCE_S)
