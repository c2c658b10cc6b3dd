"""A call through the whole bridge for each vendor: the caller is heard by one and answered by another, both doubles."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.agents.settings import ScriptSettings
from bridge.app import Application
from bridge.config import Settings
from bridge.gateway.settings import GatewaySettings
from bridge.listening.settings import ListeningSettings, NoTurnModelSettings
from bridge.simulator import virtual
from bridge.simulator.runner import PlacedCall, place_call
from bridge.simulator.scenario import parse
from bridge.speaking.settings import SpeakingSettings, VoiceRoute
from bridge.speaking.speech import SpeechService
from tests.doubles.listening.base import KEY
from tests.doubles.listening.catalogue import DOUBLES as RECOGNISERS
from tests.doubles.listening.catalogue import VIRTUAL as VIRTUAL_RECOGNISERS
from tests.doubles.speaking.catalogue import DOUBLES as VOICES
from tests.doubles.speaking.catalogue import VIRTUAL as VIRTUAL_VOICES
from tests.listening.recogniser_contract import plain
from tests.simulator.virtual_bridge import PUBLIC, SECRETS, TOKEN
from tests.speaking.tiny_voice import TinyProvider

SCRIPT = """
name: shop
start: greeting
states:
  greeting: {say: Hello there., expect: open, capture: wish, on_answer: repeat}
  repeat: {say: "You said {wish}", hang_up: done}
"""
SCENARIO = (
    "name: shop\nlongest_s: 40\n"
    "steps: [{wait_for_silence: 600}, {say: I want to cancel my order.}, {wait_for_hang_up: 25}]"
)
PAIRS = [
    (recogniser, VIRTUAL_VOICES[number % len(VIRTUAL_VOICES)]) for number, recogniser in enumerate(VIRTUAL_RECOGNISERS)
]  # more recognisers than voices: each is there at least once


async def call(recogniser: str, voice: str, folder: Path) -> tuple[PlacedCall, Any, Any, dict[str, float]]:
    ear, mouth = RECOGNISERS[recogniser](), VOICES[voice]()
    async with ear.serve() as ear_url, mouth.serve() as mouth_url:
        settings = Settings(
            gateway=GatewaySettings(public_url=PUBLIC),
            listening=ListeningSettings(recogniser=ear.settings(ear_url), turn=NoTurnModelSettings()),
            agent=ScriptSettings(file="shop.yaml"),
        )
        application = Application(settings, directory=folder, environ={**SECRETS, "VENDOR_KEY": KEY})
        application.speech = SpeechService(
            SpeakingSettings(
                providers={"vendor": mouth.settings(mouth_url)},
                voices={"anna": (VoiceRoute(provider="vendor"),)},
                voice="anna",
            ),
            providers={"worker": TinyProvider("http://127.0.0.1:1/")},
        )
        await application.start("127.0.0.1", 0)
        async with aiohttp.ClientSession(connector=virtual.MemoryConnector(limit=0)) as session:
            placed = await place_call(
                f"{PUBLIC}/twilio/voice",
                parse(SCENARIO),
                auth_token=TOKEN,
                connect_to=f"http://127.0.0.1:{application.port}",
                session=session,
                seed="1",
                natural_voice=False,
            )
        stats = application.speech.stats()
        await application.stop()
        await asyncio.sleep(0)
    return placed, ear, mouth, stats


@pytest.mark.parametrize(("recogniser", "voice"), PAIRS, ids=[f"{one}-{other}" for one, other in PAIRS])
def test_a_call_is_heard_and_answered(
    recogniser: str, voice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENDOR_KEY", KEY)
    monkeypatch.setattr(aiohttp, "TCPConnector", lambda **_how: virtual.MemoryConnector())
    (tmp_path / "shop.yaml").write_text(SCRIPT)
    placed, ear, mouth, stats = virtual.run(lambda: call(recogniser, voice, tmp_path))
    assert placed.result.hung_up_by == "server", placed.result
    said = [plain(text) for text in mouth.texts]
    assert "hello there" in said
    assert any(text.endswith("i want to cancel my order") for text in said), said
    assert len(ear.sessions) >= 1
    assert ear.sessions[0].audio_s > 3.0
    assert stats["vendor0_characters"] >= len("Hello there.")
