"""Speech to text at any server that speaks the OpenAI transcription API (`POST /v1/audio/transcriptions`).

Request: multipart form with `file` (here WAV, linear16 at 16 kHz), `model`, `language`, `prompt` for hints and
`response_format=verbose_json`; answer: JSON with `text` and, from servers that give them, `segments` with `avg_logprob`
and `no_speech_prob`. Source: OpenAI API reference, "Create transcription".
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence

import aiohttp
import msgspec
import numpy as np

from bridge.audio.wav import write as write_wav
from bridge.errors import ConfigError
from bridge.listening.recognisers.base import RecogniserError, Text
from bridge.listening.settings import RecogniserSettings
from bridge.listening.sound import samples_16k


class _Segment(msgspec.Struct):
    avg_logprob: float | None = None
    no_speech_prob: float | None = None


class _Transcription(msgspec.Struct):
    text: str
    segments: list[_Segment] = []


_answers = msgspec.json.Decoder(_Transcription)


class OpenAITranscriptions:
    """A hosted or self-hosted recogniser behind the OpenAI API."""

    def __init__(self, settings: RecogniserSettings) -> None:
        self._settings = settings
        self._http: aiohttp.ClientSession | None = None

    async def load(self) -> None:
        """Open the connection pool. Raises ConfigError when no model is named."""
        if not self._settings.model:
            raise ConfigError(
                "listening.recogniser.model: empty; the openai engine needs the name of a model, such as whisper-1"
            )
        key = os.environ.get(self._settings.api_key_variable, "")
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"} if key else None,
            timeout=aiohttp.ClientTimeout(total=self._settings.deadline_s),
        )

    async def unload(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    def start(self, *, language: str, hints: Sequence[str], on_partial: Callable[[Text], None]) -> OpenAIStream:
        """Serve one call; there are no partial texts."""
        return OpenAIStream(self, language, tuple(hints))

    async def transcribe(self, ulaw: bytes, *, language: str, hints: tuple[str, ...]) -> Text:
        """One request. Raises RecogniserError, in words that hold nothing the caller said."""
        if self._http is None:
            raise RecogniserError("the recogniser is not loaded")
        form = aiohttp.FormData()
        form.add_field("file", wav(ulaw), filename="utterance.wav", content_type="audio/wav")
        form.add_field("model", self._settings.model)
        form.add_field("language", language.split("-")[0].lower())
        form.add_field("response_format", "verbose_json")
        if hints:
            form.add_field("prompt", ", ".join(hints))
        try:
            async with self._http.post(self._settings.url, data=form) as response:
                body = await response.read()
                if response.status != 200:
                    raise RecogniserError(f"{self._settings.url} answered {response.status} {response.reason}")
            answer = _answers.decode(body)
        except TimeoutError:
            raise RecogniserError(f"{self._settings.url}: no answer within {self._settings.deadline_s:g} s") from None
        except aiohttp.ClientError as error:
            raise RecogniserError(f"{self._settings.url}: {type(error).__name__}") from error
        except msgspec.MsgspecError as error:
            raise RecogniserError(f"{self._settings.url} sent no transcription: {error}") from error
        return self._judge(answer)

    def _judge(self, answer: _Transcription) -> Text:
        """Drop what the server itself takes for noise; its log probability is the confidence."""
        scores = [segment.avg_logprob for segment in answer.segments if segment.avg_logprob is not None]
        silences = [segment.no_speech_prob for segment in answer.segments if segment.no_speech_prob is not None]
        if silences and min(silences) > self._settings.maximum_no_speech:
            return Text("", 0.0)
        if scores and max(scores) < self._settings.minimum_score:
            return Text("", 0.0)
        return Text(answer.text.strip(), math.exp(min(0.0, min(scores))) if scores else 1.0)


class OpenAIStream:
    """One call's utterances."""

    wants_audio = False

    def __init__(self, server: OpenAITranscriptions, language: str, hints: tuple[str, ...]) -> None:
        self._server = server
        self._language = language
        self._hints = hints

    def feed(self, ulaw: bytes) -> None:
        """Ignored: utterances come whole."""

    async def recognise(self, ulaw: bytes, *, answer: str = "open") -> Text:
        """Ask the server. Raises RecogniserError."""
        return await self._server.transcribe(ulaw, language=self._language, hints=self._hints)

    def close(self) -> None:
        """Nothing is held for a call."""


def wav(ulaw: bytes) -> bytes:
    """Mu-law at 8 kHz as a WAV file of linear16 at 16 kHz, which every server takes."""
    linear16 = np.clip(samples_16k(ulaw) * 32768.0, -32768, 32767).round().astype(np.int16)
    return write_wav(linear16, 16000)
