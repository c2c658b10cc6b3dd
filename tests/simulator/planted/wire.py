"""Whom to believe, and the form of messages."""

from __future__ import annotations

from typing import Any

import msgspec

from bridge.carriers.twilio import messages as twilio
from bridge.gateway import line as gateway_line
from bridge.gateway.frames import text_frame
from bridge.gateway.media import MediaSocket
from bridge.gateway.signatures import Signatures
from bridge.store.memory import MemoryStore
from bridge.store.tickets import Ticket, TicketOffice, TicketRefused
from tests.simulator.planted.catalogue import Patch, bug


@bug("booth/forger", reported_as=("refused",))
def webhooks_are_not_checked(patch: Patch) -> None:
    """Anybody may ask for a document."""

    async def planted(self: Signatures, request: Any, route: str) -> dict[str, str]:
        return {str(key): str(value) for key, value in (await request.post()).items()}

    patch.setattr(Signatures, "check_webhook", planted)


@bug("booth/stranger", reported_as=("refused",))
def media_sockets_are_not_checked(patch: Patch) -> None:
    """Anybody may open a media socket."""
    patch.setattr(Signatures, "check_socket", lambda self, request: None)


@bug("booth/thief", reported_as=("second stream on one ticket",))
def ticket_is_good_twice(patch: Patch) -> None:
    """Nobody remembers which tickets were used."""

    async def planted(self: MemoryStore, key: str, value: bytes, ttl_s: float) -> bool:
        return True

    patch.setattr(MemoryStore, "add", planted)


@bug("booth/robbed", reported_as=("another call's ticket",))
def ticket_of_another_call_is_good(patch: Patch) -> None:
    """A ticket is checked for its signature alone."""
    check = TicketOffice.check

    def planted(self: TicketOffice, text: str | None, call_sid: str, account_sid: str) -> Ticket:
        try:
            return check(self, text, call_sid, account_sid)
        except TicketRefused as refusal:
            if refusal.why != "wrong_call":
                raise
            return Ticket(call_sid=call_sid, account_sid=account_sid, expires_at=2e9, nonce=text or "")

    patch.setattr(TicketOffice, "check", planted)


@bug("booth/twice", reported_as=("call ends",))
def second_start_begins_a_second_call(patch: Patch) -> None:
    """Whoever says `start` is started."""
    start = MediaSocket._start

    async def planted(self: MediaSocket, message: twilio.Start) -> None:
        if self.session is None:
            await start(self, message)
        else:
            self._begin(self.session.info)

    patch.setattr(MediaSocket, "_start", planted)


@bug("booth/stray", reported_as=("call ends",))
def messages_of_other_streams_are_taken(patch: Patch) -> None:
    """Nobody looks at the name of the stream."""
    decode = twilio.decode
    seen: list[str] = []

    def planted(text: str | bytes) -> twilio.Inbound:
        event = decode(text)
        if isinstance(event, twilio.Start):
            seen.append(event.stream_sid)
        if isinstance(event, twilio.Media | twilio.Dtmf):
            return msgspec.structs.replace(event, stream_sid=seen[0])
        return event

    patch.setattr(twilio, "decode", planted)


# -- the form of messages


@bug("booth/patient", reported_as=("carrier warnings",))
def stream_is_named_wrongly(patch: Patch) -> None:
    """Messages bear the call's name instead of the stream's."""
    encode = twilio.encode_media
    patch.setattr(twilio, "encode_media", lambda stream_sid, ulaw: encode("MZ" + "0" * 32, ulaw))


@bug("booth/patient", reported_as=("carrier warnings",))
def messages_have_a_field_too_many(patch: Patch) -> None:
    """The carrier's own messages have a track, so ours have one, too (warning 31951)."""
    encode = twilio.encode_media

    def planted(stream_sid: str, ulaw: bytes) -> bytes:
        return encode(stream_sid, ulaw).replace(b'{"payload"', b'{"track":"outbound","payload"')

    patch.setattr(twilio, "encode_media", planted)


@bug("booth/patient", reported_as=("carrier warnings",))
def frames_are_binary(patch: Patch) -> None:
    """JSON in binary frames, which the carrier does not read (warning 31950)."""

    def planted(message: bytes) -> bytes:
        frame = bytearray(text_frame(message))
        frame[0] = frame[0] & 0xF0 | 0x2  # RFC 6455, 5.2: opcode 1 is text, 2 is binary
        return bytes(frame)

    patch.setattr(gateway_line, "text_frame", planted)
