"""The media socket, over real sockets: a call from ring to hang-up, and each row of the table in `gateway.media`."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import msgspec
import pytest

from bridge.agents.base import CallInfo
from bridge.store.tickets import TicketIssuer
from bridge.telemetry.logs import FloodGate
from tests.gateway.carrier import ACCOUNT, CALL, CALLED, CALLER, SECRET, SETTINGS, STREAM, Carrier, Leg, running
from tests.gateway.doubles import FRAME, Agents, ServiceDoubles, SetAgent


@pytest.fixture
async def carrier() -> AsyncIterator[Carrier]:
    async with running() as carrier:
        yield carrier


async def test_a_call_from_ring_to_hang_up(carrier: Carrier) -> None:
    leg = await carrier.call()
    await leg.until_audio(len(FRAME) * 5)
    assert bytes(leg.audio) == FRAME * 5
    await leg.media()
    await leg.press("9")
    assert await leg.until_closed() == 1000
    assert bytes(leg.audio) == FRAME * len("hellobye")
    assert [one.tag for one in await carrier.after_stream()] == ["Hangup"]
    await carrier.until_calls(0)
    assert await carrier.count("bridge_calls_ended_total", why="agent") == 1


async def test_the_agent_is_told_who_calls(carrier: Carrier) -> None:
    leg = await carrier.call()
    await leg.until_audio(1)
    info = carrier.doubles.agents.calls[0].info
    assert (info.call_id, info.from_number, info.to_number, info.parameters) == (CALL, CALLER, CALLED, {})


async def test_what_we_send_has_exactly_the_carriers_fields(carrier: Carrier) -> None:
    leg = await carrier.call()
    await leg.until_audio(len(FRAME) * 5)
    await leg.press("1")
    await leg.until_audio(len(FRAME) * 6)
    shapes = {"media": {"event", "streamSid", "media"}, "mark": {"event", "streamSid", "mark"}}
    shapes["clear"] = {"event", "streamSid"}
    assert all(set(event) == shapes[event["event"]] for event in leg.seen)
    assert all(event["streamSid"] == STREAM for event in leg.seen)


async def test_two_calls_at_once_do_not_hear_each_other(carrier: Carrier) -> None:
    one = await carrier.call("CA1", "MZ1")
    other = await carrier.call("CA2", "MZ2")
    await one.until_audio(len(FRAME) * 5)
    await other.until_audio(len(FRAME) * 5)
    assert {event["streamSid"] for event in one.seen} == {"MZ1"}
    assert {event["streamSid"] for event in other.seen} == {"MZ2"}
    await one.socket.close()
    await carrier.until_calls(1)
    await other.press("4")
    await other.until_audio(len(FRAME) * 6)


async def test_frames_reach_the_ear_whatever_their_size(carrier: Carrier) -> None:
    leg = await carrier.call()
    for payload in (FRAME, FRAME[:7], FRAME * 3, b""):
        await leg.media(payload)
    await leg.stop()
    await leg.until_closed()
    assert carrier.doubles.ears.calls[0].heard == [FRAME, FRAME[:7], FRAME * 3]
    assert await carrier.refused_with("odd_payload") == 2


async def test_a_stop_ends_the_call(carrier: Carrier) -> None:
    leg = await carrier.call()
    await leg.until_audio(1)
    await leg.stop()
    assert await leg.until_closed() == 1000
    await carrier.until_calls(0)
    assert await carrier.count("bridge_calls_ended_total", why="caller") == 1
    assert await carrier.refused_with("abrupt_close") == 0


async def test_frames_that_come_after_the_end_are_ignored(carrier: Carrier) -> None:
    leg = await carrier.call()
    await leg.until_audio(len(FRAME) * 5)
    await leg.press("9")
    closed = asyncio.create_task(leg.until_closed())
    while not closed.done():
        try:
            await leg.media()
        except (ConnectionError, aiohttp.ClientError):
            break
        await asyncio.wait({closed}, timeout=0.005)
    assert await closed == 1000
    assert await carrier.count("bridge_call_failures_total", where="socket") == 0


# The table of misbehaviour: what is sent, the close code, what is counted.

Act = Callable[[Carrier, Leg], Awaitable[None]]


async def _media(carrier: Carrier, leg: Leg) -> None:
    await leg.media()


async def _mark(carrier: Carrier, leg: Leg) -> None:
    await leg.send({"event": "mark", "streamSid": STREAM, "mark": {"name": "x"}})


async def _digit(carrier: Carrier, leg: Leg) -> None:
    await leg.press("1")


async def _binary(carrier: Carrier, leg: Leg) -> None:
    await leg.socket.send_bytes(FRAME)


async def _no_json(carrier: Carrier, leg: Leg) -> None:
    await leg.send("{nonsense")


async def _no_object(carrier: Carrier, leg: Leg) -> None:
    await leg.send("[1, 2]")


async def _nothing(carrier: Carrier, leg: Leg) -> None:
    await leg.send("")


async def _no_payload(carrier: Carrier, leg: Leg) -> None:
    await leg.send({"event": "media", "streamSid": STREAM, "media": {"track": "inbound"}})


async def _bad_base64(carrier: Carrier, leg: Leg) -> None:
    await leg.media("!!!not base64!!!")


async def _too_big(carrier: Carrier, leg: Leg) -> None:
    await leg.send(json.dumps({"event": "media", "padding": "x" * SETTINGS.max_message_bytes}))


async def _other_stream(carrier: Carrier, leg: Leg) -> None:
    await leg.media(stream_sid="MZother")


async def _other_streams_digit(carrier: Carrier, leg: Leg) -> None:
    leg.stream_sid = "MZother"
    await leg.press("1")


async def _second_start(carrier: Carrier, leg: Leg) -> None:
    await leg.start(await carrier.ring("CA3"))


@pytest.mark.parametrize(
    ("act", "code", "kind"),
    [
        (_media, 1008, "before_start"),
        (_mark, 1008, "before_start"),
        (_digit, 1008, "before_start"),
        (_binary, 1003, "binary_frame"),
        (_no_json, 1007, "bad_message"),
        (_no_object, 1007, "bad_message"),
        (_nothing, 1007, "bad_message"),
        (_too_big, 1009, "message_too_big"),
    ],
)
async def test_misbehaviour_before_the_start(carrier: Carrier, act: Act, code: int, kind: str) -> None:
    leg = Leg(await carrier.open())
    await act(carrier, leg)
    assert await leg.until_closed() == code
    assert await carrier.refused_with(kind) == 1
    await (await carrier.call()).until_audio(1)  # and the next call is served


@pytest.mark.parametrize(
    ("act", "code", "kind"),
    [
        (_binary, 1003, "binary_frame"),
        (_too_big, 1009, "message_too_big"),
        (_other_stream, 1008, "wrong_stream"),
        (_other_streams_digit, 1008, "wrong_stream"),
        (_second_start, 1008, "second_start"),
    ],
)
async def test_misbehaviour_within_a_call_ends_that_call_alone(
    carrier: Carrier, act: Act, code: int, kind: str
) -> None:
    neighbour = await carrier.call("CA9", "MZ9")
    leg = await carrier.call()
    await leg.until_audio(1)
    await act(carrier, leg)
    assert await leg.until_closed() == code
    assert await carrier.refused_with(kind) == 1
    await carrier.until_calls(1)
    assert await carrier.count("bridge_calls_ended_total", why="protocol") == 1
    await neighbour.until_audio(len(FRAME) * 5)


async def test_bytes_on_a_media_socket_are_no_lines_of_http(carrier: Carrier) -> None:
    """A mask makes newlines of any audio; here one of zeros leaves those that are there."""
    leg = await carrier.call()
    await leg.until_audio(1)
    message = b'{"event": "mark", ' + b"\n" * 60_000 + b'"mark": {"name": "none of ours"}}'
    connection = leg.socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    frame = b"\x81\xff" + len(message).to_bytes(8, "big") + bytes(4) + message
    connection.transport.write(frame)
    await leg.press("4")
    await leg.until_audio(len(FRAME) * 6)
    assert await carrier.count("bridge_connections_refused_total", why="unreadable") == 0


@pytest.mark.parametrize("act", [_no_json, _no_object, _nothing, _no_payload, _bad_base64])
async def test_one_unreadable_message_within_a_call_is_passed_over(carrier: Carrier, act: Act) -> None:
    leg = await carrier.call()
    await leg.until_audio(len(FRAME) * 5)
    for _ in range(60):  # each second one, so never many in a row
        await act(carrier, leg)
        await leg.media()
    await leg.press("4")
    await leg.until_audio(len(FRAME) * 6)
    assert await carrier.refused_with("bad_message") == 60
    assert carrier.doubles.ears.calls[0].heard == [FRAME] * 60


@pytest.mark.parametrize("act", [_no_json, _no_payload, _bad_base64])
async def test_a_second_of_unreadable_messages_is_the_end(carrier: Carrier, act: Act) -> None:
    leg = await carrier.call()
    await leg.until_audio(1)
    for _ in range(50):
        await act(carrier, leg)
    assert await leg.until_closed() == 1007
    assert await carrier.refused_with("bad_message") == 50
    assert await carrier.count("bridge_calls_ended_total", why="protocol") == 1


async def test_an_odd_field_costs_neither_the_call_nor_the_audio(carrier: Carrier) -> None:
    leg = await carrier.call()
    payload = base64.b64encode(FRAME).decode()
    await leg.until_audio(len(FRAME) * 5)
    await leg.press("?")
    await leg.send({"event": "mark", "streamSid": STREAM, "mark": {}})
    await leg.send({"event": "media", "streamSid": STREAM, "media": {"payload": payload, "timestamp": 5.5}})
    await leg.send({"event": "media", "streamSid": STREAM, "media": {"payload": payload, "timestamp": None}})
    await leg.press("4")
    await leg.until_audio(len(FRAME) * 6)
    await leg.stop()
    await leg.until_closed()
    assert carrier.doubles.ears.calls[0].heard == [FRAME, FRAME]
    assert await carrier.refused_with("odd_field") == 4


async def test_an_unknown_event_is_ignored_and_counted(carrier: Carrier) -> None:
    leg = await carrier.call()
    await leg.send({"event": "telemetry", "streamSid": STREAM, "news": 1})
    await leg.until_audio(len(FRAME) * 5)
    assert await carrier.refused_with("unknown_event") == 1


async def test_a_socket_that_never_starts_is_closed_at_the_deadline() -> None:
    async with running(msgspec.structs.replace(SETTINGS, start_deadline_s=0.05)) as carrier:
        leg = Leg(await carrier.open())
        assert await leg.until_closed() == 1008
        assert await carrier.refused_with("start_deadline") == 1


async def test_a_started_call_outlives_the_start_deadline() -> None:
    async with running(msgspec.structs.replace(SETTINGS, start_deadline_s=0.05)) as carrier:
        leg = await carrier.call()
        await leg.until_audio(len(FRAME) * 5)  # takes longer than the deadline
        await leg.press("4")
        await leg.until_audio(len(FRAME) * 6)
        assert await carrier.refused_with("start_deadline") == 0


async def test_a_line_on_which_no_audio_comes_is_dead() -> None:
    async with running(msgspec.structs.replace(SETTINGS, no_media_s=0.1)) as carrier:
        leg = await carrier.call()
        assert await leg.until_closed() == 1001
        assert await carrier.refused_with("no_media") == 1
        assert await carrier.count("bridge_calls_ended_total", why="no media") == 1


async def test_after_an_abrupt_close_the_next_webhook_brings_the_call_back(carrier: Carrier) -> None:
    leg = await carrier.call()
    await leg.until_audio(1)
    transport = leg.socket._response.connection and leg.socket._response.connection.transport
    assert transport is not None
    transport.abort()
    await carrier.until_calls(0)
    assert await carrier.refused_with("abrupt_close") == 1
    assert await carrier.count("bridge_calls_ended_total", why="lost") == 1
    document = await carrier.after_stream()
    assert [one.tag for one in document] == ["Connect", "Redirect"]
    back = Leg(await carrier.open(), CALL, "MZ2")
    await back.start({one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")})
    await back.press("9")
    await back.until_closed()
    assert bytes(back.audio).endswith(FRAME * len("bye"))
    assert [one.tag for one in await carrier.after_stream()] == ["Hangup"]


# Tickets and formats


async def _refused_start(carrier: Carrier, parameters: dict[str, str], **changes: object) -> int | None:
    leg = Leg(await carrier.open())
    await leg.start(parameters, **changes)
    return await leg.until_closed()


@pytest.mark.parametrize(
    ("issue", "why"),
    [
        (lambda: None, "missing"),
        (lambda: "nonsense", "malformed"),
        (lambda: TicketIssuer(["another secret"]).issue("twilio", CALL, ACCOUNT), "forged"),
        (lambda: TicketIssuer([SECRET], ttl_s=-1.0).issue("twilio", CALL, ACCOUNT), "expired"),
        (lambda: TicketIssuer([SECRET]).issue("twilio", "CAother", ACCOUNT), "wrong_call"),
        (lambda: TicketIssuer([SECRET]).issue("telnyx", CALL, ACCOUNT), "wrong_carrier"),
        (lambda: TicketIssuer([SECRET]).issue("twilio", CALL, "ACother"), "wrong_account"),
    ],
)
async def test_a_stream_without_a_good_ticket_is_refused(
    carrier: Carrier, issue: Callable[[], str | None], why: str
) -> None:
    ticket = issue()  # now: a suite takes longer than a ticket lives
    assert await _refused_start(carrier, {} if ticket is None else {"ticket": ticket}) == 1008
    assert await carrier.refused_with(f"ticket_{why}") == 1
    assert carrier.doubles.ears.calls == []


async def test_a_ticket_is_good_once(carrier: Carrier) -> None:
    parameters = await carrier.ring()
    leg = Leg(await carrier.open())
    await leg.start(parameters)
    await leg.until_audio(1)
    await leg.stop()
    await leg.until_closed()
    assert await _refused_start(carrier, parameters) == 1008
    assert await carrier.refused_with("ticket_spent") == 1


async def test_a_second_stream_for_a_running_call_is_refused_and_the_first_goes_on(carrier: Carrier) -> None:
    leg = await carrier.call()
    await leg.until_audio(1)
    assert await _refused_start(carrier, await carrier.ring()) == 1008
    assert await carrier.refused_with("duplicate_call") == 1
    await leg.press("4")
    await leg.until_audio(len(FRAME) * 2)
    assert carrier.gateway.calls == 1


@pytest.mark.parametrize(
    "format_",
    [
        {"encoding": "audio/l16", "sampleRate": 8000, "channels": 1},
        {"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1},
        {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2},
    ],
)
async def test_a_format_we_do_not_speak_is_refused_loudly(carrier: Carrier, format_: dict[str, object]) -> None:
    assert await _refused_start(carrier, await carrier.ring(), mediaFormat=format_) == 1003
    assert await carrier.refused_with("unsupported_format") == 1


# The handshake


@pytest.mark.parametrize("signature", ["", "bm90IGl0", "McRGZaC8IvrDLB1F1ZoXYUSmVL1="])
async def test_a_handshake_that_nobody_signed_is_refused(carrier: Carrier, signature: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await carrier.open(signature)
    assert refusal.value.status == 403
    why = "wrong_signature" if signature else "no_signature"
    assert await carrier.count("bridge_signature_failures_total", route="media", why=why) == 1


async def test_the_published_signature_opens_the_socket(carrier: Carrier) -> None:
    # HMAC-SHA1 of wss://bridge.example.com/twilio/media under "test_auth_token", computed elsewhere.
    socket = await carrier.open("McRGZaC8IvrDLB1F1ZoXYUSmVL0=")
    assert not socket.closed
    await socket.close()


async def test_a_plain_request_is_told_to_speak_websocket(carrier: Carrier) -> None:
    headers = {"X-Twilio-Signature": "McRGZaC8IvrDLB1F1ZoXYUSmVL0="}
    async with carrier.http.get(carrier.base + "/twilio/media", headers=headers) as response:
        assert response.status == 400
    assert await carrier.refused_with("not_a_websocket") == 1


async def test_one_address_cannot_hold_many_sockets_that_never_start() -> None:
    async with running(msgspec.structs.replace(SETTINGS, max_waiting_per_address=2)) as carrier:
        first, _second = await carrier.open(), await carrier.open()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await carrier.open()
        assert refusal.value.status == 429
        assert await carrier.refused_with("too_many_waiting") == 1
        await first.close()
        await asyncio.sleep(0)
        legs = [await carrier.call(f"CA{n}", f"MZ{n}") for n in range(5)]  # started sockets do not count
        for leg in legs:
            await leg.until_audio(1)


# Room, bugs and slow readers


async def test_a_stream_for_which_there_is_no_room_is_told_so_by_the_next_webhook() -> None:
    async with running(msgspec.structs.replace(SETTINGS, max_calls=1)) as carrier:
        parameters = await carrier.ring("CA2")
        carrier.gateway.process.admission.begin("twilio/CA1")  # another process had admitted this one
        leg = Leg(await carrier.open(), call_sid="CA2")
        await leg.start(parameters)
        assert await leg.until_closed() == 1013
        assert [one.tag for one in await carrier.after_stream("CA2")] == ["Say", "Hangup"]
        assert await carrier.count("bridge_calls_refused_total", why="no room") == 1


class BrokenAgents(Agents):
    def __init__(self) -> None:
        super().__init__(lambda prompt: [])

    def open_call(self, info: CallInfo) -> SetAgent:
        raise RuntimeError("a bug in the agent's factory")


async def test_a_call_that_cannot_begin_gets_an_apology_and_leaves_no_trace() -> None:
    doubles = ServiceDoubles()
    doubles.services = msgspec.structs.replace(doubles.services, agents=BrokenAgents())
    async with running(doubles=doubles) as carrier:
        leg = await carrier.call()
        assert await leg.until_closed() == 1011
        assert [one.tag for one in await carrier.after_stream()] == ["Say", "Hangup"]
        assert carrier.gateway.calls == 0
        assert await carrier.count("bridge_call_failures_total", where="socket") == 1
        assert (carrier.doubles.ears.calls, carrier.doubles.voices.calls) == ([], [])


async def test_a_carrier_that_does_not_read_is_given_up() -> None:
    settings = msgspec.structs.replace(SETTINGS, max_unsent_bytes=65_536)
    async with running(settings) as carrier:
        leg = await carrier.call()
        await leg.until_audio(1)
        line = carrier.gateway.media.sockets[f"twilio/{CALL}"].session._line  # type: ignore[union-attr]
        for _ in range(20_000):
            line.send_audio(FRAME * 20)
            line.flush()
            if carrier.gateway.calls == 0:
                break
        await carrier.until_calls(0)
        assert await carrier.refused_with("not_reading") == 1
        assert await carrier.count("bridge_calls_ended_total", why="not reading") == 1


async def test_a_flood_of_errors_is_counted_and_logged_a_line_a_second(
    carrier: Carrier, caplog: pytest.LogCaptureFixture
) -> None:
    """Broken sockets, and webhooks that nobody signed: whoever floods us has one address, and gets one line of each."""
    now = [0.0]
    gate = FloodGate(clock=lambda: now[0])
    caplog.handler.addFilter(gate)

    async def flood() -> None:
        for _ in range(10):
            leg = Leg(await carrier.open())
            await leg.media()
            assert await leg.until_closed() == 1008
            status, _, _ = await carrier.post("/twilio/voice", {"CallSid": CALL}, signature="bm90IGl0")
            assert status == 403

    try:
        await flood()
        lines = [(record.getMessage(), vars(record)["bridge_fields"]["remote"]) for record in caplog.records]
        assert sorted(lines) == [("protocol error", "127.0.0.1"), ("signature refused", "127.0.0.1")]
        now[0] = 1.5
        await flood()
        assert [vars(record)["bridge_fields"]["left_out"] for record in caplog.records[2:]] == [9, 9]
    finally:
        caplog.handler.removeFilter(gate)
    assert await carrier.refused_with("before_start") == 20
    assert await carrier.count("bridge_signature_failures_total", route="voice", why="wrong_signature") == 20
