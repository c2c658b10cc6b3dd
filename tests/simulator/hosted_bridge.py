"""The real bridge in virtual time, heard and spoken by doubles of vendors, and a caller who rings it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp

from bridge.app import Application
from bridge.config import Settings
from bridge.simulator import virtual
from bridge.simulator.runner import PlacedCall, place_call
from bridge.simulator.scenario import parse
from bridge.speaking.settings import SpeakingSettings, VoiceRoute
from bridge.speaking.speech import SpeechService
from tests.doubles.listening.base import KEY
from tests.simulator.virtual_bridge import PUBLIC, SECRETS, TOKEN
from tests.speaking.tiny_voice import TinyProvider


def hosted_application(settings: Settings, folder: Path, voice: Any) -> Application:
    """A service that is not started yet, with these settings of a hosted voice as its only one."""
    application = Application(settings, directory=folder, environ={**SECRETS, "VENDOR_KEY": KEY})
    application.speech = SpeechService(
        SpeakingSettings(providers={"vendor": voice}, voices={"anna": (VoiceRoute(provider="vendor"),)}, voice="anna"),
        providers={"worker": TinyProvider("http://127.0.0.1:1/")},
    )
    return application


async def rings(application: Application, scenario: str) -> PlacedCall:
    """A caller of Twilio's who does what the scenario says."""
    async with aiohttp.ClientSession(connector=virtual.MemoryConnector(limit=0)) as session:
        return await place_call(
            f"{PUBLIC}/twilio/voice",
            parse(scenario),
            auth_token=TOKEN,
            connect_to=f"http://127.0.0.1:{application.port}",
            session=session,
            seed="1",
            natural_voice=False,
        )
