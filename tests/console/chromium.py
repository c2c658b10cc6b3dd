"""A real browser, driven over its debugging socket: open a page, run script in it, take its picture."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
_PATIENCE_S = 180
_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --remote-debugging-port=0 --use-fake-ui-for-media-stream "
    "--use-fake-device-for-media-stream --autoplay-policy=no-user-gesture-required"
).split()


class PageLeft(Exception):
    """The page went to another address while a script of ours ran in it."""


class Page:
    """One tab of a browser: pages are opened in it, scripts run, and its console's complaints kept."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        """Errors and warnings of the page's console."""

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                told = json.loads((await self._socket.receive()).data)
                self._listen(told)
                if told.get("id") == number:
                    if "navigated" in told.get("error", {}).get("message", ""):
                        raise PageLeft
                    assert "error" not in told, told
                    result: dict[str, Any] = told["result"]
                    return result

    def _listen(self, told: dict[str, Any]) -> None:
        if told.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["params"]["exceptionDetails"])[:500])
        if told.get("method") == "Log.entryAdded" and told["params"]["entry"]["level"] == "error":
            self.complaints.append(
                str(told["params"]["entry"].get("text")) + str(told["params"]["entry"].get("url", ""))
            )

    async def open(self, url: str) -> None:
        await self.command("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        told = await self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, script: str) -> Any:
        """Wait until an expression is true; its value."""
        value = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                while not value:
                    with contextlib.suppress(PageLeft):
                        value = await self.run(script)
                    await asyncio.sleep(0.05)
        assert value, f"{script} did not come true: {await self.run('document.body.innerText')}"
        return value

    async def picture(self, file: Path, width: int, height: int = 900) -> None:
        await self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        told = await self.command("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(told["data"]))


@contextlib.asynccontextmanager
async def browser(microphone: Path | None = None) -> AsyncIterator[Page]:
    """A tab of a new browser, whose microphone hears this WAV file again and again, from when a page first listens."""
    with tempfile.TemporaryDirectory() as profile:
        flags = [*_FLAGS, f"--user-data-dir={profile}"]
        if microphone is not None:
            flags.append(f"--use-file-for-fake-audio-capture={microphone}")
        process = await asyncio.create_subprocess_exec(
            PROGRAM, *flags, "about:blank", stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            assert process.stderr is not None
            async with asyncio.timeout(_PATIENCE_S):
                while b"DevTools listening on" not in (line := await process.stderr.readline()):
                    assert line, "the browser has ended"
            port = int(line.split(b"127.0.0.1:")[1].split(b"/")[0])
            draining = asyncio.create_task(process.stderr.read())
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    [target] = [one for one in await answer.json() if one["type"] == "page"]
                async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Runtime", "Log"):
                        await page.command(f"{domain}.enable")
                    yield page
            draining.cancel()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
