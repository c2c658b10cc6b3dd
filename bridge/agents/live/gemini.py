"""Google's Gemini Live API as a speaking agent: JSON over WebSocket, in texts or in binary frames.

Source: the `google-genai` package (`live.py`, `types.py`) and ai.google.dev/gemini-api/docs/live. The service's own
detection of activity is off: a turn is `activityStart`, audio, `activityEnd`, as our floor sees it. Nothing can be
taken back there, so no answer is asked for before the turn is surely over, and what the caller did not hear of an
answer is told in words with the next turn. That text in an activity is taken for part of it is our reading.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from bridge.agents.live.wire import (
    AnswerOver,
    Leaving,
    LiveAddress,
    LiveEvent,
    LiveWire,
    Message,
    SessionReady,
    SpeechOver,
    TextPart,
    TokensUsed,
    ToolCalled,
    ToolResult,
    ToolsWithdrawn,
    speech,
)
from bridge.agents.settings import GeminiLiveSettings
from bridge.audio import mulaw
from bridge.audio.resample import Resampler
from bridge.call.actions import Spoken

_IN_HZ, _OUT_HZ = 16000, 24000
_RATE = re.compile(r"rate=(\d{4,6})", re.ASCII)
_SECONDS = re.compile(r"([0-9.]+)s?", re.ASCII)
_LEAVING_S = 10.0
"""Where the service does not say when it leaves."""
_GO_ON = "[Please answer now.]"


class _Blob(msgspec.Struct, rename="camel"):
    mime_type: str = ""
    data: str = ""


class _Part(msgspec.Struct, rename="camel"):
    inline_data: _Blob | None = None


class _Turn(msgspec.Struct):
    parts: list[_Part] = []


class _Transcription(msgspec.Struct):
    text: str = ""


class _Content(msgspec.Struct, rename="camel"):
    model_turn: _Turn | None = None
    output_transcription: _Transcription | None = None
    interrupted: bool = False
    generation_complete: bool = False
    turn_complete: bool = False
    turn_complete_reason: str = ""


class _Call(msgspec.Struct):
    name: str
    id: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")


class _ToolCall(msgspec.Struct, rename="camel"):
    function_calls: list[_Call] = []


class _Cancelled(msgspec.Struct):
    ids: list[str] = []


class _Counted(msgspec.Struct, rename="camel"):
    modality: str = ""
    token_count: int = 0


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int = 0
    response_token_count: int = 0
    cached_content_token_count: int = 0
    prompt_tokens_details: list[_Counted] = []
    response_tokens_details: list[_Counted] = []


class _GoAway(msgspec.Struct, rename="camel"):
    time_left: str = ""


class _Resumption(msgspec.Struct, rename="camel"):
    new_handle: str = ""
    resumable: bool = False


class _ServerMessage(msgspec.Struct, rename="camel"):
    """Any message of the service, by the fields that are read of it."""

    setup_complete: dict[str, Any] | None = None
    server_content: _Content | None = None
    tool_call: _ToolCall | None = None
    tool_call_cancellation: _Cancelled | None = None
    usage_metadata: _Usage | None = None
    go_away: _GoAway | None = None
    session_resumption_update: _Resumption | None = None


_messages = msgspec.json.Decoder(_ServerMessage)


class GeminiWire(LiveWire):
    """The protocol of one Gemini Live connection.

    history       there is a conversation that it will be told of first
    goes_on_from  what another connection was told to go on from: then the service knows all of it
    """

    results_need_answer = True

    def __init__(
        self,
        settings: GeminiLiveSettings,
        key: str,
        secret_headers: Mapping[str, str],
        tools: Sequence[Mapping[str, Any]],
        *,
        history: bool,
        goes_on_from: str,
    ) -> None:
        self.name = f"the model at {settings.url}"
        self._settings = settings
        self._key = key
        self._headers = {**settings.headers, **secret_headers}
        self._tools = tools
        self._history = history and not goes_on_from
        self._goes_on_from = goes_on_from
        self._handle = ""
        self._resampler = Resampler(8000, _IN_HZ)
        self._listening = False
        self._notes: list[str] = []
        """What is to be told with the next question."""
        self._turn_open = False
        """The model has begun a turn that is not complete, be it wanted or not."""
        self._stale = False
        """It is one that nobody wants: what comes until its end is no answer to the last question."""
        self._wanted = False
        self._number = 0
        """Of the utterance under way."""

    @property
    def answering(self) -> bool:
        """Never in the way: a new turn of the caller's ends whatever the model is at."""
        return False

    @property
    def resumption(self) -> str:
        """The handle of the session as it is now; empty while more was said than it knows of."""
        return self._handle

    def address(self) -> LiveAddress:
        """Return the address and the key, which is never part of it."""
        settings, headers = self._settings, dict(self._headers)
        if self._key:
            bearer = settings.key_header.lower() == "authorization"
            headers[settings.key_header] = f"Bearer {self._key}" if bearer else self._key
        return LiveAddress(settings.url, headers)

    def opening(self) -> Sequence[Message]:
        """Set the session up as settings say."""
        settings = self._settings
        generation: Message = {"responseModalities": ["AUDIO"]}
        if settings.voice:
            generation["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": settings.voice}}}
        model = settings.model if "/" in settings.model else f"models/{settings.model}"
        setup: Message = {
            "model": model,
            "generationConfig": generation,
            "systemInstruction": {"parts": [{"text": settings.instructions}]},
            "realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}},
            "outputAudioTranscription": {},
            "sessionResumption": {"handle": self._goes_on_from} if self._goes_on_from else {},
            "contextWindowCompression": {"slidingWindow": {}},
        }
        if self._tools:
            setup["tools"] = [{"functionDeclarations": [dict(tool["function"]) for tool in self._tools]}]
        if self._history:
            setup["historyConfig"] = {"initialHistoryInClientContent": True}
        setup |= settings.extra
        return ({"setup": {name: value for name, value in setup.items() if value is not None}},)

    def recall(self, history: Sequence[Spoken], notes: Sequence[str]) -> Sequence[Message]:
        """Tell the conversation so far, turn by turn; it asks for no answer."""
        turns = [_turn("user", note) for note in notes]
        for one in history:
            if one.by_bridge:
                turns.append(_turn("user", f"[The telephone system, not you, said to the caller: {one.text}]"))
            else:
                cut = " ..." if one.interrupted and one.speaker == "bot" else ""
                turns.append(_turn("user" if one.speaker == "caller" else "model", one.text + cut))
        return ({"clientContent": {"turns": turns, "turnComplete": self._history}},)

    def listen(self) -> Sequence[Message]:
        """Begin an activity, which breaks off the model's answer."""
        if self._listening:
            return ()
        self._listening, self._handle = True, ""
        self._resampler = Resampler(8000, _IN_HZ)
        self._wanted = False
        return ({"realtimeInput": {"activityStart": {}}},)

    def audio(self, ulaw: bytes) -> Sequence[Message]:
        """More of the activity, as linear samples at 16 kHz."""
        samples = self._resampler.feed(mulaw.decode(ulaw).astype(np.float32))
        linear = samples.clip(-32768.0, 32767.0).round().astype("<i2").tobytes()
        audio = {"mimeType": f"audio/pcm;rate={_IN_HZ}", "data": base64.b64encode(linear).decode()}
        return ({"realtimeInput": {"audio": audio}},)

    def forget(self) -> Sequence[Message]:
        """End the activity; whatever the model answers to it is not wanted."""
        if not self._listening:
            return ()
        self._listening = self._wanted = False
        return ({"realtimeInput": {"activityEnd": {}}},)

    def heard(self, item: str, heard_ms: int, text: str) -> Sequence[Message]:
        """Note what was heard: it is told in words with the next question, as nothing can be taken back."""
        heard = f'only this, and then interrupted you: "{text}"' if text else "nothing, as they interrupted you"
        self._notes.append(f"[Of your last answer the caller heard {heard}]")
        return ()

    def ask(self, *, spoken: bool, text: str = "", notes: Sequence[str] = ()) -> Sequence[Message]:
        """End the caller's activity, or put a text in one of its own."""
        told, self._notes = [*self._notes, *notes], []
        if spoken and not self._listening:
            text = _GO_ON  # what was said is known, but its answer came to nothing
        messages = [*self.listen(), *(_text(note) for note in told)]
        if text:
            messages.append(_text(text))
        self._listening = False
        self._begin(stale=self._turn_open)
        return [*messages, {"realtimeInput": {"activityEnd": {}}}]

    def results(self, results: Sequence[ToolResult], *, go_on: bool) -> Sequence[Message]:
        """Give results of tools, after which the model goes on by itself, wanted or not."""
        self._handle = ""
        if go_on:
            self._begin(stale=False)
        responses = [{"id": one.id, "name": one.name, "response": {"result": one.text}} for one in results]
        return ({"toolResponse": {"functionResponses": responses}},) if responses else ()

    def stop(self) -> Sequence[Message]:
        """Want no more of the answer: the caller's next activity breaks it off."""
        self._wanted = False
        return ()

    def _begin(self, *, stale: bool) -> None:
        self._stale, self._wanted, self._handle = stale, True, ""
        self._number += 1

    def receive(self, raw: str | bytes) -> Sequence[LiveEvent]:
        """Understand one message; what belongs to an answer that nobody wants is nothing."""
        message = _messages.decode(raw)
        events: list[LiveEvent] = []
        if message.setup_complete is not None:
            events.append(SessionReady())
        if message.session_resumption_update is not None:
            update = message.session_resumption_update
            self._handle = update.new_handle if update.resumable else ""
        if message.go_away is not None:
            left = _SECONDS.match(message.go_away.time_left)
            events.append(Leaving(float(left[1]) if left else _LEAVING_S))
        if message.tool_call_cancellation is not None:
            events.append(ToolsWithdrawn(tuple(message.tool_call_cancellation.ids)))
        if message.server_content is not None:
            events += self._content(message.server_content)
        if message.tool_call is not None:
            events += self._called(message.tool_call.function_calls)
        if message.usage_metadata is not None:
            events.insert(0, _used(message.usage_metadata))
        return events

    @property
    def _listened_to(self) -> bool:
        return self._wanted and not self._stale

    def _content(self, content: _Content) -> list[LiveEvent]:
        events: list[LiveEvent] = []
        item = f"turn{self._number}"
        for part in content.model_turn.parts if content.model_turn is not None else ():
            self._turn_open = True
            if part.inline_data is not None and self._listened_to:
                rate = _RATE.search(part.inline_data.mime_type)
                events.append(speech(item, part.inline_data.data, int(rate[1]) if rate else _OUT_HZ))
        if content.output_transcription is not None and content.output_transcription.text and self._listened_to:
            events.append(TextPart(item, content.output_transcription.text))
        self._turn_open = self._turn_open or content.generation_complete  # with nothing in it, its end still comes
        # The service completes a turn when it thinks that it was heard: all of it has come long before.
        if (content.generation_complete or content.turn_complete) and self._listened_to:
            events += self._finished(content.turn_complete_reason)
        if content.turn_complete:
            self._turn_open = self._stale = False
        return events

    def _finished(self, reason: str) -> list[LiveEvent]:
        self._wanted = False
        filtered = any(word in reason.upper() for word in ("SAFETY", "PROHIBITED", "BLOCKED", "BLOCKLIST"))
        return [SpeechOver(f"turn{self._number}"), AnswerOver(None, "MAX_TOKENS" in reason.upper(), filtered)]

    def _called(self, calls: Sequence[_Call]) -> list[LiveEvent]:
        if not self._listened_to:
            return []
        self._wanted = False  # until it has the results
        called = [ToolCalled(one.id, one.name, bytes(one.args).decode()) for one in calls]
        return [SpeechOver(f"turn{self._number}"), *called, AnswerOver()]


def _used(usage: _Usage) -> TokensUsed:
    spoken = sum(one.token_count for one in usage.prompt_tokens_details if one.modality == "AUDIO")
    said = sum(one.token_count for one in usage.response_tokens_details if one.modality == "AUDIO")
    return TokensUsed(
        text_read=max(usage.prompt_token_count - spoken, 0),
        audio_read=spoken,
        text_written=max(usage.response_token_count - said, 0),
        audio_written=said,
        cached=usage.cached_content_token_count,
    )


def _turn(role: str, text: str) -> Message:
    return {"role": role, "parts": [{"text": text}]}


def _text(text: str) -> Message:
    return {"realtimeInput": {"text": text}}
