"""What every carrier must do, as tests: the second half of `bridge.carriers.base`.

Describe your carrier from its own side in an `Example`, and let a class inherit these tests:

```python
class TestAcme(CarrierContract):
    example = Example(carrier=AcmeCarrier(...), ...)
```
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import (
    Announce,
    Apologise,
    CallerAudio,
    CallReference,
    Carrier,
    ComeBack,
    EndCall,
    ForwardCall,
    ForwardOver,
    KeyPressed,
    LineBusy,
    MarkReturned,
    MediaStream,
    NotGenuine,
    OpenStream,
    OtherMessage,
    Outcome,
    Ringing,
    SocketMessage,
    StreamEvent,
    StreamOver,
    StreamStarted,
    StreamStopped,
    StreamViolation,
    Webhook,
)
from bridge.carriers.conference import AskParty, CallParty, HoldCall, HoldMusic, JoinRoom
from bridge.carriers.web import CarrierRequest, Document, UnreadableRequest

PUBLIC = "https://bridge.example.com"
NONCE = "6c1a3b1e9f0d4a55"
_STREAM_FIELDS = {"streamSid", "streamId", "stream_id"}
TICKET = "WyIxNzAwMDAwMDAwIl0_-x." + "Ab0-_" * 30
PARAMETERS = {"ticket": TICKET, "from": "+15005550006", "to": "+15005550010"}
ROOMS: list[Outcome] = [
    HoldCall("a-name"),
    HoldMusic("https://bridge.example.com/hold-music.wav"),
    AskParty("a-name", "They want to pay <a bill> & go. Press 1."),
    JoinRoom("a-name"),
    JoinRoom("a-name", "They want to pay <a bill> & go."),
]
"""What only carriers with rooms can be told."""
OUTCOMES: list[Outcome] = [
    ComeBack("call-1"),
    EndCall(),
    ForwardCall("+15005550020"),
    ForwardCall("sip:front desk@example.com"),
    ForwardCall("+15005550020", come_back=True, call_id="call-1", announcement="a-name"),
    Announce("They want to pay <a bill> & go."),
    Announce(""),
    Apologise("Sorry & goodbye <now>."),
    LineBusy("All lines are busy."),
    LineBusy(),
]

inherited = settings(suppress_health_check=[HealthCheck.differing_executors])
"""For tests that several classes inherit: each tries them on its own carrier."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


ODD_FIELDS = {
    "missing": b"", "null": b"null", "text": b'"x"', "no text": b'""', "fraction": b"5.5", "another number": b"7",
    "negative": b"-7", "huge": b"1" + b"0" * 30, "beyond all range": b"1e999", "not a number": b"NaN",
    "infinite": b"-Infinity", "list": b"[]", "list of one": b'["x"]', "object": b"{}", "truth": b"true",
}  # fmt: skip
"""What may stand in a field that should hold something else, as JSON, or what is taken for it."""


def with_odd_field(message: bytes, place: Sequence[str | int], odd: str) -> bytes:
    """The message with something odd in this place, or nothing."""
    body = json.loads(message)
    *above, last = place
    inner = body
    for step in above:
        inner = inner[step]
    if odd == "missing":
        del inner[last]
    else:
        inner[last] = "something odd"
    return json.dumps(body).encode().replace(b'"something odd"', ODD_FIELDS[odd])


@dataclass(frozen=True)
class Example:
    """A carrier seen from its own side, with everything configured: signatures and REST."""

    carrier: Carrier
    call_id: str
    account_id: str
    api: str
    """Where its REST API is, such as `https://api.example.com`."""
    ringing: Callable[[float], CarrierRequest]
    """A genuine webhook, sent at this Unix time, of a call from +15005550006 to +15005550010."""
    stream_over: Callable[[float], CarrierRequest]
    """A genuine webhook that asks what to do after that call's stream, while the caller still waits."""
    dial_over: Callable[[float, str, Document], CarrierRequest]
    """A genuine webhook about whom the document dialled: `answered` (and hung up), `busy`, `no_answer` or `failed`."""
    handshake: Mapping[str, str]
    """Headers of a genuine handshake of the media socket."""
    start: Callable[[Document], bytes]
    """What the carrier says when it has opened the stream of this document."""
    audio: Callable[[bytes, int], SocketMessage]
    """How the carrier sends audio of the caller; messages count from 1."""
    key: Callable[[object], bytes]
    """How the carrier says that a key was pressed."""
    mark: Callable[[str], bytes]
    """How the carrier says that a mark was reached by playout."""
    stop: bytes | None
    """How the carrier says that the stream is over, if it does."""
    unknown: bytes
    """A message with an event that nobody knows yet, called `hologram`."""
    odd: Sequence[bytes]
    """Messages with something odd that nobody needs: passed over."""
    odd_audio: Sequence[bytes]
    """Messages of audio with something odd beside it: the audio `b"\\xff" * 160` counts all the same. Texts alone."""
    taken: Callable[[Sequence[SocketMessage]], list[tuple[str, bytes]]]
    """What the carrier makes of our messages: `("audio", samples)`, `("mark", name)`, `("clear", b"")`."""
    messages: Sequence[bytes]
    """Real texts of this carrier, each with its `event`."""
    needed: Sequence[str] = ()
    """Fields of a start message without which nobody knows whose stream it is, or how to answer it."""
    cleared: Callable[[str], bytes] | None = None
    """How the carrier says that a mark was thrown out, where it tells that apart."""


class CarrierContract:
    """Inherit this and set `example`."""

    example: Example
    now = 1_700_000_000.0

    @property
    def ringing(self) -> CarrierRequest:
        return self.example.ringing(self.now)

    @property
    def addresses(self) -> Addresses:
        return Addresses(f"{PUBLIC}/{self.example.carrier.name}")

    def opened(self) -> tuple[MediaStream, StreamEvent | None]:
        """A stream that has begun by following our document."""
        carrier = self.example.carrier
        document = carrier.document(OpenStream(self.example.call_id, PARAMETERS), self.addresses)
        stream = carrier.open_stream()
        return stream, stream.read_text(self.example.start(document))

    # -- names

    def test_its_name_fits_into_a_path_and_a_label(self) -> None:
        carrier = self.example.carrier
        assert carrier.name.isalpha()
        assert carrier.name.islower()
        assert carrier.name.isascii()
        assert "media" not in carrier.routes
        assert len(set(carrier.routes)) == len(carrier.routes) > 1
        assert all(header == header.lower() for header in carrier.signature_headers)

    # -- webhooks

    def test_a_genuine_webhook_rings(self) -> None:
        example = self.example
        assert any(header in self.ringing.headers for header in example.carrier.signature_headers)
        example.carrier.check_webhook(self.ringing, self.now)
        call = example.carrier.read_webhook(route_of(self.ringing), self.ringing)
        assert isinstance(call, Ringing)
        assert (call.call_id, call.account_id) == (example.call_id, example.account_id)
        assert call.from_number.lstrip("+") == "15005550006"
        assert call.to_number.lstrip("+") == "15005550010"

    def test_a_genuine_webhook_asks_what_comes_after_the_stream(self) -> None:
        example, request = self.example, self.example.stream_over(self.now)
        example.carrier.check_webhook(request, self.now)
        asked = example.carrier.read_webhook(route_of(request), request)
        assert isinstance(asked, StreamOver)
        assert (asked.call_id, asked.call_over) == (example.call_id, False)

    @pytest.mark.parametrize("result", ["answered", "busy", "no_answer", "failed"])
    def test_a_genuine_webhook_says_what_became_of_a_transfer(self, result: str) -> None:
        example = self.example
        forward = ForwardCall("+15005550020", come_back=True, call_id=example.call_id)
        request = example.dial_over(self.now, result, example.carrier.document(forward, self.addresses))
        example.carrier.check_webhook(request, self.now)
        assert route_of(request) in example.carrier.routes
        over = example.carrier.read_webhook(route_of(request), request)
        if over is None:
            assert result == "answered"  # with some carriers nothing is to be done then
            return
        assert isinstance(over, ForwardOver)
        assert (over.call_id, over.account_id, over.result, over.call_over) == (
            example.call_id,
            example.account_id,
            result,
            False,
        )

    def test_a_transfer_that_nobody_comes_back_from_asks_for_nothing(self) -> None:
        document = self.example.carrier.document(ForwardCall("+15005550020"), self.addresses)
        assert "after-dial" not in document.text

    def test_a_genuine_handshake_opens_the_socket(self) -> None:
        self.example.carrier.check_socket(
            CarrierRequest("GET", f"{self.addresses.base}/media", self.example.handshake), self.now
        )

    def test_a_webhook_without_a_signature_is_not_genuine(self) -> None:
        ringing = self.ringing
        headers = {k: v for k, v in ringing.headers.items() if k not in self.example.carrier.signature_headers}
        with pytest.raises(NotGenuine) as refusal:
            self.example.carrier.check_webhook(
                CarrierRequest(ringing.method, ringing.url, headers, ringing.body), self.now
            )
        assert refusal.value.why == "no_signature"

    @inherited
    @given(st.data())
    def test_one_changed_letter_of_a_signature_is_noticed(self, data: st.DataObject) -> None:
        ringing, carrier = self.ringing, self.example.carrier
        header = next(name for name in carrier.signature_headers if name in ringing.headers)
        signature = ringing.headers[header]
        # Not the padding nor the last digits of base64, which may hold bits that mean nothing.
        at = data.draw(st.integers(len(signature) // 2, len(signature) - 5))
        changed = signature[:at] + ("B" if signature[at] == "A" else "A") + signature[at + 1 :]
        headers = {**ringing.headers, header: changed}
        with pytest.raises((NotGenuine, UnreadableRequest)):
            carrier.check_webhook(CarrierRequest(ringing.method, ringing.url, headers, ringing.body), self.now)

    def test_a_changed_field_is_noticed(self) -> None:
        ringing = self.ringing
        url = ringing.url.replace("15005550006", "15005550007")
        body = ringing.body.replace(b"15005550006", b"15005550007")
        assert (url, body) != (ringing.url, ringing.body)
        with pytest.raises(NotGenuine):
            self.example.carrier.check_webhook(CarrierRequest(ringing.method, url, ringing.headers, body), self.now)

    @inherited
    @given(
        st.sampled_from(["GET", "POST"]),
        st.sampled_from(["", "application/json", "application/x-www-form-urlencoded", "text/plain"]),
        st.binary(max_size=200) | JSON.map(json.dumps).map(str.encode),
        st.text("abcXYZ%=&+?\u00e9\udcff", max_size=30),
    )
    def test_whatever_is_posted_is_read_or_refused(self, method: str, kind: str, body: bytes, query: str) -> None:
        carrier = self.example.carrier
        for route in carrier.routes:
            headers = dict.fromkeys(carrier.signature_headers, "x, y.z.w") | {"content-type": kind}
            request = CarrierRequest(method, f"{self.addresses.webhook(route)}?{query}", headers, body)
            with pytest.raises((NotGenuine, UnreadableRequest)):
                carrier.check_webhook(request, self.now)
            with contextlib.suppress(UnreadableRequest):
                read = carrier.read_webhook(route, request)
                assert read is None or isinstance(read, get_args(Webhook))
            with contextlib.suppress(NotGenuine):
                carrier.check_socket(request, self.now)

    # -- documents and requests

    @pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
    def test_each_outcome_has_a_document(self, outcome: Outcome) -> None:
        readable(self.example.carrier.document(outcome, self.addresses))

    @inherited
    @given(st.text(max_size=200))
    def test_whatever_is_in_the_words_a_document_can_be_read(self, words: str) -> None:
        for outcome in (Apologise(words), LineBusy(words), Announce(words), ForwardCall(words)):
            readable(self.example.carrier.document(outcome, self.addresses))

    def test_a_stream_is_opened_at_our_address_alone(self) -> None:
        for base in ("http://bridge.example.com/x", "https://bridge.example.com/x?token=1"):
            with pytest.raises(ValueError, match="stream URL"):
                self.example.carrier.document(OpenStream("call-1", {}), Addresses(base))

    @pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
    def test_requests_stay_within_the_api(self, outcome: Outcome) -> None:
        call = CallReference("../x?y#z", "../a?b")
        request = self.example.carrier.request(outcome, call, self.addresses, now=self.now, nonce=NONCE)
        if request is not None:
            parts = urlsplit(request.url)
            assert f"{parts.scheme}://{parts.netloc}" == self.example.api
            assert ".." not in parts.path.split("/")
            assert not parts.query
            assert "authorization" in {name.lower() for name in request.headers}

    def test_calls_can_be_ended_moved_and_brought_back_by_rest(self) -> None:
        call = CallReference(self.example.call_id, self.example.account_id)
        for outcome in (EndCall(), ForwardCall("+15005550020"), ComeBack(self.example.call_id)):
            request = self.example.carrier.request(outcome, call, self.addresses, now=self.now, nonce=NONCE)
            assert request is not None

    @pytest.mark.parametrize("outcome", ROOMS, ids=repr)
    def test_who_can_call_somebody_has_rooms(self, outcome: Outcome) -> None:
        party, call = CallParty("a-name", "+15005550020", "+15005550010", 30), CallReference("../x?y#z", "../a?b")
        request = self.example.carrier.call_party(party, call, self.addresses)
        if request is None:
            with pytest.raises(ValueError, match="room"):
                self.example.carrier.document(outcome, self.addresses)
            return
        readable(self.example.carrier.document(outcome, self.addresses))
        parts = urlsplit(request.url)
        assert f"{parts.scheme}://{parts.netloc}" == self.example.api
        assert ".." not in parts.path.split("/")
        assert {"announce", "accept", "party-status", "after-hold"} <= set(self.example.carrier.routes)

    @inherited
    @given(st.integers(100, 599), st.binary(max_size=100) | JSON.map(json.dumps).map(str.encode))
    def test_every_answer_of_the_api_means_something(self, status: int, body: bytes) -> None:
        answer = self.example.carrier.read_answer(status, body)
        assert (answer.outcome == "done") == (200 <= status < 300)
        assert answer.outcome == "done" or answer.why
        if status >= 500 or status == 429:
            assert answer.outcome == "busy"

    # -- the media stream

    def test_a_stream_begins_with_what_our_document_passed_along(self) -> None:
        stream, event = self.opened()
        assert isinstance(event, StreamStarted)
        assert event.call_id == self.example.call_id
        assert event.account_id in ("", self.example.account_id)
        assert {name: event.parameters.get(name) for name in PARAMETERS} == PARAMETERS
        assert stream.odd_fields == 0

    def test_the_callers_audio_arrives_in_order(self) -> None:
        stream, _ = self.opened()
        sound = bytes(range(256)) * (stream.caller_format.frame_bytes // 32)
        size = stream.caller_format.frame_bytes
        frames = [sound[at : at + size] for at in range(0, len(sound), size)]
        heard = b"".join(
            event.audio
            for number, frame in enumerate(frames, start=1)
            for event in [read(stream, self.example.audio(frame, number))]
            if isinstance(event, CallerAudio)
        )
        assert heard == b"".join(frames)

    @pytest.mark.parametrize("key", list("0123456789*#ABCD"))
    def test_every_key_of_a_phone_is_heard(self, key: str) -> None:
        stream, _ = self.opened()
        assert stream.read_text(self.example.key(key)) == KeyPressed(key)

    @pytest.mark.parametrize("key", ["", "12", "E", -1, 10, True, None, {}, "\u0663"])
    def test_what_no_phone_has_is_passed_over(self, key: object) -> None:
        stream, _ = self.opened()
        assert stream.read_text(self.example.key(key)) is None
        assert stream.odd_fields == 1

    def test_a_mark_comes_back_by_its_name(self) -> None:
        stream, _ = self.opened()
        event = stream.read_text(self.example.mark("3.14"))
        assert isinstance(event, MarkReturned)
        assert event.name == "3.14"
        assert event.how == ("played" if self.example.carrier.pacing.marks in ("played", "told_apart") else "unknown")

    def test_a_mark_that_was_thrown_out_says_so_if_the_carrier_tells_it(self) -> None:
        assert (self.example.cleared is not None) == (self.example.carrier.pacing.marks == "told_apart")
        if self.example.cleared is not None:
            stream, _ = self.opened()
            assert stream.read_text(self.example.cleared("3.14")) == MarkReturned("3.14", "cleared")

    def test_the_end_is_told_if_the_carrier_tells_it(self) -> None:
        stream, _ = self.opened()
        assert (self.example.stop is not None) == self.example.carrier.pacing.says_stop
        if self.example.stop is not None:
            assert stream.read_text(self.example.stop) == StreamStopped()

    def test_an_event_nobody_knows_is_no_error(self) -> None:
        stream, _ = self.opened()
        assert stream.read_text(self.example.unknown) == OtherMessage("hologram")

    def test_something_odd_that_nobody_needs_is_passed_over_and_counted(self) -> None:
        for odd in self.example.odd:
            stream, _ = self.opened()
            assert stream.read_text(odd) is None, odd
            assert stream.odd_fields == 1, odd

    def test_audio_counts_whatever_stands_beside_it(self) -> None:
        for odd in self.example.odd_audio:
            stream, _ = self.opened()
            event = stream.read_text(odd)
            assert isinstance(event, CallerAudio), odd
            assert event.audio == b"\xff" * 160, odd

    def told(self) -> list[bytes]:
        """Everything that names its stream, if the carrier's messages do."""
        audio, binary = self.example.audio(b"\xff" * 160, 1)
        said = [b"" if binary else audio, self.example.key("5"), self.example.mark("m"), self.example.stop or b""]
        return [one for one in said if one and _STREAM_FIELDS & set(json.loads(one))]

    @pytest.mark.parametrize("odd", [None, 7, 5.5, True, [], {}, ["x"]])
    def test_a_message_that_names_its_stream_oddly_is_one_of_this_sockets_stream(self, odd: object) -> None:
        for message in self.told():
            stream, _ = self.opened()
            before = stream.read_text(message)
            stream, _ = self.opened()
            fields = {key: odd if key in _STREAM_FIELDS else value for key, value in json.loads(message).items()}
            after = stream.read_text(json.dumps(fields).encode())
            assert type(after) is type(before), message
            assert getattr(after, "audio", None) == getattr(before, "audio", None)
            assert stream.odd_fields == 1, message

    def test_a_message_of_another_stream_is_a_violation(self) -> None:
        for message in self.told():
            fields = {key: "other" if key in _STREAM_FIELDS else value for key, value in json.loads(message).items()}
            stream, _ = self.opened()
            with pytest.raises(StreamViolation) as violation:
                stream.read_text(json.dumps(fields).encode())
            assert violation.value.kind == "wrong_stream"

    @pytest.mark.parametrize("odd", ODD_FIELDS)
    def test_one_odd_field_costs_what_it_tells_and_no_call(self, odd: str) -> None:
        audio, binary = self.example.audio(b"\xff" * 160, 1)
        document = self.example.carrier.document(OpenStream(self.example.call_id, PARAMETERS), self.addresses)
        start = self.example.start(document)
        said = [start, self.example.key("5"), self.example.mark("m"), self.example.stop or b""]
        for message in (*filter(None, said), *([] if binary else [audio])):
            for place in places(json.loads(message)):
                if self.is_needed(place, message is start, odd):
                    continue
                stream = self.example.carrier.open_stream() if message is start else self.opened()[0]
                event = stream.read_text(with_odd_field(message, place, odd))
                if message is start:
                    assert isinstance(event, StreamStarted), place
                    assert event.call_id == self.example.call_id, place
                elif message is audio:
                    assert isinstance(event, CallerAudio), place
                    assert event.audio == b"\xff" * 160, place

    def is_needed(self, place: Sequence[object], starts: bool, odd: str) -> bool:
        """Whether, without this field, nobody knows what the message is, whose, or what the caller said in it."""
        last = place[-1]
        if last in ("event", "payload", "media") or (starts and last in ("start", *self.example.needed)):
            return True
        if starts:  # a text that is not empty says another format than ours, a whole number another rate
            says = {"encoding", "sampleRate", "sample_rate", "channels", "content-type"}
            return (odd == "text" and last in says - {"sampleRate", "sample_rate", "channels"}) or (
                odd in ("fraction", "another number") and last in says - {"encoding", "content-type"}
            )
        return odd == "text" and last in _STREAM_FIELDS  # it is another stream's

    @pytest.mark.parametrize("channels", [None, "1", 1.0])
    def test_a_start_whose_number_of_channels_is_written_oddly_is_one_of_mono(self, channels: object) -> None:
        document = self.example.carrier.document(OpenStream(self.example.call_id, PARAMETERS), self.addresses)
        message = json.loads(self.example.start(document))
        for one in message.get("start", {}).values():
            if isinstance(one, dict) and "encoding" in one:
                one["channels"] = channels
        assert isinstance(self.example.carrier.open_stream().read_text(json.dumps(message).encode()), StreamStarted)

    @pytest.mark.parametrize("data", [b"", b"[]", b"[" * 5000, b"\xff\xfe", b"\x00", b"7", b"null", b'{"x":1}'])
    def test_nonsense_is_a_violation_and_not_fatal(self, data: bytes) -> None:
        stream, _ = self.opened()
        with pytest.raises(StreamViolation) as violation:
            stream.read_text(data)
        assert violation.value.kind == "bad_message"

    @inherited
    @given(st.data())
    def test_a_real_message_with_one_thing_changed_is_read_or_refused(self, data: st.DataObject) -> None:
        message = json.loads(data.draw(st.sampled_from(self.example.messages)))
        *above, last = data.draw(st.sampled_from(places(message)))
        inner = message
        for step in above:
            inner = inner[step]
        if data.draw(st.booleans()):
            inner[last] = data.draw(JSON)
        else:
            del inner[last]
        for stream in (self.example.carrier.open_stream(), self.opened()[0]):
            with contextlib.suppress(StreamViolation):
                event = stream.read_text(json.dumps(message).encode())
                assert event is None or isinstance(event, get_args(StreamEvent))

    @inherited
    @given(st.binary(max_size=200))
    def test_whatever_comes_is_read_or_refused(self, data: bytes) -> None:
        stream, _ = self.opened()
        for way in (stream.read_text, stream.read_binary):
            with contextlib.suppress(StreamViolation):
                event = way(data)
                assert event is None or isinstance(event, get_args(StreamEvent))

    # -- what we send

    @inherited
    @given(st.lists(st.integers(1, 700), max_size=8))
    def test_what_we_send_is_what_is_played(self, lengths_ms: list[int]) -> None:
        stream, _ = self.opened()
        step, frame_ms = stream.our_format.bytes_per_ms, self.example.carrier.pacing.frame_ms
        sound = bytes(index % 251 for index in range(sum(lengths_ms) * step))
        pieces: list[SocketMessage] = []
        at = 0
        for length_ms in lengths_ms:
            pieces += stream.audio(sound[at : at + length_ms * step])
            at += length_ms * step
        pieces += stream.mark("1.1")
        told = self.example.taken(pieces)
        assert told[-1] == ("mark", b"1.1")
        assert all(kind == "audio" and len(what) % (frame_ms * step) == 0 for kind, what in told[:-1])
        played = b"".join(what for kind, what in told if kind == "audio")
        assert played[: len(sound)] == sound
        rest = played[len(sound) :]
        assert rest == stream.our_format.silence(frame_ms)[: len(rest)]
        assert len(rest) < frame_ms * step

    def test_a_clear_drops_what_was_kept_back(self) -> None:
        stream, _ = self.opened()
        step, frame_ms = stream.our_format.bytes_per_ms, self.example.carrier.pacing.frame_ms
        stream.audio(b"\x01" * (frame_ms * step * 2 - step))
        assert self.example.taken(stream.clear()) == [("clear", b"")]
        again = stream.audio(b"\x02" * (frame_ms * step))
        assert self.example.taken(again) == [("audio", b"\x02" * (frame_ms * step))]

    @inherited
    @given(st.text(max_size=40))
    def test_a_mark_may_have_any_name(self, name: str) -> None:
        stream, _ = self.opened()
        with contextlib.suppress(UnicodeEncodeError):
            assert self.example.taken(stream.mark(name)) == [("mark", name.encode())]


def route_of(request: CarrierRequest) -> str:
    return urlsplit(request.url).path.rpartition("/")[2]


def read(stream: MediaStream, message: SocketMessage) -> StreamEvent | None:
    return stream.read_binary(message.payload) if message.binary else stream.read_text(message.payload)


def readable(document: Document) -> None:
    if document.content_type == "text/xml":
        assert ElementTree.fromstring(document.text).tag == "Response"
    else:
        assert document.content_type == "application/json"
        assert isinstance(json.loads(document.text), list)


def places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Where in a message something can be changed."""
    if not isinstance(value, dict):
        return [path] if path else []
    return [place for name, inner in value.items() for place in [(*path, name), *places(inner, (*path, name))]]
