"""A city of callers at the real gateway, in virtual time: all hear their own words, all, once, in order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from bridge.simulator.calls_in_tests import CityFixture, Heard
from bridge.simulator.scenario import Scenario, parse
from bridge.simulator.spelled import HeardWord, read, reader, words_of
from tests.simulator.virtual_bridge import AGENTS, PUBLIC, TOKEN, virtual_bridge

GREETING = (
    "Welcome to the telephone booth. Please enter your ten digit number on the keypad now, "
    "so that we can call you back later today."
)
GOODBYE = "Thank you very much and goodbye."
EARS = sorted(
    set(
        words_of(GREETING + GOODBYE + "I have 0123456789 Are you still there? Please use the keypad of your telephone.")
    )
)
FIXTURES = Path(__file__).parents[2] / "fixtures" / "scenarios"


@contextlib.asynccontextmanager
async def booth() -> AsyncIterator[tuple[str, str]]:
    async with virtual_bridge(AGENTS / "booth.yaml") as (_, origin):
        yield f"{PUBLIC}/twilio/voice", origin


def number(index: int) -> str:
    return str(5_550_100_000 + 7_919 * index)[:10]


def patient(index: int, line: str = "{}") -> Scenario:
    return parse(
        f"name: caller {index}\nline: {line}\nsteps: [{{wait_for_silence: 900}}, "
        f"{{digits: {{keys: '{number(index)}', gap_ms: {150 + index % 5 * 40}}}}}, wait_for_hang_up]\n"
        "expect: {hung_up_by: server, underruns: 0}",
        folder=FIXTURES,
    )


def heard_words(heard: Heard) -> list[HeardWord]:
    return read(heard.placed.recording.bot.sound, EARS)


def told(index: int) -> list[str]:
    return words_of(f"{GREETING} I have {number(index)}. {GOODBYE}")


def ring(city: CityFixture, scenarios: list[Scenario], seed: int = 1) -> list[Heard]:
    return city(
        booth, scenarios, auth_token=TOKEN, every_ms=87.0, seed=seed, understand=reader(EARS), natural_voice=False
    )


def test_every_caller_hears_all_his_words_once_and_in_order(city: CityFixture) -> None:
    callers = ring(city, [patient(index) for index in range(40)])
    for index, heard in enumerate(callers):
        heard.check()
        assert [word.text for word in heard_words(heard)] == told(index)
        assert all(word.complete for word in heard_words(heard))


@pytest.mark.parametrize(
    "line",
    [
        "{jitter_ms: 80}",
        "{burst: 5}",
        "{loss: 0.05}",
        "{drift_ppm: 200}",
        "{drift_ppm: -200}",
        "{stalls: [{at_ms: 2000, ms: 100}]}",
    ],
)
def test_a_bad_line_costs_no_word(city: CityFixture, line: str) -> None:
    for index, heard in enumerate(ring(city, [patient(index, line) for index in range(5)])):
        assert [word.text for word in heard_words(heard)] == told(index)


def test_who_talks_over_the_bot_is_not_talked_over(city: CityFixture) -> None:
    steps = (
        "[{interrupt: {after_ms: 2000, recording: ../callers/tuesday_morning.wav}}, {wait_for_silence: 900}, "
        "{digits: '5550100000'}, wait_for_hang_up]"
    )
    [heard] = ring(city, [parse(f"name: x\nsteps: {steps}\nexpect: {{stop_ms: 700}}", folder=FIXTURES)])
    heard.check()
    interruption = heard.turns[1]
    during = [word for word in heard_words(heard) if interruption.start_ms + 700 < word.start_ms < interruption.end_ms]
    assert during == []


def test_a_knock_costs_no_word(city: CityFixture) -> None:
    steps = "[{knock: {after_ms: 2000}}, {wait_for_silence: 900}, {digits: '5550100000'}, wait_for_hang_up]"
    [heard] = ring(city, [parse(f"name: x\nsteps: {steps}", folder=FIXTURES)])
    whole = [word.text for word in heard_words(heard) if word.complete]
    assert [word for word in whole if word in told(0)] == told(0)


def test_the_same_seed_gives_the_same_city_to_the_byte(city: CityFixture) -> None:
    def once(seed: int) -> bytes:
        line = f"{{jitter_ms: 40, loss: 0.02, seed: {seed}}}"
        callers = ring(city, [patient(index, line) for index in range(6)], seed=seed)
        return msgspec.json.encode([heard.result for heard in callers]) + b"".join(
            heard.placed.recording.bot.sound.tobytes() for heard in callers
        )

    assert once(3) == once(3)
    assert once(3) != once(4)


def test_forged_calls_hear_nothing_and_others_go_on(city: CityFixture) -> None:
    forged = parse("name: forged\ncarrier: {wrong_signature: true}\nsteps: [wait_for_hang_up]\nexpect: {refused: true}")
    naked = parse(
        "name: naked\ncarrier: {no_socket_signature: true}\nsteps: [wait_for_hang_up]\nexpect: {refused: true}"
    )
    thief = parse("name: thief\ncarrier: {second_stream: true}\nsteps: [{silence: 5000}, hang_up]")
    for heard in ring(city, [forged, naked, thief, patient(0)]):
        heard.check()
