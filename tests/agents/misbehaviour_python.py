"""Dialogues in Python that do nobody any good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from bridge.agents.dialogue import Conversation, PhoneAgent


class EndlessText(PhoneAgent):
    """Talks without end."""

    async def call_started(self, call: Conversation) -> None:
        while True:
            await call.say("and on and on")


class Silence(PhoneAgent):
    """Never says a thing."""

    async def call_started(self, call: Conversation) -> None:
        await asyncio.Event().wait()


class LivelySilence(PhoneAgent):
    """Is busy with saying nothing."""

    async def call_started(self, call: Conversation) -> None:
        await call.tell(self.nothing())

    async def nothing(self) -> AsyncIterator[str]:
        while True:
            yield ""
            await asyncio.sleep(0.5)


class HugeResults(PhoneAgent):
    """Reads out what is far too long."""

    async def call_started(self, call: Conversation) -> None:
        await call.say(await call.look_up(self.looked_up))

    async def looked_up(self) -> str:
        return "x" * 300_000


class Floods(PhoneAgent):
    """Does far more than anybody wants."""

    async def call_started(self, call: Conversation) -> None:
        while True:
            await call.wait(0.0)


class WrongTypes(PhoneAgent):
    """Says what no voice can say."""

    async def call_started(self, call: Conversation) -> None:
        wrong: Any = {"text": 1}
        await call.say(wrong)
