"""A double of Azure's speech recognition socket, written from the frame rules and the JavaScript SDK."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aiohttp import web

from bridge.listening.hosted_settings import AzureSettings
from tests.doubles.hearing import Heard, Hearing
from tests.doubles.listening.base import KEY, Close, ListeningDouble, Session, Side, Told

_TICKS = 10_000_000


def _parsed(head: str) -> dict[str, str]:
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))}


class AzureSide(Side):
    def __init__(self, session: Session, hearing: Hearing) -> None:
        super().__init__(session, hearing)
        self._request = ""
        self._turns: list[str] = []
        self._from_s = 0.0
        self.telemetry = 0

    def text(self, text: str) -> Sequence[Told]:
        head, _, body = text.partition("\r\n\r\n")
        headers = _parsed(head)
        json.loads(body)
        match headers["path"]:
            case "speech.config":
                return ()
            case "speech.context":
                if headers["x-requestid"] in self._turns or len(headers["x-requestid"]) != 32:
                    return [Close(1002, "Bad request: X-RequestId")]
                self._request = headers["x-requestid"]
                return ()
            case "telemetry":
                self.telemetry += 1
                return ()
        return [Close(1002, "Bad request: Path")]

    def audio(self, data: bytes) -> Sequence[Told]:
        if len(data) > 8192 + 2 + 256:
            return [Close(1007, "payload too large")]
        length = int.from_bytes(data[:2], "big")
        headers, payload = _parsed(data[2 : 2 + length].decode()), data[2 + length :]
        if headers["path"] != "audio" or headers["x-requestid"] != self._request:
            return [Close(1002, "Bad request: X-RequestId")]
        if self._request not in self._turns:
            if payload[:4] != b"RIFF" or payload[20:22] != b"\x07\0":
                return [Close(1007, "audio format")]
            self._turns.append(self._request)
            self._from_s = self.hearing.position_s
            return [self._message("turn.start", {"context": {"serviceTag": "a"}})]
        if not payload:
            return self._end()
        told: list[Told] = []
        for heard in self.hearing.hears(payload):
            if heard.kind == "speech":
                told.append(self._message("speech.startDetected", {"Offset": self._ticks(heard.at_s)}))
            elif heard.kind == "partial" and heard.text:
                told.append(self._message("speech.hypothesis", {"Text": heard.text.lower(), **self._span(heard)}))
        return told

    def _end(self) -> list[Told]:
        heard = self.hearing.settle()
        told: list[Told] = []
        if heard.text:
            words = [
                {
                    "Word": w.text.lower().strip(".,?!"),
                    "Offset": self._ticks(w.start_s),
                    "Duration": round((w.end_s - w.start_s) * _TICKS),
                }
                for w in heard.words
            ]
            best = {"Confidence": 0.9, "Lexical": heard.text.lower(), "ITN": heard.text, "MaskedITN": heard.text}
            phrase = {"RecognitionStatus": "Success", **self._span(heard), "DisplayText": heard.text}
            nbest = [{**best, "Display": heard.text, "Words": words}]
            told.append(self._message("speech.phrase", {**phrase, "NBest": nbest}))
        told.append(self._message("speech.endDetected", {"Offset": self._ticks(heard.at_s)}))
        return [*told, self._message("turn.end", {})]

    def _span(self, heard: Heard) -> dict[str, int]:
        start_s, end_s = heard.words[0].start_s, heard.words[-1].end_s
        return {"Offset": self._ticks(start_s), "Duration": round((end_s - start_s) * _TICKS)}

    def _ticks(self, at_s: float) -> int:
        """From the beginning of the turn."""
        return round((at_s - self._from_s) * _TICKS)

    def _message(self, path: str, body: dict[str, object]) -> str:
        kind = "application/json; charset=utf-8"
        return f"X-RequestId:{self._request}\r\nPath:{path}\r\nContent-Type:{kind}\r\n\r\n{json.dumps(body)}"


class AzureDouble(ListeningDouble):
    path = "/speech/recognition/conversation/cognitiveservices/v1"
    side = AzureSide

    def settings(self, url: str) -> AzureSettings:
        return AzureSettings(url=url, key_env="VENDOR_KEY")

    def authorised(self, request: web.Request) -> bool:
        return request.headers.get("Ocp-Apim-Subscription-Key") == KEY

    def refusal(self, request: web.Request) -> str:
        return "" if "language" in request.query and len(request.headers.get("X-ConnectionId", "")) == 32 else "query"
