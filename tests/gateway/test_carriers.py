"""Every carrier through the same gateway, side by side, in virtual time: ring, greeting, keys, hang-up, and after.

Over real sockets every carrier rings in `test_dying.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest
from yarl import URL

from bridge.call.actions import Action, Prompt, Say, Transfer
from bridge.carriers.addresses import Addresses
from bridge.carriers.base import EndCall, OpenStream, SocketMessage
from bridge.carriers.plivo.carrier import PlivoCarrier
from bridge.carriers.web import CarrierRequest, Document
from tests.carriers.contract import Example
from tests.carriers.test_plivo import TestPlivo as Plivo
from tests.carriers.test_telnyx import TestTelnyx as Telnyx
from tests.carriers.test_twilio import TestTwilio as Twilio
from tests.carriers.test_vonage import TestVonage as Vonage
from tests.gateway.carrier import PATIENCE_S, SETTINGS, Carrier, running
from tests.gateway.doubles import FRAME

pytestmark = pytest.mark.usefixtures("in_virtual_time")

EXAMPLES = [Twilio.example, Telnyx.example, Vonage.example, Plivo.example]
each = pytest.mark.parametrize("example", EXAMPLES, ids=[one.carrier.name for one in EXAMPLES])


@asynccontextmanager
async def gateway(**changes: Any) -> AsyncIterator[Carrier]:
    others = [one.carrier for one in EXAMPLES if one.carrier.name != "twilio"]
    async with running(msgspec.structs.replace(SETTINGS, **changes), others=others) as carrier:
        yield carrier


@dataclass
class Phone:
    """One call of any carrier, from the carrier's side."""

    gateway: Carrier
    example: Example
    audio: bytearray = field(default_factory=bytearray)
    frames: int = 0

    @property
    def name(self) -> str:
        return self.example.carrier.name

    async def ask(self, request: CarrierRequest) -> tuple[int, Document]:
        url = URL(self.gateway.base + request.url.removeprefix("https://bridge.example.com"), encoded=True)
        async with self.gateway.http.request(
            request.method, url, data=request.body or None, headers=request.headers
        ) as response:
            return response.status, Document(await response.text(), response.content_type)

    async def ring(self) -> Document:
        status, document = await self.ask(self.example.ringing(time.time()))
        assert status == 200, document.text
        return document

    async def connect(self, document: Document) -> None:
        path = urlsplit(f"{self.gateway.base}/{self.name}/media").geturl()
        self.socket = await self.gateway.http.ws_connect(path, headers=self.example.handshake)
        await self.socket.send_str(self.example.start(document).decode())

    async def call(self) -> None:
        await self.connect(await self.ring())

    async def say(self, sound: bytes) -> None:
        self.frames += 1
        message = self.example.audio(sound, self.frames)
        if message.binary:
            await self.socket.send_bytes(message.payload)
        else:
            await self.socket.send_str(message.payload.decode())

    async def press(self, digit: str) -> None:
        await self.socket.send_str(self.example.key(digit).decode())

    async def hang_up(self) -> None:
        if self.example.stop is not None:
            await self.socket.send_str(self.example.stop.decode())
        await self.socket.close()

    async def take(self) -> int | None:
        """Read one message and answer a mark at once; the close code when it was the last."""
        message = await self.socket.receive(PATIENCE_S)
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            return self.socket.close_code or 1006
        binary = message.type is aiohttp.WSMsgType.BINARY
        payload = message.data if binary else message.data.encode()
        for kind, what in self.example.taken([SocketMessage(payload, binary)]):
            if kind == "audio":
                self.audio += what
            elif kind == "mark":
                await self.socket.send_str(self.example.mark(what.decode()).decode())
        return None

    async def until_ms(self, length_ms: int) -> None:
        step = self.example.carrier.open_stream().our_format.bytes_per_ms
        async with asyncio.timeout(PATIENCE_S):
            while len(self.audio) < length_ms * step:
                assert await self.take() is None, "the gateway closed the socket"

    async def until_closed(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            while (code := await self.take()) is None:
                pass
        return code


@each
async def test_a_call_from_ring_to_hang_up(example: Example) -> None:
    async with gateway() as service:
        phone = Phone(service, example)
        await phone.call()
        await phone.until_ms(20 * len("hello") - 20)
        info = service.doubles.agents.calls[0].info
        assert info.call_id == example.call_id
        assert (info.from_number.lstrip("+"), info.to_number.lstrip("+")) == ("15005550006", "15005550010")
        await phone.press("9")
        assert await phone.until_closed() == 1000
        await service.until_calls(0)
        assert await service.count("bridge_calls_ended_total", why="agent") == 1
        status, document = await phone.ask(example.stream_over(time.time()))
        assert status == 200
        assert document == Document(
            example.carrier.document(EndCall(), Addresses(f"https://bridge.example.com/{phone.name}")).text,
            document.content_type,
        )


@each
async def test_the_caller_is_heard_in_mu_law(example: Example) -> None:
    async with gateway() as service:
        phone = Phone(service, example)
        await phone.call()
        form = example.carrier.open_stream().caller_format
        for _ in range(10):
            await phone.say(form.silence(20))
        await phone.until_ms(20)
        ear = service.doubles.ears.calls[0]
        async with asyncio.timeout(PATIENCE_S):
            while len(b"".join(ear.heard)) < 9 * len(FRAME):
                await asyncio.sleep(0.001)
        assert set(b"".join(ear.heard)) <= {0xFF, 0x7F}


@each
async def test_an_unsigned_webhook_is_refused_before_its_body_is_read(example: Example) -> None:
    async with gateway() as service:
        phone = Phone(service, example)
        genuine = example.ringing(time.time())
        bare = {k: v for k, v in genuine.headers.items() if k not in example.carrier.signature_headers}
        status, _ = await phone.ask(CarrierRequest("POST", genuine.url, bare, b"x" * 100_000))
        assert status == 403
        route = urlsplit(genuine.url).path.rpartition("/")[2]
        assert await service.count("bridge_signature_failures_total", route=route, why="no_signature") == 1


@each
async def test_a_ticket_of_one_carrier_opens_nothing_at_another(example: Example) -> None:
    async with gateway() as service:
        for other in EXAMPLES:
            if other is example:
                continue
            stolen = service.gateway.process.tickets.issue(example.carrier.name, other.call_id, other.account_id)
            document = other.carrier.document(
                OpenStream(other.call_id, {"ticket": stolen}),
                Addresses(f"https://bridge.example.com/{other.carrier.name}"),
            )
            phone = Phone(service, other)
            await phone.connect(document)
            assert await phone.until_closed() == 1008
            kind = "ticket_wrong_carrier"
            assert await service.count("bridge_protocol_errors_total", carrier=other.carrier.name, kind=kind) == 1


async def test_calls_of_all_carriers_at_once_do_not_hear_each_other() -> None:
    async with gateway() as service:
        phones = [Phone(service, example) for example in EXAMPLES]
        for phone in phones:
            await phone.call()
        await asyncio.gather(*(phone.until_ms(20 * len("hello") - 20) for phone in phones))
        assert service.gateway.calls == len(phones)
        await phones[0].press("9")
        assert await phones[0].until_closed() == 1000
        await service.until_calls(len(phones) - 1)
        await phones[1].press("4")
        await phones[1].until_ms(20 * len("hello4") - 20)


# Transfers that nobody answers


def desk(prompt: Prompt) -> list[Action]:
    match prompt.kind:
        case "call_started":
            return [Say("hello")]
        case "digits":
            return [Say("wait"), Transfer("+15005550020")]
        case "transfer_failed":
            return [Say(f"{prompt.text}!")]
    return [Say("what")]


async def transferred(phone: Phone) -> Document:
    """The caller is greeted, presses a key and is transferred; the document that the carrier follows then."""
    await phone.call()
    await phone.until_ms(20 * len("hello"))
    await phone.press("7")
    assert await phone.until_closed() == 1000
    await phone.gateway.until_calls(0)
    status, document = await phone.ask(phone.example.stream_over(time.time()))
    assert status == 200
    assert "15005550020" in document.text
    phone.audio.clear()
    return document


@each
@pytest.mark.parametrize("result", ["busy", "no_answer", "failed"])
async def test_a_caller_whom_nobody_answers_comes_back_to_the_conversation(example: Example, result: str) -> None:
    async with gateway() as service:
        service.doubles.agents.answer = desk
        phone = Phone(service, example)
        dial = await transferred(phone)
        status, document = await phone.ask(example.dial_over(time.time(), result, dial))
        assert status == 200, document.text
        await phone.connect(document)
        await phone.until_ms(20 * len(f"{result}!"))
        left, back = service.doubles.agents.calls
        assert (back.info.from_number, back.info.to_number) == (left.info.from_number, left.info.to_number)
        (prompt,) = back.prompts
        assert (prompt.kind, prompt.text, prompt.turn) == ("transfer_failed", result, 3)
        # The key may have broken the greeting off; what came after it was heard.
        assert [(one.speaker, one.text) for one in prompt.history[-2:]] == [("caller", "7"), ("bot", "wait")]
        assert back.resumed_from == left.state()
        await phone.press("7")  # and may be transferred again
        assert await phone.until_closed() == 1000
        assert [one.kind for one in back.prompts] == ["transfer_failed", "digits"]


@each
async def test_a_party_who_answered_is_the_end(example: Example) -> None:
    async with gateway() as service:
        service.doubles.agents.answer = desk
        phone = Phone(service, example)
        dial = await transferred(phone)
        status, document = await phone.ask(example.dial_over(time.time(), "answered", dial))
        ends = example.carrier.document(EndCall(), Addresses(f"https://bridge.example.com/{phone.name}"))
        assert (status, document.text) in ((200, ends.text), (204, ""))
        assert len(service.doubles.agents.calls) == 1


@each
async def test_a_caller_whose_call_was_not_kept_is_told_what_happened_all_the_same(example: Example) -> None:
    async with gateway() as service:
        service.doubles.agents.answer = desk
        phone = Phone(service, example)
        dial = await transferred(phone)
        await service.gateway.process.kept_calls.forget(f"{phone.name}/{example.call_id}")
        _, document = await phone.ask(example.dial_over(time.time(), "busy", dial))
        await phone.connect(document)
        await phone.until_ms(20 * len("busy!"))
        (prompt,) = service.doubles.agents.calls[-1].prompts
        assert (prompt.kind, prompt.text, prompt.history) == ("transfer_failed", "busy", ())


# Carriers that open a lost socket again


@pytest.fixture
async def lossy() -> AsyncIterator[tuple[Carrier, Phone]]:
    async with gateway(reconnect_s=0.3) as service:
        yield service, Phone(service, Telnyx.example)


async def test_a_call_goes_on_when_its_socket_is_opened_again(lossy: tuple[Carrier, Phone]) -> None:
    service, phone = lossy
    document = await phone.ring()
    await phone.connect(document)
    await phone.until_ms(100)
    first = phone.socket
    await phone.connect(document)  # the same document: the same ticket
    await phone.press("4")
    await phone.until_ms(120)
    assert service.gateway.calls == 1
    assert (await first.receive(PATIENCE_S)).type is not aiohttp.WSMsgType.ERROR
    await phone.press("9")
    assert await phone.until_closed() == 1000
    await service.until_calls(0)
    assert len(service.doubles.agents.calls) == 1
    assert await service.count("bridge_protocol_errors_total", carrier="telnyx", kind="reconnected") == 1
    assert await service.count("bridge_calls_ended_total", why="agent") == 1


async def test_a_call_waits_for_its_lost_socket_to_be_opened_again(lossy: tuple[Carrier, Phone]) -> None:
    service, phone = lossy
    document = await phone.ring()
    await phone.connect(document)
    await phone.until_ms(100)
    await phone.socket.close()
    await asyncio.sleep(0.02)
    assert service.gateway.calls == 1
    await phone.connect(document)
    await phone.press("4")
    await phone.until_ms(120)


async def test_a_socket_that_is_not_opened_again_ends_the_call(lossy: tuple[Carrier, Phone]) -> None:
    service, phone = lossy
    await phone.call()
    await phone.until_ms(100)
    await phone.socket.close()
    await service.until_calls(0)
    assert await service.count("bridge_calls_ended_total", why="lost") == 1


async def test_nobody_else_can_take_over_a_call(lossy: tuple[Carrier, Phone]) -> None:
    service, phone = lossy
    await phone.call()
    await phone.until_ms(100)
    thief = Phone(service, Telnyx.example)
    await thief.connect(await thief.ring())  # a ticket of its own, for the same call
    assert await thief.until_closed() == 1008
    await phone.press("4")
    await phone.until_ms(120)


async def test_who_has_stolen_the_ticket_cannot_take_over_a_call_whose_socket_brings_audio(
    lossy: tuple[Carrier, Phone],
) -> None:
    service, phone = lossy
    document = await phone.ring()
    await phone.connect(document)
    await phone.until_ms(100)
    thief = Phone(service, Telnyx.example)
    await thief.connect(document)  # the same ticket

    async def talk() -> None:
        while True:
            await phone.say(FRAME)
            await asyncio.sleep(0.005)

    talking = asyncio.create_task(talk())
    assert await thief.until_closed() == 1008
    talking.cancel()
    assert thief.audio == b""
    await phone.press("4")
    await phone.until_ms(120)
    assert await service.count("bridge_protocol_errors_total", carrier="telnyx", kind="ticket_spent") == 1


@each
async def test_a_caller_who_hangs_up_ends_the_call(example: Example) -> None:
    async with gateway() as service:
        phone = Phone(service, example)
        await phone.call()
        await phone.until_ms(20)
        await phone.hang_up()
        await service.until_calls(0)
        assert await service.count("bridge_calls_ended_total", why="caller") == 1
        name = example.carrier.name
        assert await service.count("bridge_protocol_errors_total", carrier=name, kind="abrupt_close") == 0


@each
async def test_odd_messages_are_counted_and_cost_neither_the_call_nor_its_audio(example: Example) -> None:
    nonsense = [b"", b"[]", b"{nonsense", b'{"x":1}', b"null", b"\x00", b'{"event":7}']
    async with gateway() as service:
        phone = Phone(service, example)
        await phone.call()
        await phone.until_ms(20 * len("hello") - 20)
        for message in [*example.odd, example.unknown, *nonsense]:
            await phone.socket.send_str(message.decode())
            await phone.say(example.carrier.open_stream().caller_format.silence(20))
        await phone.press("4")
        agent = service.doubles.agents.calls[0]
        async with asyncio.timeout(PATIENCE_S):
            while agent.prompts[-1].text != "4":  # by then all that was sent before has been read
                await asyncio.sleep(0.001)
        await phone.until_ms(20 * len("hello4") - 20)
        name = example.carrier.name

        async def counted() -> list[float]:
            kinds = ("unknown_event", "bad_message")
            return [await service.count("bridge_protocol_errors_total", carrier=name, kind=kind) for kind in kinds]

        async with asyncio.timeout(PATIENCE_S):
            while await counted() != [1, len(nonsense)]:
                await asyncio.sleep(0.005)
        await phone.hang_up()
        await service.until_calls(0)
        assert await service.count("bridge_protocol_errors_total", carrier=name, kind="odd_field") == len(example.odd)
        heard = b"".join(service.doubles.ears.calls[0].heard)
        assert len(heard) >= (len(example.odd) + len(nonsense)) * len(FRAME)


@each
async def test_a_stream_that_cannot_be_read_ends_that_call_alone(example: Example) -> None:
    async with gateway() as service:
        neighbour = Phone(service, next(other for other in EXAMPLES if other is not example))
        await neighbour.call()
        phone = Phone(service, example)
        await phone.call()
        await phone.until_ms(20)
        for _ in range(50):
            await phone.socket.send_str("{nonsense")
        assert await phone.until_closed() == 1007
        await service.until_calls(1)
        await neighbour.until_ms(20 * len("hello") - 20)


@each
async def test_a_start_without_a_good_ticket_is_refused(example: Example) -> None:
    async with gateway() as service:
        addresses = Addresses(f"https://bridge.example.com/{example.carrier.name}")
        for parameters, why in (({}, "missing"), ({"ticket": "nonsense"}, "malformed")):
            phone = Phone(service, example)
            await phone.connect(example.carrier.document(OpenStream(example.call_id, parameters), addresses))
            assert await phone.until_closed() == 1008
            kind = f"ticket_{why}"
            assert await service.count("bridge_protocol_errors_total", carrier=phone.name, kind=kind) == 1
        document = await phone.ring()
        await phone.connect(document)
        await phone.until_ms(20)
        await phone.hang_up()
        await service.until_calls(0)
        await phone.connect(document)  # once more
        assert await phone.until_closed() == 1008
        assert await service.count("bridge_protocol_errors_total", carrier=phone.name, kind="ticket_spent") == 1


async def test_a_carrier_that_insists_on_a_subprotocol_is_given_it() -> None:
    class Choosy(PlivoCarrier):
        subprotocols = ("audio.second.example", "audio.example")

    async with running(SETTINGS, others=[Choosy(["plivo_token"])]) as service:
        address = f"{service.base}/plivo/media"
        socket = await service.http.ws_connect(address, protocols=("audio.example", "another.example"))
        assert socket.protocol == "audio.example"
        await socket.close()
