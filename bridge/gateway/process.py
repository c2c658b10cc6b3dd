"""What all routes and sockets of one process share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bridge.carriers.base import Carrier
from bridge.gateway.admission import Admission, CallLimits, LoopLag
from bridge.gateway.control import CallControl
from bridge.gateway.departures import Departures
from bridge.gateway.keeping import CallKeeper
from bridge.gateway.neighbours import Neighbours
from bridge.gateway.observers import CallObservers
from bridge.gateway.settings import GatewaySettings
from bridge.gateway.signatures import Signatures
from bridge.gateway.spending import Spending
from bridge.gateway.warm_transfers import WarmTransfers
from bridge.http import OpenClient
from bridge.session.profiles import CallProfiles
from bridge.session.timers import TimerWheel
from bridge.store.base import Store
from bridge.store.kept_calls import KeptCalls
from bridge.store.outcomes import Outcomes
from bridge.store.tickets import TicketIssuer
from bridge.telemetry.metrics import Metrics


@dataclass(frozen=True)
class Process:
    """One gateway process's parts, as `open_process` puts them together."""

    gateway: GatewaySettings
    profiles: CallProfiles
    metrics: Metrics
    observers: CallObservers
    wheel: TimerWheel
    admission: Admission
    store: Store
    outcomes: Outcomes
    kept_calls: KeptCalls
    keeper: CallKeeper
    neighbours: Neighbours
    tickets: TicketIssuer
    signatures: Signatures
    control: CallControl
    departures: Departures
    warm_transfers: WarmTransfers
    spending: Spending
    lag: LoopLag


def open_process(
    settings: GatewaySettings,
    profiles: CallProfiles,
    *,
    store: Store,
    tallies: Store,
    ticket_secret: str,
    metrics: Metrics,
    observers: CallObservers,
    headroom: Callable[[], float],
    open_client: OpenClient,
) -> Process:
    """Put the parts of a process together, on a running loop. Raises ConfigError for settings that cannot be used."""
    lag = LoopLag(metrics=metrics)
    admission = Admission(
        max_calls=settings.max_calls,
        max_loop_lag_ms=settings.max_loop_lag_ms,
        lag=lag,
        headroom=headroom,
        elsewhere=lambda: neighbours.places,
        limits=CallLimits(settings.calls_of_a_number, settings.max_calls_per_account, settings.max_calls),
        pressure=settings.pressure,
    )
    kept_calls = KeptCalls(store, ttl_s=settings.after_stream_ttl_s)
    keeper = CallKeeper(store, kept_calls, ttl_s=settings.after_stream_ttl_s)
    neighbours = Neighbours(store, keeper.process, lambda: admission.places)
    outcomes = Outcomes(store, ttl_s=settings.after_stream_ttl_s)
    control = CallControl(timeout_s=settings.rest_timeout_s, metrics=metrics, open_client=open_client)
    departures = Departures(settings.after_stream_s)
    return Process(
        gateway=settings,
        profiles=profiles,
        metrics=metrics,
        observers=observers,
        wheel=TimerWheel(asyncio.get_running_loop(), on_late=metrics.timer_lateness.observe),
        admission=admission,
        store=store,
        outcomes=outcomes,
        kept_calls=kept_calls,
        keeper=keeper,
        neighbours=neighbours,
        tickets=TicketIssuer((ticket_secret,), ttl_s=settings.ticket_ttl_s),
        signatures=Signatures(settings, metrics),
        control=control,
        departures=departures,
        warm_transfers=WarmTransfers(
            settings.warm_transfers,
            store=store,
            outcomes=outcomes,
            kept_calls=kept_calls,
            control=control,
            departures=departures,
        ),
        spending=Spending(settings.allowances, tallies, store, metrics),
        lag=lag,
    )


def call_key(carrier: Carrier, call_id: str) -> str:
    """A call's name among those of all carriers."""
    return f"{carrier.name}/{call_id}"


BEGUN = "begun:"
"""Begins the store's keys of calls whose media streams have come; the value is the name of the process."""
OVER = "over:"
"""Begins the store's keys of calls that are over, as their carriers report to any process."""
