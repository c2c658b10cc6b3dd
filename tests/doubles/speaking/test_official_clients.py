"""The doubles of hosted voices, asked by the vendors' own clients: what these understand is the vendor's wire.

Each test is skipped where its client is not installed; none is needed to run the service
(`pip install deepgram-sdk cartesia openai hume speechify-api smallestai elevenlabs`).
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import aiohttp
import pytest

from bridge.audio.formats import MULAW_8000
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted.elevenlabs import ElevenLabsWire
from tests.doubles.speaking.aura import AuraDouble
from tests.doubles.speaking.base import KEY, sound
from tests.doubles.speaking.elevenlabs import ElevenLabsDouble
from tests.doubles.speaking.hume import HumeDouble
from tests.doubles.speaking.openai_speech import OpenAISpeechDouble
from tests.doubles.speaking.smallest import SmallestDouble
from tests.doubles.speaking.sonic import SonicDouble
from tests.doubles.speaking.speechify import SpeechifyDouble
from tests.speaking.doubles import heard

WORDS = "one two three"
PATIENCE_S = 60.0


def websocket(url: str) -> str:
    return url.replace("http", "ws", 1)


async def test_deepgram_aura() -> None:
    deepgram = pytest.importorskip("deepgram")
    environments = pytest.importorskip("deepgram.environment")
    texts = pytest.importorskip("deepgram.speak.v1.types")
    async with AuraDouble().serve() as url, asyncio.timeout(PATIENCE_S):
        where = {"base": url, "production": websocket(url), "agent": websocket(url), "agent_rest": url}
        client = deepgram.AsyncDeepgramClient(api_key=KEY, environment=environments.DeepgramClientEnvironment(**where))
        wanted = {"model": "aura-2-ada-en", "encoding": "mulaw", "sample_rate": 8000}
        async with client.speak.v1.connect(**wanted) as socket:
            assert (await socket.recv()).model_name == "aura-2-ada-en"
            await socket.send_text(texts.SpeakV1Text(type="Speak", text="one two "))
            await socket.send_text(texts.SpeakV1Text(type="Speak", text="three "))
            await socket.send_flush()
            audio = b""
            while isinstance(told := await socket.recv(), bytes):
                audio += told
            assert told.type == "Flushed"
            assert heard(audio) == WORDS.split()
            await socket.send_clear()
            while isinstance(told := await socket.recv(), bytes):
                pass
            assert told.type == "Cleared"


async def test_cartesia_sonic() -> None:
    cartesia = pytest.importorskip("cartesia")
    async with SonicDouble().serve() as url, asyncio.timeout(PATIENCE_S):
        client = cartesia.AsyncCartesia(api_key=KEY, base_url=url, websocket_base_url=websocket(url))
        async with client.tts.websocket_connect() as connection:
            context = connection.context(
                model_id="sonic-3",
                voice={"mode": "id", "id": "ada"},
                output_format={"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
                add_timestamps=True,
                max_buffer_delay_ms=0,
            )
            await context.push("one two ")
            await context.push("three ")
            await context.no_more_inputs()
            audio, words, kinds = b"", list[str](), list[str]()
            async for told in context.receive():
                kinds.append(told.type)
                if told.type == "chunk":
                    audio += told.audio or b""
                elif told.type == "timestamps":
                    words += told.word_timestamps.words
            assert heard(audio) == words == WORDS.split()
            assert kinds[-1] == "done"


async def test_openai_speech() -> None:
    openai = pytest.importorskip("openai")
    async with OpenAISpeechDouble().serve() as url, asyncio.timeout(PATIENCE_S):
        client = openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0)
        wanted = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": WORDS, "response_format": "pcm"}
        async with client.audio.speech.with_streaming_response.create(**wanted) as answer:
            audio = b"".join([piece async for piece in answer.iter_bytes()])
        assert audio == b"".join(sound(word, "pcm", 24_000) for word in WORDS.split())
        with pytest.raises(openai.AuthenticationError):
            await openai.AsyncOpenAI(api_key="no", base_url=f"{url}/v1", max_retries=0).audio.speech.create(**wanted)


async def test_hume() -> None:
    hume = pytest.importorskip("hume")
    environments = pytest.importorskip("hume.environment")
    types = pytest.importorskip("hume.tts.types")
    async with HumeDouble().serve() as url, asyncio.timeout(PATIENCE_S):
        base = websocket(url)
        where = {"base": url, "evi": f"{base}/v0/evi", "tts": f"{base}/v0/tts", "stream": f"{base}/v0/stream"}
        client = hume.AsyncHumeClient(api_key=KEY, environment=environments.HumeClientEnvironment(**where))
        wanted = {"api_key": KEY, "format_type": "pcm", "no_binary": True, "strip_headers": True, "instant_mode": True}
        async with client.tts.stream_input.connect(**wanted, include_timestamp_types="word", version="2") as socket:
            voice = {"name": "Ada", "provider": "HUME_AI"}
            await socket.send_publish(types.PublishTts(text=f"{WORDS} ", voice=voice))
            await socket.send_publish(types.PublishTts(close=True))
            audio, words = b"", []
            async for told in socket:
                if told.type == "audio":
                    audio += base64.b64decode(told.audio)
                else:
                    words.append(told.timestamp.text)
        assert words == WORDS.split()
        assert audio == b"".join(sound(word, "pcm", 48_000) for word in WORDS.split())


async def test_speechify() -> None:
    speechify = pytest.importorskip("speechify")
    async with SpeechifyDouble().serve() as url, asyncio.timeout(PATIENCE_S):
        client = speechify.AsyncSpeechify(token=KEY, base_url=url)
        audio, words, kinds = b"", [], []
        wanted = {"input": WORDS, "voice_id": "ada", "output_format": "ulaw_8000", "model": "simba-3.0"}
        async for told in client.audio.stream_with_timestamps(**wanted):
            kinds.append(told.type)
            if told.type == "speech.chunk":
                audio += base64.b64decode(told.audio or "")
                words += [mark.value for mark in told.speech_marks or ()]
        assert heard(audio) == words == WORDS.split()
        assert kinds[-1] == "speech.done"


async def test_smallest() -> None:
    stream = pytest.importorskip("smallestai.waves.stream_tts")
    async with SmallestDouble().serve() as url, asyncio.timeout(PATIENCE_S):
        client = stream.WavesStreamingTTS(stream.TTSConfig(voice_id="ada", api_key=KEY, sample_rate=8000))
        client.ws_url = f"{websocket(url)}/waves/v1/tts/live"
        audio = await asyncio.to_thread(lambda: b"".join(client.synthesize(WORDS)))
        assert audio == b"".join(sound(word, "pcm", 8000) for word in WORDS.split())


@pytest.mark.parametrize("snake", [False, True])
async def test_elevenlabs_messages_are_those_that_its_package_describes(snake: bool) -> None:
    """Its client has no socket with several contexts, but types for what goes over it in both directions."""
    types: Any = pytest.importorskip("elevenlabs.types")
    pydantic = pytest.importorskip("pydantic")
    double = ElevenLabsDouble()
    double.snake = snake
    async with double.serve() as url, asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        wire = ElevenLabsWire(double.settings(url))
        address = wire.address(SpeechRequest(voice="ada", audio_format=MULAW_8000), KEY)
        async with session.ws_connect(address.url, headers=address.headers) as socket:
            said = [*wire.begin("a", SpeechRequest(voice="ada")), *wire.text("a", WORDS), *wire.end("a")]
            for message in said:
                types.WebsocketTtsClientMessageMulti.model_validate_json(message)
                await socket.send_str(str(message))
            described = pydantic.TypeAdapter(types.AudioOutputMulti | types.FinalOutputMulti)
            audio = b""
            async for received in socket:
                told = described.validate_json(received.data)
                assert (told.context_id or json.loads(received.data).get("context_id")) == "a"
                if not getattr(told, "audio", None):
                    break
                audio += base64.b64decode(told.audio)
            assert heard(audio) == WORDS.split()
