"""Whom to believe, and the form of messages."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any, cast

from bridge.carriers.base import Carrier, SocketMessage, StreamEvent, StreamStarted
from bridge.carriers.twilio.messages import TwilioStream
from bridge.carriers.web import CarrierRequest
from bridge.gateway import line as gateway_line
from bridge.gateway.frames import message_frame
from bridge.gateway.media import MediaSocket
from bridge.gateway.opening import StreamOpening
from bridge.gateway.signatures import Signatures
from bridge.store.memory import MemoryStore
from bridge.store.tickets import Ticket, TicketIssuer, TicketRefused
from tests.simulator.planted.catalogue import SERVED, SOUND, Patch, bug, per_call


@bug("booth/forger", reported_as=("refused",))
def webhooks_are_not_checked(patch: Patch) -> None:
    """Anybody may ask for a document."""

    async def planted(self: Signatures, carrier: Carrier, route: str, request: Any) -> CarrierRequest:
        return self._as_data(request, await request.read())

    patch.setattr(Signatures, "check_webhook", planted)


@bug("booth/stranger", reported_as=("refused",))
def media_sockets_are_not_checked(patch: Patch) -> None:
    """Anybody may open a media socket."""
    patch.setattr(Signatures, "check_socket", lambda self, carrier, request: None)


@bug("booth/thief", reported_as=("second stream on one ticket",))
def ticket_is_good_twice(patch: Patch) -> None:
    """Nobody remembers which tickets were used."""

    async def planted(self: MemoryStore, key: str, value: bytes, ttl_s: float) -> bool:
        return True

    patch.setattr(MemoryStore, "add", planted)


@bug("booth/robbed", reported_as=("another call's ticket",))
def ticket_of_another_call_is_good(patch: Patch) -> None:
    """A ticket is checked for its signature alone."""
    check = TicketIssuer.check

    def planted(self: TicketIssuer, text: str | None, *, call_id: str, **others: Any) -> Ticket:
        try:
            return check(self, text, call_id=call_id, **others)
        except TicketRefused as refusal:
            if refusal.why != "wrong_call":
                raise
            return Ticket(2_000_000_000, text or "", others["carrier"], call_id, others["account_id"])

    patch.setattr(TicketIssuer, "check", planted)


@bug("booth/twice", reported_as=("call ends",))
def second_start_begins_a_second_call(patch: Patch) -> None:
    """Whoever says `start` is started."""
    start = MediaSocket._start

    async def planted(self: MediaSocket, message: StreamStarted) -> None:
        if self.session is None:
            await start(self, message)
        else:
            ticket = Ticket(2_000_000_000, "x", self.carrier.name, message.call_id, message.account_id)
            profile = self._process.profiles.find(self.session.info.to_number)
            assert profile is not None
            opening = StreamOpening(self, self._endpoint, message)
            opening._begin(self.session.info, profile, ticket, None, {})

    patch.setattr(MediaSocket, "_start", planted)


_STREAM_NAMES = {"twilio": "streamSid", "telnyx": "stream_id", "plivo": "streamId"}
"""The field in which a carrier's messages name their stream."""


@bug("booth/stray", reported_as=("call ends",))
def messages_of_other_streams_are_taken(patch: Patch) -> None:
    """Nobody looks at the name of the stream."""
    for name in SERVED:
        if name in _STREAM_NAMES:
            take_any_stream(patch, stream_class(name), _STREAM_NAMES[name].encode())


def take_any_stream(patch: Patch, kind: type[Any], field: bytes) -> None:
    """Have every message name the stream that was named first on its socket."""
    read, memory = kind.read_text, per_call()
    named = re.compile(rb'("%b":")[^"]*"' % field)

    def planted(self: Any, data: bytes) -> StreamEvent | None:
        if found := named.search(data):
            first: bytes = memory(self).setdefault("first", found.group(0))
            data = named.sub(lambda _: first, data)
        return cast("StreamEvent | None", read(self, data))

    patch.setattr(kind, "read_text", planted)


def stream_class(carrier: str) -> type[Any]:
    """What the service has for a media socket of this carrier."""
    module = importlib.import_module(f"bridge.carriers.{carrier}.messages")
    return cast("type[Any]", getattr(module, f"{carrier.title()}Stream"))


# -- the form of messages


@bug("booth/patient", reported_as=("carrier warnings",), carriers=("twilio",))
def stream_is_named_wrongly(patch: Patch) -> None:
    """Messages bear the call's name instead of the stream's."""
    rewrite(patch, lambda self, message: message.replace(self._stream_sid.encode(), b"MZ" + b"0" * 32))


@bug("booth/patient", reported_as=("carrier warnings",), carriers=("twilio",))
def messages_have_a_field_too_many(patch: Patch) -> None:
    """The carrier's own messages have a track, so ours have one, too (warning 31951)."""
    rewrite(patch, lambda self, message: message.replace(b'{"payload"', b'{"track":"outbound","payload"'))


@bug("booth/patient", reported_as=("carrier warnings", SOUND), carriers=("vonage",))
def messages_are_longer_than_a_frame(patch: Patch) -> None:
    """Each piece of audio is one message, where every message must have exactly 20 ms."""
    patch.setattr(stream_class("vonage"), "audio", lambda self, audio: (SocketMessage(audio, True),))


def rewrite(patch: Patch, change: Callable[[TwilioStream, bytes], bytes]) -> None:
    """Change every message of audio that is sent."""
    audio = TwilioStream.audio

    def planted(self: TwilioStream, sound: bytes) -> tuple[SocketMessage, ...]:
        return tuple(SocketMessage(change(self, one.payload)) for one in audio(self, sound))

    patch.setattr(TwilioStream, "audio", planted)


@bug("booth/patient", reported_as=("carrier warnings",))
def frames_are_binary(patch: Patch) -> None:
    """JSON in binary frames, which the carrier does not read, or takes for audio."""

    def planted(message: bytes, binary: bool = False) -> bytes:
        frame = bytearray(message_frame(message, binary))
        frame[0] = frame[0] & 0xF0 | 0x2  # RFC 6455, 5.2: opcode 1 is text, 2 is binary
        return bytes(frame)

    patch.setattr(gateway_line, "message_frame", planted)
