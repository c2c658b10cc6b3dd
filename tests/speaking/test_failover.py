"""Whom to ask next, and how long to wait: decisions without a stream, a loop or a clock."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import FailureKind, VoiceBusy, VoiceError
from bridge.speaking.phrases.deadlines import Deadlines, WaitLimits
from bridge.speaking.phrases.failover import Failover
from bridge.speaking.voices.base import SpeechListener, SpeechRequest, SpeechStream
from bridge.speaking.voices.health import MonitoredProvider
from bridge.speaking.voices.pool import ProviderPool, Route


class Somebody:
    """A provider that is there, and is never asked in earnest."""

    def __init__(self, name: str, *voices: str) -> None:
        self.name, self.default_voice = name, voices[0]
        self.voices = MappingProxyType(dict.fromkeys(voices, "1"))
        self.usable = True

    async def start(self, changed: Callable[[], None]) -> None:
        changed()

    async def close(self) -> None:
        pass

    def open(self, request: SpeechRequest, listener: SpeechListener) -> SpeechStream:
        raise VoiceError("not today")

    def stats(self) -> dict[str, float]:
        return {}


@pytest.fixture
async def pool() -> ProviderPool:
    worker = [MonitoredProvider(Somebody(name, "heart", "joe", "tara")) for name in ("first", "second")]
    pool = ProviderPool(
        {"worker": worker, "vendor": [MonitoredProvider(Somebody("vendor", "ada"))]},
        {"anna": [Route("vendor", "ada"), Route("worker", "heart")]},
    )
    await pool.start({})
    return pool


def asked(failover: Failover) -> str:
    found = failover.next()
    return "nobody" if found is None else f"{found[0].name}/{found[1].voice}"


def fail(failover: Failover, kind: FailureKind, code: str = "") -> None:
    found = failover.next()
    assert found is not None
    error = VoiceBusy("full", 1.0) if kind == "busy" else VoiceError("no", kind, code=code)
    failover.failed(*found, error)


@pytest.mark.parametrize("kind", ["busy", "lost", "internal", "auth", "quota", "rejected", "idle"])
async def test_the_next_way_is_gone_whatever_went_wrong(pool: ProviderPool, kind: FailureKind) -> None:
    failover = Failover(pool, pool.routes("anna"))
    assert asked(failover) == "vendor/ada"
    fail(failover, kind)
    assert asked(failover) == "first/heart"
    fail(failover, "lost")
    assert asked(failover) == "second/heart"


@pytest.mark.parametrize(
    ("kind", "again"), [("busy", True), ("lost", True), ("internal", True), ("idle", True), ("auth", False)]
)
async def test_after_a_pause_those_who_failed_once_are_asked_again(
    pool: ProviderPool, kind: FailureKind, again: bool
) -> None:
    failover = Failover(pool, [Route("vendor", "ada")])
    fail(failover, kind)
    assert asked(failover) == "nobody"
    assert failover.pause() == again
    assert asked(failover) == ("vendor/ada" if again else "nobody")


async def test_nobody_is_asked_a_third_time_for_a_text_that_breaks_him(pool: ProviderPool) -> None:
    failover = Failover(pool, [Route("worker", "heart")])
    rounds = 0
    while True:
        while failover.next() is not None:
            fail(failover, "internal")
            rounds += 1
        if not failover.pause():
            break
    assert rounds == 4, "each of two, twice"


async def test_a_voice_that_loses_the_text_is_replaced_by_its_neighbours(pool: ProviderPool) -> None:
    failover = Failover(pool, pool.routes(None))
    said = []
    while failover.next() is not None:
        said.append(asked(failover))
        fail(failover, "rejected", "engine_runaway")
    assert said == ["first/", "first/joe", "first/tara"]
    assert not failover.pause()


async def test_a_voice_that_nobody_has_is_named(pool: ProviderPool) -> None:
    failover = Failover(pool, pool.routes("nobody"))
    assert failover.next() is None
    assert failover.pause(), "somebody may come who has it"
    assert "no connected worker has the voice 'nobody'" in str(failover.last_error)


LIMITS = WaitLimits(1.0, 1.5, 3.5)
HAPPENINGS = st.lists(st.tuples(st.sampled_from(["opened", "closed", "heard", "waits", "rests"]), st.floats(0, 2)))


def test_a_stream_is_late_only_while_somebody_waits() -> None:
    deadlines = Deadlines(LIMITS, 0.0)
    deadlines.opened(0.0)
    assert deadlines.due() is None
    deadlines.waits(True, 5.0)
    assert deadlines.due() == 6.0
    assert [deadlines.verdict(at) for at in (5.9, 6.0)] == ["wait", "late"]
    deadlines.heard(6.0)
    deadlines.waits(True, 6.2)
    assert deadlines.due() == pytest.approx(7.7)
    deadlines.waits(False, 7.0)
    assert deadlines.verdict(99.0) == "wait"


def test_who_can_be_replaced_is_waited_for_less() -> None:
    deadlines = Deadlines(WaitLimits(1.0, 1.5, 3.5, switch_s=0.6), 0.0)
    deadlines.waits(True, 0.0)
    deadlines.opened(0.0, replaceable=True)
    assert deadlines.due() == 0.6
    deadlines.opened(0.6)
    assert deadlines.due() == 1.6, "nobody else is left"
    deadlines.opened(1.6, replaceable=True)
    deadlines.heard(2.0)
    deadlines.waits(True, 2.0)
    assert deadlines.due() == pytest.approx(2.6)


def test_however_many_are_asked_the_phrase_is_given_up_in_time() -> None:
    deadlines = Deadlines(LIMITS, 0.0)
    deadlines.waits(True, 0.0)
    for at in (0.0, 1.0, 2.0, 3.0):
        deadlines.opened(at)
        deadlines.waits(True, at)
    assert deadlines.due() == 3.5
    assert deadlines.verdict(3.5) == "give up"


@given(HAPPENINGS)
def test_whoever_waits_is_never_forgotten(happenings: list[tuple[str, float]]) -> None:
    """While somebody waits a deadline is set, not further away than giving up; while nobody does, none is."""
    deadlines, now, waiting = Deadlines(LIMITS, 0.0), 0.0, False
    for what, passes_s in happenings:
        now += passes_s
        match what:
            case "opened":
                deadlines.opened(now)
            case "closed":
                deadlines.closed()
            case "heard":
                deadlines.heard(now)
                waiting = False
            case _:
                waiting = what == "waits"
                deadlines.waits(waiting, now)
        due = deadlines.due()
        assert (due is not None) == waiting
        assert due is None or due <= now + LIMITS.give_up_s
