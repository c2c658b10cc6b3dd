"""The carrier's side of one call: what we send, and how we leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec
from aiohttp import WSCloseCode

from bridge.call.states import EndReason
from bridge.carriers.addresses import Addresses
from bridge.carriers.base import (
    Apologise,
    CallReference,
    Carrier,
    ComeBack,
    ForwardCall,
    LineBusy,
    MediaStream,
    Outcome,
    SocketMessage,
)
from bridge.gateway.frames import message_frame
from bridge.session.ports import KeptCall

if TYPE_CHECKING:
    from bridge.gateway.process import Process

logger = logging.getLogger(__name__)

NOT_ALLOWED = "not_allowed"
"""Why a transfer has failed that an allowance has kept from being begun."""


class Socket(Protocol):
    """The media socket that a line may close."""

    def close(self, code: WSCloseCode) -> None:
        """Close the media socket with this code."""
        ...

    def give_up(self, kind: str, code: WSCloseCode, reason: EndReason) -> None:
        """Close it because of what the other end did."""
        ...


class CarrierLine:
    """Writes to the carrier's socket without waiting, and ends the call by REST or by closing the socket."""

    def __init__(self, carrier: Carrier, call: CallReference, addresses: Addresses, key: str, process: Process) -> None:
        self._carrier = carrier
        self._call = call
        self._addresses = addresses
        self.key = key
        self._process = process
        self._max_unsent = process.gateway.max_unsent_bytes
        self._queued: list[bytes] = []
        self._ending: asyncio.Task[None] | None = None

    def connect(self, transport: asyncio.Transport, stream: MediaStream, socket: Socket) -> None:
        """Write to this socket from now on; what was queued for another is forgotten."""
        self._transport = transport
        self._stream = stream
        self._socket = socket
        self._queued.clear()

    def send_audio(self, audio: bytes) -> None:
        """Queue audio in the stream's format at the carrier."""
        self._send(self._stream.audio(audio))

    def send_mark(self, name: str) -> None:
        """Queue a mark behind the audio sent so far."""
        self._send(self._stream.mark(name))

    def clear(self) -> None:
        """Make the carrier forget what it has not played."""
        self._send(self._stream.clear())

    def end(self, outcome: Outcome, kept: KeptCall | None = None) -> None:
        """Leave the call; only the first call of this counts. `kept`: to go on with should the caller come back."""
        if self._ending is None:
            self.flush()
            self._process.departures.leaves(self.key)
            self._process.keeper.leave(self.key, keep=kept is not None)
            self._ending = asyncio.get_running_loop().create_task(self._end(outcome, kept))

    def flush(self) -> None:
        """Write what was queued since the last flush, in one go: each write is a system call."""
        if not self._queued:
            return
        frames, self._queued = b"".join(self._queued), []
        transport = self._transport
        if transport.is_closing():
            return
        transport.write(frames)
        if transport.get_write_buffer_size() > self._max_unsent:
            self._socket.give_up("not_reading", WSCloseCode.POLICY_VIOLATION, EndReason.NOT_READING)
            # A peer that does not read will not read our close either.
            transport.abort()

    def _send(self, messages: Sequence[SocketMessage]) -> None:
        if self._ending is None:
            for payload, binary in messages:
                self._queued.append(message_frame(payload, binary))

    async def _end(self, outcome: Outcome, kept: KeptCall | None) -> None:
        """The note comes first: the carrier's next webhook follows at once on the close."""
        process = self._process
        try:
            if kept is not None:
                await process.keeper.settled()  # what it wrote of the call as it went must not come later
                await process.kept_calls.keep(self.key, kept)
            if isinstance(outcome, ForwardCall):
                outcome = await self._allowed(outcome, kept)
            if isinstance(outcome, ForwardCall) and outcome.summary:
                if kept is not None and await self._waits(outcome, kept):
                    process.departures.told(self.key)
                    await asyncio.sleep(process.gateway.end_by_rest_grace_s)
                    self._socket.close(WSCloseCode.OK)
                    return
                outcome = await process.warm_transfers.named(outcome)
            await process.outcomes.note(self.key, outcome)
            by_rest = not isinstance(outcome, Apologise | LineBusy)
            if by_rest and await process.control.carry_out(outcome, self._carrier, self._call, self._addresses):
                process.departures.told(self.key)
                if isinstance(outcome, ForwardCall) and outcome.come_back:
                    process.departures.rings(self.key)
                # The carrier now closes the stream itself; if it does not, we do.
                await asyncio.sleep(process.gateway.end_by_rest_grace_s)
        except Exception:
            process.metrics.call_failures.labels("ending").inc()
            logger.exception("could not end a call in the proper way, call=%s", self._call.call_id)
        self._socket.close(WSCloseCode.OK)

    async def _allowed(self, forward: ForwardCall, kept: KeptCall | None) -> Outcome:
        """The same transfer; where no allowance is left for it, the caller comes back to the agent, which is told."""
        process, call = self._process, self._call
        caller = kept.from_number if kept is not None else ""
        if not await process.spending.forward(self.key, caller, call.account_id, forward.target):
            return forward
        process.metrics.refused.labels("transfer allowance").inc()
        if kept is None:
            return Apologise(process.profiles.last_apology(""))
        await process.kept_calls.keep(self.key, msgspec.structs.replace(kept, returned=NOT_ALLOWED))
        parameters = {"from": kept.from_number, "to": kept.to_number, "returned": NOT_ALLOWED}
        return ComeBack(call.call_id, call.account_id, parameters)

    async def _waits(self, forward: ForwardCall, kept: KeptCall) -> bool:
        """Whether the caller waits with music now, and somebody is called."""
        return await self._process.warm_transfers.begun(
            forward, self._carrier, self._call, self._addresses, self.key, kept
        )
