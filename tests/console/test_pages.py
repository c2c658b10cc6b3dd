"""The pages over real sockets, with real calls behind them."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from bridge.call.actions import Say
from bridge.call.events import AgentActed
from bridge.carriers.browser.carrier import BrowserCarrier
from bridge.console.factory import build_console
from bridge.console.login import Logins
from bridge.console.settings import ConsoleSettings
from bridge.gateway.allowances import AllowanceSettings, CallAllowance
from bridge.gateway.settings import GatewaySettings
from bridge.store.memory import MemoryStore
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.recorder import Recorder
from bridge.telemetry.settings import RecordingSettings, TelemetrySettings
from tests.gateway.carrier import CALL, CALLED, CALLER, PATIENCE_S, RINGING, SETTINGS, Carrier, Leg, running

KEY = f"twilio/{CALL}"
TELEMETRY = TelemetrySettings(record_directory="records", recording=RecordingSettings(directory="sound"))


class Visitor:
    """A browser, as far as the service sees one."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self.http = http
        self.base = base

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(self.base + path) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if "json" in answer.content_type else text

    async def log_in(self, password: str = "open sesame") -> int:
        async with self.http.post(f"{self.base}/calls/login", data={"password": password}) as answer:
            return answer.status

    async def order(self, **wanted: Any) -> tuple[int, Any]:
        async with self.http.post(f"{self.base}/calls/order", json=wanted, headers={"X-Bridge-Console": "1"}) as answer:
            return answer.status, await answer.json()

    async def live(self) -> aiohttp.ClientWebSocketResponse:
        return await self.http.ws_connect(f"{self.base}/calls/live")


@asynccontextmanager
async def service(
    folder: Path, store: MemoryStore | None = None, settings: GatewaySettings = SETTINGS
) -> AsyncIterator[tuple[Carrier, Visitor]]:
    """A gateway with the pages, a carrier that knows it, and a visitor of the pages."""
    logins = Logins("open sesame", "a secret of ours", hours=12)
    recorder = Recorder(folder / "records", Metrics())
    store = store or MemoryStore()
    consoles = []

    def add_pages(gateway: Any) -> None:
        console = build_console(
            ConsoleSettings(), logins, gateway, store, TELEMETRY, folder, public_url="https://bridge.example.com"
        )
        gateway.add_pages(console)
        consoles.append(console)

    others = (BrowserCarrier(logins.logged_in),)
    async with running(settings, others=others, recorder=recorder, before=add_pages) as carrier:
        await consoles[0].start()
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            try:
                yield carrier, Visitor(http, carrier.base)
            finally:
                await consoles[0].close()
                await asyncio.to_thread(recorder.close)


async def listed(socket: aiohttp.ClientWebSocketResponse, number: int) -> list[dict[str, Any]]:
    """The first list with so many calls."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                calls: list[dict[str, Any]] = json.loads(message.data)["calls"]
                if len(calls) == number:
                    return calls


async def blocks(socket: aiohttp.ClientWebSocketResponse, leg: Leg) -> AsyncIterator[dict[str, Any]]:
    """What is told of the call that is followed, while the caller is silent on the line."""
    async with asyncio.timeout(PATIENCE_S * 2):
        while True:
            await leg.media()
            try:
                async with asyncio.timeout(0.02):
                    message = await socket.receive()
            except TimeoutError:
                continue
            if message.type is aiohttp.WSMsgType.BINARY:
                yield json.loads(message.data)


async def test_the_page_tells_how_allowances_stand(tmp_path: Path) -> None:
    limit = CallAllowance(name="each", of="number", calls=4)
    allowed = msgspec.structs.replace(SETTINGS, allowances=AllowanceSettings(limits=(limit,)))
    async with service(tmp_path, settings=allowed) as (carrier, visitor):
        await visitor.log_in()
        for call in ("CA1", "CA2", "CA3", "CA4", "CA5"):
            await carrier.document("/twilio/voice", {**RINGING, "CallSid": call})
        async with await visitor.live() as live:
            told = (await live.receive_json())["allowances"]
        assert told == [{"name": "each", "of": "number", "per": "day", "share": 1.0, "refused": 1}]


# ---- the login ------------------------------------------------------------------------------------------------


async def test_without_a_login_there_is_a_form_and_nothing_else(tmp_path: Path) -> None:
    async with service(tmp_path) as (_, visitor):
        for page in ("/calls", "/calls/phone"):
            status, text = await visitor.get(page)
            assert status == 200
            assert "password" in text
            assert "Past calls" not in text
        for path in ("/calls/past", "/calls/past/CA1", "/calls/past/CA1/sound", "/calls/live"):
            assert (await visitor.get(path))[0] == 401
        assert (await visitor.order(key=KEY, do="hang_up"))[0] == 401
        assert (await visitor.get("/calls/static/../settings.py"))[0] == 404
        assert (await visitor.get("/calls/static/settings.py"))[0] == 404


async def test_a_login_opens_the_pages_and_a_wrong_one_is_slowed_down(tmp_path: Path) -> None:
    async with service(tmp_path) as (_, visitor):
        assert await visitor.log_in("sesame") == 403
        assert await visitor.log_in() == 200
        assert "Past calls" in (await visitor.get("/calls"))[1]
        async with visitor.http.post(f"{visitor.base}/calls/logout") as answer:
            assert answer.status == 200
        assert "password" in (await visitor.get("/calls"))[1]
        statuses = [await visitor.log_in("sesame") for _ in range(6)]
        assert statuses == [403] * 5 + [429]
        assert await visitor.log_in() == 429, "whoever knows the password waits, too"


async def test_pages_allow_no_foreign_script_and_no_frame(tmp_path: Path) -> None:
    async with service(tmp_path) as (_, visitor), visitor.http.get(f"{visitor.base}/calls") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy


# ---- calls in progress ----------------------------------------------------------------------------------------


async def test_a_call_is_listed_while_it_lasts(tmp_path: Path) -> None:
    async with service(tmp_path) as (carrier, visitor):
        await visitor.log_in()
        socket = await visitor.live()
        assert await listed(socket, 0) == []
        leg = await carrier.call()
        [call] = await listed(socket, 1)
        assert (call["key"], call["from_number"], call["to_number"]) == (KEY, CALLER, CALLED)
        assert call["carrier"] == "twilio"
        await leg.stop()
        await listed(socket, 0)
        await socket.close()


async def test_whoever_follows_a_call_sees_what_happens_and_hears_it_if_they_listen(tmp_path: Path) -> None:
    async with service(tmp_path) as (carrier, visitor):
        await visitor.log_in()
        leg, socket = await carrier.call(), await visitor.live()
        await socket.send_json({"key": KEY, "do": "follow"})
        await leg.press("7")
        told: list[dict[str, Any]] = []
        async for block in blocks(socket, leg):
            told += block["told"]
            assert block["caller"] == block["ours"] == "", "no sound unless it is asked for"
            if any(one["what"] == "key pressed" and one["why"] == {"key": "7"} for one in told):
                break
        await socket.send_json({"key": KEY, "do": "follow", "sound": True})
        async for block in blocks(socket, leg):
            if block["caller"]:
                assert len(block["caller"]) == len(block["ours"])
                break
        await leg.stop()
        async for block in blocks(socket, Silent()):  # type: ignore[arg-type]
            if block["over"]:
                break
        await socket.close()


class Silent:
    """A caller who is gone."""

    async def media(self) -> None:
        """Send nothing: nobody speaks any more."""


async def test_an_operator_ends_a_call_with_a_goodbye(tmp_path: Path) -> None:
    async with service(tmp_path) as (carrier, visitor):
        await visitor.log_in()
        leg = await carrier.call()
        assert await visitor.order(key=KEY, do="hang_up") == (200, {"ok": True})
        assert await leg.until_closed() == 1000
        assert await carrier.count("bridge_calls_ended_total", why="operator") == 1
        assert [one.tag for one in await carrier.after_stream()] == ["Hangup"]


async def test_an_operator_sends_a_caller_on_whatever_the_agent_is_saying(tmp_path: Path) -> None:
    async with service(tmp_path) as (carrier, visitor):
        await visitor.log_in()
        leg = await carrier.call()
        await leg.until_audio(160)
        session = carrier.gateway.media.sessions()[KEY]
        session.tell(AgentActed(session.call.answering.turn, Say("A long story about nothing at all.")))
        assert (await visitor.order(key=KEY, do="transfer", target="+1 555 01 00 123"))[0] == 200
        await leg.until_closed()
        document = await carrier.after_stream()
        assert "".join(document.itertext()).strip() == "+15550100123"


@pytest.mark.parametrize(
    ("wanted", "status", "why"),
    [
        ({"key": "twilio/CA404", "do": "hang_up"}, 404, "no such call"),
        ({"key": KEY, "do": "explode"}, 400, "explode"),
        ({"key": KEY, "do": "transfer", "target": "12"}, 400, "country code"),
        ({"key": KEY, "do": "transfer", "target": "sip:front desk"}, 400, "country code"),
        ({"key": KEY, "do": "transfer"}, 400, "country code"),
        ({"key": KEY, "do": "follow"}, 400, "live socket"),
        ({"do": "hang_up"}, 400, "key"),
    ],
)
async def test_what_cannot_be_done_is_said_and_harms_no_call(
    tmp_path: Path, wanted: dict[str, str], status: int, why: str
) -> None:
    async with service(tmp_path) as (carrier, visitor):
        await visitor.log_in()
        leg = await carrier.call()
        answered, told = await visitor.order(**wanted)
        assert answered == status
        assert why in told["error"]
        assert carrier.gateway.calls == 1
        await leg.stop()


async def test_a_form_of_another_site_orders_nothing(tmp_path: Path) -> None:
    async with service(tmp_path) as (carrier, visitor):
        await visitor.log_in()
        leg = await carrier.call()
        body = json.dumps({"key": KEY, "do": "hang_up"})
        async with visitor.http.post(f"{visitor.base}/calls/order", data=body) as answer:
            assert answer.status == 403
        assert carrier.gateway.calls == 1
        await leg.stop()


async def test_a_page_that_sends_nonsense_stays_open_and_harms_nobody(tmp_path: Path) -> None:
    async with service(tmp_path) as (carrier, visitor):
        await visitor.log_in()
        socket = await visitor.live()
        for nonsense in (
            "",
            "[]",
            '{"key": 3}',
            '{"key":"x","do":"follow"}',
            "\ud800".encode("utf-8", "replace").decode(),
        ):
            await socket.send_str(nonsense)
        await socket.send_bytes(b"\0\xff")
        leg = await carrier.call()
        await listed(socket, 1)
        await leg.stop()
        await socket.close()


# ---- several processes ----------------------------------------------------------------------------------------


async def test_a_call_of_another_process_is_listed_followed_and_ended(tmp_path: Path) -> None:
    store = MemoryStore()
    async with service(tmp_path / "a", store) as (carrier, _), service(tmp_path / "b", store) as (_, visitor):
        await visitor.log_in()
        leg, socket = await carrier.call(), await visitor.live()
        [call] = await listed(socket, 1)
        assert call["key"] == KEY
        await socket.send_json({"key": KEY, "do": "follow", "sound": True})
        async for block in blocks(socket, leg):
            if block["caller"]:
                break
        assert (await visitor.order(key=KEY, do="hang_up"))[0] == 200
        assert await leg.until_closed() == 1000
        await listed(socket, 0)
        await socket.close()


async def test_while_nobody_looks_nothing_is_put_into_the_store(tmp_path: Path) -> None:
    class Counting(MemoryStore):
        puts = 0

        async def put(self, key: str, value: bytes, ttl_s: float) -> None:
            self.puts += key.startswith("console-")
            await super().put(key, value, ttl_s)

    store = Counting()
    async with service(tmp_path, store) as (carrier, _):
        leg = await carrier.call()
        for _ in range(60):
            await leg.media()
        await leg.stop()
        await carrier.until_calls(0)
    assert store.puts == 0


# ---- past calls -----------------------------------------------------------------------------------------------


async def test_a_call_that_is_over_can_be_found_read_and_heard(tmp_path: Path) -> None:
    async with service(tmp_path) as (carrier, visitor):
        await visitor.log_in()
        leg = await carrier.call()
        await leg.press("7")
        await leg.until_audio(160)
        await leg.stop()
        await carrier.until_calls(0)
        (tmp_path / "sound").mkdir()
        with wave.open(str(tmp_path / "sound" / f"{CALL}.wav"), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(bytes(32_000))
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE_S):
            while not found or found[0]["outcome"].startswith("no end"):
                found = (await visitor.get("/calls/past?text=twilio"))[1]
        assert (found[0]["call_id"], found[0]["from_number"]) == (CALL, CALLER)
        assert found[0]["outcome"] == "caller"
        assert found[0]["recorded"]
        assert (await visitor.get(f"/calls/past?text={CALLER[1:]}%20caller"))[1] == found
        assert (await visitor.get("/calls/past?text=nobody"))[1] == []
        assert (await visitor.get("/calls/past?slower_than_ms=60000"))[1] == []
        assert (await visitor.get("/calls/past?slower_than_ms=soon"))[0] == 400
        status, turns = await visitor.get(f"/calls/past/{CALL}")
        assert status == 200
        assert any(turn["speaker"] == "caller" and turn["text"] == "7" for turn in turns)
        assert turns[-1]["text"] == "the stream ended: caller"
        async with visitor.http.get(
            f"{visitor.base}/calls/past/{CALL}/sound", headers={"Range": "bytes=0-43"}
        ) as answer:
            assert (answer.status, answer.content_type) == (206, "audio/wav")
            assert (await answer.read()).startswith(b"RIFF")


async def test_names_of_records_lead_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text("{}")
    async with service(tmp_path) as (_, visitor):
        await visitor.log_in()
        for name in ("..%2Fsecret", "%2e%2e%2fsecret", "absent", "a" * 300, "%00"):
            for path in (f"/calls/past/{name}", f"/calls/past/{name}/sound"):
                assert (await visitor.get(path))[0] == 404


async def test_a_damaged_record_is_listed_or_left_out_and_the_rest_is_there(tmp_path: Path) -> None:
    async with service(tmp_path) as (carrier, visitor):
        await visitor.log_in()
        leg = await carrier.call()
        await leg.stop()
        await carrier.until_calls(0)
        for name, content in (("empty", b""), ("binary", bytes(range(256)) * 50), ("list", b"[]\n[]\n")):
            (tmp_path / "records" / f"{name}.jsonl").write_bytes(content)
        deep = b'{"about": {"call_id": "deep"}}\n' + b"[" * 20_000
        (tmp_path / "records" / "deep.jsonl").write_bytes(deep)
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(PATIENCE_S):
            while CALL not in [one["call_id"] for one in found]:
                found = (await visitor.get("/calls/past"))[1]
        assert {one["call_id"] for one in found} == {CALL, "deep"}
        status, told = await visitor.get("/calls/past/binary")
        assert status == 500
        assert "binary.jsonl" in told["error"]


# ---- the phone ------------------------------------------------------------------------------------------------


async def test_the_phone_is_answered_like_any_carrier(tmp_path: Path) -> None:
    async with service(tmp_path) as (carrier, visitor):
        ring = {"call_id": "BR1", "from": "browser", "to": CALLED}
        async with visitor.http.post(f"{visitor.base}/browser/voice", data=ring) as answer:
            assert answer.status == 403
        await visitor.log_in()
        async with visitor.http.post(f"{visitor.base}/browser/voice", data=ring) as answer:
            document = await answer.json()
        assert document["do"] == "stream"
        assert document["url"] == "wss://bridge.example.com/browser/media"
        socket = await visitor.http.ws_connect(f"{visitor.base}/browser/media")
        leg = Leg(socket, "BR1", "MZ1")
        await leg.start(document["parameters"], accountSid="console")
        await leg.until_audio(160)
        await carrier.until_calls(1)
        await leg.stop()
        await carrier.until_calls(0)
        async with visitor.http.post(f"{visitor.base}/browser/after-stream", data=ring) as answer:
            assert (await answer.json())["do"] in ("hang_up", "say")


def test_settings_that_mean_nothing_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"login_hours": 0}, ConsoleSettings)
