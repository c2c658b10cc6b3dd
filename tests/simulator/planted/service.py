"""The real service in virtual time, as each folder of scenarios wants it: gateway, call machine, cache, carriers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from bridge.agents.base import Agent, CallInfo, FixedLine, LikelyLine
from bridge.app import Application
from bridge.call.actions import Action, HangUp, Prompt, Say
from bridge.call.settings import CallSettings, EndpointSettings
from tests.simulator.planted.studio import Studio, StudioVoice
from tests.simulator.virtual_bridge import virtual_bridge

AGENTS = Path(__file__).parent / "agents"

RECORDINGS = {
    "welcome.wav": "Welcome to the telephone booth.",
    "enter.wav": "Please enter your number on the keypad now, all ten digits.",
    "goodbye.wav": "Thank you very much and goodbye.",
}
"""Sentences of the agent that scenarios know by the sound (`expect.sounds`)."""

MONTHS = "January February March April May June July August September October November December".split()


class MonthsAgent:
    """Names the months; when interrupted, says how far the caller has heard them, as its history tells it."""

    def reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        """One answer."""
        return self._reply(prompt)

    async def _reply(self, prompt: Prompt) -> AsyncGenerator[Action, None]:
        if prompt.kind == "call_started":
            yield Say(f"The year begins with {', '.join(MONTHS)}.")
            return
        heard = " ".join(spoken.text for spoken in prompt.history if spoken.speaker == "bot").replace(",", "")
        known = [month for month in MONTHS if month in heard.split()]
        yield Say(f"The last month you heard was {known[-1] if known else 'none'}.", interruption="protected")
        yield HangUp("done")

    def confirmed(self, turn: int) -> None:
        """Nothing here is done before it counts."""

    def state(self) -> bytes:
        """Nothing: this agent remembers nothing."""
        return b""

    def resume(self, state: bytes) -> None:
        """Nothing to go on from."""

    def likely(self) -> list[LikelyLine]:
        """Nothing to prepare."""
        return []


class MonthsFactory:
    """Opens a `MonthsAgent` for each call."""

    def open_call(self, info: CallInfo) -> Agent:
        """A new agent."""
        return MonthsAgent()

    def phrases(self) -> list[FixedLine]:
        """Nothing to keep ready."""
        return []

    async def close(self) -> None:
        """Nothing to let go of."""


@contextlib.asynccontextmanager
async def service(name: str, studio: Studio) -> AsyncIterator[tuple[Application, str]]:
    """A running service with the agent of this name, and its origin on the virtual network."""
    voice = StudioVoice(studio, asyncio.get_running_loop().call_later)
    # The teller's longest pause is 470 ms: that it is no end must not hang on how a line sounds.
    call = CallSettings(listens=False, no_input_s=4.0, no_input_limit=1, endpoint=EndpointSettings(short_ms=600))
    agents = MonthsFactory() if name == "months" else None
    agent = AGENTS / ("booth.yaml" if agents else f"{name}.yaml")
    async with virtual_bridge(agent, call=call, voice=voice, agents=agents) as running:
        yield running
