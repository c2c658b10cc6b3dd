"""What the bridge and its engine process say to each other.

MessagePack, each message after its length (4 bytes, big-endian).
"""

from __future__ import annotations

import struct

import msgspec

from bridge.listening.settings import RecogniserSettings, TurnSettings

LENGTH = struct.Struct(">I")


class Setup(msgspec.Struct, frozen=True, tag="setup"):
    """Load these; the first message."""

    recogniser: RecogniserSettings
    turn: TurnSettings


class Recognise(msgspec.Struct, frozen=True, tag="recognise"):
    """Turn this mu-law audio into text."""

    job: int
    ulaw: bytes
    language: str
    hints: tuple[str, ...]


class Judge(msgspec.Struct, frozen=True, tag="judge"):
    """Has the caller finished?"""

    job: int
    ulaw: bytes


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Loaded and warm."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Cannot work as configured; the process ends."""

    reason: str


class Recognised(msgspec.Struct, frozen=True, tag="recognised"):
    """The text of a `Recognise`."""

    job: int
    text: str
    confidence: float


class Judged(msgspec.Struct, frozen=True, tag="judged"):
    """The answer to a `Judge`: 1 = finished."""

    job: int
    probability: float


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """This job went wrong; the process goes on."""

    job: int
    reason: str


Order = Setup | Recognise | Judge
Answer = Ready | Refused | Recognised | Judged | Failed

_encoder = msgspec.msgpack.Encoder()
orders: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def pack(message: Order | Answer) -> bytes:
    """One message with its length before it."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body
