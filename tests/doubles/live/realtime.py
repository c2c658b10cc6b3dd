"""A double of OpenAI's Realtime API, conversation sessions, GA form, written from its documentation."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from aiohttp import web

from tests.doubles.live.base import KEY, Answer, Item, LiveConversation, LiveDouble, Message, Speaker, messages


class RealtimeDouble(LiveDouble):
    """Gives its answers when it is asked to, one at a time; its turn detection must be off."""

    path = "/v1/realtime"

    def __init__(self, answers: Any = (), *, expires_after_s: float | None = None) -> None:
        super().__init__(answers)
        self.expires_after_s = expires_after_s
        """Every session ends after so long, as they do after an hour."""

    def authorised(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {KEY}"

    async def converse(self, socket: web.WebSocketResponse, talk: LiveConversation) -> None:
        await _Side(self, socket, talk).run()


class _Side:
    def __init__(self, double: RealtimeDouble, socket: web.WebSocketResponse, talk: LiveConversation) -> None:
        self.double, self.socket, self.talk = double, socket, talk
        self.buffer = bytearray()
        self.number = 0
        self.speaker: Speaker | None = None
        self.response = ""
        self.task: asyncio.Task[None] | None = None
        self.session: Message = {
            "type": "realtime",
            "object": "realtime.session",
            "id": "sess_1",
            "model": talk.query.get("model", ""),
            "output_modalities": ["audio"],
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "truncation": "auto",
            "audio": {
                "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": {"type": "server_vad"}},
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
            },
        }

    async def run(self) -> None:
        await self.send("session.created", session=self.session)
        expiry = None
        if self.double.expires_after_s is not None:
            expiry = asyncio.create_task(self._expire(self.double.expires_after_s))
        try:
            async for told in messages(self.socket, self.talk):
                await self.take(told)
        finally:
            for task in (expiry, self.task):
                if task is not None:
                    task.cancel()

    async def _expire(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        message = "Your session hit the maximum duration of 60 minutes."
        await self.error({}, "session_expired", message)
        await self.socket.close(code=1001, message=message.encode())

    async def send(self, kind: str, **fields: Any) -> None:
        self.number += 1
        await self.socket.send_json({"type": kind, "event_id": f"event_{self.number}", **fields})

    async def error(self, told: Message, code: str, message: str, kind: str = "invalid_request_error") -> None:
        error = {"type": kind, "code": code, "message": message, "param": None, "event_id": told.get("event_id")}
        self.talk.errors.append(error)
        await self.send("error", error=error)

    async def take(self, told: Message) -> None:
        match told["type"]:
            case "session.update":
                await self.configure(told)
            case "input_audio_buffer.append":
                self.buffer += base64.b64decode(told["audio"], validate=True)
            case "input_audio_buffer.clear":
                self.buffer.clear()
                await self.send("input_audio_buffer.cleared")
            case "input_audio_buffer.commit":
                await self.commit(told)
            case "conversation.item.create":
                await self.create(told)
            case "conversation.item.truncate":
                await self.truncate(told)
            case "conversation.item.delete":
                await self.delete(told)
            case "response.create":
                await self.respond(told)
            case "response.cancel":
                await self.cancel(told)
            case other:
                await self.error(told, "invalid_value", f"Invalid value: {other!r}")

    async def configure(self, told: Message) -> None:
        wanted = told["session"]
        known = {"type", "output_modalities", "instructions", "audio", "tools", "tool_choice", "max_output_tokens"}
        if wanted.get("type") != "realtime" or (strange := wanted.keys() - known - {"truncation", "reasoning"}):
            what = "session.type" if wanted.get("type") != "realtime" else f"session.{min(strange)}"
            await self.error(told, "unknown_parameter", f"Unknown parameter: '{what}'.")
            return
        audio = wanted.get("audio", {})
        for side in ("input", "output"):
            self.session["audio"][side] |= audio.get(side, {})
        self.session |= {name: value for name, value in wanted.items() if name != "audio"}
        self.talk.setup = wanted
        await self.send("session.updated", session=self.session)

    @property
    def rate_hz(self) -> int:
        return 8000 if self.session["audio"]["output"]["format"]["type"] == "audio/pcmu" else 24000

    def add(self, item: Item) -> str | None:
        before = self.talk.items[-1].id if self.talk.items else None
        self.talk.items.append(item)
        return before

    async def shown(self, item: Message, before: str | None) -> None:
        await self.send("conversation.item.added", previous_item_id=before, item=item)
        await self.send("conversation.item.done", previous_item_id=before, item=item)

    def next_id(self, kind: str) -> str:
        self.number += 1
        return f"{kind}_{self.number}"

    async def commit(self, told: Message) -> None:
        if len(self.buffer) < 800:
            short = "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio"
            await self.error(told, "input_audio_buffer_commit_empty", short)
            return
        item = Item(self.next_id("item"), "user", audio=bytes(self.buffer), audio_ms=len(self.buffer) / 8)
        self.buffer.clear()
        before = self.add(item)
        await self.send("input_audio_buffer.committed", item_id=item.id, previous_item_id=before)
        content = [{"type": "input_audio", "transcript": None}]
        shown = {"id": item.id, "type": "message", "role": "user", "status": "completed", "content": content}
        await self.shown(shown, before)

    async def create(self, told: Message) -> None:
        wanted = told["item"]
        if wanted["type"] == "function_call_output":
            self.talk.results[wanted["call_id"]] = wanted["output"]
            before = self.add(Item(self.next_id("item"), "tool", wanted["output"]))
        else:
            kind = {"assistant": "output_text"}.get(wanted["role"], "input_text")
            if [part["type"] for part in wanted["content"]] != [kind]:
                await self.error(told, "invalid_value", f"Supported values are: '{kind}'.")
                return
            before = self.add(Item(self.next_id("item"), wanted["role"], wanted["content"][0]["text"]))
        await self.shown({"id": self.talk.items[-1].id, "status": "completed", **wanted}, before)

    async def truncate(self, told: Message) -> None:
        item, end_ms = self.talk.item(told["item_id"]), told["audio_end_ms"]
        if item is None or item.role != "assistant":
            await self.error(told, "item_truncate_invalid_item_id", "Error truncating item: item not found.")
        elif end_ms > item.audio_ms:
            long = f"Audio content of {item.audio_ms:.0f}ms is already shorter than {end_ms}ms"
            await self.error(told, "invalid_value", long)
        else:
            item.kept_ms, item.text = end_ms, ""
            fields = {"item_id": item.id, "content_index": told["content_index"], "audio_end_ms": end_ms}
            await self.send("conversation.item.truncated", **fields)

    async def delete(self, told: Message) -> None:
        item = self.talk.item(told["item_id"])
        if item is None:
            await self.error(told, "item_delete_invalid_item_id", "Error deleting item: the item does not exist.")
            return
        self.talk.items.remove(item)
        await self.send("conversation.item.deleted", item_id=item.id)

    async def cancel(self, told: Message) -> None:
        if self.speaker is None:
            await self.error(told, "response_cancel_not_active", "Cancellation failed: no active response found")
        elif told.get("response_id") in (None, self.response):
            self.speaker.stop()

    async def respond(self, told: Message) -> None:
        if self.speaker is not None:
            active = f"Conversation already has an active response in progress: {self.response}"
            await self.error(told, "conversation_already_has_active_response", active)
            return
        answer = self.double.next_answer(self.talk)
        if answer.refused is not None:
            await self.send("error", error={"param": None, "event_id": told.get("event_id"), **answer.refused})
            return
        self.response = self.next_id("resp")
        self.speaker = Speaker(answer, self.rate_hz)
        self.task = asyncio.create_task(self.speak(answer, self.speaker, self.response))

    def shown_response(self, status: str, output: list[Message], **fields: Any) -> Message:
        return {
            "object": "realtime.response",
            "id": self.response,
            "status": status,
            "status_details": None,
            "output": output,
            "conversation_id": "conv_1",
            "output_modalities": ["audio"],
            "max_output_tokens": "inf",
            "usage": None,
            "metadata": None,
            **fields,
        }

    async def speak(self, answer: Answer, speaker: Speaker, name: str) -> None:
        await self.send("response.created", response=self.shown_response("in_progress", []))
        limits = [{"name": "tokens", "limit": 40000, "remaining": 39000, "reset_seconds": 1.5}]
        await self.send("rate_limits.updated", rate_limits=limits)
        output: list[Message] = []
        if answer.text and not await self.say(answer, speaker, name, output):
            return
        stopped = speaker.stopped.is_set()
        if not stopped and answer.error is None and not answer.reason:
            for tool, arguments in answer.calls:
                output.append(await self.call(name, tool, arguments, len(output)))
        self.speaker = None
        await self.send("response.done", response=self.ended(answer, speaker, output, stopped))

    def ended(self, answer: Answer, speaker: Speaker, output: list[Message], stopped: bool) -> Message:
        spoken, said = round(sum(one.audio_ms for one in self.talk.said("user")) / 100), round(speaker.sent_ms / 50)
        text = sum(len(one.text.split()) for one in self.talk.items)
        usage = {
            "total_tokens": spoken + said + text + len(speaker.words),
            "input_tokens": spoken + text,
            "output_tokens": said + len(speaker.words),
            "input_token_details": {"cached_tokens": 0, "text_tokens": text, "audio_tokens": spoken},
            "output_token_details": {"text_tokens": len(speaker.words), "audio_tokens": said},
        }
        if answer.error is not None:
            details = {"type": "failed", "error": answer.error}
            return self.shown_response("failed", output, status_details=details, usage=usage)
        if stopped:
            details = {"type": "cancelled", "reason": "client_cancelled"}
            return self.shown_response("cancelled", output, status_details=details, usage=usage)
        if answer.reason:
            details = {"type": "incomplete", "reason": answer.reason}
            return self.shown_response("incomplete", output, status_details=details, usage=usage)
        return self.shown_response("completed", output, usage=usage)

    async def say(self, answer: Answer, speaker: Speaker, name: str, output: list[Message]) -> bool:
        """Speak one item. False when that was the end of the connection."""
        item = Item(self.next_id("item"), "assistant")
        before = self.add(item)
        shown = {"id": item.id, "object": "realtime.item", "type": "message", "role": "assistant", "content": []}
        await self.send(
            "response.output_item.added", response_id=name, output_index=0, item={**shown, "status": "in_progress"}
        )
        added = {**shown, "status": "in_progress"}
        await self.send("conversation.item.added", previous_item_id=before, item=added)
        at = {"response_id": name, "item_id": item.id, "output_index": 0, "content_index": 0}
        await self.send("response.content_part.added", part={"type": "audio", "transcript": ""}, **at)
        async for _, piece in speaker.pieces():
            if isinstance(piece, str):
                item.text += piece
                await self.send("response.output_audio_transcript.delta", delta=piece, **at)
                continue
            if self.breaks(answer.dies_after_ms, speaker):
                self.double.cut(self.socket)
                return False
            if self.breaks(answer.stalls_after_ms, speaker):
                await asyncio.Event().wait()
            if answer.stray:
                stray = base64.b64encode(piece[::-1]).decode()
                await self.send("response.output_audio.delta", delta=stray, **{**at, "response_id": "resp_other"})
            item.audio_ms += len(piece) / speaker.per_ms
            await self.send("response.output_audio.delta", delta=base64.b64encode(piece).decode(), **at)
        await self.send("response.output_audio.done", **at)
        await self.send("response.output_audio_transcript.done", transcript=item.text, **at)
        part = {"type": "audio", "transcript": item.text}
        await self.send("response.content_part.done", part=part, **at)
        status = "incomplete" if speaker.stopped.is_set() else "completed"
        done = {**shown, "status": status, "content": [{"type": "output_audio", "transcript": item.text}]}
        output.append(done)
        await self.send("response.output_item.done", response_id=name, output_index=0, item=done)
        await self.send("conversation.item.done", previous_item_id=before, item=done)
        return True

    def breaks(self, after_ms: int | None, speaker: Speaker) -> bool:
        return after_ms is not None and speaker.sent_ms >= after_ms

    async def call(self, name: str, tool: str, arguments: Message, index: int) -> Message:
        call_id = self.next_id("call")
        before = self.add(Item(self.next_id("item"), "call", tool))
        item: Message = {
            "id": self.talk.items[-1].id,
            "object": "realtime.item",
            "type": "function_call",
            "status": "completed",
            "name": tool,
            "call_id": call_id,
            "arguments": json.dumps(arguments),
        }
        begun = {**item, "status": "in_progress", "arguments": ""}
        await self.send("response.output_item.added", response_id=name, output_index=index, item=begun)
        await self.send("conversation.item.added", previous_item_id=before, item=begun)
        at = {"response_id": name, "item_id": item["id"], "output_index": index, "call_id": call_id}
        await self.send("response.function_call_arguments.delta", delta=item["arguments"], **at)
        await self.send("response.function_call_arguments.done", arguments=item["arguments"], name=tool, **at)
        await self.send("response.output_item.done", response_id=name, output_index=index, item=item)
        await self.send("conversation.item.done", previous_item_id=before, item=item)
        return item
