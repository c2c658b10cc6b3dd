"""What callers, accounts and prefixes may use: refused before they are answered, counted by all processes together."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.call.actions import Action, HangUp, Prompt, Say, Transfer
from bridge.gateway.allowances import (
    WITHHELD,
    AllowanceSettings,
    CallAllowance,
    Party,
    counted,
    minute_price,
    plain_number,
)
from bridge.gateway.settings import GatewaySettings
from bridge.gateway.spending import Spending
from bridge.store.base import Store
from bridge.store.memory import MemoryStore
from bridge.store.redis import RedisStore
from bridge.store.sqlite import SqliteStore
from bridge.telemetry.metrics import Metrics
from tests.gateway.carrier import CALL, CALLER, RINGING, SETTINGS, Carrier, Leg, running
from tests.gateway.doubles import FRAME, ServiceDoubles

NOON = 1_800_000_000.0 // 86_400 * 86_400 + 43_200
ACCOUNT, MOBILE = "AC1", "+4915112345678"
_calls = itertools.count()
"""Every call of every process has a name of its own."""


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def allow(*limits: CallAllowance, **others: Any) -> AllowanceSettings:
    return AllowanceSettings(limits=limits, **others)


class Desk:
    """One process as far as it spends, and the clock that all of them share."""

    def __init__(self, settings: AllowanceSettings, store: Store | None = None, clock: Clock | None = None) -> None:
        self.store, self.clock, self.metrics = store or MemoryStore(), clock or Clock(), Metrics()
        self.spending = Spending(settings, self.store, self.store, self.metrics, self.clock)

    async def rings(self, number: str = CALLER, account: str = ACCOUNT) -> str:
        """Another call; the allowance that refuses it."""
        return await self.spending.admit(f"twilio/CA{next(_calls)}", number, account)


# Numbers


@pytest.mark.parametrize(
    ("number", "plain"),
    [
        ("+15005550006", "15005550006"),
        ("15005550006", "15005550006"),
        ("0015005550006", "15005550006"),
        ("tel:+15005550006", "15005550006"),
        ("sip:+15005550006@host.example", "15005550006"),
        ("SIPS:15005550006@host;transport=tls", "15005550006"),
        ("sip:Anna@Host.example", "sip:anna@host.example"),
        ("anonymous", WITHHELD),
        ("", WITHHELD),
        ("+1", WITHHELD),
        ("+1500555000612345678", WITHHELD),
        ("+1500 555", WITHHELD),
        ("+\u0661\u0665\u0660\u0660", WITHHELD),
        ("sip:" + "a" * 600, WITHHELD),
        ("sip:a\x00b", WITHHELD),
        ("withheld", WITHHELD),
        ("+266696687", WITHHELD),  # ANONYMOUS on a keypad
        ("266696687", WITHHELD),
        ("+7378742833", WITHHELD),  # RESTRICTED
        ("+2562533", WITHHELD),  # BLOCKED
        ("+8656696", WITHHELD),  # UNKNOWN
        ("+86282452253", WITHHELD),  # UNAVAILABLE
        ("sip:+266696687@host.example", WITHHELD),
        ("sip:anonymous@anonymous.invalid", WITHHELD),
        ("SIP:Unknown@host.example", WITHHELD),
        ("sip:x@anonymous.invalid;transport=tls", WITHHELD),
        ("sip:anonymous.jones@host.example", "sip:anonymous.jones@host.example"),
        ("+12666966870", "12666966870"),
    ],
)
def test_a_number_is_one_however_it_is_written(number: str, plain: str) -> None:
    assert plain_number(number) == plain


PRICES = {"": 0.05, "+49": 0.02, "+4915": 0.2, "withheld": 1.0}


@pytest.mark.parametrize(
    ("number", "price"),
    [("+4930123456", 0.02), (MOBILE, 0.2), ("+33123456", 0.05), ("anonymous", 1.0), ("sip:x@y", 0.05)],
)
def test_the_longest_prefix_says_what_a_minute_costs(number: str, price: float) -> None:
    assert minute_price(PRICES, plain_number(number)) == price
    assert minute_price({}, plain_number(number)) == 0.0


LIMITS = allow(
    CallAllowance(name="callers", of="number", calls=1),
    CallAllowance(name="accounts", of="account", way="in", calls=1),
    CallAllowance(name="germany", of="prefix", prefixes=("+49", "+4915", "withheld"), calls=1),
)


@pytest.mark.parametrize(
    ("way", "number", "far", "whom"),
    [
        ("in", CALLER, CALLER, {"callers": "15005550006", "accounts": "AC1"}),
        ("in", MOBILE, MOBILE, {"callers": "4915112345678", "accounts": "AC1", "germany": "+4915"}),
        ("in", "anonymous", "anonymous", {"accounts": "AC1", "germany": "withheld"}),
        ("out", CALLER, MOBILE, {"callers": "15005550006", "germany": "+4915"}),
        ("out", MOBILE, CALLER, {"callers": "4915112345678"}),
    ],
)
def test_whom_a_call_counts_for(way: Any, number: str, far: str, whom: dict[str, str]) -> None:
    party = Party(plain_number(number), "AC1", plain_number(far))
    assert {limit.name: who for limit, who in counted(LIMITS, way, party)} == whom


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"limits": [{"name": "a", "of": "number"}]}, "one of calls, minutes and money"),
        ({"limits": [{"name": "a", "of": "number", "calls": 1, "prefixes": ["+1"]}]}, "of: prefix"),
        ({"limits": [{"name": "a", "of": "prefix", "calls": 1}]}, "of: prefix"),
        ({"limits": [{"name": "a", "of": "prefix", "calls": 1, "prefixes": ["one"]}]}, "beginning of a number"),
        ({"limits": [{"name": "a", "of": "number", "calls": 1}] * 2}, "two allowances are called a"),
        ({"limits": [{"name": "a", "of": "number", "money": 1}]}, "needs prices_in or prices_out"),
        ({"limits": [{"name": "A b", "of": "number", "calls": 1}]}, "regex"),
        ({"prices_in": {"x": 1}}, "beginning of a number"),
        ({"prices_out": {"+1": -1}}, ">= 0"),
    ],
)
def test_a_setting_that_would_limit_nothing_is_refused(mistake: dict[str, object], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert({"allowances": mistake}, GatewaySettings)


# Counting


@pytest.mark.parametrize(
    ("limit", "served"),
    [
        ({"of": "number", "calls": 3}, 3),
        ({"of": "account", "calls": 2}, 2),
        ({"of": "prefix", "prefixes": ("+1500", "+49"), "calls": 4}, 4),
        ({"of": "number", "minutes": 2}, 2),
        ({"of": "number", "money": 0.1}, 5),
        ({"of": "number", "money": 0.1, "calls": 3}, 3),
        ({"of": "number", "way": "out", "calls": 1}, 9),
        ({"of": "prefix", "prefixes": ("+49",), "calls": 1}, 9),
    ],
)
async def test_a_call_too_many_is_refused(limit: dict[str, Any], served: int) -> None:
    desk = Desk(allow(CallAllowance(name="it", **limit), prices_in={"+1": 0.02}))
    assert [await desk.rings() for _ in range(9)] == [""] * served + ["it"] * (9 - served)


async def test_tomorrow_it_begins_again() -> None:
    desk = Desk(allow(CallAllowance(name="each", of="number", calls=1)))
    assert [await desk.rings(), await desk.rings()] == ["", "each"]
    desk.clock.now += 43_199
    assert await desk.rings() == "each"
    desk.clock.now += 1
    assert [await desk.rings(), await desk.rings()] == ["", "each"]


async def test_what_one_allowance_refuses_counts_for_no_other() -> None:
    desk = Desk(
        allow(CallAllowance(name="all", of="account", calls=3), CallAllowance(name="each", of="number", calls=1))
    )
    assert [await desk.rings() for _ in range(5)] == [""] + ["each"] * 4
    assert [await desk.rings("+15005550007"), await desk.rings("+15005550008")] == ["", ""]
    assert await desk.rings("+15005550009") == "all"


async def test_a_webhook_that_comes_again_is_not_counted_again() -> None:
    desk = Desk(allow(CallAllowance(name="each", of="number", calls=1)))
    for _ in range(3):
        assert await desk.spending.admit("twilio/CA1", CALLER, ACCOUNT) == ""
    for _ in range(3):
        assert await desk.spending.admit("twilio/CA2", CALLER, ACCOUNT) == "each"


async def test_each_minute_counts_as_it_begins_and_ends_no_call() -> None:
    desk = Desk(allow(CallAllowance(name="each", of="number", minutes=3)))
    await desk.spending.admit("twilio/CA1", CALLER, ACCOUNT)
    desk.spending.begins("twilio/CA1", CALLER, ACCOUNT)
    for second in range(121):
        desk.spending.meter({"twilio/CA1": float(second)})
    await desk.spending.close()
    assert await desk.rings() == "each", "the third minute has begun"
    desk.spending.meter({"twilio/CA1": 600.0})
    assert await desk.rings("+15005550007") == ""


async def test_a_call_that_comes_from_another_process_is_not_counted_twice() -> None:
    desk = Desk(allow(CallAllowance(name="each", of="number", minutes=4)))
    await desk.rings()
    desk.spending.begins("twilio/CA1", CALLER, ACCOUNT)
    for seconds in (130.0, 170.0, 185.0):  # two minutes have counted where it was
        desk.spending.meter({"twilio/CA1": seconds})
    await desk.spending.close()
    assert [await desk.rings(), await desk.rings(), await desk.rings()] == ["", "", "each"]


async def test_a_transfer_counts_for_the_number_that_is_called() -> None:
    limits = (
        CallAllowance(name="mobiles", of="prefix", prefixes=("+4915",), way="out", money=1.0),
        CallAllowance(name="each", of="number", way="in", minutes=4),
    )
    desk = Desk(allow(*limits, prices_out=PRICES))
    assert await desk.spending.forward("twilio/CA1", CALLER, ACCOUNT, MOBILE) == ""
    desk.clock.now += 150.0
    for _ in range(2):  # the carrier tells by more than one webhook that it is over
        await desk.spending.forwarded("twilio/CA1")
    assert await desk.spending.forward("twilio/CA2", CALLER, ACCOUNT, MOBILE) == ""
    assert await desk.spending.forward("twilio/CA3", CALLER, ACCOUNT, MOBILE) == "", "0.2 were left of it"
    assert await desk.spending.forward("twilio/CA4", CALLER, ACCOUNT, MOBILE) == "mobiles"
    assert await desk.spending.forward("twilio/CA5", CALLER, ACCOUNT, "+4930123456") == ""
    assert [await desk.rings() for _ in range(3)] == ["", "", "each"], "the caller's own line was in use for two more"


async def test_calls_counted_before_a_restart_count_after_it(tmp_path: Path) -> None:
    settings, clock = allow(CallAllowance(name="each", of="number", calls=2)), Clock()
    answers = []
    for _ in range(3):
        store = SqliteStore(tmp_path / "counts", clock=clock)
        await store.start()
        answers.append(await Desk(settings, store, clock).rings())
        await store.close()
    assert answers == ["", "", "each"]


async def test_machines_count_together_in_redis(redis_url: str) -> None:
    settings = allow(CallAllowance(name="each", of="number", calls=4))
    stores = [RedisStore(redis_url, secret=b"secret", deadline_s=5.0) for _ in range(2)]
    desks = [Desk(settings, store) for store in stores]
    answers = [await desk.rings() for _ in range(3) for desk in desks]
    assert answers == [""] * 4 + ["each"] * 2
    for store in stores:
        await store.close()


async def test_without_redis_each_process_counts_what_it_sees() -> None:
    store = RedisStore("unix:///nowhere/redis.sock", secret=b"secret")
    desk = Desk(allow(CallAllowance(name="each", of="number", calls=2)), store)
    assert [await desk.rings() for _ in range(3)] == ["", "", "each"]
    await store.close()


async def test_where_nothing_is_limited_nothing_is_kept() -> None:
    desk = Desk(AllowanceSettings())
    await desk.rings()
    desk.spending.begins("twilio/CA1", CALLER, ACCOUNT)
    desk.spending.meter({"twilio/CA1": 100.0})
    await desk.spending.forward("twilio/CA1", CALLER, ACCOUNT, MOBILE)
    await desk.spending.forwarded("twilio/CA1")
    assert isinstance(desk.store, MemoryStore)
    assert desk.store.stats()["entries"] == 0


# On the phone


def gateway(*limits: CallAllowance, **others: Any) -> GatewaySettings:
    return msgspec.structs.replace(SETTINGS, allowances=allow(*limits, **others), overflow_number="+15005550099")


async def rings(carrier: Carrier, call: str, number: str) -> list[tuple[str, str | None]]:
    document = await carrier.document("/twilio/voice", {**RINGING, "CallSid": call, "From": number})
    return [(one.tag, one.text) for one in document]


async def test_who_has_called_too_often_is_told_so_before_an_answer() -> None:
    settings = gateway(CallAllowance(name="each", of="number", calls=2), busy_text="Enough for today.")
    async with running(settings) as carrier:
        for call in ("CA1", "CA2", "CA2"):
            assert (await rings(carrier, call, CALLER))[0][0] == "Connect"
        for call in ("CA3", "CA4"):
            assert await rings(carrier, call, CALLER) == [("Say", "Enough for today."), ("Hangup", None)]
        assert carrier.gateway.process.admission.expected == 2, "who is refused takes no place"
        assert (await rings(carrier, "CA5", "+15005550007"))[0][0] == "Connect"
        assert (await rings(carrier, "CA6", "anonymous"))[0][0] == "Connect"
        assert await carrier.count("bridge_calls_refused_total", why="allowance") == 2
        assert await carrier.count("bridge_allowances_refused_total", allowance="each", what="calls", way="in") == 2
        carrier.gateway._each_second()
        assert await carrier.count("bridge_allowance_used_ratio", allowance="each", of="number") == 1.0


async def test_without_words_there_is_a_busy_tone() -> None:
    async with running(gateway(CallAllowance(name="each", of="number", calls=1), busy_text="")) as carrier:
        await rings(carrier, "CA1", CALLER)
        assert await rings(carrier, "CA2", CALLER) == [("Reject", None)]


def asks_for_a_person(prompt: Prompt) -> list[Action]:
    if prompt.kind == "call_started":
        return [Say("one moment"), Transfer(MOBILE)]
    return [Say(f"{prompt.text}"), HangUp("done")]


async def test_a_transfer_that_is_not_allowed_is_told_to_the_agent() -> None:
    limit = CallAllowance(name="mobiles", of="prefix", prefixes=("+4915",), way="out", calls=1)
    async with running(gateway(limit), ServiceDoubles(asks_for_a_person)) as carrier:
        for call in ("CA1", "CA2"):
            leg = await carrier.call(call)
            await leg.until_closed()
            document = await carrier.after_stream(call)
            if call == "CA1":
                assert document[0].tag == "Dial"
        assert document[0].tag == "Connect"
        parameters = {one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")}
        leg = Leg(await carrier.open(), "CA2", "MZ2")
        await leg.start(parameters)
        await leg.until_closed()
        assert bytes(leg.audio) == FRAME * len("not_allowed")
        assert await carrier.count("bridge_calls_refused_total", why="transfer allowance") == 1


async def test_the_overflow_number_is_rung_as_often_as_that_is_allowed() -> None:
    limit = CallAllowance(name="overflow", of="prefix", prefixes=("+1500555",), way="out", calls=1)
    settings = msgspec.structs.replace(gateway(limit), max_calls=1)
    async with running(settings) as carrier:
        tags = [(await rings(carrier, f"CA{call}", CALLER))[0][0] for call in range(3)]
        assert tags == ["Connect", "Dial", "Say"]


async def test_a_transfer_s_minutes_count_when_the_carrier_tells_that_it_is_over() -> None:
    limit = CallAllowance(name="mobiles", of="prefix", prefixes=("+4915",), way="out", minutes=100)
    async with running(gateway(limit), ServiceDoubles(asks_for_a_person)) as carrier:
        await (await carrier.call()).until_closed()
        kept = await carrier.gateway.process.store.get(f"forwarded:twilio/{CALL}")
        assert kept is not None
        fields = {**RINGING, "CallStatus": "completed", "DialCallStatus": "completed"}
        await carrier.document("/twilio/after-dial", fields)
        assert await carrier.gateway.process.store.get(f"forwarded:twilio/{CALL}") is None


@pytest.mark.parametrize("withheld", ["", "anonymous", "+266696687", "+7378742833", "sip:anonymous@anonymous.invalid"])
async def test_callers_who_withhold_their_number_are_not_one_caller(withheld: str) -> None:
    settings = msgspec.structs.replace(SETTINGS, max_calls_per_number=1, busy_text="Busy.")
    async with running(settings) as carrier:
        assert [(await rings(carrier, f"CA{one}", withheld))[0][0] for one in range(3)] == ["Connect"] * 3
        assert [(await rings(carrier, f"CB{one}", CALLER))[0][0] for one in range(2)] == ["Connect", "Say"]


async def test_a_caller_is_one_however_their_number_is_written() -> None:
    settings = msgspec.structs.replace(SETTINGS, max_calls_per_number=1, busy_text="Busy.")
    async with running(settings) as carrier:
        written = (CALLER, CALLER.removeprefix("+"), f"sip:{CALLER}@host.example")
        assert [(await rings(carrier, f"CA{place}", one))[0][0] for place, one in enumerate(written)] == [
            "Connect", "Say", "Say",
        ]  # fmt: skip
