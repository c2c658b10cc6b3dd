"""One call's report: what is known at its beginning, followed to its end, and posted."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Protocol

from bridge.call.account import AgentAccount
from bridge.call.commands import Command
from bridge.call.events import Event
from bridge.call.machine import Call
from bridge.call.states import EndReason
from bridge.telemetry.after_call.report import CallFollower, CallSummary, body_of, when

logger = logging.getLogger(__name__)


class Post(Protocol):
    """Whoever keeps reports and delivers them."""

    def put(self, identifier: str, body: bytes) -> None:
        """Keep a report and deliver it; never waits."""
        ...


class CallReporter:
    """Reports one call. `clock` is in seconds since 1970; nothing here waits or raises."""

    def __init__(
        self,
        post: Post,
        clock: Callable[[], float],
        *,
        call_id: str,
        carrier: str = "",
        from_number: str = "",
        to_number: str = "",
        parameters: Mapping[str, str] | None = None,
        resumed: bool = False,
        words: bool = True,
        record: str = "",
        recording: str = "",
    ) -> None:
        self._post = post
        self._clock = clock
        self._started_at = clock()
        self._call_id = call_id
        self._carrier = carrier
        self._from_number, self._to_number = from_number, to_number
        self._parameters = dict(parameters or {})
        self._resumed = resumed
        self._record, self._recording = record, recording
        self._follower: CallFollower | None = CallFollower(words=words)

    def saw(self, event: Event, commands: list[Command], call: Call, now: float) -> None:
        """Take note of one event and what was ordered because of it."""
        if self._follower is None:
            return
        try:
            self._follower.saw(event, commands, call, now)
        except Exception:
            self._follower = None
            logger.exception("a call cannot be followed for its report any more, call=%s", self._call_id)

    def ended(
        self, call: Call, why: EndReason, said: str, account: AgentAccount, costs: Mapping[str, float], now: float
    ) -> None:
        """Write the report and post it."""
        follower = self._follower or CallFollower(words=False)
        identifier = f"call_{secrets.token_hex(12)}"
        transcript, cut = follower.transcript(call, now)
        report = CallSummary(
            id=identifier,
            call_id=self._call_id,
            carrier=self._carrier,
            from_number=self._from_number,
            to_number=self._to_number,
            parameters=self._parameters,
            started_at=when(self._started_at),
            ended_at=when(self._clock()),
            seconds=round(now, 3),
            resumed=self._resumed,
            outcome=follower.outcome(why, said, account.handoff),
            transcript=transcript,
            cut=cut,
            slots=account.slots,
            tools=account.tools,
            costs={**costs, **account.costs},
            record=self._record,
            recording=self._recording,
        )
        self._post.put(identifier, body_of(report))
