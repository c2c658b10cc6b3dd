"""The pages in a real Chromium, whose microphone hears a recording, at a real service with its real voice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from tests.console.chromium import PROGRAM, Page, browser

pytestmark = pytest.mark.skipif(not PROGRAM, reason="there is no Chromium here")

ROOT = Path(__file__).parents[2]
CALLER = ROOT / "fixtures" / "callers" / "tuesday_morning.wav"
PATIENCE_S = 180


@contextlib.asynccontextmanager
async def service(folder: Path) -> AsyncIterator[str]:
    """`bridge serve` as an operator starts it; its address."""
    config = folder / "bridge.yaml"
    config.write_text(
        f"agent: {{kind: script, file: {json.dumps(str(ROOT / 'fixtures/agents/menu.yaml'))}}}\n"
        "gateway: {development_unsigned: true, port: 0, host: 127.0.0.1, max_loop_lag_ms: 10000}\n"
        "call: {endpoint: {ceiling_ms: 40000}}\nlistening: {activity: {linger_s: 40}}\n"  # a busy machine is waited for
        "telemetry: {record_directory: records, recording: {directory: sound}}\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge.cli", "serve", "-c", str(config),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "BRIDGE_CONSOLE_PASSWORD": "open sesame"},
    )  # fmt: skip
    assert process.stdout is not None
    port = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while b"ready for calls" not in (line := await process.stdout.readline()):
                assert line, "the service has ended"
                if line.startswith(b"listening on"):
                    port = line.decode().strip().rpartition(":")[2]
        draining = asyncio.create_task(process.stdout.read())
        yield f"http://127.0.0.1:{port}"
        draining.cancel()
    finally:
        process.terminate()
        await process.wait()


async def log_in(page: Page, base: str) -> None:
    await page.open(f"{base}/calls")
    await page.run("document.getElementById('password').value = 'open sesame'")
    await page.run("document.getElementById('login').requestSubmit()")
    await page.until("document.getElementById('state')?.textContent === 'live'")


def somebody_who_says_it_again(file: Path) -> Path:
    """A caller who leaves the agent time: on a busy machine the page may connect late, and the answer come late."""
    with wave.open(str(CALLER)) as words:
        parameters, said = words.getparams(), words.readframes(words.getnframes())
    with wave.open(str(file), "wb") as both:
        both.setparams(parameters)
        both.writeframes(bytes(2 * 3 * parameters.framerate) + said + bytes(2 * 40 * parameters.framerate))
    return file


async def test_somebody_talks_to_the_agent_from_a_page_and_it_is_seen_heard_and_found(tmp_path: Path) -> None:
    caller = somebody_who_says_it_again(tmp_path / "caller.wav")
    async with service(tmp_path) as base, browser(caller) as page:
        await log_in(page, base)
        await page.open(f"{base}/calls/phone")
        await page.run("document.getElementById('dial').click()")
        await page.until("document.getElementById('state').textContent === 'Connected.'")
        await page.until("document.getElementById('agent').value > -40")
        async with aiohttp.ClientSession() as watching:
            async with watching.post(f"{base}/calls/login", data={"password": "open sesame"}) as answer:
                cookie = answer.headers["Set-Cookie"].split(";")[0]
            async with watching.ws_connect(f"{base}/calls/live", headers={"Cookie": cookie}) as live:
                async with asyncio.timeout(PATIENCE_S):
                    while True:  # until the agent has heard the caller and answers them
                        [call] = (await live.receive_json())["calls"]
                        if (heard := call["last_caller"]) and call["last_reply_ms"]:
                            break
        await page.run("document.getElementById('keys').children[0].click()")
        await page.run("document.getElementById('hang_up').click()")
        await page.until("document.getElementById('state').textContent === 'You have hung up.'")
        assert page.complaints == []
        await page.open(f"{base}/calls")
        await page.until("document.querySelectorAll('#past tr').length === 1")
        await page.run("document.querySelector('#past tr').click()")
        await page.until("document.querySelectorAll('#transcript .turn.caller').length > 0")
        assert heard in await page.run("document.getElementById('transcript').innerText")
        assert await page.until("document.getElementById('sound').duration > 1")
        for width in (1200, 390):
            await page.picture(tmp_path / f"{width}.png", width)
            assert await page.run("document.documentElement.scrollWidth") <= width, "nothing hangs over the edge"
        assert page.complaints == []
    [recording] = (tmp_path / "sound").glob("*.wav")
    with wave.open(str(recording)) as file:
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    assert np.abs(both[:, 0]).max() > 1000, "the microphone came through"
    assert np.abs(both[:, 1]).max() > 1000


async def test_a_caller_is_seen_on_the_live_page_and_sent_on(tmp_path: Path) -> None:
    async with service(tmp_path) as base, browser() as page:
        call = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bridge.cli", "call", f"{base}/twilio/voice", "-o", str(tmp_path / "call"),
            "-s", str(ROOT / "fixtures/scenarios/appointment.yaml"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TWILIO_AUTH_TOKEN": "x"},
        )  # fmt: skip
        await log_in(page, base)
        await page.until("document.querySelectorAll('#live tr').length === 1")
        await page.run("document.querySelector('#live tr').click()")
        await page.run("document.getElementById('listen').click()")
        await page.until("document.querySelectorAll('#talk .turn.bot').length > 0")
        await page.run("document.querySelector('#transfer input').value = '+15550100123'")
        await page.run("document.getElementById('transfer').requestSubmit()")
        await page.until("document.getElementById('happened').innerText.includes('operator transfers')")
        await page.until("document.querySelectorAll('#live tr').length === 0")
        assert page.complaints == []
        with contextlib.suppress(ProcessLookupError):  # it has ended with its call
            call.terminate()
        await call.wait()
