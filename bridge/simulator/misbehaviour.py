"""What a scenario's carrier does wrong on purpose around a media stream: thieves, strangers, a second `start`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from bridge.simulator.carriers.base import Call, CarrierError, MediaStream
from bridge.simulator.carriers.verbs import Stream
from bridge.simulator.media_leg import send
from bridge.simulator.scenario import Carrier as Faults
from bridge.simulator.sound import FRAME_MS, silence, to_ulaw

if TYPE_CHECKING:
    from bridge.simulator.phone_call import PhoneCall

_THIEF_WAITS_S = 1.0
_ANSWER_S = 3.0


class Misbehaviour:
    """The ways in which one call's carrier misbehaves."""

    def __init__(self, phone: PhoneCall, faults: Faults) -> None:
        self._phone = phone
        self._faults = faults
        self._verb: Stream | None = None

    async def before_the_stream(self, verb: Stream) -> None:
        """Try this call's ticket in the name of another call, before the call itself uses it."""
        if self._faults.stolen_ticket and not self._phone.facts.streams and self._phone.company.names_calls:
            thief = msgspec.structs.replace(self._phone.call, call_sid=_other(self._phone.call.call_sid))
            await self._try_stream(self._foreign_stream(thief, verb), verb, "stolen_ticket")

    def during_the_stream(
        self, socket: aiohttp.ClientWebSocketResponse, stream: MediaStream, verb: Stream, *, first: bool
    ) -> None:
        """What happens beside the call's first stream."""
        if not first:
            return
        self._verb = verb
        if self._faults.second_start:
            self._phone.spawn(self._send_second_start(socket, stream))
        if self._faults.stray_messages and self._phone.company.names_streams:
            self._phone.spawn(self._send_stray_messages(socket, verb))
        if self._faults.second_stream:
            self._phone.spawn(self._open_second_stream(verb))

    async def after_the_call(self) -> None:
        """The ticket once more when the call is over."""
        if self._faults.replayed_stream and self._verb is not None:
            await self._open_second_stream(self._verb)

    async def _send_second_start(self, socket: aiohttp.ClientWebSocketResponse, stream: MediaStream) -> None:
        await asyncio.sleep(1.0)
        await send(socket, stream.start())
        self._phone.note("second_start", "sent")

    async def _send_stray_messages(self, socket: aiohttp.ClientWebSocketResponse, verb: Stream) -> None:
        await asyncio.sleep(1.0)
        stray = self._foreign_stream(self._phone.call, verb)
        for message in (stray.dtmf("5"), *stray.media(to_ulaw(silence(FRAME_MS)), 0)):
            await send(socket, message)
        self._phone.note("stray_messages", "sent")

    async def _open_second_stream(self, verb: Stream) -> None:
        """The same ticket once more, as a thief would use it."""
        await asyncio.sleep(_THIEF_WAITS_S)
        await self._try_stream(self._foreign_stream(self._phone.call, verb), verb, "second_stream")

    def _foreign_stream(self, call: Call, verb: Stream) -> MediaStream:
        return self._phone.company.open_stream(call, _other(call.stream_sid), verb, 0.0)

    async def _try_stream(self, copy: MediaStream, verb: Stream, kind: str) -> None:
        """Open a stream that nothing may be said to, and note as `kind` how that went."""
        try:
            socket = await self._phone.connect(verb)
        except CarrierError as error:
            self._phone.note(kind, f"refused: {error}")
            return
        try:
            await send(socket, copy.connected())
            await send(socket, copy.start())
            message = await socket.receive(timeout=_ANSWER_S)
        except TimeoutError:
            message = None
        except (ConnectionError, aiohttp.ClientError):
            self._phone.note(kind, "refused")
            return
        talked = message is not None and message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
        closed = message is not None and not talked
        self._phone.note(kind, "accepted: it was talked to" if talked else "refused" if closed else "left open")
        await socket.close()


def _other(identifier: str) -> str:
    """Another identifier of the same form."""
    return identifier[:-12] + "f" * 12
