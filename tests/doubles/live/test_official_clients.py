"""The doubles of speaking models, talked to by the vendors' own clients: what these understand is the vendor's wire.

Each test is skipped where its client is not installed; none is needed to run the service
(`pip install openai websockets google-genai`).
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from tests.doubles.live.base import KEY, Answer, sounds
from tests.doubles.live.gemini import GeminiDouble
from tests.doubles.live.realtime import RealtimeDouble

TEXT = "we open at nine"


async def test_openai_realtime() -> None:
    openai = pytest.importorskip("openai")
    pytest.importorskip("websockets")  # which its realtime extra brings
    double = RealtimeDouble([Answer(TEXT, [("look_up", {"day": "Monday"})]), Answer("until five", pace=1.0)])
    async with double.serve() as at, asyncio.timeout(60):
        client = openai.AsyncOpenAI(api_key=KEY, base_url=f"http://{at}/v1", websocket_base_url=f"ws://{at}/v1")
        async with client.realtime.connect(model="gpt-realtime") as connection:
            assert (await connection.recv()).type == "session.created"
            pcmu = {"type": "audio/pcmu"}
            audio = {"input": {"format": pcmu, "turn_detection": None}, "output": {"format": pcmu, "voice": "marin"}}
            await connection.session.update(session={"type": "realtime", "audio": audio})
            assert (await connection.recv()).session.audio.output.format.type == "audio/pcmu"
            await connection.input_audio_buffer.append(audio=base64.b64encode(b"\xff" * 1600).decode())
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            told = await until(connection, "response.done")
            heard = b"".join(base64.b64decode(one.delta) for one in told if one.type == "response.output_audio.delta")
            assert heard == sounds(TEXT, 8000)
            words = "".join(one.delta for one in told if one.type == "response.output_audio_transcript.delta")
            assert words.split() == TEXT.split()
            done = told[-1].response
            assert (done.status, [one.type for one in done.output]) == ("completed", ["message", "function_call"])
            assert done.usage.output_token_details.audio_tokens > 0
            message, call = done.output
            await connection.conversation.item.truncate(item_id=message.id, content_index=0, audio_end_ms=300)
            assert (await until(connection, "conversation.item.truncated"))[-1].audio_end_ms == 300
            await connection.conversation.item.truncate(item_id=message.id, content_index=0, audio_end_ms=99_999)
            assert (await until(connection, "error"))[-1].error.code == "invalid_value"
            output = {"type": "function_call_output", "call_id": call.call_id, "output": "nine"}
            await connection.conversation.item.create(item=output)
            await connection.response.create()
            await until(connection, "response.output_audio.delta")
            await connection.response.cancel()
            done = (await until(connection, "response.done"))[-1].response
            assert (done.status, done.status_details.reason) == ("cancelled", "client_cancelled")
            assert [item.kept_ms for item in double.conversation.said("assistant")] == [300, None]


async def test_gemini_live(monkeypatch: pytest.MonkeyPatch) -> None:
    genai = pytest.importorskip("google.genai")
    live, types = pytest.importorskip("google.genai.live"), genai.types
    connect = live.ws_connect

    def in_the_clear(uri: str, **options: Any) -> Any:  # the client knows no other scheme than wss
        return connect(uri.replace("wss://", "ws://"), **{**options, "ssl": None})

    monkeypatch.setattr(live, "ws_connect", in_the_clear)
    answers = [Answer(TEXT, [("look_up", {"day": "Monday"})]), Answer("until five", pace=1.0), Answer("bye")]
    double = GeminiDouble(answers)
    async with double.serve() as at, asyncio.timeout(60):
        options = types.HttpOptions(base_url=f"http://{at}", api_version="v1beta")
        client = genai.Client(api_key=KEY, http_options=options)
        config = {
            "response_modalities": ["AUDIO"],
            "realtime_input_config": {"automatic_activity_detection": {"disabled": True}},
            "output_audio_transcription": {},
            "session_resumption": {},
        }
        async with client.aio.live.connect(model="gemini-live", config=config) as session:
            await session.send_realtime_input(activity_start=types.ActivityStart())
            await session.send_realtime_input(audio=types.Blob(data=b"\0" * 3200, mime_type="audio/pcm;rate=16000"))
            await session.send_realtime_input(activity_end=types.ActivityEnd())
            heard, words, called = b"", "", None
            async for message in session.receive():
                heard += message.data or b""
                content = message.server_content
                words += (content and content.output_transcription and content.output_transcription.text) or ""
                if message.tool_call:
                    called = message.tool_call.function_calls[0]
                    break
            assert heard == sounds(TEXT, 24000)
            assert words.split() == TEXT.split()
            assert called is not None
            assert (called.name, called.args) == ("look_up", {"day": "Monday"})
            result = types.FunctionResponse(id=called.id, name=called.name, response={"result": "nine"})
            await session.send_tool_response(function_responses=result)
            interrupted, used, handle = False, None, ""
            async for message in session.receive():
                if message.data and not double.conversation.said("user")[1:]:
                    await session.send_realtime_input(activity_start=types.ActivityStart())
                interrupted |= bool(message.server_content and message.server_content.interrupted)
                used = message.usage_metadata or used
                if message.session_resumption_update and message.session_resumption_update.resumable:
                    handle = message.session_resumption_update.new_handle
            assert interrupted
            assert used is not None
            assert used.response_tokens_details[0].modality == types.MediaModality.AUDIO
            assert double.conversation.results == {called.id: {"result": "nine"}}
            assert double.conversation.errors == []
            assert handle == ""  # it comes behind the turn's end, which ends the iteration
        assert double.handles


async def until(connection: Any, kind: str) -> list[Any]:
    """What comes, up to the first event of this kind."""
    told = [await connection.recv()]
    while told[-1].type != kind:
        assert type(told[-1]).__name__ != "BaseModel", "an event that the vendor's client does not know"
        told.append(await connection.recv())
    return told
