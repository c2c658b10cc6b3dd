"""The speech worker on the wire: one WebSocket, many streams, text in and speech out. No socket, no clock.

A stream is one utterance. The client names it with any unsigned 32-bit number that is free on its socket; after `done`,
`cancelled` or `error` the number is free again. Control messages are JSON texts, audio is binary.

The worker speaks first:

    <- {"type":"ready","version":1,"voices":["heart"],"default_voice":"heart",
        "models":{"heart":"hibari-0.2.1/heart"},"formats":["mulaw_8000","pcm_8000","pcm_16000","pcm_24000"],
        "limits":{"text_chars":20000,...}}

One utterance, written while it is spoken:

    -> {"type":"open","stream":7,"voice":"heart","format":"mulaw_8000","speed":1.0}
    -> {"type":"text","stream":7,"text":"I have an ope"}          deltas, cut anywhere; joined they are the text
    -> {"type":"text","stream":7,"text":"ning on Tuesday. Shall "}
    -> {"type":"flush","stream":7}                                 speak what is there, finished or not
    -> {"type":"playout","stream":7,"lead_ms":180,"upto_ms":900}
    -> {"type":"end","stream":7}                                   no more text
    <- {"type":"words","stream":7,"words":[["I",20,110],["have",110,300],...]}
    <- binary: stream 7, sample offset 0, 100 ms of audio
    <- binary: stream 7, sample offset 800, 200 ms of audio
    <- {"type":"done","stream":7,"audio_ms":2320}

Text: a sentence is spoken as soon as it is complete, that is, when white space follows its last mark (a voice may be
set to begin with the first clause, or to cut otherwise); the rest on `flush` or `end`. `flush` also ends a word.
What is written for a screen (markdown, emoji, layout) is not read aloud (`bridge.text.cleaning`). Words come back as
exactly the white-space separated tokens of the text so cleaned, in order, whatever they are read as ("$9.99" is one),
and always before the audio in which they are heard; times are milliseconds from the stream's first sample. A client
that has cleaned and cut its text itself says `"cut":true` in `open`: each `text` is then a piece. Digits, signs
and abbreviations are said in words in either case (`bridge.text.spoken`), in the `"language"` of `open` or else of the
voice, and words keep the spelling of the text.

Formats are those of `bridge.audio.formats`.

Audio: header `<II` (little-endian, like the samples): stream, then the offset of the first sample in the stream; then
mu-law bytes or linear16 samples. Every message holds a multiple of 20 ms; the first is small, later ones are larger.
The last one is filled up with silence. Joined, a stream's messages have no gap and no overlap.

Playout: `lead_ms` is how much the caller still has to hear. It is the deadline by which the worker orders its work,
and a stream with a long lead is not synthesised further. `upto_ms` is credit: no audio beyond it (rounded up to a
message) is sent until a later report raises it. Without reports a stream runs free and is given deadlines as if it
were being played at once. `"priority"` in `open` is `live` (default), `speculation`,
`tenant` (a program listens, which is no caller) or `prefetch`: each is served when nothing of those before it is to be
done. A playout report makes a stream live, since somebody listens, but for a tenant's.

Cancel: `-> {"type":"cancel","stream":7}` is answered with `<- {"type":"cancelled","stream":7,"audio_ms":420}`;
nothing of the stream follows. Cancelling what is already over is no error and has no answer.

Errors: `<- {"type":"error","stream":7,"code":"unknown_voice","message":"no voice 'hart'; there are: heart"}` ends
that stream. One without `stream` is about the socket, which the worker then closes. Codes:

    bad_message       not JSON, a field missing or of the wrong type, or a binary message from the client;
                      ends the socket unless a stream is named
    unknown_voice, unknown_language, unknown_format, bad_speed
    bad_ssml          a tag of SSML in the text has a wrong value, which the message names; not asked of cut text
    stream_exists     `open` with a number in use: the running stream ends
    unknown_stream    about a stream that was never open; one that ended lately is no error
    already_ended     text after `end`
    text_too_long     more characters than limits.text_chars in one stream
    too_fast          more text on one socket than its limits allow, see below
    too_many_streams  more than limits.streams on one socket
    busy              no place now; `retry_after_ms` says when to ask again
    draining          the worker is about to stop: open the stream at another one
    engine_failed     synthesis of this stream failed; its neighbours go on
    out_of_memory     a step of this stream alone asks for more memory than there is
    engine_runaway    the engine lost the text (repeats itself, does not end, gives nothing): another voice should go on
    engine_hung       a step did not come back; the worker stops

How much text a socket may send: `limits.text_burst_chars` at once, and they come back at `limits.text_chars_per_s`.
What goes beyond that ends its stream (the socket's others go on, other sockets notice nothing), and the answer says
when so much text would be welcome; the client then opens the stream anew, or opens it on another socket:

    -> {"type":"text","stream":8,"text":"Chapter one. It was ..."}
    <- {"type":"error","stream":8,"code":"too_fast","retry_after_ms":388,"message":"12000 characters, and ..."}

A socket that takes no data for too long is dropped without a word.

`<- {"type":"draining"}` announces that the worker takes no new streams. Liveness is WebSocket ping and pong. Fields
that are unknown are ignored in both directions, so that either side may be newer; a change that breaks an old peer
raises `version`.
"""

from __future__ import annotations

import struct
from typing import Annotated

import msgspec

from bridge.call.events import Word
from bridge.errors import BadMessage
from bridge.speaking.voices.base import Priority

VERSION = 1
MESSAGE_BYTES = 65_536
"""The largest message a worker accepts."""

SLOWEST, FASTEST = 0.5, 2.0

StreamId = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]

_HEADER = struct.Struct("<II")


class Open(msgspec.Struct, frozen=True, tag="open", omit_defaults=True):
    """Begin an utterance. No voice: the worker's default."""

    stream: StreamId
    voice: str | None = None
    format: str = "mulaw_8000"
    speed: float = 1.0
    priority: Priority = "live"
    cut: bool = False
    """The text is clean and cut already (`bridge.text`): each `Text` is a piece of its own."""
    language: str = ""
    """In which digits, signs and abbreviations are said, such as `de-DE`; empty: the voice's own."""


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Some more of the utterance's text."""

    stream: StreamId
    text: str


class Flush(msgspec.Struct, frozen=True, tag="flush"):
    """Speak all text so far without waiting for the end of its sentence."""

    stream: StreamId


class End(msgspec.Struct, frozen=True, tag="end"):
    """No more text: speak the rest, then `Done`."""

    stream: StreamId


class PlayoutReport(msgspec.Struct, frozen=True, tag="playout", omit_defaults=True):
    """How much the caller still has to hear, and how far audio may be sent."""

    stream: StreamId
    lead_ms: Milliseconds
    upto_ms: Milliseconds | None = None


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop; nothing more of the stream is wanted."""

    stream: StreamId


class Limits(msgspec.Struct, frozen=True):
    """What one client may ask for."""

    text_chars: int = 20_000
    streams: int = 1024
    message_bytes: int = MESSAGE_BYTES
    text_chars_per_s: float = 20_000.0
    text_burst_chars: int = 200_000
    """Characters that a socket may send at once; they come back at `text_chars_per_s`."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The worker's first message, which says what it offers."""

    version: int
    voices: list[str]
    default_voice: str
    models: dict[str, str]
    """For each voice its engine and model version: what a cache of speech must know to tell old sound from new."""
    formats: list[str]
    limits: Limits


class Words(msgspec.Struct, frozen=True, tag="words"):
    """Words newly placed in time."""

    stream: StreamId
    words: list[Word]


class Done(msgspec.Struct, frozen=True, tag="done"):
    """All audio of the stream was sent."""

    stream: StreamId
    audio_ms: int


class Cancelled(msgspec.Struct, frozen=True, tag="cancelled"):
    """The answer to `Cancel`; `audio_ms` had been sent."""

    stream: StreamId
    audio_ms: int


class Draining(msgspec.Struct, frozen=True, tag="draining"):
    """No new streams here any more."""


class Error(msgspec.Struct, frozen=True, tag="error", omit_defaults=True):
    """A stream, or without one the socket, has ended for this reason."""

    code: str
    message: str
    stream: StreamId | None = None
    retry_after_ms: int | None = None


FromClient = Open | Text | Flush | End | PlayoutReport | Cancel
FromWorker = Ready | Words | Done | Cancelled | Draining | Error


class Audio(msgspec.Struct, frozen=True):
    """A binary message: samples of one stream, from `offset` (in samples) on."""

    stream: int
    offset: int
    data: bytes


_encoder = msgspec.json.Encoder()
_client_decoder: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)
_worker_decoder: msgspec.json.Decoder[FromWorker] = msgspec.json.Decoder(FromWorker)


class _Address(msgspec.Struct):
    stream: StreamId


_address_decoder = msgspec.json.Decoder(_Address)


class BadStreamMessage(BadMessage):
    """A message that is wrong, but says to which stream it belongs: only that stream must end."""

    def __init__(self, message: str, stream: int) -> None:
        super().__init__(message)
        self.stream = stream


def encode(message: FromClient | FromWorker) -> str:
    """One message as JSON text."""
    return _encoder.encode(message).decode()


def decode_client(text: str | bytes) -> FromClient:
    """Read a client's message. Raises BadStreamMessage where at least the stream can be told, else BadMessage."""
    try:
        return _client_decoder.decode(text)
    except msgspec.DecodeError as error:
        try:
            stream = _address_decoder.decode(text).stream
        except msgspec.DecodeError:
            raise BadMessage(f"speech protocol: {error}") from None
        raise BadStreamMessage(f"speech protocol: {error}", stream) from None


def decode_worker(text: str | bytes) -> FromWorker:
    """Read a worker's message. Raises BadMessage."""
    try:
        return _worker_decoder.decode(text)
    except msgspec.DecodeError as error:
        raise BadMessage(f"speech protocol: {error}") from None


def encode_audio(stream: int, offset: int, data: bytes) -> bytes:
    """One binary message; `offset` in samples."""
    return _HEADER.pack(stream, offset) + data


def decode_audio(message: bytes) -> Audio:
    """Read a binary message. Raises BadMessage when it is too short for its header."""
    if len(message) < _HEADER.size:
        raise BadMessage(f"speech protocol: binary message of {len(message)} bytes, header takes {_HEADER.size}")
    stream, offset = _HEADER.unpack_from(message)
    return Audio(stream, offset, message[_HEADER.size :])
