"""Google's streaming voices over gRPC: a call for each sentence, as late as there is text for it.

Sources: the messages of google-cloud-texttospeech 2.38 (`texttospeech_v1/types/cloud_tts.py`), which are also those
that are sent here, and docs.cloud.google.com/text-to-speech (create-audio-text-streaming, quotas). A call that is sent
no text for five seconds is ended, so that none is begun before its text is whole. Whether mu-law comes without a header
is not documented: one that comes is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from bridge import variables
from bridge.audio.formats import AudioFormat
from bridge.errors import ConfigError, VoiceError
from bridge.google_account import GoogleAccount
from bridge.grpc_client import GrpcClient, RpcFailed, load
from bridge.http import HttpClient, OpenClient
from bridge.speaking.hosted_settings import GoogleVoiceSettings
from bridge.speaking.voices.base import SpeechListener, SpeechRequest
from bridge.speaking.voices.hosted.http_stream import HttpStream
from bridge.speaking.voices.hosted.provider import HostedProvider, log
from bridge.speaking.voices.hosted.wire import RequestWire, SpeechAudio, SpeechDone, VoiceEvent, VoiceTraits, busy

_METHOD = "/google.cloud.texttospeech.v1.TextToSpeech/StreamingSynthesize"


def messages() -> Any:
    """Google's own message types. Raises ConfigError where its package is not installed."""
    return load("google.cloud.texttospeech_v1.types.cloud_tts")


class GoogleVoiceWire(RequestWire):
    """The protocol of one call, which speaks one text."""

    traits = VoiceTraits(places_words=False, longest_text=1200)
    """5,000 bytes are allowed, and a letter may take four."""

    def __init__(self) -> None:
        types = messages()
        self._request: Any = types.StreamingSynthesizeRequest.pb()
        self._response: Any = types.StreamingSynthesizeResponse.pb()
        self._encodings: Any = types.AudioEncoding

    def call(self, text: str, request: SpeechRequest) -> Sequence[bytes]:
        """All that is sent: what is wanted, then the text."""
        given = request.audio_format
        encoding = self._encodings.MULAW if given.codec == "mulaw" else self._encodings.PCM
        parts = request.voice.split("-")
        language = "-".join(parts[:2]) if len(parts) > 2 else request.language or "en-US"
        config = {
            "voice": {"language_code": language, "name": request.voice},
            "streaming_audio_config": {
                "audio_encoding": int(encoding),
                "sample_rate_hertz": given.rate_hz,
                "speaking_rate": min(2.0, max(0.25, request.speed)),
            },
        }
        told = (self._request(streaming_config=config), self._request(input={"text": text}))
        return tuple(one.SerializeToString() for one in told)

    def gives(self, wanted: AudioFormat) -> AudioFormat:
        """Every format of ours is one of theirs."""
        return wanted

    def feed(self, data: bytes) -> Sequence[VoiceEvent]:
        """Understand one message of the answer."""
        told = self._response()
        try:
            told.MergeFromString(data)
        except Exception as error:  # google.protobuf.message.DecodeError, which is no ValueError
            raise ValueError(f"no StreamingSynthesizeResponse: {type(error).__name__}") from None
        return (SpeechAudio("", told.audio_content),) if told.audio_content else ()

    def finish(self) -> Sequence[VoiceEvent]:
        """Take the end of the call for the end of the speech."""
        return (SpeechDone(""),)


class GoogleVoice(HostedProvider):
    """Google's voices, whose calls share a few connections."""

    def __init__(
        self,
        name: str,
        settings: GoogleVoiceSettings,
        open_client: OpenClient = HttpClient,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, settings, open_client, environ)
        messages()
        self._address = settings.address
        self._account: GoogleAccount | None = None
        self._client: GrpcClient | None = None
        self._trouble = ""
        """What is wrong with the account."""
        self._warming: asyncio.Task[None] | None = None

    def _read_key(self) -> None:
        try:
            self._account = GoogleAccount(self._settings.key_env, self._environ, f"{self._address}/")
        except ConfigError as error:
            log.error("voice %s: %s", self.name, error)
            self._trouble = str(error)
        self._key = variables.value(self._settings.key_env, self._environ)

    def _open(self) -> HttpClient:
        """Begin a connection, for which the first text waits where it is late."""
        http = super()._open()
        self._client = GrpcClient(http, self._address)
        if self._settings.warm:
            self._warming = asyncio.get_running_loop().create_task(self._warm(self._client))
        return http

    async def _warm(self, client: GrpcClient) -> None:
        try:
            await client.reach(self._settings.connect_s)
        except RpcFailed as error:
            log.warning("voice %s: %s", self.name, error)

    async def close(self) -> None:
        """Fail all streams as lost and close all connections."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        await super().close()
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _begin(self, context: str, request: SpeechRequest, listener: SpeechListener) -> HttpStream:
        if self._account is None:
            raise VoiceError(self._trouble, "auth")
        return HttpStream(self, self._spoken, GoogleVoiceWire, request, listener)

    async def _spoken(self, wire: GoogleVoiceWire, text: str, request: SpeechRequest) -> AsyncGenerator[bytes, None]:
        """One call, message by message. Raises VoiceError, and TimeoutError without a connection."""
        assert self._client is not None
        assert self._account is not None
        rpc = self._client.call(_METHOD, self._account.headers())
        try:
            async with asyncio.timeout(self._settings.connect_s):
                await rpc.connected()
            with contextlib.suppress(RpcFailed):  # which the next reading says with its reason
                for message in wire.call(text, request):
                    await rpc.write(message)
                await rpc.end()
            while (told := await rpc.read()) is not None:
                yield told
        except RpcFailed as error:
            raise failure_of(error) from None
        finally:
            rpc.cancel()


def failure_of(error: RpcFailed) -> VoiceError:
    """Sort a status by what helps, as Google's services mean it."""
    said = error.details.lower()
    if error.kind == "busy":
        return VoiceError(str(error), "quota") if "billing" in said else busy(str(error))
    if error.code == "ABORTED" and "every 5" in said:
        return VoiceError(str(error), "idle")
    return VoiceError(str(error), error.kind)
