"""A model that holds the appointment dialogue with its tools, in each vendor's dialect."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

from tests.agents.doubles import Line, Server

Call = tuple[str, dict[str, Any]]

PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1/models/small:streamGenerateContent",
}


def says(heard: str, result: str) -> tuple[str, list[Call]]:
    """What the model answers to the last thing that happened: words, and calls of tools."""
    if "visit" in result:
        return "You are booked for Tuesday. Goodbye.", [("hang_up", {"reason": "booked"})]
    if result:
        state = json.loads(result)["state"]
        words = f"Your order is {state}. Press one for Tuesday or two for Thursday."
        return words, [("expect", {"answer": "digits", "digits": 1})]
    if pressed := re.search(r"keys: (\d+)", heard):
        if len(pressed[1]) == 6:
            return "", [("find_order", {"number": pressed[1]})]
        return "", [("book_visit", {"day": "Tuesday" if pressed[1] == "1" else "Thursday"})]
    return "Riverside Dental. Please enter your order number.", [("expect", {"answer": "digits", "digits": 6})]


def last(dialect: str, body: Any) -> tuple[str, str]:
    """The last words and the last result of a tool in a request; a result counts when nothing came after it."""
    match dialect:
        case "openai":
            message = body["messages"][-1]
            return ("", message["content"]) if message["role"] == "tool" else (message["content"], "")
        case "anthropic":
            content = body["messages"][-1]["content"]
            if isinstance(content, str):
                return content, ""
            return ("", content[-1]["content"]) if content[-1]["type"] == "tool_result" else (content[-1]["text"], "")
        case _:
            part = body["contents"][-1]["parts"][-1]
            answered = part.get("functionResponse")
            return ("", answered["response"]["result"]) if answered else (part["text"], "")


def events(dialect: str, words: str, calls: list[Call]) -> Iterator[str]:
    """The answer as this vendor streams it."""
    pieces = re.findall(r"\S+\s*", words)
    match dialect:
        case "openai":
            deltas: list[Any] = [{"content": piece} for piece in pieces]
            for index, (name, arguments) in enumerate(calls):
                function = {"name": name, "arguments": json.dumps(arguments)}
                deltas.append({"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]})
            for delta in deltas:
                yield f"data: {json.dumps({'choices': [{'delta': delta}]})}\n\n"
            yield f"data: {json.dumps({'choices': [{'delta': {}, 'finish_reason': 'stop'}]})}\n\ndata: [DONE]\n\n"
        case "anthropic":
            sent: list[Any] = [{"type": "message_start", "message": {"usage": {"input_tokens": 1}}}]
            sent.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
            for piece in pieces:
                delta = {"type": "text_delta", "text": piece}
                sent.append({"type": "content_block_delta", "index": 0, "delta": delta})
            for index, (name, arguments) in enumerate(calls, 1):
                block = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
                sent.append({"type": "content_block_start", "index": index, "content_block": block})
                delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
                sent.append({"type": "content_block_delta", "index": index, "delta": delta})
            sent += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
            for event in sent:
                yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
        case _:
            parts: list[Any] = [{"text": piece} for piece in pieces]
            parts += [{"functionCall": {"name": name, "args": arguments}} for name, arguments in calls]
            for part in parts:
                yield f"data: {json.dumps({'candidates': [{'content': {'parts': [part]}}]})}\r\n\r\n"
            yield f"data: {json.dumps({'candidates': [{'finishReason': 'STOP'}]})}\r\n\r\n"


def receptionist(dialect: str) -> Server:
    """A model on a server of this vendor."""

    async def answer(body: Any, line: Line) -> None:
        for event in events(dialect, *says(*last(dialect, body))):
            await asyncio.sleep(0.02)
            await line.write(event)

    return Server(PATHS[dialect], "text/event-stream", answer)
