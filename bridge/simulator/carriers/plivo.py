"""Plivo: forms signed by scheme V3, its own XML, mu-law in JSON, checkpoints that come back only when they were played.

Facts: https://www.plivo.com/docs/voice/xml/audiostream ,
https://plivo.com/docs/voice-agents/audio-streaming/concepts/audio-streaming-reference ,
https://docs.plivo.com/docs/voice/xml/request/validation .
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bridge.simulator.carriers import xml
from bridge.simulator.carriers.audio import AudioFormat
from bridge.simulator.carriers.base import (
    Call,
    Carrier,
    DialResult,
    Echoed,
    MediaStream,
    Message,
    Signing,
    StreamEvent,
    Webhook,
    compact,
    digest,
    uuid_of,
)
from bridge.simulator.carriers.verbs import Dial, Hangup, Reject, Stream, Verb

HEADERS_LIMIT = 512
"""Bytes of `extraHeaders`; keys and values are letters and digits."""

LONGEST_LEAD_MS = 40_000
"""What Plivo buffers of a stream."""

_EPOCH_MS = 1_705_312_200_000
"""What media timestamps count from here: they are unix milliseconds."""

FORMATS = {
    "audio/x-mulaw;rate=8000": AudioFormat("PCMU"),
    "audio/x-l16;rate=8000": AudioFormat("L16", 8000),
    "audio/x-l16;rate=16000": AudioFormat("L16", 16000),
}

_REFUSALS = ("busy", "rejected")


def signature_v3(auth_token: str, method: str, url: str, nonce: str, form: Mapping[str, str]) -> str:
    """The `X-Plivo-Signature-V3` of a request; `url` has its query, `form` the fields of a POST's body."""
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}{parts.path}"
    query = "&".join(f"{key}={value}" for key, value in sorted(parse_qsl(parts.query, keep_blank_values=True)))
    if method == "GET":
        text = base + (f"?{query}" if query else "")
    else:
        fields = "".join(key + value for key, value in sorted(form.items()))
        text = base + (f"?{query}" if query or fields else "") + ("." if query and fields else "") + fields
    made = hmac.new(auth_token.encode(), f"{text}.{nonce}".encode(), hashlib.sha256).digest()
    return base64.b64encode(made).decode()


class Plivo(Carrier):
    """Plivo's answer URL, XML and audio streams."""

    name = "plivo"
    secret_variable = "PLIVO_AUTH_TOKEN"
    secret_hint = "the server checks signatures with"
    webhook_agent = "PlivoXMLClient"
    socket_agent = "Plivo-Audio-Streaming"
    default_account = "MA" + "0" * 17 + "B"
    connect_attempts = 2
    outgoing_direction = "outbound"

    def new_call(self, number: str, called: str, seed: str, account: str = "") -> Call:
        """A call UUID, and a stream id of the same kind."""
        return Call(
            number=number,
            called=called,
            call_sid=uuid_of(seed),
            stream_sid=uuid_of(f"stream/{seed}"),
            account=account or self.default_account,
            seed=seed,
        )

    def form(self, call: Call, status: str, event: str) -> dict[str, str]:
        """The fields of a webhook; numbers have no plus here."""
        return {
            "CallUUID": call.call_sid,
            "From": call.number.lstrip("+"),
            "To": call.called.lstrip("+"),
            "Direction": "inbound",
            "CallStatus": status,
            "Event": event,
            "ParentAuthID": call.account,
        }

    def document(self, call: Call, url: str, method: str, status: str) -> Webhook:
        """The answer URL, or the one of a `<Redirect>`."""
        return Webhook(status, method, url, self.form(call, status, "StartApp" if status == "ringing" else "Redirect"))

    def after_dial(self, call: Call, verb: Dial, result: DialResult) -> Webhook:
        """The request to the action URL of a `<Dial>`: https://www.plivo.com/docs/voice/xml/dial."""
        asked = self.document(call, verb.action, verb.method, "in-progress")
        return replace(asked, form={**asked.form, "DialStatus": result.replace("_", "-")})

    def stream_event(
        self, call: Call, verb: Stream, stream_sid: str, event: StreamEvent, error: str, now: float
    ) -> Webhook | None:
        """Build the report of a stream event: `StartStream`, `StopStream` or `DroppedStream`."""
        if not verb.status_callback:
            return None
        word = {"started": "StartStream", "stopped": "StopStream", "failed": "DroppedStream"}[event]
        form = {
            "Event": word,
            "CallUUID": call.call_sid,
            "StreamID": stream_sid,
            "ServiceURL": verb.url,
            "From": call.number.lstrip("+"),
            "To": call.called.lstrip("+"),
        }
        form |= {"Reason": error} if error else {}
        return Webhook(word, verb.status_method, verb.status_callback, form)

    def call_event(self, call: Call, url: str, status: str, number: int, seconds: int, now: float) -> Webhook | None:
        """The hangup URL: asked once, when the call is over."""
        if status != "completed":
            return None
        form = self.form(call, status, "Hangup") | {"Duration": str(seconds), "HangupCause": "NORMAL_CLEARING"}
        return Webhook(status, "POST", url, form)

    def sign(self, what: Signing) -> dict[str, str]:
        """HMAC-SHA256 over URL, sorted fields and a nonce."""
        nonce = digest(f"nonce/{what.now}/{what.url}")[:20]
        form = what.form if what.method != "GET" else {}
        signed = signature_v3(what.secret, what.method, what.url, nonce, form)
        return {"X-Plivo-Signature-V3": signed, "X-Plivo-Signature-V3-Nonce": nonce}

    def read_document(self, body: str) -> list[Verb]:
        """Plivo XML; unknown elements are refused."""
        return [self._verb(element) for element in xml.children(self, body)]

    def _verb(self, element: ElementTree.Element) -> Verb:
        match element.tag:
            case "Stream":
                return self._stream(element)
            case "Hangup":
                reason = element.get("reason", "")
                return Reject(reason) if reason in _REFUSALS else Hangup()
            case "Conference":
                return xml.room(self, element, "waitSound", element.get("action", ""))
            case "GetInput":
                if element.get("inputType") != "dtmf" or not 5 <= int(element.get("executionTimeout", "15")) <= 60:
                    raise self.error("document", "<GetInput>: expected inputType dtmf, and 5 to 60 s")
                return xml.gather(self, element, "Speak", "executionTimeout")
            case "Say":
                raise xml.unknown(self, element)
        verb = xml.common(self, element)
        if verb is None:
            raise xml.unknown(self, element)
        return verb

    def _stream(self, stream: ElementTree.Element) -> Stream:
        if stream.get("bidirectional", "false").lower() != "true":
            raise self.error("document", '<Stream> without bidirectional="true" plays nothing to the caller')
        if stream.get("audioTrack", "inbound") != "inbound":
            raise self.error("document", f"audioTrack {stream.get('audioTrack')!r}: bidirectional allows inbound only")
        kind = stream.get("contentType", "audio/x-l16;rate=8000").replace(" ", "")
        if kind not in FORMATS:
            raise self.error("document", f"contentType {kind!r}, expected one of {', '.join(FORMATS)}")
        return Stream(
            url=xml.text_of(stream),
            parameters=self._headers(stream.get("extraHeaders", "")),
            status_callback=stream.get("statusCallbackUrl", ""),
            status_method=xml.method_of(stream, "statusCallbackMethod"),
            inward=FORMATS[kind],
            outward=FORMATS[kind],
            blocks=stream.get("keepCallAlive", "false").lower() == "true",
        )

    def _headers(self, text: str) -> dict[str, str]:
        """`key=value` pairs, with commas or semicolons between them."""
        if len(text.encode()) > HEADERS_LIMIT:
            raise self.error("document", f"extraHeaders has {len(text.encode())} bytes, at most {HEADERS_LIMIT}")
        found: dict[str, str] = {}
        for pair in re.split("[,;]", text) if text else []:
            key, _, value = pair.strip().partition("=")
            if not re.fullmatch("[A-Za-z0-9]+", key) or not re.fullmatch("[A-Za-z0-9]*", value):
                raise self.error("document", f"extraHeaders has {pair!r}: keys and values are letters and digits")
            found[key] = value
        return found

    def open_stream(
        self, call: Call, stream_sid: str, verb: Stream, opened_at: float, *, echoes_marks: bool = True, seed: int = 1
    ) -> PlivoStream:
        """One of Plivo's audio streams."""
        return PlivoStream(call, stream_sid, verb, opened_at, echoes_marks=echoes_marks, seed=seed)


class PlivoStream(MediaStream):
    """JSON texts both ways, numbers as numbers; `start` comes first, and nothing says the end but the socket."""

    def connected(self) -> Message | None:
        """Return None, as `start` is the first message of such a stream."""
        return None

    def start(self) -> Message:
        """Build the start message: who calls, and the extra headers of the document in one string."""
        form = self.verb.inward
        kind = "audio/x-mulaw" if form.encoding == "PCMU" else "audio/x-l16"
        body = {
            "callId": self.call.call_sid,
            "streamId": self.stream_sid,
            "accountId": self.call.account,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": kind, "sampleRate": form.rate_hz},
        }
        return self._numbered({"event": "start", "start": body}, headers=True)

    def media(self, ulaw: bytes, timestamp_ms: int) -> list[Message]:
        """One frame of the caller."""
        self._chunk += 1
        body = {
            "track": "inbound",
            "timestamp": str(_EPOCH_MS + timestamp_ms),
            "chunk": self._chunk,
            "payload": base64.b64encode(self._voice.feed(ulaw)).decode(),
        }
        return [self._numbered({"event": "media", "streamId": self.stream_sid, "media": body}, headers=True)]

    def dtmf(self, digit: str) -> Message:
        """A key the caller pressed."""
        body = {"track": "inbound", "digit": digit, "timestamp": str(_EPOCH_MS + 20 * self._chunk)}
        return self._numbered({"event": "dtmf", "streamId": self.stream_sid, "dtmf": body}, headers=True)

    def stop(self) -> Message | None:
        """Nothing: closing the socket is the end."""
        return None

    def _done_with(self, what: Any, at: float, played: bool, out: list[Message]) -> None:
        if played:
            super()._done_with(what, at, played, out)
        else:
            self.echoed.append(Echoed(at, str(what), False))

    def _mark_message(self, what: Any) -> Message:
        return self._numbered({"event": "playedStream", "streamId": self.stream_sid, "name": what})

    def _numbered(self, fields: dict[str, Any], *, headers: bool = False) -> str:
        self._sequence += 1
        event = fields.pop("event")
        more = {"extra_headers": ";".join(f"{key}={value}" for key, value in self.verb.parameters.items())}
        return compact({"event": event, "sequenceNumber": self._sequence, **fields, **(more if headers else {})})

    def receive(self, message: Message, now: float) -> list[Message]:
        """Warnings for what the documentation does not allow; Plivo itself answers nothing."""
        out = self.advance(now)
        try:
            fields = json.loads(message) if isinstance(message, str) else None
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            what = "a binary frame" if isinstance(message, bytes) else "not a JSON object"
            return self._refuse(now, what, out)
        event = str(fields.get("event"))
        if event in ("checkpoint", "clearAudio") and fields.get("streamId") != self.stream_sid:
            return self._refuse(now, f"{event} for stream {fields.get('streamId')!r}, ours is {self.stream_sid!r}", out)
        match event:
            case "playAudio":
                return self._play(fields.get("media"), now, out)
            case "checkpoint" if isinstance(fields.get("name"), str):
                self._take_mark(fields["name"], now, out)
            case "clearAudio":
                self._take_clear(now, out)
                out.append(self._numbered({"event": "clearedAudio", "streamId": self.stream_sid}))
            case "sendDTMF":
                pass
            case _:
                return self._refuse(now, f"event {event[:40]!r} or its fields", out)
        return out

    def _play(self, body: Any, now: float, out: list[Message]) -> list[Message]:
        form = self.verb.outward
        kind = "audio/x-mulaw" if form.encoding == "PCMU" else "audio/x-l16"
        if not isinstance(body, dict) or not isinstance(body.get("payload"), str):
            return self._refuse(now, "playAudio needs media with a payload, a string", out)
        if body.get("contentType") != kind or str(body.get("sampleRate")) != str(form.rate_hz):
            told = f"{body.get('contentType')!r} at {body.get('sampleRate')!r}, the stream is {kind} at {form.rate_hz}"
            return self._refuse(now, told, out)
        try:
            data = base64.b64decode(body["payload"], validate=True)
        except (binascii.Error, ValueError):
            return self._refuse(now, "media.payload is not base64", out)
        if self.lead_ms + len(data) / form.unit / 8 > LONGEST_LEAD_MS:
            return self._refuse(now, f"more than {LONGEST_LEAD_MS // 1000} s are buffered: audio thrown away", out)
        self._take_audio(data, now)
        return out

    def _refuse(self, now: float, detail: str, out: list[Message]) -> list[Message]:
        self._warn(now, 0, f"Plivo cannot use the message: {detail}")
        return out
