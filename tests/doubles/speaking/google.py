"""A double of Google's streaming voices, which speaks the messages of Google's own package."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from bridge.speaking.hosted_settings import GoogleVoiceSettings
from tests.doubles.rpc import let_in, served
from tests.doubles.speaking.base import Misbehaves, SpeakingDouble, sound

_STATUS = {"busy": "RESOURCE_EXHAUSTED", "rejected": "INVALID_ARGUMENT", "internal": "INTERNAL", "lost": "UNAVAILABLE"}
_VOICES = ("en-US-Chirp3-HD-Ada", "en-US-Chirp3-HD-Bob")


class GoogleVoiceDouble(SpeakingDouble):
    public_key: bytes | None = None
    """Of the service account that may speak; None: whoever brings the doubles' key."""
    its_idle_s = 5.0
    header = b""
    """Put before the samples, as its other method does."""

    def settings(self, url: str, **others: Any) -> GoogleVoiceSettings:
        return GoogleVoiceSettings(**{"url": url, "key_env": "VENDOR_KEY", "voices": _VOICES, **others})

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        self._servers: list[Any] = []
        service = "google.cloud.texttospeech.v1.TextToSpeech"
        async with served(service, "StreamingSynthesize", self._synthesise, self._servers) as url:
            self.url = url
            yield url
            self.release()

    async def dies(self) -> None:
        self.refuses = 503
        await self._servers[0].stop(None)

    async def _synthesise(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        import grpc
        from google.cloud.texttospeech_v1.types import cloud_tts

        request_of = cloud_tts.StreamingSynthesizeRequest.pb()
        answer_of = cloud_tts.StreamingSynthesizeResponse.pb()
        orders = self.next_orders()
        await let_in(context, self.public_key, f"{self.url}/", self.refuses)
        self.opened += 1
        config = request_of.FromString(await anext(requests)).streaming_config
        wanted = config.streaming_audio_config
        if config.voice.name not in _VOICES or wanted.audio_encoding not in (5, 7):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "streaming_config: invalid")
        encoding, rate_hz = ("mulaw" if wanted.audio_encoding == 5 else "pcm"), wanted.sample_rate_hertz
        text, header = "", self.header
        while True:
            try:
                async with asyncio.timeout(self.idle_s):
                    request = request_of.FromString(await anext(requests))
            except StopAsyncIteration:
                break
            except TimeoutError:
                said = "Stream aborted: input should be sent at least every 5s."
                await context.abort(grpc.StatusCode.ABORTED, said)
            if request.WhichOneof("streaming_request") != "input" or len(request.input.text.encode()) > 5000:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "input: invalid")
            text += request.input.text
        self.texts.append(" ".join(text.split()))
        try:
            async for _, word in self.spoken(text, orders):
                for piece in self.cut_up(header + sound(word, encoding, rate_hz)):  # type: ignore[arg-type]
                    yield answer_of(audio_content=piece).SerializeToString()
                header = b""
            if self.ending == "missing":
                await self._forever.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        except Misbehaves as misbehaving:
            await context.abort(getattr(grpc.StatusCode, _STATUS[misbehaving.fault]), "on order")
