"""Protocols of hosted recognisers, without sockets: what services may say, in which order, and how wrongly."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.call.events import Opinion, TurnOpinion
from bridge.listening.hosted_settings import (
    AssemblyAISettings,
    AzureSettings,
    DeepgramSettings,
    FluxSettings,
    GladiaSettings,
    GoogleSettings,
    InkSettings,
    OpenAIRealtimeSettings,
    ScribeSettings,
    SonioxSettings,
    SpeechmaticsSettings,
)
from bridge.listening.recognisers.base import ExpectedSpeech, FinalText, PartialText, RecognisedWord, StreamFailed
from bridge.listening.recognisers.hosted.azure import AzureWire
from bridge.listening.recognisers.hosted.catalogue import WIRES
from bridge.listening.recognisers.wire import GrowingTurn, RecogniserWire, Reply, Settled
from bridge.listening.recognisers.wire_stream import AudioPace

SETTINGS: tuple[Any, ...] = (
    DeepgramSettings(),
    FluxSettings(),
    FluxSettings(force_end=True),
    AssemblyAISettings(),
    AssemblyAISettings(force_end=False),
    OpenAIRealtimeSettings(),
    SonioxSettings(),
    SpeechmaticsSettings(),
    ScribeSettings(),
    InkSettings(),
    InkSettings(turns=False),
    GladiaSettings(),
    AzureSettings(region="westeurope"),
)


def wire(its: Any, *hints: str) -> RecogniserWire:
    return WIRES[type(its)](its, ExpectedSpeech("en-US", hints))


def told(one: RecogniserWire, *messages: dict[str, Any] | str) -> list[Any]:
    events: list[Any] = []
    for message in messages:
        events += one.receive(message if isinstance(message, str) else json.dumps(message))
    return events


def azure(path: str, body: dict[str, Any]) -> str:
    return f"X-RequestId:{1:032x}\r\nPath:{path}\r\n\r\n{json.dumps(body)}"


def openai(code: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": "invalid_request_error", "code": code, "message": "m"}}


@pytest.mark.parametrize(
    ("its", "message", "kind"),
    [
        (DeepgramSettings(), {"type": "Error", "description": "no"}, "rejected"),
        (FluxSettings(), {"type": "Error", "code": "INTERNAL_SERVER_ERROR"}, "internal"),
        (FluxSettings(), {"type": "Error", "code": "UNPARSABLE_CLIENT_MESSAGE"}, "rejected"),
        (AssemblyAISettings(), {"type": "Error", "error_code": 3005, "error": "x"}, "internal"),
        (AssemblyAISettings(), {"type": "Error", "error_code": 3007, "error": "x"}, "rejected"),
        (AssemblyAISettings(), {"type": "Error", "error_code": 3008, "error": "x"}, "lost"),
        (AssemblyAISettings(), {"type": "Error", "error_code": 3009, "error": "x"}, "busy"),
        (AssemblyAISettings(), {"type": "Error", "error_code": 1008, "error": "x"}, "auth"),
        (OpenAIRealtimeSettings(), openai("invalid_api_key"), "auth"),
        (OpenAIRealtimeSettings(), openai("insufficient_quota"), "quota"),
        (OpenAIRealtimeSettings(), openai("rate_limit_exceeded"), "busy"),
        (OpenAIRealtimeSettings(), openai("invalid_model"), "rejected"),
        (SonioxSettings(), {"error_code": 401, "error_type": "unauthenticated"}, "auth"),
        (SonioxSettings(), {"error_code": 402, "error_type": "balance"}, "quota"),
        (SonioxSettings(), {"error_code": 408, "error_type": "timeout"}, "idle"),
        (SonioxSettings(), {"error_code": 429, "error_type": "limit"}, "busy"),
        (SonioxSettings(), {"error_code": 503, "error_message": "Please restart the request."}, "lost"),
        (SonioxSettings(), {"error_code": 500, "error_message": "x"}, "internal"),
        (SpeechmaticsSettings(), {"message": "Error", "type": "not_authorised", "reason": "x"}, "auth"),
        (SpeechmaticsSettings(), {"message": "Error", "type": "quota_exceeded", "reason": "x"}, "busy"),
        (SpeechmaticsSettings(), {"message": "Error", "type": "timelimit_exceeded", "reason": "x"}, "quota"),
        (SpeechmaticsSettings(), {"message": "Error", "type": "idle_timeout", "reason": "x"}, "idle"),
        (SpeechmaticsSettings(), {"message": "Error", "type": "invalid_config", "reason": "x"}, "rejected"),
        (ScribeSettings(), {"message_type": "auth_error", "error": "x"}, "auth"),
        (ScribeSettings(), {"message_type": "quota_exceeded", "error": "x"}, "quota"),
        (ScribeSettings(), {"message_type": "rate_limited", "error": "x"}, "busy"),
        (ScribeSettings(), {"message_type": "insufficient_audio_activity", "error": "x"}, "idle"),
        (ScribeSettings(), {"message_type": "session_time_limit_exceeded", "error": "x"}, "lost"),
        (InkSettings(), {"type": "error", "status_code": 401, "title": "x"}, "auth"),
        (InkSettings(turns=False), {"type": "error", "status_code": 429, "title": "x"}, "busy"),
        (AzureSettings(region="x"), azure("speech.phrase", {"RecognitionStatus": "TooManyRequests"}), "busy"),
        (AzureSettings(region="x"), azure("speech.phrase", {"RecognitionStatus": "Forbidden"}), "auth"),
    ],
)
def test_errors_are_sorted_by_what_helps(its: Any, message: dict[str, Any] | str, kind: str) -> None:
    [failure] = told(wire(its), message)
    assert isinstance(failure, StreamFailed)
    assert failure.kind == kind
    assert failure.reason


@pytest.mark.parametrize(
    ("its", "code", "reason", "kind"),
    [
        (DeepgramSettings(), 1011, "NET-0001", "idle"),
        (DeepgramSettings(), 1011, "NET-0000", "internal"),
        (DeepgramSettings(), 1008, "DATA-0000", "rejected"),
        (DeepgramSettings(), None, "", "lost"),
        (FluxSettings(), None, "", "lost"),
        (AssemblyAISettings(), 3009, "", "busy"),
        (SpeechmaticsSettings(), 4001, "", "auth"),
        (SpeechmaticsSettings(), 4006, "", "quota"),
        (GladiaSettings(), 4401, "", "auth"),
        (GladiaSettings(), 4404, "", "rejected"),
        (AzureSettings(region="x"), 1007, "Throttled due to too many requests", "busy"),
        (AzureSettings(region="x"), 1007, "bad audio", "rejected"),
        (AzureSettings(region="x"), 1002, "", "rejected"),
        (SonioxSettings(), 1006, "", "lost"),
    ],
)
def test_close_codes_are_sorted_too(its: Any, code: int | None, reason: str, kind: str) -> None:
    assert wire(its).closed(code, reason).kind == kind


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_KINDS = (
    "Results TurnInfo Turn Begin transcript flush_done turn.update turn.end AddTranscript AddPartialTranscript "
    "EndOfUtterance committed_transcript_with_timestamps partial_transcript session.updated error Error "
    "conversation.item.input_audio_transcription.delta conversation.item.input_audio_transcription.completed"
).split()
_FIELDS = (
    "type message message_type tokens channel is_final words transcript text item_id delta data error results metadata"
).split()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from((*SETTINGS, GoogleSettings())),
    st.lists(
        st.text(max_size=40)
        | st.binary(max_size=40)
        | st.dictionaries(st.sampled_from(_FIELDS), st.sampled_from(_KINDS) | _VALUES, max_size=5),
        max_size=6,
    ),
)
def test_nonsense_is_an_error_that_names_it_and_nothing_else(its: Any, messages: list[Any]) -> None:
    one = wire(its)
    for message in messages:
        try:
            events = one.receive(json.dumps(message) if isinstance(message, dict) else message)
        except (msgspec.MsgspecError, ValueError):
            continue
        for event in events:
            if isinstance(event, PartialText | FinalText):
                assert len(event.text) <= 8000


@pytest.mark.parametrize("its", SETTINGS, ids=lambda its: type(its).__name__)
def test_the_key_is_in_the_handshake_and_in_no_address(its: Any) -> None:
    address = wire(its, "Okafor").address("sesame")
    assert "sesame" not in address.url
    assert any("sesame" in value for value in address.headers.values())
    assert b"sesame" not in (address.post or b"")


@pytest.mark.parametrize("its", SETTINGS, ids=lambda its: type(its).__name__)
def test_hints_are_sent_at_the_beginning(its: Any) -> None:
    one = wire(its, "Okafor")
    said = [one.address("").url, str(one.address("").post), *map(str, one.opening())]
    assert any("Okafor" in text for text in said)


def test_deepgram_changes_hints_one_change_at_a_time() -> None:
    one = wire(DeepgramSettings(), "Okafor")
    [first] = one.expect(ExpectedSpeech("en-US", ("Patel",)))
    assert json.loads(first) == {"type": "Configure", "keyterms": ["Patel"]}
    assert one.expect(ExpectedSpeech("en-US", ("Nguyen",))) == ()
    assert one.expect(ExpectedSpeech("en-US", ("Silva",))) == ()
    [reply] = told(one, {"type": "ConfigureSuccess", "keyterms": ["Patel"]})
    assert [json.loads(message)["keyterms"] for message in reply.messages] == [["Silva"]]
    assert told(one, {"type": "ConfigureFailure", "code": "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"}) == []


def turn(order: int, *words: str, ended: bool = False, formatted: bool = False, utterance: str = "") -> dict[str, Any]:
    spoken = [{"text": w, "start": n * 300, "end": n * 300 + 250, "confidence": 0.9} for n, w in enumerate(words)]
    said = {"turn_order": order, "end_of_turn": ended, "turn_is_formatted": formatted, "utterance": utterance}
    return {"type": "Turn", **said, "transcript": " ".join(words), "words": spoken, "end_of_turn_confidence": 0.8}


def test_assemblyai_says_an_end_twice_and_is_heard_once() -> None:
    one = wire(AssemblyAISettings(force_end=False))
    events = told(one, turn(0, "hi", "there"), turn(0, "hi", "there", ended=True), turn(0, "Hi,", "there.", ended=True))
    assert [type(event).__name__ for event in events] == ["PartialText", "FinalText", "TurnOpinion"]
    assert events[1].text == "hi there"
    assert events[2].opinion is Opinion.OVER


def test_assemblyais_end_that_we_forced_is_no_opinion_of_its_own() -> None:
    one = wire(AssemblyAISettings())
    told(one, turn(0, "hi"))
    assert one.finalise(1, 0.6) == ('{"type":"ForceEndpoint"}',)
    assert [type(event).__name__ for event in told(one, turn(0, "hi", ended=True))] == ["FinalText", "Settled"]


def test_a_pause_is_an_early_opinion_that_can_be_taken_back() -> None:
    one = wire(AssemblyAISettings())
    said = told(one, turn(0, "hi"), turn(0, "hi", utterance="hi"), turn(0, "hi", "again"))
    assert [e.opinion for e in said if isinstance(e, TurnOpinion)] == [Opinion.OVER_EARLY, Opinion.RESUMED]


def test_ink_is_given_time_to_hear_the_silence_after_the_last_word() -> None:
    one = wire(InkSettings())
    told(one, {"type": "turn.update", "transcript": "pay my"})
    one.audio(bytes(8000))
    one.finalise(1, 1.0)
    assert one.unanswered() == ()
    one.audio(bytes(8000))
    assert [type(event).__name__ for event in one.unanswered()] == ["FinalText", "Settled"]


def test_an_eager_end_of_inks_answers_a_request_at_once() -> None:
    one = wire(InkSettings())
    told(one, {"type": "turn.update", "transcript": "pay my"})
    one.finalise(1, 1.0)
    said = told(one, {"type": "turn.eager_end", "transcript": "pay my bill"})
    assert [type(event).__name__ for event in said] == ["PartialText", "TurnOpinion", "FinalText", "Settled"]
    assert said[2].text == "pay my bill"


def flux(event: str, text: str, until: float, **more: Any) -> dict[str, Any]:
    return {"type": "TurnInfo", "event": event, "transcript": text, "audio_window_end": until, **more}


def test_flux_answers_a_request_when_it_has_heard_as_far() -> None:
    one = wire(FluxSettings())
    told(one, {"type": "Connected"}, flux("StartOfTurn", "I'd", 1.0))
    assert one.finalise(1, 1.5) == ()
    assert one.outstanding
    assert not any(isinstance(e, Settled) for e in told(one, flux("Update", "I'd like", 1.25)))
    final, settled = told(one, flux("Update", "I'd like to", 1.5))[1:]
    assert (final.text, settled) == ("I'd like to", Settled())
    over = flux("EndOfTurn", "I'd like to pay.", 2.5, trigger="model")
    more = told(one, flux("Update", "I'd like to pay", 1.75), over)
    assert [(e.segment, e.text) for e in more if isinstance(e, PartialText | FinalText)] == [(1, "pay"), (1, "pay.")]
    assert more[-1] == TurnOpinion(Opinion.OVER, 0.0, 2.5)


def test_flux_eager_end_and_resumption_are_opinions() -> None:
    one = wire(FluxSettings())
    said = told(one, flux("EagerEndOfTurn", "pay", 1.0, end_of_turn_confidence=0.45), flux("TurnResumed", "pay", 1.2))
    assert [(e.opinion, e.strength) for e in said if isinstance(e, TurnOpinion)] == [
        (Opinion.OVER_EARLY, 0.45),
        (Opinion.RESUMED, 1.0),
    ]


def item(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"conversation.item.input_audio_transcription.{kind}", "item_id": name, **fields}


def test_openais_items_that_are_completed_out_of_order_keep_their_places() -> None:
    one = wire(OpenAIRealtimeSettings())
    one.audio(bytes(8000))
    assert len(one.finalise(1, 1.0)) == 1
    told(one, {"type": "input_audio_buffer.committed", "item_id": "a"}, item("delta", "b", delta=" is Ann"))
    said = told(one, item("completed", "b", transcript="is Ann"), item("completed", "a", transcript="My name"))
    finals = sorted((event.segment, event.text) for event in said if isinstance(event, FinalText))
    assert finals == [(0, "My name"), (1, "is Ann")]


def test_openai_is_not_asked_to_commit_less_than_it_takes() -> None:
    one = wire(OpenAIRealtimeSettings())
    one.audio(bytes(400))
    assert one.finalise(1, 0.05) == ()
    assert [*one.unanswered()] == [Settled()]
    one.audio(bytes(800))
    assert len(one.finalise(2, 0.15)) == 1
    assert one.outstanding
    assert told(one, openai("input_audio_buffer_commit_empty")) == [Settled()]
    assert [*one.unanswered()] == [Settled()]


def token(text: str, at_ms: int, *, final: bool) -> dict[str, Any]:
    return {"text": text, "start_ms": at_ms, "end_ms": at_ms + 100, "confidence": 0.9, "is_final": final}


def test_soniox_tokens_become_words_with_times() -> None:
    one = wire(SonioxSettings())
    partial, final, opinion = told(
        one,
        {"tokens": [token("Pa", 600, final=True), token("y", 700, final=True), token(" m", 800, final=False)]},
        {"tokens": [token(" my", 800, final=True), {"text": "<end>", "is_final": True}], "total_audio_proc_ms": 1500},
    )
    assert partial.text == "Pay m"
    assert final.words == (RecognisedWord("Pay", 0.6, 0.8, 0.9), RecognisedWord("my", 0.8, 0.9, 0.9))
    assert opinion == TurnOpinion(Opinion.OVER, 0.9, 1.5)


def test_soniox_is_not_asked_too_often() -> None:
    one = wire(SonioxSettings(finalise_gap_s=1.0))
    assert [len(one.finalise(n, at)) for n, at in enumerate((1.0, 1.5, 2.0))] == [1, 0, 1]


def test_scribe_commits_somebody_who_never_pauses() -> None:
    one = wire(ScribeSettings())
    commits = [json.loads(text)["commit"] for _ in range(60) for text in one.audio(bytes(8000))]
    assert commits.count(True) == 2


def test_scribe_says_a_text_twice_and_is_heard_once() -> None:
    one = wire(ScribeSettings())
    one.audio(bytes(8000))
    one.finalise(1, 1.0)
    timed = {"message_type": "committed_transcript_with_timestamps", "text": "pay", "words": []}
    events = told(one, {"message_type": "committed_transcript", "text": "pay"}, timed)
    assert [type(event).__name__ for event in events] == ["FinalText", "Settled"]


def test_azures_audio_waits_while_a_turn_is_ended_and_goes_on_in_the_next() -> None:
    one = wire(AzureSettings(region="x"))
    one.opening()
    one.audio(bytes(1600))
    [end] = one.finalise(1, 0.2)
    assert isinstance(end, bytes)
    assert end.endswith(b"\r\n")
    assert one.audio(b"\x11" * 480) == ()
    reply, settled = told(one, azure("turn.end", {}))
    assert settled == Settled()
    assert isinstance(reply, Reply)
    telemetry, context, header, audio = reply.messages
    assert isinstance(telemetry, str)
    assert telemetry.startswith("Path: telemetry")
    assert isinstance(context, str)
    assert f"{2:032x}" in context
    assert isinstance(header, bytes)
    assert b"RIFF" in header
    assert isinstance(audio, bytes)
    assert audio.endswith(b"\x11" * 480)
    phrase = {"RecognitionStatus": "Success", "Offset": 0, "Duration": 1e7, "DisplayText": "Pay."}
    [final] = told(one, azure("speech.phrase", phrase))
    assert final.at == pytest.approx(1.2)  # counted from the first byte of all, not from that of the turn


def test_azures_turn_that_never_ends_holds_no_more_than_ten_seconds() -> None:
    one = wire(AzureSettings(region="x"))
    assert isinstance(one, AzureWire)
    one.opening()
    one.audio(bytes(1600))
    one.finalise(1, 0.2)
    sent = [len(one.audio(bytes(8000))) for _ in range(12)]
    assert sent[:9] == [0] * 9
    assert sent[9] == 2 + 10
    assert sent[10:] == [1, 1]


def test_pace_lets_a_second_through_and_then_holds_back() -> None:
    pace = AudioPace(2.0, burst_s=1.0)
    waits = [pace.add(4000, 100.0) - 100.0 for _ in range(8)]
    assert waits == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 0.75, 1.0])
    assert pace.add(4000, 200.0) == 200.0
    assert AudioPace(0.0).add(10**9, 5.0) == 5.0


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["grown", "settle", "end"])), max_size=20))
def test_words_of_a_growing_turn_are_final_once_each(steps: list[tuple[int, str]]) -> None:
    """Whatever is settled in between, the final texts in their order are the words of the turns."""
    growing = GrowingTurn()
    spoken: list[str] = []
    finals: list[tuple[int, str]] = []
    now: list[str] = []
    serial = 0
    for more, step in steps:
        for _ in range(more):
            serial += 1
            now.append(f"w{serial}")
        growing.grown([RecognisedWord(word) for word in now], 0.0)
        if step == "grown":
            continue
        final = growing.settle() if step == "settle" else growing.end()
        if final is not None:
            finals.append((final.segment, final.text))
        if step == "end":
            spoken += now
            now = []
    last = growing.end()
    if last is not None:
        finals.append((last.segment, last.text))
    assert " ".join(text for _, text in finals).split() == [*spoken, *now]
    assert [segment for segment, _ in finals] == list(range(len(finals)))
