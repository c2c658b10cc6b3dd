"""A double of Gladia's live service, written from its documentation."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aiohttp import web

from bridge.listening.hosted_settings import GladiaSettings
from tests.doubles.hearing import Heard, Hearing
from tests.doubles.listening.base import KEY, Close, ListeningDouble, Session, Side, Told


class GladiaSide(Side):
    def __init__(self, session: Session, hearing: Hearing) -> None:
        super().__init__(session, hearing)
        self._utterance = 0

    def opened(self) -> Sequence[Told]:
        return [self._message("start_session"), self._message("start_recording")]

    def text(self, text: str) -> Sequence[Told]:
        if json.loads(text).get("type") != "stop_recording":
            return [Close(4400, "unknown message")]
        data = {"recording_duration": self.hearing.position_s, "recording_left_to_process": 0}
        last = self._final(self.hearing.now())
        return [self._message("stop_recording", acknowledged=True, data=data), *last, self._message("end_session"),
                Close(1000)]  # fmt: skip

    def audio(self, data: bytes) -> Sequence[Told]:
        told: list[Told] = []
        for heard in self.hearing.hears(data):
            if heard.kind == "speech":
                told.append(self._message("speech_start", data={"time": heard.at_s, "channel": 0}))
            elif heard.kind == "partial" and heard.text:
                told.append(self._transcript(heard, final=False))
            elif heard.kind == "lull":
                told += self._final(heard)
        return told

    def _final(self, heard: Heard) -> list[Told]:
        if not heard.text:
            return []
        told = self._transcript(self.hearing.settle(heard), final=True)
        self._utterance += 1
        return [told]

    def _transcript(self, heard: Heard, *, final: bool) -> dict[str, object]:
        words = [{"word": f" {w.text}", "start": w.start_s, "end": w.end_s, "confidence": 0.9} for w in heard.words]
        said = {"text": heard.text, "start": heard.words[0].start_s, "end": heard.words[-1].end_s, "confidence": 0.9}
        said |= {"channel": 0, "language": "en", "words": words}
        data = {"id": f"00_{self._utterance:08}", "is_final": final, "utterance": said}
        return self._message("transcript", data=data)

    def _message(self, kind: str, **fields: object) -> dict[str, object]:
        return {"type": kind, "session_id": "s", "created_at": "2026-11-27T10:00:00.000Z", **fields}


class GladiaDouble(ListeningDouble):
    path = "/v2/socket"
    side = GladiaSide

    def __init__(self, misconduct: Sequence[Sequence[object]] = ()) -> None:
        super().__init__(misconduct)  # type: ignore[arg-type]
        self.posted: list[dict[str, object]] = []

    def settings(self, url: str) -> GladiaSettings:
        return GladiaSettings(url=f"{url}/v2/live", key_env="VENDOR_KEY")

    def routes(self, app: web.Application) -> None:
        super().routes(app)
        app.router.add_post("/v2/live", self._begin)

    def authorised(self, request: web.Request) -> bool:
        return request.query.get("token") == "one-time"

    async def _begin(self, request: web.Request) -> web.Response:
        if self.refuses is not None:
            return web.Response(status=self.refuses)
        if request.headers.get("X-Gladia-Key") != KEY:
            return web.json_response({"message": "Unauthorized", "statusCode": 401}, status=401)
        body = await request.json()
        self.posted.append(body)
        if body.get("encoding") != "wav/ulaw" or body.get("bit_depth") != 8 or body.get("sample_rate") != 8000:
            return web.json_response({"message": "Invalid parameters", "statusCode": 422}, status=422)
        url = f"{self.url.replace('http', 'ws', 1)}{self.path}?token=one-time"
        return web.json_response({"id": "s", "created_at": "2026-11-27T10:00:00.000Z", "url": url}, status=201)
