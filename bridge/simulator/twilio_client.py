"""A carrier that places one call: webhook, document, verbs, media streams, status callbacks.

https://www.twilio.com/docs/voice/twiml : verbs run in order; `<Connect><Stream>` blocks until the socket closes, then
its `action` or the next verb runs; after the last verb the call ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from bridge.errors import BadMessage
from bridge.simulator import documents
from bridge.simulator.caller import Caller
from bridge.simulator.carrier import CarrierStream
from bridge.simulator.commentary import Commentary
from bridge.simulator.documents import Verb
from bridge.simulator.ear import Recording
from bridge.simulator.line import LineConditions
from bridge.simulator.media_leg import FRAME_S, Ending, LineClock, MediaLeg
from bridge.simulator.result import Happening, HungUpBy
from bridge.simulator.scenario import Scenario
from bridge.simulator.sound import FRAME_MS, Sound, silence, to_ulaw
from bridge.simulator.trunk import Call, Trunk, Webhooks

LOCAL = ("127.0.0.1", "localhost", "::1", "[::1]")

_REDIRECTS = 20
"""A carrier gives up on documents that send it in circles."""

_LAST_CALLBACKS_S = 2.0
_THIEF_WAITS_S = 1.0


@dataclass(slots=True)
class Facts:
    """What happened on one call, before anything is measured."""

    recording: Recording = field(default_factory=Recording)
    streams: list[CarrierStream] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    callbacks: list[str] = field(default_factory=list)
    hung_up_by: HungUpBy = "nobody"
    ended: str = ""
    transferred_to: str = ""
    duration_s: float = 0.0
    unheard_ms: float = 0.0


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
        self._trunk = trunk
        self._call = call
        self._scenario = scenario
        self._caller = caller
        self._session = session
        self._recognise = recognise
        self._on_happening = on_happening
        self._commentary = Commentary(caller, on_happening, recognise) if on_happening and recognise else None
        carrier = scenario.carrier
        self._webhooks = Webhooks(trunk, call, session, wrong_signature=carrier.wrong_signature)
        self._line = LineConditions(scenario.line, call.call_sid if watermark else "")
        self._clock = LineClock(asyncio.get_running_loop(), scenario.line.drift_ppm)
        self._loop = asyncio.get_running_loop()
        self._dialled = self._loop.time()
        self._noted_at: list[float] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._held_callbacks: list[tuple[str, str, dict[str, str], str]] = []
        self._call_events = 0
        self._stream_url = ""
        self.facts = Facts(callbacks=self._webhooks.log)

    async def run(self) -> Facts:
        """Place the call. Always comes back with facts; what the carrier could not use is written in `ended`."""
        facts = self.facts
        self._note("dialled", f"{self._call.number} rings {self._call.called}")
        try:
            await self._ring()
        except BadMessage as error:
            facts.hung_up_by, facts.ended = "carrier", str(error)
        facts.duration_s = self._clock.now
        if self._commentary is not None and (rest := self._commentary.rest()) is not None:
            await rest
        self._note("ended", f"by {facts.hung_up_by}: {facts.ended}")
        if self._scenario.carrier.replayed_stream and facts.streams:
            await self._open_second_stream(facts.streams[0], self._stream_url)
        await self._call_event("completed")
        await self._flush_callbacks()
        for happening, at in zip(facts.happenings, self._noted_at, strict=True):
            happening.at_ms = round(self._clock.line_time(at, self._dialled) * 1000.0)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_CALLBACKS_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return facts

    # documents

    async def _ring(self) -> None:
        await self._call_event("ringing")
        carrier = self._scenario.carrier
        if carrier.webhook_delay_ms:
            await asyncio.sleep(carrier.webhook_delay_ms / 1000.0)
        url, method, status = self._trunk.url, "POST", "ringing"
        if carrier.duplicate_webhook:
            await self._webhooks.document(url, method, status)
        for _ in range(_REDIRECTS):
            document = await self._webhooks.document(url, method, status)
            self._note("document", " ".join(document.split())[:300])
            following = await self._follow(documents.read(document), url)
            if following is None:
                return
            url, method = following
            status = "in-progress"
        raise BadMessage("12100 the documents redirect in circles")

    async def _follow(self, verbs: Sequence[Verb], base: str) -> tuple[str, str] | None:
        """Execute verbs; returns where the next document is, or None when the call is over."""
        for verb in verbs:
            match verb:
                case documents.Stream():
                    ending = await self._open_stream(verb, base)
                    if ending != "server":
                        self._end("caller" if ending in ("caller", "patience") else "carrier", ending)
                        return None
                    if verb.action:
                        return urljoin(base, verb.action), verb.method
                case documents.Redirect():
                    return urljoin(base, verb.url), verb.method
                case documents.Dial():
                    self.facts.transferred_to = verb.targets[0]
                    self._note("transfer", ", ".join(verb.targets))
                    self._end("server", "transferred")
                    return None
                case documents.Hangup():
                    self._end("server", "hung up")
                    return None
                case documents.Reject():
                    self._end("server", f"rejected: {verb.reason}")
                    return None
                case documents.Pause():
                    await asyncio.sleep(verb.seconds)
                case documents.Say():
                    self._note("carrier_says", verb.text)
                    await asyncio.sleep(0.06 * len(verb.text))
                case documents.Play():
                    self._note("carrier_plays", verb.url)
        self._end("server", "no verb was left")
        return None

    def _end(self, who: HungUpBy, how: str) -> None:
        self.facts.hung_up_by, self.facts.ended = who, self._caller.failed or how

    # media

    async def _open_stream(self, verb: documents.Stream, base: str) -> Ending:
        """Run one media stream; a stream that cannot be opened falls through like one that was closed."""
        url = urljoin(base.replace("http", "ws", 1), verb.url)
        callback = (urljoin(base, verb.status_callback) if verb.status_callback else "", verb.status_method)
        if self._scenario.carrier.stolen_ticket and not self.facts.streams:
            await self._try_stolen_ticket(verb, url)
        try:
            socket = await self._connect(url)
        except BadMessage as error:
            self._note("stream_error", str(error))
            self.facts.ended = str(error)
            await self._stream_event(callback, "stream-error", str(error))
            return "server"
        await self._call_event("in-progress")
        stream = await self._start(socket, verb)
        await self._stream_event(callback, "stream-started")
        leg = MediaLeg(
            socket,
            stream,
            self._scenario,
            self._caller,
            self._line,
            self._clock,
            self.facts.recording,
            self.facts.late_ms,
            self._on_frame,
        )
        self._misbehave(socket, stream, url)
        ending = await leg.run()
        self.facts.unheard_ms = stream.lead_ms
        code = f", close code {socket.close_code}" if ending == "server" else ""
        self._note("stream_ended", f"by {ending}{code}")
        await self._stream_event(callback, "stream-stopped")
        return ending

    async def _connect(self, url: str) -> aiohttp.ClientWebSocketResponse:
        parts = urlsplit(url)
        if parts.scheme != "wss" and parts.hostname not in LOCAL:
            raise BadMessage(f"31922 invalid URL scheme: {url} must be wss")
        headers = self._webhooks.socket_headers(url, signed=not self._scenario.carrier.no_socket_signature)
        target = self._webhooks.real_address(url)
        try:
            return await asyncio.wait_for(
                self._session.ws_connect(target, headers=headers, max_msg_size=0, autoclose=True), 10.0
            )
        except aiohttp.WSServerHandshakeError as error:
            raise BadMessage(f"31920 handshake error: {url} answered {error.status}") from None
        except TimeoutError:
            raise BadMessage(f"31901 connection timeout: {url}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise BadMessage(f"31902 connection refused: {url}: {error}") from None

    async def _start(self, socket: aiohttp.ClientWebSocketResponse, verb: documents.Stream) -> CarrierStream:
        carrier = self._scenario.carrier
        number = len(self.facts.streams)
        sid = self._call.stream_sid if number == 0 else f"{self._call.stream_sid[:-2]}{number:02x}"
        stream = CarrierStream(
            account_sid=self._trunk.account_sid,
            call_sid=self._call.call_sid,
            stream_sid=sid,
            parameters=verb.parameters,
            opened_at=0.0,
            echoes_marks=carrier.echoes_marks,
        )
        self.facts.streams.append(stream)
        try:
            await socket.send_str(stream.connected())
            if carrier.start_delay_ms:
                await asyncio.sleep(carrier.start_delay_ms / 1000.0)
            self._clock.start()
            stream.opened_at = -(-self._clock.now // FRAME_S) * FRAME_S
            await socket.send_str(stream.start())
        except (ConnectionError, aiohttp.ClientError):
            pass  # closed on us already: the leg notices at once
        self._note("stream_started", sid)
        return stream

    def _on_frame(self, heard: bytes) -> None:
        """Between two frames: let the caller understand what he heard, without holding up the clock."""
        if self._recognise is None:
            return
        if self._commentary is not None and (comment := self._commentary.frame(heard)) is not None:
            self._spawn(comment)
        sound = self._caller.wants_recognition()
        if sound is not None:
            self._spawn(self._understand(sound))

    async def _understand(self, sound: Sound) -> None:
        assert self._recognise is not None
        self._caller.recognised(await self._recognise(sound))

    # misbehaviour

    def _misbehave(self, socket: aiohttp.ClientWebSocketResponse, stream: CarrierStream, url: str) -> None:
        if len(self.facts.streams) > 1:
            return
        self._stream_url = url
        if self._scenario.carrier.second_start:
            self._spawn(self._send_second_start(socket, stream))
        if self._scenario.carrier.stray_messages:
            self._spawn(self._send_stray_messages(socket, stream))
        if self._scenario.carrier.second_stream:
            self._spawn(self._open_second_stream(stream, url))

    async def _send_second_start(self, socket: aiohttp.ClientWebSocketResponse, stream: CarrierStream) -> None:
        await asyncio.sleep(1.0)
        await socket.send_str(stream.start())
        self._note("second_start", "sent")

    async def _send_stray_messages(self, socket: aiohttp.ClientWebSocketResponse, stream: CarrierStream) -> None:
        await asyncio.sleep(1.0)
        stray = self._foreign_stream(stream.call_sid, stream.parameters)
        for message in (stray.dtmf("5"), stray.media(to_ulaw(silence(FRAME_MS)), 0)):
            await socket.send_str(message)
        self._note("stray_messages", "sent")

    async def _try_stolen_ticket(self, verb: documents.Stream, url: str) -> None:
        """This call's ticket in another call's hands, before it was used."""
        call_sid = "CA" + "f" * 32
        await self._try_stream(self._foreign_stream(call_sid, verb.parameters), url, "stolen_ticket")

    async def _open_second_stream(self, stream: CarrierStream, url: str) -> None:
        """The same ticket once more, as a thief would use it."""
        await asyncio.sleep(_THIEF_WAITS_S)
        await self._try_stream(self._foreign_stream(stream.call_sid, stream.parameters), url, "second_stream")

    def _foreign_stream(self, call_sid: str, parameters: dict[str, str]) -> CarrierStream:
        return CarrierStream(
            account_sid=self._trunk.account_sid,
            call_sid=call_sid,
            stream_sid="MZ" + "f" * 32,
            parameters=parameters,
            opened_at=0.0,
        )

    async def _try_stream(self, copy: CarrierStream, url: str, kind: str) -> None:
        """Open a stream that nothing may be said to, and note as `kind` how that went."""
        try:
            socket = await self._connect(url)
        except BadMessage as error:
            self._note(kind, f"refused: {error}")
            return
        await socket.send_str(copy.connected())
        await socket.send_str(copy.start())
        try:
            message = await socket.receive(timeout=3.0)
        except TimeoutError:
            message = None
        talked = message is not None and message.type is aiohttp.WSMsgType.TEXT
        closed = message is not None and not talked
        self._note(kind, "accepted: it was talked to" if talked else "refused" if closed else "left open")
        await socket.close()

    # telling

    def _note(self, kind: str, text: str) -> None:
        happening = Happening(at_ms=round(self._clock.now * 1000.0), kind=kind, text=text)
        self._noted_at.append(self._loop.time())  # before the stream starts the line has no clock; see `run`
        self.facts.happenings.append(happening)
        if self._on_happening is not None:
            self._on_happening(happening)

    async def _stream_event(self, callback: tuple[str, str], event: str, error: str = "") -> None:
        url, method = callback
        if url and self._scenario.carrier.status_callbacks:
            await self._callback(url, method, self._webhooks.stream_event(event, error), event)

    async def _call_event(self, status: str) -> None:
        if self._trunk.status_callback and self._scenario.carrier.status_callbacks:
            form = self._webhooks.call_event(status, self._call_events, round(self._clock.now))
            self._call_events += 1
            await self._callback(self._trunk.status_callback, "POST", form, status)

    async def _callback(self, url: str, method: str, form: dict[str, str], what: str) -> None:
        """Callbacks never hold up the call; shuffled ones are kept and come backwards after its end."""
        if self._scenario.carrier.shuffled_callbacks:
            self._held_callbacks.append((url, method, form, what))
        elif self.facts.hung_up_by != "nobody":
            await self._webhooks.notify(url, method, form, what)
        else:
            self._spawn(self._webhooks.notify(url, method, form, what))

    async def _flush_callbacks(self) -> None:
        for url, method, form, what in reversed(self._held_callbacks):
            await self._webhooks.notify(url, method, form, what)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
