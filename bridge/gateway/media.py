"""GET /twilio/media: one WebSocket a call, from the handshake to the last word.

Whatever the other end does has one answer. The first column is also the `kind` in the metric
`bridge_protocol_errors`, but for the rows in brackets, which are counted where the right column says.

| what happens | answer | |
| --- | --- | --- |
| (signature missing or wrong) | HTTP 403, no WebSocket | `bridge_signature_failures{route="media"}` |
| not_a_websocket | HTTP 400 | |
| too_many_waiting | HTTP 429: too many sockets of this address have not brought `start` | |
| start_deadline | close 1008 | |
| before_start | close 1008: media, mark or dtmf without a `start` | |
| ticket_missing, _malformed, _forged, _expired, _wrong_call, _wrong_account, _spent | close 1008 | |
| unsupported_format | close 1003: only mu-law, 8000 Hz, mono is spoken here | |
| duplicate_call | close 1008: the call has a stream already, which goes on | |
| (no room) | close 1013; the next webhook says busy | `bridge_calls_refused{why="no room"}` |
| second_start | close 1008, the call ends | |
| wrong_stream | close 1008, the call ends: a message for another stream | |
| bad_message | close 1007, the call ends: no JSON, a field missing or of the wrong type, bad base64 | |
| binary_frame | close 1003, the call ends | |
| message_too_big | close 1009, the call ends | |
| bad_frame | close 1002 or 1007, the call ends: broken WebSocket framing or UTF-8 | |
| unknown_event | ignored: carriers add events without notice | |
| odd_payload | used: audio need not come in 160 bytes; none at all is ignored | |
| no_media | close 1001, the call ends: the line is dead | |
| not_reading | close 1008, the call ends: what we send piles up | |
| abrupt_close | the call ends: closed or lost without `stop`; the next webhook apologises | |
| (`stop`) | close 1000, the call ends | |
| (a bug of ours) | close 1011; the next webhook apologises | `bridge_call_failures` |

After the call's end, and until the socket is closed, messages are read and ignored.
"""

from __future__ import annotations

import asyncio
import logging
import time

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web

from bridge.agents.base import CallInfo
from bridge.call.events import DigitPressed, EndRequested, MarkEchoed
from bridge.call.states import EndReason
from bridge.carriers.twilio import messages as twilio
from bridge.errors import BadMessage
from bridge.gateway.line import TwilioLine
from bridge.gateway.process import Process
from bridge.gateway.signatures import RequestRefused
from bridge.session.ports import Apologise, Busy
from bridge.session.session import CallSession
from bridge.session.timers import Timer
from bridge.store.tickets import TicketRefused
from bridge.telemetry import logs

logger = logging.getLogger(__name__)

FRAME_BYTES = 160
CLOSE_TIMEOUT_S = 2.0
"""How long the carrier may take to answer our close."""


class Violation(BadMessage):
    """The other end broke the protocol: `kind` is counted, `code` closes the socket."""

    def __init__(self, kind: str, code: WSCloseCode, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code


class NoRoom(Exception):
    """The stream was expected, but this process has no room for its call."""


class MediaEndpoint:
    """Accepts media sockets and knows those that carry calls."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.sockets: dict[str, MediaSocket] = {}
        """Running calls by call id."""
        self.waiting: dict[str, int] = {}
        """How many sockets of each address have not brought `start`."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The route's handler."""
        metrics = self.process.metrics
        try:
            self.process.signatures.check_socket(request)
        except RequestRefused as refusal:
            return web.Response(status=403, text=str(refusal))
        address = self.process.signatures.address(request)
        if self.waiting.get(address, 0) >= self.process.gateway.max_waiting_per_address:
            metrics.protocol_errors.labels("twilio", "too_many_waiting").inc()
            return web.Response(status=429, text="too many media sockets without a start message")
        ws = web.WebSocketResponse(
            compress=False,
            max_msg_size=self.process.gateway.max_message_bytes,
            timeout=CLOSE_TIMEOUT_S,
            decode_text=False,
        )
        if not ws.can_prepare(request):
            metrics.protocol_errors.labels("twilio", "not_a_websocket").inc()
            return web.Response(status=400, text="this address speaks WebSocket only")
        self.waiting[address] = self.waiting.get(address, 0) + 1
        socket = MediaSocket(self, ws, request, address)
        try:
            await ws.prepare(request)
            await socket.run()
        finally:
            socket.no_longer_waiting()
        return ws

    def end_all(self, reason: EndReason) -> None:
        """Ask every call to say goodbye."""
        for socket in list(self.sockets.values()):
            if socket.session is not None:
                socket.session.tell(EndRequested(reason))

    async def close_all(self) -> None:
        """Close every socket now."""
        sockets = list(self.sockets.values())
        for socket in sockets:
            if socket.session is not None:
                socket.session.stream_closed(EndReason.DRAIN)
            socket.close(WSCloseCode.GOING_AWAY)
        await asyncio.gather(*(socket.closed() for socket in sockets))


class MediaSocket:
    """One carrier socket: reads and checks its messages, and passes them to the call's session."""

    def __init__(
        self,
        endpoint: MediaEndpoint,
        ws: web.WebSocketResponse[bool],
        request: web.Request,
        address: str,
    ) -> None:
        self._endpoint = endpoint
        self._process = endpoint.process
        self._ws = ws
        self._request = request
        self._address: str | None = address
        self._watch = Timer(self._watch_due)
        self._reading: asyncio.Timeout | None = None
        self._code: WSCloseCode | None = None
        self._done = asyncio.Event()
        self._stream_sid = ""
        self._odd_payloads = 0
        self.session: CallSession | None = None

    async def run(self) -> None:
        """Converse until the socket is closed."""
        self._process.wheel.set(self._watch, time.monotonic() + self._process.gateway.start_deadline_s)
        reason = EndReason.LOST
        try:
            reason = await self._read_until_closing()
        finally:
            self._process.wheel.set(self._watch, None)
            if self.session is not None:
                self.session.stream_closed(reason)
            self._process.metrics.protocol_errors.labels("twilio", "odd_payload").inc(self._odd_payloads)
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
            logger.exception("a media socket failed, stream=%s", self._stream_sid)
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
        receive = self._ws.receive
        while True:
            message = await receive()
            if message.type is WSMsgType.TEXT:
                try:
                    event = twilio.decode(message.data)
                except BadMessage as error:
                    raise Violation("bad_message", WSCloseCode.INVALID_TEXT, str(error)) from None
                if type(event) is twilio.Media:
                    self._media(event)
                elif type(event) is twilio.Stop:
                    return EndReason.CALLER
                else:
                    await self._happened(event)
            elif message.type is WSMsgType.BINARY:
                raise Violation("binary_frame", WSCloseCode.UNSUPPORTED_DATA, "the protocol has no binary frames")
            elif message.type is WSMsgType.ERROR:
                return self._framing(message.data)
            else:
                return self._closed()

    def _media(self, media: twilio.Media) -> None:
        session = self.session
        if session is None:
            raise Violation("before_start", WSCloseCode.POLICY_VIOLATION, "media before start")
        if media.stream_sid != self._stream_sid:
            raise self._wrong_stream()
        if media.track == "outbound":
            return  # our own voice, where a stream was opened on both tracks
        length = len(media.ulaw)
        if length != FRAME_BYTES:
            self._odd_payloads += 1
            if length == 0:
                return
        session.hear(media.ulaw)

    async def _happened(self, event: twilio.Inbound) -> None:
        """Anything but media and stop."""
        match event:
            case twilio.Connected():
                return
            case twilio.Start():
                await self._start(event)
                return
            case twilio.Unknown():
                self._count("unknown_event", event.event)
                return
        if self.session is None:
            raise Violation("before_start", WSCloseCode.POLICY_VIOLATION, f"{type(event).__name__} before start")
        if event.stream_sid != self._stream_sid:
            raise self._wrong_stream()
        if isinstance(event, twilio.Mark):
            self.session.tell(MarkEchoed(event.name))
        elif isinstance(event, twilio.Dtmf):
            self.session.tell(DigitPressed(event.digit))

    def _wrong_stream(self) -> Violation:
        return Violation("wrong_stream", WSCloseCode.POLICY_VIOLATION, "a message for another stream")

    async def _start(self, start: twilio.Start) -> None:
        """Check that this stream is ours to answer, and begin the call."""
        if self.session is not None:
            raise Violation("second_start", WSCloseCode.POLICY_VIOLATION, "a stream starts once")
        process, call_sid = self._process, start.call_sid
        parameters = dict(start.parameters)
        try:
            ticket = process.tickets.check(parameters.pop("ticket", None), call_sid, start.account_sid)
            if not await process.store.add(f"ticket:{ticket.nonce}", b"", 2 * process.gateway.ticket_ttl_s):
                raise TicketRefused("spent")
        except TicketRefused as refusal:
            raise Violation(f"ticket_{refusal.why}", WSCloseCode.POLICY_VIOLATION, str(refusal)) from None
        if not start.is_mulaw_8000:
            raise Violation("unsupported_format", WSCloseCode.UNSUPPORTED_DATA, f"cannot speak {start.encoding}")
        if call_sid in self._endpoint.sockets:
            raise Violation("duplicate_call", WSCloseCode.POLICY_VIOLATION, "the call has a stream already")
        if not process.admission.begin(call_sid):
            process.metrics.refused.labels("no room").inc()
            await process.outcomes.note(call_sid, Busy())
            raise NoRoom
        self._stream_sid = start.stream_sid
        self._endpoint.sockets[call_sid] = self
        self.no_longer_waiting()
        info = CallInfo(
            call_id=call_sid,
            from_number=parameters.pop("from", ""),
            to_number=parameters.pop("to", ""),
            parameters=parameters,
        )
        try:
            self._begin(info)
        except Exception:
            self._release(call_sid)
            await process.outcomes.note(call_sid, Apologise(process.call.last_apology))
            raise

    def _begin(self, info: CallInfo) -> None:
        process = self._process
        assert self._request.transport is not None
        line = TwilioLine(self._request.transport, self._stream_sid, info.call_id, process, self)
        recorder = process.recorder
        self.session = CallSession(
            info,
            process.call,
            line=line,
            rooms=process.rooms,
            wheel=process.wheel,
            metrics=process.metrics,
            record=None if recorder is None else recorder.open_call(info.call_id, process.call, {"carrier": "twilio"}),
            on_ended=lambda: self._release(info.call_id),
        )
        logs.event(
            logger,
            "call started",
            call=info.call_id,
            stream=self._stream_sid,
            caller=logs.private(info.from_number),
            called=logs.private(info.to_number),
        )
        process.wheel.set(self._watch, time.monotonic() + process.gateway.no_media_s)
        self.session.start()

    def _release(self, call_sid: str) -> None:
        self._endpoint.sockets.pop(call_sid, None)
        self._process.admission.end(call_sid)

    def _watch_due(self) -> None:
        """`start` has not come in time, or the line may be dead."""
        session = self.session
        if session is None:
            self.give_up("start_deadline", WSCloseCode.POLICY_VIOLATION, EndReason.PROTOCOL)
            return
        if session.over:
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
        return self._closed()

    def _closed(self) -> EndReason:
        """The socket is closed, by whomever."""
        if self.session is not None and not self.session.over:
            self._count("abrupt_close", "closed without a stop message")
        return EndReason.LOST

    def _count(self, kind: str, what: str) -> None:
        self._process.metrics.protocol_errors.labels("twilio", kind).inc()
        call = self.session.info.call_id if self.session is not None else ""
        logs.event(logger, "protocol error", logging.WARNING, kind=kind, call=call, detail=what[:200])
