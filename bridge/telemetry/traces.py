"""Spans of calls for an OpenTelemetry collector: one for the call, one for each turn, one for each of its stages.

They say how long what took, and hold no word, digit or number of anybody. The OpenTelemetry packages are an extra
(`bridge[traces]`), load only where traces are wanted, and send from a thread of their own.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge import variables
from bridge.call.commands import Command
from bridge.call.events import Event
from bridge.errors import ConfigError
from bridge.http import HttpClient
from bridge.telemetry.settings import TraceSettings
from bridge.telemetry.turns import Turn, TurnStage, TurnWatch

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

logger = logging.getLogger(__name__)

_DEADLINE_S = 5.0
_WAITING = 8192
"""Spans that wait to be sent; beyond it the newest are lost, and the packages say so in the log."""


class CallTrace:
    """The spans of one call, a tap of its session: its methods never wait."""

    def __init__(self, tracer: Tracer, about: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._tracer = tracer
        self._clock = clock
        self._turns = TurnWatch()
        self._began_s = clock()
        self._last_at = 0.0
        self._known = False
        self._about = {f"bridge.{name}": value for name, value in about.items()}
        self._call: Span | None = None

    def sound(self, place: int, caller: bytes, ours: bytes) -> None:
        """Sound is no span's business."""

    def moment(self, at: float, event: Event, commands: Sequence[Command]) -> None:
        """Take note of an event; the spans of turns that are over are passed on."""
        self._last_at = max(at, self._last_at)
        if not self._known:  # the time of day at the call's start, which is where its clock begins
            self._known = True
            self._began_s = self._clock() - at
        for turn in self._turns.saw(at, event, commands):
            self._tell(turn)

    def ended(self) -> None:
        """The call is over: pass on its last turn, and itself."""
        for turn in self._turns.ended(self._last_at):
            self._tell(turn)
        self._root().end(self._ns(self._last_at))

    def _ns(self, at: float) -> int:
        return round((self._began_s + at) * 1e9)

    def _root(self) -> Span:
        if self._call is None:
            self._call = self._tracer.start_span("call", start_time=self._ns(0.0), attributes=self._about)
        return self._call

    def _tell(self, turn: Turn) -> None:
        from opentelemetry.trace import set_span_in_context

        began_at = min([turn.began_at, *(stage.began_at for stage in turn.stages)])
        attributes: dict[str, Any] = {
            "bridge.prompt": turn.kind,
            "bridge.guesses": turn.guesses,
            "bridge.interrupted": turn.interrupted,
            "bridge.answered": turn.answered_at is not None,
        }
        if turn.answered_at is not None:
            attributes["bridge.reply_ms"] = round((turn.answered_at - turn.began_at) * 1000)
        inside = set_span_in_context(self._root())
        span = self._tracer.start_span("turn", inside, start_time=self._ns(began_at), attributes=attributes)
        span.add_event("caller finished" if turn.kind == "caller_said" else "asked", timestamp=self._ns(turn.began_at))
        if turn.answered_at is not None:
            span.add_event("first audio", timestamp=self._ns(turn.answered_at))
        within = set_span_in_context(span)
        for stage in turn.stages:
            self._tell_stage(stage, turn, within)
        span.end(self._ns(turn.ended_at))

    def _tell_stage(self, stage: TurnStage, turn: Turn, within: Any) -> None:
        from opentelemetry.trace import Status, StatusCode

        span = self._tracer.start_span(stage.name, within, start_time=self._ns(stage.began_at))
        if stage.first_at is not None:
            span.add_event("first words", timestamp=self._ns(stage.first_at))
        if stage.failed == "failed":
            span.set_status(Status(StatusCode.ERROR))
        elif stage.failed:
            span.set_attribute("bridge.ended_by", stage.failed)
        span.end(self._ns(turn.ended_at if stage.ended_at is None else stage.ended_at))


class Traces:
    """Makes the traces of a process's calls and sends them. Raises ConfigError for what is missing or cannot be used.

    `chance` is 0..1 and decides which calls are traced; `exporter` stands in for the network in whoever tests this.
    """

    def __init__(
        self,
        settings: TraceSettings,
        environ: Mapping[str, str],
        http: HttpClient,
        *,
        ca_bundle: Path | None = None,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        exporter: SpanExporter | None = None,
    ) -> None:
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise ConfigError("telemetry.traces: needs OpenTelemetry: pip install 'bridge[traces]'") from None
        self._settings = settings
        self._clock = clock
        self._chance = chance
        resource = Resource.create({"service.name": settings.service})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = exporter or _exporter(settings, environ, http, ca_bundle)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_WAITING))
        self._tracer = self._provider.get_tracer("bridge")

    def open_call(self, about: Mapping[str, str]) -> CallTrace | None:
        """Begin the trace of a call; None where this one is not traced."""
        if self._chance() >= self._settings.share:
            return None
        return CallTrace(self._tracer, about, self._clock)

    def close(self) -> None:
        """Send what waits, for a moment; to be called off the event loop."""
        self._provider.force_flush(round(_DEADLINE_S * 1000))
        self._provider.shutdown()


def _exporter(
    settings: TraceSettings, environ: Mapping[str, str], http: HttpClient, ca_bundle: Path | None
) -> SpanExporter:
    """Sends spans as OTLP over HTTP, by the way on which the service reaches everybody else."""
    try:
        import requests
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise ConfigError("telemetry.traces: needs OpenTelemetry: pip install 'bridge[traces]'") from None
    token = variables.header(settings.token_env, environ)
    session = requests.Session()
    session.trust_env = False
    proxy = http.proxy_for(settings.url)
    if proxy is not None:
        session.proxies = {"http": proxy, "https": proxy}
    return OTLPSpanExporter(
        settings.url,
        certificate_file=None if ca_bundle is None else str(ca_bundle),
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=_DEADLINE_S,
        session=session,
    )
