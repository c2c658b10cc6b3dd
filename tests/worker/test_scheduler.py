"""Who is synthesised next, played through with passed-in time and an engine that is only a stopwatch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.speaking.voices.base import Priority
from bridge.worker.scheduler import QueueEntry, Scheduler
from bridge.worker.settings import SchedulerSettings

SETTINGS = SchedulerSettings(first_audio_ms=100, margin_ms=150, ahead_ms=2000, backlog_ms=400, max_streams=50)


@dataclass
class Shop:
    """A scheduler, a clock, and an engine whose step takes `step_s` and gives each of the batch `piece_ms` of audio."""

    scheduler: Scheduler
    step_s: float = 0.02
    piece_ms: float = 1000
    now: float = 0.0
    served: list[str] = field(default_factory=list)
    first_audio_s: dict[str, float] = field(default_factory=dict)

    def opens(self, name: str, priority: Priority = "live", pieces: int = 1, kind: str = "speech") -> QueueEntry:
        place = self.scheduler.join(name, priority, self.now)
        self.left[name] = pieces
        self.scheduler.ask(place, kind, self.step_s, self.now)
        return place

    left: dict[str, int] = field(default_factory=dict)

    def step(self) -> list[str]:
        """One round of the loop; an empty list when there is nothing to do."""
        batch = self.scheduler.next_batch(self.now)
        names = [str(place.name) for place in batch]
        if not batch:
            return []
        self.now += self.step_s
        self.scheduler.keep_pace(batch, self.step_s, self.now)
        for place, name in zip(batch, names, strict=True):
            self.left[name] -= 1
            kind = place.kind if self.left[name] else None
            self.scheduler.ran(place, kind, self.step_s if kind else 0.0, self.piece_ms, self.now)
            self.first_audio_s.setdefault(name, self.now)
        self.served += names
        return names

    def runs_dry(self, limit: int = 10_000) -> None:
        """Go on, waiting where the scheduler waits, until nobody wants anything."""
        for _ in range(limit):
            if not self.step():
                wake_at = self.scheduler.wake_at()
                if wake_at is None:
                    return
                self.now = max(self.now, wake_at)
        pytest.fail("never idle")


@pytest.fixture
def shop() -> Shop:
    return Shop(Scheduler(SETTINGS))


def test_whoever_runs_dry_first_is_served_first(shop: Shop) -> None:
    comfortable, hungry = shop.opens("comfortable", pieces=9), shop.opens("hungry", pieces=9)
    shop.step()
    shop.step()
    shop.scheduler.report(comfortable, 900, None, shop.now)
    shop.scheduler.report(hungry, 300, None, shop.now)

    assert shop.step() == ["hungry"]  # now it has 1280 ms, the other 880
    assert shop.step() == ["comfortable"]


def test_a_new_caller_goes_before_those_who_have_plenty_but_not_before_those_who_run_dry(shop: Shop) -> None:
    rich, poor = shop.opens("rich", pieces=9), shop.opens("poor", pieces=9)
    shop.step()
    shop.step()
    shop.scheduler.report(rich, 1500, None, shop.now)
    shop.scheduler.report(poor, 180, None, shop.now)
    shop.opens("new")

    assert [shop.step() for _ in range(3)] == [["poor"], ["new"], ["poor"]]


def test_one_long_text_does_not_starve_the_others(shop: Shop) -> None:
    shop.opens("audiobook", pieces=1000)
    shop.step()
    for index in range(5):
        shop.opens(f"caller {index}")

    assert {name for _ in range(5) for name in shop.step()} == {f"caller {index}" for index in range(5)}


def test_prefetch_uses_idle_time_and_gives_way_at_once(shop: Shop) -> None:
    shop.opens("prefetch", "prefetch", pieces=3)
    shop.opens("guess", "speculation", pieces=2)
    assert shop.step() == ["guess"]
    shop.opens("caller")

    assert shop.step() == ["caller"]
    assert shop.step() == ["guess"]
    assert shop.step() == ["prefetch"]


def test_speculation_that_is_listened_to_becomes_live(shop: Shop) -> None:
    shop.opens("other guess", "speculation", pieces=5)
    guess = shop.opens("guess", "speculation", pieces=5)
    shop.scheduler.report(guess, 0, None, shop.now)

    assert shop.step() == ["guess"]


def test_a_stream_with_a_long_lead_waits_until_its_caller_has_heard_some(shop: Shop) -> None:
    place = shop.opens("one", pieces=9)
    shop.step()
    shop.scheduler.report(place, 2500, None, shop.now)

    assert shop.step() == []
    assert shop.scheduler.wake_at() == pytest.approx(shop.now + 0.5)
    shop.now += 0.6
    assert shop.step() == ["one"]


def test_credit_bounds_what_is_made(shop: Shop) -> None:
    place = shop.opens("one", pieces=9)
    shop.scheduler.report(place, 0, 1500, shop.now)

    assert [shop.step(), shop.step(), shop.step()] == [["one"], ["one"], []]
    assert shop.scheduler.wake_at() is None
    shop.scheduler.report(place, 400, 2400, shop.now)
    assert shop.step() == ["one"]


def test_a_cancelled_stream_is_never_served_again(shop: Shop) -> None:
    first, second = shop.opens("first", pieces=5), shop.opens("second", pieces=5)
    assert shop.scheduler.next_batch(shop.now) == [first]
    shop.scheduler.leave(first)  # while its step runs
    shop.scheduler.ran(first, "speech", 0.02, 1000, shop.now)

    assert shop.scheduler.next_batch(shop.now) == [second]
    assert shop.scheduler.next_batch(shop.now) == [], "within one step its place is free, and stays so"
    assert len(shop.scheduler) == 1


def test_a_stream_that_is_cancelled_while_it_waits_leaves_the_queue_at_once(shop: Shop) -> None:
    waiting, asleep = shop.opens("waiting"), shop.opens("asleep", pieces=2)
    shop.scheduler.hold(waiting, True, shop.now)
    shop.step()
    shop.scheduler.report(asleep, 2500, None, shop.now)
    shop.scheduler.hold(waiting, False, shop.now)
    shop.scheduler.leave(waiting)
    shop.scheduler.leave(asleep)
    assert shop.scheduler.backlog_s(shop.now) == 0
    shop.now += 10

    assert shop.step() == []
    assert len(shop.scheduler) == 0


def test_a_stream_whose_step_is_running_is_not_chosen_again_whatever_is_told_meanwhile(shop: Shop) -> None:
    place = shop.opens("one", pieces=3)
    assert shop.scheduler.next_batch(shop.now) == [place]
    shop.scheduler.report(place, 0, 5000, shop.now)
    shop.scheduler.hold(place, True, shop.now)
    shop.scheduler.hold(place, False, shop.now)

    assert shop.scheduler.next_batch(shop.now) == []
    shop.scheduler.ran(place, "speech", 0.02, 1000, shop.now)
    assert shop.scheduler.next_batch(shop.now) == [place]


def test_one_that_had_a_gap_is_as_urgent_as_what_it_still_has_to_hear(shop: Shop) -> None:
    """The time in which nothing was heard is no debt: without reports, too, a second of audio lasts a second."""
    gap = shop.opens("gap", pieces=3)
    shop.step()
    shop.now += 9  # it ran dry at 1.02
    shop.step()
    assert gap.dry_at == pytest.approx(shop.now + 1.0)
    shop.opens("new")

    assert shop.step() == ["new"]


def test_a_full_worker_says_when_to_come_back(shop: Shop) -> None:
    assert shop.scheduler.headroom(shop.now) == 1.0
    for index in range(20):
        assert shop.scheduler.headroom(shop.now) == pytest.approx(1 - index / 20)
        assert shop.scheduler.retry_after_s(shop.now) is None
        shop.opens(str(index))
    shop.opens("one too many")  # 420 ms of work for an engine that should have 400

    assert shop.scheduler.headroom(shop.now) == 0.0
    assert shop.scheduler.retry_after_s(shop.now) == pytest.approx(0.02 + 0.05)
    shop.step()
    shop.step()
    assert shop.scheduler.retry_after_s(shop.now) is None


def test_work_that_is_not_due_soon_makes_nobody_busy(shop: Shop) -> None:
    for index in range(40):
        shop.opens(f"guess {index}", "prefetch")
        place = shop.opens(f"caller {index}", pieces=9) if index < 9 else None
        if place:
            shop.step()
            shop.scheduler.report(place, 1900, None, shop.now)

    assert shop.scheduler.retry_after_s(shop.now) is None


def test_the_number_of_streams_is_bounded(shop: Shop) -> None:
    for index in range(SETTINGS.max_streams):
        shop.scheduler.join(index, "live", 0.0)
    assert shop.scheduler.retry_after_s(0.0) == 1.0
    assert shop.scheduler.headroom(0.0) == 0.0


def test_those_who_are_still_writing_are_reckoned_with(shop: Shop) -> None:
    """Else a crowd that comes at once is let in, and its first words all come late."""
    for index in range(90):
        earlier = shop.opens(f"earlier {index}")
        shop.step()
        shop.scheduler.leave(earlier)
    shop.now += 5
    crowd: list[QueueEntry] = []
    while shop.scheduler.retry_after_s(shop.now) is None:
        crowd.append(shop.scheduler.join(f"writing {len(crowd)}", "live", shop.now))
    assert len(crowd) == 21  # 20 ms of work each, for an engine that should have 400

    shop.scheduler.leave(crowd[0])
    assert shop.scheduler.retry_after_s(shop.now) is None
    shop.scheduler.join("one more", "live", shop.now)
    shop.now += 1.9
    assert shop.scheduler.retry_after_s(shop.now) is not None
    shop.now += 0.2  # whoever opens a stream and says nothing keeps nobody out for long
    assert shop.scheduler.retry_after_s(shop.now) is None


def test_one_client_whose_texts_follow_on_each_other_is_never_turned_away(shop: Shop) -> None:
    for index in range(200):
        assert shop.scheduler.retry_after_s(shop.now) is None
        place = shop.opens(str(index))
        shop.step()
        shop.scheduler.leave(place)


PATIENT = msgspec.structs.replace(SETTINGS, backlog_ms=60_000)


def fill(shop: Shop, listeners: int, rounds: int) -> None:
    """So many listeners of long texts, each heard in real time."""
    for number in range(listeners):
        shop.opens(f"listener{number}", pieces=1000)
    for _ in range(rounds):
        if not shop.step():
            shop.now += 0.01


def test_an_engine_takes_no_more_listeners_when_leads_melt() -> None:
    """A second of speech takes it a tenth of a second: of twelve listeners some run dry, for seven there is time."""
    busy, calm = Shop(Scheduler(PATIENT), step_s=0.1), Shop(Scheduler(PATIENT), step_s=0.1)
    fill(busy, 12, 100)
    assert busy.scheduler.retry_after_s(busy.now) == 0.5
    fill(calm, 7, 100)
    assert calm.scheduler.retry_after_s(calm.now) is None
    busy.now += 2.0  # whoever hung up meanwhile, nothing was urgent for a while
    assert busy.scheduler.retry_after_s(busy.now) is None


def test_work_that_can_wait_turns_nobody_away() -> None:
    shop = Shop(Scheduler(PATIENT), step_s=0.1)
    shop.opens("a whole book at once", pieces=1000)
    shop.opens("idle work", "prefetch", pieces=1000)
    for _ in range(100):
        shop.step()
    assert shop.scheduler.retry_after_s(shop.now) is None


def test_room_in_the_batches_is_room_for_more_listeners() -> None:
    """Forty at 0.3 s for a batch of sixteen are three quarters of its time; sixty are more than there is."""
    shop = Shop(Scheduler(PATIENT, batch=16), step_s=0.3)
    fill(shop, 10, 40)
    assert shop.scheduler.retry_after_s(shop.now) is None
    shop = Shop(Scheduler(PATIENT, batch=16), step_s=0.3)
    fill(shop, 60, 100)
    assert shop.scheduler.retry_after_s(shop.now) is not None


def test_a_full_socket_holds_its_streams_only(shop: Shop) -> None:
    held = shop.opens("held", pieces=2)
    shop.opens("free", pieces=1)
    shop.scheduler.hold(held, True, shop.now)

    assert [shop.step(), shop.step()] == [["free"], []]
    shop.scheduler.hold(held, False, shop.now)
    assert shop.step() == ["held"]


def test_a_batch_holds_equal_steps_of_the_most_urgent_streams() -> None:
    shop = Shop(Scheduler(SETTINGS, batch=3))
    for name, kind in [("a", "wave"), ("b", "front"), ("c", "wave"), ("d", "wave"), ("e", "wave")]:
        shop.opens(name, kind=kind)
        shop.now += 0.001

    assert [shop.step(), shop.step(), shop.step()] == [["a", "c", "d"], ["b"], ["e"]]


def test_idle_text_is_not_treated_as_an_overdue_refill(shop: Shop) -> None:
    """A stream that ran dry because its agent was slow asks anew; it is not more urgent than everybody else."""
    slow = shop.opens("slow agent")
    shop.step()
    shop.now += 60
    late = shop.opens("caller")
    shop.now += 0.001
    shop.left["slow agent"] = 1
    shop.scheduler.ask(slow, "speech", 0.02, shop.now)

    assert shop.step() == ["caller"]
    assert late.made_ms == 1000


def test_fairness_at_load() -> None:
    """60 streams that play while they are made, on an engine 80 % busy: none ever runs dry, each gets the same."""
    shop = Shop(Scheduler(SchedulerSettings(first_audio_ms=800, margin_ms=300)), step_s=0.0133, piece_ms=1000)
    places = [shop.opens(f"{index}", pieces=30) for index in range(60)]
    dry_before_served = 0
    for _ in range(60 * 30 * 2):
        heard = {place.name: place.dry_at for place in places}
        served = shop.step()
        dry_before_served += sum((dry_at := heard[name]) is not None and dry_at < shop.now for name in served)
        for place in places:
            if place.dry_at is not None:
                shop.scheduler.report(place, max(0.0, place.dry_at - shop.now) * 1000, None, shop.now)
        if not served:
            wake_at = shop.scheduler.wake_at()
            if wake_at is None:
                break
            shop.now = max(wake_at, shop.now)

    assert dry_before_served == 0
    assert max(shop.first_audio_s.values()) < 0.9
    assert {shop.served.count(f"{index}") for index in range(60)} == {30}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["open", "step", "report", "cancel", "hold", "free", "wait"]),
            st.integers(0, 7),
            st.integers(0, 4000),
        ),
        max_size=120,
    ),
    st.integers(1, 4),
)
def test_whatever_happens_nobody_is_forgotten(story: list[tuple[str, int, int]], batch: int) -> None:
    """After any story, with every socket free and every credit given, all is made that was not cancelled."""
    shop = Shop(Scheduler(SETTINGS, batch))
    places: dict[int, QueueEntry] = {}
    wanted: dict[str, int] = {}
    acts: dict[str, Callable[[int, int], object]] = {
        "step": lambda who, number: shop.step(),
        "report": lambda who, number: shop.scheduler.report(places[who], number, number + 1000, shop.now),
        "hold": lambda who, number: shop.scheduler.hold(places[who], True, shop.now),
        "free": lambda who, number: shop.scheduler.hold(places[who], False, shop.now),
    }
    for serial, (act, who, number) in enumerate(story):
        if act == "wait":
            shop.now += number / 1000
        elif act == "open" and who not in places:
            wanted[f"{who}.{serial}"] = 1 + number % 5
            places[who] = shop.opens(f"{who}.{serial}", pieces=1 + number % 5)
        elif act == "cancel" and who in places:
            place = places.pop(who)
            shop.scheduler.leave(place)
            wanted.pop(str(place.name))
        elif act in acts and (who in places or act == "step"):
            acts[act](who, number)
    for place in places.values():
        shop.scheduler.hold(place, False, shop.now)
        shop.scheduler.report(place, 0, 100_000, shop.now)
    shop.runs_dry()

    assert {name: shop.served.count(name) for name in wanted} == wanted


def test_other_programs_wait_behind_callers_and_have_no_more_than_half_of_the_places() -> None:
    shop = Shop(Scheduler(msgspec.structs.replace(SETTINGS, max_streams=8)))
    for number in range(4):
        assert shop.scheduler.retry_after_s(shop.now, "tenant") is None
        shop.opens(f"program {number}", "tenant", pieces=3)
    assert shop.scheduler.retry_after_s(shop.now, "tenant") is not None
    assert shop.scheduler.retry_after_s(shop.now) is None, "a caller finds room, and no queue"
    shop.step()
    caller = shop.opens("caller")
    shop.scheduler.report(next(iter(shop.scheduler.places())), 0, None, shop.now)  # a program that listens is no caller
    assert shop.step() == ["caller"]
    assert caller.made_ms


def test_what_other_programs_wait_for_keeps_no_caller_out() -> None:
    shop = Shop(Scheduler(SETTINGS), step_s=0.5)
    for number in range(20):
        shop.opens(f"program {number}", "tenant")
    assert shop.scheduler.backlog_s(shop.now) == 0.0
