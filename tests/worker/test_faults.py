"""What a worker does when its memory, a voice's file, an engine, a peer or its own process fails."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from bridge.errors import ConfigError, VoiceError, VoiceLost
from bridge.system import memory
from bridge.worker import runner
from bridge.worker.client import RemoteSpeech, connect
from bridge.worker.engines.base import Job, Step
from bridge.worker.main import listen, say_ready, serve
from bridge.worker.memory import ran_out
from bridge.worker.protocol import Words
from bridge.worker.server import Worker
from bridge.worker.settings import SchedulerSettings, WorkerSettings
from bridge.worker.voice_settings import HibariVoiceSettings, PiperVoiceSettings
from bridge.worker.voices import LoadedVoice, load_sound_voices, load_voices
from tests.worker.test_main import process
from tests.worker.test_server import Tone, ToneEngine, heard, say

PATIENCE_S = 60.0
"""Far more than anything here takes."""


@dataclass(eq=False)
class TightEngine(ToneEngine):
    """A tone engine whose memory is enough for so many pieces at once, and for "huge" never."""

    fits: int = 2
    error: Exception = field(default_factory=MemoryError)

    def run(self, jobs: Sequence[Job]) -> list[Step]:
        self.begun.set()
        assert self.gate.wait(PATIENCE_S)
        if len(jobs) > self.fits or any(job.text == "huge" for job in jobs if isinstance(job, Tone)):
            raise self.error
        return super().run(jobs)


@asynccontextmanager
async def working(*engines: ToneEngine, **settings: float) -> AsyncIterator[tuple[Worker, str]]:
    """A worker with these engines, each with a voice of its name, that bears load and slow steps; and its address."""
    patient = SchedulerSettings(pressed=1e9, backlog_ms=1e9, slow_step_s=PATIENCE_S)
    bounds = WorkerSettings(port=0, voices={}, scheduler=patient, **settings)  # type: ignore[arg-type]
    worker = Worker(bounds, {engine.name: LoadedVoice(engine, "", 1.0) for engine in engines})
    await worker.start()
    server = web.AppRunner(worker.application(), shutdown_timeout=0.1)
    await server.setup()
    try:
        yield worker, await listen(server, bounds)
    finally:
        for engine in engines:
            engine.gate.set()
        await server.cleanup()
        await worker.close()


async def words_of(speech: RemoteSpeech) -> list[str]:
    return (await heard(speech))[1]


async def begun(speech: RemoteSpeech) -> None:
    """Wait until the stream speaks."""
    async with asyncio.timeout(PATIENCE_S):
        assert isinstance(await anext(aiter(speech)), Words)


async def rest_of(speech: RemoteSpeech) -> list[str]:
    """The words that are still to come."""
    async with asyncio.timeout(PATIENCE_S):
        return [word.text async for message in speech if isinstance(message, Words) for word in message.words]


# ---- a killed process -----------------------------------------------------------------------------------------


async def test_when_the_process_is_killed_every_stream_is_told() -> None:
    async with process("--port", "0") as (worker, address), await connect(address) as link:
        streams = [link.open(), link.open()]
        for stream in streams:
            stream.text("One moment, please. ")
            await begun(stream)
        worker.kill()
        for stream in streams:
            with pytest.raises(VoiceLost, match="connection to the speech worker"):
                await rest_of(stream)


# ---- a step that hangs ----------------------------------------------------------------------------------------


async def test_a_hung_step_ends_the_streams_of_its_engine_and_others_are_heard_to_the_end() -> None:
    hanging, well = ToneEngine("hanging"), ToneEngine("well")
    async with working(hanging, well, step_s=0.5) as (worker, address), await connect(address) as link:
        neighbour = link.open("well")
        neighbour.text("one two. ")
        await begun(neighbour)
        hanging.gate.clear()
        for stream in [say(link, "three", "hanging"), say(link, "four", "hanging")]:
            with pytest.raises(VoiceLost, match="engine_hung: engine hanging does not answer"):
                await words_of(stream)
        assert worker.failed.is_set()
        drained = asyncio.create_task(worker.drain())
        neighbour.text("five six.")
        neighbour.end()
        assert await rest_of(neighbour) == ["five", "six."]
        async with asyncio.timeout(PATIENCE_S):
            await drained


# ---- out of memory --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), RuntimeError("bad allocation")],
)
async def test_a_batch_too_large_for_the_memory_is_made_in_parts(error: Exception) -> None:
    engine = TightEngine(batch=8, error=error)
    async with working(engine, step_s=PATIENCE_S) as (worker, address), await connect(address) as link:
        engine.gate.clear()
        first = say(link, "first", "tone")
        await asyncio.to_thread(engine.begun.wait, PATIENCE_S)
        others = [say(link, f"line {index}", "tone") for index in range(7)]
        huge = say(link, "huge", "tone")
        places = worker.runners[engine].scheduler.places
        async with asyncio.timeout(PATIENCE_S):
            while sum(not place.running and place.kind is not None for place in places()) < 8:
                await asyncio.sleep(0)
        engine.gate.set()
        with pytest.raises(VoiceError, match="out_of_memory: synthesis failed: out of memory"):
            await words_of(huge)
        assert await words_of(first) == ["first"]
        assert [await words_of(stream) for stream in others] == [["line", str(index)] for index in range(7)]
        assert await words_of(say(link, "and on", "tone")) == ["and", "on"]
        counts = worker.runners[engine].counts
        assert counts.failures == 1
        assert counts.out_of_memory == 1 + 2 + 1 + 1, "of all eight, of both halves, of the quarter with it, alone"
        assert max(map(len, engine.batches)) == 2
        assert worker.counts["error_out_of_memory"] == 1


async def test_what_streams_needed_is_given_back_once_when_nobody_speaks_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given_back: list[str] = []
    told = asyncio.Event()

    def give_back() -> None:
        given_back.append(threading.current_thread().name)
        loop.call_soon_threadsafe(told.set)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(runner, "_IDLE_S", 0.001)
    monkeypatch.setattr(memory, "give_back", give_back)
    async with working(ToneEngine()) as (_, address), await connect(address) as link:
        for _ in range(2):
            told.clear()
            assert await words_of(say(link, "well spoken", "tone")) == ["well", "spoken"]
            async with asyncio.timeout(PATIENCE_S):
                await told.wait()
    assert len(given_back) == 2
    assert all(name.startswith(runner.THREAD_NAME) for name in given_back), "the sockets' loop does not wait for it"


async def test_memory_that_ends_while_a_piece_is_begun_harms_its_stream_alone() -> None:
    class Engine(ToneEngine):
        def begin(self, text: str, tokens: Sequence[str], voice: str, speed: float) -> Job:
            if text == "huge":
                raise MemoryError
            return super().begin(text, tokens, voice, speed)

    async with working(Engine()) as (_, address), await connect(address) as link:
        streams = [say(link, text, "tone") for text in ("one", "huge", "two")]
        with pytest.raises(VoiceError, match="out_of_memory"):
            await words_of(streams[1])
        assert [await words_of(streams[0]), await words_of(streams[2])] == [["one"], ["two"]]


def test_how_libraries_say_that_memory_is_out() -> None:
    torch = pytest.importorskip("torch")
    assert ran_out(torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 60)
    assert ran_out(refused.value)
    assert not ran_out(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not ran_out(ValueError("out of memory"))


# ---- bad weights ----------------------------------------------------------------------------------------------


def damaged(folder: Path) -> PiperVoiceSettings:
    """A Piper voice whose file was overwritten."""
    file = folder / "joe.onnx"
    file.write_bytes(b"\x00" * 4096)
    description = {"phoneme_id_map": {"_": [0], "^": [1], "$": [2]}, "audio": {"sample_rate": 22050}}
    file.with_name("joe.onnx.json").write_text(json.dumps(description | {"espeak": {"voice": "en-us"}}))
    return PiperVoiceSettings(model=str(file))


async def test_a_voice_with_a_damaged_file_is_refused_and_the_others_speak(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    settings = WorkerSettings(port=0, voices={"heart": HibariVoiceSettings(), "joe": damaged(tmp_path)})
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(settings, ready.set_result, stop))
    async with asyncio.timeout(PATIENCE_S):
        line = await ready
    async with await connect(line.removeprefix("speech worker ready on ").split(",")[0]) as link:
        assert link.ready.voices == ["heart"]
        well, refused = say(link, "Still here."), say(link, "Hello.", "joe")
        with pytest.raises(VoiceError, match=r"unknown_voice: voice 'joe' could not be loaded: .*joe\.onnx"):
            await words_of(refused)
        assert await words_of(well) == ["Still", "here."]
    stop.set()
    async with asyncio.timeout(PATIENCE_S):
        assert await serving == 0


def test_the_default_voice_must_be_whole(tmp_path: Path) -> None:
    settings = WorkerSettings(voices={"joe": damaged(tmp_path), "heart": HibariVoiceSettings()})
    with pytest.raises(ConfigError, match=r"joe\.onnx"):
        load_sound_voices(settings)


def test_a_damaged_file_of_the_default_engine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "heart.onnx"
    file.write_bytes(b"\x00" * 4096)
    monkeypatch.setattr("bridge.worker.engines.hibari.voice_path", lambda *_, **__: file)
    with pytest.raises(ConfigError, match=r"heart\.onnx: not the weights of a hibari voice"):
        load_voices(WorkerSettings())


# ---- a full disk ----------------------------------------------------------------------------------------------


def test_a_worker_whose_output_cannot_be_written_speaks_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All that a worker writes is its log: `/dev/full` is a disk without room."""
    with open("/dev/full", "wb", buffering=0) as full:
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(full, write_through=True))
        say_ready("speech worker ready on nowhere")
    assert "No space left on device" in caplog.text


# ---- a peer that stops reading --------------------------------------------------------------------------------


async def test_a_peer_that_asks_and_asks_but_never_reads_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """Each of its messages has an answer, which only memory could hold."""
    async with working(ToneEngine("tone"), slow_reader_s=0.2, held_bytes=100_000) as (worker, address):
        asking = asyncio.create_task(ask_for_ever(address))
        async with asyncio.timeout(PATIENCE_S):
            while not worker.connections:
                await asyncio.sleep(0)
        (connection,) = worker.connections
        most = 0
        async with await connect(address) as link, asyncio.timeout(PATIENCE_S):
            while len(worker.connections) > 1:
                assert await words_of(say(link, "one", "tone")) == ["one"]
                most = max(most, connection.queued_bytes)
            await asking
        assert 100_000 < most < 2 * 100_000 + 64_000
        assert worker.counts["slow_readers"] == 1
        assert "read nothing for 0.2 s" in caplog.text


async def ask_for_ever(address: str) -> None:
    """Open streams with a voice that nobody has, whose long name comes back in the answer, and read none of them."""
    reader, writer = await asyncio.open_connection(*address.removeprefix("ws://").split(":"), limit=1024)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    question = json.dumps({"type": "open", "stream": 1, "voice": "x" * 50_000}).encode()
    with suppress(ConnectionError):
        while True:
            writer.write(b"\x81" + bytes([0x80 | 126]) + len(question).to_bytes(2, "big") + bytes(4) + question)
            await writer.drain()
    assert not reader.at_eof()
    writer.close()
