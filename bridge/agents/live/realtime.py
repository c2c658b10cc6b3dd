"""OpenAI's Realtime API as a speaking agent, in its present form (GA): events over WebSocket, JSON texts.

Source: developers.openai.com/api/reference/resources/realtime (client-events, server-events), and the event types of
the `openai` package. The service's turn detection is off: what is sent is the caller's turn alone, as our floor sees
it, which is committed when the bridge asks for an answer. So a cough, the room and our own echo cost nothing and
interrupt nothing, and nobody is answered who only says "mm-hm".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from bridge.agents.live.wire import (
    AnswerNow,
    AnswerOver,
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
    Trouble,
    kind_of_words,
    speech,
)
from bridge.agents.settings import RealtimeAgentSettings
from bridge.audio.formats import AudioFormat
from bridge.call.actions import Spoken
from bridge.errors import FailureKind

_RATE_HZ = 24000
_SHORTEST = 800
"""Bytes: a shorter turn than 100 ms cannot be committed."""
_SILENCE = b"\xff"
_ASKED = "ask"
"""How the ids of events begin that ask for an answer."""
_QUOTED = 200
_KINDS: dict[str, FailureKind] = {"session_expired": "idle", "server_error": "internal"}


class _Error(msgspec.Struct):
    type: str = ""
    code: str | None = None
    message: str = ""
    event_id: str | None = None


class _Item(msgspec.Struct):
    id: str = ""
    type: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""


class _StatusDetails(msgspec.Struct):
    reason: str | None = None
    error: _Error | None = None


class _Tokens(msgspec.Struct):
    text_tokens: int | None = None
    audio_tokens: int | None = None
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: _Tokens | None = None
    output_token_details: _Tokens | None = None


class _Response(msgspec.Struct):
    id: str = ""
    status: str = ""
    status_details: _StatusDetails | None = None
    output: list[_Item] = []
    usage: _Usage | None = None


class _Event(msgspec.Struct):
    """Any event, by the fields that are read of it."""

    type: str
    response_id: str = ""
    item_id: str = ""
    delta: str = ""
    item: _Item | None = None
    response: _Response | None = None
    error: _Error | None = None


_events = msgspec.json.Decoder(_Event)


class RealtimeWire(LiveWire):
    """The protocol of one Realtime session."""

    speculates = True

    def __init__(
        self,
        settings: RealtimeAgentSettings,
        key: str,
        secret_headers: Mapping[str, str],
        tools: Sequence[Mapping[str, Any]],
        audio_format: AudioFormat,
    ) -> None:
        self.name = f"the model at {settings.url}"
        self._settings = settings
        self._key = key
        self._headers = {**settings.headers, **secret_headers}
        self._tools = tools
        self._mulaw = audio_format.codec == "mulaw"
        self._appended = 0
        """Bytes of audio since the last commit."""
        self._asked = 0
        self._awaited = False
        """An answer was asked for whose `response.created` has not come."""
        self._unwanted = False
        """It is not wanted any more, but has no name yet."""
        self._wanted = ""
        """The response that is being listened to."""
        self._active: set[str] = set()
        self._sounded: set[str] = set()
        """Items of which something was passed on."""

    @property
    def answering(self) -> bool:
        """Whether a response is under way."""
        return self._awaited or bool(self._active)

    def address(self) -> LiveAddress:
        """Return the address with the model's name, and the key."""
        settings, headers = self._settings, dict(self._headers)
        if self._key:
            bearer = settings.key_header.lower() == "authorization"
            headers[settings.key_header] = f"Bearer {self._key}" if bearer else self._key
        return LiveAddress(f"{settings.url}?{urlencode({'model': settings.model, **settings.query})}", headers)

    def opening(self) -> Sequence[Message]:
        """Configure the session as settings say."""
        settings = self._settings
        pcmu = {"type": "audio/pcmu"}
        out: Message = {"format": pcmu if self._mulaw else {"type": "audio/pcm", "rate": _RATE_HZ}}
        if settings.voice:
            out["voice"] = settings.voice
        session: Message = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": settings.instructions,
            "audio": {"input": {"format": pcmu, "turn_detection": None}, "output": out},
        }
        if self._tools:
            session["tools"] = [{"type": "function", **tool["function"]} for tool in self._tools]
        session |= settings.extra
        return ({"type": "session.update", "session": {k: v for k, v in session.items() if v is not None}},)

    def recall(self, history: Sequence[Spoken], notes: Sequence[str]) -> Sequence[Message]:
        """Put what was said into the conversation, turn by turn."""
        items = [_system(note) for note in notes]
        for turn in history:
            if turn.by_bridge:
                items.append(_system(_by_bridge(turn)))
            elif turn.speaker == "caller":
                items.append(_item("user", "input_text", turn.text))
            else:
                cut = " ..." if turn.interrupted else ""
                items.append(_item("assistant", "output_text", turn.text + cut))
        return items

    def audio(self, ulaw: bytes) -> Sequence[Message]:
        """Append to the input buffer."""
        self._appended += len(ulaw)
        return ({"type": "input_audio_buffer.append", "audio": base64.b64encode(ulaw).decode()},)

    def forget(self) -> Sequence[Message]:
        """Empty the input buffer of the session."""
        if not self._appended:
            return ()
        self._appended = 0
        return ({"type": "input_audio_buffer.clear"},)

    def heard(self, item: str, heard_ms: int, text: str) -> Sequence[Message]:
        """Cut an utterance to what was heard of it, or take it out."""
        if heard_ms <= 0:
            return ({"type": "conversation.item.delete", "item_id": item},)
        cut = {"item_id": item, "content_index": 0, "audio_end_ms": heard_ms}
        return ({"type": "conversation.item.truncate", **cut},)

    def ask(self, *, spoken: bool, text: str = "", notes: Sequence[str] = ()) -> Sequence[Message]:
        """Commit what the caller said, and have it answered."""
        messages = [_system(note) for note in notes]
        if spoken and self._appended:
            if self._appended < _SHORTEST:
                messages += self.audio(_SILENCE * (_SHORTEST - self._appended))
            messages.append({"type": "input_audio_buffer.commit"})
            self._appended = 0
        if text:
            messages.append(_system(text) if text.startswith("[") else _item("user", "input_text", text))
        return [*messages, self._create()]

    def results(self, results: Sequence[ToolResult], *, go_on: bool) -> Sequence[Message]:
        """Give results, and have the answer gone on with."""
        messages: list[Message] = [
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": one.id, "output": one.text},
            }
            for one in results
        ]
        return [*messages, self._create()] if go_on else messages

    def _create(self) -> Message:
        self._awaited, self._unwanted, self._wanted = True, False, ""
        return {"type": "response.create", "event_id": self._next_id()}

    def _next_id(self) -> str:
        self._asked += 1
        return f"{_ASKED}{self._asked}"

    def stop(self) -> Sequence[Message]:
        """Cancel the response that is under way."""
        self._wanted = ""
        if self._awaited:
            self._unwanted = True  # it is cancelled when it has a name: before, there may be nothing to cancel
            return ()
        return tuple(_cancel(name) for name in sorted(self._active))

    def receive(self, raw: str | bytes) -> Sequence[LiveEvent]:
        """Understand one event; unknown ones, and those of responses that nobody wants, are nothing."""
        event = _events.decode(raw)
        match event.type:
            case "session.updated":
                return (SessionReady(),)
            case "response.created" if event.response is not None:
                return self._created(event.response.id)
            case "response.done" if event.response is not None:
                return self._done(event.response)
            case "error":
                return self._error(event.error or _Error())
        if not event.response_id or event.response_id != self._wanted:
            return ()
        match event.type:
            case "response.output_audio.delta":
                sound = speech(event.item_id, event.delta, 0 if self._mulaw else _RATE_HZ)
                self._sounded.add(event.item_id)
                return (sound,)
            case "response.output_audio_transcript.delta":
                self._sounded.add(event.item_id)
                return (TextPart(event.item_id, event.delta),)
            case "response.output_item.done" if event.item is not None:
                item = event.item
                if item.type == "function_call":
                    return (ToolCalled(item.call_id, item.name, item.arguments),)
                return (SpeechOver(item.id),)
        return ()

    def _created(self, name: str) -> Sequence[LiveEvent]:
        self._active.add(name)
        if not self._awaited:
            return ()
        self._awaited = False
        if self._unwanted:
            self._unwanted = False
            return (AnswerNow((_cancel(name),)),)
        self._wanted = name
        return ()

    def _done(self, response: _Response) -> Sequence[LiveEvent]:
        self._active.discard(response.id)
        events: list[LiveEvent] = [] if response.usage is None else [_used(response.usage)]
        if response.id != self._wanted or not response.id:
            silent = [one for one in response.output if one.type == "message" and one.id not in self._sounded]
            unheard = tuple(message for one in silent for message in self.heard(one.id, 0, ""))
            return [*events, AnswerNow(unheard)] if unheard else events
        self._wanted = ""
        details = response.status_details or _StatusDetails()
        trouble = None
        if response.status == "failed":
            error = details.error or _Error()
            trouble = Trouble(_kind(error), f"failed: {error.code or error.type}", error.message[:_QUOTED])
        elif response.status == "cancelled":
            trouble = Trouble("internal", f"was cancelled: {details.reason}")
        filtered = details.reason == "content_filter"
        return [*events, AnswerOver(trouble, details.reason == "max_output_tokens", filtered)]

    def _error(self, error: _Error) -> Sequence[LiveEvent]:
        code = error.code or error.type
        expired = error.code == "session_expired"
        ours = (error.event_id or "").startswith(_ASKED) or (error.event_id is None and self._awaited)
        if ours:
            self._awaited = self._unwanted = False
        return (Trouble(_kind(error), code, error.message[:_QUOTED], fatal=expired, aside=not (ours or expired)),)


def _used(usage: _Usage) -> TokensUsed:
    read, written = usage.input_token_details or _Tokens(), usage.output_token_details or _Tokens()
    spoken, said = read.audio_tokens or 0, written.audio_tokens or 0
    return TokensUsed(
        text_read=max((usage.input_tokens or 0) - spoken, 0),
        audio_read=spoken,
        text_written=max((usage.output_tokens or 0) - said, 0),
        audio_written=said,
        cached=read.cached_tokens or 0,
    )


def _kind(error: _Error) -> FailureKind:
    code = error.code or ""
    found = _KINDS.get(code) or kind_of_words(code) or kind_of_words(error.type)
    return found or kind_of_words(error.message) or "internal"


def _item(role: str, kind: str, text: str) -> Message:
    content = [{"type": kind, "text": text}]
    return {"type": "conversation.item.create", "item": {"type": "message", "role": role, "content": content}}


def _system(text: str) -> Message:
    return _item("system", "input_text", text)


def _cancel(name: str) -> Message:
    return {"type": "response.cancel", "response_id": name}


def _by_bridge(turn: Spoken) -> str:
    return f"[The telephone system, not you, said to the caller: {turn.text}]"
