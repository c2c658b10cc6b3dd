"""An application that says what becomes of the call when its session is over, on its own address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bridge.agents.base import Failure
from bridge.agents.settings import TransferSettings
from bridge.call.settings import CallSettings
from bridge.carriers.base import EndCall, ForwardCall
from bridge.carriers.twilio.signatures import SIGNATURE, sign
from tests.agents.relay_application import hang_up
from tests.agents.test_relay import bill_payer, rings

TOKEN = "secret"
DESK = TransferSettings(allow=["+12025550100"])
LEFT = CallSettings(no_input_s=0.0, last_apology="Sorry.")


class After:
    """The application's action: what it was told, and what it answers."""

    def __init__(self, verbs: str, status: int) -> None:
        self.verbs, self.status = verbs, status
        self.told: list[dict[str, str]] = []
        self.signed = False
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.told.append(form)
        self.signed = request.headers.get(SIGNATURE) == sign(TOKEN, self.url, form.items())
        text = f"<Response>{self.verbs}</Response>"
        return web.Response(text=text, content_type="text/xml", status=self.status)


@asynccontextmanager
async def after(verbs: str, status: int = 200) -> AsyncIterator[After]:
    action = After(verbs, status)
    app = web.Application()
    app.router.add_post("/after", action.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    action.url = f"http://127.0.0.1:{runner.addresses[0][1]}/after"
    try:
        yield action
    finally:
        await runner.cleanup()


async def test_the_application_hands_the_caller_to_a_person() -> None:
    dial = "<Say>I connect you.</Say><Dial>+12025550100</Dial>"
    async with (
        after(dial) as action,
        rings(bill_payer, token=TOKEN, action=action.url, transfers=DESK) as (_, call),
    ):
        await call.says("An agent, please.")
        await call.until(lambda: call.session.over)
        (ended,) = call.line.ended
        assert isinstance(ended, ForwardCall)
        assert ended.target == "+12025550100"
        assert "I connect you." in " ".join(call.texts)
    assert action.signed
    (told,) = action.told
    assert (told["CallSid"], told["SessionStatus"], told["HandoffData"]) == ("CA1", "ended", '{"reason":"live-agent"}')


async def test_a_session_that_broke_off_is_told_as_one_and_the_answer_is_obeyed() -> None:
    async with after("<Say>We are sorry.</Say>") as action, rings(action=action.url) as (application, call):
        application.breaks(application.caller)
        await call.until(lambda: call.session.over)
        assert call.texts == ["We are sorry."]
        assert call.line.ended == [EndCall()]
    assert (action.told[0]["SessionStatus"], action.told[0]["ErrorCode"]) == ("failed", "64105")


@pytest.mark.parametrize(
    ("verbs", "status", "kind"),
    [
        ("<Enqueue>support</Enqueue>", 200, Failure.BAD_ACTION),
        ("<Dial>+4930123456</Dial>", 200, Failure.TRANSFER_REFUSED),
        ("", 500, Failure.HTTP_STATUS),
    ],
)
async def test_an_answer_that_cannot_be_obeyed_leaves_the_caller_to_the_fallback(
    verbs: str, status: int, kind: Failure
) -> None:
    async with (
        after(verbs, status) as action,
        rings(settings=LEFT, action=action.url, transfers=DESK) as (application, call),
    ):
        await hang_up(application.caller)
        await call.until(lambda: call.session.over)
        assert call.texts == ["Sorry."]
        assert kind in {error.kind for error in call.reported}  # type: ignore[attr-defined]
        assert 'bridge_agent_failures_total{kind="session_over"} 1.0' in call.page()
    assert len(action.told) == 1
