"""An answer whose process is killed while it is written: whoever goes on with the call has its rest, and no word twice.

Each kind of agent is stopped after each of its words, and another one of the same kind is asked for the rest.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec
import pytest

from bridge.agents.announced import AnnouncedAgents
from bridge.agents.base import AgentFactory, CallInfo
from bridge.agents.chat import ChatFactory
from bridge.agents.settings import ChatSettings, TeamMember, TeamSettings, WebSettings
from bridge.agents.team import TeamFactory
from bridge.agents.web import WebFactory
from bridge.call.actions import Expect, HangUp, Prompt, Say
from tests.agents.doubles import Line, Server
from tests.agents.models import PATHS, events

INFO = CallInfo(call_id="CA1", from_number="+15550142")
WORDS = "I have an opening at nine. Shall I book it for you?"
END = HangUp("done")
PROMPT = Prompt("caller_said", "Tuesday, please.", turn=4)


def last_two(dialect: str, body: Any) -> str:
    """The end of what a model is told, in any dialect."""
    return json.dumps(body["contents" if dialect == "gemini" else "messages"][-2:])


def model(dialect: str, *, repeats: bool) -> Server:
    """A model that goes on where it is told that it broke off, or says everything once more."""

    async def answer(body: Any, line: Line) -> None:
        told, words = last_two(dialect, body), WORDS
        if "broke off" in told and not repeats:
            begun = max((n for n in range(len(WORDS) + 1) if WORDS[:n].strip() in told), default=0)
            words = WORDS[begun:]
        for event in events(dialect, words, [("hang_up", {"reason": "done"})]):
            await line.write(event)

    return Server(PATHS[dialect], "text/event-stream", answer)


def web_service(*, repeats: bool) -> Server:
    """A service of one's own, which gives the rest alone, or everything once more."""

    async def answer(body: Any, line: Line) -> None:
        begun = "".join(action["text"] for action in body.get("so_far", ()))
        rest = WORDS.removeprefix("" if repeats else begun)
        if begun and not repeats:
            await line.write('{"type": "rest"}\n')
        for number, word in enumerate(rest.split()):
            text = f" {word}" if number or rest.startswith(" ") else word
            await line.write(json.dumps({"type": "say", "text": text, "more": True}) + "\n")
        await line.write('{"type": "hang_up", "reason": "done"}\n')

    return Server("/agent", "application/x-ndjson", answer)


@asynccontextmanager
async def agents(kind: str, *, repeats: bool) -> AsyncIterator[tuple[AgentFactory, Server]]:
    dialect = kind.split(" ")[-1]
    server = web_service(repeats=repeats) if dialect == "web" else model(dialect, repeats=repeats)
    async with server:
        web = WebSettings(url=f"{server.url}/agent")
        factory: AgentFactory = (
            WebFactory(web)
            if dialect == "web"
            else ChatFactory(
                msgspec.convert({"url": f"{server.url}/v1", "model": "small", "dialect": dialect}, ChatSettings)
            )
        )
        if kind.startswith("team of"):
            settings = TeamSettings(first="desk", members={"desk": TeamMember(agent=web, voice="ada", hints=["nine"])})
            factory = TeamFactory(settings, {"desk": factory})
        if kind.startswith("announced"):
            factory = AnnouncedAgents(factory, "This call is recorded.")
        try:
            yield factory, server
        finally:
            await factory.close()


KINDS = ["web", *PATHS, "team of web", "team of openai", "announced web", "announced openai"]


async def begun(factory: AgentFactory, prompt: Prompt, words: int) -> tuple[bytes, list[Say]]:
    """What an agent remembers, and has said, once it is killed after so many pieces."""
    agent = factory.open_call(INFO)
    said: list[Say] = []
    async with aclosing(agent.reply(prompt)) as actions:
        async for action in actions:
            said += [action] if isinstance(action, Say) else []
            if len(said) == words:
                break
    return agent.state(), said


def as_kept(said: list[Say]) -> tuple[Say, ...]:
    """The words as a call's state has them: those of one utterance together."""
    kept: list[Say] = []
    for say in said:
        if kept and kept[-1].more:
            kept[-1] = Say(kept[-1].text + say.text, say.more, voice=say.voice, by=say.by)
        else:
            kept.append(say)
    return tuple(kept)


@pytest.mark.parametrize("repeats", [False, True], ids=["goes on", "repeats"])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_rest_of_an_answer_is_had_wherever_it_was_stopped(kind: str, repeats: bool) -> None:
    prompt = Prompt("call_started", turn=1) if kind.startswith("announced") else PROMPT
    opening = "This call is recorded." if kind.startswith("announced") else ""
    async with agents(kind, repeats=repeats) as (factory, _):
        for words in range(1, 13):
            state, said = await begun(factory, prompt, words)
            moved = factory.open_call(INFO)
            moved.resume(state)
            again = Prompt(prompt.kind, prompt.text, turn=prompt.turn, so_far=as_kept(said))
            rest = [action async for action in moved.reply(again)]
            texts = [*said, *(action for action in rest if isinstance(action, Say))]
            whole = " ".join("".join(f"{say.text}{'' if say.more else ' '}" for say in texts).split())
            assert whole == f"{opening} {WORDS}".strip(), f"stopped after {words}"
            assert [action for action in rest if not isinstance(action, Say | Expect)] == [END]
