"""Spans of calls, as a collector receives them over HTTP."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bridge.errors import ConfigError
from bridge.gateway.observers import CallObservers
from bridge.http import HttpClient, HttpSettings
from bridge.telemetry.settings import TraceSettings
from bridge.telemetry.traces import Traces
from tests.gateway.carrier import CALL, CALLER, running
from tests.gateway.doubles import FRAME


@dataclass
class Collector:
    url: str = ""
    status: int = 200
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        self.requests.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(status=self.status)

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    try:
        yield collector
    finally:
        await runner.cleanup()


def traces(url: str, share: float = 1.0, **environ: str) -> Traces:
    settings = TraceSettings(url=url, share=share, token_env="OTLP_TOKEN", service="desk")
    return Traces(settings, environ, HttpClient(environ={}), chance=lambda: 0.5)


async def greeted(observers: CallObservers) -> None:
    """A caller is greeted, presses a key and is told goodbye."""
    async with running(observers=observers) as carrier:
        leg = await carrier.call()
        await leg.until_audio(len(FRAME) * len("hello"))
        await leg.press("9")
        assert await leg.until_closed() == 1000
        await carrier.until_calls(0)


def attributes(span: Span) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in span.attributes}


async def test_a_call_its_turns_and_what_each_was_spent_on_reach_the_collector() -> None:
    async with collecting() as collector:
        tracing = traces(collector.url, OTLP_TOKEN="a-token")
        await greeted(CallObservers(traces=tracing))
        await asyncio.to_thread(tracing.close)
        (call,) = [span for span in collector.spans if span.name == "call"]
        turns = [span for span in collector.spans if span.name == "turn"]
        assert attributes(call) == {"bridge.call": CALL, "bridge.carrier": "twilio", "bridge.agent": ""}
        assert [attributes(turn)["bridge.prompt"] for turn in turns] == ["call_started", "digits"]
        for turn in turns:
            assert turn.parent_span_id == call.span_id
            assert attributes(turn)["bridge.answered"] is True
            assert "first audio" in [event.name for event in turn.events]
            stages = [span for span in collector.spans if span.parent_span_id == turn.span_id]
            assert {stage.name for stage in stages} == {"agent", "speak"}
            for stage in stages:
                assert turn.start_time_unix_nano <= stage.start_time_unix_nano <= stage.end_time_unix_nano
                assert stage.end_time_unix_nano <= turn.end_time_unix_nano <= call.end_time_unix_nano
        assert {span.trace_id for span in collector.spans} == {call.trace_id}
        assert collector.headers[0]["Authorization"] == "Bearer a-token"
        (resource,) = {
            one.value.string_value
            for request in collector.requests
            for spans in request.resource_spans
            for one in spans.resource.attributes
            if one.key == "service.name"
        }
        assert resource == "desk"
        assert CALLER.encode() not in b"".join(one.SerializeToString() for one in collector.requests)


async def test_only_a_share_of_the_calls_is_traced() -> None:
    async with collecting() as collector:
        tracing = traces(collector.url, share=0.4)
        await greeted(CallObservers(traces=tracing))
        await asyncio.to_thread(tracing.close)
        assert collector.spans == []


async def test_a_collector_that_is_away_costs_the_call_nothing() -> None:
    async with collecting() as gone:
        url = gone.url
    tracing = traces(url)
    await greeted(CallObservers(traces=tracing))
    closing = asyncio.create_task(asyncio.to_thread(tracing.close))
    async with asyncio.timeout(60):
        await closing


def test_without_the_packages_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match=r"bridge\[traces\]"):
        traces("http://127.0.0.1:4318/v1/traces")


def test_a_token_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(ConfigError, match="OTLP_TOKEN"):
        traces("http://127.0.0.1:4318/v1/traces", OTLP_TOKEN="a\nb")


async def test_spans_go_through_the_proxy_of_the_settings() -> None:
    asked: list[str] = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    proxy = await asyncio.start_server(forward, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    http = HttpClient(HttpSettings(proxy=f"http://127.0.0.1:{port}"), environ={})
    tracing = Traces(TraceSettings(url="http://collector.example.com/v1/traces"), {}, http)
    await greeted(CallObservers(traces=tracing))
    await asyncio.to_thread(tracing.close)
    proxy.close()
    assert asked
    assert asked[0].startswith("POST http://collector.example.com/v1/traces ")


@pytest.mark.parametrize("url", ["collector:4318", "ws://collector", "http://", "http://host:0/", "http://[::1/v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected an address such as http"):
        TraceSettings(url=url)
