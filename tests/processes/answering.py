"""A web service as an agent, a process that is soon there again: `python -m tests.processes.answering PORT`.

It asks for four digits in many words, and thanks in as many.
"""

from __future__ import annotations

import asyncio
import json
import sys

from aiohttp import web

NUMBERS = (
    "alpha bravo charlie delta echo foxtrot golf hotel. india juliet kilo lima mike november oscar papa. "
    "quebec romeo sierra tango uniform victor whiskey yankee. zulu apple banana cherry damson elder fig grape."
)
THANKS = "hazel ivy jasmine kelp lemon mango nutmeg olive. peach quince radish sage."
_ANSWERS: dict[str, list[dict[str, str]]] = {
    "call_started": [{"type": "say", "text": NUMBERS}, {"type": "expect", "answer": "digits:4"}],
    "digits": [{"type": "say", "text": THANKS}, {"type": "hang_up"}],
}


async def _prompted(request: web.Request) -> web.Response:
    prompt = (await request.json())["prompt"]["kind"]
    lines = "".join(f"{json.dumps(action)}\n" for action in _ANSWERS.get(prompt, []))
    return web.Response(text=lines, content_type="application/x-ndjson")


async def answer(port: int) -> None:
    """Answer prompts until killed."""
    app = web.Application()
    app.router.add_post("/", _prompted)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(answer(int(sys.argv[1])))
