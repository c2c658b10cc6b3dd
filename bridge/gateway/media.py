"""GET /{carrier}/media: one WebSocket a call, from the handshake to the last word.

Whatever the other end does has one answer. The first column is also the `kind` in the metric
`bridge_protocol_errors`, but for the rows in brackets, which are counted where the right column says.

| what happens | answer | |
| --- | --- | --- |
| (signature missing or wrong) | HTTP 403, no WebSocket | `bridge_signature_failures{route="media"}` |
| not_a_websocket | HTTP 400 | |
| too_many_waiting | HTTP 429: too many sockets of this address have not brought `start` | |
| start_deadline | close 1008 | |
| before_start | close 1008: media, mark or key without a `start` | |
| ticket_missing, _malformed, _forged, _expired, _wrong_call, _wrong_account, _wrong_carrier, _spent | close 1008 | |
| unsupported_format | close 1003: a codec or rate that is not spoken with this carrier | |
| duplicate_call | close 1008: the call has a stream already, which goes on | |
| reconnected | the call goes on here, and its old socket is closed; only with carriers that open lost sockets again | |
| (opened again at another process) | the call goes on there, if nobody has its stream now | `bridge_calls_resumed` |
| (no room) | close 1013; the next webhook says busy | `bridge_calls_refused{why="no room"}` |
| (no agent for this number) | close 1013; the next webhook says busy | `bridge_calls_refused{why="no agent"}` |
| second_start | close 1008, the call ends | |
| wrong_stream | close 1008, the call ends: a message for another stream | |
| bad_message | passed over: no JSON, no audio, bad base64; close 1007 before `start` and for the 50th in a row | |
| binary_frame | close 1003, the call ends: binary where the carrier's protocol has text alone | |
| message_too_big | close 1009, the call ends | |
| bad_frame | close 1002 or 1007, the call ends: broken WebSocket framing or UTF-8 | |
| unknown_event | ignored: carriers add events without notice | |
| odd_field | ignored: an unknown key, a time that is no number, a mark without a name | |
| odd_payload | used: audio need not come in 20 ms; none at all is ignored | |
| no_media | close 1001, the call ends: the line is dead | |
| not_reading | close 1008, the call ends: what we send piles up | |
| abrupt_close | closed or lost without `stop`: the next webhook brings the call back (`returning.py`) | |
| (`stop`, or an orderly close where the carrier has no such message) | close 1000, the call ends | |
| (a bug of ours) | close 1011; the next webhook apologises | `bridge_call_failures` |

After the call's end, and until the socket is closed, messages are read and ignored.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web

from bridge.call.events import DigitPressed, MarkEchoed, MarkFate
from bridge.call.states import EndReason
from bridge.carriers.base import (
    CallerAudio,
    Carrier,
    KeyPressed,
    MarkReturned,
    OtherMessage,
    StreamEvent,
    StreamStarted,
    StreamStopped,
    StreamViolation,
)
from bridge.gateway.line import CarrierLine
from bridge.gateway.opening import StreamOpening
from bridge.gateway.violations import CLOSE_CODES, NoRoom, Violation
from bridge.session.session import CallSession
from bridge.session.timers import Timer
from bridge.telemetry import logs

if TYPE_CHECKING:
    from bridge.gateway.endpoint import MediaEndpoint

logger = logging.getLogger(__name__)

_UNREADABLE_IN_A_ROW = 50
"""A second of messages of which none can be read: nobody will be heard on this stream."""
_WATCHED_S = 0.3
"""So long we look whether a socket still brings the caller's audio before another one goes on with its call."""
_IN_FLIGHT_S = 0.15
"""What was on its way when the carrier left a socket is read within this time."""
_AT_ONCE = 64
"""Frames of audio that are taken before it is the others' turn."""
_HAPPENING = 4
"""What a mark or a key costs, in frames."""


class MediaSocket:
    """One carrier socket: reads and checks its messages, and passes them to the call's session."""

    def __init__(
        self,
        endpoint: MediaEndpoint,
        carrier: Carrier,
        ws: web.WebSocketResponse[bool],
        request: web.Request,
        address: str,
    ) -> None:
        self._endpoint = endpoint
        self._process = endpoint.process
        self.carrier = carrier
        self.stream = carrier.open_stream()
        self._ws = ws
        self.request = request
        self._address: str | None = address
        self._watch = Timer(self._watch_due)
        self._reading: asyncio.Timeout | None = None
        self._code: WSCloseCode | None = None
        self._done = asyncio.Event()
        self._frame_bytes = 0
        self._odd_payloads = 0
        self._unreadable = 0
        self._lost_at: float | None = None
        self.nonce = self._key = ""
        self._line: CarrierLine | None = None
        self.session: CallSession | None = None

    async def run(self) -> None:
        """Converse until the socket is closed."""
        self._process.wheel.set(self._watch, time.monotonic() + self._process.gateway.start_deadline_s)
        reason = EndReason.LOST
        try:
            reason = await self._read_until_closing()
        finally:
            self._over(reason)
            for kind, count in (("odd_payload", self._odd_payloads), ("odd_field", self.stream.odd_fields)):
                self._process.metrics.protocol_errors.labels(self.carrier.name, kind).inc(count)
            self._done.set()
        await self._ws.close(code=self._code or WSCloseCode.OK)

    def close(self, code: WSCloseCode) -> None:
        """Close the socket; only the first code is sent."""
        if self._code is None:
            self._code = code
            if self._reading is not None:
                # The reading task itself closes: then it also waits for the carrier to close in turn.
                self._reading.reschedule(asyncio.get_running_loop().time())

    async def closed(self) -> None:
        """Wait until nothing is read from the socket any more."""
        await self._done.wait()

    def _over(self, reason: EndReason) -> None:
        """Nothing more will be read here: the call ends, unless its carrier will open another socket for it."""
        session = self.session
        self._process.wheel.set(self._watch, None)
        if session is None:
            return
        if reason is not EndReason.LOST or self._code is not None or session.over:  # closed by us, or with a reason
            session.stream_closed(reason)
        elif self.carrier.pacing.reconnects:
            self._process.keeper.lost(self._key)
            self._lost_at = time.monotonic()
            self._process.wheel.set(self._watch, self._lost_at + self._process.gateway.reconnect_s)
        else:
            self.lost()

    def lost(self) -> None:
        """The stream is gone though nobody has ended the call: whoever gets its next stream goes on with it."""
        session = self.session
        if session is not None and not session.over:
            self._process.departures.leaves(self._key)
            self._process.keeper.lost(self._key)
            session.stream_closed(EndReason.LOST)
        self.close(WSCloseCode.OK)

    def moved(self) -> None:
        """Another process goes on with the call, or will."""
        self._process.keeper.leave(self._key, keep=True)
        if self.session is not None and not self.session.over:
            self.session.stream_closed(EndReason.MOVED)
        self.close(WSCloseCode.GOING_AWAY)

    async def _read_until_closing(self) -> EndReason:
        """Read until either side closes; why the call is over."""
        try:
            async with asyncio.timeout(None) as self._reading:
                return await self._read()
        except TimeoutError:
            return EndReason.LOST  # closed by `close`, whose caller has told the session why
        except Violation as violation:
            self._count(violation.kind, str(violation))
            self._code = violation.code
            return EndReason.PROTOCOL
        except NoRoom:
            self._code = WSCloseCode.TRY_AGAIN_LATER
            return EndReason.FAILURE  # of no call: it has not begun
        except Exception:
            self._process.metrics.call_failures.labels("socket").inc()
            logger.exception("a media socket failed, carrier=%s", self.carrier.name)
            self._code = WSCloseCode.INTERNAL_ERROR
            return EndReason.FAILURE
        finally:
            self._reading = None

    def no_longer_waiting(self) -> None:
        """The socket has brought `start`, or is gone: it no longer counts against its address."""
        if self._address is None:
            return
        waiting = self._endpoint.waiting
        waiting[self._address] -= 1
        if not waiting[self._address]:
            del waiting[self._address]
        self._address = None

    async def _read(self) -> EndReason:
        """Read until the stream ends; why it did."""
        receive, read_text, read_binary = self._ws.receive, self.stream.read_text, self.stream.read_binary
        taken = 0
        while True:
            if taken >= _AT_ONCE:
                taken = 0
                await asyncio.sleep(0)  # a carrier that sends much at once must not hold up the other calls
            message = await receive()
            try:
                if message.type is WSMsgType.TEXT:
                    event = read_text(message.data)
                elif message.type is WSMsgType.BINARY:
                    event = read_binary(message.data)
                elif message.type is WSMsgType.ERROR:
                    return self._framing(message.data)
                else:
                    return self._closed(message.data if message.type is WSMsgType.CLOSE else None)
            except StreamViolation as violation:
                self._unread(violation)
                continue
            if type(event) is CallerAudio:
                self._audio(event.audio)
                taken += 1
            elif type(event) is StreamStopped:
                return EndReason.CALLER
            elif event is not None:
                await self._happened(event)
                taken += _HAPPENING

    def _audio(self, audio: bytes) -> None:
        session = self.session
        if session is None:
            raise Violation("before_start", WSCloseCode.POLICY_VIOLATION, "media before start")
        self._unreadable = 0
        length = len(audio)
        if length != self._frame_bytes:
            # Several frames at once are usual where they were put back in order.
            self._odd_payloads += length == 0 or length % self._frame_bytes != 0
            if length == 0:
                return
        session.hear(audio)

    def _unread(self, violation: StreamViolation) -> None:
        """A message that cannot be used: one of them costs a moment of audio at most, a run of them the call."""
        self._unreadable += 1
        if self.session is None and violation.kind == "wrong_stream":
            raise Violation("before_start", WSCloseCode.POLICY_VIOLATION, "a message before start")
        passed_over = self.session is not None and violation.kind == "bad_message"
        if not passed_over or self._unreadable >= _UNREADABLE_IN_A_ROW:
            raise Violation(violation.kind, CLOSE_CODES[violation.kind], str(violation))
        self._process.metrics.protocol_errors.labels(self.carrier.name, violation.kind).inc()
        if self._unreadable == 1:
            self._log(violation.kind, str(violation))

    async def _happened(self, event: StreamEvent) -> None:
        """Anything but audio and the end."""
        match event:
            case StreamStarted():
                await self._start(event)
                return
            case OtherMessage():
                self._count("unknown_event", event.event)
                return
        if self.session is None:
            raise Violation("before_start", WSCloseCode.POLICY_VIOLATION, f"{type(event).__name__} before start")
        if isinstance(event, MarkReturned):
            self.session.tell(MarkEchoed(event.name, MarkFate(event.how)))
        elif isinstance(event, KeyPressed):
            self.session.tell(DigitPressed(event.digit))
            self._process.keeper.pressed(self._key)

    async def _start(self, start: StreamStarted) -> None:
        """Begin the call of this stream, or go on with it."""
        if self.session is not None:
            raise Violation("second_start", WSCloseCode.POLICY_VIOLATION, "a stream starts once")
        self._process.wheel.set(self._watch, None)  # it has come in time, however long the rest takes us
        await StreamOpening(self, self._endpoint, start).begin()

    def serve(self, session: CallSession, line: CarrierLine, nonce: str) -> None:
        """Make this the socket of a call: `line` writes here from now on."""
        assert self.request.transport is not None
        self.session, self._line, self.nonce = session, line, nonce
        self._key = line.key
        self._frame_bytes = self.stream.caller_format.frame_bytes
        line.connect(self.request.transport, self.stream, self)

    def expect_audio(self) -> None:
        """The call has begun, or goes on: a line that brings no audio is dead."""
        self._process.wheel.set(self._watch, time.monotonic() + self._process.gateway.no_media_s)

    async def is_quiet(self) -> bool:
        """Wait a moment to see whether the carrier has left this socket; whoever else has its ticket gets no call."""
        if self._lost_at is None:
            asked_at = time.monotonic()
            await asyncio.sleep(_WATCHED_S)
            return self.session is None or self.session.last_frame_at <= asked_at + _IN_FLIGHT_S
        return True

    def take_over(self, before: MediaSocket) -> bool:
        """Go on with the call of another socket, which the carrier has replaced by this one; False when it is over."""
        session, line = before.session, before._line
        if session is None or line is None or session.over:
            return False
        self._count("reconnected", "the carrier has opened its media socket again")
        before.session = None
        before._process.wheel.set(before._watch, None)
        before.close(WSCloseCode.OK)
        self._endpoint.sockets[line.key] = self
        self.no_longer_waiting()
        self.serve(session, line, before.nonce)
        session.stream_reopened()
        self._process.keeper.found(line.key)
        self.expect_audio()
        return True

    def _watch_due(self) -> None:
        """`start` has not come in time, the line may be dead, or the carrier has not opened its socket again."""
        session = self.session
        if session is None:
            self.give_up("start_deadline", WSCloseCode.POLICY_VIOLATION, EndReason.PROTOCOL)
            return
        if session.over:
            return
        if self._lost_at is not None:
            session.stream_closed(EndReason.LOST)
            return
        due = session.last_frame_at + self._process.gateway.no_media_s
        if time.monotonic() < due:
            self._process.wheel.set(self._watch, due)
            return
        self.give_up("no_media", WSCloseCode.GOING_AWAY, EndReason.NO_MEDIA)

    def carrier_completed(self) -> None:
        """The carrier says that the call is over, whatever the socket looks like."""
        if self.session is not None and not self.session.over:
            self.session.stream_closed(EndReason.CARRIER_COMPLETED)
        self.close(WSCloseCode.OK)

    def give_up(self, kind: str, code: WSCloseCode, reason: EndReason) -> None:
        """Count a violation, end the call for this reason and close, from outside the reading loop."""
        self._count(kind, kind.replace("_", " "))
        if self.session is not None:
            self.session.stream_closed(reason)
        self.close(code)

    def _framing(self, error: BaseException) -> EndReason:
        """The WebSocket layer itself gave up, and has closed the socket."""
        if isinstance(error, WebSocketError):
            kind = "message_too_big" if error.code == WSCloseCode.MESSAGE_TOO_BIG else "bad_frame"
            self._count(kind, str(error))
            return EndReason.PROTOCOL
        return self._closed(None)

    def _closed(self, code: int | None) -> EndReason:
        """The socket is closed, by whomever; with a code where the other end has said that it closes."""
        orderly = code in (WSCloseCode.OK, WSCloseCode.GOING_AWAY)
        if orderly and not self.carrier.pacing.says_stop:
            return EndReason.CALLER
        if self.session is not None and not self.session.over:
            self._count("abrupt_close", "closed without a stop message")
        return EndReason.LOST

    def _count(self, kind: str, what: str) -> None:
        self._process.metrics.protocol_errors.labels(self.carrier.name, kind).inc()
        self._log(kind, what)

    def _log(self, kind: str, what: str) -> None:
        call = self.session.info.call_id if self.session is not None else ""
        logs.event(
            logger,
            "protocol error",
            logging.WARNING,
            carrier=self.carrier.name,
            kind=kind,
            call=call,
            remote=self._process.signatures.address(self.request),  # by which a flood of them becomes a line a second
            detail=repr(what[:200]),
        )
