"""What a turn costs the caller when the recogniser fails in it, measured in virtual time through the whole bridge.

All settings are the defaults, but that there is a second recogniser. The first one's service, a double, does what
services do when they fail, on every connection that the call has with it; the second's works. The caller says one
sentence, and the bot repeats what it understood; the ear says how much later than after a turn in which nothing failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.agents.settings import ScriptSettings
from bridge.config import Settings
from bridge.gateway.settings import GatewaySettings
from bridge.listening.settings import ListeningSettings, NoTurnModelSettings
from bridge.simulator import virtual
from bridge.simulator.runner import PlacedCall
from tests.doubles.listening.base import KEY, Close, ListeningDouble, Says
from tests.doubles.listening.catalogue import DOUBLES, VIRTUAL
from tests.doubles.listening.deepgram import DeepgramDouble
from tests.doubles.listening.soniox import SonioxDouble
from tests.doubles.speaking.elevenlabs import ElevenLabsDouble
from tests.listening.recogniser_contract import plain
from tests.simulator.hosted_bridge import hosted_application, rings
from tests.simulator.virtual_bridge import PUBLIC

SCRIPT = """
name: shop
start: greeting
states:
  greeting: {say: Hello there., expect: open, capture: wish, on_answer: repeat}
  repeat: {say: "You said {wish}", hang_up: done}
"""
SCENARIO = (
    "name: shop\nlongest_s: 40\n"
    "steps: [{wait_for_silence: 600}, {say: I want to cancel my order.}, {wait_for_hang_up: 25}]"
)
SAID = "i want to cancel my order"
WELL = "well"
CONNECTIONS = 9
"""More than one call makes."""
MOST_MS = 1000
"""What an engine that dies in the midst of a turn may cost that turn."""


def refuses(status: int) -> Callable[[ListeningDouble], None]:
    """Every handshake is answered so."""

    def orders(double: ListeningDouble) -> None:
        double.refuses = status

    return orders


def does(told: Any, after_s: float) -> Callable[[ListeningDouble], None]:
    """Every connection ends, or falls silent, so once it has been given so much audio."""

    def orders(double: ListeningDouble) -> None:
        double._misconduct = [[Says(after_s, told)]] * CONNECTIONS

    return orders


WAYS: dict[str, Callable[[float], Callable[[ListeningDouble], None]]] = {
    "refuses (503)": lambda _: refuses(503),
    "wrong key (401)": lambda _: refuses(401),
    "is cut": lambda at: does(Close(None), at),
    "closes (1011)": lambda at: does(Close(1011, "internal error"), at),
    "says nonsense": lambda at: does("{", at),
    "falls silent": lambda at: does(None, at),
}
AT_ONCE = frozenset({"refuses (503)", "wrong key (401)"})
"""Ways that come about before any audio."""
PLACES_S = (0.5, 1.6, 2.2, 2.6, 3.0)
"""Before the caller speaks, in the first words, in the midst, in the last word, in the silence after it."""


def failures() -> Iterator[tuple[str, float]]:
    """Each way at each moment at which it can come about."""
    for way in WAYS:
        for at in (0.0,) if way in AT_ONCE else PLACES_S:
            yield way, at


Misconduct = Callable[[ListeningDouble], None]


async def call(
    vendor: str, orders: Misconduct | None, folder: Path, others: Misconduct | None = None
) -> tuple[PlacedCall, list[str]]:
    """One call whose recogniser's service has these orders, its second one's others, and every text that was spoken."""
    first: ListeningDouble = DOUBLES[vendor]()
    second = SonioxDouble() if isinstance(first, DeepgramDouble) else DeepgramDouble()
    if orders is not None:
        orders(first)
    if others is not None:
        others(second)
    (folder / "shop.yaml").write_text(SCRIPT)
    voice = ElevenLabsDouble()
    async with first.serve() as first_url, second.serve() as second_url, voice.serve() as voice_url:
        settings = Settings(
            gateway=GatewaySettings(public_url=PUBLIC),
            listening=ListeningSettings(
                recogniser=first.settings(first_url),
                fallback_recognisers=(second.settings(second_url),),
                turn=NoTurnModelSettings(),
            ),
            agent=ScriptSettings(file="shop.yaml"),
        )
        application = hosted_application(settings, folder, voice.settings(voice_url))
        await application.start("127.0.0.1", 0)
        placed = await rings(application, SCENARIO)
        await application.stop()
    return placed, [plain(text) for text in voice.texts]


def reply_ms(vendor: str, way: str, at: float, folder: Path) -> int:
    """When the answer came, after the caller's last sound, in milliseconds; it holds all words that were said."""
    orders = None if way == WELL else WAYS[way](at)
    placed, said = virtual.run(lambda: call(vendor, orders, folder))
    assert any(text.endswith(SAID) for text in said), f"{vendor} {way} at {at} s: {said}"
    caller = next(turn for turn in placed.result.turns if turn.speaker == "caller")
    answers = [turn for turn in placed.result.turns if turn.speaker == "bot" and turn.start_ms > caller.end_ms]
    return answers[0].start_ms - caller.end_ms


@pytest.fixture
def virtual_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_KEY", KEY)
    monkeypatch.setattr(aiohttp, "TCPConnector", lambda **_how: virtual.MemoryConnector())


@pytest.mark.parametrize(
    ("way", "at"), [*((way, 0.0) for way in sorted(AT_ONCE)), ("is cut", 2.6), ("falls silent", 0.5)]
)
def test_a_turn_in_which_the_recogniser_fails_is_answered_to_the_word(
    way: str, at: float, virtual_network: None, tmp_path: Path
) -> None:
    well = reply_ms("deepgram", WELL, 0.0, tmp_path)
    assert reply_ms("deepgram", way, at, tmp_path) - well <= MOST_MS


@pytest.mark.parametrize("at", [1.6, 2.2, 2.6])
@pytest.mark.parametrize("vendor", VIRTUAL)
def test_a_service_that_says_no_more_in_mid_sentence_costs_no_word(
    vendor: str, at: float, virtual_network: None, tmp_path: Path
) -> None:
    """The connection stands, and nothing comes: the words so far are no answer while somebody else can be asked.

    In the first words, in the midst, in the last word.
    """
    assert reply_ms(vendor, "falls silent", at, tmp_path) > 0


def test_what_it_had_said_counts_where_nobody_else_can_be_heard(virtual_network: None, tmp_path: Path) -> None:
    _, said = virtual.run(lambda: call("cartesia_ink", WAYS["falls silent"](2.6), tmp_path, refuses(503)))
    assert any(text.startswith("you said i want to cancel my") for text in said)
