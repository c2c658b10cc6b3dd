"""What is spoken ahead of the first call, and what a call is then spared: the whole service, a worker on a socket."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import aiohttp
import pytest

from bridge.agents.base import FixedLine
from bridge.app import Application
from bridge.call.record import replay
from bridge.config import Settings, parse_settings
from bridge.profiles import Agents, fixed_lines
from bridge.speaking.phrases.cache import PhraseCache
from bridge.speaking.phrases.phrase import CacheEntry
from tests.gateway.carrier import CALL, RINGING, Leg
from tests.speaking.doubles import WORD_BYTES, FakeWorker, heard

SCRIPT = """
name: test
voice: joe
start: hello
states:
  hello:
    say: Press one.
    digits: {"1": {set: {time: noon}, goto: told}}
  told:
    say: [{text: "Come at {time}.", voice: heart}, {text: Goodbye., voice: heart}]
    hang_up: done
"""

CONFIG = """
gateway: {development_unsigned: true, max_loop_lag_ms: 10000}
carriers: [{kind: twilio}]
listening: {recogniser: {kind: none}, turn: {kind: none}}
agent: {kind: script, file: script.yaml}
telemetry: {record_directory: records}
speaking:
  warm: [We are closed today.]
  cache: {disk_path: kept, price_per_million_chars: 1000000}
  workers: [WORKER]
"""


def configured(folder: Path, worker: FakeWorker) -> Settings:
    (folder / "script.yaml").write_text(SCRIPT)
    (folder / "bridge.yaml").write_text(CONFIG.replace("WORKER", worker.address))
    return parse_settings((folder / "bridge.yaml").read_text(), "bridge.yaml")


async def test_a_service_speaks_its_fixed_lines_in_their_voices_before_it_is_ready(tmp_path: Path) -> None:
    async with FakeWorker(voices=("heart", "joe")) as worker:
        settings = configured(tmp_path, worker)
        said: list[str] = []
        lines = fixed_lines(settings, Agents(settings, tmp_path).numbers)
        expected = {FixedLine("Press one.", "joe"), FixedLine("Goodbye.", "heart"), FixedLine("We are closed today.")}
        assert expected <= set(lines)
        application = Application(settings, directory=tmp_path, progress=said.append)
        await application.start("127.0.0.1", 0)
        await application.stop()
        entries = {(entry.voice, entry.text) for entry in await _kept(settings, tmp_path)}
    assert {("joe", "press one."), ("heart", "goodbye."), ("heart", "we are closed today.")} <= entries
    ready = [line for line in said if "phrases" in line]
    assert ready[-1].startswith(f"{len(lines)} of {len(lines)} phrases")
    assert 3 <= len(ready) <= 6, "progress, but not a line for each phrase"
    assert said[-1] == "ready for calls"
    assert (tmp_path / "kept" / "phrases.sqlite").exists(), "relative to the configuration, as all its paths"


async def test_a_call_hears_what_was_made_ahead_and_its_record_says_what_that_saved(
    tmp_path: Path,
) -> None:
    async with FakeWorker(voices=("heart", "joe")) as worker:
        application = Application(configured(tmp_path, worker), directory=tmp_path)
        await application.start("127.0.0.1", 0)
        try:
            async with aiohttp.ClientSession() as http:
                base = f"http://127.0.0.1:{application.port}"
                made = len(worker.texts)
                leg = await _ring(http, base)
                await leg.until_audio(2 * WORD_BYTES)
                async with asyncio.timeout(60):
                    while application.speech.stats()["prefetch_made"] < 1:
                        await asyncio.sleep(0.001)
                assert worker.texts[made:] == ["Come at noon."], "while the caller thinks"
                assert worker.priorities[-1] == "prefetch"
                await leg.press("1")
                await leg.until_closed()
                async with http.get(base + "/metrics") as response:
                    page = await response.text()
            stats = application.speech.stats()
        finally:
            await application.stop()
    messages = sum(event["event"] == "media" for event in leg.seen)
    assert messages >= 15
    assert heard(bytes(leg.audio)) == "Press one. Come at noon. Goodbye.".split()
    assert len(worker.texts) == made + 1, "nothing was made for the call but what was made ahead"
    assert (stats["prefetch_used"], stats["prefetch_unused_ms"]) == (1, 0)
    record = (tmp_path / "records" / f"{CALL}.jsonl").read_text().splitlines()
    assert replay(record).differences == []
    saved = json.loads(record[-1])["summary"]["phrases"]
    assert (saved["phrases"], saved["hits"], saved["hit_rate"]) == (3, 3, 1.0)
    assert saved["saved_money"] == len("press one.come at noon.goodbye.")
    assert saved["saved_synthesis_s"] > 0
    assert f"bridge_saved_money_total {saved['saved_money']}" in page
    assert "bridge_call_phrase_hit_rate_count 1.0" in page
    for name in ("prefetch_used", "prefetch_unused_ms", "cache_hits_memory", "cache_saved_money", "cache_hit_rate"):
        assert f'bridge_rooms{{what="{name}"}}' in page


async def test_the_command_line_makes_the_same_lines_for_a_later_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    async with FakeWorker(voices=("heart", "joe")) as worker:
        settings = configured(tmp_path, worker)
        config = str(tmp_path / "bridge.yaml")
        bridge = str(Path(sys.executable).parent / "bridge")
        pipe = asyncio.subprocess.PIPE
        command = await asyncio.create_subprocess_exec(bridge, "cache", "warm", "-c", config, stdout=pipe, stderr=pipe)
        out, err = await command.communicate()
        assert command.returncode == 0
        made = len(worker.texts)
        assert "phrases are ready" in out.decode()
        assert "] Press one." in err.decode()
        application = Application(settings, directory=tmp_path)
        await application.start("127.0.0.1", 0)
        await application.stop()
        assert len(worker.texts) == made, "all found on disk"
    assert list(elsewhere.iterdir()) == []


async def _kept(settings: Settings, folder: Path) -> list[CacheEntry]:
    cache = PhraseCache(settings.speaking.cache, folder)
    await cache.open()
    try:
        return await cache.list()
    finally:
        await cache.close()


async def _ring(http: aiohttp.ClientSession, base: str) -> Leg:
    async with http.post(base + "/twilio/voice", data=RINGING) as response:
        document = ElementTree.fromstring(await response.text())
    parameters = {one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")}
    (stream,) = document.iter("Stream")
    leg = Leg(await http.ws_connect(stream.attrib["url"]))
    await leg.start(parameters)
    return leg
