"""The doubles of recognisers, heard by the vendors' own clients: what these understand is the vendor's wire.

Each test is skipped where its client is not installed; none is needed to run the service
(`pip install deepgram-sdk assemblyai openai soniox speechmatics-rt elevenlabs cartesia gladiaio-sdk`).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.doubles.listening.assemblyai import AssemblyAIDouble
from tests.doubles.listening.base import KEY
from tests.doubles.listening.deepgram import DeepgramDouble
from tests.doubles.listening.flux import FluxDouble
from tests.doubles.listening.gladia import GladiaDouble
from tests.doubles.listening.ink import InkDouble, InkTurnsDouble
from tests.doubles.listening.openai_realtime import OpenAIRealtimeDouble
from tests.doubles.listening.scribe import ScribeDouble
from tests.doubles.listening.soniox import SonioxDouble
from tests.doubles.listening.speechmatics import SpeechmaticsDouble
from tests.listening.recogniser_contract import ORDER, plain
from tests.listening.sounds import line, silence

TEXT = "i want to cancel my order"
AUDIO = ORDER + line(silence(0.6))


def pieces(size: int = 800) -> Iterator[bytes]:
    for start in range(0, len(AUDIO), size):
        yield AUDIO[start : start + size]


def websocket(url: str) -> str:
    return url.replace("http", "ws", 1)


def _deepgram_at(url: str) -> Any:
    deepgram = pytest.importorskip("deepgram")
    environments = pytest.importorskip("deepgram.environment")
    environment = environments.DeepgramClientEnvironment(
        base=url, production=websocket(url), agent=websocket(url), agent_rest=url
    )
    return deepgram.AsyncDeepgramClient(api_key=KEY, environment=environment)


async def test_deepgram_nova() -> None:
    pytest.importorskip("deepgram")
    async with DeepgramDouble().serve() as url, asyncio.timeout(60):
        wanted = {"model": "nova-3", "encoding": "mulaw", "sample_rate": 8000, "interim_results": "true"}
        async with _deepgram_at(url).listen.v1.connect(**wanted) as socket:
            for piece in pieces():
                await socket.send_media(piece)
            await socket.send_keep_alive()
            await socket.send_finalize()
            partial = ""
            while not (told := await socket.recv()).from_finalize:
                partial = told.channel.alternatives[0].transcript
            assert plain(partial).startswith("i want")
            best = told.channel.alternatives[0]
            assert plain(best.transcript) == TEXT
            assert [plain(word.punctuated_word) for word in best.words] == TEXT.split()
            await socket.send_close_stream()
            kinds = [type(one).__name__ async for one in socket]
            assert kinds[-1] == "ListenV1Metadata"


async def test_deepgram_flux() -> None:
    pytest.importorskip("deepgram")
    async with FluxDouble().serve() as url, asyncio.timeout(60):
        wanted = {"model": "flux-general-en", "encoding": "mulaw", "sample_rate": 8000, "eager_eot_threshold": 0.5}
        async with _deepgram_at(url).listen.v2.connect(**wanted) as socket:
            assert type(await socket.recv()).__name__ == "ListenV2Connected"
            for piece in pieces(640):
                await socket.send_media(piece)
            events = []
            while (told := await socket.recv()).event != "EndOfTurn":
                events.append(told.event)
            assert (events[0], events[-1]) == ("StartOfTurn", "EagerEndOfTurn")
            assert (plain(told.transcript), told.trigger, told.turn_index) == (TEXT, "model", 0)


async def test_assemblyai() -> None:
    streaming = pytest.importorskip("assemblyai.streaming.v3")
    told: list[Any] = []
    over = asyncio.Event()

    async def turn(_client: Any, event: Any) -> None:
        told.append(event)
        if event.end_of_turn and event.turn_is_formatted:
            over.set()

    async with AssemblyAIDouble().serve() as url, asyncio.timeout(60):
        options = streaming.RealTimeTranscriberOptions(api_key=KEY, api_host=websocket(url))
        client = streaming.AsyncRealTimeTranscriber(options)
        client.on(streaming.RealTimeEvents.Turn, turn)
        wanted = {"sample_rate": 8000, "encoding": "pcm_mulaw", "speech_model": "universal-streaming-english"}
        await client.connect(streaming.RealTimeParameters(**wanted))
        for piece in pieces():
            await client.stream(piece)
        await over.wait()
        await client.disconnect(terminate=True)
    assert plain(told[-1].transcript) == TEXT
    assert [plain(word.text) for word in told[-1].words] == TEXT.split()


async def test_openai_realtime_transcription() -> None:
    openai = pytest.importorskip("openai")
    pytest.importorskip("websockets")  # which its realtime extra brings
    async with OpenAIRealtimeDouble().serve() as url, asyncio.timeout(60):
        client = openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", websocket_base_url=f"{websocket(url)}/v1")
        async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
            assert (await connection.recv()).type == "session.created"
            audio = {"input": {"format": {"type": "audio/pcmu"}, "transcription": {"model": "gpt-live-transcribe"}}}
            await connection.session.update(session={"type": "transcription", "audio": audio})
            assert (await connection.recv()).type == "session.updated"
            for piece in pieces():
                await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
            await connection.input_audio_buffer.commit()
            kinds = []
            while not (told := await connection.recv()).type.endswith("transcription.completed"):
                kinds.append(told.type)
            assert kinds[0].endswith("transcription.delta")
            assert kinds[-1] == "input_audio_buffer.committed"
            assert plain(told.transcript) == TEXT


async def test_soniox() -> None:
    realtime = pytest.importorskip("soniox.types.realtime")
    stt = pytest.importorskip("soniox.realtime.async_stt")
    async with SonioxDouble().serve() as url, asyncio.timeout(60):
        wanted = {"model": "stt-rt-v5", "audio_format": "mulaw", "sample_rate": 8000, "num_channels": 1}
        config = realtime.RealtimeSTTConfig(**wanted, enable_endpoint_detection=True)
        async with stt.AsyncRealtimeSTTSession(f"{websocket(url)}/transcribe-websocket", config, KEY) as session:
            for piece in pieces():
                await session.send_byte_chunk(piece)
            await session.finalize()
            await session.finish()
            text = ""
            async for event in session.receive_events():
                text += "".join(token.text for token in event.tokens if token.is_final)
            assert plain(text.replace("<end>", "").replace("<fin>", "")) == TEXT
            assert "<end>" in text
            assert "<fin>" in text


async def test_speechmatics() -> None:
    rt = pytest.importorskip("speechmatics.rt")
    finals, ends = [], asyncio.Event()
    async with SpeechmaticsDouble().serve() as url, asyncio.timeout(60):
        client = rt.AsyncClient(api_key=KEY, url=f"{websocket(url)}/v2")
        client.on(rt.ServerMessageType.ADD_TRANSCRIPT, lambda told: finals.append(told["metadata"]["transcript"]))
        client.on(rt.ServerMessageType.END_OF_UTTERANCE, lambda told: ends.set())
        await client.start_session(
            transcription_config=rt.TranscriptionConfig(language="en", enable_partials=True),
            audio_format=rt.AudioFormat(encoding=rt.AudioEncoding.MULAW, sample_rate=8000),
        )
        for piece in pieces():
            await client.send_audio(piece)
        await ends.wait()
        await client.stop_session()
    assert plain("".join(finals)) == TEXT


async def test_elevenlabs_scribe() -> None:
    scribe = pytest.importorskip("elevenlabs.realtime.scribe")
    events = pytest.importorskip("elevenlabs.realtime.connection").RealtimeEvents
    told: asyncio.Queue[Any] = asyncio.Queue()
    async with ScribeDouble().serve() as url, asyncio.timeout(60):
        client = scribe.ScribeRealtime(api_key=KEY, base_url=websocket(url))
        options = {"model_id": "scribe_v2_realtime", "audio_format": scribe.AudioFormat.ULAW_8000, "sample_rate": 8000}
        connection = await client.connect({**options, "include_timestamps": True})
        connection.on(events.COMMITTED_TRANSCRIPT_WITH_TIMESTAMPS, told.put_nowait)
        for piece in pieces():
            await connection.send({"audio_base_64": base64.b64encode(piece).decode()})
        await connection.commit()
        committed = await told.get()
        assert plain(committed["text"]) == TEXT
        assert [plain(word["text"]) for word in committed["words"] if word["type"] == "word"] == TEXT.split()
        await connection.close()


async def test_cartesia_ink_with_turns() -> None:
    cartesia = pytest.importorskip("cartesia")
    async with InkTurnsDouble().serve() as url, asyncio.timeout(60):
        client = cartesia.AsyncCartesia(api_key=KEY, base_url=url)
        socket = client.stt.auto_finalize.websocket(encoding="pcm_mulaw", model="ink-2", sample_rate=8000)
        async with socket as connection:
            for piece in pieces():
                await connection.send_raw(piece)
            kinds = []
            while (told := await connection.recv()).type != "turn.end":
                kinds.append(told.type)
            assert (kinds[0], kinds[1], kinds[-1]) == ("connected", "turn.start", "turn.eager_end")
            assert plain(told.transcript) == TEXT


async def test_cartesia_ink_that_settles_when_asked() -> None:
    cartesia = pytest.importorskip("cartesia")
    async with InkDouble().serve() as url, asyncio.timeout(60):
        client = cartesia.AsyncCartesia(api_key=KEY, base_url=url)
        socket = client.stt.manual_finalize.websocket(encoding="pcm_mulaw", model="ink-2", sample_rate=8000)
        async with socket as connection:
            for piece in pieces():
                await connection.send_raw(piece)
            await connection.send_raw("finalize")
            texts = []
            while (told := await connection.recv()).type != "flush_done":
                texts.append(told)
            assert texts[-1].is_final
            assert plain(texts[-1].text) == TEXT


async def test_gladia() -> None:
    gladia = pytest.importorskip("gladiaio_sdk")
    finals, over = list[str](), asyncio.Event()
    async with GladiaDouble().serve() as url, asyncio.timeout(60):
        client = gladia.GladiaClient(api_key=KEY, api_url=url)
        wanted = {"encoding": "wav/ulaw", "bit_depth": 8, "sample_rate": 8000, "channels": 1}
        session = client.live_v2_async().start_session({**wanted, "endpointing": 0.3})

        def said(message: Any) -> None:
            if message.type == "transcript" and message.data.is_final:
                finals.append(message.data.utterance.text)

        session.on("message", said)
        session.on("ended", lambda _message: over.set())
        connected = asyncio.Event()
        session.on("connected", lambda _message: connected.set())
        await connected.wait()
        for piece in pieces():
            session.send_audio(piece)
        session.stop_recording()
        await over.wait()
    assert plain(" ".join(finals)) == TEXT
