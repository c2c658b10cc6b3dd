"""What a chat model is told of a long call: bounded, and with a beginning that servers can keep."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bridge.agents.base import CallInfo
from bridge.agents.chat_dialects import request_body
from bridge.agents.chat_memory import ChatMemory
from bridge.agents.chat_prompts import Exchange, as_messages
from bridge.agents.settings import CallBudget, ChatSettings
from bridge.call.actions import Prompt, Spoken

MOST = 2000
INFO = CallInfo(call_id="CA1")


def exchange(place: int, turn: int, result: str, *, kept: bool = False) -> Exchange:
    function = {"name": "find_order", "arguments": f'{{"number": "{turn:06}"}}'}
    called = {"id": f"c{turn}", "type": "function", "function": function}
    return Exchange(
        place,
        turn,
        [
            {"role": "assistant", "content": None, "tool_calls": [called]},
            {"role": "tool", "tool_call_id": f"c{turn}", "name": "find_order", "content": result},
        ],
        kept,
    )


def long_call(memory: ChatMemory, turns: int, settings: ChatSettings) -> list[list[dict[str, Any]]]:
    """The messages of each request of a call in which every third turn looks an order up, and the first books."""
    history: tuple[Spoken, ...] = ()
    requests = []
    for turn in range(1, turns + 1):
        said = f"And what about order number {turn}, please?"
        prompt = Prompt("caller_said", said, history, turn=turn)
        memory.begin(prompt)
        requests.append(as_messages(settings, INFO, prompt, memory.exchanges, "", memory.told_from))
        if turn % 3 == 1:
            memory.add(exchange(len(history) + 1, turn, f"result {turn} " * 10, kept=turn == 1))
        history += (Spoken("caller", said), Spoken("bot", f"Order {turn} is on its way to you."))
    return requests


def size(messages: list[dict[str, Any]]) -> int:
    return sum(len(message["content"] or "") for message in messages)


def test_a_long_call_is_told_within_its_budget_and_hardly_ever_begins_otherwise() -> None:
    settings = ChatSettings(model="m", instructions="Be kind.", history_characters=MOST)
    memory = ChatMemory(CallBudget(), MOST)
    requests = long_call(memory, 200, settings)
    assert max(map(size, requests)) < MOST + 400, "with instructions, the question, and the booking"
    changed = [
        number
        for number, (before, after) in enumerate(itertools.pairwise(requests))
        if before[:-1] != after[: len(before) - 1]
    ]
    assert 5 < len(changed) < 200 * 130 / (MOST / 2), "once in so many turns as fill half of the budget"
    booked = [message for message in requests[-1] if "result 1 result 1" in str(message["content"])]
    assert len(booked) == 1, "what changed the world stays known"
    told = str(requests[-1])
    assert "order number 200" in told
    assert "order number 2," not in told
    assert "left out" in told
    assert len(memory.account().tools) == 67, "they are all told of after the call"


def test_a_short_call_is_told_whole_however_many_tools_were_called() -> None:
    settings = ChatSettings(model="m", instructions="Be kind.")
    requests = long_call(ChatMemory(CallBudget(), settings.history_characters), 60, settings)
    assert sum(message["role"] == "tool" for message in requests[-1]) == 20
    for before, after in itertools.pairwise(requests):
        assert before[:-1] == after[: len(before) - 1]


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
def test_a_shortened_history_is_a_request_that_each_vendor_takes(dialect: Any) -> None:
    settings = ChatSettings(model="m", instructions="Be kind.", dialect=dialect, history_characters=MOST)
    for messages in long_call(ChatMemory(CallBudget(), MOST), 60, settings):
        body = request_body(settings, messages, [])
        if dialect == "openai":
            asked = {call["id"] for each in body["messages"] for call in each.get("tool_calls") or ()}
            given = {each["tool_call_id"] for each in body["messages"] if each["role"] == "tool"}
            assert asked == given
            continue
        roles = [each["role"] for each in body["messages" if dialect == "anthropic" else "contents"]]
        assert roles[0] == "user"
        assert all(one != other for one, other in itertools.pairwise(roles))


def test_what_is_left_out_stays_left_out_in_another_process() -> None:
    memory = ChatMemory(CallBudget(), MOST)
    long_call(memory, 60, ChatSettings(model="m", history_characters=MOST))
    assert memory.told_from > 0
    other = ChatMemory(CallBudget(), MOST)
    other.resume(memory.state())
    assert other.told_from == memory.told_from
    assert len(other.exchanges) == len(memory.exchanges)
