"""What the bridge and its engine process say to each other.

MessagePack, each message after its length (4 bytes, big-endian).
"""

from __future__ import annotations

import struct

import msgspec

from bridge.call.actions import TextAlternative
from bridge.listening.settings import SmartTurnSettings, WhisperSettings

LENGTH = struct.Struct(">I")


class EngineSetup(msgspec.Struct, frozen=True, tag="setup"):
    """Load these; the first message."""

    recogniser: WhisperSettings | None
    turn: SmartTurnSettings | None
    warm: bool = True
    """Run each model once before saying that it is ready; not where a caller's words wait already."""


class RecogniseJob(msgspec.Struct, frozen=True, tag="recognise"):
    """Turn this mu-law audio into text."""

    job: int
    ulaw: bytes
    language: str
    hints: tuple[str, ...]
    readings: int = 1
    """How many readings of it are wanted; more than one cost time."""
    answer: str = "open"
    """What the agent expects (`bridge.call.actions.Expect`): a doubtful lone word is taken for one of those."""


class JudgeJob(msgspec.Struct, frozen=True, tag="judge"):
    """Judge from the end of this audio whether the caller has finished."""

    job: int
    ulaw: bytes


class EngineReady(msgspec.Struct, frozen=True, tag="ready"):
    """The engines are loaded and warm."""


class EngineRefused(msgspec.Struct, frozen=True, tag="refused"):
    """Cannot work as configured; the process ends."""

    reason: str


class JobText(msgspec.Struct, frozen=True, tag="recognised"):
    """The text of a `RecogniseJob`."""

    job: int
    text: str
    confidence: float
    alternatives: tuple[TextAlternative, ...] = ()


class JobProbability(msgspec.Struct, frozen=True, tag="judged"):
    """The answer to a `JudgeJob`: 1 = finished."""

    job: int
    probability: float


class JobFailed(msgspec.Struct, frozen=True, tag="failed"):
    """One job went wrong; the process goes on."""

    job: int
    reason: str
    refused: bool = False
    """The job itself was at fault, such as an unknown language: it would fail again."""


EngineOrder = EngineSetup | RecogniseJob | JudgeJob
EngineAnswer = EngineReady | EngineRefused | JobText | JobProbability | JobFailed

_encoder = msgspec.msgpack.Encoder()
orders: msgspec.msgpack.Decoder[EngineOrder] = msgspec.msgpack.Decoder(EngineOrder)
answers: msgspec.msgpack.Decoder[EngineAnswer] = msgspec.msgpack.Decoder(EngineAnswer)


def pack(message: EngineOrder | EngineAnswer) -> bytes:
    """One message with its length before it."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body
