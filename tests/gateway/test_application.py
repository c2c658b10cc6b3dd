"""The whole service in one process, with its real services: voice, ears and a scripted agent, called over the wire."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import aiohttp
import numpy as np
import pytest

from bridge.app import Application
from bridge.audio.mulaw import DECODE
from bridge.config import Settings, parse_settings
from bridge.errors import ConfigError
from tests.gateway.carrier import CALL, RINGING, Leg

FRAME_S = 0.020

SCRIPT = """
name: test
start: hello
states:
  hello:
    say: Hello, this is a test.
    digits: {"1": goodbye}
  goodbye:
    say: Goodbye.
    hang_up: done
"""

CONFIG = """
gateway: {development_unsigned: true, max_loop_lag_ms: 10000}
listening: {recogniser: {kind: none}, turn: {kind: none}}
agent: {kind: script, file: script.yaml}
telemetry: {record_directory: records}
"""


def test_a_service_without_an_agent_refuses_to_start() -> None:
    with pytest.raises(ConfigError, match=r"agent\.kind"):
        Application(Settings())


@pytest.mark.parametrize(
    ("more", "setting"),
    [
        ("telemetry: {record_directory: script.yaml/records}", "telemetry.record_directory: "),
        ("telemetry: {recording: {directory: script.yaml}}", "telemetry.recording.directory: "),
        ("after_call: {url: 'https://example.com/', directory: script.yaml}", "after_call.directory: "),
    ],
)
async def test_a_folder_that_cannot_be_used_is_named_at_the_start(more: str, setting: str, tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text(SCRIPT, encoding="utf-8")
    without, _, _ = CONFIG.rpartition("telemetry:")
    settings = parse_settings(without + more, "bridge.yaml")
    application = Application(settings, directory=tmp_path, progress=lambda _: None, environ={"AFTER_CALL_SECRET": "s"})
    with pytest.raises(ConfigError) as refused:
        await application.start("127.0.0.1", 0)
    assert str(refused.value).startswith(setting)


async def test_a_whole_call_in_a_real_voice(tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text(SCRIPT, encoding="utf-8")
    said: list[str] = []
    application = Application(parse_settings(CONFIG, "bridge.yaml"), directory=tmp_path, progress=said.append)
    await application.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as http:
            await _ring_and_listen(http, f"http://127.0.0.1:{application.port}")
    finally:
        await application.stop()
    assert said[-1] == "ready for calls"
    assert [file.name for file in (tmp_path / "records").iterdir()] == [f"{CALL}.jsonl"]


async def _ring_and_listen(http: aiohttp.ClientSession, base: str) -> None:
    async with http.post(base + "/twilio/voice", data=RINGING) as response:
        document = ElementTree.fromstring(await response.text())
    parameters = {one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")}
    (stream,) = document.iter("Stream")
    leg = Leg(await http.ws_connect(stream.attrib["url"]))
    await leg.start(parameters)
    listening = asyncio.create_task(leg.until_closed(patience_s=20.0))
    while not listening.done() and len(leg.audio) < 8000:
        await leg.media(b"\xff" * 160)
        await asyncio.wait({listening}, timeout=FRAME_S)
    assert _loudness(bytes(leg.audio)) > 300, "the greeting is silence"
    await leg.press("1")
    while not listening.done():
        with suppress(aiohttp.ClientConnectionResetError):
            await leg.media(b"\xff" * 160)
        await asyncio.wait({listening}, timeout=FRAME_S)
    assert await listening == 1000
    async with http.post(base + "/twilio/after-stream", data=RINGING) as response:
        assert "<Hangup" in await response.text()
    async with http.get(base + "/metrics") as response:
        page = await response.text()
    assert "bridge_first_audio_seconds_count 1.0" in page
    assert 'bridge_rooms{what="listening_calls"}' in page


def _loudness(ulaw: bytes) -> float:
    samples = np.asarray(DECODE, np.float64)[np.frombuffer(ulaw, np.uint8)]
    return float(np.sqrt(np.mean(samples**2)))
