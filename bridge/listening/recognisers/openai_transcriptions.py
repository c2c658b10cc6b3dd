"""Speech to text at any server that speaks the OpenAI transcription API (`POST /v1/audio/transcriptions`).

Request: multipart form with `file` (here WAV, linear16 at 16 kHz), `model`, `language`, `prompt` for hints and
`response_format=verbose_json`; answer: JSON with `text` and, from servers that give them, `segments` with `avg_logprob`
and `no_speech_prob`. Source: OpenAI API reference, "Create transcription".
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

import aiohttp
import msgspec
import numpy as np

from bridge import variables
from bridge.audio.wav import write as write_wav
from bridge.http import HttpClient, OpenClient, why_unreachable
from bridge.listening.recognisers.base import Capabilities, ExpectedSpeech, FailureKind, StreamListener
from bridge.listening.recognisers.utterances import Transcription, TranscriptionFailed, WholeUtterances
from bridge.listening.settings import OpenAITranscriptionSettings
from bridge.listening.sound import samples_16k

_LARGEST_ANSWER = 1 << 20
_KINDS: dict[int, FailureKind] = {401: "auth", 403: "auth", 402: "quota", 429: "busy", 503: "busy"}


class _Segment(msgspec.Struct):
    avg_logprob: float | None = None
    no_speech_prob: float | None = None


class _Answer(msgspec.Struct):
    text: str
    segments: list[_Segment] = []


_answers = msgspec.json.Decoder(_Answer)


class OpenAITranscriptions:
    """A hosted or self-hosted recogniser behind the OpenAI API; takes utterances whole."""

    name = "openai"
    capabilities = Capabilities()

    def __init__(
        self,
        settings: OpenAITranscriptionSettings,
        open_client: OpenClient = HttpClient,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = settings
        self._environ = os.environ if environ is None else environ
        self._open_client = open_client
        self._headers: dict[str, str] = {}
        self._http: HttpClient | None = None

    async def load(self) -> None:
        """Have a client ready, which connects with the first utterance."""
        key = variables.header(self._settings.key_env, self._environ)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = self._open_client()

    async def unload(self) -> None:
        """Close the connections to the server."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    def start(self, expected: ExpectedSpeech, listener: StreamListener) -> WholeUtterances:
        """Start a stream for one call."""
        return WholeUtterances(self._transcribe, expected, listener)

    async def _transcribe(self, ulaw: bytes, expected: ExpectedSpeech, deadline_s: float) -> Transcription:
        """One request. Raises TranscriptionFailed, in words that hold nothing the caller said."""
        if self._http is None:
            raise TranscriptionFailed("internal", "the recogniser is not loaded")
        url = self._settings.url
        deadline_s = min(deadline_s, self._settings.deadline_s)
        try:
            timeout = aiohttp.ClientTimeout(total=deadline_s)
            async with await self._http.request(
                "POST", url, data=lambda: self._form(ulaw, expected), headers=self._headers, timeout=timeout
            ) as response:
                if response.status != 200:
                    raise _refusal(url, response)
                body = await response.content.read(_LARGEST_ANSWER + 1)
                while len(body) <= _LARGEST_ANSWER and (more := await response.content.read(_LARGEST_ANSWER)):
                    body += more
            if len(body) > _LARGEST_ANSWER:
                raise TranscriptionFailed("internal", f"{url} sent more than {_LARGEST_ANSWER >> 20} MiB")
            return self._judge(_answers.decode(body))
        except TimeoutError:
            raise TranscriptionFailed("idle", f"{url}: no answer within {deadline_s:g} s") from None
        except aiohttp.ClientError as error:
            raise TranscriptionFailed("lost", f"{url}: {why_unreachable(error)}") from error
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise TranscriptionFailed("internal", f"{url} sent what is no transcription") from error

    def _form(self, ulaw: bytes, expected: ExpectedSpeech) -> aiohttp.FormData:
        form = aiohttp.FormData()
        form.add_field("file", wav(ulaw), filename="utterance.wav", content_type="audio/wav")
        form.add_field("model", self._settings.model)
        form.add_field("language", expected.language.split("-")[0].lower())
        form.add_field("response_format", "verbose_json")
        if expected.hints:
            form.add_field("prompt", ", ".join(expected.hints))
        return form

    def _judge(self, answer: _Answer) -> Transcription:
        """Drop what the server itself takes for noise; its log probability is the confidence."""
        scores = [segment.avg_logprob for segment in answer.segments if segment.avg_logprob is not None]
        silences = [segment.no_speech_prob for segment in answer.segments if segment.no_speech_prob is not None]
        if silences and min(silences) > self._settings.maximum_no_speech:
            return Transcription("", 0.0)
        if scores and max(scores) < self._settings.minimum_score:
            return Transcription("", 0.0)
        return Transcription(answer.text.strip(), math.exp(min(0.0, min(scores))) if scores else 1.0)


def _refusal(url: str, response: aiohttp.ClientResponse) -> TranscriptionFailed:
    kind = _KINDS.get(response.status, "internal" if response.status >= 500 else "rejected")
    return TranscriptionFailed(kind, f"{url} answered {response.status} {response.reason}")


def wav(ulaw: bytes) -> bytes:
    """Mu-law at 8 kHz as a WAV file of linear16 at 16 kHz, which every server takes."""
    linear16 = np.clip(samples_16k(ulaw) * 32768.0, -32768, 32767).round().astype(np.int16)
    return write_wav(linear16, 16000)
