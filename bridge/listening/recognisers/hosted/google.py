"""Google Speech v2 over gRPC: a call for each turn, which is half-closed to have its last texts.

Sources: the messages of google-cloud-speech 2.41 (`speech_v2/types/cloud_speech.py`), which are also those that are
sent here, and docs.cloud.google.com/speech-to-text/docs/quotas. A call lives for five minutes at most, and is ended
when it hears nothing for some seconds: it begins with the first audio, and is given silence when there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from bridge.errors import ConfigError
from bridge.google_account import GoogleAccount
from bridge.grpc_client import GrpcClient, load
from bridge.http import HttpClient, OpenClient
from bridge.listening.hosted_settings import GoogleSettings
from bridge.listening.recognisers.base import (
    Capabilities,
    ExpectedSpeech,
    FinalText,
    PartialText,
    RecognisedWord,
    StreamListener,
)
from bridge.listening.recognisers.hosted.recogniser import HostedRecogniser
from bridge.listening.recognisers.hosted.rpc_link import END, RpcLink
from bridge.listening.recognisers.wire import (
    Address,
    HeldAudio,
    Message,
    RecogniserWire,
    Reply,
    Settled,
    WireEvent,
    WireTraits,
    checked,
)
from bridge.listening.recognisers.wire_stream import WireStream

_METHOD = "/google.cloud.speech.v2.Speech/StreamingRecognize"
_LONGEST_CALL_S = 300.0
_LARGEST_AUDIO = 15_000
"""Bytes of audio in a message, whose limit is 25 KB."""
_SHORTEST_S = 0.1
_MOST_PHRASES, _MOST_PHRASE_CHARS = 500, 100


def messages() -> Any:
    """Google's own message types. Raises ConfigError where its package is not installed."""
    return load("google.cloud.speech_v2.types.cloud_speech")


class GoogleWire(RecogniserWire):
    """The protocol of one recogniser's calls in a row; `recogniser` is its full name."""

    def __init__(self, settings: GoogleSettings, expected: ExpectedSpeech, recogniser: str = "") -> None:
        types = messages()
        self._request: Any = types.StreamingRecognizeRequest.pb()
        self._response: Any = types.StreamingRecognizeResponse.pb()
        self._mulaw = int(types.ExplicitDecodingConfig.AudioEncoding.MULAW)
        self._settings = settings
        self._expected = expected
        self._recogniser = recogniser
        self._segment = 0
        self._partial = ""
        self._open = self._ending = False
        self._sent_s = self._call_s = 0.0
        """Audio sent in all, and before the call under way."""
        self._held = HeldAudio()
        self.traits = WireTraits(
            name="google",
            capabilities=Capabilities(
                live=True, word_times=True, live_language=True, longest_session_s=_LONGEST_CALL_S
            ),
            message_ms=100,
            keep_alive_s=1.0,
        )

    @property
    def outstanding(self) -> bool:  # type: ignore[override]
        """Whether a call is being ended, or a text may still change."""
        return self._ending or bool(self._partial)

    @property
    def idle_silence_ms(self) -> int:  # type: ignore[override]
        """A call that is sent nothing is ended by the service."""
        return 200 if self._open and not self._ending else 0

    def address(self, key: str) -> Address:
        """Where the service is; its account goes with each call."""
        return Address(self._settings.address)

    def expect(self, expected: ExpectedSpeech) -> Sequence[Message]:
        """Hints and language go with the next call."""
        self._expected = expected
        return ()

    def audio(self, ulaw: bytes) -> Sequence[Message]:
        """Audio goes into the call under way; while one is being ended it waits for the next."""
        if not self._ending:
            return self._sounds(ulaw)
        if self._held.add(ulaw):
            return ()
        self._ending = self._open = False  # its end never came: the next message begins another
        return self._go_on()

    def _sounds(self, ulaw: bytes) -> list[Message]:
        told: list[Message] = []
        if not self._open and ulaw:
            self._open, self._call_s = True, self._sent_s
            told.append(self._opening())
        self._sent_s += len(ulaw) / 8000
        pieces = (ulaw[at : at + _LARGEST_AUDIO] for at in range(0, len(ulaw), _LARGEST_AUDIO))
        return told + [self._request(audio=piece).SerializeToString() for piece in pieces]

    def _opening(self) -> bytes:
        phrases = [{"value": hint} for hint in self._expected.hints[:_MOST_PHRASES] if len(hint) <= _MOST_PHRASE_CHARS]
        config: dict[str, Any] = {
            "explicit_decoding_config": {
                "encoding": self._mulaw,
                "sample_rate_hertz": 8000,
                "audio_channel_count": 1,
            },
            "model": self._settings.model,
            "language_codes": [self._expected.language],
            "features": {
                "enable_word_time_offsets": True,
                "enable_word_confidence": True,
                "enable_automatic_punctuation": True,
            },
        }
        if phrases:
            config["adaptation"] = {"phrase_sets": [{"inline_phrase_set": {"phrases": phrases}}]}
        streaming = {"config": config, "streaming_features": {"interim_results": True}}
        request = self._request(recognizer=self._recogniser, streaming_config=streaming)
        return bytes(request.SerializeToString())

    def finalise(self, number: int, at_s: float) -> Sequence[Message]:
        """End the call, unless there is hardly anything in it."""
        if self._ending or not self._open or self._sent_s - self._call_s < _SHORTEST_S:
            return ()
        self._ending = True
        return (END,)

    def goodbye(self) -> Sequence[Message]:
        """Say that nothing more comes."""
        return (END,)

    def receive(self, message: Message) -> Sequence[WireEvent]:
        """Understand one message; an empty one is the end of a call. Raises ValueError for one that makes no sense."""
        if isinstance(message, str):
            raise ValueError("text where a message of Google's was expected")
        if message == END:
            return self._over()
        told = self._response()
        try:
            told.MergeFromString(message)
        except Exception as error:  # google.protobuf.message.DecodeError, which is no ValueError
            raise ValueError(f"no StreamingRecognizeResponse: {type(error).__name__}") from None
        return self._heard(told.results)

    def _heard(self, results: Any) -> list[WireEvent]:
        """One text that is settled now, or none, and what follows it in pieces that may still change."""
        events: list[WireEvent] = []
        coming, at_s, words = "", self._call_s, list[RecognisedWord]()
        for result in results:
            if not result.alternatives:
                continue
            best = result.alternatives[0]
            until_s = self._call_s + _seconds(result.result_end_offset)
            if result.is_final:
                final = FinalText(
                    self._segment,
                    checked(best.transcript).strip(),
                    until_s,
                    best.confidence or 1.0,
                    tuple(self._words(best.words)),
                )
                if final.text or self._partial:
                    events.append(final)
                    self._segment += 1
                self._partial = ""
            else:
                coming += best.transcript
                at_s = max(at_s, until_s)
                words += self._words(best.words)
        if coming.strip():
            self._partial = checked(coming).strip()
            events.append(PartialText(self._segment, self._partial, at_s, words=tuple(words)))
        return events

    def _words(self, words: Any) -> list[RecognisedWord]:
        found = []
        for word in words:
            start_s, end_s = _seconds(word.start_offset), _seconds(word.end_offset)
            timed = end_s > 0.0
            found.append(
                RecognisedWord(
                    word.word,
                    self._call_s + start_s if timed else None,
                    self._call_s + end_s if timed else None,
                    word.confidence or None,
                )
            )
        return found

    def _over(self) -> list[WireEvent]:
        """A call has ended as it was asked to; a text that was not settled by then is taken as it was."""
        events: list[WireEvent] = []
        if self._partial:
            events.append(FinalText(self._segment, self._partial, self._sent_s))
            self._segment += 1
            self._partial = ""
        self._open = self._ending = False
        if going_on := self._go_on():
            events.append(Reply(tuple(going_on)))
        return [*events, Settled()]

    def _go_on(self) -> list[Message]:
        held = self._held.take()
        return self._sounds(held) if held else []


def _seconds(duration: Any) -> float:
    return float(duration.seconds) + float(duration.nanos) / 1e9


class GoogleRecogniser(HostedRecogniser):
    """Google Speech: all calls share a few connections, which are open before the first of them."""

    settings: GoogleSettings

    def __init__(
        self,
        settings: GoogleSettings,
        open_client: OpenClient = HttpClient,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(settings, self._wire, open_client, environ)
        self.name, self.capabilities = "google", GoogleWire(settings, ExpectedSpeech()).traits.capabilities
        self._client: GrpcClient | None = None
        self._full_name = ""
        self._headers: Callable[[], Mapping[str, str]] = dict

    async def load(self) -> None:
        """Read the account and have a client ready. Raises ConfigError."""
        settings = self.settings
        if settings.key_env and not self._environ.get(settings.key_env):
            raise ConfigError(
                f"environment variable {settings.key_env} is not set: "
                "it must hold the key file of the recogniser google, or its path"
            )
        account = GoogleAccount(settings.key_env, self._environ, f"{settings.address}/")
        project = settings.project or account.project
        if not project:
            raise ConfigError(f"recogniser google: project is empty, and {settings.key_env} names none")
        self._full_name = f"projects/{project}/locations/{settings.location}/recognizers/_"
        routed = {"x-goog-request-params": f"recognizer={quote(self._full_name, safe='')}"}
        self._headers = lambda: {**account.headers(), **routed}
        self._http = self._open_client()
        self._client = GrpcClient(self._http, settings.address)

    async def unload(self) -> None:
        """Close what is still open."""
        if self._client is not None:
            await self._client.close()
            self._client = None
        await super().unload()

    def start(self, expected: ExpectedSpeech, listener: StreamListener) -> WireStream:
        """Serve one call over a connection that others share."""
        if self._client is None:
            raise RuntimeError("the recogniser google is not loaded")
        where = f"{self.settings.address}/{self.settings.location}"
        link = RpcLink(self._client, where, _METHOD, self._headers, self.settings.connect_s)
        return WireStream(link, self._wire(expected), listener)

    def _wire(self, expected: ExpectedSpeech) -> GoogleWire:
        return GoogleWire(self.settings, expected, self._full_name)
