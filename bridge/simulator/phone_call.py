"""A carrier that places one call: webhook, document, verbs, media streams, status callbacks, whichever carrier it is.

Verbs run in order; a stream blocks until its socket closes, then its action or the next verb runs; after the last verb
the call ends. Requests to the carrier's REST API (`bridge.simulator.rest`) change a call's course at any moment.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import aiohttp

from bridge.errors import BadMessage
from bridge.simulator.call_facts import CallFacts
from bridge.simulator.caller import Caller
from bridge.simulator.carriers import verbs as verb_kinds
from bridge.simulator.carriers.base import Call, CarrierError, MediaStream, StreamEvent, Webhook
from bridge.simulator.carriers.verbs import Stream, Verb
from bridge.simulator.commentary import Commentary, InOrder
from bridge.simulator.line import LineConditions
from bridge.simulator.media_connection import open_media_socket, whole_address, whole_addresses
from bridge.simulator.media_leg import FRAME_S, Ending, LineClock, MediaLeg, send
from bridge.simulator.misbehaviour import Misbehaviour
from bridge.simulator.parties import SAYING_S, Conferences, PersonCall, dial, wait_in_room
from bridge.simulator.result import Happening, HungUpBy
from bridge.simulator.scenario import Scenario
from bridge.simulator.sound import Sound
from bridge.simulator.trunk import Trunk, Webhooks

_DOCUMENTS = 20
"""A carrier gives up on documents that send it in circles."""

_LAST_CALLBACKS_S = 2.0
_RECONNECTS = 3


class PhoneCall:
    """One call from dialling to its end."""

    def __init__(
        self,
        trunk: Trunk,
        call: Call,
        scenario: Scenario,
        caller: Caller,
        session: aiohttp.ClientSession,
        *,
        recognise: Callable[[Sound], Awaitable[str]] | None = None,
        on_happening: Callable[[Happening], None] | None = None,
        watermark: bool = False,
    ) -> None:
        self.trunk = trunk
        self.company = trunk.company
        self.call = call
        self.scenario = scenario
        self._caller = caller
        self.session = session
        self._recognise = recognise
        self._told = InOrder(on_happening) if on_happening else None
        self._commentary = Commentary(caller, self._told, recognise) if self._told and recognise else None
        self.webhooks = Webhooks(trunk, call, session, wrong_signature=scenario.carrier.wrong_signature)
        self._line = LineConditions(scenario.line, call.call_sid if watermark else "")
        self._clock = LineClock(asyncio.get_running_loop(), scenario.line.drift_ppm)
        self._loop = asyncio.get_running_loop()
        self._dialled = self._loop.time()
        self._noted_at: list[float] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._held_callbacks: list[Webhook] = []
        self._call_events = 0
        self._order: asyncio.Future[Sequence[Verb] | Webhook] = self._loop.create_future()
        self.rooms = Conferences()
        self.person: PersonCall | None = None
        self._misbehaviour = Misbehaviour(self, scenario.carrier)
        self.facts = CallFacts(callbacks=self.webhooks.log)

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self.facts.hung_up_by != "nobody"

    @property
    def ordered(self) -> asyncio.Future[Sequence[Verb] | Webhook]:
        """Done when the server asks for another course."""
        return self._order

    def hang_up(self, how: str) -> None:
        """The caller hangs up while no stream is open."""
        self._end("caller", how)

    def order(self, what: Sequence[Verb] | Webhook) -> None:
        """The server asks the carrier's REST API for this course: verbs, or the request for a document."""
        if not self._order.done():
            self._order.set_result(what)

    async def run(self) -> CallFacts:
        """Place the call. Always comes back with facts; what the carrier could not use is written in `ended`."""
        facts = self.facts
        self.note("dialled", f"{self.call.number} rings {self.call.called}")
        try:
            await self._ring()
        except CarrierError as error:
            self._end("carrier", str(error))
            facts.trouble = error
        facts.duration_s = self._clock.now
        if self._commentary is not None and (rest := self._commentary.rest()) is not None:
            await rest
        self.note("ended", f"by {facts.hung_up_by}: {facts.ended}")
        await self._misbehaviour.after_the_call()
        await self._call_event("completed")
        for webhook in reversed(self._held_callbacks):
            await self.webhooks.notify(webhook)
        for happening, at in zip(facts.happenings, self._noted_at, strict=True):
            happening.at_ms = round(self._clock.line_time(at, self._dialled) * 1000.0)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_CALLBACKS_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._told is not None:
            self._told.finish()
        return facts

    # documents

    async def _ring(self) -> None:
        await self._call_event("ringing")
        if self.scenario.carrier.webhook_delay_ms:
            await asyncio.sleep(self.scenario.carrier.webhook_delay_ms / 1000.0)
        webhook = self.webhooks.dialled()
        if self.scenario.carrier.duplicate_webhook:
            await self.webhooks.document(webhook)
        course: Sequence[Verb] | Webhook = webhook
        may_be_empty, rest = False, list[Verb]()
        for _ in range(_DOCUMENTS):
            if isinstance(course, Webhook):
                base = course.url
                await self._trips(1)
                verbs, text = await self.webhooks.document(course, may_be_empty=may_be_empty)
                self.note("document", " ".join(text.split())[:300])
                verbs = verbs or (rest if may_be_empty else [])
            else:
                base, verbs = self.trunk.url, list(course)
            following, rest, may_be_empty = await self._follow(verbs, base)
            if following is None:
                return
            course = following
        raise self.company.error("document", "the documents redirect in circles")

    async def _follow(
        self, verbs: Sequence[Verb], base: str
    ) -> tuple[Sequence[Verb] | Webhook | None, list[Verb], bool]:
        """Execute the verbs of a document, one after the other.

        Returns the course that comes next, None when the call is over; the verbs that were left; and whether these
        go on when the course turns out to be an empty document.
        """
        for index, verb in enumerate(verbs):
            rest = list(verbs[index + 1 :])
            match verb:
                case Stream():
                    ending = await self._run_stream(verb, base)
                    await self._trips(0.5)
                    if ending == "order":
                        return self._take_order(), [], False
                    if ending not in ("server", "dropped"):
                        self._end("caller" if ending in ("caller", "patience") else "carrier", ending)
                        return None, [], False
                    if verb.action:
                        absolute = whole_addresses(self.company, verb, base)
                        streams = self.facts.streams
                        sid = streams[-1].stream_sid if streams else self.call.stream_sid
                        course = self.company.after_stream(self.call, absolute, sid, opened=bool(streams))
                        return course, rest, verb.action_may_be_empty
                case verb_kinds.Redirect():
                    whole = replace(verb, url=whole_address(self.company, base, verb.url))
                    return self.company.redirected(self.call, whole), rest, verb.may_be_empty
                case verb_kinds.Dial():
                    if not verb.targets:
                        self.note("transfer", "to nobody: no number was given")
                        continue  # nobody was rung: the document goes on
                    after = await dial(self, verb, base)
                    if after is None:
                        self._end("server", f"transferred to {verb.targets[0]}")
                    return after, [], False
                case verb_kinds.Room():
                    after = await wait_in_room(self, verb, base)
                    if after is None and not self._order.done():
                        return None, [], False
                    return self._take_order() if after is None else after, [], False
                case verb_kinds.Hangup():
                    self._end("server", "hung up")
                    return None, [], False
                case verb_kinds.Reject():
                    self._end("server", f"rejected: {verb.reason}")
                    return None, [], False
                case _:
                    if not await self._carrier_acts(verb):
                        return None, [], False
            if self._order.done():
                return self._take_order(), [], False
        self._end("server", "no verb was left")
        return None, [], False

    async def _carrier_acts(self, verb: Verb) -> bool:
        """Say, play or pause; False when the caller has hung up meanwhile, out of patience."""
        match verb:
            case verb_kinds.Say():
                self.note("carrier_says", verb.text[:300])
                seconds = SAYING_S * len(verb.text)
            case verb_kinds.Play():
                self.note("carrier_plays", verb.url)
                seconds = 0.0
            case verb_kinds.Pause():
                self.note("carrier_waits", f"{verb.seconds:g} s, as the document says")
                seconds = verb.seconds
            case _:
                seconds = 0.0
        left = self.scenario.longest_s - (self._loop.time() - self._dialled)
        await asyncio.wait([self._order], timeout=max(0.0, min(seconds, left)))
        if seconds > left and not self._order.done():
            self._end("caller", "patience")
            return False
        return True

    async def _trips(self, count: float) -> None:
        """What so many round trips between carrier and server take."""
        if self.scenario.carrier.round_trip_ms:
            await asyncio.sleep(count * self.scenario.carrier.round_trip_ms / 1000.0)

    def _take_order(self) -> Sequence[Verb] | Webhook:
        order, self._order = self._order.result(), self._loop.create_future()
        self.note("rest", "the server asked for another course by REST")
        return order

    def _end(self, who: HungUpBy, how: str) -> None:
        facts = self.facts
        if facts.trouble is not None and not facts.streams:
            how = f"{how}, after {facts.trouble}"
        facts.hung_up_by, facts.ended = who, self._caller.failed or how

    # media

    async def _run_stream(self, verb: Stream, base: str) -> Ending:
        """Run a media stream, and the ones that follow it when its socket breaks; one that cannot be opened falls
        through like one that was closed."""
        verb = whole_addresses(self.company, verb, base)
        await self._misbehaviour.before_the_stream(verb)
        ending = await self._open_stream(verb)
        for _ in range(_RECONNECTS):
            if ending != "dropped" or not verb.reconnects:
                break
            self.note("reconnect", "the carrier opens the broken stream anew")
            await self._trips(0.5)
            ending = await self._open_stream(verb)
        if ending == "order" and not verb.blocks and not self._order.done():
            self.note("stream_error", "the document does not wait for its stream: the next verb runs at once")
            return "server"
        return ending

    async def _open_stream(self, verb: Stream) -> Ending:
        try:
            socket = await self._connect_with_retries(verb)
        except CarrierError as error:
            self.note("stream_error", str(error))
            self.facts.ended = str(error)
            self.facts.trouble = error
            await self._stream_event(verb, self.call.stream_sid, "failed", str(error))
            return "server"
        await self._call_event("in-progress")
        stream = await self._start(socket, verb)
        await self._stream_event(verb, stream.stream_sid, "started")
        leg = MediaLeg(
            socket,
            stream,
            self.scenario,
            self._caller,
            self._line,
            self._clock,
            self.facts.recording,
            self.facts.late_ms,
            self._on_frame,
            order=self._order if verb.blocks else _at_once(self._loop),
            drops=len(self.facts.streams) == 1,
        )
        self._misbehaviour.during_the_stream(socket, stream, verb, first=len(self.facts.streams) == 1)
        ending = await leg.run()
        self.facts.unheard_ms = stream.lead_ms
        if self._commentary is not None and (comment := self._commentary.rest()) is not None:
            self.spawn(comment)  # a turn does not go on in another stream
        code = f", close code {socket.close_code}" if ending == "server" else ""
        self.note("stream_ended", f"by {ending}{code}")
        await self._stream_event(verb, stream.stream_sid, "stopped")
        return ending

    async def _connect_with_retries(self, verb: Stream) -> aiohttp.ClientWebSocketResponse:
        for _ in range(self.company.connect_attempts - 1):
            try:
                return await self.connect(verb)
            except CarrierError as error:
                self.note("stream_retry", str(error))
        return await self.connect(verb)

    async def connect(self, verb: Stream) -> aiohttp.ClientWebSocketResponse:
        """Open a media socket. Raises CarrierError."""
        await self._trips(3)
        signed = not self.scenario.carrier.no_socket_signature
        return await open_media_socket(self.session, self.company, self.webhooks, verb, signed=signed)

    async def _start(self, socket: aiohttp.ClientWebSocketResponse, verb: Stream) -> MediaStream:
        settings = self.scenario.carrier
        number = len(self.facts.streams)
        sid = self.call.stream_sid if number == 0 else f"{self.call.stream_sid[:-2]}{number:02x}"
        stream = self.company.open_stream(
            self.call, sid, verb, 0.0, echoes_marks=settings.echoes_marks, seed=self.scenario.line.seed
        )
        self.facts.streams.append(stream)
        try:
            await send(socket, stream.connected())
            if settings.start_delay_ms:
                await asyncio.sleep(settings.start_delay_ms / 1000.0)
            self._clock.start()
            stream.begin(-(-self._clock.now // FRAME_S) * FRAME_S)
            await send(socket, stream.start())
        except (ConnectionError, aiohttp.ClientError):
            pass  # closed on us already: the leg notices at once
        self.note("stream_started", sid)
        return stream

    def _on_frame(self, heard: bytes) -> None:
        """Between two frames: let the caller understand what was heard, without holding up the clock."""
        if self._recognise is None:
            return
        if self._commentary is not None and (comment := self._commentary.frame(heard)) is not None:
            self.spawn(comment)
        sound = self._caller.wants_recognition()
        if sound is not None:
            self.spawn(self._understand(sound))

    async def _understand(self, sound: Sound) -> None:
        assert self._recognise is not None
        self._caller.recognised(await self._recognise(sound))

    # telling

    def note(self, kind: str, text: str) -> None:
        """Note that something happened now."""
        happening = Happening(at_ms=round(self._clock.now * 1000.0), kind=kind, text=text)
        self._noted_at.append(self._loop.time())  # before the stream starts the line has no clock; see `run`
        self.facts.happenings.append(happening)
        if self._told is not None:
            self._told.tell(happening)

    async def _stream_event(self, verb: Stream, sid: str, event: StreamEvent, error: str = "") -> None:
        webhook = self.company.stream_event(self.call, verb, sid, event, error, time.time())
        await self._callback(webhook)

    async def _call_event(self, status: str) -> None:
        url = self.trunk.status_callback
        if url and self.scenario.carrier.status_callbacks:
            number, seconds = self._call_events, round(self._clock.now)
            self._call_events += 1
            await self._callback(self.company.call_event(self.call, url, status, number, seconds, time.time()))

    async def _callback(self, webhook: Webhook | None) -> None:
        """Callbacks never hold up the call; shuffled ones are kept and come backwards after its end."""
        if webhook is None or not self.scenario.carrier.status_callbacks:
            return
        if self.scenario.carrier.shuffled_callbacks:
            self._held_callbacks.append(webhook)
        elif self.over:
            await self.webhooks.notify(webhook)
        else:
            self.spawn(self.webhooks.notify(webhook))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run this task beside the call until the call ends."""
        task = asyncio.get_running_loop().create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _at_once(loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    done = loop.create_future()
    done.set_result(None)
    return done


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except (ConnectionError, aiohttp.ClientError, BadMessage):
        return  # the call went on, or ended, without it
