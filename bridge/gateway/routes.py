"""A carrier's webhooks: a call rings, its stream has ended, and what has become of both.

Webhooks may come twice, late, and in any order: a call that rings again keeps its place, the answer after
a stream is the same each time it is asked, and a status that was told before is not counted again.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from functools import partial

import msgspec
from aiohttp import web

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import (
    Apologise,
    CallReport,
    Carrier,
    ComeBack,
    EndCall,
    ForwardCall,
    ForwardOver,
    LineBusy,
    OpenStream,
    Outcome,
    Ringing,
    StreamOver,
    StreamReport,
    Webhook,
)
from bridge.carriers.conference import HoldCall, HoldOver, PartyAnswered, PartyChose, PartyOver, PartyRings
from bridge.carriers.web import UnreadableRequest
from bridge.gateway.allowances import WITHHELD, plain_number
from bridge.gateway.endpoint import MediaEndpoint
from bridge.gateway.hold_music import music_of
from bridge.gateway.media import MediaSocket
from bridge.gateway.process import OVER, Process, call_key
from bridge.gateway.returning import LOST_STREAM, come_back
from bridge.gateway.signatures import RequestRefused
from bridge.session.ports import KeptCall
from bridge.telemetry import logs

logger = logging.getLogger(__name__)

_REMEMBERED = 4096
_OPENS_S = 8.0
"""A caller who comes back to a process that is just starting waits this long for it; carriers wait for 10 and more."""
_TOLD_S = 10.0
_LONGEST_CALL_ID = 150
"""It becomes part of a key in the store."""


class CarrierRoutes:
    """The addresses that one carrier knows of, `/{name}/{route}`."""

    def __init__(self, carrier: Carrier, process: Process, media: MediaEndpoint) -> None:
        self._carrier = carrier
        self._process = process
        self._media = media
        self._told: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def add_to(self, app: web.Application) -> None:
        """Register the carrier's routes with the application."""
        base = f"/{self._carrier.name}"
        app.router.add_get(f"{base}/media", partial(self._media.handle, self._carrier))
        for add in (app.router.add_post, app.router.add_get):
            add(f"{base}/hold-music", self._hold_music)
        for route in self._carrier.routes:
            for add in (app.router.add_post, app.router.add_get):  # which of them, operators choose in a console
                add(f"{base}/{route}", partial(self._webhook, route))

    async def _webhook(self, route: str, request: web.Request) -> web.Response:
        """Check one webhook, read it, and answer it."""
        process = self._process
        try:
            asked = await process.signatures.check_webhook(self._carrier, route, request)
            webhook = self._carrier.read_webhook(route, asked)
            if webhook is not None and len(webhook.call_id) > _LONGEST_CALL_ID:
                raise UnreadableRequest(f"a call's id has at most {_LONGEST_CALL_ID} characters")
        except RequestRefused as refusal:
            self._count(route, "refused")
            return web.Response(status=refusal.status, text=str(refusal))
        except UnreadableRequest as error:
            self._count(route, "incomplete")
            return web.Response(status=400, text=str(error))
        return await self._answer(route, webhook, self._addresses(request))

    async def _answer(self, route: str, webhook: Webhook | None, addresses: Addresses) -> web.Response:
        match webhook:
            case Ringing():
                return self._document(await self._ringing(route, webhook), addresses)
            case StreamOver():
                return self._document(await self._stream_over(route, webhook), addresses)
            case ForwardOver():
                return self._document(await self._forward_over(route, webhook), addresses)
            case PartyAnswered() | PartyChose() | HoldOver():
                return self._document(await self._in_a_transfer(route, webhook), addresses)
            case PartyRings():
                self._count(route, "party rings")
                await self._process.warm_transfers.rings(self._carrier, webhook)
            case PartyOver():
                self._count(route, "party over")
                await self._process.warm_transfers.over(self._carrier, webhook)
            case StreamReport():
                self._stream_report(webhook)
            case CallReport():
                await self._call_report(webhook)
        return web.Response(status=204)

    async def _ringing(self, route: str, call: Ringing) -> Outcome:
        """A call rings: open a media stream, or say that there is no room."""
        parameters = {"from": call.from_number, "to": call.to_number}
        outcome = self._open(route, ComeBack(call.call_id, call.account_id, parameters))
        if isinstance(outcome, OpenStream):
            key = call_key(self._carrier, call.call_id)
            if await self._process.spending.admit(key, call.from_number, call.account_id):
                return self._used_up(route, call, key)
            admitted = KeptCall(b"", call.from_number, call.to_number, account_id=call.account_id)
            await self._process.kept_calls.admit(key, admitted)
        return await self._affordable(outcome, call.call_id, call.from_number, call.account_id)

    async def _affordable(self, outcome: Outcome, call_id: str, number: str, account: str) -> Outcome:
        """The same outcome, but a busy line in place of an overflow number that no allowance covers any more."""
        if not isinstance(outcome, ForwardCall):
            return outcome
        key = call_key(self._carrier, call_id)
        refused = await self._process.spending.forward(key, number, account, outcome.target)
        return LineBusy(self._process.gateway.busy_text) if refused else outcome

    def _used_up(self, route: str, call: Ringing, key: str) -> LineBusy:
        """An allowance has no more for this call: an overflow number, which costs money, is not rung for it."""
        self._process.admission.end(key)
        self._process.metrics.refused.labels("allowance").inc()
        self._count(route, "busy")
        return LineBusy(self._process.gateway.allowances.busy_text)

    async def _come_back(self, stream: StreamOver, key: str) -> ComeBack | None:
        """Go on with a call whose stream is gone though nobody ended it; None where nobody can."""
        process = self._process
        if stream.call_over:
            await process.kept_calls.forget(key)
            return None
        if process.admission.ending and not process.neighbours.serving:
            return None
        await process.admission.opened(_OPENS_S)
        kept = await come_back(process, key)
        if kept is None:
            return None
        logs.event(logger, "call comes back", call=stream.call_id)
        parameters = {"from": kept.from_number, "to": kept.to_number, "returned": kept.returned or LOST_STREAM}
        return ComeBack(stream.call_id, kept.account_id, parameters)

    def _open(self, route: str, call: ComeBack, *, returning: bool = False) -> Outcome:
        """Open a media stream for a call that rings or comes back, or say that there is no room."""
        dialled = call.parameters.get("to", "")
        if self._process.profiles.find(dialled) is None:
            return self._refused(route, call.call_id, "no agent", dialled, returning=returning)
        caller = plain_number(call.parameters.get("from", ""))
        verdict = self._process.admission.ask(
            call_key(self._carrier, call.call_id),
            number="" if caller == WITHHELD else caller,
            account=call.account_id,
            returning=returning,
        )
        elsewhere = verdict == "draining" and returning and self._process.neighbours.serving
        if verdict != "admitted" and not elsewhere:
            return self._refused(route, call.call_id, verdict, dialled, returning=returning)
        self._count(route, "stream")
        ticket = self._process.tickets.issue(self._carrier.name, call.call_id, call.account_id)
        return OpenStream(call.call_id, {**call.parameters, "ticket": ticket})

    def _refused(self, route: str, call_id: str, why: str, dialled: str, *, returning: bool) -> Outcome:
        """Nobody here takes this call: say so to the operator, and to the caller what they can make sense of."""
        self._process.metrics.refused.labels(why).inc()
        self._count(route, "busy")
        logs.event(logger, "call refused", call=call_id, why=why, called=logs.private(dialled))
        busy = self._busy()
        if returning and isinstance(busy, LineBusy):  # they were talking to us a moment ago
            return Apologise(self._process.profiles.last_apology(dialled))
        return busy

    async def _stream_over(self, route: str, stream: StreamOver) -> Outcome:
        """The media stream has ended: hang up, or go on elsewhere."""
        key = call_key(self._carrier, stream.call_id)
        outcome = await self._process.outcomes.ask(key)
        self._process.departures.told(key)
        socket = self._media.sockets.get(key)
        if outcome is None and not stream.call_over and await self._goes_on(route, socket):
            return EndCall()
        if socket is not None:
            # The carrier knows before our socket does that the stream is gone: nobody will close it any more but us.
            socket.lost()
        if outcome is None:
            outcome = await self._come_back(stream, key) or self._lost(stream)
        if isinstance(outcome, ComeBack):
            return self._open(route, outcome, returning=True)
        self._count(route, type(outcome).__name__.lower())
        if isinstance(outcome, ForwardCall) and outcome.come_back:
            self._process.departures.rings(key)
        return self._busy() if isinstance(outcome, LineBusy) else outcome

    async def _goes_on(self, route: str, socket: MediaSocket | None) -> bool:
        """Whether a question comes again, and late: it was answered before, and the call goes on in another stream."""
        if socket is None or await socket.is_quiet():
            return False
        self._count(route, "late")
        return True

    async def _forward_over(self, route: str, forward: ForwardOver) -> Outcome:
        """Whom we forwarded a caller to has hung up; when nobody was reached, the caller goes back to the agent."""
        key = call_key(self._carrier, forward.call_id)
        self._process.departures.rang(key)
        await self._process.spending.forwarded(key)
        if forward.call_over or forward.result == "answered":
            self._count(route, "endcall")
            return EndCall()
        if await self._goes_on(route, self._media.sockets.get(key)):
            return EndCall()
        logs.event(logger, "transfer failed", call=forward.call_id, why=forward.result)
        await self._process.admission.opened(_OPENS_S)
        kept = await self._process.kept_calls.ask(key)
        caller, called = (
            (forward.from_number, forward.to_number) if kept is None else (kept.from_number, kept.to_number)
        )
        parameters = {"from": caller, "to": called, "returned": forward.result}
        if kept is not None:  # should the stream that they come back on be lost, too
            await self._process.kept_calls.keep(key, msgspec.structs.replace(kept, returned=forward.result))
        await self._process.outcomes.forget(key)
        return self._open(route, ComeBack(forward.call_id, forward.account_id, parameters), returning=True)

    async def _in_a_transfer(self, route: str, webhook: PartyAnswered | PartyChose | HoldOver) -> Outcome:
        """Something has happened to one side of a call that is handed to a person."""
        transfers = self._process.warm_transfers
        match webhook:
            case PartyAnswered():
                outcome: Outcome | None = await transfers.answered(webhook)
            case PartyChose():
                outcome = await transfers.chose(self._carrier, webhook)
            case HoldOver():
                await self._process.spending.forwarded(call_key(self._carrier, webhook.call_id))
                outcome = await transfers.hold_over(self._carrier, webhook)
        if outcome is None:
            return await self._stream_over(route, StreamOver(webhook.call_id))
        self._count(route, type(outcome).__name__.lower())
        return outcome

    async def _hold_music(self, request: web.Request) -> web.Response:
        """What a caller hears who waits for somebody."""
        music = music_of(self._process.gateway.warm_transfers.music_url, self._process.signatures.public_url(request))
        try:
            return self._document(music, self._addresses(request))
        except ValueError:  # of a carrier without rooms
            return web.Response(status=404)

    def _stream_report(self, report: StreamReport) -> None:
        """The carrier tells how a stream fares; the only place where the reason of a failed handshake shows up."""
        if self._is_news(report.key):
            self._process.metrics.callbacks.labels("stream-status", report.status).inc()
            level = logging.WARNING if report.problem else logging.INFO
            logs.event(
                logger,
                "stream status",
                level,
                call=report.call_id,
                status=report.status,
                error=report.problem[:300],
            )

    async def _call_report(self, report: CallReport) -> None:
        """The carrier tells how a call fares; one that is over needs no socket any more, in any process."""
        if self._is_news(report.key):
            self._process.metrics.callbacks.labels("call-status", report.status).inc()
            logs.event(logger, "call status", call=report.call_id, status=report.status)
        if report.call_over:
            key = call_key(self._carrier, report.call_id)
            self._process.departures.rang(key)
            await self._process.spending.forwarded(key)
            waits = await self._process.outcomes.ask(key)
            if isinstance(waits, HoldCall):
                await self._process.warm_transfers.gone(self._carrier, waits.transfer)
            if not self._media.completed(key):
                await self._process.store.put(OVER + key, b"", _TOLD_S)
                await self._process.kept_calls.forget(key)

    def _lost(self, stream: StreamOver) -> Outcome:
        """Nobody ended the call, and yet its stream is gone: it broke off, or never began."""
        if stream.call_over or self._process.gateway.on_lost_stream == "hang_up":
            return EndCall()
        logs.event(logger, "stream lost", logging.WARNING, call=stream.call_id)
        return Apologise(self._process.profiles.last_apology(stream.to_number))

    def _busy(self) -> Outcome:
        overflow = self._process.gateway.overflow_number
        return ForwardCall(overflow) if overflow else LineBusy(self._process.gateway.busy_text)

    def _addresses(self, request: web.Request) -> Addresses:
        return Addresses(f"{self._process.signatures.public_url(request)}/{self._carrier.name}")

    def _document(self, outcome: Outcome, addresses: Addresses) -> web.Response:
        document = self._carrier.document(outcome, addresses)
        return web.Response(text=document.text, content_type=document.content_type)

    def _count(self, route: str, result: str) -> None:
        self._process.metrics.webhooks.labels(route, result).inc()

    def _is_news(self, told: tuple[str, ...]) -> bool:
        """False when exactly this was told before."""
        if told in self._told:
            return False
        self._told[told] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True
