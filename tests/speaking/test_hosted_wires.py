"""Protocols of hosted voices, without sockets: errors sorted by what helps, nonsense, keys, formats."""

from __future__ import annotations

import json
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.audio.formats import FORMATS, MULAW_8000
from bridge.errors import FailureKind, VoiceError
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted.catalogue import REQUESTS, SOCKETS
from bridge.speaking.voices.hosted.wire import SpeechDone, SpeechRefused, SpeechTimes, VoiceWire
from tests.doubles.speaking.catalogue import DOUBLES, NATIVE, VIRTUAL

ITS: dict[str, Any] = {name: double().settings("wss://vendor.example") for name, double in DOUBLES.items()}
ON_SOCKETS = [name for name in ITS if type(ITS[name]) in SOCKETS]
VOICE = "ada"


def wire(vendor: str) -> VoiceWire:
    its = ITS[vendor]
    return SOCKETS[type(its)](its)


def begun(vendor: str) -> VoiceWire:
    one = wire(vendor)
    one.begin("c", SpeechRequest(voice=VOICE))
    one.text("c", "one two")
    one.end("c")
    return one


def azure(path: str, body: dict[str, Any], turn: int = 1) -> str:
    return f"X-RequestId:{turn:032x}\r\nPath:{path}\r\n\r\n{json.dumps(body)}"


@pytest.mark.parametrize(
    ("vendor", "message", "kind"),
    [
        ("cartesia", {"type": "error", "context_id": "c", "status_code": 401}, "auth"),
        ("cartesia", {"type": "error", "context_id": "c", "status_code": 402}, "quota"),
        ("cartesia", {"type": "error", "context_id": "c", "status_code": 429}, "busy"),
        ("cartesia", {"type": "error", "context_id": "c", "status_code": 422}, "rejected"),
        ("cartesia", {"type": "error", "context_id": "c", "status_code": 500, "error": "Title: old form"}, "internal"),
        ("rime", {"type": "error", "message": "bad speaker"}, "rejected"),
        ("inworld", {"result": {"contextId": "c", "status": {"code": 8}}}, "busy"),
        ("inworld", {"result": {"contextId": "c", "status": {"code": 3}}}, "rejected"),
        ("inworld", {"error": {"code": 16, "message": "key"}}, "auth"),
        ("inworld", {"error": {"code": 14, "message": "away"}}, "lost"),
        ("inworld", {"error": {"code": 13, "message": "?"}}, "internal"),
        ("smallest", {"status": "error", "message": "connection timed out due to inactivity"}, "idle"),
        ("smallest", {"status": "error", "message": "unknown voice"}, "rejected"),
        ("smallest", {"status": "error", "error": {"message": "internal", "code": "500"}}, "internal"),
        ("hume", {"error": "no such voice", "code": "E0714", "message": ""}, "rejected"),
        ("hume", {"error": "slow down", "code": "429", "message": ""}, "busy"),
        ("hume", {"error": "no", "code": "401", "message": ""}, "auth"),
        ("deepgram", {"type": "Warning", "warn_code": "EXCESSIVE_FLUSH", "warn_msg": "x"}, "busy"),
        ("deepgram", {"type": "Warning", "code": "EXCESSIVE_FLUSH", "description": "x"}, "busy"),
        ("deepgram", {"type": "Error", "code": "NET-0000", "description": "x"}, "internal"),
    ],
)
def test_errors_are_sorted_by_what_helps(vendor: str, message: dict[str, Any], kind: FailureKind) -> None:
    [refusal] = begun(vendor).receive(json.dumps(message))
    assert isinstance(refusal, SpeechRefused)
    assert refusal.error.kind == kind
    assert (refusal.error.retry_after_s is not None) == (kind == "busy")


@pytest.mark.parametrize(
    ("vendor", "code", "reason", "kind"),
    [
        ("elevenlabs", 1008, "Something went wrong", "internal"),
        ("elevenlabs", 1006, "", "lost"),
        ("deepgram", 1008, "DATA-0001", "busy"),
        ("deepgram", 1011, "NET-0001", "idle"),
        ("deepgram", 1011, "NET-0003: time limit", "idle"),
        ("deepgram", 1011, "NET-0000", "internal"),
        ("deepgram", 1009, "BIG-0001", "rejected"),
        ("rime", 1011, "400: bad speaker", "rejected"),
        ("rime", 1011, "429: too many", "busy"),
        ("rime", 1011, "500: oops", "internal"),
        ("azure", 1007, "Throttled due to too many requests", "busy"),
        ("azure", 1007, "Unsupported voice", "rejected"),
        ("azure", 1011, "", "internal"),
        ("inworld", 1006, "", "lost"),
    ],
)
def test_close_codes_are_sorted_too(vendor: str, code: int, reason: str, kind: FailureKind) -> None:
    error = begun(vendor).closed(code, reason)
    assert isinstance(error, VoiceError)
    assert error.kind == kind


def test_an_idle_close_is_no_failure_where_it_ends_the_text() -> None:
    assert begun("hume").closed(1000, "") is None
    idle = wire("cartesia").closed(1000, "")
    assert idle is not None
    assert idle.kind == "idle"


@pytest.mark.parametrize("vendor", VIRTUAL)
def test_the_key_is_in_the_handshake_and_in_no_address(vendor: str) -> None:
    its = ITS[vendor]
    request = SpeechRequest(voice=VOICE)
    if type(its) in REQUESTS:
        order = REQUESTS[type(its)](its).order("one", request, "sesame")
        assert b"sesame" not in order.body
        assert "sesame" not in order.url
        headers = order.headers
    else:
        address = wire(vendor).address(request, "sesame")
        assert "sesame" not in address.url
        headers = address.headers
    assert any("sesame" in value for value in headers.values())


@pytest.mark.parametrize("vendor", VIRTUAL)
def test_mu_law_is_asked_for_where_there_is_any(vendor: str) -> None:
    its = ITS[vendor]
    made: Any = REQUESTS[type(its)](its) if type(its) in REQUESTS else wire(vendor)
    assert (made.gives(MULAW_8000) == MULAW_8000) == (vendor in NATIVE)
    for wanted in FORMATS.values():
        assert made.gives(wanted).rate_hz >= wanted.rate_hz


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = (
    "type status result error contextId context_id audio data isFinal alignment word_timestamps audioChunk status code"
).split()
_KINDS = "chunk done timestamps error complete word_timestamp audio timestamp Flushed Cleared Warning c".split()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ON_SOCKETS),
    st.lists(
        st.text(max_size=40)
        | st.binary(max_size=40)
        | st.dictionaries(st.sampled_from(_FIELDS), st.sampled_from(_KINDS) | _VALUES, max_size=5),
        max_size=6,
    ),
)
def test_nonsense_is_an_error_that_names_it_and_nothing_else(vendor: str, messages: list[Any]) -> None:
    one = begun(vendor)
    for message in messages:
        try:
            one.receive(json.dumps(message) if isinstance(message, dict) else message)
        except (msgspec.MsgspecError, ValueError):
            continue


def test_inworlds_word_times_go_on_after_a_flush() -> None:
    one = begun("inworld")

    def chunk(word: str, start: float, end: float) -> str:
        alignment = {"words": [word], "wordStartTimeSeconds": [start], "wordEndTimeSeconds": [end]}
        audio = {"audioContent": "", "timestampInfo": {"wordAlignment": alignment}}
        return json.dumps({"result": {"contextId": "c", "audioChunk": audio}})

    [first] = one.receive(chunk("one", 0.0, 0.5))
    one.receive(json.dumps({"result": {"contextId": "c", "flushCompleted": {}}}))
    [second] = one.receive(chunk("two", 0.1, 0.4))
    assert isinstance(first, SpeechTimes)
    assert isinstance(second, SpeechTimes)
    assert [(t.start_ms, t.end_ms) for t in (*first.pieces, *second.pieces)] == [(0.0, 500.0), (600.0, 900.0)]


def test_what_azure_says_of_another_turn_is_ignored() -> None:
    one = begun("azure")
    assert one.receive(azure("turn.end", {}, turn=7)) == ()
    old = f"X-RequestId:{7:032x}\r\nPath:audio\r\n".encode()
    assert one.receive(struct.pack(">H", len(old)) + old + b"late") == ()
    assert one.receive(azure("turn.end", {})) == (SpeechDone("c"),)
    for wrong in (b"", b"\x00", b"\xff\xff", "no headers"):
        with pytest.raises(ValueError, match="headers"):
            one.receive(wrong)


def test_what_aura_sends_until_a_stop_is_confirmed_is_dropped() -> None:
    one = begun("deepgram")
    one.cancel("c")
    assert one.receive(b"\x11" * 160) == ()
    assert one.receive('{"type":"Flushed","sequence_id":0}') == ()
    assert len(one.receive('{"type":"Cleared","sequence_id":0}')) == 1
    one.begin("d", SpeechRequest(voice=VOICE))
    assert len(one.receive(b"\x11" * 160)) == 1
