"""What a process writes of its calls: when something has changed, all together, and never more than it must."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping

import msgspec
import pytest

from bridge.gateway.keeping import APART_S, BEAT_S, CallKeeper
from bridge.session.ports import KeptCall
from bridge.store.kept_calls import ClaimedByOthers, KeptCalls
from bridge.store.memory import MemoryStore


class Session:
    """A call that has been written down so many times."""

    def __init__(self) -> None:
        self.times = 0
        self.fails = False

    def kept(self) -> KeptCall | None:
        self.times += 1
        return None if self.fails else KeptCall(b"%d" % self.times, "+15005550006")


class CountingStore(MemoryStore):
    """Counts what is written in one go, and may be slow."""

    def __init__(self) -> None:
        super().__init__()
        self.goes: list[list[str]] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.away = False

    async def keep_all(self, values: Mapping[str, bytes], ttl_s: float) -> bool:
        await self.may_go_on.wait()
        self.goes.append([key for key in values if key.startswith("kept:")])
        return await super().keep_all(values, ttl_s) and not self.away


class Keeping:
    """A keeper whose time stands still until it is told to pass."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.store = CountingStore()
        self.calls = KeptCalls(self.store, ttl_s=120.0)
        self.keeper = CallKeeper(self.store, self.calls, ttl_s=120.0, clock=lambda: self.now)

    async def passes(self, seconds: float) -> None:
        for _ in range(round(seconds / BEAT_S)):
            self.now += BEAT_S
            self.keeper.beat()
            await self.keeper.settled()

    async def at_once(self) -> None:
        """Some turns of the loop, and no time."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def state(self, key: str) -> bytes | None:
        kept = await self.calls.ask(key)
        return None if kept is None else kept.state


async def test_a_call_is_written_when_it_changes_and_at_most_twice_a_second_on_the_whole() -> None:
    keeping, session = Keeping(), Session()
    keeping.keeper.follow("CA1", session, "AC1")
    await keeping.passes(4.0)
    assert session.times == 1
    for _ in range(10):  # a second in which everything happens
        keeping.keeper.changed("CA1")
        await keeping.passes(BEAT_S)
    await keeping.passes(5.0)
    assert 2 <= session.times - 1 <= 4 + 1 / APART_S
    before = session.times
    for _ in range(100):  # and ten more of them
        keeping.keeper.changed("CA1")
        await keeping.passes(BEAT_S)
    assert session.times - before <= 3 + 10 / APART_S
    await keeping.passes(4.0)
    assert await keeping.state("CA1") == b"%d" % session.times
    assert sum(map(len, keeping.store.goes)) == session.times == keeping.keeper.written


async def test_what_is_kept_says_whose_it_is_and_when_it_was_written() -> None:
    keeping, session = Keeping(), Session()
    keeping.keeper.follow("CA1", session, "AC1")
    await keeping.passes(1.0)
    kept = await keeping.calls.ask("CA1")
    assert kept == KeptCall(
        b"1",
        "+15005550006",
        account_id="AC1",
        process=keeping.keeper.process,
        written_at=1000.0 + BEAT_S,
    )


async def test_all_calls_that_have_changed_are_written_in_one_go() -> None:
    keeping = Keeping()
    for number in range(50):
        keeping.keeper.follow(f"CA{number}", Session(), "AC1")
    await keeping.passes(1.0)
    assert [len(keys) for keys in keeping.store.goes if keys] == [50]


async def test_between_the_states_of_two_calls_the_loop_belongs_to_the_others() -> None:
    keeping, sessions = Keeping(), [Session() for _ in range(20)]
    for number, session in enumerate(sessions):
        keeping.keeper.follow(f"CA{number}", session, "AC1")
    keeping.now += BEAT_S
    keeping.keeper.beat()
    written = [0]
    while written[-1] < len(sessions):
        await asyncio.sleep(0)  # a turn of the loop
        written.append(sum(session.times for session in sessions))
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(written))


async def test_a_call_that_ends_while_others_are_written_down_is_not_kept() -> None:
    keeping = Keeping()
    for number in range(3):
        keeping.keeper.follow(f"CA{number}", Session(), "AC1")
    keeping.now += BEAT_S
    keeping.keeper.beat()
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the first is written down, the others are not
    keeping.keeper.leave("CA0")
    keeping.keeper.leave("CA2")
    await keeping.keeper.settled()
    assert [await keeping.state(f"CA{number}") for number in range(3)] == [None, b"1", None]


async def test_a_quiet_call_is_written_again_now_and_then_since_a_store_may_have_lost_it() -> None:
    keeping, session = Keeping(), Session()
    keeping.keeper.follow("CA1", session, "AC1")
    await keeping.passes(BEAT_S)
    await keeping.calls.forget("CA1")  # as when Redis was away
    await keeping.passes(4.0)
    assert session.times == 1
    await keeping.passes(1.5)
    assert session.times == 2
    assert await keeping.state("CA1") == b"2"


@pytest.mark.parametrize("away", [True, False])
async def test_when_the_store_goes_away_or_comes_back_all_calls_are_written_to_where_others_look_now(
    away: bool,
) -> None:
    keeping, sessions = Keeping(), [Session() for _ in range(3)]
    for number, session in enumerate(sessions):
        keeping.keeper.follow(f"CA{number}", session, "AC1")
    keeping.store.away = not away
    await keeping.passes(1.0)
    before = [session.times for session in sessions]
    keeping.store.away = away
    await keeping.passes(2 * BEAT_S)
    assert [session.times for session in sessions] == [times + 1 for times in before]
    await keeping.passes(1.0)
    assert [session.times for session in sessions] == [times + 1 for times in before], "and that was that"


async def test_a_key_that_is_pressed_is_written_at_once_however_much_was_written_before() -> None:
    keeping, session = Keeping(), Session()
    keeping.keeper.follow("CA1", session, "AC1")
    await keeping.passes(1.0)
    for times in range(2, 9):  # faster than a call is written otherwise
        keeping.keeper.pressed("CA1")
        await keeping.at_once()
        assert await keeping.state("CA1") == b"%d" % times
    keeping.keeper.changed("CA1")
    await keeping.passes(2 * APART_S)
    assert await keeping.state("CA1") == b"9", "what else changes is not held up by it"


async def test_a_key_that_is_pressed_while_states_are_on_their_way_is_written_as_soon_as_they_are() -> None:
    keeping, session = Keeping(), Session()
    keeping.keeper.follow("CA1", session, "AC1")
    keeping.store.may_go_on.clear()
    keeping.keeper.beat()
    await keeping.at_once()
    keeping.keeper.pressed("CA1")
    await keeping.at_once()
    assert session.times == 1
    keeping.store.may_go_on.set()
    await keeping.at_once()
    assert await keeping.state("CA1") == b"2"
    await keeping.keeper.close()


async def test_a_slow_store_gets_fewer_states_and_the_last_one() -> None:
    keeping, session = Keeping(), Session()
    keeping.keeper.follow("CA1", session, "AC1")
    keeping.store.may_go_on.clear()
    for _ in range(100):
        keeping.keeper.changed("CA1")
        keeping.now += BEAT_S
        keeping.keeper.beat()
        await asyncio.sleep(0)
    assert session.times == 1
    keeping.store.may_go_on.set()
    await keeping.keeper.settled()
    await keeping.passes(1.0)
    assert await keeping.state("CA1") == b"2"


async def test_nothing_is_left_of_a_call_that_has_ended() -> None:
    keeping = Keeping()
    keeping.keeper.follow("CA1", Session(), "AC1")
    await keeping.passes(1.0)
    keeping.store.may_go_on.clear()
    keeping.keeper.changed("CA1")
    keeping.now += 1.0
    keeping.keeper.beat()  # on its way to the store while the call ends
    await asyncio.sleep(0)
    keeping.keeper.leave("CA1")
    keeping.store.may_go_on.set()
    await keeping.keeper.settled()
    assert await keeping.state("CA1") is None
    await keeping.passes(1.0)
    assert await keeping.state("CA1") is None


async def test_a_call_that_lost_its_stream_is_kept_as_it_was_then_until_the_stream_is_found_again() -> None:
    keeping, session = Keeping(), Session()
    keeping.keeper.follow("CA1", session, "AC1")
    await keeping.passes(1.0)
    keeping.keeper.lost("CA1")
    keeping.keeper.changed("CA1")  # what it says now, nobody hears
    await keeping.passes(1.0)
    kept = await keeping.calls.ask("CA1")
    assert kept is not None
    assert (kept.state, kept.process, kept.written_at) == (b"2", "", 0.0)
    keeping.keeper.found("CA1")
    await keeping.passes(1.0)
    kept = await keeping.calls.ask("CA1")
    assert kept is not None
    assert (kept.state, kept.process) == (b"3", keeping.keeper.process)
    keeping.keeper.lost("CA1")
    keeping.keeper.leave("CA1")
    await keeping.keeper.settled()
    assert await keeping.state("CA1") == b"4"


async def test_a_call_that_cannot_be_written_is_not_tried_again_and_leaves_no_old_state() -> None:
    keeping, session = Keeping(), Session()
    keeping.keeper.follow("CA1", session, "AC1")
    await keeping.passes(1.0)
    session.fails = True
    keeping.keeper.changed("CA1")
    await keeping.passes(1.0)
    keeping.keeper.changed("CA1")
    await keeping.passes(1.0)
    assert session.times == 2
    assert await keeping.state("CA1") is None
    await keeping.keeper.close()


@pytest.mark.parametrize("happens", ["beats", "loses its stream", "ends"])
async def test_a_process_that_wakes_up_lets_go_of_the_calls_that_others_have(happens: str) -> None:
    keeping, taken = Keeping(), list[str]()
    keeping.keeper.taken = taken.append
    for key in ("CA1", "CA2"):
        keeping.keeper.follow(key, Session(), "AC1")
    await keeping.passes(1.0)
    theirs = KeptCall(b"theirs", process="another")
    await keeping.calls.keep("CA1", theirs)
    for key in ("CA1", "CA2"):
        keeping.keeper.changed(key)
    keeping.now += 3.0  # stopped meanwhile
    if happens == "loses its stream":
        keeping.keeper.lost("CA1")
    if happens == "ends":
        keeping.keeper.leave("CA1")
    await keeping.passes(1.0)
    assert await keeping.calls.ask("CA1") == theirs
    assert await keeping.state("CA2") == b"2", "its own goes on"
    assert taken == ([] if happens == "ends" else ["CA1"])


async def test_a_call_that_another_claims_meanwhile_is_not_claimed_twice() -> None:
    calls = KeptCalls(MemoryStore(), ttl_s=120.0)
    await calls.admit("CA1", KeptCall(b"", "+15005550006"))
    await calls.admit("CA1", KeptCall(b"", "too late"))

    async def theirs(kept: KeptCall) -> KeptCall:
        return msgspec.structs.replace(kept, process="theirs")

    async def slow(kept: KeptCall) -> KeptCall:
        await calls.claim("CA1", theirs)
        return msgspec.structs.replace(kept, process="ours")

    with pytest.raises(ClaimedByOthers):
        await calls.claim("CA1", slow)
    assert await calls.ask("CA1") == KeptCall(b"", "+15005550006", process="theirs")
    assert await calls.claim("CA2", theirs) is None


async def test_a_call_of_which_its_last_process_still_writes_is_claimed_all_the_same() -> None:
    calls, times = KeptCalls(MemoryStore(), ttl_s=120.0), 0

    async def ours(kept: KeptCall) -> KeptCall:
        nonlocal times
        times += 1
        if times < 3:
            await calls.keep("CA1", KeptCall(b"%d" % times, process="last"))
        return msgspec.structs.replace(kept, process="ours")

    await calls.keep("CA1", KeptCall(b"0", process="last"))
    assert await calls.claim("CA1", ours) == KeptCall(b"2", process="ours")
