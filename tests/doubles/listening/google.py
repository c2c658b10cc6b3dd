"""A double of Google Speech v2's streaming recognition, which speaks the messages of Google's own package."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from bridge.listening.hosted_settings import GoogleSettings
from tests.doubles.hearing import Heard, Hearing
from tests.doubles.listening.base import Close, ListeningDouble, Session
from tests.doubles.rpc import STATUS, let_in, served

_RECOGNISER = "projects/shop/locations/global/recognizers/_"


class GoogleDouble(ListeningDouble):
    public_key: bytes | None = None
    """Of the service account that may listen; None: whoever brings the doubles' key."""
    idle_s = 10.0
    longest_s = 300.0

    def settings(self, url: str) -> GoogleSettings:
        return GoogleSettings(url=url, key_env="VENDOR_KEY", project="shop")

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        self._servers: list[Any] = []
        async with served("google.cloud.speech.v2.Speech", "StreamingRecognize", self._recognise, self._servers) as url:
            self.url = url
            yield url

    async def dies(self) -> None:
        self.refuses = 503
        await self._servers[0].stop(None)

    async def _recognise(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        import grpc
        from google.cloud.speech_v2.types import cloud_speech

        request_of = cloud_speech.StreamingRecognizeRequest.pb()
        told = await let_in(context, self.public_key, f"{self.url}/", self.refuses)

        async def refuse(status: Any, said: str) -> None:
            await context.abort(status, said)

        first = request_of.FromString(await anext(requests))
        config = first.streaming_config.config
        decoding = config.explicit_decoding_config
        as_wanted = (decoding.encoding, decoding.sample_rate_hertz, decoding.audio_channel_count) == (2, 8000, 1)
        if first.audio or first.recognizer != _RECOGNISER or not as_wanted or not config.language_codes:
            await refuse(grpc.StatusCode.INVALID_ARGUMENT, "streaming_config: invalid")
        number = len(self.sessions)
        script = list(self._misconduct[number]) if number < len(self._misconduct) else []
        phrases = [phrase.value for held in config.adaptation.phrase_sets for phrase in held.inline_phrase_set.phrases]
        session = Session({"language": config.language_codes[0], "hints": ",".join(phrases)}, told)
        self.sessions.append(session)
        hearing = Hearing(self.pause_s)
        mute = False
        try:
            while True:
                try:
                    async with asyncio.timeout(self.idle_s * self.second):
                        request = request_of.FromString(await anext(requests))
                except StopAsyncIteration:
                    break
                except TimeoutError:
                    await refuse(grpc.StatusCode.ABORTED, "Stream timed out after receiving no more client requests.")
                if request.HasField("streaming_config") or not request.audio or len(request.audio) > 25_000:
                    await refuse(grpc.StatusCode.INVALID_ARGUMENT, "audio: invalid")
                session.longest = max(session.longest, len(request.audio))
                for heard in hearing.hears(request.audio):
                    if not mute and heard.text and heard.kind in ("partial", "pause"):
                        if heard.kind == "pause":
                            hearing.settle(heard)
                        yield self._results(heard, final=heard.kind == "pause")
                if not hearing._speaks and hearing.position_s - hearing.begun_s > 1.0:
                    hearing.settle(Heard("pause", hearing.position_s - 0.4))  # nobody said anything in it
                session.audio_s = hearing.position_s
                if hearing.position_s > self.longest_s:
                    await refuse(grpc.StatusCode.ABORTED, "Max duration of 5 minutes reached for stream.")
                while script and hearing.position_s >= script[0].after_s:
                    said, mute = script.pop(0).told, True
                    if isinstance(said, Close):
                        status = STATUS.get(said.code or 503, "UNAVAILABLE")
                        await refuse(getattr(grpc.StatusCode, status), said.reason)
                    elif isinstance(said, bytes):
                        yield said
            heard = hearing.settle()
            if heard.text and not mute:
                yield self._results(heard, final=True)
        finally:
            session.closed = True

    def _results(self, heard: Heard, *, final: bool) -> bytes:
        """Interim texts come in two parts, the later of which may still change."""
        from google.cloud.speech_v2.types import cloud_speech

        words = [
            {"start_offset": self._offset(w.start_s), "end_offset": self._offset(w.end_s), "word": w.text}
            | ({"confidence": 0.95} if final else {})
            for w in heard.words
        ]
        end = self._offset(heard.at_s)
        if final:
            best: dict[str, Any] = {"transcript": heard.text, "confidence": 0.93, "words": words}
            results: list[dict[str, Any]] = [{"alternatives": [best], "is_final": True, "result_end_offset": end}]
        else:
            said = heard.text.split()
            stable, rest = " ".join(said[:-1]), said[-1]
            parts = [(stable, words[:-1], 0.9), (f" {rest}" if stable else rest, words[-1:], 0.01)]
            results = [
                {"alternatives": [{"transcript": text, "words": its}], "stability": stability, "result_end_offset": end}
                for text, its, stability in parts
                if text
            ]
        response = cloud_speech.StreamingRecognizeResponse.pb()(results=results)
        return bytes(response.SerializeToString())

    def _offset(self, seconds: float) -> Any:
        from google.protobuf.duration_pb2 import Duration

        return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
