"""A record read as a conversation: who, when, what was heard, what was cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.call.transcript import TranscriptLine, transcript
from bridge.errors import BadMessage

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
