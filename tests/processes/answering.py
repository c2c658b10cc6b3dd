"""An agent that is a process of its own and soon there again: `python -m tests.processes.answering PORT`.

One port speaks three protocols: of a web service, an OpenAI chat server and a ConversationRelay application. The agent
asks for four digits in many words, and thanks in as many, word by word as a model writes them. It remembers nothing, so
that one that was killed knows no more of a call than what it is told.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

from aiohttp import web

NUMBERS = (
    "alpha bravo charlie delta echo foxtrot golf hotel. india juliet kilo lima mike november oscar papa. "
    "quebec romeo sierra tango uniform victor whiskey yankee. zulu apple banana cherry damson elder fig grape."
)
THANKS = "hazel ivy jasmine kelp lemon mango nutmeg olive. peach quince radish sage."
WORD_S = 0.03
_KEYS = 4

_ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "call_started": (NUMBERS, {"type": "expect", "answer": "digits:4"}),
    "digits": (THANKS, {"type": "hang_up"}),
}


def _words(text: str) -> Iterator[str]:
    for number, word in enumerate(text.split()):
        yield f" {word}" if number else word


async def _prompted(request: web.Request) -> web.StreamResponse:
    """A web service: an answer that broke off is given whole, as by one that has never heard of it."""
    text, last = _ANSWERS.get((await request.json())["prompt"]["kind"], ("", {"type": "expect", "answer": "open"}))
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    for word in _words(text):
        await response.write(f"{json.dumps({'type': 'say', 'text': word, 'more': True})}\n".encode())
        await asyncio.sleep(WORD_S)
    await response.write(f"{json.dumps(last)}\n".encode())
    return response


async def _asked(request: web.Request) -> web.StreamResponse:
    """A chat model: an answer that broke off is gone on with, as the last message asks for."""
    messages = (await request.json())["messages"]
    told = [str(one["content"]) for one in messages if one["role"] == "user"]
    happened = next(one for one in reversed(told) if "broke off" not in one)
    text, last = _ANSWERS["digits" if "pressed these keys" in happened else "call_started"]
    if "broke off" in told[-1]:
        text = text.removeprefix(str(messages[-2]["content"]).strip())
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for word in _words(text):
        await _delta(response, content=word)
        await asyncio.sleep(WORD_S)
    name = last["type"]
    arguments = {"answer": "digits", "digits": _KEYS} if name == "expect" else {"reason": "done"}
    function = {"name": name, "arguments": json.dumps(arguments)}
    await _delta(response, tool_calls=[{"index": 0, "id": "call_1", "type": "function", "function": function}])
    await response.write(b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}\n\n')
    await response.write(b"data: [DONE]\n\n")
    return response


async def _delta(response: web.StreamResponse, **delta: Any) -> None:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    await response.write(f"data: {json.dumps({'id': 'x', 'choices': [choice]})}\n\n".encode())


async def _relayed(request: web.Request) -> web.WebSocketResponse:
    """A relayed application, which the bridge greets for: it counts keys."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    keys = 0
    async for message in socket:
        keys += json.loads(message.data)["type"] == "dtmf"
        if keys == _KEYS:
            words = list(_words(THANKS))
            for number, word in enumerate(words, start=1):
                await socket.send_json({"type": "text", "token": word, "last": number == len(words)})
                await asyncio.sleep(WORD_S)
            await socket.send_json({"type": "end"})
            keys = 0
    return socket


async def told_to_listen() -> None:
    """Say that all is loaded, and wait for whoever started this process to say when it is to be there."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def answer(port: int) -> None:
    """Answer prompts until killed."""
    app = web.Application()
    app.router.add_post("/", _prompted)
    app.router.add_post("/v1/chat/completions", _asked)
    app.router.add_get("/relay", _relayed)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await told_to_listen()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(answer(int(sys.argv[1])))
