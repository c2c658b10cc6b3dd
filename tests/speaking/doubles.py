"""A speech worker that misbehaves on order, over a real socket, and an ear that knows which words it hears.

It is written from the text of `bridge.worker.protocol`: JSON and binary by hand, none of the bridge's codecs.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from aiohttp import web

from bridge.call.events import Event, SpeechArrived, SpeechEnded, SpeechFailed, Word

WORD_MS = 200
WORD_BYTES = WORD_MS * 8
Mode = Literal[
    "well",
    "busy",
    "silent",
    "garbage",
    "dies",
    "fails",
    "stalls",
    "shifted",
    "halves",
    "too fast",
    "astray",
    "rejects",
    "slow",
]

_codes: dict[str, int] = {}


def sound_of(word: str) -> bytes:
    """200 ms that belong to this word alone: a loud square wave with the word's number in it."""
    high, low = divmod(_codes.setdefault(word, len(_codes)), 48)
    assert high < 48, "too many different words"
    return bytes((high, low | 0x80)) * (WORD_BYTES // 2)


def heard(ulaw: bytes) -> list[str]:
    """The words in this audio; silence between them is not heard, and what is no whole word is `?`."""
    words = {sound_of(word): word for word in list(_codes)}
    found: list[str] = []
    at = 0
    while at < len(ulaw):
        if ulaw[at] == 0xFF:
            at += 1
            continue
        found.append(words.get(ulaw[at : at + WORD_BYTES], "?"))
        at += WORD_BYTES
    return found


class FakeWorker:
    """`mode` is how it treats the streams opened next; `after` is how many words it gets out before it misbehaves.

    `sounds` is what a word sounds like for `WORD_MS`, in each format that is spoken.
    """

    def __init__(
        self,
        voices: tuple[str, ...] = ("heart",),
        model: str = "fake-1",
        *,
        sounds: Mapping[str, Callable[[str], bytes]] = MappingProxyType({"mulaw_8000": sound_of}),
        port: int = 0,
    ) -> None:
        self.sounds = sounds
        self.mode: Mode = "well"
        self.after = 1
        self.slow_s = 0.6
        """How long it takes to begin in mode `slow`."""
        self.voices = voices
        self.model = model
        self.texts: list[str] = []
        """The whole text of every stream that was ended, in order."""
        self.voice_of: dict[str, str] = {}
        """Which voice was asked for each of those texts; streams that overlap begin in another order than they end."""
        self.asked_voices: list[str] = []
        self.languages: list[str] = []
        """In which each stream is to be read; empty: the voice's own."""
        self.lost_voices: set[str] = set()
        """Those that lose the text in mode `astray`."""
        self.priorities: list[str] = []
        self.leads: list[int] = []
        self.credits: list[int] = []
        self.cancelled = 0
        self.sockets: set[web.WebSocketResponse] = set()
        self.hold: asyncio.Event | None = None
        """When set, streams wait for it before their audio beyond the first word."""
        self._runner: web.AppRunner | None = None
        self._port = port

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    async def __aenter__(self) -> FakeWorker:
        app = web.Application()
        app.router.add_get("/", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Die, as a killed process does: the port closes and sockets break."""
        for socket in list(self.sockets):
            _break(socket)
        if self._runner:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.add(socket)
        streams: dict[int, str] = {}
        asked: dict[int, str] = {}
        formats: dict[int, str] = {}
        speaking: dict[int, asyncio.Task[None]] = {}
        ready = {"type": "ready", "version": 1, "voices": list(self.voices), "default_voice": self.voices[0]}
        ready |= {"models": dict.fromkeys(self.voices, self.model), "formats": list(self.sounds), "limits": {}}
        await socket.send_str(json.dumps(ready))
        try:
            async for message in socket:
                order: dict[str, Any] = json.loads(message.data)
                stream = order["stream"]
                match order["type"]:
                    case "open":
                        streams[stream] = ""
                        asked[stream] = order.get("voice") or self.voices[0]
                        formats[stream] = order.get("format", "mulaw_8000")
                        self.asked_voices.append(asked[stream])
                        self.languages.append(order.get("language", ""))
                        self.priorities.append(order.get("priority", "live"))
                    case "text":
                        streams[stream] += order["text"]
                    case "end":
                        self.texts.append(streams[stream])
                        self.voice_of[streams[stream]] = asked[stream]
                        speaking[stream] = asyncio.ensure_future(
                            self._speak(socket, stream, streams[stream], asked[stream], formats[stream])
                        )
                    case "playout":
                        self.leads.append(order["lead_ms"])
                        if "upto_ms" in order:
                            self.credits.append(order["upto_ms"])
                    case "cancel":
                        self.cancelled += 1
                        if stream in speaking:
                            speaking[stream].cancel()
                        await socket.send_str(json.dumps({"type": "cancelled", "stream": stream, "audio_ms": 0}))
        finally:
            self.sockets.discard(socket)
            for task in speaking.values():
                task.cancel()
        return socket

    async def _speak(
        self, socket: web.WebSocketResponse, stream: int, text: str, voice: str, audio_format: str
    ) -> None:
        mode, after, sound = self.mode, self.after, self.sounds[audio_format]
        if mode == "astray" and voice not in self.lost_voices:
            mode = "well"

        async def say(message: dict[str, object]) -> None:
            await socket.send_str(json.dumps(message | {"stream": stream}))

        if mode in ("busy", "too fast"):
            code = mode.replace(" ", "_")
            await say({"type": "error", "code": code, "message": "not now", "retry_after_ms": 20})
            return
        if mode == "rejects":
            await say({"type": "error", "code": "unknown_voice", "message": "no such voice"})
            return
        if mode == "slow":
            await asyncio.sleep(self.slow_s)
        spoken = text.split()
        await say({"type": "words", "words": [[w, i * WORD_MS, (i + 1) * WORD_MS] for i, w in enumerate(spoken)]})
        for index, word in enumerate(spoken):
            if index >= after and mode == "dies":
                _break(socket)
                return
            if index >= after and mode == "fails":
                await say({"type": "error", "code": "engine_failed", "message": "no such phoneme"})
                return
            if index >= after and mode == "astray":
                await say({"type": "error", "code": "engine_runaway", "message": "repeats: again and again"})
                return
            if (index >= after and mode == "stalls") or mode == "silent":
                return
            if index >= after and mode == "garbage":
                await socket.send_bytes(b"\x01")
                return
            if index >= after and mode == "halves":
                half = sound(word)[: WORD_BYTES // 2]
                await socket.send_bytes(struct.pack("<II", stream, index * WORD_BYTES) + half)
                _break(socket)
                return
            offset = index * len(sound(word)) // (2 if audio_format.startswith("pcm") else 1) + (
                160 if index >= after and mode == "shifted" else 0
            )
            await socket.send_bytes(struct.pack("<II", stream, offset) + sound(word))
            if self.hold is not None:
                await self.hold.wait()
        await say({"type": "done", "audio_ms": len(spoken) * WORD_MS})


def _break(socket: web.WebSocketResponse) -> None:
    transport = socket._req.transport if socket._req is not None else None
    if transport is not None:
        transport.abort()


class Ear:
    """What a call was given, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def deliver(self, event: Event) -> None:
        self.events.append(event)
        for condition, future in list(self._waiting):
            if condition() and not future.done():
                future.set_result(None)

    async def until(self, condition: Callable[[], bool], deadline_s: float = 10.0) -> None:
        if condition():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((condition, future))
        async with asyncio.timeout(deadline_s):
            await future

    async def end(self, utterance: int = 1) -> Event:
        """Wait until the utterance is over; return how it ended."""
        await self.until(lambda: bool(self._ends(utterance)))
        return self._ends(utterance)[0]

    def _ends(self, utterance: int) -> list[Event]:
        return [e for e in self.events if isinstance(e, SpeechEnded | SpeechFailed) and e.utterance == utterance]

    def audio(self, utterance: int = 1) -> bytes:
        return b"".join(e.audio for e in self.events if isinstance(e, SpeechArrived) and e.utterance == utterance)

    def words(self, utterance: int = 1) -> list[Word]:
        return [w for e in self.events if isinstance(e, SpeechArrived) and e.utterance == utterance for w in e.words]

    def text(self, utterance: int = 1) -> str:
        return " ".join(word.text for word in self.words(utterance))
