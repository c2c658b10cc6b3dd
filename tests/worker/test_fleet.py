"""How many workers are wanted, and who is there: arithmetic, without Ray, sockets or a clock."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.worker.fleet import LEASE_S, Leases, WorkerLoad, workers_wanted
from bridge.worker.ray_policy import FleetPolicy

IDLE, FULL = WorkerLoad(0, 1.0), WorkerLoad(0, 0.0)


@pytest.mark.parametrize(
    ("loads", "wanted"),
    [
        ([], 1),
        ([IDLE], 1),
        ([IDLE, IDLE, IDLE], 1),
        ([WorkerLoad(50, 1.0)], 1),
        ([WorkerLoad(51, 1.0)], 2),
        ([WorkerLoad(40, 1.0), WorkerLoad(40, 1.0), WorkerLoad(40, 1.0)], 3),
        ([FULL], 2),
        ([FULL, FULL], 4),
        ([WorkerLoad(10, 0.5), WorkerLoad(10, 0.5)], 2),
        ([WorkerLoad(10, 0.45), WorkerLoad(10, 0.45)], 3),
        ([WorkerLoad(0, -3.0)], 2),
    ],
    ids=str,
)
def test_streams_and_headroom_say_how_many_workers_are_wanted(loads: list[WorkerLoad], wanted: int) -> None:
    assert workers_wanted(loads, streams_per_worker=50, most_used=0.5) == wanted


LOADS = st.lists(st.builds(WorkerLoad, st.integers(0, 200), st.floats(0, 1)), max_size=20)


@given(loads=LOADS, most_used=st.floats(0.1, 1))
def test_so_many_workers_bear_the_load(loads: list[WorkerLoad], most_used: float) -> None:
    wanted = workers_wanted(loads, 50, most_used)
    assert sum(load.streams for load in loads) <= 50 * wanted
    assert sum(1 - load.headroom for load in loads) <= most_used * wanted + 1e-6


@given(loads=LOADS, more=st.builds(WorkerLoad, st.integers(0, 200), st.floats(0, 1)))
def test_more_to_do_never_wants_fewer(loads: list[WorkerLoad], more: WorkerLoad) -> None:
    assert workers_wanted([*loads, more], 50, 0.6) >= workers_wanted(loads, 50, 0.6)


def test_the_policy_reads_what_replicas_report() -> None:
    policy = FleetPolicy(streams_per_worker=10, most_used=0.5)
    metrics = {"streams": {"a": 12.0, "b": 9.0}, "headroom": {"a": 0.9, "b": 0.9}}
    assert policy(SimpleNamespace(aggregated_metrics=metrics, target_num_replicas=2)) == (3, {})


def test_before_anybody_has_reported_nothing_changes() -> None:
    policy = FleetPolicy(streams_per_worker=10, most_used=0.5)
    assert policy(SimpleNamespace(aggregated_metrics={}, target_num_replicas=7)) == (7, {})
    assert policy(SimpleNamespace(aggregated_metrics=None, target_num_replicas=2)) == (2, {})


def test_a_worker_is_there_until_its_lease_is_over() -> None:
    leases = Leases(started_at=100.0)
    leases.renew("ws://a:1", 100.0)
    leases.renew("ws://b:1", 103.0)
    assert leases.addresses(104.9) == ["ws://a:1", "ws://b:1"]
    assert leases.addresses(100.0 + LEASE_S) == ["ws://b:1"]
    leases.renew("ws://a:1", 106.0)
    assert leases.addresses(106.0) == ["ws://a:1", "ws://b:1"]


def test_a_worker_that_drains_is_named_no_more() -> None:
    leases = Leases(started_at=0.0)
    leases.renew("ws://a:1", 1.0)
    leases.withdraw("ws://a:1")
    leases.withdraw("ws://never:1")
    assert leases.addresses(1.0) == []


def test_a_new_directory_knows_when_everybody_must_have_spoken() -> None:
    assert Leases(started_at=7.0).complete_at == 7.0 + LEASE_S
