"""What a report says of a call: who said what when, as the caller heard it, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bridge.call.account import AgentAccount, ToolUse
from bridge.call.actions import Action, HangUp, Prompt, Say, Transfer
from bridge.call.commands import Command
from bridge.call.events import Event
from bridge.call.machine import Call
from bridge.call.states import EndReason
from bridge.telemetry.after_call.reporter import CallReporter
from tests.call.phone import Phone

GREETING = "Thank you for calling the clinic, how can I help you today?"
ANSWER = "I have an opening on Tuesday at nine and another one on Thursday at half past two."


class Followed(Phone):
    """A call with a reporter at its side; reports are kept in a list."""

    def __init__(self, agent: Callable[[Prompt], list[Action]], **about: Any) -> None:
        self.posted: list[dict[str, Any]] = []
        self.reporter = CallReporter(
            self, lambda: 1_800_000_000.0 + getattr(self, "now", 0.0), call_id="CA1", carrier="x", **about
        )
        super().__init__(agent)
        receive = self.call.receive
        call: Call = self.call

        def followed(event: Event, now: float) -> list[Command]:
            commands = receive(event, now)
            self.reporter.saw(event, commands, call, now)
            return commands

        self.call.receive = followed  # type: ignore[method-assign]

    def put(self, identifier: str, body: bytes) -> None:
        self.posted.append(json.loads(body))
        assert self.posted[-1]["id"] == identifier

    def ends(self, why: EndReason = EndReason.CALLER, said: str = "", account: AgentAccount | None = None) -> Any:
        self.reporter.ended(self.call, why, said, account or AgentAccount(), {}, self.now)
        return self.posted[-1]


def receptionist(prompt: Prompt) -> list[Action]:
    match prompt.kind:
        case "call_started":
            return [Say(GREETING)]
        case "caller_said":
            return [Say(ANSWER)]
        case "digits" if prompt.text == "0":
            return [Transfer("+15550100")]
        case _:
            return [Say("Goodbye."), HangUp("done")]


def test_a_whole_conversation_with_the_times_of_its_words() -> None:
    phone = Followed(receptionist)
    phone.answers()
    phone.wait(6)
    phone.caller_speaks(1.5)
    phone.wait(12)
    told = phone.ends()
    greeting, question, answer = told["transcript"]
    assert (greeting["speaker"], greeting["text"]) == ("agent", GREETING)
    assert (question["speaker"], question["text"]) == ("caller", "I would like an appointment please.")
    assert (answer["speaker"], answer["text"]) == ("agent", ANSWER)
    assert [word for word, _, _ in answer["words"]] == ANSWER.split()
    for turn, number in ((greeting, 1), (answer, 2)):
        played = [piece for piece in phone.line.played if piece.utterance == number]
        assert turn["start_s"] == pytest.approx(played[0].start, abs=0.1), "when it was in the ear, not when sent"
        assert turn["end_s"] == pytest.approx(played[-1].end, abs=0.1)
        times = [time for _, start, end in turn["words"] for time in (start, end)]
        assert times == sorted(times)
    assert question["start_s"] == pytest.approx(6.0, abs=0.05)
    assert question["end_s"] < answer["start_s"]
    assert question["end_s"] - question["start_s"] == pytest.approx(1.5, abs=0.3)
    assert told["outcome"] == {"why": "caller"}
    assert (told["type"], told["call_id"], told["started_at"]) == ("call.ended", "CA1", "2027-01-15T08:00:00.000Z")


def test_an_interrupted_answer_says_what_was_not_heard() -> None:
    phone = Followed(receptionist)
    phone.answers()
    phone.wait(1.5)
    phone.caller_speaks(1.5)
    phone.wait(4)
    greeting = phone.ends()["transcript"][0]
    assert greeting["interrupted"]
    assert f"{greeting['text']} {greeting['unheard']}" == GREETING
    assert [word for word, _, _ in greeting["words"]] == greeting["text"].split()
    assert 0 < len(greeting["words"]) < len(GREETING.split())


def test_keys_are_a_turn_of_the_caller() -> None:
    phone = Followed(receptionist)
    phone.answers()
    phone.wait(5)
    phone.presses("12", 0.4)
    phone.wait(8)
    _, keys, goodbye = phone.ends(EndReason.AGENT, "done")["transcript"]
    assert (keys["speaker"], keys["text"]) == ("caller", "12")
    assert 4.9 < keys["start_s"] < keys["end_s"] < goodbye["start_s"]


def test_whom_the_caller_was_connected_with() -> None:
    phone = Followed(receptionist)
    phone.answers()
    phone.wait(5)
    phone.presses("0")
    phone.wait(5)
    assert phone.ends(EndReason.TRANSFER)["outcome"] == {"why": "transfer", "transferred_to": "+15550100"}


def test_what_the_agent_has_to_tell() -> None:
    phone = Followed(receptionist, parameters={"ref": "7"}, record="records/CA1.jsonl", recording="calls/CA1.wav")
    phone.answers()
    account = AgentAccount({"day": "Tuesday"}, (ToolUse("order", '{"id":4}', "found"),), {"money": 0.02}, "to billing")
    told = phone.ends(EndReason.AGENT, "done", account)
    assert told["slots"] == {"day": "Tuesday"}
    assert told["tools"] == [{"name": "order", "arguments": '{"id":4}', "result": "found"}]
    assert told["costs"] == {"money": 0.02}
    assert told["outcome"] == {"why": "agent", "said": "done", "handoff": "to billing"}
    assert (told["parameters"], told["record"], told["recording"]) == (
        {"ref": "7"},
        "records/CA1.jsonl",
        "calls/CA1.wav",
    )


def test_which_agent_of_a_team_said_what() -> None:
    phone = Followed(lambda prompt: [Say("Reception.", by="desk"), Say("Billing.", by="billing")])
    phone.answers()
    phone.wait(3)
    assert [(turn["by"], turn["text"]) for turn in phone.ends()["transcript"]] == [
        ("desk", "Reception."),
        ("billing", "Billing."),
    ]
    assert [one.by for one in phone.call.transcript()] == ["desk", "billing"]


def test_words_are_left_out_where_nobody_wants_them() -> None:
    phone = Followed(receptionist, words=False)
    phone.answers()
    phone.wait(6)
    (greeting,) = phone.ends()["transcript"]
    assert "words" not in greeting
    assert greeting["end_s"] > greeting["start_s"]


def test_an_endless_transcript_loses_its_beginning() -> None:
    phone = Followed(lambda prompt: [])
    phone.answers()
    phone.call.ledger.caller_said("first")
    for _ in range(100):
        phone.call.ledger.caller_said("x" * 9000)
    told = phone.ends()
    assert told["cut"]
    assert len(json.dumps(told)) < 500_000
    assert told["transcript"][-1]["text"] == "x" * 9000


def test_what_cannot_be_followed_is_reported_without_times(monkeypatch: pytest.MonkeyPatch) -> None:
    phone = Followed(receptionist)

    def breaks(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(type(phone.reporter._follower), "saw", breaks)
    phone.answers()
    phone.wait(6)
    assert phone.ends()["transcript"][0]["text"] == GREETING
