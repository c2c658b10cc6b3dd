"""What a stream's `start` leads to: is it ours to answer, is its call a new one or one that goes on, is there room?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from aiohttp import WSCloseCode

from bridge.agents.base import CallInfo
from bridge.call.events import EndRequested, SpeculationAllowed
from bridge.call.lead import Lead
from bridge.call.state import CallState
from bridge.call.states import EndReason
from bridge.carriers.addresses import Addresses
from bridge.carriers.base import Apologise, CallReference, LineBusy, StreamStarted
from bridge.gateway.admission import RESERVED_S
from bridge.gateway.ladder import Rung
from bridge.gateway.line import CarrierLine
from bridge.gateway.process import BEGUN, call_key
from bridge.gateway.returning import LOST_STREAM, is_abandoned, kept_call
from bridge.gateway.violations import NoRoom, Violation
from bridge.session.ports import LineAudio
from bridge.session.profiles import CallProfile
from bridge.session.session import CallSession
from bridge.store.kept_calls import ClaimedByOthers
from bridge.store.tickets import Refusal, Ticket, TicketRefused
from bridge.telemetry import logs

if TYPE_CHECKING:
    from bridge.gateway.endpoint import MediaEndpoint
    from bridge.gateway.media import MediaSocket

logger = logging.getLogger(__name__)

_OPENS_S = 8.0
"""A stream that comes to a process that is just starting waits this long for it."""


class StreamOpening:
    """Answers the `start` of one socket."""

    def __init__(self, socket: MediaSocket, endpoint: MediaEndpoint, start: StreamStarted) -> None:
        self._socket = socket
        self._endpoint = endpoint
        self._process = endpoint.process
        self._carrier = socket.carrier
        self._start = start
        self._parameters = dict(start.parameters)
        self._returned = self._parameters.pop("returned", "")
        self._key = call_key(socket.carrier, start.call_id)
        self._spent = ""
        """The store's key of the ticket that was spent for this stream."""

    async def begin(self) -> None:
        """Check that the stream is ours to answer, and begin its call or go on with it. Raises Violation and NoRoom."""
        try:
            ticket = await self._admitted()
            if ticket is not None:
                await self._take(ticket)
        except TicketRefused as refusal:
            raise Violation(f"ticket_{refusal.why}", WSCloseCode.POLICY_VIOLATION, str(refusal)) from None
        except asyncio.CancelledError:  # we have closed the socket meanwhile, as at the end of the process
            if self._socket.session is None:
                await self._give_back()
            raise

    async def _admitted(self) -> Ticket | None:
        """The stream's ticket; None when the call of another socket goes on here. Raises TicketRefused."""
        process, start = self._process, self._start
        reconnects = self._carrier.pacing.reconnects
        before = self._endpoint.sockets.get(self._key) if reconnects else None
        ticket = process.tickets.check(
            self._parameters.pop("ticket", None),
            carrier=self._carrier.name,
            call_id=start.call_id,
            account_id=start.account_id or None,
            at_any_age=reconnects,
        )
        is_same = before is not None and before.nonce == ticket.nonce
        if before is not None and is_same and await before.is_quiet() and self._socket.take_over(before):
            return None
        refusal = await self._spend(ticket)
        if refusal is not None:
            if not reconnects or not await is_abandoned(process, self._key, _spent(ticket)):
                raise TicketRefused(refusal)
            self._returned = LOST_STREAM  # another process had this call
        return ticket

    async def _spend(self, ticket: Ticket) -> Refusal | None:
        """Spend a ticket; why it is not good any more, if it is not."""
        process = self._process
        if process.tickets.has_expired(ticket):
            return "expired"
        name = process.keeper.process.encode()
        if not await process.store.add(_spent(ticket), name, 2 * process.gateway.ticket_ttl_s):
            return "spent"
        if await self._has_begun():
            return "spent"
        self._spent = _spent(ticket)
        return None

    async def _has_begun(self) -> bool:
        """Whether this is another stream of a call that goes on already: the store may have lost its ticket's mark."""
        if self._returned or not self._carrier.pacing.reconnects:
            return False
        kept = await self._process.kept_calls.ask(self._key)
        return kept is not None and bool(kept.state)

    async def _take(self, ticket: Ticket) -> None:
        """Find room for the call, and what is known of it."""
        process, key, returned = self._process, self._key, self._returned
        profile = process.profiles.find(self._parameters.get("to", ""))
        await process.admission.opened(_OPENS_S)
        if key in self._endpoint.sockets:
            raise Violation("duplicate_call", WSCloseCode.POLICY_VIOLATION, "the call has a stream already")
        if profile is None or not process.admission.begin(key, returning=bool(returned)):
            process.metrics.refused.labels("no agent" if profile is None else "no room").inc()
            await process.outcomes.note(key, LineBusy())
            raise NoRoom
        self._endpoint.sockets[key] = self._socket
        self._socket.no_longer_waiting()
        try:
            info = self._info()
            state = kept = None
            if returned:
                info, state, kept = await kept_call(process, info, key, self._lead_s(profile))
            if self._socket.request.transport is None:
                await self._give_back()
                raise Violation("abrupt_close", WSCloseCode.GOING_AWAY, "closed before the call had begun")
            if returned:  # what was noted of the time before must not befall this stream
                await process.outcomes.forget(key)
            self._begin(info, profile, ticket, state, kept.costs if kept else {})
        except Violation:
            raise
        except ClaimedByOthers as error:
            self._endpoint.release(key)
            raise Violation("duplicate_call", WSCloseCode.POLICY_VIOLATION, str(error)) from None
        except Exception:
            self._endpoint.release(key)
            await process.kept_calls.forget(key)
            await process.outcomes.note(key, Apologise(profile.call.last_apology))
            raise
        # The process whose webhook admitted the call may be another one, which keeps a place for it until it sees this.
        await process.store.put(BEGUN + key, process.keeper.process.encode(), RESERVED_S)

    def _lead_s(self, profile: CallProfile) -> float:
        """How far ahead of the caller's ear audio is sent, about, on a line of this carrier."""
        pacing = self._carrier.pacing
        return (Lead(profile.call.playout, pacing).target_ms - pacing.message_ms / 2) / 1000

    def _info(self) -> CallInfo:
        parameters = self._parameters
        return CallInfo(
            call_id=self._start.call_id,
            from_number=parameters.pop("from", ""),
            to_number=parameters.pop("to", ""),
            transfer_failed="" if self._returned == LOST_STREAM else self._returned,
            parameters=parameters,
        )

    async def _give_back(self) -> None:
        """The socket has gone while we were getting ready: leave the call to its next stream, here or elsewhere."""
        process, key = self._process, self._key
        if self._endpoint.sockets.get(key) is self._socket:
            self._endpoint.release(key)
        kept = await process.kept_calls.ask(key)
        if kept is not None and kept.process == process.keeper.process:
            await process.kept_calls.keep(key, msgspec.structs.replace(kept, process="", written_at=0.0))
        if self._spent:
            await process.store.take(self._spent)  # the ticket has bought nothing

    def _begin(
        self,
        info: CallInfo,
        profile: CallProfile,
        ticket: Ticket,
        state: CallState | None,
        spent: Mapping[str, float],
    ) -> None:
        process, carrier, socket, key = self._process, self._carrier, self._socket, self._key
        addresses = Addresses(f"{process.signatures.public_url(socket.request)}/{carrier.name}")
        line = CarrierLine(carrier, CallReference(info.call_id, ticket.account_id), addresses, key, process)
        stream = socket.stream
        session = CallSession(
            info,
            profile.call,
            line=line,
            services=profile.services,
            wheel=process.wheel,
            metrics=process.metrics,
            audio=LineAudio(stream.caller_format, stream.our_format, carrier.pacing),
            followers=process.observers.open_call(
                info, profile, carrier, stream.our_format, state, account_id=ticket.account_id
            ),
            resume=state,
            spent=spent,
            on_changed=partial(process.keeper.changed, key),
            on_ended=partial(self._endpoint.release, key),
        )
        socket.serve(session, line, ticket.nonce)
        process.keeper.follow(key, session, ticket.account_id, returning=state is not None)
        process.spending.begins(key, info.from_number, ticket.account_id)
        logs.event(
            logger,
            "call started",
            carrier=carrier.name,
            call=info.call_id,
            caller=logs.private(info.from_number),
            called=logs.private(info.to_number),
        )
        socket.expect_audio()
        session.start()
        if process.observers.detection is not None:
            session.add_tap(process.observers.detection.open_call(session.tell))
        if process.admission.rung >= Rung.NO_SPECULATION:
            session.tell(SpeculationAllowed(False))
        if process.admission.ending:  # it was admitted while the others were not yet asked to end
            session.tell(EndRequested(EndReason.DRAIN))


def _spent(ticket: Ticket) -> str:
    """The store's key of a ticket that was spent; the value is the name of the process where it was."""
    return f"ticket:{ticket.nonce}"
