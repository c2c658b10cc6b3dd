"""A call through the whole bridge for each vendor: the caller is heard by one and answered by another, both doubles."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Literal

import aiohttp
import msgspec
import pytest

from bridge.agents.settings import ScriptSettings
from bridge.call.settings import CallSettings, EndpointSettings
from bridge.call.transcript import transcript
from bridge.config import Settings
from bridge.gateway.settings import GatewaySettings
from bridge.listening.settings import ListeningSettings, NoRecogniserSettings, NoTurnModelSettings
from bridge.simulator import virtual
from bridge.simulator.runner import PlacedCall
from bridge.telemetry.settings import TelemetrySettings
from tests.doubles.listening.base import KEY, ListeningDouble
from tests.doubles.listening.catalogue import DOUBLES as RECOGNISERS
from tests.doubles.listening.catalogue import VIRTUAL as VIRTUAL_RECOGNISERS
from tests.doubles.speaking.catalogue import DOUBLES as VOICES
from tests.doubles.speaking.catalogue import VIRTUAL as VIRTUAL_VOICES
from tests.listening.recogniser_contract import plain
from tests.listening.test_second import CounselDouble
from tests.simulator.hosted_bridge import hosted_application, rings
from tests.simulator.virtual_bridge import PUBLIC

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


WITH_TURNS = ("deepgram_flux", "assemblyai", "soniox", "cartesia_ink")


def deciding(its: Any, decided_by: str) -> Any:
    """These settings, whose service ends its turns by itself where its opinion counts."""
    forced = decided_by == "ours" or "force_end" not in type(its).__struct_fields__
    return its if forced else msgspec.structs.replace(its, force_end=False)


async def call(
    recogniser: str,
    voice: str,
    folder: Path,
    along: ListeningDouble | None = None,
    decided_by: Literal["ours", "engine", "either"] = "ours",
) -> tuple[PlacedCall, Any, Any, dict[str, float]]:
    ear, mouth = RECOGNISERS[recogniser](), VOICES[voice]()
    async with ear.serve() as ear_url, mouth.serve() as mouth_url, (along or ListeningDouble()).serve() as along_url:
        second = NoRecogniserSettings() if along is None else along.settings(along_url)
        settings = Settings(
            gateway=GatewaySettings(public_url=PUBLIC),
            listening=ListeningSettings(
                recogniser=deciding(ear.settings(ear_url), decided_by),
                second_recogniser=second,
                turn=NoTurnModelSettings(),
                prices_per_minute={"deepgram": 0.6},
            ),
            telemetry=TelemetrySettings(record_directory="records"),
            call=CallSettings(endpoint=EndpointSettings(decided_by=decided_by)),
            agent=ScriptSettings(file="shop.yaml"),
        )
        application = hosted_application(settings, folder, mouth.settings(mouth_url, price_per_million_chars=1e6))
        await application.start("127.0.0.1", 0)
        placed = await rings(application, SCENARIO)
        stats = application.speech.stats()
        await asyncio.sleep(10.0)  # virtual: until the page is up to date
        page = application.metrics.page().decode()
        stats |= {name: float(value) for name, value in re.findall(r"^(bridge_vendor\S+) (\S+)$", page, re.MULTILINE)}
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


@pytest.mark.parametrize("decided_by", ["ours", "engine", "either"])
@pytest.mark.parametrize("recogniser", WITH_TURNS)
def test_a_vendors_end_of_a_turn_counts_as_ours_or_beside_ours(
    recogniser: str, decided_by: Literal["ours", "engine", "either"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENDOR_KEY", KEY)
    monkeypatch.setattr(aiohttp, "TCPConnector", lambda **_how: virtual.MemoryConnector())
    (tmp_path / "shop.yaml").write_text(SCRIPT)
    placed, _, mouth, _ = virtual.run(lambda: call(recogniser, "elevenlabs", tmp_path, decided_by=decided_by))
    assert placed.result.hung_up_by == "server", placed.result
    assert any(plain(text).endswith("i want to cancel my order") for text in mouth.texts), mouth.texts
    [record] = (tmp_path / "records").rglob("*.jsonl")
    if decided_by != "ours":  # an end that we forced is no opinion of the vendor's
        assert '"opinion":"over"' in record.read_text()


def test_a_second_recogniser_and_what_all_of_it_cost_are_in_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENDOR_KEY", KEY)
    monkeypatch.setattr(aiohttp, "TCPConnector", lambda **_how: virtual.MemoryConnector())
    (tmp_path / "shop.yaml").write_text(SCRIPT)
    along = CounselDouble()
    _, _, mouth, stats = virtual.run(lambda: call("speechmatics", "cartesia", tmp_path, along))
    [record] = (tmp_path / "records").rglob("*.jsonl")
    [turn] = [line for line in transcript(record.read_bytes().splitlines()) if line.speaker == "caller"]
    assert plain(turn.text) == "i want to cancel my order"
    assert plain(turn.otherwise) == "deepgram i want to counsel my order"
    told = json.loads(record.read_bytes().splitlines()[-1])["summary"]
    heard_s = told["listening"]["seconds_deepgram"]
    assert heard_s == told["listening"]["seconds_speechmatics"] > 3.0
    assert told["listening"]["cost_deepgram"] == pytest.approx(heard_s / 60 * 0.6, abs=0.001)
    assert "cost_speechmatics" not in told["listening"], "it has no price"
    assert told["phrases"]["cost_vendor"] == told["phrases"]["chars_vendor"] > 0
    assert stats['bridge_vendor_audio_seconds_total{vendor="deepgram"}'] == pytest.approx(heard_s, abs=0.02)
    assert stats['bridge_vendor_characters_total{vendor="vendor"}'] == sum(map(len, mouth.texts))
    assert stats['bridge_vendor_cost_total{vendor="vendor",what="speaking"}'] == sum(map(len, mouth.texts))
