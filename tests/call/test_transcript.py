"""A record read as a conversation: who, when, what was heard, what was cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.call.actions import Say, Spoken
from bridge.call.ledger import Ledger
from bridge.call.record import command_line, event_line, header
from bridge.call.settings import CallSettings
from bridge.call.transcript import TranscriptLine, transcript
from bridge.errors import BadMessage
from tests.call.phone import Phone

RECORDS = Path(__file__).parent / "records"


def read(name: str, **more: bool) -> list[TranscriptLine]:
    return transcript((RECORDS / f"{name}.jsonl").read_bytes().splitlines(), **more)


def test_a_conversation_is_told_turn_by_turn() -> None:
    greeting, said, answer, keys, goodbye, end = read("version_1_agent")
    assert (greeting.speaker, greeting.at, greeting.cut) == ("bot", 0.05, True)
    assert greeting.text == "Thank you for calling, please tell me what"
    assert greeting.unheard == "you need or key in your number."
    assert (said.speaker, said.text) == ("caller", "I would like an appointment please.")
    assert (keys.speaker, keys.text) == ("caller", "1234")
    assert (answer.text, answer.unheard, answer.cut) == ("Please key in your number now.", "", False)
    assert goodbye.text == "Goodbye."
    assert (end.speaker, end.text) == ("call", "hung up: agent (booked)")
    assert [line.at for line in read("version_1_agent")] == sorted(line.at for line in read("version_1_agent"))


def test_decisions_are_told_when_they_are_asked_for() -> None:
    told = [line.text for line in read("version_1_drain", decisions=True) if line.speaker == "call"]
    assert any(text.startswith("false alarm (") for text in told)
    assert any(text.startswith("turn over (because sounds finished") for text in told)
    assert [line.text for line in read("version_1_drain") if line.speaker == "call"] == ["hung up: drain"]


def test_a_damaged_record_is_read_up_to_the_damage() -> None:
    lines = (RECORDS / "version_1_agent.jsonl").read_bytes().splitlines()
    whole = read("version_1_agent")
    torn = transcript([*lines[:200], lines[200][:25]])
    assert torn[0].text == whole[0].text
    assert torn[-1].text.startswith("the record is damaged: line 201: not JSON")


@pytest.mark.parametrize("head", [b"", b"[]", json.dumps({"bridge_record": 99, "settings": {}}).encode()])
def test_what_is_no_record_is_refused(head: bytes) -> None:
    with pytest.raises(BadMessage):
        transcript([head])


def test_what_the_caller_did_not_wait_for_is_told() -> None:
    lines = (RECORDS / "version_1_agent.jsonl").read_bytes().splitlines()
    at = next(index for index, line in enumerate(lines) if b'"Please' in line and b"speech_arrived" in line) + 12
    closed = json.dumps({"at": json.loads(lines[at])["at"], "event": {"type": "stream_closed", "reason": "lost"}})
    *_, last, end = transcript([*lines[:at], closed.encode()])
    assert end.text == "the stream ended: lost"
    assert last.speaker == "caller" or last.unheard


def recorded(phone: Phone) -> list[TranscriptLine]:
    """What is read in the record of a call on this phone."""
    lines = [header(phone.settings, audio_format=phone.line.audio_format, pacing=phone.line.pacing)]
    for at, event, commands in phone.log:
        lines += [event_line(event, at), *(command_line(command, at) for command in commands)]
    return transcript(lines)


GREETING = "Good morning."
ON = "Is somebody there?"


def spoken_to(settings: CallSettings | None = None) -> Phone:
    """A call whose agent says one sentence after another; nobody understands its caller."""
    phone = Phone(lambda prompt: [Say(GREETING if prompt.kind == "call_started" else ON)], settings)
    phone.recognises = lambda since: ""
    phone.answers()
    phone.wait(3)
    phone.caller_speaks(1.2)
    phone.wait(6)
    return phone


def told(lines: list[TranscriptLine]) -> list[tuple[str, str]]:
    return [(line.speaker, line.text) for line in lines if line.speaker != "call"]


@pytest.mark.parametrize(
    ("settings", "seen", "answer"),
    [
        (CallSettings(), "(nothing understood)", "Sorry, could you say that again?"),
        (CallSettings(not_understood=""), "(nothing understood)", GREETING),
        (CallSettings(listens=False), "(spoke)", ON),
    ],
)
def test_that_somebody_spoke_is_seen_where_not_a_word_is_known(settings: CallSettings, seen: str, answer: str) -> None:
    lines = recorded(spoken_to(settings))
    assert told(lines)[:2] == [("bot", GREETING), ("caller", seen)]
    assert ("bot", answer) in told(lines)
    assert lines[1].at == pytest.approx(3.0, abs=0.4)
    assert [line.at for line in lines] == sorted(line.at for line in lines)


def test_agents_are_not_told_of_turns_without_words() -> None:
    phone = spoken_to(CallSettings(listens=False))
    assert phone.call.transcript() == (Spoken("bot", f"{GREETING} {ON}"),)
    assert [one.text for one in phone.call.conversation()] == [GREETING, "(spoke)", ON]


def test_a_sound_that_broke_the_bot_off_stands_between_what_was_said_before_it_and_the_rest() -> None:
    words = " ".join(f"word{number}" for number in range(20))
    phone = Phone(lambda prompt: [Say(words)])
    phone.recognises = lambda since: ""
    phone.answers()
    phone.wait(2)
    phone.caller_speaks(0.6)
    phone.wait(8)
    (_, before), noise, (_, rest) = told(recorded(phone))
    assert noise == ("caller", "(nothing understood)")
    assert before
    assert f"{before} {rest}".split() == words.split()
    assert [line.unheard for line in recorded(phone)] == ["", "", ""]


def test_a_turn_without_words_is_taken_back_and_not_the_one_with_words_before_it() -> None:
    ledger = Ledger()
    ledger.caller_said("Yes.")
    ledger.caller_said("")
    ledger.withdraw_caller()
    assert ledger.history() == (Spoken("caller", "Yes."),)
