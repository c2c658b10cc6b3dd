"""What all routes and sockets of one process share."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.carriers.base import Carrier
from bridge.gateway.admission import Admission
from bridge.gateway.control import CallControl
from bridge.gateway.departures import Departures
from bridge.gateway.keeping import CallKeeper
from bridge.gateway.neighbours import Neighbours
from bridge.gateway.settings import GatewaySettings
from bridge.gateway.signatures import Signatures
from bridge.session.profiles import CallProfiles
from bridge.session.timers import TimerWheel
from bridge.store.base import Store
from bridge.store.kept_calls import KeptCalls
from bridge.store.outcomes import Outcomes
from bridge.store.tickets import TicketIssuer
from bridge.telemetry.after_call.delivery import AfterCallPost
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.recorder import Recorder
from bridge.telemetry.recording import SoundRecorder


@dataclass(frozen=True)
class Process:
    """One gateway process's parts; `bridge.gateway.server` puts them together."""

    gateway: GatewaySettings
    profiles: CallProfiles
    metrics: Metrics
    recorder: Recorder | None
    sound_recorder: SoundRecorder | None
    after_call: AfterCallPost | None
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


def call_key(carrier: Carrier, call_id: str) -> str:
    """A call's name among those of all carriers."""
    return f"{carrier.name}/{call_id}"


ANNOUNCED = "announced:"
"""Begins the store's keys of what parties are told to whom a call is handed over."""
BEGUN = "begun:"
"""Begins the store's keys of calls whose media streams have come; the value is the name of the process."""
OVER = "over:"
"""Begins the store's keys of calls that are over, as their carriers report to any process."""
