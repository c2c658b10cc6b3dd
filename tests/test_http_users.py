"""Everybody who asks servers elsewhere: through the proxy, with our authority, and once more where a server closed.

One row for each of them; what a proxy is and which one leads where stands in `tests/test_http.py`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trustme
from aiohttp import WSMsgType, web

from bridge.agents.base import CallInfo
from bridge.agents.chat import ChatFactory
from bridge.agents.relay_action import SessionAction
from bridge.agents.settings import ChatSettings, WebSettings
from bridge.agents.tools.factory import build_tools
from bridge.agents.tools.settings import HttpToolSettings, McpSettings
from bridge.agents.web import WebFactory
from bridge.call.actions import HangUp, Prompt, Say
from bridge.carriers.addresses import Addresses
from bridge.carriers.base import CallReference, EndCall
from bridge.carriers.twilio.carrier import TwilioCarrier
from bridge.carriers.twilio.requests import CallsApi
from bridge.config import Settings
from bridge.doctor_network import public_address
from bridge.gateway.control import CallControl
from bridge.gateway.settings import GatewaySettings
from bridge.http import HttpClient, HttpSettings, OpenClient
from bridge.listening.recognisers.base import ExpectedSpeech, Finalised, FinalText, StreamEvent, StreamFailed
from bridge.listening.recognisers.openai_transcriptions import OpenAITranscriptions
from bridge.listening.recognisers.websocket import WebSocketRecogniser
from bridge.listening.settings import OpenAITranscriptionSettings, WebSocketRecogniserSettings
from bridge.speaking.voices.worker import WorkerProvider
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.settings import TraceSettings
from bridge.telemetry.traces import Traces
from bridge.worker import protocol
from bridge.worker.client import connect
from bridge.worker.engines.openai_speech import OpenAiSpeechEngine
from bridge.worker.voice_settings import ServedVoiceSettings
from tests.http_doubles import Closing, Proxy, answer, listening, read_request
from tests.worker.test_openai_speech import linear16, sound

INFO, PROMPT = CallInfo(call_id="x"), Prompt("caller_said", "Hello.")
PATIENCE_S = 60.0

Ask = Callable[[], Awaitable[object]]
"""Put one question; raises, or returns what the server did not say, when that went wrong."""


@asynccontextmanager
async def chat_model(open_client: OpenClient, base: str) -> AsyncIterator[Ask]:
    factory = ChatFactory(ChatSettings(url=base, model="small"), http=open_client())

    async def ask() -> object:
        return [action.text async for action in factory.open_call(INFO).reply(PROMPT) if isinstance(action, Say)]

    yield ask
    await factory.close()


@asynccontextmanager
async def web_agent(open_client: OpenClient, base: str) -> AsyncIterator[Ask]:
    factory = WebFactory(WebSettings(url=base), http=open_client())

    async def ask() -> object:
        return [action.text async for action in factory.open_call(INFO).reply(PROMPT) if isinstance(action, Say)]

    yield ask
    await factory.close()


async def recognised(recogniser: OpenAITranscriptions | WebSocketRecogniser) -> object:
    told: list[StreamEvent] = []
    stream = recogniser.start(ExpectedSpeech(), told.append)
    stream.feed(b"\xff" * 8000, 1.0)
    stream.finalise(1, PATIENCE_S)
    async with asyncio.timeout(PATIENCE_S):
        while not any(isinstance(event, Finalised | StreamFailed) for event in told):
            await asyncio.sleep(0.002)
    stream.close()
    return [event.text if isinstance(event, FinalText) else event for event in told[:1]]


@asynccontextmanager
async def transcriptions(open_client: OpenClient, base: str) -> AsyncIterator[Ask]:
    recogniser = OpenAITranscriptions(OpenAITranscriptionSettings(model="any", url=base), open_client)
    await recogniser.load()
    yield partial(recognised, recogniser)
    await recogniser.unload()


@asynccontextmanager
async def streaming_recogniser(open_client: OpenClient, base: str) -> AsyncIterator[Ask]:
    settings = WebSocketRecogniserSettings(url=base.replace("http", "ws"), connect_s=PATIENCE_S)
    recogniser = WebSocketRecogniser(settings, open_client)
    await recogniser.load()
    yield partial(recognised, recogniser)
    await recogniser.unload()


@asynccontextmanager
async def speech_server(open_client: OpenClient, base: str) -> AsyncIterator[Ask]:
    voice = ServedVoiceSettings(url=base, model="any", first_audio_s=PATIENCE_S)
    engine = OpenAiSpeechEngine(voice, open_client())

    def speak() -> object:
        job, samples = engine.begin("hello", ["hello"], "", 1.0), 0
        while job.kind is not None:
            samples += len(engine.run([job])[0].audio)
        return ["hello"] if samples > len(SPOKEN) / 2 - 480 else samples  # the silence before it is not said

    yield partial(asyncio.to_thread, speak)
    engine.close()


@asynccontextmanager
async def carriers_api(open_client: OpenClient, base: str) -> AsyncIterator[Ask]:
    carrier = TwilioCarrier(["token"], api=CallsApi(base, "AC1", "SK1", "secret"))
    control = CallControl(timeout_s=PATIENCE_S, metrics=Metrics(), open_client=open_client)

    async def ask() -> object:
        done = await control.carry_out(EndCall(), carrier, CallReference("CA1", "AC1"), Addresses("https://x/twilio"))
        return ["hello"] if done else done

    yield ask
    await control.close()


@asynccontextmanager
async def tool_over_http(open_client: OpenClient, base: str) -> AsyncIterator[Ask]:
    settings = HttpToolSettings(name="greet", description="Greet.", url=f"{base}/greet", method="POST")
    box = build_tools([settings], frozenset(), Path(), {}, open_client)
    await box.start()

    async def ask() -> object:
        return [await box.tools()["greet"].call({"name": "x"})]

    yield ask
    await box.close()


@asynccontextmanager
async def session_action(open_client: OpenClient, base: str) -> AsyncIterator[Ask]:
    http = open_client()
    action = SessionAction(f"{base}/action", "", http, PATIENCE_S)

    async def ask() -> object:
        done = await action.ask({"CallSid": "x"})
        return ["hello"] if [type(one) for one in done] == [HangUp] else done

    yield ask
    await http.close()


SPOKEN = linear16(sound("hello"))


@dataclass(frozen=True)
class User:
    """Somebody who speaks to servers, and an answer that means `hello` to them."""

    opened: Callable[[OpenClient, str], AbstractAsyncContextManager[Ask]]
    hello: bytes


USERS = {
    "chat model": User(
        chat_model,
        answer(
            'data: {"choices": [{"delta": {"content": "hello"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n',
            "text/event-stream",
        ),
    ),
    "web agent": User(web_agent, answer('{"type": "say", "text": "hello"}\n', "application/x-ndjson")),
    "transcriptions": User(transcriptions, answer('{"text": "hello"}', "application/json")),
    "speech server": User(speech_server, answer(SPOKEN, "audio/pcm")),
    "tool over HTTP": User(tool_over_http, answer('"hello"', "application/json")),
    "action of a relayed session": User(session_action, answer("<Response><Hangup/></Response>", "application/xml")),
    "carrier's REST API": User(carriers_api, answer("{}", "application/json")),
}


@pytest.mark.parametrize("user", USERS.values(), ids=USERS)
async def test_what_is_asked_over_a_kept_connection_that_just_closed_is_asked_once_more(user: User) -> None:
    server = Closing(says=user.hello)
    async with (
        listening(server.handle) as port,
        user.opened(partial(HttpClient, environ={}), f"http://127.0.0.1:{port}") as ask,
    ):
        assert await ask() == ["hello"]
        assert await ask() == ["hello"]
    assert server.connections == 2
    assert len(server.requests) == 3
    assert all(server.requests)  # with its body, each time


class ForgetfulMcp:
    """An MCP server whose connections take one request, and close without a word on the next."""

    def __init__(self) -> None:
        self.connections = 0
        self.asked: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        raw = await read_request(reader)
        if raw.startswith(b"POST"):
            told = msgspec.json.decode(raw.rpartition(b"\r\n\r\n")[2])
            self.asked.append(told["method"])
            result = self._result(told["method"], told.get("params") or {})
            told_back = {"jsonrpc": "2.0", "id": told.get("id"), "result": result}
            said = answer(msgspec.json.encode(told_back), "application/json")
            writer.write(said if "id" in told else answer("", status="202 Accepted"))
        else:
            writer.write(answer("", status="405 Method Not Allowed"))
        await read_request(reader)

    @staticmethod
    def _result(method: str, params: dict[str, object]) -> object:
        info = {"name": "shop", "version": "1"}
        schema = {"type": "object", "properties": {}}
        match method:
            case "initialize":
                return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list":
                return {"tools": [{"name": "greet", "inputSchema": schema}]}
            case "tools/call":
                return {"content": [{"type": "text", "text": "hello"}]}
            case _:
                return {}


async def test_what_is_asked_of_an_mcp_server_over_a_connection_that_just_closed_is_asked_once_more() -> None:
    pytest.importorskip("mcp")
    server = ForgetfulMcp()
    async with listening(server.handle) as port:
        settings = McpSettings(url=f"http://127.0.0.1:{port}/mcp", deadline_s=PATIENCE_S)
        box = build_tools([settings], frozenset(), Path(), {}, partial(HttpClient, environ={}))
        assert await box.troubles() == {}
        assert [await box.tools()["greet"].call({}) for _ in range(3)] == ["hello"] * 3
        await box.close()
    assert server.asked.count("tools/call") == 3
    assert server.asked.count("initialize") == 1, "the session goes on"


async def test_traces_that_are_sent_over_a_connection_that_just_closed_are_sent_once_more() -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    server = Closing(says=answer(b"", "application/x-protobuf"))
    async with listening(server.handle) as port:
        settings = TraceSettings(url=f"http://127.0.0.1:{port}/v1/traces")
        traces = Traces(settings, {}, HttpClient(environ={}), chance=lambda: 0.0)

        def send() -> None:
            call = traces.open_call({"call": "CA1"})
            assert call is not None
            call.ended()
            assert traces._provider.force_flush(60_000)

        await asyncio.to_thread(send)
        await asyncio.to_thread(send)
        await asyncio.to_thread(traces.close)
    assert server.connections == 2
    assert len(server.requests) == 3


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secured(authority: trustme.CA, tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """TLS for a server of ours, and the authority that vouches for it."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("elsewhere.test").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ours.pem"))
    return tls, tmp_path


@pytest.mark.parametrize("user", USERS.values(), ids=USERS)
async def test_all_of_them_go_through_the_proxy_and_trust_the_bundle(
    user: User, secured: tuple[ssl.SSLContext, Path]
) -> None:
    tls, directory = secured

    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(user.hello)

    async with listening(hello, tls) as port:
        proxy = Proxy(port)
        async with listening(proxy.handle) as proxy_port:
            settings = HttpSettings(ca_bundle="ours.pem", proxy=f"http://127.0.0.1:{proxy_port}")
            client = partial(HttpClient, settings, directory=directory, environ={})
            async with user.opened(client, "https://elsewhere.test") as ask:
                assert await ask() == ["hello"]
    assert proxy.asked == ["CONNECT elsewhere.test:443 HTTP/1.1"]


async def test_a_streaming_recogniser_is_reached_through_the_proxy(secured: tuple[ssl.SSLContext, Path]) -> None:
    tls, directory = secured

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT and "finalise" in message.data:
                number = msgspec.json.decode(message.data)["id"]
                await socket.send_json({"type": "final", "segment": 0, "text": "hello"})
                await socket.send_json({"type": "finalised", "id": number})
        return socket

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    proxy = Proxy(runner.addresses[0][1])
    try:
        async with listening(proxy.handle) as proxy_port:
            settings = HttpSettings(ca_bundle="ours.pem", proxy=f"http://127.0.0.1:{proxy_port}")
            client = partial(HttpClient, settings, directory=directory, environ={})
            async with streaming_recogniser(client, "https://elsewhere.test") as ask:
                assert await ask() == ["hello"]
    finally:
        await runner.cleanup()
    assert proxy.asked == ["CONNECT elsewhere.test:443 HTTP/1.1"]


async def test_a_speech_worker_is_reached_through_the_proxy(secured: tuple[ssl.SSLContext, Path]) -> None:
    tls, directory = secured
    limits = protocol.Limits(4096, 16)
    ready = protocol.Ready(protocol.VERSION, ["heart"], "heart", {"heart": "tiny"}, ["mulaw_8000"], limits)

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(protocol.encode(ready))
        await socket.receive()
        return socket

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    proxy = Proxy(runner.addresses[0][1])
    try:
        async with listening(proxy.handle) as proxy_port:
            settings = HttpSettings(ca_bundle="ours.pem", proxy=f"http://127.0.0.1:{proxy_port}")
            client = partial(HttpClient, settings, directory=directory, environ={})
            provider = WorkerProvider("wss://elsewhere.test", open_client=client)
            greeted = asyncio.Event()
            await provider.start(greeted.set)
            async with asyncio.timeout(PATIENCE_S):
                await greeted.wait()
            assert provider.usable
            await provider.close()
            async with await connect("wss://elsewhere.test", open_client=client) as link:
                assert link.ready == ready
    finally:
        await runner.cleanup()
    assert proxy.asked == ["CONNECT elsewhere.test:443 HTTP/1.1"] * 2


async def test_the_doctor_asks_the_public_address_through_the_proxy(secured: tuple[ssl.SSLContext, Path]) -> None:
    tls, directory = secured

    async def healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer('{"alive": true}', "application/json"))

    async with listening(healthy, tls) as port:
        proxy = Proxy(port)
        async with listening(proxy.handle) as proxy_port:
            settings = Settings(
                gateway=GatewaySettings(public_url="https://elsewhere.test"),
                http=HttpSettings(ca_bundle="ours.pem", proxy=f"http://127.0.0.1:{proxy_port}"),
            )
            reached, _clock = await public_address(settings, directory, offline=False)
    assert (reached.status, reached.found) == ("ok", "https://elsewhere.test leads to a running service")
    assert proxy.asked == ["CONNECT elsewhere.test:443 HTTP/1.1"]


async def test_the_doctor_names_what_is_wrong_with_the_way() -> None:
    settings = Settings(
        gateway=GatewaySettings(public_url="https://elsewhere.test"), http=HttpSettings(proxy="socks5://a:1")
    )
    *_, found = await public_address(settings, Path(), offline=False)
    assert (found.status, found.found) == ("fail", "http.proxy: 'socks5://a:1': expected http://host:port of a proxy")
