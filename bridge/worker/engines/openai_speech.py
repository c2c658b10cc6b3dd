"""A voice served by any server with the OpenAI speech API: Qwen3-TTS, Orpheus, Chatterbox, CosyVoice, Kokoro, OpenAI.

Run the model in its own server (vLLM-Omni, Orpheus-FastAPI, chatterbox-tts-api, Kokoro-FastAPI, ...), then name it:

    worker:
      voices:
        tara:
          engine: openai_speech
          url: http://127.0.0.1:5005/v1      # requests go to URL/audio/speech
          model: orpheus                     # as that server calls its model
          voice: tara                        # and its voice
          rate_hz: 24000                     # of its "pcm" format; a wrong one sounds too deep or too high
          requests: 16                       # what it can speak at once
          first_audio_s: 4
          extra: {stream: true}              # fields that only this server knows

Each piece is one `POST` with `"response_format": "pcm"` (linear16, mono), read while it is made; a server that sends
WAV all the same is understood. A guard (`bridge.worker.runaway`) stops what repeats itself, never ends or stalls.

What such a server cannot give: word times (they are reckoned from the letters and the voice's speed so far), and the
same samples for the same text. No level is measured; set `gain_db` if the voice is too quiet. A server that is down
fails its own streams only.
"""

from __future__ import annotations

import asyncio
import os
import struct
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

import aiohttp
import msgspec
import numpy as np

from bridge import variables
from bridge.audio.encoder import Samples
from bridge.errors import VoiceError
from bridge.http import HttpClient
from bridge.worker.alignment import Span
from bridge.worker.engines.base import NO_SAMPLES, Engine, Job, SilenceGate, Step
from bridge.worker.runaway import RunawayGuard, RunawayLimits
from bridge.worker.voice_settings import ServedVoiceSettings

WAIT_S = 0.02
"""A step waits no longer than this for audio, since other streams wait behind it."""
CHARACTERS_PER_S = 15.0
"""Until the voice's own speed is known."""
WAV_HEAD_BYTES = 4096
"""A WAV header that is longer is none."""


class Pcm:
    """Bytes of linear16, cut anywhere, perhaps with a WAV header -> samples."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._rest = b""
        self._head = True

    def feed(self, data: bytes) -> Samples:
        """Raises VoiceError when a header says something else than was agreed."""
        data = self._rest + data
        if self._head:
            start = self._start(data)
            if start is None:
                self._rest = data
                return NO_SAMPLES
            data, self._head = data[start:], False
        even = len(data) // 2 * 2
        self._rest = data[even:]
        return np.frombuffer(data[:even], "<i2").astype(np.float32) / 32768.0

    def _start(self, data: bytes) -> int | None:
        """Where samples begin; None: not known yet."""
        if not data.startswith(b"RIFF"[: len(data)]):
            return 0
        place = 12
        while len(data) >= place + 8:
            name, size = struct.unpack_from("<4sI", data, place)
            if name == b"data":
                return place + 8
            if name == b"fmt " and len(data) >= place + 24:
                kind, channels, rate_hz, bits = struct.unpack_from("<HHI6xH", data, place + 8)
                if (channels, rate_hz, bits) != (1, self._rate_hz, 16) or kind not in (1, 0xFFFE):
                    raise VoiceError(
                        f"the server sends {channels} channels of {bits} bits at {rate_hz} Hz, expected one of 16 bits"
                        f" at {self._rate_hz} Hz (rate_hz)"
                    )
            place += 8 + size + size % 2
        if len(data) > WAV_HEAD_BYTES:
            raise VoiceError("the server sends a WAV file without samples")
        return None


class _Piece(Job):
    """One request. The server's bytes arrive in the client's thread, steps take them in the engine's."""

    def __init__(self, engine: OpenAiSpeechEngine, text: str, tokens: Sequence[str], voice: str, speed: float) -> None:
        self.kind: str | None = "speech"
        self.text, self.tokens, self.voice, self.speed = text, tokens, voice, speed
        self.guard: RunawayGuard | None = None
        self.gate = SilenceGate(engine.rate_hz, engine.rate_hz // 100)
        self.timed = False
        self.spoken_s = 0.0
        self.received: list[Samples] = []
        self.ended = False
        self.error: Exception | None = None
        self.cancelled = False
        self.request: Future[None] | None = None
        self._expected_s = engine.cost_s(text)

    @property
    def cost_s(self) -> float:
        return self._expected_s if self.kind else 0.0

    def cancel(self) -> None:
        """Breaks the connection off, upon which servers stop generating."""
        self.cancelled = True
        if self.request is not None:
            self.request.cancel()


class OpenAiSpeechEngine(Engine):
    """Voices of one server. Its sockets live in a thread of their own."""

    name = "openai_speech"

    def __init__(self, settings: ServedVoiceSettings, http: HttpClient | None = None) -> None:
        self._settings = settings
        self._url = settings.url.rstrip("/") + "/audio/speech"
        self.rate_hz = settings.rate_hz
        self.batch = settings.requests
        key = variables.header(settings.api_key_env, os.environ)
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._limits = RunawayLimits(first_audio_s=settings.first_audio_s, stall_s=settings.first_audio_s)
        self._news = threading.Condition()
        self._characters_per_s = CHARACTERS_PER_S
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http = http or HttpClient()

    def model(self, voice: str) -> str:
        """The server does not tell its version: change `model` or `extra` when it does."""
        return f"{self.name}/{self._settings.model}/{voice}"

    def gain_db(self, voice: str) -> float:
        """Return 0 dB, since the level of a voice elsewhere is not known."""
        return 0.0

    def cost_s(self, text: str) -> float:
        """The server's time is not ours: a piece costs the step in which it is read."""
        return 0.001

    def begin(self, text: str, tokens: Sequence[str], voice: str, speed: float) -> Job:
        """Asks when its first step is run, so that no more is asked for than can be heard."""
        return _Piece(self, text, tokens, voice, speed)

    def warm(self) -> None:
        """Start the thread; the server is asked for nothing, since it may come later."""
        self._running()

    def run(self, jobs: Sequence[Job]) -> list[Step]:
        """Whatever has arrived for these pieces, after at most 20 ms of waiting for any of it."""
        pieces = [job for job in jobs if isinstance(job, _Piece)]
        for piece in pieces:
            if piece.request is None:
                self._ask(piece)
        with self._news:
            self._news.wait_for(lambda: any(p.received or p.ended for p in pieces), WAIT_S)
            for piece in pieces:  # before anything moves on
                self._check(piece)
            taken = [(piece.received, piece.ended) for piece in pieces]
            for piece in pieces:
                piece.received = []
        return [self._step(piece, parts, ended) for piece, (parts, ended) in zip(pieces, taken, strict=True)]

    def _check(self, piece: _Piece) -> None:
        """Raises what went wrong with this piece, but not before what came before it was taken."""
        if piece.error is not None and not piece.received:
            raise piece.error

    def _step(self, piece: _Piece, parts: list[Samples], ended: bool) -> Step:
        audio = np.concatenate(parts) if parts else NO_SAMPLES
        over = ended and piece.error is None
        audio = piece.gate.feed(audio, over)
        piece.spoken_s += len(audio) / self.rate_hz
        words = None
        if (len(audio) or over) and not piece.timed:
            piece.timed, words = True, self._words(piece)
        if over:
            piece.kind = None
            if piece.spoken_s > 0.5:
                speed = len(piece.text) / piece.spoken_s / piece.speed
                self._characters_per_s += 0.2 * (min(max(speed, 8.0), 25.0) - self._characters_per_s)
        return Step(audio, words)

    def _words(self, piece: _Piece) -> tuple[Span, ...]:
        """As if all letters took the same time; rather too early than too late."""
        letter_s = 1 / (self._characters_per_s * 1.1 * piece.speed)
        times, place = [], 0
        for token in piece.tokens:
            times.append((place * letter_s, (place + len(token)) * letter_s))
            place += len(token) + 1
        return tuple(times)

    def close(self) -> None:
        """Break off what is being said, and end the thread."""
        loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._leave(), loop)

    # ---- in the client's thread -------------------------------------------------------------------------------

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name=f"client-{self.name}", daemon=True).start()
        return self._loop

    async def _leave(self) -> None:
        await self._http.close()
        asyncio.get_running_loop().stop()

    def _ask(self, piece: _Piece) -> None:
        piece.request = asyncio.run_coroutine_threadsafe(self._follow(piece), self._running())
        if piece.cancelled:
            piece.request.cancel()

    async def _follow(self, piece: _Piece) -> None:
        """One request from beginning to end; its outcome is in the piece."""
        error: Exception | None = None
        try:
            await self._read(piece)
        except aiohttp.ClientError as broken:
            error = VoiceError(f"{self._url}: {broken or type(broken).__name__}")
        except Exception as failed:
            error = failed
        with self._news:
            piece.error, piece.ended = error, True
            self._news.notify_all()

    async def _read(self, piece: _Piece) -> None:
        piece.guard = guard = RunawayGuard(piece.text, self.rate_hz, time.monotonic(), piece.speed, self._limits)
        pcm = Pcm(self.rate_hz)
        body = {
            **self._settings.extra,
            "model": self._settings.model,
            "voice": piece.voice,
            "input": piece.text,
            "speed": piece.speed,
            "response_format": "pcm",
        }
        try:
            async with asyncio.timeout(self._limits.first_audio_s) as patience:
                async with await self._http.request(
                    "POST", self._url, data=msgspec.json.encode(body), headers=self._headers
                ) as response:
                    if response.status != 200:
                        said = (await response.content.read(300)).decode("utf-8", "replace")
                        raise VoiceError(f"{self._url} answers {response.status}: {said}")
                    async for data in response.content.iter_any():
                        audio = guard.feed(pcm.feed(data), time.monotonic())
                        patience.reschedule(asyncio.get_running_loop().time() + self._limits.stall_s)
                        self._received(piece, audio)
                        if guard.over:
                            return
        except aiohttp.ClientError:
            raise  # of which a connection that was not made in time is one
        except TimeoutError:
            guard.check(float("inf"))
        guard.finish()

    def _received(self, piece: _Piece, audio: Samples) -> None:
        if len(audio):
            with self._news:
                piece.received.append(audio)
                self._news.notify_all()
