"""The webhooks, over real sockets: signatures, documents, and everything twice and out of order."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from xml.etree import ElementTree

import msgspec
import pytest
from aiohttp import web

from bridge.agents.script import ScriptFactory
from bridge.agents.script_load import compile_script
from bridge.call.actions import Action, HangUp, Prompt, Say, Transfer
from bridge.carriers.base import ComeBack
from bridge.carriers.twilio.requests import CallsApi
from bridge.errors import ConfigError
from bridge.gateway.line import NOT_ALLOWED
from bridge.gateway.settings import GatewaySettings
from bridge.gateway.signatures import Signatures
from bridge.session.ports import CallServices
from bridge.telemetry.metrics import Metrics
from tests.gateway.carrier import CALL, CALLED, CALLER, PUBLIC, RINGING, SETTINGS, STREAM, Carrier, Leg, running, sign
from tests.gateway.doubles import FRAME, ServiceDoubles


@pytest.fixture
async def carrier() -> AsyncIterator[Carrier]:
    async with running() as carrier:
        yield carrier


# A call rings


async def test_a_ringing_call_is_told_to_open_a_stream(carrier: Carrier) -> None:
    document = await carrier.document("/twilio/voice", RINGING)
    (stream,) = document.iter("Stream")
    assert stream.attrib["url"] == "wss://bridge.example.com/twilio/media"
    assert stream.attrib["statusCallback"] == PUBLIC + "/twilio/stream-status"
    assert [child.tag for child in document] == ["Connect", "Redirect"]
    assert document[1].text == PUBLIC + "/twilio/after-stream"
    parameters = {one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")}
    assert parameters["from"] == CALLER
    assert parameters["to"] == CALLED
    assert set(parameters) == {"ticket", "from", "to"}


async def test_a_webhook_that_comes_twice_gets_a_stream_twice_and_takes_one_place() -> None:
    async with running(msgspec.structs.replace(SETTINGS, max_calls=1)) as carrier:
        first, second = await carrier.ring(), await carrier.ring()
        assert first["ticket"] != second["ticket"]


async def test_when_all_places_are_taken_the_caller_hears_so_at_once() -> None:
    async with running(msgspec.structs.replace(SETTINGS, max_calls=1, busy_text="Later, please.")) as carrier:
        await carrier.ring("CA1")
        document = await carrier.document("/twilio/voice", {**RINGING, "CallSid": "CA2"})
        assert [(one.tag, one.text) for one in document] == [("Say", "Later, please."), ("Hangup", None)]
        assert await carrier.count("bridge_calls_refused_total", why="full") == 1


async def test_an_overflow_number_takes_the_calls_that_do_not_fit() -> None:
    settings = msgspec.structs.replace(SETTINGS, max_calls=1, overflow_number="+15005550099")
    async with running(settings) as carrier:
        await carrier.ring("CA1")
        document = await carrier.document("/twilio/voice", {**RINGING, "CallSid": "CA2"})
        assert document[0].tag == "Dial"
        assert "".join(document[0].itertext()) == "+15005550099"


async def test_before_everything_is_warm_callers_hear_busy() -> None:
    async with running(doors_open=False) as carrier:
        document = await carrier.document("/twilio/voice", RINGING)
        assert [one.tag for one in document] == ["Say", "Hangup"]


async def test_a_webhook_without_a_call_is_a_bad_request(carrier: Carrier) -> None:
    status, text, _ = await carrier.post("/twilio/voice", {"From": CALLER})
    assert status == 400
    assert "CallSid" in text


async def test_a_sip_caller_with_an_endless_name_is_answered(carrier: Carrier) -> None:
    document = await carrier.document("/twilio/voice", {**RINGING, "From": "sip:" + "a" * 600})
    assert [child.tag for child in document] == ["Connect", "Redirect"]


# Signatures


@pytest.mark.parametrize("path", ["voice", "after-stream", "stream-status", "call-status"])
async def test_an_unsigned_or_wrongly_signed_webhook_is_refused(carrier: Carrier, path: str) -> None:
    for signature in ("", "bm90IGl0", sign(PUBLIC + "/twilio/" + path, RINGING, token="another")):
        status, _, _ = await carrier.post("/twilio/" + path, RINGING, signature)
        assert status == 403
    assert await carrier.count("bridge_signature_failures_total", route=path, why="no_signature") == 1
    assert await carrier.count("bridge_signature_failures_total", route=path, why="wrong_signature") == 2


async def test_a_changed_field_breaks_the_signature(carrier: Carrier) -> None:
    signature = sign(PUBLIC + "/twilio/voice", RINGING)
    status, _, _ = await carrier.post("/twilio/voice", {**RINGING, "From": "+15005550001"}, signature)
    assert status == 403


async def test_the_published_form_signature_is_accepted(carrier: Carrier) -> None:
    status, _, _ = await carrier.post("/twilio/voice", RINGING, "H/OgeKiF253x7tYmcVfxRMloc5E=")
    assert status == 200


async def test_the_published_get_signature_is_accepted(carrier: Carrier) -> None:
    # The query string is part of the signed address, percent-encoded as it was sent.
    query, headers = "?CallSid=CA1&From=%2B15005550006", {"X-Twilio-Signature": "nscZay+TMqHrRb/hZr3voV9Jnxg="}
    from yarl import URL

    url = URL(f"{carrier.base}/twilio/voice{query}", encoded=True)
    async with carrier.http.get(url, headers=headers) as response:
        assert response.status == 400  # genuine, though it names no account
        assert "bridge_signature_failures_total{" not in await carrier.metrics()


async def test_a_json_webhook_is_signed_by_its_hash(carrier: Carrier) -> None:
    body = json.dumps({"CallSid": CALL, "CallStatus": "in-progress"})
    path = f"/twilio/call-status?bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    headers = {"X-Twilio-Signature": sign(PUBLIC + path), "Content-Type": "application/json"}
    async with carrier.http.post(carrier.base + path, data=body, headers=headers) as response:
        assert response.status == 204
    async with carrier.http.post(carrier.base + path, data=body + " ", headers=headers) as response:
        assert response.status == 403


async def test_during_a_rotation_both_tokens_are_accepted() -> None:
    async with running(tokens=("new", "old")) as carrier:
        for token, status in (("new", 200), ("old", 200), ("older", 403)):
            signature = sign(PUBLIC + "/twilio/voice", RINGING, token)
            assert (await carrier.post("/twilio/voice", RINGING, signature))[0] == status


async def test_a_prefix_in_the_public_address_is_part_of_what_is_signed() -> None:
    async with running(msgspec.structs.replace(SETTINGS, public_url=PUBLIC + "/phone/")) as carrier:
        signature = sign(PUBLIC + "/phone/twilio/voice", RINGING)
        status, text, _ = await carrier.post("/twilio/voice", RINGING, signature)
        assert status == 200
        assert "wss://bridge.example.com/phone/twilio/media" in text


async def test_a_webhook_with_too_many_fields_is_refused(carrier: Carrier) -> None:
    fields = {**RINGING, **{f"field{number}": "x" for number in range(250)}}
    status, text, _ = await carrier.post("/twilio/voice", fields)
    assert (status, text) == (400, "the form has more than 200 fields")


@pytest.mark.parametrize("escapes", ["%41", "%zz", "%e4%bd%a0", "%"])
async def test_a_webhook_with_too_many_escaped_bytes_is_refused_before_they_are_read(
    escapes: str, carrier: Carrier
) -> None:
    url = f"{carrier.base}/twilio/voice"
    headers = {"X-Twilio-Signature": "A" * 28, "Content-Type": "application/x-www-form-urlencoded"}
    async with carrier.http.post(url, data="a=" + escapes * (20_000 // len(escapes)), headers=headers) as answer:
        assert (answer.status, await answer.text()) == (400, "the form has more than 4096 escaped bytes")


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async with running(msgspec.structs.replace(SETTINGS, webhook_timeout_s=0.05)) as carrier:
        reader, writer = await asyncio.open_connection("127.0.0.1", carrier.gateway.port)
        writer.write(
            b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nX-Twilio-Signature: x\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nCall"
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_a_compressed_body_is_not_unpacked(carrier: Carrier) -> None:
    body = zlib.compress(b"CallSid=" + b"A" * 50_000_000)
    headers = {
        "X-Twilio-Signature": sign(PUBLIC + "/twilio/voice", {}),
        "Content-Encoding": "deflate",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert len(body) < 60_000
    for path, expected in (("/twilio/voice", 415), ("/nowhere", 415)):
        url = carrier.base + path
        async with carrier.http.post(url, data=body, headers=headers, skip_auto_headers=["Accept"]) as response:
            assert response.status == expected


async def test_a_call_that_comes_back_gets_another_stream_with_a_new_ticket(carrier: Carrier) -> None:
    first = await carrier.ring()
    leg = Leg(await carrier.open())
    await leg.start(first)
    await leg.until_audio(1)
    back = ComeBack(CALL, RINGING["AccountSid"], {"from": CALLER, "to": CALLED, "returned": NOT_ALLOWED})
    await carrier.gateway.process.outcomes.note(f"twilio/{CALL}", back)
    await leg.socket.close()
    await carrier.until_calls(0)
    document = await carrier.after_stream()
    again = {one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")}
    assert (again["from"], again["to"]) == (CALLER, CALLED)
    assert again["ticket"] != first["ticket"]
    leg = Leg(await carrier.open())
    await leg.start(again)
    await leg.until_audio(1)


async def test_an_oversized_webhook_is_refused(carrier: Carrier) -> None:
    status, _, _ = await carrier.post("/twilio/voice", {**RINGING, "Extra": "x" * 100_000})
    assert status == 413


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (GatewaySettings(), "PUBLIC_URL"),
        (GatewaySettings(public_url="http://bridge.example.com"), "https"),
    ],
)
def test_a_service_that_could_check_nothing_refuses_to_start(settings: GatewaySettings, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        Signatures(settings, Metrics())


async def test_the_development_switch_works_without_token_or_address_and_is_loud(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(msgspec.structs.replace(SETTINGS, public_url="", development_unsigned=True)) as carrier:
        status, text, _ = await carrier.post("/twilio/voice", RINGING, "")
        assert status == 200
        assert f"ws://127.0.0.1:{carrier.gateway.port}/twilio/media" in text
    assert "DEVELOPMENT MODE" in caplog.text


# After the stream


def _transfers(prompt: Prompt) -> list[Action]:
    return [Say("one moment"), Transfer("+15005550020")]


async def test_a_transfer_by_closing_the_stream() -> None:
    async with running(doubles=ServiceDoubles(_transfers)) as carrier:
        leg = await carrier.call()
        assert await leg.until_closed() == 1000
        assert bytes(leg.audio) == FRAME * len("one moment")
        for _ in range(2):  # a repeated webhook gets the same answer
            document = await carrier.after_stream()
            assert document[0].tag == "Dial"
            assert "".join(document[0].itertext()) == "+15005550020"
        assert await carrier.count("bridge_calls_ended_total", why="transfer") == 1


def _comes_back(prompt: Prompt) -> list[Action]:
    match prompt.kind:
        case "call_started":
            return _transfers(prompt)
        case "transfer_failed":
            return [Say(f"{prompt.text} is no good"), HangUp("done")]
        case _:
            return [Say("what")]


async def dialled(carrier: Carrier, result: str, status: str = "in-progress") -> ElementTree.Element:
    """The carrier has dialled whom we named, and asks what to do next."""
    fields = {**RINGING, "CallStatus": status, "DialCallStatus": result}
    return await carrier.document("/twilio/after-dial", fields)


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ("busy", "busy"),
        ("no-answer", "no_answer"),
        ("failed", "failed"),
        ("canceled", "failed"),
        ("", "failed"),
        ("hologram", "failed"),
    ],
)
async def test_a_caller_whom_nobody_answered_comes_back_to_the_agent(result: str, why: str) -> None:
    async with running(doubles=ServiceDoubles(_comes_back)) as carrier:
        await (await carrier.call()).until_closed()
        dial = (await carrier.after_stream())[0]
        assert (dial.attrib["action"], dial.attrib["method"]) == (PUBLIC + "/twilio/after-dial", "POST")

        document = await dialled(carrier, result)
        parameters = {one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")}
        assert (parameters["from"], parameters["to"]) == (CALLER, CALLED)
        leg = Leg(await carrier.open(), CALL, "MZ2")
        await leg.start(parameters)
        assert await leg.until_closed() == 1000
        assert bytes(leg.audio) == FRAME * len(f"{why} is no good")
        agent = carrier.doubles.agents.calls[-1]
        assert [(prompt.kind, prompt.text) for prompt in agent.prompts] == [("transfer_failed", why)]
        assert agent.info.parameters == {}
        assert [one.tag for one in await carrier.after_stream()] == ["Hangup"]


def _hands_over(prompt: Prompt) -> list[Action]:
    if prompt.kind == "transfer_failed":
        return [HangUp("done")]
    return [Say("I am connecting you"), Transfer("+15005550020", "They want to pay <a bill>.")]


async def test_whoever_answers_a_transfer_is_told_what_it_is_about() -> None:
    async with running(doubles=ServiceDoubles(_hands_over)) as carrier:
        await (await carrier.call()).until_closed()
        dial = (await carrier.after_stream())[0]
        address = dial[0].attrib["url"]
        assert address.startswith(PUBLIC + "/twilio/announce?of=")
        assert "bill" not in address, "what is said of callers stands in no address"
        route = address.removeprefix(PUBLIC)
        for _ in range(2):  # a repeated webhook gets the same answer
            told = await carrier.document(route, {**RINGING, "CallSid": "CA-of-theirs"})
            assert [(one.tag, one.text) for one in told] == [("Say", "They want to pay <a bill>.")]


async def test_an_announcement_that_nobody_made_connects_without_a_word() -> None:
    async with running(doubles=ServiceDoubles(_hands_over)) as carrier:
        assert list(await carrier.document("/twilio/announce?of=guessed", RINGING)) == []
        for wrong in ("/twilio/announce", "/twilio/announce?of=" + "x" * 200):
            assert (await carrier.post(wrong, RINGING))[0] == 400


BOOKING = """
start: code
states:
  code: {say: "Which code?", expect: "digits:1", capture: code, on_answer: {say: One moment., transfer: "+15005550020"}}
  away: {say: "Nobody is there for {code}.", hang_up: nobody}
on_transfer_failed: away
"""


async def test_a_script_knows_its_state_and_its_slots_when_its_caller_comes_back() -> None:
    doubles = ServiceDoubles()
    script = ScriptFactory(compile_script(BOOKING, "booking.yaml"))
    doubles.services = CallServices(doubles.ears, doubles.voices, script)
    async with running(doubles=doubles) as carrier:
        leg = await carrier.call()
        await leg.until_audio(len(FRAME))
        await leg.press("7")
        await leg.until_closed()
        assert [one.tag for one in await carrier.after_stream()] == ["Dial"]
        document = await dialled(carrier, "busy")
        back = Leg(await carrier.open(), CALL, "MZ2")
        await back.start({one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")})
        assert await back.until_closed() == 1000
        assert bytes(back.audio) == FRAME * len("Nobody is there for 7.")
        assert await carrier.count("bridge_calls_resumed_total") == 1


async def test_what_was_to_become_of_the_first_stream_does_not_befall_the_second() -> None:
    async with running(doubles=ServiceDoubles(_comes_back)) as carrier:
        await (await carrier.call()).until_closed()
        await carrier.after_stream()
        await dialled(carrier, "busy")
        document = await carrier.after_stream()  # the second stream could not be opened: nobody is dialled again
        assert [one.tag for one in document] == ["Connect", "Redirect"]
        parameters = {one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")}
        assert parameters["returned"] == "busy"


@pytest.mark.usefixtures("in_virtual_time")
async def test_a_late_question_about_the_first_stream_does_not_end_the_second() -> None:
    def answer(prompt: Prompt) -> list[Action]:
        return [Say("welcome back")] if prompt.kind == "transfer_failed" else _comes_back(prompt)

    async with running(doubles=ServiceDoubles(answer)) as carrier:
        await (await carrier.call()).until_closed()
        await carrier.after_stream()
        document = await dialled(carrier, "busy")
        leg = Leg(await carrier.open(), CALL, "MZ2")
        await leg.start({one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")})
        await leg.until_audio(len(FRAME))

        async def talk() -> None:
            while True:
                await leg.media()
                await asyncio.sleep(0.01)

        talking = asyncio.create_task(talk())
        await carrier.after_stream()  # sent once more by a carrier that had not had the answer in time
        assert carrier.gateway.calls == 1
        assert await carrier.count("bridge_webhooks_total", route="after-stream", answer="late") == 1
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        await carrier.after_stream()  # this one is about the second stream: nothing comes from it any more
        await carrier.until_calls(0)


@pytest.mark.parametrize(
    ("result", "status"), [("completed", "in-progress"), ("answered", "in-progress"), ("busy", "completed")]
)
async def test_a_transfer_that_succeeded_or_outlived_its_caller_is_the_end(result: str, status: str) -> None:
    async with running(doubles=ServiceDoubles(_comes_back)) as carrier:
        await (await carrier.call()).until_closed()
        assert [one.tag for one in await dialled(carrier, result, status)] == ["Hangup"]
        assert len(carrier.doubles.agents.calls) == 1


async def test_a_stream_that_never_began_is_tried_again_and_then_gets_an_apology(carrier: Carrier) -> None:
    await carrier.ring()
    asked = [[one.tag for one in await carrier.after_stream()] for _ in range(4)]
    assert asked == [["Connect", "Redirect"]] * 3 + [["Say", "Hangup"]]


async def test_a_caller_who_hung_up_needs_no_apology(carrier: Carrier) -> None:
    assert [one.tag for one in await carrier.after_stream(status="completed")] == ["Hangup"]


async def test_a_lost_stream_may_end_without_words() -> None:
    async with running(msgspec.structs.replace(SETTINGS, on_lost_stream="hang_up")) as carrier:
        assert [one.tag for one in await carrier.after_stream()] == ["Hangup"]


async def test_when_the_webhook_knows_first_that_the_stream_is_gone_the_call_comes_back(carrier: Carrier) -> None:
    leg = await carrier.call()
    await leg.until_audio(1)
    assert [one.tag for one in await carrier.after_stream()] == ["Connect", "Redirect"]
    await carrier.until_calls(0)
    assert await leg.until_closed() == 1000  # the carrier, which has forgotten it, would leave the socket open


# Status callbacks


async def test_stream_status_callbacks_are_counted_once_each_and_in_any_order(carrier: Carrier) -> None:
    told = {**RINGING, "StreamSid": STREAM, "Timestamp": "2026-01-01T00:00:00Z"}
    for event in ("stream-stopped", "stream-started", "stream-stopped", "stream-nonsense"):
        status, _, _ = await carrier.post("/twilio/stream-status", {**told, "StreamEvent": event})
        assert status == 204
    counted = [
        await carrier.count("bridge_status_callbacks_total", route="stream-status", status=status)
        for status in ("stream-started", "stream-stopped", "stream-error", "unknown")
    ]
    assert counted == [1, 1, 0, 1]


async def test_the_reason_of_a_failed_handshake_is_logged(carrier: Carrier, caplog: pytest.LogCaptureFixture) -> None:
    told = {**RINGING, "StreamSid": STREAM, "StreamEvent": "stream-error", "StreamError": "31920 handshake"}
    with caplog.at_level("WARNING"):
        await carrier.post("/twilio/stream-status", told)
    assert any("31920" in str(vars(record)) for record in caplog.records)


async def test_a_completed_call_lets_go_of_a_socket_that_hangs(carrier: Carrier) -> None:
    leg = await carrier.call()
    await leg.until_audio(1)
    await carrier.post("/twilio/call-status", {**RINGING, "CallStatus": "in-progress", "SequenceNumber": "1"})
    assert carrier.gateway.calls == 1
    for _ in range(2):
        await carrier.post("/twilio/call-status", {**RINGING, "CallStatus": "completed", "SequenceNumber": "2"})
    assert await leg.until_closed() == 1000
    await carrier.until_calls(0)
    assert await carrier.count("bridge_calls_ended_total", why="carrier completed") == 1
    assert await carrier.count("bridge_status_callbacks_total", route="call-status", status="completed") == 1


# REST


class RestApi:
    """The carrier's API: answers with a status, keeps what was asked."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append((request.path, form, request.headers["Authorization"]))
        errors = {401: {"code": 20003, "message": "Authenticate"}, 404: {"code": 20404, "message": "Not found"}}
        return web.json_response(errors.get(self.status, {}), status=self.status)


@pytest.fixture
async def api(request: pytest.FixtureRequest) -> AsyncIterator[RestApi]:
    api = RestApi(getattr(request, "param", 200))
    app = web.Application()
    app.router.add_post("/{path:.*}", api.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield api
    await runner.cleanup()


def with_rest(api: RestApi, doubles: ServiceDoubles | None = None) -> AbstractAsyncContextManager[Carrier]:
    settings = msgspec.structs.replace(SETTINGS, rest_timeout_s=2.0, end_by_rest_grace_s=0.05)
    return running(settings, doubles, api=CallsApi(api.url, RINGING["AccountSid"], "SK1", "secret"))


async def test_with_credentials_a_call_is_hung_up_by_rest(api: RestApi) -> None:
    async with with_rest(api) as carrier:
        leg = await carrier.call()
        await leg.until_audio(len(FRAME) * 5)
        await leg.press("9")
        assert await leg.until_closed() == 1000
        ((path, form, authorization),) = api.asked
        assert path == f"/2010-04-01/Accounts/{RINGING['AccountSid']}/Calls/{CALL}.json"
        assert form == {"Status": "completed"}
        assert authorization.startswith("Basic ")
        assert await carrier.count("bridge_rest_requests_total", what="end call", result="done") == 1


async def test_with_credentials_a_call_is_transferred_by_rest(api: RestApi) -> None:
    async with with_rest(api, ServiceDoubles(_transfers)) as carrier:
        await (await carrier.call()).until_closed()
        assert "<Dial" in api.asked[0][1]["Twiml"]
        assert "+15005550020" in api.asked[0][1]["Twiml"]


@pytest.mark.parametrize(
    ("api", "result", "why"),
    [(500, "busy", "HTTP status 500"), (401, "refused", "20003 Authenticate"), (404, "gone", "")],
    indirect=["api"],
)
async def test_whatever_rest_answers_the_call_ends(
    api: RestApi, result: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with with_rest(api) as carrier:
        leg = await carrier.call()
        await leg.until_audio(len(FRAME) * 5)
        await leg.press("9")
        assert await leg.until_closed() == 1000
        assert [one.tag for one in await carrier.after_stream()] == ["Hangup"]
        assert await carrier.count("bridge_rest_requests_total", what="end call", result=result) == 1
        said = [record.__dict__.get("bridge_fields", {}).get("why", "") for record in caplog.records]
        assert not why or why in said


async def test_an_api_that_cannot_be_reached_ends_the_call_by_closing_the_stream() -> None:
    api = RestApi(200)
    api.url = "http://127.0.0.1:1"
    async with with_rest(api) as carrier:
        leg = await carrier.call()
        await leg.until_audio(len(FRAME) * 5)
        await leg.press("9")
        assert await leg.until_closed() == 1000
        assert await carrier.count("bridge_rest_requests_total", what="end call", result="unreachable") == 1
