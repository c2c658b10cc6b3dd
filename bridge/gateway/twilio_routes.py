"""Twilio's webhooks: what to do with a call that rings, with one whose stream has ended, and what has become of both.

Webhooks may come twice, late, and in any order: a call that rings again keeps its place, the answer after
a stream is the same each time it is asked, and a status that was told before is not counted again.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from aiohttp import web

from bridge.call.states import EndReason
from bridge.carriers.twilio import documents as twiml
from bridge.gateway.media import MediaEndpoint
from bridge.gateway.process import Process
from bridge.gateway.signatures import RequestRefused
from bridge.session.ports import Apologise, Busy, HangUp, Outcome, Transfer
from bridge.telemetry import logs

logger = logging.getLogger(__name__)

VOICE = "/twilio/voice"
MEDIA = "/twilio/media"
STREAM_STATUS = "/twilio/stream-status"
CALL_STATUS = "/twilio/call-status"
AFTER_STREAM = "/twilio/after-stream"

_OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
_STATUSES = _OVER | {"queued", "initiated", "ringing", "in-progress"}
_STREAM_EVENTS = frozenset({"stream-started", "stream-stopped", "stream-error"})
_REMEMBERED = 4096
_LONGEST_ADDRESS = 400
"""Of a SIP caller; a stream parameter has room for 500 characters with its name."""


class TwilioRoutes:
    """The five addresses that Twilio knows of."""

    def __init__(self, process: Process, media: MediaEndpoint) -> None:
        self._process = process
        self._media = media
        self._told: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def add_to(self, app: web.Application) -> None:
        """Register the routes."""
        app.router.add_get(MEDIA, self._media.handle)
        for path, handler in (
            (VOICE, self.voice),
            (AFTER_STREAM, self.after_stream),
            (STREAM_STATUS, self.stream_status),
            (CALL_STATUS, self.call_status),
        ):
            app.router.add_post(path, handler)
            app.router.add_get(path, handler)  # the console lets an operator choose GET

    async def voice(self, request: web.Request) -> web.Response:
        """A call rings: open a media stream, or say that there is no room."""
        try:
            fields = await self._process.signatures.check_webhook(request, "voice")
        except RequestRefused as refusal:
            return self._refused("voice", refusal)
        call_sid, account_sid = fields.get("CallSid", ""), fields.get("AccountSid", "")
        if not call_sid or not account_sid:
            self._process.metrics.webhooks.labels("voice", "incomplete").inc()
            return web.Response(status=400, text="CallSid and AccountSid are required")
        verdict = self._process.admission.ask(call_sid)
        if verdict != "admitted":
            self._process.metrics.refused.labels(verdict).inc()
            self._process.metrics.webhooks.labels("voice", "busy").inc()
            logs.event(logger, "call refused", call=call_sid, why=verdict)
            return _xml(self._document(Busy(), fields))
        self._process.metrics.webhooks.labels("voice", "stream").inc()
        parameters = {
            "ticket": self._process.tickets.issue(call_sid, account_sid),
            "from": fields.get("From", "")[:_LONGEST_ADDRESS],
            "to": fields.get("To", "")[:_LONGEST_ADDRESS],
        }
        base = self._process.signatures.public_url(request)
        return _xml(
            twiml.connect_stream(
                _as_wss(base) + MEDIA,
                parameters=parameters,
                status_callback=base + STREAM_STATUS,
                then=base + AFTER_STREAM,
            )
        )

    async def after_stream(self, request: web.Request) -> web.Response:
        """The media stream has ended: hang up, or go on elsewhere."""
        try:
            fields = await self._process.signatures.check_webhook(request, "after-stream")
        except RequestRefused as refusal:
            return self._refused("after-stream", refusal)
        call_sid = fields.get("CallSid", "")
        outcome = await self._process.outcomes.ask(call_sid)
        socket = self._media.sockets.get(call_sid)
        if socket is not None and socket.session is not None:
            # The carrier knows before our socket does that the stream is gone.
            socket.session.stream_closed(EndReason.LOST)
        if outcome is None:
            outcome = self._lost(call_sid, fields.get("CallStatus", ""))
        self._process.metrics.webhooks.labels("after-stream", type(outcome).__name__.lower()).inc()
        return _xml(self._document(outcome, fields))

    async def stream_status(self, request: web.Request) -> web.Response:
        """The carrier tells how a stream fares; the only place where the reason of a failed handshake shows up."""
        try:
            fields = await self._process.signatures.check_webhook(request, "stream-status")
        except RequestRefused as refusal:
            return self._refused("stream-status", refusal)
        event = fields.get("StreamEvent", "")
        if self._is_news("stream", fields.get("StreamSid", ""), event, fields.get("Timestamp", "")):
            status = event if event in _STREAM_EVENTS else "unknown"
            self._process.metrics.callbacks.labels("stream-status", status).inc()
            level = logging.WARNING if event == "stream-error" else logging.INFO
            call, error = fields.get("CallSid", ""), fields.get("StreamError", "")
            logs.event(logger, "stream status", level, call=call, status=status, error=error[:300])
        return web.Response(status=204)

    async def call_status(self, request: web.Request) -> web.Response:
        """The carrier tells how a call fares; one that is over needs no socket any more."""
        try:
            fields = await self._process.signatures.check_webhook(request, "call-status")
        except RequestRefused as refusal:
            return self._refused("call-status", refusal)
        call_sid, told = fields.get("CallSid", ""), fields.get("CallStatus", "")
        if self._is_news("call", call_sid, told, fields.get("SequenceNumber", "")):
            status = told if told in _STATUSES else "unknown"
            self._process.metrics.callbacks.labels("call-status", status).inc()
            logs.event(logger, "call status", call=call_sid, status=status)
        socket = self._media.sockets.get(call_sid)
        if told in _OVER and socket is not None:
            socket.carrier_completed()
        return web.Response(status=204)

    def _refused(self, route: str, refusal: RequestRefused) -> web.Response:
        self._process.metrics.webhooks.labels(route, "refused").inc()
        return web.Response(status=refusal.status, text=str(refusal))

    def _lost(self, call_sid: str, status: str) -> Outcome:
        """Nobody ended the call, and yet its stream is gone: it broke off, or never began."""
        if status in _OVER or self._process.gateway.on_lost_stream == "hang_up":
            return HangUp()
        logs.event(logger, "stream lost", logging.WARNING, call=call_sid)
        return Apologise(self._process.call.last_apology)

    def _document(self, outcome: Outcome, fields: Mapping[str, str]) -> str:
        match outcome:
            case HangUp():
                return twiml.hang_up()
            case Apologise(text):
                return twiml.say_and_hang_up(text)
            case Transfer(target):
                return twiml.dial(target, caller_id=self._process.gateway.twilio.caller_id)
            case Busy():
                overflow = self._process.gateway.overflow_number
                if overflow:
                    return twiml.dial(overflow, caller_id=self._process.gateway.twilio.caller_id)
                return twiml.say_and_hang_up(self._process.gateway.busy_text)

    def _is_news(self, *told: str) -> bool:
        """False when exactly this was told before."""
        if told in self._told:
            return False
        self._told[told] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True


def _as_wss(url: str) -> str:
    """The same place as a WebSocket address; the carrier takes `wss` alone, `ws` is for a simulator."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme="wss" if parts.scheme == "https" else "ws"))


def _xml(document: str) -> web.Response:
    return web.Response(text=document, content_type="text/xml")
