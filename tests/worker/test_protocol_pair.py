"""The protocol's client and server back to back, without a socket: both keep the contract of providers."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.formats import FORMATS, AudioFormat
from bridge.call.events import Word
from bridge.errors import BadMessage, VoiceBusy, VoiceError
from bridge.speaking.voices.base import SpeechListener, SpeechRequest
from bridge.worker.protocol import Limits, Ready, encode
from bridge.worker.protocol_client import ClientStream, ProtocolClient
from bridge.worker.protocol_server import ProtocolServer

READY = Ready(1, ["heart"], "heart", {"heart": "1"}, list(FORMATS), Limits())


class Speaker:
    """The server's provider: does what the test says."""

    def __init__(self, request: SpeechRequest, listener: SpeechListener) -> None:
        self.request, self.listener = request, listener
        self.orders: list[object] = []
        self.cancelled = False

    def text(self, delta: str) -> None:
        self.orders.append(delta)

    def flush(self) -> None:
        self.orders.append("<flush>")

    def end(self) -> None:
        self.orders.append("<end>")

    def playout(self, lead_ms: float, upto_ms: int | None = None) -> None:
        self.orders.append((lead_ms, upto_ms))

    def cancel(self) -> None:
        self.cancelled = True


class Hearer:
    """The client's listener."""

    def __init__(self) -> None:
        self.sound = b""
        self.told: list[str] = []
        self.error: VoiceError | None = None

    def audio(self, data: bytes) -> None:
        self.told.append("audio")
        self.sound += data

    def words(self, words: Sequence[Word]) -> None:
        self.told += [word.text for word in words]

    def no_words(self) -> None:
        self.told.append("no words")

    def done(self) -> None:
        self.told.append("done")

    def failed(self, error: VoiceError) -> None:
        self.told.append("failed")
        self.error = error


class Line:
    """Both ends, and the messages that are under way."""

    def __init__(self, limits: Limits = READY.limits) -> None:
        self.speakers: list[Speaker] = []
        self.refusal: VoiceError | None = None
        self.to_server: deque[str] = deque()
        self.to_client: deque[str | bytes] = deque()
        self.ended: list[tuple[str, str]] = []
        self.client = ProtocolClient(self.to_server.append)
        self.server = ProtocolServer(
            limits, self._open, self.to_client.append, lambda how, code: self.ended.append((how, code))
        )
        self.client.receive(encode(READY))

    def _open(self, request: SpeechRequest, listener: SpeechListener) -> Speaker:
        if self.refusal is not None:
            raise self.refusal
        self.speakers.append(Speaker(request, listener))
        return self.speakers[-1]

    def carry(self) -> None:
        while self.to_server or self.to_client:
            while self.to_server:
                self.server.receive(self.to_server.popleft())
            while self.to_client:
                self.client.receive(self.to_client.popleft())

    def open(self, request: SpeechRequest) -> tuple[ClientStream, Hearer]:
        hearer = Hearer()
        return self.client.open(request, hearer), hearer


@pytest.mark.parametrize("audio_format", FORMATS.values(), ids=str)
def test_what_is_asked_for_arrives_and_what_is_said_comes_back(audio_format: AudioFormat) -> None:
    line = Line()
    stream, hearer = line.open(SpeechRequest("", "heart", audio_format, 1.5, "prefetch"))
    stream.text("one ")
    stream.flush()
    stream.playout(-3.7, 900)
    stream.end()
    line.carry()
    [speaker] = line.speakers
    assert speaker.request == SpeechRequest("", "heart", audio_format, 1.5, "prefetch")
    assert speaker.orders == ["one ", "<flush>", (0, 900), "<end>"]
    sound = bytes(range(256)) * 15  # 3840 bytes are whole frames in every format
    speaker.listener.words([Word("one", 0, 200)])
    speaker.listener.audio(sound)
    speaker.listener.audio(sound)
    speaker.listener.done()
    line.carry()
    assert hearer.told == ["one", "audio", "audio", "done"]
    assert hearer.sound == sound * 2
    assert line.ended == [("done", "")]
    assert not line.client.streams
    assert not line.server.streams


def test_a_text_that_is_whole_needs_no_end() -> None:
    line = Line()
    line.open(SpeechRequest("one two", cut=True))
    line.carry()
    assert line.speakers[0].request.cut
    assert line.speakers[0].orders == ["one two", "<end>"]


@pytest.mark.parametrize(
    ("error", "kind", "code", "retry_after_s"),
    [
        (VoiceBusy("full", 0.7), "busy", "busy", 0.7),
        (VoiceError("slowly", "busy", code="too_fast", retry_after_s=2.0), "busy", "too_fast", 2.0),
        (VoiceError("no such voice", "rejected", code="unknown_voice"), "rejected", "unknown_voice", None),
        (VoiceError("broken", "internal", code="engine_failed"), "internal", "engine_failed", None),
        (VoiceError("gone", "lost", code="engine_hung"), "lost", "engine_hung", None),
        (VoiceError("whatever", "internal"), "internal", "speech_failed", None),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_errors_keep_their_meaning_over_the_wire(
    error: VoiceError, kind: str, code: str, retry_after_s: float | None, at_once: bool
) -> None:
    line = Line()
    line.refusal = error if at_once else None
    _, hearer = line.open(SpeechRequest("one"))
    line.carry()
    if not at_once:
        line.speakers[0].listener.failed(error)
        line.carry()
        assert line.speakers[0].cancelled
    assert hearer.told == ["failed"]
    assert hearer.error is not None
    assert (hearer.error.kind, hearer.error.code, hearer.error.retry_after_s) == (kind, code, retry_after_s)
    assert str(error) in str(hearer.error)
    assert line.ended == [("refused" if at_once else "failed", code)]


def test_after_a_cancel_nothing_is_told_and_late_orders_are_no_error() -> None:
    line = Line()
    stream, hearer = line.open(SpeechRequest())
    stream.text("one")
    line.carry()
    [speaker] = line.speakers
    speaker.listener.audio(bytes(160))
    stream.cancel()  # while audio is on its way
    said = len(line.to_server)
    stream.text("two")
    stream.cancel()
    assert len(line.to_server) == said
    line.carry()
    assert speaker.cancelled
    assert hearer.told == []
    assert line.ended == [("cancelled", "")]


def test_a_lost_socket_fails_every_stream_once() -> None:
    line = Line()
    hearers = [line.open(SpeechRequest("one"))[1] for _ in range(3)]
    line.carry()
    assert line.client.lose("cut off") == 3
    line.server.close()
    assert [hearer.told for hearer in hearers] == [["failed"]] * 3
    assert {hearer.error.kind for hearer in hearers if hearer.error} == {"lost"}
    assert all(speaker.cancelled for speaker in line.speakers)
    assert not line.client.usable


def test_limits_are_kept_for_each_stream_and_socket() -> None:
    line = Line(Limits(text_chars=10, streams=2))
    first, hearer = line.open(SpeechRequest())
    first.text("x" * 10)
    first.text("y")
    line.carry()
    assert hearer.error is not None
    assert hearer.error.code == "text_too_long"
    hearers = [line.open(SpeechRequest())[1] for _ in range(3)]
    line.carry()
    assert [hearer.error.code if hearer.error else "" for hearer in hearers] == ["", "", "too_many_streams"]


def test_audio_that_does_not_follow_on_breaks_the_socket() -> None:
    line = Line()
    line.open(SpeechRequest("one"))
    line.carry()
    line.speakers[0].listener.audio(bytes(160))
    good = line.to_client.popleft()
    assert isinstance(good, bytes)
    line.client.receive(good)
    with pytest.raises(BadMessage, match="has 160 samples"):
        line.client.receive(good)


ORDERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["open", "text", "flush", "end", "playout", "cancel", "audio", "words", "done", "fail", "carry"]
        ),
        st.integers(0, 3),
    ),
    max_size=60,
)


@given(ORDERS)
def test_in_any_order_both_ends_agree_and_every_listener_hears_one_end(orders: list[tuple[str, int]]) -> None:
    line = Line()
    streams: list[tuple[ClientStream, Hearer]] = []
    over: set[int] = set()
    for order, which in orders:
        if order == "open":
            streams.append(line.open(SpeechRequest()))
        elif order == "carry":
            line.carry()
        elif order in ("audio", "words", "done", "fail"):
            if which < len(line.speakers) and which not in over and not line.speakers[which].cancelled:
                speak(line.speakers[which], order)
                if order in ("done", "fail"):
                    over.add(which)
        elif which < len(streams):
            arguments = {"text": ("one ",), "playout": (10, 20)}.get(order, ())
            getattr(streams[which][0], order)(*arguments)
    line.carry()
    for _, hearer in streams:
        ends = [told for told in hearer.told if told in ("done", "failed")]
        assert len(ends) <= 1
        assert not ends or hearer.told[-1] == ends[0]
    assert set(line.client.streams) == set(line.server.streams)
    numbers = [stream.number for stream, _ in streams]
    assert all(one != other for one, other in pairwise(numbers))


def speak(speaker: Speaker, order: str) -> None:
    match order:
        case "audio":
            speaker.listener.audio(bytes(160))
        case "words":
            speaker.listener.words([Word("one", 0, 20)])
        case "done":
            speaker.listener.done()
        case "fail":
            speaker.listener.failed(VoiceError("no"))
