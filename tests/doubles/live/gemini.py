"""A double of Google's Gemini Live API, written from its documentation and its client's types."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from aiohttp import web

from tests.doubles.live.base import KEY, Answer, Item, LiveConversation, LiveDouble, Message, Speaker, messages

_RATE_HZ = 24000


class GeminiDouble(LiveDouble):
    """Gives its answers when an activity ends or tools have given results; activity detection must be off."""

    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

    def __init__(self, answers: Any = (), *, leaves_after_s: float | None = None, forgets: bool = False) -> None:
        super().__init__(answers)
        self.leaves_after_s = leaves_after_s
        """It says goodbye after so long, and closes 3 s later."""
        self.handles: dict[str, list[Item]] = {}
        self.forgets = forgets
        """No handle is known any more."""

    def authorised(self, request: web.Request) -> bool:
        return request.headers.get("x-goog-api-key") == KEY

    async def converse(self, socket: web.WebSocketResponse, talk: LiveConversation) -> None:
        await _Side(self, socket, talk).run()


class _Side:
    def __init__(self, double: GeminiDouble, socket: web.WebSocketResponse, talk: LiveConversation) -> None:
        self.double, self.socket, self.talk = double, socket, talk
        self.activity: Item | None = None
        self.speaker: Speaker | None = None
        self.task: asyncio.Task[None] | None = None
        self.pending: set[str] = set()
        self.turn_open = False
        self.number = 0

    async def run(self) -> None:
        leaving = None
        try:
            async for told in messages(self.socket, self.talk):
                if "setup" in told and leaving is None and self.double.leaves_after_s is not None:
                    leaving = asyncio.create_task(self._leave(self.double.leaves_after_s))
                if not await self.take(told):
                    return
        finally:
            for task in (leaving, self.task):
                if task is not None:
                    task.cancel()

    async def _leave(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self.send(goAway={"timeLeft": "3s"})
        await asyncio.sleep(3.0)
        await self.socket.close(code=1001, message=b"The session has reached its maximum duration.")

    async def send(self, **fields: Any) -> None:
        await self.socket.send_bytes(json.dumps(fields).encode())

    async def refuse(self, what: str) -> bool:
        self.talk.errors.append({"message": what})
        await self.socket.close(code=1007, message=what.encode())
        return False

    async def take(self, told: Message) -> bool:
        told = {_camel(name): value for name, value in told.items()}
        if "setup" in told:
            return await self.set_up(_camels(told["setup"]))
        if not self.talk.setup:
            return await self.refuse("setup must be the first message")
        if "clientContent" in told:
            content = {_camel(name): value for name, value in told["clientContent"].items()}
            for turn in content.get("turns", []):
                text = "".join(part.get("text", "") for part in turn["parts"])
                self.add(turn["role"].replace("model", "assistant"), text)
        elif "realtimeInput" in told:
            return await self.hear({_camel(name): value for name, value in told["realtimeInput"].items()})
        elif "toolResponse" in told:
            for one in told["toolResponse"]["functionResponses"]:
                if one["id"] not in self.pending:
                    return await self.refuse(f"no function call {one['id']}")
                self.pending.discard(one["id"])
                self.talk.results[one["id"]] = one["response"]
            if not self.pending:
                self.answer()
        else:
            return await self.refuse(f"Invalid JSON payload received. Unknown name {min(told)!r}")
        return True

    async def set_up(self, setup: Message) -> bool:
        known = {
            "model", "generationConfig", "systemInstruction", "tools", "realtimeInputConfig", "inputAudioTranscription",
            "outputAudioTranscription", "sessionResumption", "contextWindowCompression", "historyConfig",
        }  # fmt: skip
        if strange := setup.keys() - known:
            return await self.refuse(f"Invalid JSON payload received. Unknown name {min(strange)!r}")
        detection = setup.get("realtimeInputConfig", {}).get("automaticActivityDetection", {})
        assert detection.get("disabled"), "this double knows of no activity by itself"
        self.talk.setup = setup
        handle = setup.get("sessionResumption", {}).get("handle")
        if handle and (handle not in self.double.handles or self.double.forgets):
            await self.socket.close(code=1008, message=b"session handle not found")
            return False
        if handle:
            self.talk.items += self.double.handles[handle]
        await self.send(setupComplete={})
        return True

    def add(self, role: str, text: str = "") -> Item:
        self.number += 1
        self.talk.items.append(Item(f"item{len(self.talk.items)}", role, text))
        return self.talk.items[-1]

    async def hear(self, told: Message) -> bool:
        if "activityStart" in told:
            await self.interrupt()
            self.activity = self.add("user")
        elif self.activity is None:
            return await self.refuse("Explicit activity control is enabled: no activity was started")
        elif "activityEnd" in told:
            self.activity = None
            self.answer()
        elif "text" in told:
            self.activity.text += told["text"]
        elif "audio" in told:
            audio = told["audio"]
            mime = audio.get("mimeType") or audio.get("mime_type")
            if mime != "audio/pcm;rate=16000":
                return await self.refuse(f"unsupported {mime}")
            self.activity.audio += base64.b64decode(audio["data"])
            self.activity.audio_ms = len(self.activity.audio) / 32
        return True

    async def interrupt(self) -> None:
        """A caller's activity breaks off the model's turn, even one that is made and may not have been heard."""
        if self.speaker is not None:
            self.speaker.stop()
        if self.pending:
            await self.send(toolCallCancellation={"ids": sorted(self.pending)})
            self.pending.clear()
        if self.task is not None and not self.task.done():
            await self.task
        elif self.turn_open:
            await self.close_turn(interrupted=True)

    async def close_turn(self, *, interrupted: bool = False, reason: str = "") -> None:
        if not self.turn_open:
            return
        self.turn_open = False
        if interrupted:
            await self.send(serverContent={"interrupted": True})
        spoken = round(sum(one.audio_ms for one in self.talk.said("user")) / 40)
        said = round(sum(one.audio_ms for one in self.talk.said("assistant")) / 40)
        text = {"modality": "TEXT", "tokenCount": 20}
        usage = {
            "promptTokenCount": spoken + 20,
            "responseTokenCount": said + 2,
            "totalTokenCount": spoken + said + 22,
            "promptTokensDetails": [text, {"modality": "AUDIO", "tokenCount": spoken}],
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": said}],
        }
        content: Message = {"turnComplete": True}
        if reason:
            content["turnCompleteReason"] = reason
        await self.send(serverContent=content, usageMetadata=usage)
        handle = f"handle-{len(self.double.handles) + 1}"
        self.double.handles[handle] = list(self.talk.items)
        await self.send(sessionResumptionUpdate={"newHandle": handle, "resumable": True})

    def answer(self) -> None:
        answer = self.double.next_answer(self.talk)
        self.speaker = Speaker(answer, _RATE_HZ)
        self.task = asyncio.create_task(self.speak(answer, self.speaker))

    async def speak(self, answer: Answer, speaker: Speaker) -> None:
        await self.send(sessionResumptionUpdate={"newHandle": "", "resumable": False})
        item = self.add("assistant")
        self.turn_open = True
        async for _, piece in speaker.pieces():
            if isinstance(piece, str):
                item.text += piece
                await self.send(serverContent={"outputTranscription": {"text": piece}})
                continue
            if answer.dies_after_ms is not None and speaker.sent_ms >= answer.dies_after_ms:
                self.double.cut(self.socket)
                return
            if answer.stalls_after_ms is not None and speaker.sent_ms >= answer.stalls_after_ms:
                await asyncio.Event().wait()
            item.audio_ms += len(piece) / speaker.per_ms
            data = base64.b64encode(piece).decode()
            blob = {"mimeType": f"audio/pcm;rate={_RATE_HZ}", "data": data}
            await self.send(serverContent={"modelTurn": {"parts": [{"inlineData": blob}]}})
        if speaker.stopped.is_set():
            await self.close_turn(interrupted=True)
            return
        if answer.calls:
            calls = [{"id": f"call-{self.number}-{n}", "name": name, "args": args}
                     for n, (name, args) in enumerate(answer.calls)]  # fmt: skip
            self.pending |= {str(call["id"]) for call in calls}
            await self.send(toolCall={"functionCalls": calls})
            return
        if not answer.reason:
            await self.send(serverContent={"generationComplete": True})
            await speaker._wait(max(item.audio_ms / 1000 * (1 - 1 / answer.pace), 0.0))  # until it thinks it was heard
        await self.close_turn(interrupted=speaker.stopped.is_set(), reason=answer.reason)


def _camel(name: str) -> str:
    """The service takes either spelling of a field."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _camels(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel(name): _camels(inner) for name, inner in value.items()}
    return [_camels(inner) for inner in value] if isinstance(value, list) else value
