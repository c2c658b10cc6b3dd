"""The real gateway, call machine, voice activity and agent, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from bridge.agents.base import AgentFactory
from bridge.agents.settings import ScriptSettings
from bridge.app import Application
from bridge.call.events import Word
from bridge.call.settings import CallSettings
from bridge.carriers.settings import CarrierSettings, PlivoSettings, TelnyxSettings, TwilioSettings
from bridge.config import Settings
from bridge.gateway.settings import GatewaySettings
from bridge.listening.settings import (
    ListeningSettings,
    NoRecogniserSettings,
    NoTurnModelSettings,
    RecogniserSettings,
)
from bridge.simulator.carriers.telnyx import public_key
from bridge.simulator.spelled import SpelledVoice
from bridge.simulator.virtual import MemoryConnector
from bridge.speaking.settings import SpeakingSettings
from bridge.speaking.speech import SpeechService
from bridge.speaking.voices.base import SpeechProvider
from bridge.telemetry.settings import TelemetrySettings

TOKEN = "secret"
SECRETS = {
    "TWILIO_AUTH_TOKEN": TOKEN,
    "TELNYX_PUBLIC_KEY": public_key(TOKEN),
    "VONAGE_SIGNATURE_SECRET": TOKEN,
    "PLIVO_AUTH_TOKEN": TOKEN,
}
"""What the service checks the carriers' signatures with: all of them may ring."""
CREDENTIALS = {
    "TWILIO_ACCOUNT_SID": "AC0b",
    "TELNYX_API_KEY": TOKEN,
    "TELNYX_APPLICATION_ID": "17",
    "PLIVO_AUTH_ID": "MA0b",
}
"""What opens the carriers' REST APIs."""
PUBLIC = "https://bridge.example.com"
AGENTS = Path(__file__).parent / "agents"


@contextlib.asynccontextmanager
async def virtual_bridge(
    agent: Path,
    *,
    call: CallSettings | None = None,
    voice: SpeechProvider | None = None,
    agents: AgentFactory | None = None,
    telemetry: TelemetrySettings | None = None,
    recogniser: RecogniserSettings | None = None,
    rest: str = "",
    max_calls: int = 1000,
) -> AsyncIterator[tuple[Application, str]]:
    """A running service and its origin on the virtual network.

    `agent` is the script, unless `agents` has others; the voice is spelled in chords unless there is another; nobody is
    understood unless there is a `recogniser`. `rest` is the address of the carriers' APIs, where there is one.
    """
    settings = Settings(
        gateway=GatewaySettings(public_url=PUBLIC, max_calls=max_calls, max_calls_per_number=1000),
        call=call or CallSettings(listens=recogniser is not None),
        listening=ListeningSettings(
            recogniser=recogniser or NoRecogniserSettings(),
            turn=NoTurnModelSettings(),
        ),
        agent=ScriptSettings(file=agent.name),
        telemetry=telemetry or TelemetrySettings(),
        carriers=with_rest(rest) if rest else (),
    )
    application = Application(settings, directory=agent.parent, environ=SECRETS | (CREDENTIALS if rest else {}))
    if agents is not None:
        application.agents = {"": agents}
    voice = voice or SpelledVoice(Word, asyncio.get_running_loop().call_later)
    application.speech = SpeechService(SpeakingSettings(), providers={"worker": voice})
    await application.start("127.0.0.1", 0)
    try:
        yield application, f"http://127.0.0.1:{application.port}"
    finally:
        await application.stop()


def with_rest(address: str) -> tuple[CarrierSettings, ...]:
    """Settings of the carriers whose APIs are at this address."""
    return (
        TwilioSettings(api_base_url=address),
        TelnyxSettings(api_base_url=address),
        PlivoSettings(api_base_url=address),
    )


def session() -> aiohttp.ClientSession:
    """A carrier's way into the virtual network."""
    return aiohttp.ClientSession(connector=MemoryConnector(limit=0))
