from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.call.events import Word
from bridge.errors import BadMessage
from bridge.worker import protocol
from bridge.worker.protocol import (
    Audio,
    BadStreamMessage,
    Cancel,
    Cancelled,
    Done,
    Error,
    Open,
    PlayoutReport,
    Text,
    Words,
    decode_audio,
    decode_client,
    decode_worker,
    encode,
    encode_audio,
)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Open(7, "heart"), '{"type":"open","stream":7,"voice":"heart"}'),
        (Text(7, "I have"), '{"type":"text","stream":7,"text":"I have"}'),
        (PlayoutReport(7, 180), '{"type":"playout","stream":7,"lead_ms":180}'),
        (PlayoutReport(7, 180, 900), '{"type":"playout","stream":7,"lead_ms":180,"upto_ms":900}'),
        (Cancel(7), '{"type":"cancel","stream":7}'),
    ],
)
def test_client_messages_on_the_wire(message: protocol.FromClient, text: str) -> None:
    assert encode(message) == text
    assert decode_client(text) == message


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Words(7, [Word("opening", 412, 780)]), '{"type":"words","stream":7,"words":[["opening",412,780]]}'),
        (Done(7, 2310), '{"type":"done","stream":7,"audio_ms":2310}'),
        (Cancelled(7, 420), '{"type":"cancelled","stream":7,"audio_ms":420}'),
        (
            Error("busy", "no place", 7, 250),
            '{"type":"error","code":"busy","message":"no place","stream":7,"retry_after_ms":250}',
        ),
    ],
)
def test_worker_messages_on_the_wire(message: protocol.FromWorker, text: str) -> None:
    assert encode(message) == text
    assert decode_worker(text) == message


def test_an_open_message_as_others_write_it() -> None:
    text = '{"type":"open","stream":7,"voice":"heart","format":"pcm_16000","speed":1.1,"priority":"prefetch","new":[1]}'
    assert decode_client(text) == Open(7, "heart", "pcm_16000", 1.1, "prefetch")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"type":"open"}', '{"type":"open","stream":-1}', '{"type":"open","stream":4294967296}'],
)
def test_nonsense_ends_the_socket(text: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_client(text)
    assert not isinstance(caught.value, BadStreamMessage)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"sing","stream":7}',
        '{"type":"text","stream":7}',
        '{"type":"text","stream":7,"text":12}',
        '{"type":"playout","stream":7,"lead_ms":-5}',
        '{"type":"open","stream":7,"priority":"urgent"}',
        '{"type":"done","stream":7,"audio_ms":1}',
    ],
)
def test_nonsense_about_a_stream_ends_that_stream(text: str) -> None:
    with pytest.raises(BadStreamMessage) as caught:
        decode_client(text)
    assert caught.value.stream == 7


def test_audio_has_a_little_endian_header() -> None:
    message = encode_audio(7, 800, b"\xff\x7f")
    assert message == bytes([7, 0, 0, 0, 0x20, 3, 0, 0, 0xFF, 0x7F])
    assert decode_audio(message) == Audio(7, 800, b"\xff\x7f")


def test_audio_without_a_whole_header_is_refused() -> None:
    with pytest.raises(BadMessage, match="7 bytes"):
        decode_audio(bytes(7))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=64))
def test_audio_survives_the_wire(stream: int, offset: int, data: bytes) -> None:
    assert decode_audio(encode_audio(stream, offset, data)) == Audio(stream, offset, data)


@given(st.text())
def test_text_survives_the_wire(text: str) -> None:
    assert decode_client(encode(Text(1, text))) == Text(1, text)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_decoder(data: bytes) -> None:
    for decode in (decode_client, decode_worker, decode_audio):
        with contextlib.suppress(BadMessage):
            decode(data)
