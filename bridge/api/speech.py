"""Speech for other programs: OpenAI's speech API, spoken by any provider while the answer is being sent.

Off until there is a key in the environment variable BRIDGE_API_KEYS, or what `gateway.speech_api.keys_env` names
instead. Every request names one:

    curl -N https://bridge.example.com/v1/audio/speech -H "Authorization: Bearer $KEY" \
         --json '{"model": "bridge", "voice": "heart", "input": "I have an opening.", "response_format": "wav"}'

or, with the `openai` package,

    client = OpenAI(base_url="https://bridge.example.com/v1", api_key=KEY)
    with client.audio.speech.with_streaming_response.create(
        model="bridge", voice="heart", input="I have an opening on Tuesday.", response_format="pcm"
    ) as response:
        for samples in response.iter_bytes(): ...

`POST /v1/audio/speech`, a JSON object:

    input            the text, up to `text_chars` characters
    model            "bridge" (default), or one of OpenAI's names, which mean the same here
    voice            one of `GET /v1/voices`, or its name in `voices`; "default" or none: the worker's default
    response_format  wav (default), pcm (linear16, little-endian) or mulaw (G.711, no header); nothing else
    sample_rate      of wav and pcm: 24000 (default, as with OpenAI), 16000 or 8000; not in OpenAI's API
    speed            0.25 to 4 as with OpenAI; beyond 0.5 to 2 it is that limit, unless `refuse_odd_speeds` is set
    stream_format    "audio" (default): the sound itself, in chunks, as it is made. A WAV header tells no length.
                     "sse": server-sent events, the deltas joined being the sound:

Fields of other names are ignored, `instructions` too, and `null` is the default: so it is with OpenAI's own servers.
Text is cleaned and read as on calls (`bridge.text`). With `sse` an event looks so:

    data: {"type":"speech.words","words":[["I",20,110],["have",110,300]]}          milliseconds; not in OpenAI's API
    data: {"type":"speech.audio.delta","audio":"UklGRv////9XQVZF..."}              base64
    data: {"type":"speech.audio.done","usage":{"characters":29,"audio_ms":1780}}
    data: {"type":"error","error":{...}}                                           in place of `done`

`GET /v1/audio/stream` is a WebSocket for text that is still being written (`bridge.api.socket`);
`GET /v1/models` and `GET /v1/voices` list what there is.

Errors have OpenAI's shape, `{"error": {"message", "type", "param", "code"}}`: 400 what cannot be spoken, 401 the key,
404 the API is off or the model unknown, 413 the body, 429 too much, or the workers are busy (with Retry-After), 503
no worker, a drain. After the first sound an error breaks the response off: a chunked body without its end. A client
that goes away stops the synthesis.

Source: https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from aiohttp import web

from bridge.api.access import Access, Account, ApiError
from bridge.api.body import MODELS, SpeechBody, VoiceId, asked_format, known_model, read
from bridge.api.formats import ResponseFormat
from bridge.api.stream import Piece, SpeechResponse
from bridge.api.use import KeyUse
from bridge.errors import VoiceBusy, VoiceError, VoiceLost
from bridge.gateway.admission import Admission
from bridge.gateway.settings import SpeechApiSettings
from bridge.speaking.voices.base import SpeechListener, SpeechRequest, SpeechStream
from bridge.telemetry.metrics import Metrics

SPEECH = "/v1/audio/speech"
_LOOK_S = 0.25
"""How soon a client that has gone is noticed while there is nothing to send to it."""
_SLOW_READER_S = 60.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SpeechSource(Protocol):
    """What the API speaks with; `bridge.speaking.speech.Speech` is one."""

    @property
    def voices(self) -> Mapping[str, str]:
        """Voices that streams can have now, each with its engine's version; the default one first."""

    def open_stream(self, request: SpeechRequest, listener: SpeechListener) -> SpeechStream:
        """Begin to speak; raises VoiceError."""


class _ClientGone(Exception):
    """The client has closed its connection, so that nobody listens any more."""


class SpeechApi:
    """The API's HTTP routes, and what its WebSocket shares with them: keys, voices, limits."""

    def __init__(
        self,
        settings: SpeechApiSettings,
        source: SpeechSource | None,
        admission: Admission,
        metrics: Metrics,
        *,
        keys: Sequence[str],
        use: KeyUse | None = None,
    ) -> None:
        self.settings = settings
        self._source = source
        self._access = Access(settings, keys, use=use)
        self._admission = admission
        self._metrics = metrics
        self._started_at = int(time.time())

    def add_to(self, app: web.Application) -> None:
        """Register the speech API's routes with the application."""
        app.router.add_post(SPEECH, self.answering(self._speech))
        app.router.add_get("/v1/models", self.answering(self._models))
        app.router.add_get("/v1/models/{model}", self.answering(self._model))
        app.router.add_get("/v1/voices", self.answering(self._voices))

    def answering(self, handler: Handler) -> Handler:
        """The handler with its refusals as OpenAI's error objects."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except ApiError as error:
                self.count("refused")
                return error.response()

        return answer

    # ---- what both kinds of routes ask -------------------------------------------------------------------------

    def account(self, request: web.Request) -> Account:
        """Return the account whose key the request carries. Raises ApiError."""
        if self._source is None or not self._access.anybody:
            raise ApiError(
                404, "speech_api_off", f"the speech API is off: set {self.settings.keys_env or 'speech_api.keys_env'}"
            )
        return self._access.account(request.headers.get("Authorization", ""))

    def voices(self) -> Mapping[str, str]:
        """Voices with their engines, the default one first. Raises ApiError while there is none, and in a drain."""
        if self._admission.draining:
            raise ApiError(503, "draining", "this process is about to stop", retry_after_s=1.0)
        found = self._source.voices if self._source else {}
        if not found:
            raise ApiError(503, "no_voice", "no speech worker is connected", retry_after_s=1.0)
        return found

    def voice(self, name: str | None) -> str:
        """A voice's own name. Raises ApiError for one that is unknown."""
        found = self.voices()
        wanted = next(iter(found)) if name in (None, "", "default") else self.settings.voices.get(str(name), str(name))
        if wanted not in found:
            known = ", ".join([*found, *self.settings.voices])
            raise ApiError(400, "unknown_voice", f"no voice {name!r}; there are: {known}", param="voice")
        return wanted

    def open(self, request: SpeechRequest, listener: SpeechListener) -> SpeechStream:
        """Begin to speak, behind what callers wait for. Raises VoiceError."""
        if self._source is None:
            raise VoiceError("there is no speech")
        return self._source.open_stream(msgspec.structs.replace(request, priority="tenant"), listener)

    def count(self, answer: str) -> None:
        """A stream ended so: done, failed, cancelled or refused."""
        self._metrics.speech_requests.labels(answer).inc()

    # ---- lists -------------------------------------------------------------------------------------------------

    async def _models(self, request: web.Request) -> web.Response:
        self.account(request)
        return web.json_response({"object": "list", "data": [self._described(name) for name in MODELS]})

    async def _model(self, request: web.Request) -> web.Response:
        self.account(request)
        return web.json_response(self._described(known_model(request.match_info["model"])))

    def _described(self, name: str) -> dict[str, object]:
        return {"id": name, "object": "model", "created": self._started_at, "owned_by": "bridge"}

    async def _voices(self, request: web.Request) -> web.Response:
        self.account(request)
        found = self.voices()
        default = next(iter(found))
        voices: list[dict[str, object]] = [
            {"id": name, "object": "voice", "engine": engine, "default": name == default}
            for name, engine in found.items()
        ]
        voices += [
            {"id": name, "object": "voice", "engine": found[meant], "default": False, "alias_of": meant}
            for name, meant in self.settings.voices.items()
            if meant in found
        ]
        return web.json_response({"object": "list", "data": voices})

    # ---- speech ------------------------------------------------------------------------------------------------

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        account = self.account(request)
        wanted = await read(request, self.settings)
        audio_format = asked_format(wanted)
        voice = self.voice(wanted.voice.id if isinstance(wanted.voice, VoiceId) else wanted.voice)
        account.take()
        spoken = SpeechResponse(audio_format.audio_format)
        try:
            try:
                asked = SpeechRequest(
                    wanted.input, voice, audio_format.audio_format, wanted.speed, language=wanted.language
                )
                spoken.begin(self.open(asked, spoken))
                begun = await self._begun(request, spoken)
            except VoiceError as error:
                raise _as_api_error(error) from None
            if not begun:
                raise ApiError(400, "nothing_to_say", "there is nothing in the input that can be spoken", param="input")
            return await self._send(request, wanted, audio_format, spoken, begun)
        except _ClientGone:
            self.count("cancelled")
            return web.Response(status=499)  # to nobody
        finally:
            spoken.cancel()
            account.give_back()

    async def _send(
        self,
        request: web.Request,
        wanted: SpeechBody,
        audio_format: ResponseFormat,
        spoken: SpeechResponse,
        begun: list[Piece],
    ) -> web.StreamResponse:
        events = wanted.stream_format == "sse"
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8" if events else audio_format.content_type,
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # or nginx would collect what should be heard at once
                "X-Sample-Rate": str(audio_format.audio_format.rate_hz),
            }
        )
        try:
            await response.prepare(request)
            async with contextlib.aclosing(self._parts(request, wanted, audio_format, spoken, begun)) as parts:
                async for part in parts:
                    async with asyncio.timeout(_SLOW_READER_S):
                        await response.write(part)
            await response.write_eof()
        except (ConnectionError, TimeoutError) as error:
            _break_off(request)
            raise _ClientGone from error
        except VoiceError:
            self.count("failed")
            _break_off(request)
        else:
            self.count("failed" if spoken.error else "done")
        return response

    async def _parts(
        self,
        request: web.Request,
        wanted: SpeechBody,
        audio_format: ResponseFormat,
        spoken: SpeechResponse,
        begun: list[Piece],
    ) -> AsyncGenerator[bytes, None]:
        """What goes into the body, as it is made. Raises VoiceError when the sound breaks off."""
        events = wanted.stream_format == "sse"
        if audio_format.header:
            yield _delta(audio_format.header) if events else audio_format.header
        try:
            while (piece := begun.pop(0) if begun else await self._next(request, spoken)) is not None:
                if isinstance(piece, bytes):
                    yield _delta(piece) if events else piece
                    spoken.taken(len(piece))
                elif events:
                    yield _event({"type": "speech.words", "words": piece})
        except VoiceError as error:
            if not events:
                raise
            spoken.error = error
            yield _event({"type": "error", **_as_api_error(error).body})
            return
        if events:
            usage = {"characters": len(wanted.input), "audio_ms": spoken.audio_ms}
            yield _event({"type": "speech.audio.done", "usage": usage})

    async def _begun(self, request: web.Request, spoken: SpeechResponse) -> list[Piece]:
        """What comes up to the first sound; nothing where there is none. Raises VoiceError, or _ClientGone."""
        begun: list[Piece] = []
        while not any(isinstance(piece, bytes) and piece for piece in begun):
            piece = await self._next(request, spoken)
            if piece is None:
                return []
            begun.append(piece)
        return begun

    async def _next(self, request: web.Request, spoken: SpeechResponse) -> Piece | None:
        """The next piece, None after the last. Raises VoiceError, or _ClientGone."""
        waited_s = 0.0
        while True:
            try:
                async with asyncio.timeout(_LOOK_S):
                    return await spoken.next()
            except TimeoutError:
                waited_s += _LOOK_S
            if request.transport is None or request.transport.is_closing():
                raise _ClientGone
            if waited_s >= self.settings.stall_s:
                raise VoiceLost(f"no audio came for {self.settings.stall_s:g} s")


def _as_api_error(error: VoiceError) -> ApiError:
    if isinstance(error, VoiceBusy):
        return ApiError(429, "busy", str(error), retry_after_s=error.retry_after_s)
    return ApiError(503, "speech_failed", str(error), retry_after_s=1.0)


def _break_off(request: web.Request) -> None:
    """Close without the last chunk, which tells the client that something is missing."""
    if request.transport is not None:
        request.transport.abort()


def _event(data: dict[str, object]) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"


def _delta(sound: bytes) -> bytes:
    return _event({"type": "speech.audio.delta", "audio": base64.b64encode(sound).decode()})
