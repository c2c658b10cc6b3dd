"""A caller who never came through has followed nothing: the verdict says so, with the carrier's number and a remedy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.simulator import virtual
from bridge.simulator.carriers import CARRIERS
from bridge.simulator.result import CallResult
from bridge.simulator.runner import place_call
from bridge.simulator.scenario import parse
from tests import http_doubles

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

WAITS = "name: x\nlongest_s: 60\nsteps: [{wait_for_silence: 700}, hang_up]"
REFUSED = "name: x\nsteps: [hang_up]\nexpect: {refused: true}"


def ring(handler: Handler | None, scenario: str = WAITS, *, carrier: str = "twilio", url: str = "") -> CallResult:
    """One call at a server whose only route is `handler`; with none, nobody listens."""

    async def main() -> CallResult:
        app = web.Application()
        if handler is not None:
            app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        port = 9
        if handler is not None:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = runner.addresses[0][1]
        async with aiohttp.ClientSession(connector=virtual.MemoryConnector()) as session:
            placed = await place_call(
                url or f"http://127.0.0.1:{port}/{carrier}/voice",
                parse(scenario),
                auth_token="secret",
                session=session,
                seed="1",
            )
        await runner.cleanup()
        return placed.result

    return virtual.run(main)


def answer(body: str = "", status: int = 200, kind: str = "text/xml", **headers: str) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        return web.Response(body=body.encode(), status=status, headers={"Content-Type": kind, **headers})

    return handler


async def hangs_up_in_the_handshake(request: web.Request) -> web.StreamResponse:
    if request.path.endswith("/media"):
        return web.Response(status=403)
    base = f"{request.scheme}://{request.host}".replace("http", "ws", 1)
    text = f"<Response><Connect><Stream url='{base}/media'/></Connect></Response>"
    return web.Response(text=text, content_type="text/xml")


async def never_answers(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


NEVER_CONNECTED: dict[str, tuple[Handler | None, str, str]] = {
    "nobody listens": (None, "11200", "does the server run"),
    "no answer in time": (never_answers, "no answer in 15 s", "does the server run"),
    "a wrong signature": (answer(status=403), "answered 403", "TWILIO_AUTH_TOKEN"),
    "no credentials": (answer(status=401), "answered 401", "PUBLIC_URL"),
    "a wrong path": (answer(status=404), "answered 404", "/twilio/voice"),
    "a wrong method": (answer(status=405), "answered 405", "voice webhook"),
    "a server's failure": (answer(status=500), "answered 500", "its own log"),
    "too many calls": (answer(status=429), "answered 429", "limit"),
    "no document at all": (answer(), "12100", "no document"),
    "an answer without content": (answer(status=204), "12100", "no document"),
    "broken XML": (answer("<Response><Say>"), "12100", "no document"),
    "a page": (answer("<html><body>Hello</body></html>", kind="text/html"), "expected <Response>", "no document"),
    "bytes that are no text": (answer("\ufffd\x00"), "12100", "no document"),
    "JSON": (answer("{}", kind="application/json"), "12300", "text/xml"),
    "no type": (answer("<Response/>", kind="application/octet-stream"), "12300", "text/xml"),
    "an unknown verb": (answer("<Response><Sing/></Response>"), "<Sing>", "no document"),
    "a pause of no length": (answer("<Response><Pause length='abc'/></Response>"), "expected a number", "no document"),
    "a pause of nan": (answer("<Response><Pause length='nan'/></Response>"), "expected a number", "no document"),
    "a pause that never ends": (answer("<Response><Pause length='inf'/></Response>"), "expected a number", "document"),
    "a redirect to no address": (
        answer("<Response><Redirect>http://[::1</Redirect></Response>"),
        "invalid URL: 'http://[::1'",
        "no address",
    ),
    "a media socket at no address": (
        answer("<Response><Connect><Stream url='ws://127.0.0.1:99999/x'/></Connect></Response>"),
        "invalid URL: ws://127.0.0.1:99999/x",
        "no address",
    ),
    "a long pause": (answer("<Response><Pause length='86400'/></Response>"), "patience", "no media stream"),
    "a long speech": (answer(f"<Response><Say>{'blah ' * 9999}</Say></Response>"), "patience", "no media stream"),
    "a document type": (answer("<!DOCTYPE a [<!ENTITY b 'c'>]><Response/>"), "12100", "no document"),
    "a huge document": (answer("<Response>" + " " * 70_000 + "</Response>"), "11750", "that long"),
    "a refusal": (answer("<Response><Reject reason='busy'/></Response>"), "rejected: busy", "full, draining"),
    "a goodbye": (answer("<Response><Say>Busy.</Say><Hangup/></Response>"), "hung up", "no media stream"),
    "an empty document": (answer("<Response/>"), "no verb was left", "no media stream"),
    "a transfer to somebody": (answer("<Response><Dial>+15550100</Dial></Response>"), "to +15550100", "dialled on"),
    "a transfer to nobody": (answer("<Response><Dial/></Response>"), "no verb was left", "no media stream"),
    "documents in circles": (answer("<Response><Redirect>/again</Redirect></Response>"), "circles", "no document"),
    "HTTP in circles": (answer(status=302, Location="/again"), "led through more than 10", "circles"),
    "a redirect to nowhere": (answer(status=302, Location="http://[::"), "that is no address", "no address"),
    "a redirect to another scheme": (answer(status=302, Location="ftp://x/y"), "that is no address", "no address"),
    "plain text": (answer("Good day.", kind="text/plain"), "hung up", "no media stream"),
    "a query on the stream": (
        answer("<Response><Connect><Stream url='wss://x/y?z=1'/></Connect></Response>"),
        "31920",
        "media socket was not opened",
    ),
    "a stream without an address": (
        answer("<Response><Connect><Stream/></Connect></Response>"),
        "31920",
        "media socket was not opened",
    ),
    "a stream that is not wss": (
        answer("<Response><Connect><Stream url='ws://example.com/x'/></Connect></Response>"),
        "31922",
        "wss://",
    ),
    "a stream at a broken address": (
        answer("<Response><Connect><Stream url='wss://127.0.0.1:port/x'/></Connect></Response>"),
        "31923",
        "no address",
    ),
    "a stream where nobody listens": (
        answer("<Response><Connect><Stream url='wss://127.0.0.1:9/x'/></Connect></Response>"),
        "31902",
        "public address",
    ),
    "a refused socket": (hangs_up_in_the_handshake, "answered 403", "headers"),
}


@pytest.mark.parametrize("name", NEVER_CONNECTED)
def test_a_caller_who_was_never_connected_has_followed_nothing(name: str) -> None:
    handler, why, remedy = NEVER_CONNECTED[name]
    result = ring(handler)
    assert not result.passed
    verdicts = {verdict.what: verdict for verdict in result.verdicts}
    assert not verdicts["caller was connected"].passed
    assert not verdicts["caller followed the scenario"].passed
    told = " ".join([verdicts["caller was connected"].heard, *(one.text for one in result.happenings)])
    assert why in told
    assert remedy in result.remedy


@pytest.mark.parametrize(
    "name", ["a wrong signature", "too many calls", "a refusal", "a goodbye", "an empty document", "a refused socket"]
)
def test_a_server_that_says_no_has_refused(name: str) -> None:
    handler, _, _ = NEVER_CONNECTED[name]
    assert ring(handler, REFUSED).passed


@pytest.mark.parametrize(
    "name",
    [
        "nobody listens",
        "no answer in time",
        "a wrong path",
        "a server's failure",
        "broken XML",
        "a page",
        "documents in circles",
        "a stream where nobody listens",
    ],
)
def test_a_server_that_is_broken_has_refused_nobody(name: str) -> None:
    handler, _, _ = NEVER_CONNECTED[name]
    result = ring(handler, REFUSED)
    [verdict] = result.verdicts
    assert not verdict.passed
    assert verdict.heard.startswith("no refusal: ")


def says_and_closes(said: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(said)
        await writer.drain()

    return handle


NO_WEB_SERVERS = {
    "another protocol": ("http", b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP", "not answer as a web server"),
    "a database": ("http", b"-ERR unknown command\r\n", "does not speak HTTP", "not answer as a web server"),
    "nothing": ("http", b"", "closed the connection without an answer", "rather https://"),
    "half an answer": (
        "http",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<R",
        "broke off",
        "not answer as a web server",
    ),
    "no TLS": ("https", b"HTTP/1.1 400 Bad Request\r\n\r\n", "no TLS there", "does not speak TLS"),
}


@pytest.mark.parametrize(("scheme", "said", "why", "remedy"), NO_WEB_SERVERS.values(), ids=NO_WEB_SERVERS)
async def test_what_is_no_web_server_is_told_from_nobody(scheme: str, said: bytes, why: str, remedy: str) -> None:
    async with http_doubles.listening(says_and_closes(said)) as port:
        url = f"{scheme}://127.0.0.1:{port}/twilio/voice"
        result = (await place_call(url, parse(WAITS), auth_token="secret")).result
    assert why in result.ended
    assert remedy in result.remedy
    assert "Nobody answers" not in result.remedy


async def test_a_name_that_nobody_knows_is_told_from_a_server_that_is_away() -> None:
    result = (await place_call("http://no-such.invalid/twilio/voice", parse(WAITS), auth_token="secret")).result
    assert "no address is known for no-such.invalid" in result.ended
    assert "No name server" in result.remedy


def test_a_call_that_is_dialled_on_says_where_to_and_not_where_its_caller_was_cut_off() -> None:
    failed = [verdict.heard for verdict in ring(answer(TAKEN)).verdicts if not verdict.passed]
    assert failed == ["transferred to +15550100", "dialled on to +15550100 before anybody heard a word"]


def test_a_long_pause_is_told_while_it_lasts() -> None:
    kinds = {one.kind: one.text for one in ring(NEVER_CONNECTED["a long pause"][0]).happenings}
    assert kinds["carrier_waits"] == "86400 s, as the document says"


def test_an_address_on_this_machine_is_told_about_the_public_name() -> None:
    result = ring(answer(status=403))
    assert "--connect-to http://127.0.0.1:" in result.remedy


@pytest.mark.parametrize("carrier", CARRIERS)
def test_each_carrier_names_its_own_secret(carrier: str) -> None:
    result = ring(answer(status=403), carrier=carrier)
    assert CARRIERS[carrier].secret_variable in result.remedy
    assert not result.passed


TAKEN = """<Response><Dial><Number>+15550100</Number></Dial></Response>"""


async def moved(request: web.Request) -> web.StreamResponse:
    """Each status leads on to the next path; the last one answers with how it was asked."""
    steps = {"/twilio/voice": (307, "/a"), "/a": (308, "b"), "/b": (302, "/c")}
    if request.path in steps:
        status, there = steps[request.path]
        return web.Response(status=status, headers={"Location": there})
    text = f"<Response><Dial><Number>{request.method}{len(request.query)}</Number></Dial></Response>"
    return web.Response(text=text, content_type="text/xml")


@pytest.mark.parametrize("kind", ["text/xml", "application/xml", "text/html", "text/html; charset=utf-8"])
def test_a_document_comes_under_several_names(kind: str) -> None:
    result = ring(answer(TAKEN, kind=kind), "name: x\nsteps: [hang_up]\nexpect: {transferred_to: '+15550100'}")
    assert result.transferred_to == "+15550100"
    assert {verdict.what for verdict in result.verdicts if not verdict.passed} == set()


def test_a_caller_who_was_to_be_connected_is_not_content_with_a_transfer() -> None:
    assert not ring(answer(TAKEN)).passed


def test_http_redirects_are_followed_and_signed_anew() -> None:
    result = ring(moved)
    assert result.transferred_to.startswith("GET")
    assert int(result.transferred_to.removeprefix("GET")) > 5
    assert [line.split(" ")[1] for line in result.callbacks] == ["/twilio/voice", "/a", "/b", "/c"]


def test_a_byte_order_mark_spoils_no_document() -> None:
    assert ring(answer("\ufeff" + TAKEN)).transferred_to == "+15550100"


def test_a_carrier_that_reads_plain_text_aloud_is_heard_of() -> None:
    kinds = {one.kind: one.text for one in ring(answer("Good day.", kind="text/plain")).happenings}
    assert kinds["carrier_says"] == "Good day."


def test_a_caller_whose_stream_is_closed_before_a_word_was_heard_has_not_followed() -> None:
    async def closes(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/media"):
            socket: Any = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.close(code=1008)  # as a server does that knows no such call
            return socket  # type: ignore[no-any-return]
        return await hangs_up_in_the_handshake(request)

    result = ring(closes)
    assert [verdict.heard for verdict in result.verdicts if not verdict.passed] == [
        "hung up on at steps[0] wait_for_silence"
    ]


def test_a_caller_who_is_hung_up_on_before_speaking_has_not_followed() -> None:
    async def one_word(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/media"):
            socket: Any = web.WebSocketResponse()
            await socket.prepare(request)
            await asyncio.sleep(1.0)
            await socket.close()
            return socket  # type: ignore[no-any-return]
        base = f"{request.scheme}://{request.host}".replace("http", "ws", 1)
        text = f"<Response><Connect><Stream url='{base}/media'/></Connect></Response>"
        return web.Response(text=text, content_type="text/xml")

    result = ring(one_word, "name: x\nsteps: [{silence: 3000}, {digits: '1'}, hang_up]")
    [verdict] = [verdict for verdict in result.verdicts if not verdict.passed]
    assert verdict.heard == "hung up on at steps[0] silence"
    assert ring(one_word, "name: x\nsteps: [{silence: 300}, {digits: '1'}, wait_for_hang_up]").passed


async def test_a_call_goes_through_the_proxy_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await http_doubles.read_request(reader)
        writer.write(http_doubles.answer("<Response><Hangup/></Response>", "text/xml"))
        await writer.drain()

    for name in ("HTTP_PROXY", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with http_doubles.listening(hang_up) as port:
        proxy = http_doubles.Proxy(port)
        async with http_doubles.listening(proxy.handle) as proxy_port:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy_port}")
            scenario = parse("name: x\nsteps: [wait_for_silence, hang_up]")
            call = await place_call("http://voice.example.com/twilio/voice", scenario, auth_token="secret")
    assert call.result.ended == "hung up"
    assert proxy.asked[0].startswith("POST http://voice.example.com/twilio/voice ")


@pytest.mark.parametrize(
    ("webhook", "media", "asked"),
    [
        ("http://voice.example.com", "ws://127.0.0.1:{port}", ["POST http://voice.example.com/twilio/voice"]),
        ("http://127.0.0.1:{port}", "wss://media.example.com", ["CONNECT media.example.com:443"]),
        ("http://127.0.0.1:{port}", "ws://127.0.0.1:{port}", []),
    ],
)
async def test_the_webhook_and_the_media_socket_go_each_by_its_own_address(
    webhook: str, media: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    async def voice(request: web.Request) -> web.Response:
        text = f"<Response><Connect><Stream url='{media.format(port=server.port)}/media'/></Connect></Response>"
        return web.Response(text=text, content_type="text/xml")

    async def socket(request: web.Request) -> web.StreamResponse:
        opened.append(request.path)
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        await answer.close()
        return answer

    app = web.Application()
    app.add_routes([web.post("/twilio/voice", voice), web.get("/media", socket)])
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with TestServer(app, host="127.0.0.1") as server:
        proxy = http_doubles.Proxy(server.port or 0)
        async with http_doubles.listening(proxy.handle) as proxy_port:
            for name in ("http_proxy", "https_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy_port}")
            scenario = parse("name: x\nsteps: [{silence: 200}, hang_up]")
            await place_call(f"{webhook.format(port=server.port)}/twilio/voice", scenario, auth_token="secret")
    assert [" ".join(line.split()[:2]) for line in proxy.asked] == asked
    assert opened == (["/media"] if "127.0.0.1" in media else [])
