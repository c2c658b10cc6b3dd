"""The worker as operators run it: a process."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from bridge.errors import ConfigError
from bridge.worker.client import connect
from bridge.worker.main import main
from bridge.worker.protocol import Words
from bridge.worker.settings import WRONG_SETTINGS_EXIT_CODE, WorkerSettings
from bridge.worker.voice_settings import (
    HibariTorchVoiceSettings,
    HibariVoiceSettings,
    PiperVoiceSettings,
    VoiceSettings,
)
from bridge.worker.voices import load_voices


@asynccontextmanager
async def process(*options: str) -> AsyncIterator[tuple[Process, str]]:
    """A worker process and the address in its ready line."""
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "bridge.worker", *options, stdout=PIPE)
    try:
        assert worker.stdout is not None
        async with asyncio.timeout(60):
            line = (await worker.stdout.readline()).decode()
        assert line.startswith("speech worker ready on ")
        yield worker, line.removeprefix("speech worker ready on ").split(",")[0]
    finally:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()


async def test_a_process_speaks_and_finishes_its_streams_on_sigterm() -> None:
    async with process("--port", "0") as (worker, address), await connect(address) as link:
        speech = link.open()
        speech.text("One moment, please. ")
        messages = aiter(speech)
        async with asyncio.timeout(60):
            assert isinstance(await anext(messages), Words)
        worker.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            while not link.draining:
                await asyncio.sleep(0)
        speech.text("Goodbye.")
        speech.end()
        async with asyncio.timeout(60):
            words = [word.text async for m in messages if isinstance(m, Words) for word in m.words]
            assert words == ["Goodbye."]
            assert await worker.wait() == 0


async def test_a_mistake_in_the_settings_ends_a_supervised_worker_while_its_parent_watches(tmp_path: Path) -> None:
    """By its own exit code, so that nobody starts it again: the thread that watches the parent does not abort it."""
    missing = str(tmp_path / "joe.onnx")
    settings = WorkerSettings(voices={"joe": PiperVoiceSettings(model=missing)})
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bridge.worker", "--supervised", stdin=PIPE, stderr=PIPE
    )
    assert worker.stdin is not None
    assert worker.stderr is not None
    worker.stdin.write(msgspec.json.encode(settings) + b"\n")  # and it is held open
    async with asyncio.timeout(60):
        said = (await worker.stderr.read()).decode().splitlines()
        assert await worker.wait() == WRONG_SETTINGS_EXIT_CODE
    assert len(said) == 1
    assert missing in said[0]


def test_an_address_in_use_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--unix", "/nowhere/at/all/worker.sock"]) == 2
    assert "/nowhere/at/all/worker.sock" in capsys.readouterr().err


def test_a_voice_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    voices: dict[str, VoiceSettings] = {"joe": PiperVoiceSettings(model=str(tmp_path / "joe.onnx"))}
    with pytest.raises(ConfigError, match=r"joe\.onnx"):
        load_voices(WorkerSettings(voices=voices))


def test_an_engine_whose_library_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bridge.worker.engines.hibari_torch", None)
    with pytest.raises(ConfigError, match="'hibari_torch' needs"):
        load_voices(WorkerSettings(voices={"heart": HibariTorchVoiceSettings()}))


def test_voices_have_their_own_names_and_levels() -> None:
    settings = WorkerSettings(voices={"loud": HibariVoiceSettings(gain_db=6.0), "normal": HibariVoiceSettings()})
    voices = load_voices(settings)
    assert list(voices) == ["loud", "normal"]
    assert voices["loud"].engine is voices["normal"].engine
    assert voices["loud"].gain == pytest.approx(10 ** (6 / 20))
