"""Does the simulator find bugs? Each is switched on in the real bridge and must be reported; a sound one must not."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bridge.simulator.pytest_plugin import CityFixture, Heard
from bridge.simulator.scenario import Scenario, parse
from bridge.simulator.spelled import read, reader, words_of
from tests.simulator.planted import BUGS
from tests.simulator.virtual_bridge import PUBLIC, TOKEN, virtual_bridge

GREETING = "Welcome to the telephone booth. Please enter your number on the keypad now, all ten digits."
GOODBYE = "Thank you very much and goodbye."
EARS = sorted(set(words_of(GREETING + GOODBYE + "I have 0123456789 Are you still there? Use the keypad please.")))
FIXTURES = Path(__file__).parents[2] / "fixtures" / "scenarios"

EXPECT = "{hung_up_by: server, underruns: 0, first_audio_ms: 200, reply_latency_ms: 900, level_spread_db: 4}"
TALK = "{wait_for_silence: 900}, {digits: {keys: '5557012799', gap_ms: 150}}, {wait_for_hang_up: 20}"
CALLERS = {
    "patient": f"line: {{drift_ppm: 60}}\nsteps: [{TALK}]\nexpect: {EXPECT}",
    "bad line": f"line: {{jitter_ms: 60, burst: 2, loss: 0.02}}\nsteps: [{TALK}]\nexpect: {EXPECT}",
    "knock": f"steps: [{{knock: {{after_ms: 1500}}}}, {TALK}]\nexpect: {{hung_up_by: server, level_spread_db: 4}}",
    "interrupter": "steps: [{interrupt: {after_ms: 1500, recording: ../callers/tuesday_morning.wav}}, "
    f"{TALK}]\nexpect: {{hung_up_by: server, stop_ms: 700, duck_ms: 300, level_spread_db: 4}}",
    "forger": "carrier: {wrong_signature: true}\nsteps: [wait_for_hang_up]\nexpect: {refused: true}",
    "stranger": "carrier: {no_socket_signature: true}\nsteps: [{wait_for_hang_up: 5}]\nexpect: {refused: true}",
    "thief": f"carrier: {{replayed_stream: true}}\nsteps: [{TALK}]",
}


def callers() -> list[Scenario]:
    return [parse(f"name: {name}\n{body}", folder=FIXTURES) for name, body in CALLERS.items()]


def complaints(calls: list[Heard]) -> Iterator[str]:
    """Everything the suite objects to."""
    whole = words_of(f"{GREETING} I have 5557012799. {GOODBYE}")
    for heard in calls:
        name = heard.result.name
        for verdict in heard.result.verdicts:
            if not verdict.passed:
                yield f"{name}: {verdict.what}: {verdict.heard} (expected {verdict.expected})"
        words = read(heard.placed.recording.bot.sound, EARS)
        if name in ("patient", "bad line", "thief"):
            said = [word.text for word in words if word.complete]
            if [word.text for word in words] != whole or len(said) != len(whole):
                yield f"{name}: heard {' '.join(word.text for word in words)!r}"
            worst = min(words, key=lambda word: word.likeness, default=None)
            if worst is not None and worst.complete and worst.likeness < 0.98:
                yield f"{name}: {worst.text!r} at {worst.start_ms} ms sounds {100 * worst.likeness:.0f} % like itself"
        if name == "knock":  # the word under the knock may be heard in two pieces, no other
            said = [word.text for word in words if word.complete]
            broken = [word.text for word in words if not word.complete]
            if len(said) < len(whole) - 1 or len(broken) > 3 or len(words) > len(whole) + 3:
                yield f"{name}: heard {' '.join(word.text for word in words)!r}"
        if name == "interrupter":
            ends = heard.turns[1].end_ms if len(heard.turns) > 1 else 0
            rest = [word.text for word in words if word.start_ms > ends and word.complete]
            if rest[-len(whole[-18:]) :] != whole[-18:]:
                yield f"{name}: heard at the end {' '.join(rest)!r}"
        if heard.result.leads_ms and max(heard.result.leads_ms) > 700:
            yield f"{name}: {max(heard.result.leads_ms)} ms lay at the carrier"
        marks = sum(one.kind in ("mark", "mark_cleared") for one in heard.result.happenings)
        if marks > 12 * heard.result.duration_ms / 1000:
            yield f"{name}: {marks} marks in {heard.result.duration_ms / 1000:.1f} s"


def examine(city: CityFixture) -> list[str]:
    left: list[int] = []

    @contextlib.asynccontextmanager
    async def booth() -> AsyncIterator[tuple[str, str]]:
        async with virtual_bridge("planted.yaml") as (application, origin):
            yield f"{PUBLIC}/twilio/voice", origin
            assert application.gateway is not None
            left.append(len(application.gateway.media.sockets))

    calls = city(
        booth,
        callers(),
        auth_token=TOKEN,
        every_ms=170.0,
        understand=reader(EARS),
        natural_voice=False,
        watermarks=True,
    )
    found = list(complaints(calls))
    return found + [f"{count} calls are still there when all have ended" for count in left if count]


def test_a_sound_bridge_gives_no_cause_for_complaint(city: CityFixture) -> None:
    assert examine(city) == []


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, city: CityFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[name](monkeypatch)
    assert examine(city), f"nothing was noticed with {name}"
