"""The wires of models that speak themselves, message by message, and which of the caller's sound they are sent."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bridge.agents.live.caller_audio import CallerSound
from bridge.agents.live.gemini import GeminiWire
from bridge.agents.live.realtime import RealtimeWire
from bridge.agents.live.wire import AnswerNow, AnswerOver, Leaving, LiveEvent, SpeechPart, TextPart, ToolsWithdrawn
from bridge.agents.settings import GeminiLiveSettings, RealtimeAgentSettings
from bridge.audio.formats import MULAW_8000
from bridge.call.actions import Spoken

AUDIO = base64.b64encode(bytes(480)).decode()


@pytest.fixture
def gemini() -> GeminiWire:
    return GeminiWire(GeminiLiveSettings(model="m"), "key", {}, [], history=False, goes_on_from="")


@pytest.fixture
def realtime() -> RealtimeWire:
    return RealtimeWire(RealtimeAgentSettings(model="m"), "key", {}, [], MULAW_8000)


def tell(wire: GeminiWire | RealtimeWire, **message: Any) -> list[LiveEvent]:
    return list(wire.receive(json.dumps(message)))


def says(wire: GeminiWire) -> list[LiveEvent]:
    blob = {"mimeType": "audio/pcm;rate=24000", "data": AUDIO}
    return tell(wire, serverContent={"modelTurn": {"parts": [{"inlineData": blob}]}})


def test_what_gemini_still_says_of_a_turn_that_was_broken_off_is_no_answer_to_the_next(gemini: GeminiWire) -> None:
    gemini.ask(spoken=False, text="[Greet them.]")
    assert [type(event) for event in says(gemini)] == [SpeechPart]
    gemini.listen()
    gemini.ask(spoken=True)
    assert says(gemini) == []
    assert tell(gemini, serverContent={"outputTranscription": {"text": "late"}}) == []
    assert tell(gemini, serverContent={"interrupted": True}) == []
    assert tell(gemini, serverContent={"turnComplete": True}) == []
    assert [type(event) for event in says(gemini)] == [SpeechPart]
    assert isinstance(tell(gemini, serverContent={"generationComplete": True})[-1], AnswerOver)
    assert tell(gemini, serverContent={"turnComplete": True}) == []


def test_the_end_of_an_empty_turn_of_geminis_is_not_that_of_the_next(gemini: GeminiWire) -> None:
    gemini.ask(spoken=False, text="[Greet them.]")
    assert isinstance(tell(gemini, serverContent={"generationComplete": True})[-1], AnswerOver)
    gemini.ask(spoken=False, text="[Greet them.]")
    assert tell(gemini, serverContent={"turnComplete": True}) == []
    assert [type(event) for event in says(gemini)] == [SpeechPart]


def test_what_gemini_answers_to_a_noise_is_not_heard(gemini: GeminiWire) -> None:
    gemini.listen()
    assert gemini.forget() == ({"realtimeInput": {"activityEnd": {}}},)
    assert says(gemini) == []
    assert tell(gemini, serverContent={"turnComplete": True}) == []
    assert gemini.forget() == ()


def test_gemini_says_when_it_leaves_what_it_withdraws_and_where_to_go_on(gemini: GeminiWire) -> None:
    assert tell(gemini, goAway={"timeLeft": "57.5s"}) == [Leaving(57.5)]
    assert tell(gemini, goAway={}) == [Leaving(10.0)]
    assert tell(gemini, toolCallCancellation={"ids": ["a"]}) == [ToolsWithdrawn(("a",))]
    tell(gemini, sessionResumptionUpdate={"newHandle": "h", "resumable": True})
    assert gemini.resumption == "h"
    gemini.listen()
    assert gemini.resumption == "", "it does not know of what is said now"
    assert tell(gemini, somethingNew={"x": 1}) == []


def test_a_history_is_told_to_each_as_its_conversation(gemini: GeminiWire, realtime: RealtimeWire) -> None:
    history = [
        Spoken("bot", "Hello", interrupted=True),
        Spoken("caller", "Yes"),
        Spoken("bot", "Sorry", by_bridge=True),
    ]
    items = [message["item"] for message in realtime.recall(history, ["[A note.]"])]
    assert [item["role"] for item in items] == ["system", "assistant", "user", "system"]
    assert items[1]["content"] == [{"type": "output_text", "text": "Hello ..."}]
    (content,) = gemini.recall(history, [])
    assert [turn["role"] for turn in content["clientContent"]["turns"]] == ["model", "user", "user"]


def test_an_answer_that_is_not_wanted_before_it_has_a_name_is_cancelled_when_it_has_one(realtime: RealtimeWire) -> None:
    realtime.ask(spoken=False, text="[Greet them.]")
    assert realtime.stop() == ()
    assert realtime.answering
    (now,) = tell(realtime, type="response.created", response={"id": "r1"})
    assert now == AnswerNow(({"type": "response.cancel", "response_id": "r1"},))
    late = {"type": "response.output_audio_transcript.delta", "response_id": "r1", "item_id": "i", "delta": "late"}
    assert tell(realtime, **late) == []
    tell(realtime, type="response.done", response={"id": "r1", "status": "cancelled"})
    assert not realtime.answering


def test_only_what_answers_the_last_question_is_passed_on(realtime: RealtimeWire) -> None:
    realtime.ask(spoken=False, text="Hello.")
    tell(realtime, type="response.created", response={"id": "r2"})
    delta = {"type": "response.output_audio_transcript.delta", "item_id": "i", "delta": "words"}
    assert tell(realtime, response_id="r1", **delta) == []
    assert tell(realtime, response_id="r2", **delta) == [TextPart("i", "words")]
    assert tell(realtime, type="response.of_tomorrow", response_id="r2") == []


def test_a_turn_too_short_to_be_committed_is_filled_up(realtime: RealtimeWire) -> None:
    realtime.audio(bytes(160))
    padding, commit, _create = realtime.ask(spoken=True)
    assert len(base64.b64decode(padding["audio"])) == 640
    assert commit["type"] == "input_audio_buffer.commit"
    assert [message["type"] for message in realtime.ask(spoken=True)] == ["response.create"], "it has all of it already"


@pytest.mark.parametrize("raw", ['{"type": 3}', "[]", "no", '{"type": "response.created", "response": 7}'])
def test_what_makes_no_sense_is_an_error_and_no_more(realtime: RealtimeWire, raw: str) -> None:
    with pytest.raises(ValueError):
        realtime.receive(raw)


def frames(sound: CallerSound, first: int, last: int) -> bytes:
    """Frames of 20 ms, each of its number, from the first to the one before the last; what is to be sent of them."""
    return b"".join(sound.hear(bytes([n]) * 160, n / 50) for n in range(first, last))


def test_of_what_the_caller_says_a_turn_is_sent_from_its_first_sound_and_nothing_else() -> None:
    sound = CallerSound()
    assert frames(sound, 0, 100) == b""
    sound.begin(1.5)
    sent = frames(sound, 100, 110) + sound.rest()
    assert sorted(set(sent)) == list(range(75, 110))
    assert len(sent) == 35 * 160
    sound.end()
    assert frames(sound, 110, 130) == b""
    sound.begin(1.5)  # the same turn goes on: what belongs to it already is not said again
    assert sorted(set(sound.rest())) == list(range(110, 130))


def test_a_turn_is_kept_until_its_answer_was_heard_to_be_said_to_another_session() -> None:
    sound = CallerSound()
    sound.begin(0.0)
    frames(sound, 0, 10)
    sound.ask(again=False)
    frames(sound, 10, 20)
    sound.ask(again=True)
    assert sorted(set(sound.asked)) == list(range(20))
    frames(sound, 20, 30)
    sound.ask(again=False)
    assert sorted(set(sound.asked)) == list(range(20, 30))
    sound.forget()
    frames(sound, 30, 250)
    assert len(sound.turn) == 220 * 160
