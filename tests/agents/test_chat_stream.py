"""What chat servers really send: each quirk a row, each broken answer a row."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.agents.base import AgentError, Failure
from bridge.agents.chat_calls import ToolCalls, meant
from bridge.agents.chat_stream import ChatStream, InlineThoughts

TOOLS = frozenset({"hang_up", "expect", "transfer"})
DONE = "data: [DONE]"


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> str:
    return "data: " + json.dumps({"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more})


def said(text: str) -> str:
    return chunk({"content": text})


def call(**piece: Any) -> str:
    return chunk({"tool_calls": [piece]})


def both(delta: str, message: str) -> str:
    return "data: " + json.dumps({"choices": [{"delta": {"content": delta}, "message": {"content": message}}]})


STOP = chunk(finish="stop")
CALLED = chunk(finish="tool_calls")


def read(*lines: str | bytes) -> tuple[str, list[tuple[str, str]]]:
    """What is spoken, and which tools are called, by these events with empty lines between them."""
    stream = ChatStream(TOOLS)
    words = ""
    for event in lines:
        for line in (event if isinstance(event, bytes) else event.encode()).split(b"\n"):
            words += stream.line(line)
        words += stream.line(b"")
        if stream.done:
            break
    words += stream.close()
    return words, [(each.name, each.arguments) for each in stream.tool_calls()]


def together(lines: list[str]) -> str:
    """What is spoken by these lines without empty ones between them."""
    stream = ChatStream(TOOLS)
    words = "".join(stream.line(line.encode()) for line in lines)
    return words + stream.line(b"") + stream.close()


@pytest.mark.parametrize(
    "lines",
    [
        [said("Good day."), STOP, DONE],
        [said("Good day."), STOP],  # no [DONE]
        [said("Good day."), DONE],  # no finish_reason
        [said("Good day."), STOP, "data:[DONE]"],
        [said("Good day."), STOP, "data: [DONE]extra"],
        [said("Good day."), 'data: "[DONE]"'],
        [said("Good day."), "data:[done]"],
        [said("Good day."), chunk(finish="FinishReason.STOP")],
        [said("Good"), chunk({"content": " day."}, finish="null"), STOP],  # DashScope, before the end
        ['data: ""', "data: []", "data: {}", said("Good day."), STOP],
        ["data: " + said("Good day."), STOP],
        [b"\xef\xbb\xbf" + said("Good day.").encode(), b"\xef\xbb\xbf" + STOP.encode()],
        [b"data: \xef\xbb\xbf" + said("Good day.").encode()[6:], STOP],
        [both("Good", "Good"), both(" day.", "Good day."), both("", "Good day."), STOP],  # Perplexity
        [said("Good day."), 'data: {"choices": [{"message": {"content": "Good day."}, "finish_reason": "stop"}]}'],
        ['data: {"choices": [{"delta": null, "text": "Good day."}]}', STOP],
        [chunk({"content": [{"type": "text", "text": {"value": "Good day."}}]}), STOP],
        [chunk({"content": [{"type": "text", "content": "Good day."}]}), STOP],
        [chunk({"content": [{"type": "output_text", "text": "Good day."}]}), STOP],
        [chunk({"content": [{"text": "hm", "thought": True}, {"text": "Good day."}]}), STOP],
        [chunk({"content": [{"type": "reasoning_text", "text": "hm"}, {"type": "text", "text": "Good day."}]}), STOP],
        [chunk({"content": [{"type": "summary_text", "text": "hm"}]}), said("Good day."), STOP],
        [call(index=0, id="a", function=None), said("Good day."), STOP],
        ['data: {"code": 0, "message": "Success", "sid": "x"}', said("Good day."), STOP],
        [b'data: {"choices":[{"delta":{"content":"Good day."},"logprobs":NaN,"x":"\x07"}]}', STOP],
        ["data:", "data: ", ": OPENROUTER PROCESSING", said("Good day."), STOP],
        ['data: {"choices": [], "prompt_filter_results": []}', said("Good day."), STOP],
        ['data: {"choices": null}', said("Good day."), STOP],
        ['data: {"id": "x"}', said("Good day."), STOP, 'data: {"usage": {"total_tokens": 3}}'],
        ['data: {"choices": [null]}', 'data: {"choices": {}}', said("Good day."), STOP],
        ["data: null", said("Good day."), STOP],
        ['data: {"choices": [{"delta": null}]}', said("Good day."), STOP],
        ['data: {"choices": [{"index": 0}]}', said("Good day."), STOP],
        [chunk({"role": "assistant", "content": None}), said("Good day."), STOP],
        [chunk({"content": "Good day.", "tool_calls": None, "function_call": None}), STOP],
        [chunk({"content": "Good day.", "tool_calls": []}), STOP],
        [chunk({"content": "Good day.", "tool_calls": [None]}), STOP],
        [chunk({"content": [{"type": "text", "text": "Good day."}]}), STOP],
        [chunk({"content": [{"type": "text", "text": "Good "}, {"type": "text", "text": "day."}]}), STOP],
        [chunk({"content": [{"type": "thinking", "thinking": "hm"}, "Good day."]}), STOP],
        [chunk({"content": {"type": "text", "text": "Good day."}}), STOP],
        [chunk({"content": [7, None, {"type": "image_url"}]}), said("Good day."), STOP],
        [chunk({"content": 7}), said("Good day."), STOP],
        [chunk({"refusal": "Good day."}), STOP],
        [chunk({"content": "Good day."}, error=None), STOP],
        [chunk({"content": "Good day."}, finish="stop", error={}), DONE],
        [chunk({"reasoning_content": "Let me think."}), said("Good day."), STOP],
        [chunk({"reasoning": "Let me think.", "reasoning_details": [{}]}), said("Good day."), STOP],
        [said("<think>Let me"), said(" think.</th"), said("ink>Good day."), STOP],
        [said("Good day."), STOP, chunk({}, content_filter_offsets={})],  # Azure, after the end
        [said("Good day."), chunk(finish=""), chunk(finish="eos")],
        [said("Good day."), chunk({"content": ""}, finish="end_turn"), DONE],
        [b'data: {"choices":[{"delta":{"content":"Good\\ud83d day."}}]}', STOP],
        [b'data: {"choices":[{"delta":{"content":"Good day."},"finish_reason":"stop"}],"extra":"\xff"}'],
        ["event: message", said("Good day."), "id: 4", STOP],
        ["event: ping\ndata: pong", said("Good day."), STOP],
        ["event: heartbeat\ndata: 1700000000", said("Good day."), STOP],
        ["event: keep-alive\ndata: [1]", said("Good day."), STOP],
        ["event: ping\n" + said("Good day."), STOP],
        [said("Good day."), 'data: {"choices": [{"index": 1, "delta": {"content": "Bad day."}}]}', STOP],  # n > 1
        ['data: {"choices": [{"delta": {"content": "Good day."}}, {"delta": {"content": "Bad day."}}]}', STOP],
        ['data: {"choices": {"delta": {"content": "Good day."}, "finish_reason": "stop"}}'],
        ['{"choices": [{"message": {"content": "Good day."}, "finish_reason": "stop"}]}'],  # does not stream
        [said("Good")[6:], said(" day.")[6:], STOP[6:]],  # JSON lines
        ['data: {"choices": [{"index": 0, "delta": "Good day."}]}', STOP],
        ['data: {"choices": [{"index": null, "delta": {"content": "Good"}}]}', said(" day."), STOP],
        [said("Good"), 'data: {"choices": [{"index": null, "delta": {"content": " day."}}]}', STOP],
        [said("Good"), 'data: {"choices": [{"index": "0", "delta": {"content": " day."}}]}', STOP],
        [chunk({"content": "Good day."}, base_resp={"status_code": 0, "status_msg": ""}), STOP],  # MiniMax
        ['data: {"code": 200, "status": "ok", "choices": []}', said("Good day."), STOP],
        ['data: {"default": 1, "id": "x"}', said("Good day."), STOP],
    ],
)
def test_oddities_do_not_spoil_a_good_answer(lines: list[str | bytes]) -> None:
    assert read(*lines) == ("Good day.", [])


@pytest.mark.parametrize(
    "lines",
    [
        ["{", '  "choices": [{"message": {"content":', '  "Good day."}, "finish_reason": "stop"}]', "}"],
        ["data: {", 'data: "choices": [{"delta": {"content": "Good day."}, "finish_reason": "stop"}]}'],
        [said("Good "), said("day."), STOP, DONE],
    ],
)
def test_lines_that_belong_together_and_lines_that_should_not_stand_together(lines: list[str]) -> None:
    assert together(lines) == "Good day."


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ([], Failure.BROKEN_STREAM),
        ([": ping", ": ping"], Failure.BROKEN_STREAM),
        ([said("Good")], Failure.BROKEN_STREAM),
        ([said("Good"), chunk(finish="")], Failure.BROKEN_STREAM),
        ([said("Good"), chunk({"content": None}, finish=None)], Failure.BROKEN_STREAM),
        ([call(index=0, id="a", function={"name": "hang_up", "arguments": ""})], Failure.BROKEN_STREAM),
        (['data: {"error": {"message": "overloaded", "code": 503}}'], Failure.SERVICE_ERROR),
        (['data: {"error": "overloaded"}'], Failure.SERVICE_ERROR),
        (['data: {"error": ["overloaded"]}'], Failure.SERVICE_ERROR),
        (['data: [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}]'], Failure.SERVICE_ERROR),
        (['data: {"object": "error", "message": "no", "code": 400}'], Failure.SERVICE_ERROR),
        (['data: {"type": "error", "error": {"type": "overloaded_error"}}'], Failure.SERVICE_ERROR),
        (['data: {"message": "no"}'], Failure.SERVICE_ERROR),
        (['data: {"detail": [{"msg": "field required"}]}'], Failure.SERVICE_ERROR),
        (["event: error", "data: overloaded"], Failure.SERVICE_ERROR),
        (["event: error", 'data: {"a": 1}'], Failure.SERVICE_ERROR),
        (['error: {"code": 500, "message": "slot"}'], Failure.SERVICE_ERROR),
        ([said("Good"), 'data: {"error": {"message": "late"}}', STOP], Failure.SERVICE_ERROR),
        ([said("Good"), chunk(finish="error")], Failure.SERVICE_ERROR),
        ([said("Good"), chunk({}, finish="error", error={"code": 502})], Failure.SERVICE_ERROR),
        ([said("Good"), chunk(finish="null")], Failure.BROKEN_STREAM),
        ([said("Good"), chunk(finish="abort"), DONE], Failure.BROKEN_STREAM),  # vLLM
        ([said("Good"), chunk(finish="insufficient_system_resource"), DONE], Failure.SERVICE_ERROR),  # DeepSeek
        ([said("Good"), chunk(finish="network_error"), DONE], Failure.SERVICE_ERROR),  # Zhipu
        ([call(index=0, id="a", function={"name": "hang_up", "arguments": ""}), DONE], Failure.BROKEN_STREAM),
        (["Internal Server Error"], Failure.UNREADABLE_EVENT),
        (["<html><body>502 Bad Gateway</body></html>"], Failure.UNREADABLE_EVENT),
        (['{"error": {"message": "no such model"}}'], Failure.SERVICE_ERROR),
        (['[{"error": {"message": "no such model"}}]'], Failure.SERVICE_ERROR),
        (['"hello"'], Failure.UNREADABLE_EVENT),
        (["data: hello"], Failure.UNREADABLE_EVENT),
        (["data: {"], Failure.UNREADABLE_EVENT),
        (["data: 7"], Failure.UNREADABLE_EVENT),
        (['data: "hello"'], Failure.UNREADABLE_EVENT),
    ],
)
def test_a_broken_answer_is_an_error_of_a_kind(lines: list[str], kind: Failure) -> None:
    with pytest.raises(AgentError) as broken:
        together(lines)
    assert broken.value.kind is kind
    for word in ("overloaded", "late", "no such model", "hello", "Bad Gateway", "Good"):
        assert word not in str(broken.value).replace("(overloaded_error)", ""), "words of others are private"


@pytest.mark.parametrize(
    "report",
    [
        ['data: {"code": 500, "msg": "x"}'],
        ['data: {"status": "error", "data": "x"}'],
        ['data: {"error_code": 336003, "error_msg": "x"}'],
        ['data: {"errorMessage": "x"}'],
        ['data: {"Error": {"Code": "x"}}'],
        ['data: {"Message": "x"}'],
        ['data: {"fault": {"faultstring": "x"}}'],
        ['data: {"exception": "x"}'],
        ['data: {"title": "Bad Gateway", "status": 502}'],
        ['data: {"success": false}'],
        ['data: {"reason": "overloaded"}'],
        ['data: {"event": "error", "data": "x"}'],
        ['data: {"type": "invalid_request_error"}'],
        ['data: {"response": {"error": {"message": "x"}}}'],
        ['data: {"error": true}'],
        ['data: {"choices": [], "message": "x"}'],
        ['data: {"choices": null, "detail": "x"}'],
        ['data: {"choices": [{"delta": {}, "error": {"code": 502, "message": "x"}}]}'],  # OpenRouter
        ['data: {"base_resp": {"status_code": 1008, "status_msg": "x"}, "choices": null}'],  # MiniMax
        ['data: {"status_code": 1004, "status_msg": "x"}'],
        ['data: {"result": {"code": 429}}'],
        ["event: error"],
        ["event: error", "data:"],
        ["event: error", "data: [DONE]"],
        ["event: Error", 'data: {"id": "x"}'],
        ["event: internal_error", 'data: {"id": "x"}'],
    ],
)
def test_an_error_in_any_shape_is_no_whole_answer_whatever_follows(report: list[str]) -> None:
    with pytest.raises(AgentError) as broken:
        together([said("Good"), "", *report, "", STOP, DONE])
    assert broken.value.kind is Failure.SERVICE_ERROR


@pytest.mark.parametrize(
    ("finish", "meant"),
    [
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),  # Mistral
        ("FinishReason.MAX_TOKENS", "length"),
        ("content_filter", "content_filter"),
        ("content-filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("sensitive", "content_filter"),  # Zhipu
        ("guardrail_intervened", "content_filter"),
    ],
)
def test_who_else_ended_an_answer_is_known_by_any_of_its_names(finish: str, meant: str) -> None:
    stream = ChatStream(TOOLS)
    stream.line(call(index=0, id="a", function=HANG_UP).encode())
    stream.line(call(index=1, id="b", function={"name": "expect", "arguments": '{"answer": "yes'}).encode())
    stream.line(chunk(finish=finish).encode())
    stream.close()
    assert stream.finish_reason == meant
    assert [each.name for each in stream.tool_calls()] == (["hang_up"] if meant == "length" else [])


def test_an_errors_code_is_shown_and_its_words_are_kept_apart() -> None:
    with pytest.raises(AgentError, match=r"reported an error \(503\)$") as broken:
        read('data: {"error": {"message": "call +15550142 later", "code": 503}}')
    assert "+15550142" in broken.value.quoted


NOTHING: list[Any] = ["{}", {}, "null", [], "[]", '""']
PARALLEL = [("expect", '{"answer":"yes_no"}'), ("hang_up", "{}")]
EXPECT = {"name": "expect", "arguments": '{"answer":"yes_no"}'}
HANG_UP = {"name": "hang_up", "arguments": "{}"}


@pytest.mark.parametrize(
    "lines",
    [
        [call(index=0, id="a", function=EXPECT), call(index=1, id="b", function=HANG_UP)],
        [call(index=0, id="a", function=EXPECT), call(index=0, id="b", function=HANG_UP)],  # Groq
        [call(id="a", function=EXPECT), call(id="b", function=HANG_UP)],
        [call(index=None, id="a", function=EXPECT), call(index=None, id="b", function=HANG_UP)],
        [call(index=0, function=EXPECT), call(index=0, function=HANG_UP)],  # no ids
        [call(function=EXPECT), call(function=HANG_UP)],
        [call(index=0, id="a", function=EXPECT), call(index=0, function=HANG_UP)],
        [call(index=0, function=EXPECT), call(index=0, id="b", function=HANG_UP)],
        [chunk({"tool_calls": [{"id": "a", "function": EXPECT}, {"id": "b", "function": HANG_UP}]})],
        [
            call(index=0, id="a", function={"name": "expect", "arguments": ""}),
            call(index=0, function={"arguments": '{"answer":'}),
            call(index=1, id="b", function={"name": "hang_up", "arguments": None}),
            call(index=0, function={"arguments": '"yes_no"}'}),
            call(index=1, function={"arguments": "{}"}),
        ],
        [  # the place as a text
            call(index="0", id="a", function={"name": "expect", "arguments": '{"answer":'}),
            call(index="1", id="b", function={"name": "hang_up", "arguments": "{"}),
            call(index="0", function={"arguments": '"yes_no"}'}),
            call(index="1", function={"arguments": "}"}),
        ],
        [call(id="x", function=EXPECT), call(id="x", function=HANG_UP)],  # one id for all
        [call(index=0, id=1, function=EXPECT), call(index=0, id=2, function=HANG_UP)],
        [  # pieces go by id where the index is always 0
            call(index=0, id="a", function={"name": "expect", "arguments": '{"answer":'}),
            call(index=0, id="b", function={"name": "hang_up", "arguments": "{}"}),
            call(index=0, id="a", function={"arguments": '"yes_no"}'}),
        ],
    ],
)
def test_parallel_calls_are_told_apart(lines: list[str]) -> None:
    assert read(*lines, CALLED) == ("", PARALLEL)


@pytest.mark.parametrize(
    "lines",
    [
        [call(index=0, id="a", function={"name": "expect", "arguments": {"answer": "yes_no"}})],  # an object
        [
            call(index=0, id="a", function={"name": "expect", "arguments": None}),
            call(index=0, function={"arguments": '{"answer":"yes_no"}'}),
        ],
        [  # all so far, each time
            call(index=0, id="a", function={"name": "expect", "arguments": '{"ans'}),
            call(index=0, id="a", function={"name": "expect", "arguments": '{"answer":"yes'}),
            call(index=0, id="a", function={"name": "expect", "arguments": '{"answer":"yes_no"}'}),
            call(index=0, id="a", function={"name": "expect", "arguments": '{"answer":"yes_no"}'}),
        ],
        [  # the same without ids
            call(function={"name": "expect", "arguments": '{"answer":"yes'}),
            call(function={"name": "expect", "arguments": '{"answer":"yes_no"}'}),
        ],
        [  # the name in each piece: llama.cpp
            call(index=0, id="a", function={"name": "expect", "arguments": '{"answer"'}),
            call(index=0, function={"name": "expect", "arguments": ':"yes_no"}'}),
        ],
        [  # the name in pieces
            call(index=0, id="a", function={"name": "exp"}),
            call(index=0, function={"name": "ect", "arguments": '{"answer":"yes_no"}'}),
        ],
        [chunk({"function_call": {"name": "expect", "arguments": '{"answer":"yes_no"}'}})],
        [  # an id of its own for each piece
            call(index=0, id="a", function={"name": "expect", "arguments": '{"answer"'}),
            call(index=0, id="b", function={"arguments": ':"yes_'}),
            call(index=0, id="c", function={"name": "", "arguments": 'no"}'}),
            call(index=0, id="d", function={"name": None, "arguments": ""}),
        ],
        [  # the same without an index, and the name in each
            call(id="a", function={"name": "expect", "arguments": '{"answer"'}),
            call(id="b", function={"name": "expect", "arguments": ':"yes_no"}'}),
        ],
        [  # the same, all so far each time
            call(index=0, id="a", function={"name": "expect", "arguments": '{"ans'}),
            call(index=0, id="b", function={"name": "expect", "arguments": '{"answer":"yes_no"}'}),
        ],
        *(
            [  # something in place of nothing, before the arguments
                call(index=0, id="a", function={"name": "expect", "arguments": nothing}),
                call(index=0, function={"arguments": '{"answer":'}),
                call(index=0, function={"arguments": '"yes_no"}'}),
            ]
            for nothing in NOTHING
        ),
        [  # objects, all so far each time
            call(index=0, id="a", function={"name": "expect", "arguments": {"answer": "yes"}}),
            call(index=0, id="a", function={"name": "expect", "arguments": {"answer": "yes_no"}}),
        ],
        [  # in pieces, and then all of it as its server would write it
            call(index=0, id="a", function={"name": "expect", "arguments": '{ "answer"'}),
            call(index=0, id="a", function={"arguments": ': "yes_no"}'}),
            call(index=0, id="a", function={"name": "expect", "arguments": '{"answer":"yes_no"}'}),
        ],
        [
            call(index=0, id="a", function={"name": "expect", "arguments": '"{\\"answer\\":\\"yes_no\\"}"'})
        ],  # wrapped twice
        [call(index=0, id="a", function={"name": "expect", "arguments": '{"answer":"yes_no"}\n\n'})],
        [call(index=0, id="a", function={"name": "expect", "arguments": '{"answer":"yes_no\\ud83d"}'})],
        [call(index=0, id="a", function=EXPECT), chunk({"tool_calls": [{}, {"index": 1}, {"function": {"name": ""}}]})],
        [call(index=0, id="a", name="expect", arguments='{"answer":"yes_no"}')],  # no object around them
        [  # in the whole message alone that comes behind the deltas
            said(""),
            'data: {"choices": [{"delta": {}, "message": {"tool_calls": [{"id": "a", "function": '
            '{"name": "expect", "arguments": "{\\"answer\\":\\"yes_no\\"}"}}]}}]}',
        ],
        [chunk({"tool_calls": {"index": 0, "id": "a", "function": EXPECT}})],  # no list around it
        [call(index=0, id=7, function={"name": "expect", "arguments": '{"answer":"yes_no"}'}, type=None)],
    ],
)
def test_one_call_stays_one_call(lines: list[str]) -> None:
    assert read(*lines, CALLED) == ("", [("expect", '{"answer":"yes_no"}')])
    assert read(*lines, STOP) == ("", [("expect", '{"answer":"yes_no"}')])  # Gemini says `stop`


@pytest.mark.parametrize("place", [{}, {"index": 0}, {"index": None}])
@pytest.mark.parametrize(
    "steps",
    [
        [{"answer": "yes_no"}],
        [{}, {"answer": "yes_no"}],
        [{"answer": "yes_no"}, {"answer": "yes_no"}],
        [{"a": {}}, {"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}],
        [{"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}],
        [{"answer": "y"}, {"answer": "yes"}, {"answer": "yes_no"}],
        [{"answer": ""}, {"answer": "yes_no"}],
        [{"answer": None}, {"answer": "yes"}, {"answer": "yes_no", "likely": None}],
        [{"of": []}, {"of": ["Mo"]}, {"of": ["Monday"]}, {"of": ["Monday", "Tu"]}, {"of": ["Monday", "Tuesday"]}],
        [{"a": {"b": "Gr\u00fc"}}, {"a": {"b": "Gr\u00fc\u00dfe"}}],
        [{"a": {"b": "c"}, "d": True}, {"a": {"b": "cd"}, "d": True, "e": ""}],
    ],
)
@pytest.mark.parametrize("written", [dict, json.dumps])
def test_arguments_that_come_as_a_whole_object_with_more_in_it_each_time_are_one_call(
    steps: list[dict[str, Any]], place: dict[str, Any], written: Callable[[Any], Any]
) -> None:
    calls = ToolCalls(TOOLS)
    for step in steps:
        calls.add({**place, "function": {"name": "expect", "arguments": written(step)}})
    assert [json.loads(one.arguments) for one in calls.settled("tool_calls")] == [steps[-1]]


@pytest.mark.parametrize("nothing", ["", "null", '""', "[]", [], None, {}, "{}"])
def test_a_call_without_arguments_has_none_however_they_are_written(nothing: Any) -> None:
    calls = ToolCalls(TOOLS)
    calls.add({"index": 0, "id": "a", "function": {"name": "hang_up", "arguments": nothing}})
    assert [(one.name, one.arguments) for one in calls.settled("stop")] in ([("hang_up", "")], [("hang_up", "{}")])


def test_calls_of_one_tool_with_something_else_each_are_several_without_ids_too() -> None:
    calls = ToolCalls(TOOLS)
    for answer in ("yes_no", "digits", "yes_no"):
        calls.add({"function": {"name": "expect", "arguments": {"answer": answer, "of": {"them": 1}}}})
    assert len(calls.settled("tool_calls")) == 3


def test_of_an_answer_cut_off_by_its_length_only_whole_calls_are_carried_out() -> None:
    lines = [
        call(index=0, id="a", function=EXPECT),
        call(index=1, id="b", function={"name": "hang_up", "arguments": ""}),
        call(index=2, id="c", function={"name": "transfer", "arguments": '{"target": "des'}),
    ]
    assert read(*lines, chunk(finish="length")) == ("", [("expect", '{"answer":"yes_no"}')])


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("hang_up", "hang_up"),
        ("functions.hang_up", "hang_up"),
        ("default_api:hang_up", "hang_up"),
        ("functions.hang_up:0", "hang_up"),
        ("hang_up<|channel|>commentary", "hang_up"),
        (" hang_up\n", "hang_up"),
        ('"hang_up"', "hang_up"),
        ("hang_up_now", "hang_up_now"),
        ("expect.hang_up", "expect.hang_up"),
        ("no_such_tool", "no_such_tool"),
        ("", ""),
    ],
)
def test_a_tool_is_known_by_its_name_among_the_signs_of_a_models_own_format(name: str, tool: str) -> None:
    assert meant(name, TOOLS) == tool


def test_a_tool_call_comes_whole_behind_words_that_were_streamed() -> None:
    message = {"content": "Good day.", "tool_calls": [{"id": "a", "function": EXPECT}]}
    whole = "data: " + json.dumps({"choices": [{"delta": {}, "message": message, "finish_reason": "tool_calls"}]})
    assert read(said("Good "), said("day."), whole) == ("Good day.", [("expect", EXPECT["arguments"])])
    assert read(said("Good day."), call(index=0, id="a", function=EXPECT), whole)[1] == [
        ("expect", EXPECT["arguments"])
    ]


def test_too_many_and_too_long_calls_are_refused() -> None:
    calls = ToolCalls(TOOLS)
    for count in range(16):
        calls.add({"index": count, "function": HANG_UP})
    with pytest.raises(AgentError, match="more than 16 tool calls"):
        calls.add({"index": 16, "function": HANG_UP})
    with pytest.raises(AgentError, match="more than 16384 characters"):
        calls.add({"index": 0, "function": {"arguments": "x" * 17_000}})


@pytest.mark.parametrize(
    ("line", "lively"),
    [
        (said("Good"), True),
        (said(" "), False),
        (said("\n\n"), False),
        (said(""), False),
        (chunk({"role": "assistant"}), False),
        (chunk({"reasoning_content": "hm"}), True),
        (chunk({"reasoning_content": ""}), False),
        (chunk({"reasoning_content": " "}), False),
        (chunk({"reasoning_details": [{"type": "reasoning.text", "text": ""}]}), False),
        (chunk({"reasoning_text": "hm"}), True),
        (chunk({"thought": "hm"}), True),
        (chunk({"reasoning": {"text": "hm"}}), True),
        (chunk({"thinking_blocks": [{"type": "thinking", "thinking": "hm"}]}), True),
        (chunk({"reasoning_steps": [1]}), True),
        (chunk({"content": [{"type": "thinking", "thinking": ""}]}), False),
        (said("..."), False),
        (said("\u200b"), False),
        (said("\ufeff"), False),
        (chunk({"tool_calls": [{}]}), False),
        (call(index=0, function={"arguments": "  "}), False),
        (chunk({"reasoning_details": [{"text": "hm"}]}), True),
        (said("<think>hm"), True),
        (chunk({"content": [{"type": "thinking", "thinking": "hm"}]}), True),
        (call(index=0, function={"name": "hang_up"}), True),
        (": ping", False),
        ("data:", False),
        ("event: ping", False),
        ('data: {"choices": []}', False),
        ('data: {"usage": {}}', False),
    ],
)
def test_words_and_thoughts_are_life_and_nothing_else_is(line: str, lively: bool) -> None:
    stream = ChatStream(TOOLS)
    stream.line(line.encode())
    assert stream.lively is lively


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello.", "Hello."),
        ("<think>No.</think>Hello.", "Hello."),
        ("Well, <thinking>no</thinking>hello.", "Well, hello."),
        ("1 < 2 and <b>bold</b>", "1 < 2 and <b>bold</b>"),
        ("<think>never ends", ""),
        ("ends with <thin", "ends with <thin"),
        ("<think></think><think>x</think>", ""),
        ("</think>Hello.", "</think>Hello."),
    ],
)
def test_thoughts_in_the_text_are_not_spoken_wherever_it_is_cut(text: str, spoken: str) -> None:
    for size in (1, 2, 3, 7, 100):
        inline = InlineThoughts()
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert "".join(inline.feed(piece) for piece in pieces) + inline.close() == spoken


FIELDS = st.sampled_from(
    "choices delta message content tool_calls function name arguments index id finish_reason error type text".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.fixed_dictionaries({"choices": JSON}) | JSON, max_size=5))
def test_any_json_is_words_or_an_error_of_a_kind(values: list[Any]) -> None:
    with suppress(AgentError):
        words, calls = read(*(f"data: {json.dumps(value)}" for value in values), STOP)
        assert isinstance(words, str)
        assert all(isinstance(name, str) and isinstance(arguments, str) for name, arguments in calls)
