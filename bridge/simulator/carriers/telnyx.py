"""Telnyx by TeXML: forms signed with Ed25519, a `<Stream>` with a codec for each direction, frames out of order.

Facts: https://developers.telnyx.com/docs/voice/programmable-voice/texml-verbs/stream ,
https://developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket .
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import json
import random
import xml.etree.ElementTree as ElementTree
from typing import Any, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.simulator.carriers import xml
from bridge.simulator.carriers.audio import AudioFormat, Encoding
from bridge.simulator.carriers.base import (
    Call,
    Carrier,
    MediaStream,
    Message,
    Signing,
    StreamEvent,
    Webhook,
    compact,
    digest,
    uuid_of,
)
from bridge.simulator.carriers.verbs import Hangup, Reject, Stream, Verb

MALFORMED_FRAME, INVALID_MEDIA = 100003, 100004
_TITLES = {MALFORMED_FRAME: "malformed_frame", INVALID_MEDIA: "invalid_media"}

SHORTEST_MS, LONGEST_MS = 20, 30_000
"""Of one media message to Telnyx."""

OUT_OF_ORDER = 0.02
"""The share of frames that arrive after the one that follows them: `Order is not guaranteed`."""

LEG_CODEC: Encoding = "PCMU"
"""What `default` stands for: the codec of the call's own leg."""


def private_key(secret: str) -> Ed25519PrivateKey:
    """The key that signs webhooks: `secret` is 32 bytes in base64, or any text, from which a key is made."""
    try:
        seed = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        seed = b""
    if len(seed) != 32:
        seed = hashlib.sha256(secret.encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_key(secret: str) -> str:
    """The base64 public key that belongs to `private_key(secret)`, as the portal shows it."""
    return base64.b64encode(private_key(secret).public_key().public_bytes_raw()).decode()


class Telnyx(Carrier):
    """Telnyx's TeXML webhooks and media streams."""

    name = "telnyx"
    secret_variable = "TELNYX_PRIVATE_KEY"
    secret_hint = "signs (32 bytes in base64, or any text); its public half, for the server, is shown then"
    webhook_agent = "telnyx-webhooks"
    socket_agent = "telnyx-media-streaming"
    default_account = "f5586561-8ff0-4291-a51b-00000000000b"

    def new_call(self, number: str, called: str, seed: str, account: str = "") -> Call:
        """A call control id, which TeXML calls CallSid, and a stream id in the form of a UUID."""
        return Call(
            number=number,
            called=called,
            call_sid="v3:" + digest(seed),
            stream_sid=uuid_of(f"stream/{seed}").upper(),
            account=account or self.default_account,
            seed=seed,
        )

    def form(self, call: Call, status: str) -> dict[str, str]:
        """The fields of a TeXML webhook."""
        return {
            "AccountSid": call.account,
            "CallSid": call.call_sid,
            "CallSidLegacy": call.call_sid,
            "CallStatus": status,
            "ConnectionId": "1234567890",
            "Direction": "inbound",
            "From": call.number,
            "To": call.called,
        }

    def document(self, call: Call, url: str, method: str, status: str) -> Webhook:
        """The voice webhook, or the one of a `<Redirect>`."""
        return Webhook(status, method, url, self.form(call, status))

    def stream_event(
        self, call: Call, verb: Stream, stream_sid: str, event: StreamEvent, error: str, now: float
    ) -> Webhook | None:
        """Build the report of a stream event: `stream-started`, `stream-stopped` or `stream-failed`."""
        if not verb.status_callback:
            return None
        word = f"stream-{event}"
        form = {
            "AccountSid": call.account,
            "CallSid": call.call_sid,
            "CallSidLegacy": call.call_sid,
            "StreamEvent": word,
            "StreamName": verb.name or stream_sid,
            "StreamSid": stream_sid,
            "Timestamp": _timestamp(now),
        }
        form |= {"StreamError": error} if error else {}
        return Webhook(word, verb.status_method, verb.status_callback, form)

    def call_event(self, call: Call, url: str, status: str, number: int, seconds: int, now: float) -> Webhook | None:
        """Build the callback about a call's status."""
        form = self.form(call, status) | {
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(number),
            "Timestamp": _timestamp(now),
        }
        return Webhook(status, "POST", url, form | ({"CallDuration": str(seconds)} if status == "completed" else {}))

    def sign(self, what: Signing) -> dict[str, str]:
        """Ed25519 over `timestamp|body`, the bytes as they are sent."""
        timestamp = str(int(what.now))
        signed = private_key(what.secret).sign(timestamp.encode() + b"|" + what.body)
        return {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": base64.b64encode(signed).decode()}

    def told_to_server(self, secret: str) -> str:
        """Return the public key, which the server needs to check signatures."""
        return f"Telnyx's public key, for the server: {public_key(secret)}"

    def read_document(self, body: str) -> list[Verb]:
        """TeXML; unknown verbs are refused."""
        return [self._verb(element) for element in xml.children(self, body)]

    def _verb(self, element: ElementTree.Element) -> Verb:
        match element.tag:
            case "Connect" | "Start":
                return self._connect(element)
            case "Hangup":
                return Hangup()
            case "Reject":
                return Reject(element.get("reason", "rejected"))
            case "Gather":
                return xml.gather(self, element, "Say", "timeout")
        verb = xml.common(self, element)
        if verb is None:
            raise xml.unknown(self, element)
        return verb

    def _connect(self, connect: ElementTree.Element) -> Stream:
        tags = [str(child.tag) for child in connect]
        if tags != ["Stream"]:
            raise self.error("document", f"<{connect.tag}> holds {tags}, expected <Stream>")
        stream = connect[0]
        track = stream.get("track", "inbound_track")
        if track != "inbound_track":
            raise self.error("document", f"track {track!r}: this double has inbound_track only")
        mode = stream.get("bidirectionalMode", "mp3")
        if mode not in ("mp3", "rtp"):
            raise self.error("document", f"bidirectionalMode {mode!r}, expected mp3 or rtp")
        rate = stream.get("bidirectionalSamplingRate", "8000")
        if rate not in ("8000", "16000", "24000"):
            raise self.error("document", f"bidirectionalSamplingRate {rate!r}, expected 8000, 16000 or 24000")
        return Stream(
            url=stream.get("url", ""),
            name=stream.get("name", ""),
            parameters={child.get("name", ""): child.get("value", "") for child in stream.findall("Parameter")},
            status_callback=stream.get("statusCallback", ""),
            status_method=xml.method_of(stream, "statusCallbackMethod"),
            action=connect.get("action", ""),
            method=xml.method_of(connect),
            inward=self._format(stream.get("codec", "default"), 8000),
            outward=self._format(stream.get("bidirectionalCodec", "PCMU"), int(rate)),
            plays_raw_audio=mode == "rtp",
            blocks=connect.tag == "Connect",
            reconnects=stream.get("enableReconnect", "true").lower() == "true",
        )

    def _format(self, codec: str, rate_hz: int) -> AudioFormat:
        encoding = LEG_CODEC if codec == "default" else codec
        if encoding not in get_args(Encoding):
            raise self.error(
                "document", f"codec {codec!r}: this double has {', '.join(get_args(Encoding))} and default"
            )
        return AudioFormat(encoding, rate_hz if encoding == "L16" else 8000)  # type: ignore[arg-type]

    def open_stream(
        self, call: Call, stream_sid: str, verb: Stream, opened_at: float, *, echoes_marks: bool = True, seed: int = 1
    ) -> TelnyxStream:
        """One of Telnyx's media streams."""
        return TelnyxStream(call, stream_sid, verb, opened_at, echoes_marks=echoes_marks, seed=seed)


def _timestamp(now: float) -> str:
    return datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat().replace("+00:00", "Z")


class TelnyxStream(MediaStream):
    """JSON texts both ways; no stream is named on the way to Telnyx, and frames may overtake each other."""

    def __init__(
        self, call: Call, stream_sid: str, verb: Stream, opened_at: float, *, echoes_marks: bool = True, seed: int = 1
    ) -> None:
        super().__init__(call, stream_sid, verb, opened_at, echoes_marks=echoes_marks, seed=seed)
        self._chance = random.Random(f"telnyx/{call.seed}/{seed}")
        self._overtaken: list[Message] = []

    def connected(self) -> Message:
        """The first message on the socket."""
        return compact({"event": "connected", "version": "1.0.0"})

    def start(self) -> Message:
        """The second: who calls, the format of the frames, the parameters of the document."""
        form = self.verb.inward
        body: dict[str, Any] = {
            "user_id": self.call.account,
            "call_control_id": self.call.call_sid,
            "call_session_id": uuid_of(f"session/{self.call.seed}"),
            "from": self.call.number,
            "to": self.call.called,
            "tags": [],
            "media_format": {"encoding": form.encoding, "sample_rate": form.rate_hz, "channels": 1},
        }
        if self.verb.parameters:
            body["custom_parameters"] = self.verb.parameters
        return self._numbered("start", body)

    def media(self, ulaw: bytes, timestamp_ms: int) -> list[Message]:
        """One frame of the caller; now and then it waits until the next has passed."""
        self._chunk += 1
        body = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": str(timestamp_ms),
            "payload": base64.b64encode(self._voice.feed(ulaw)).decode(),
        }
        message = self._numbered("media", body)
        if not self._overtaken and self._chance.random() < OUT_OF_ORDER:
            self._overtaken = [message]
            return []
        overtaken, self._overtaken = self._overtaken, []
        return [message, *overtaken]

    def dtmf(self, digit: str) -> Message:
        """A key the caller pressed."""
        self._sequence += 1
        return compact(
            {
                "event": "dtmf",
                "sequence_number": str(self._sequence),
                "stream_id": self.stream_sid,
                "occurred_at": f"2025-06-05T08:54:{self._sequence % 60:02d}.698408Z",
                "dtmf": {"digit": digit},
            }
        )

    def stop(self) -> Message:
        """The stream or the call has ended."""
        return self._numbered("stop", {"user_id": self.call.account, "call_control_id": self.call.call_sid})

    def _mark_message(self, what: Any) -> Message:
        return self._numbered("mark", {"name": what})

    def _numbered(self, event: str, body: dict[str, Any]) -> str:
        self._sequence += 1
        head = {"event": event, "sequence_number": str(self._sequence), "stream_id": self.stream_sid}
        return compact({**head, event: body})

    def receive(self, message: Message, now: float) -> list[Message]:
        """What cannot be used is answered by an `error` event on the socket."""
        out = self.advance(now)
        try:
            fields = json.loads(message) if isinstance(message, str) else None
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            what = "a binary frame" if isinstance(message, bytes) else "not a JSON object"
            return self._refuse(now, MALFORMED_FRAME, what, out)
        body = fields.get(str(fields.get("event")))
        match fields.get("event"):
            case "media" if isinstance(body, dict):
                return self._media(body, now, out)
            case "mark" if isinstance(body, dict) and isinstance(body.get("name"), str):
                self._take_mark(body["name"], now, out)
                return out
            case "clear":
                self._take_clear(now, out)
                return out
            case event:
                return self._refuse(now, MALFORMED_FRAME, f"event {str(event)[:40]!r} or its fields", out)

    def _media(self, body: dict[str, Any], now: float, out: list[Message]) -> list[Message]:
        try:
            data = base64.b64decode(body["payload"], validate=True)
        except (KeyError, TypeError, binascii.Error, ValueError):
            return self._refuse(now, INVALID_MEDIA, "payload is not base64", out)
        if not self.verb.plays_raw_audio:
            told = 'the stream\'s bidirectionalMode is mp3, its default: raw audio needs bidirectionalMode="rtp"'
            return self._refuse(now, INVALID_MEDIA, told, out)
        ms = len(data) / self.verb.outward.unit / 8
        if not SHORTEST_MS <= ms <= LONGEST_MS:
            return self._refuse(now, MALFORMED_FRAME, f"a chunk of {ms:g} ms, expected 20 ms to 30 s", out)
        self._take_audio(data, now)
        return out

    def _refuse(self, now: float, code: int, detail: str, out: list[Message]) -> list[Message]:
        self._warn(now, code, f"{_TITLES[code]}: {detail}")
        payload = {"code": code, "title": _TITLES[code], "detail": detail}
        out.append(compact({"event": "error", "stream_id": self.stream_sid, "payload": payload}))
        return out
