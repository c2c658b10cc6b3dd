"""Twilio: forms signed with HMAC-SHA1, TwiML, mu-law in JSON, marks that come back played or cleared alike.

Facts: https://www.twilio.com/docs/voice/twiml , https://www.twilio.com/docs/voice/media-streams/websocket-messages ,
https://www.twilio.com/docs/usage/webhooks/webhooks-security , https://www.twilio.com/docs/api/errors .
"""

from __future__ import annotations

import base64
import binascii
import datetime
import email.utils
import hashlib
import hmac
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from bridge.simulator.carriers import xml
from bridge.simulator.carriers.base import (
    Call,
    Carrier,
    MediaStream,
    Message,
    Problem,
    Signing,
    StreamEvent,
    Webhook,
    compact,
    digest,
)
from bridge.simulator.carriers.verbs import Hangup, Play, Reject, Say, Stream, Verb
from bridge.simulator.sound import RATE_HZ

BUFFER_BYTES = 10 * 60 * RATE_HZ
"""About ten minutes of audio; what comes on top is thrown away (warning 31931)."""

PARAMETER_LIMIT = 500
"""Name and value of a stream parameter together stay under this many characters."""

WARNINGS = {
    31931: "media discarded: more than 10 minutes are buffered",
    31950: "malformed message",
    31951: "invalid message",
}

_KEYS = {
    "media": {"event", "streamSid", "media"},
    "mark": {"event", "streamSid", "mark"},
    "clear": {"event", "streamSid"},
}


def signature(auth_token: str, url: str, form: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> str:
    """The `X-Twilio-Signature` of a request to `url` with these form fields (none for GET and sockets)."""
    fields = form.items() if isinstance(form, Mapping) else form
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


class Twilio(Carrier):
    """Twilio's voice webhooks, TwiML and media streams."""

    name = "twilio"
    secret_variable = "TWILIO_AUTH_TOKEN"
    secret_hint = "the server checks signatures with"
    webhook_agent = "TwilioProxy/1.1"
    socket_agent = "Twilio.TmeWs/1.0"
    default_account = "AC" + "0" * 31 + "b"
    signs_sockets = True
    document_types = ("text/xml", "application/xml", "text/html")
    numbers: ClassVar[Mapping[Problem, int]] = {
        "retrieval": 11200,
        "redirects": 11200,
        "too large": 11750,
        "content type": 12300,
        "document": 12100,
        "handshake": 31920,
        "timeout": 31901,
        "refused": 31902,
        "scheme": 31922,
        "url": 31923,
    }

    def new_call(self, number: str, called: str, seed: str, account: str = "") -> Call:
        """`CA` and `MZ` with 32 hexadecimal digits."""
        return Call(
            number=number,
            called=called,
            call_sid="CA" + digest(seed),
            stream_sid="MZ" + digest(f"stream/{seed}"),
            account=account or self.default_account,
            seed=seed,
        )

    def form(self, call: Call, status: str) -> dict[str, str]:
        """The fields of a voice webhook (https://www.twilio.com/docs/voice/twiml#request-parameters)."""
        return {
            "AccountSid": call.account,
            "ApiVersion": "2010-04-01",
            "CallSid": call.call_sid,
            "CallStatus": status,
            "Called": call.called,
            "Caller": call.number,
            "CallerCity": "",
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
        """`stream-started`, `stream-stopped`, `stream-error`; also names why a stream did not come about."""
        if not verb.status_callback:
            return None
        word = "stream-error" if event == "failed" else f"stream-{event}"
        form = {
            "AccountSid": call.account,
            "CallSid": call.call_sid,
            "StreamSid": stream_sid,
            "StreamName": verb.name or stream_sid,
            "StreamEvent": word,
            "Timestamp": datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat(),
        }
        form |= {"StreamError": error} if error else {}
        return Webhook(word, verb.status_method, verb.status_callback, form)

    def call_event(self, call: Call, url: str, status: str, number: int, seconds: int, now: float) -> Webhook | None:
        """Build the callback about a call's status."""
        ended = {"CallDuration": str(seconds), "Duration": str(-(-seconds // 60))} if status == "completed" else {}
        form = self.form(call, status) | {
            "SequenceNumber": str(number),
            "CallbackSource": "call-progress-events",
            "Timestamp": email.utils.format_datetime(datetime.datetime.fromtimestamp(now, datetime.UTC)),
        }
        return Webhook(status, "POST", url, form | ended)

    def sign(self, what: Signing) -> dict[str, str]:
        """HMAC-SHA1 over the URL and the sorted form."""
        idempotency = hashlib.md5(f"{what.url}{dict(what.form)}".encode(), usedforsecurity=False).hexdigest()
        return {
            "X-Twilio-Signature": signature(what.secret, what.url, what.form),
            "I-Twilio-Idempotency-Token": idempotency,
        }

    def sign_socket(self, what: Signing, verb: Stream) -> dict[str, str]:
        """Sign the socket's upgrade request over the `wss` URL of the document."""
        return {"X-Twilio-Signature": signature(what.secret, what.url), "Accept-Encoding": "gzip"}

    def read(self, content_type: str, body: str) -> list[Verb]:
        """TwiML; plain text is read to the caller, and a sound is played (https://www.twilio.com/docs/voice/twiml)."""
        if content_type == "text/plain":
            return [Say(" ".join(body.split())), Hangup()]
        if content_type.startswith("audio/"):
            return [Play("the answer of the webhook"), Hangup()]
        return super().read(content_type, body)

    def read_document(self, body: str) -> list[Verb]:
        """TwiML; unknown verbs are refused."""
        return [self._verb(element) for element in xml.children(self, body)]

    def _verb(self, element: ElementTree.Element) -> Verb:
        match element.tag:
            case "Connect":
                return self._connect(element)
            case "Hangup":
                return Hangup()
            case "Reject":
                return Reject(element.get("reason", "rejected"))
            case "Gather":
                return xml.gather(self, element, "Say", "timeout")
        verb = xml.common(self, element)
        if verb is None:
            raise xml.unknown(self, element, 12200)
        return verb

    def _connect(self, connect: ElementTree.Element) -> Stream:
        tags = [str(child.tag) for child in connect]
        if tags != ["Stream"]:
            raise self.error("document", f"<Connect> holds {tags}, expected <Stream>", number=12200)
        stream = connect[0]
        if stream.get("track", "inbound_track") != "inbound_track":
            raise self.error(
                "document", f"track {stream.get('track')!r}: <Connect> allows inbound_track only", number=31941
            )
        url = stream.get("url", "")
        if "?" in url:
            raise self.error("handshake", f"a stream URL may not have a query string ({url})")
        return Stream(
            url=url,
            name=stream.get("name", ""),
            parameters=self._parameters(stream),
            status_callback=stream.get("statusCallback", ""),
            status_method=xml.method_of(stream, "statusCallbackMethod"),
            action=connect.get("action", ""),
            method=xml.method_of(connect),
        )

    def _parameters(self, stream: ElementTree.Element) -> dict[str, str]:
        parameters: dict[str, str] = {}
        for child in stream.findall("Parameter"):
            name, value = child.get("name", ""), child.get("value", "")
            if len(name) + len(value) >= PARAMETER_LIMIT:
                told = f"parameter {name!r}: name and value must be under {PARAMETER_LIMIT} characters"
                raise self.error("document", told, number=12200)
            parameters[name] = value
        return parameters

    def open_stream(
        self, call: Call, stream_sid: str, verb: Stream, opened_at: float, *, echoes_marks: bool = True, seed: int = 1
    ) -> TwilioStream:
        """One of Twilio's media streams."""
        return TwilioStream(call, stream_sid, verb, opened_at, echoes_marks=echoes_marks, seed=seed)


class TwilioStream(MediaStream):
    """JSON texts both ways. Numbers are strings; a clear echoes the marks it throws out, in order."""

    def connected(self) -> Message:
        """The first message on the socket."""
        return compact({"event": "connected", "protocol": "Call", "version": "1.0.0"})

    def start(self) -> Message:
        """The second: who calls, and the parameters of the document."""
        body = {
            "accountSid": self.call.account,
            "streamSid": self.stream_sid,
            "callSid": self.call.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": self.verb.parameters,
        }
        return self._numbered("start", body)

    def media(self, ulaw: bytes, timestamp_ms: int) -> list[Message]:
        """One frame of the caller."""
        self._chunk += 1
        body = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": str(timestamp_ms),
            "payload": base64.b64encode(ulaw).decode(),
        }
        return [self._numbered("media", body)]

    def dtmf(self, digit: str) -> Message:
        """A key the caller pressed."""
        return self._numbered("dtmf", {"track": "inbound_track", "digit": digit})

    def stop(self) -> Message:
        """The stream or the call has ended."""
        return self._numbered("stop", {"accountSid": self.call.account, "callSid": self.call.call_sid})

    def _mark_message(self, what: Any) -> Message:
        return self._numbered("mark", {"name": what})

    def _numbered(self, event: str, body: dict[str, Any]) -> str:
        self._sequence += 1
        return compact(
            {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.stream_sid, event: body}
        )

    def receive(self, message: Message, now: float) -> list[Message]:
        """Warnings 31950 and 31951 for what the documentation does not allow; once per stream over there, all here."""
        out = self.advance(now)
        if isinstance(message, bytes):
            return self._refuse(now, 31950, "a binary frame, expected text", out)
        try:
            fields = json.loads(message)
        except ValueError:
            return self._refuse(now, 31951, "not JSON", out)
        if not isinstance(fields, dict) or fields.get("event") not in _KEYS:
            return self._refuse(now, 31951, f"unknown event in {message[:80]!r}", out)
        event = fields["event"]
        if set(fields) != _KEYS[event]:
            told = f"{event} has the fields {sorted(fields)}, expected {sorted(_KEYS[event])}"
            return self._refuse(now, 31951, told, out)
        if fields["streamSid"] != self.stream_sid:
            told = f"{event} for stream {fields['streamSid']!r}, ours is {self.stream_sid!r}"
            return self._refuse(now, 31951, told, out)
        match event:
            case "media":
                return self._media(fields["media"], now, out)
            case "mark":
                return self._mark(fields["mark"], now, out)
            case _:
                self._take_clear(now, out)
                return out

    def _media(self, body: Any, now: float, out: list[Message]) -> list[Message]:
        if not isinstance(body, dict) or set(body) != {"payload"} or not isinstance(body["payload"], str):
            return self._refuse(now, 31951, "media needs exactly one field, payload, a string", out)
        try:
            ulaw = base64.b64decode(body["payload"], validate=True)
        except (binascii.Error, ValueError):
            return self._refuse(now, 31951, "media.payload is not base64", out)
        if self.lead_ms * 8 + len(ulaw) > BUFFER_BYTES:
            return self._refuse(now, 31931, f"{len(ulaw)} bytes thrown away", out)
        self._take_audio(ulaw, now)
        return out

    def _mark(self, body: Any, now: float, out: list[Message]) -> list[Message]:
        if not isinstance(body, dict) or set(body) != {"name"} or not isinstance(body["name"], str):
            return self._refuse(now, 31951, "mark needs exactly one field, name, a string", out)
        self._take_mark(body["name"], now, out)
        return out

    def _refuse(self, now: float, code: int, detail: str, out: list[Message]) -> list[Message]:
        self._warn(now, code, f"{WARNINGS[code]}: {detail}")
        return out
