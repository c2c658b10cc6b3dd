"""What happened on one call, before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.simulator.carriers.base import CarrierError, MediaStream
from bridge.simulator.ear import Recording
from bridge.simulator.result import Happening, HungUpBy


@dataclass(slots=True)
class CallFacts:
    """The facts of one call, noted while it goes on."""

    recording: Recording = field(default_factory=Recording)
    streams: list[MediaStream] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    callbacks: list[str] = field(default_factory=list)
    hung_up_by: HungUpBy = "nobody"
    ended: str = ""
    trouble: CarrierError | None = None
    """Why the caller was never connected, or no longer, where the carrier could not use what it got."""
    transferred_to: str = ""
    announced: str = ""
    """What the carrier's voice told whoever answered a transfer, before they were connected."""
    music: str = ""
    """Where the sound came from that was heard on hold."""
    duration_s: float = 0.0
    unheard_ms: float = 0.0
