"""Live lines of a call: what happened while something was still being understood is told after it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.simulator.commentary import InOrder
from bridge.simulator.result import Happening


def happening(at_ms: int, kind: str = "caller") -> Happening:
    return Happening(at_ms=at_ms, kind=kind)


def test_what_happens_while_the_bot_is_understood_waits_for_it() -> None:
    told: list[tuple[int, str]] = []
    order = InOrder(lambda one: told.append((one.at_ms, one.kind)))
    order.tell(happening(0, "dialled"))
    bot = order.expect(100)
    order.tell(happening(900))
    assert told == [(0, "dialled")]
    later = order.expect(1000)
    order.tell(happening(100, "bot"))
    order.no_longer(bot)
    assert told == [(0, "dialled"), (100, "bot"), (900, "caller")]
    order.tell(happening(5000, "ended"))
    order.no_longer(later)
    assert told[-1] == (5000, "ended")


def test_at_the_end_nothing_is_kept_back() -> None:
    told: list[int] = []
    order = InOrder(lambda one: told.append(one.at_ms))
    order.expect(10)
    order.tell(happening(20))
    order.finish()
    assert told == [20]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 200)), max_size=30))
def test_lines_come_in_the_order_of_their_times(spoken: list[tuple[int, int]]) -> None:
    """Each begins when its time has come and is told some time later."""
    told: list[int] = []
    order = InOrder(lambda one: told.append(one.at_ms))
    clock, waiting = 0, list[tuple[int, int, int]]()
    for pause, delay in spoken:
        clock += pause
        for due in sorted(one for one in waiting if one[0] <= clock):
            order.tell(happening(due[1]))
            order.no_longer(due[2])
            waiting.remove(due)
        waiting.append((clock + delay, clock, order.expect(clock)))
    for due in sorted(waiting):
        order.tell(happening(due[1]))
        order.no_longer(due[2])
    assert told == sorted(told)
    assert len(told) == len(spoken)
