"""A report of each call reaches whoever wants it: signed, once at least, whatever happens to either side."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.http import HttpClient
from bridge.telemetry.after_call import signing
from bridge.telemetry.after_call.delivery import AfterCallPost, report_keys
from bridge.telemetry.after_call.outbox import Outbox
from bridge.telemetry.after_call.settings import AfterCallSettings
from bridge.telemetry.metrics import Metrics

KEY = b"a-long-random-text"
PATIENCE_S = 60.0


class Receiver:
    """Somebody's webhook on a real socket; `answer` decides what it does with the next request."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[web.Request], Any] = lambda _request: web.Response(status=204)

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        answer = self.answer(request)
        if asyncio.iscoroutine(answer):
            answer = await answer
        assert isinstance(answer, web.StreamResponse)
        return answer

    @property
    def identifiers(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


class PostOffice:
    """A post on a clock that the test moves, and its receiver."""

    def __init__(self, directory: Path, receiver: Receiver, url: str, **settings: Any) -> None:
        self.now = 1_800_000_000.0
        self.receiver = receiver
        self.metrics = Metrics()
        self.folder = directory / "after-call"
        wanted = AfterCallSettings(url=url, first_retry_s=10.0, longest_retry_s=100.0, **settings)
        self.post = AfterCallPost(
            wanted,
            (KEY,),
            HttpClient(connect_deadline_s=1.0),
            self.metrics,
            directory=directory,
            clock=lambda: self.now,
            chance=lambda: 0.5,
        )

    async def keeps(self, *identifiers: str) -> None:
        """Reports are on the disk."""
        self.post._outbox.open()
        for identifier in identifiers:
            self.post.put(identifier, json.dumps({"id": identifier}).encode())
            self.now += 0.001
        async with asyncio.timeout(PATIENCE_S):
            while self.post._unwritten:
                await asyncio.sleep(0.001)

    async def delivers(self, after_s: float = 0.0) -> list[str]:
        """Let this time pass and deliver what is due; the identifiers that the receiver got."""
        self.now += after_s
        before = len(self.receiver.got)
        async with asyncio.timeout(PATIENCE_S):
            await self.post.deliver_due()
        return sorted(self.receiver.identifiers[before:])

    @property
    def waiting(self) -> list[str]:
        return [report.identifier for report in self.post._outbox.waiting()]

    def counted(self, what: str) -> float:
        value = self.metrics.after_call_reports.labels(what)._value.get()
        assert isinstance(value, float)
        return value


@asynccontextmanager
async def office(directory: Path, **settings: Any) -> AsyncIterator[PostOffice]:
    receiver = Receiver()
    application = web.Application(client_max_size=2**26)
    application.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made = PostOffice(directory, receiver, f"http://127.0.0.1:{runner.addresses[0][1]}/hook", **settings)
    try:
        yield made
    finally:
        await made.post.close()
        await runner.cleanup()


async def test_a_report_is_delivered_signed_and_forgotten(tmp_path: Path) -> None:
    async with office(tmp_path) as post:
        await post.keeps("call_1")
        assert await post.delivers() == ["call_1"]
        headers, body = post.receiver.got[0]
        assert json.loads(body) == {"id": "call_1"}
        assert signing.genuine(KEY, headers, body, post.now)
        assert post.waiting == []
        assert await post.delivers(1000) == []
        assert post.counted("delivered") == 1


async def test_it_is_kept_where_nobody_else_can_read_it(tmp_path: Path) -> None:
    async with office(tmp_path) as post:
        await post.keeps("call_1")
        assert stat.S_IMODE(post.folder.stat().st_mode) == 0o700
        (file,) = post.folder.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def misbehaving(post: PostOffice, how: str) -> Callable[[web.Request], Any]:
    async def hangs(_request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    def breaks_off(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    def talks_nonsense(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 banana\r\n\r\n")
        request.transport.close()
        return web.Response()

    def redirects(_request: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": post.post.settings.url + "?elsewhere"})

    return {
        "hangs": hangs,
        "breaks off": breaks_off,
        "talks nonsense": talks_nonsense,
        "redirects": redirects,
        "500": lambda _request: web.Response(status=500, text="x" * 100_000),
        "429": lambda _request: web.Response(status=429, headers={"Retry-After": "70"}),
        "400": lambda _request: web.Response(status=400),
    }[how]


@pytest.mark.parametrize(
    ("how", "what", "wait_s"),
    [
        ("hangs", "failed", 10),
        ("breaks off", "failed", 10),
        ("talks nonsense", "failed", 10),
        ("500", "failed", 10),
        ("429", "failed", 70),
        ("400", "refused", 10),
        ("redirects", "refused", 10),
    ],
)
async def test_a_receiver_that_misbehaves_gets_it_later_under_the_same_name(
    tmp_path: Path, how: str, what: str, wait_s: float
) -> None:
    async with office(tmp_path, deadline_s=0.2) as post:
        await post.keeps("call_1")
        post.receiver.answer = misbehaving(post, how)
        tried = await post.delivers()
        assert set(tried) == {"call_1"}
        assert post.counted(what) == 1
        assert await post.delivers(wait_s - 1) == [], "it was to be left in peace"
        assert post.waiting == ["call_1"]
        post.receiver.answer = lambda _request: web.Response(status=200)
        assert await post.delivers(2) == ["call_1"]
        assert post.waiting == []


async def test_waits_grow_to_a_bound_and_are_forgotten_with_a_success(tmp_path: Path) -> None:
    async with office(tmp_path) as post:
        await post.keeps("call_1")
        post.receiver.answer = lambda _request: web.Response(status=503)
        waits = []
        for _ in range(6):
            assert await post.delivers() == ["call_1"]
            waits.append(post.post._not_before - post.now)
            post.now = post.post._not_before
        assert waits == [10, 20, 40, 80, 100, 100]
        post.receiver.answer = lambda _request: web.Response()
        assert await post.delivers() == ["call_1"]
        await post.keeps("call_2")
        post.receiver.answer = lambda _request: web.Response(status=503)
        await post.delivers()
        assert post.post._not_before - post.now == 10


async def test_a_report_that_is_refused_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async with office(tmp_path) as post:
        await post.keeps("call_1", "call_2", "call_3")

        def picky(request: web.Request) -> web.Response:
            return web.Response(status=422 if request.headers["webhook-id"] == "call_2" else 200)

        post.receiver.answer = picky
        assert await post.delivers() == ["call_1", "call_2", "call_3"]
        assert post.waiting == ["call_2"]


async def test_a_receiver_that_is_away_is_not_asked_for_each_report(tmp_path: Path) -> None:
    async with office(tmp_path) as post:
        await post.keeps(*(f"call_{n}" for n in range(12)))
        post.receiver.answer = lambda _request: web.Response(status=500)
        assert len(await post.delivers()) == 4
        post.receiver.answer = lambda _request: web.Response()
        assert len(await post.delivers(11)) == 12


async def test_nobody_at_the_address(tmp_path: Path) -> None:
    post = PostOffice(tmp_path, Receiver(), "http://127.0.0.1:9/hook")
    await post.keeps("call_1")
    await post.delivers()
    assert (post.waiting, post.counted("failed")) == (["call_1"], 1)
    await post.post.close()


async def test_too_many_reports_cost_the_oldest(tmp_path: Path) -> None:
    async with office(tmp_path, most_waiting=3) as post:
        await post.keeps(*(f"call_{n}" for n in range(5)))
        assert post.waiting == ["call_2", "call_3", "call_4"]
        assert post.counted("lost") == 2


async def test_a_restarted_service_delivers_what_was_left(tmp_path: Path) -> None:
    async with office(tmp_path) as post:
        await post.keeps("call_1")
        (post.folder / "1800000000000-call_2.new").write_bytes(b"half a rep")
        (post.folder / "README").write_text("not ours")
        await post.post.start()
        async with asyncio.timeout(PATIENCE_S):
            while post.waiting:
                await asyncio.sleep(0.001)
        assert post.receiver.identifiers == ["call_1"]


async def test_a_service_that_stops_delivers_its_last_report(tmp_path: Path) -> None:
    async with office(tmp_path) as post:
        await post.post.start()
        post.post.put("call_1", b"{}")
        await post.post.close()
        assert post.receiver.identifiers == ["call_1"]


async def test_processes_that_share_a_folder_deliver_each_report_once(tmp_path: Path) -> None:
    async with office(tmp_path) as post:
        await post.keeps(*(f"call_{n:02}" for n in range(20)))
        others = [
            PostOffice(tmp_path, post.receiver, post.post.settings.url),
            PostOffice(tmp_path, post.receiver, post.post.settings.url),
        ]
        await asyncio.gather(post.delivers(), *(other.delivers() for other in others))
        assert sorted(post.receiver.identifiers) == [f"call_{n:02}" for n in range(20)]
        for other in others:
            await other.post.close()


KILLED = """
import asyncio, sys
from pathlib import Path
from bridge.http import HttpClient
from bridge.telemetry.after_call.delivery import AfterCallPost
from bridge.telemetry.after_call.settings import AfterCallSettings
from bridge.telemetry.metrics import Metrics

async def main():
    settings = AfterCallSettings(url=sys.argv[1])
    post = AfterCallPost(settings, (b"a-long-random-text",), HttpClient(), Metrics(), directory=Path(sys.argv[2]))
    await post.start()
    post.put("call_1", b'{"id": "call_1"}')
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_process_that_is_killed_in_the_midst_of_a_delivery_loses_nothing(tmp_path: Path) -> None:
    async with office(tmp_path) as post:
        reached = asyncio.Event()

        async def never(_request: web.Request) -> web.Response:
            reached.set()
            await asyncio.sleep(60)
            return web.Response()

        post.receiver.answer = never
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, post.post.settings.url, str(tmp_path), env={**os.environ}
        )
        async with asyncio.timeout(60):
            await reached.wait()
        assert await post.delivers(10**9) == [], "the other process is at it"
        process.send_signal(signal.SIGKILL)
        await process.wait()
        post.receiver.answer = lambda _request: web.Response()
        assert await post.delivers() == ["call_1"]
        assert post.waiting == []


async def test_a_full_disk_is_told_and_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office(tmp_path) as post:
        await post.keeps("call_1")

        def full(_file: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            await post.keeps("call_2")
        assert post.counted("lost") == 1
        assert [path.suffix for path in post.folder.iterdir()] == [".json"]
        assert await post.delivers() == ["call_1"]


# -- signatures ----------------------------------------------------------------------------------------


def test_the_signature_is_that_of_the_published_example() -> None:
    """The vector that the libraries of https://github.com/standard-webhooks/standard-webhooks are tested with."""
    key = signing.key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signing.headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


BODY = b'{"id":"call_1"}'
SIGNED = signing.headers([b"old", KEY], "call_1", 1000, BODY)


@pytest.mark.parametrize(
    ("change", "body", "now", "genuine"),
    [
        ({}, BODY, 1000, True),
        ({}, BODY, 1299, True),
        ({}, BODY, 1301, False),
        ({}, BODY, 600, False),
        ({}, BODY + b" ", 1000, False),
        ({"webhook-id": "call_2"}, BODY, 1000, False),
        ({"webhook-timestamp": "1001"}, BODY, 1000, False),
        ({"webhook-timestamp": "soon"}, BODY, 1000, False),
        ({"webhook-timestamp": "٣"}, BODY, 3, False),
        ({"webhook-signature": ""}, BODY, 1000, False),
        ({"webhook-signature": "v1,\udcff"}, BODY, 1000, False),
    ],
)
def test_only_a_genuine_report_is_taken_for_one(change: dict[str, str], body: bytes, now: float, genuine: bool) -> None:
    assert signing.genuine(KEY, {**SIGNED, **change}, body, now) is genuine


@given(st.binary(max_size=40), st.text(max_size=20), st.integers(0, 10**11), st.binary(max_size=100))
def test_what_is_signed_is_genuine_under_its_key_alone(key: bytes, identifier: str, at: int, body: bytes) -> None:
    signed = signing.headers([key], identifier, at, body)
    assert signing.genuine(key, signed, body, at)
    assert not signing.genuine(key + b"x", signed, body, at)


@pytest.mark.parametrize(
    ("settings", "environ", "named"),
    [
        ({"url": "https://x"}, {}, "AFTER_CALL_SECRET"),
        ({"url": "x"}, {"AFTER_CALL_SECRET": "y"}, "after_call.url"),
        ({"url": "https://x"}, {"AFTER_CALL_SECRET": "whsec_%%"}, "base64"),
    ],
)
def test_reports_that_nobody_could_check_are_refused(settings: Any, environ: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        report_keys(AfterCallSettings(**settings), environ)


def test_several_secrets_sign_each() -> None:
    secret = "whsec_" + base64.b64encode(b"two").decode()
    assert report_keys(AfterCallSettings(url="https://x"), {"AFTER_CALL_SECRET": f"one, {secret}"}) == (b"one", b"two")


def test_an_outbox_keeps_a_report_whole_or_not_at_all(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "box", most_waiting=10, most_bytes=10**6)
    outbox.open()
    assert outbox.put("call_1", b"{}", 1000.0) == 0
    (tmp_path / "box" / "0000001001000-call_2.new").touch()
    with pytest.raises(FileExistsError):
        outbox.put("call_2", b"{}", 1001.0)
    assert [report.identifier for report in outbox.waiting()] == ["call_1"]
    outbox.sweep(10**10)
    assert len(list((tmp_path / "box").iterdir())) == 1


def test_the_snippet_for_receivers_tells_what_is_genuine(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(signing.__file__).parents[1] / "after-call.md").read_text("utf-8")
    found: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], found)
    monkeypatch.setattr(found["time"], "time", lambda: 1010.0)
    assert found["is_genuine"](KEY, SIGNED, BODY)
    assert not found["is_genuine"](KEY, SIGNED, BODY + b" ")
    assert not found["is_genuine"](b"another", SIGNED, BODY)
    monkeypatch.setattr(found["time"], "time", lambda: 1400.0)
    assert not found["is_genuine"](KEY, SIGNED, BODY)
