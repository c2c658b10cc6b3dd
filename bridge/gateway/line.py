"""Twilio's side of one call: what we send, and how we leave."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from aiohttp import WSCloseCode

from bridge.call.states import EndReason
from bridge.carriers.twilio import messages as twilio
from bridge.gateway.frames import text_frame
from bridge.session.ports import Apologise, Outcome

if TYPE_CHECKING:
    from bridge.gateway.process import Process

logger = logging.getLogger(__name__)


class Socket(Protocol):
    """The media socket that a line may close."""

    def close(self, code: WSCloseCode) -> None:
        """Close it."""
        ...

    def give_up(self, kind: str, code: WSCloseCode, reason: EndReason) -> None:
        """Close it because of what the other end did, which ends the call for this reason."""
        ...


class TwilioLine:
    """Writes to the carrier's socket without waiting, and ends the call by REST or by closing the socket."""

    def __init__(
        self, transport: asyncio.Transport, stream_sid: str, call_sid: str, process: Process, socket: Socket
    ) -> None:
        self._transport = transport
        self._stream_sid = stream_sid
        self._call_sid = call_sid
        self._process = process
        self._socket = socket
        self._max_unsent = process.gateway.max_unsent_bytes
        self._queued: list[bytes] = []
        self._ending: asyncio.Task[None] | None = None

    def send_audio(self, ulaw: bytes) -> None:
        """Queue mu-law audio at the carrier."""
        self._send(twilio.encode_media(self._stream_sid, ulaw))

    def send_mark(self, name: str) -> None:
        """Queue a mark behind the audio sent so far."""
        self._send(twilio.encode_mark(self._stream_sid, name))

    def clear(self) -> None:
        """Empty the carrier's queue."""
        self._send(twilio.encode_clear(self._stream_sid))

    def end(self, outcome: Outcome) -> None:
        """Leave the call; only the first call of this counts."""
        if self._ending is None:
            self.flush()
            self._ending = asyncio.get_running_loop().create_task(self._end(outcome))

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

    def _send(self, message: bytes) -> None:
        if self._ending is None:
            self._queued.append(text_frame(message))

    async def _end(self, outcome: Outcome) -> None:
        """The note comes first: the carrier's next webhook follows at once on the close."""
        try:
            await self._process.outcomes.note(self._call_sid, outcome)
            if not isinstance(outcome, Apologise) and await self._process.control.end(self._call_sid, outcome):
                # The carrier now closes the stream itself; if it does not, we do.
                await asyncio.sleep(self._process.gateway.end_by_rest_grace_s)
        except Exception:
            self._process.metrics.call_failures.labels("ending").inc()
            logger.exception("could not end a call in the proper way, call=%s", self._call_sid)
        self._socket.close(WSCloseCode.OK)
