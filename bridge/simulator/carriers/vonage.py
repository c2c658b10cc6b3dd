"""Vonage: an NCCO in JSON, webhooks and sockets with a signed token, linear16 in binary frames of exactly 20 ms.

Facts: https://developer.vonage.com/en/voice/voice-api/concepts/websockets ,
https://developer.vonage.com/en/voice/voice-api/ncco-reference . What becomes of a `notify` that a clear throws out is
documented nowhere; this double sends none back.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

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
from bridge.simulator.carriers.verbs import Dial, Play, Redirect, Say, Stream, Verb

BUFFER_MESSAGES = 3072
"""About a minute; what comes on top is lost."""

HEADERS_LIMIT = 512
"""Bytes of all custom headers of an endpoint together."""

CONTENT_TYPES = {f"audio/l16;rate={rate}": AudioFormat("L16", rate) for rate in (8000, 16000, 24000)}


def token(secret: str, application: str, now: float, identifier: str, payload_hash: str = "") -> str:
    """A JWT by HS256 as Vonage signs its webhooks with."""
    claims = {"iss": "Vonage", "iat": int(now), "jti": identifier, "api_key": "a1b2c3d4", "application_id": application}
    claims |= {"payload_hash": payload_hash} if payload_hash else {}
    head, body = (_base64url(compact(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    signed = hmac.new(secret.encode(), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_base64url(signed)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _url(told: Any) -> str:
    """An address as NCCOs have it: a list with one."""
    return str(told[0]) if isinstance(told, list) and told else ""


class Vonage(Carrier):
    """Vonage's answer and event webhooks, NCCOs and WebSocket endpoints."""

    name = "vonage"
    secret_variable = "VONAGE_SIGNATURE_SECRET"
    secret_hint = "the server checks the tokens of webhooks with"
    webhook_agent = "Vonage-Voice"
    socket_agent = "Vonage-WebSocket"
    default_account = "aaaaaaaa-bbbb-4ccc-8ddd-00000000000b"
    dial_method = "GET"
    dial_path = "answer"
    names_streams = False
    names_calls = False
    document_types = ("application/json",)

    def new_call(self, number: str, called: str, seed: str, account: str = "") -> Call:
        """Two legs: the caller's, which is the call, and the socket's."""
        return Call(
            number=number,
            called=called,
            call_sid=uuid_of(seed),
            stream_sid=uuid_of(f"stream/{seed}"),
            account=account or self.default_account,
            seed=seed,
        )

    def document(self, call: Call, url: str, method: str, status: str) -> Webhook:
        """The answer webhook; an event webhook for anything later."""
        if status == "ringing":
            return Webhook(status, method, url, self._parties(call))
        return Webhook(status, "POST", url, json=self._event(call, call.call_sid, status, 0.0))

    def redirected(self, call: Call, verb: Redirect) -> Webhook:
        """A `notify`: the payload goes to the event webhook, whose answer may be an NCCO."""
        event = self._event(call, call.call_sid, "payload", 0.0) | {"payload": json.loads(verb.payload)}
        return Webhook("notify", verb.method, verb.url, json=event)

    def after_stream(self, call: Call, verb: Stream, stream_sid: str, *, opened: bool) -> Webhook:
        """The socket's leg is `disconnected`, or `failed`: the answer may be an NCCO."""
        status = "disconnected" if opened else "failed"
        event = self._event(call, stream_sid, status, 0.0) | {"headers": verb.parameters}
        return Webhook(status, verb.method, verb.action, json=event)

    def after_dial(self, call: Call, verb: Dial, result: DialResult) -> Webhook:
        """The event of the dialled leg, a call of its own, that it was never connected: the answer may be an NCCO.

        Statuses: https://developer.vonage.com/en/voice/voice-api/webhook-reference.
        """
        status = {"busy": "busy", "no_answer": "unanswered"}.get(result, "failed")
        event = self._event(call, uuid_of(f"dialled/{call.seed}"), status, 0.0)
        event |= {"direction": "outbound", "to": verb.targets[0].lstrip("+")}
        return Webhook(status, verb.method, verb.action, json=event)

    def stream_event(
        self, call: Call, verb: Stream, stream_sid: str, event: StreamEvent, error: str, now: float
    ) -> Webhook | None:
        """`answered`; `disconnected` and `failed` ask for a document, see `after_stream`."""
        if not verb.status_callback or event != "started":
            return None
        body = self._event(call, stream_sid, "answered", now) | {"headers": verb.parameters}
        return Webhook("answered", verb.status_method, verb.status_callback, json=body)

    def call_event(self, call: Call, url: str, status: str, number: int, seconds: int, now: float) -> Webhook | None:
        """The application's event webhook, about the caller's leg."""
        word = {"in-progress": "answered"}.get(status, status)
        body = self._event(call, call.call_sid, word, now)
        return Webhook(word, "POST", url, json=body | ({"duration": str(seconds)} if status == "completed" else {}))

    def _parties(self, call: Call) -> dict[str, str]:
        return {
            "to": call.called.lstrip("+"),
            "from": call.number.lstrip("+"),
            "conversation_uuid": "CON-" + uuid_of(f"conversation/{call.seed}"),
            "uuid": call.call_sid,
            "region_url": "https://api-eu-3.vonage.com",
        }

    def _event(self, call: Call, leg: str, status: str, now: float) -> dict[str, Any]:
        at = datetime.datetime.fromtimestamp(now, datetime.UTC).isoformat().replace("+00:00", "Z")
        parties = self._parties(call) | {"uuid": leg, "status": status, "direction": "inbound", "timestamp": at}
        del parties["region_url"]
        return dict(parties)

    def sign(self, what: Signing) -> dict[str, str]:
        """A bearer token with the hash of the body."""
        hashed = hashlib.sha256(what.body).hexdigest() if what.body else ""
        identifier = uuid_of(f"jti/{what.now}/{what.url}/{digest(hashed)}")
        return {"Authorization": f"Bearer {token(what.secret, what.account, what.now, identifier, hashed)}"}

    def sign_socket(self, what: Signing, verb: Stream) -> dict[str, str]:
        """What the endpoint's `authorization` asks for: a token of ours, a header of the server's, or nothing."""
        if verb.authorization == "sign":
            return self.sign(what)
        return {"Authorization": verb.authorization} if verb.authorization else {}

    def read_document(self, body: str) -> list[Verb]:
        """An NCCO; unknown actions are refused."""
        try:
            actions = json.loads(body)
        except (ValueError, RecursionError):
            raise self.error("document", "the NCCO is not JSON") from None
        if not isinstance(actions, list) or not all(isinstance(action, dict) for action in actions):
            raise self.error("document", "the NCCO is not a list of actions")
        return [self._action(action) for action in actions]

    def _action(self, action: Mapping[str, Any]) -> Verb:
        match action.get("action"):
            case "talk":
                return Say(str(action.get("text", "")))
            case "stream":
                urls = action.get("streamUrl")
                return Play(str(urls[0]) if isinstance(urls, list) and urls else str(urls))
            case "connect":
                return self._connect(action)
            case "notify":
                return self._notify(action)
            case other:
                raise self.error("document", f"{str(other)[:40]!r} is not an action this carrier double knows")

    def _notify(self, action: Mapping[str, Any]) -> Verb:
        payload, url = action.get("payload"), _url(action.get("eventUrl"))
        if not isinstance(payload, dict) or not url:
            raise self.error("document", "notify needs a payload, an object, and an eventUrl")
        method = str(action.get("eventMethod", "POST")).upper()
        return Redirect(url, method, payload=compact(payload), may_be_empty=True)

    def _connect(self, action: Mapping[str, Any]) -> Verb:
        endpoints = action.get("endpoint")
        if not isinstance(endpoints, list) or len(endpoints) != 1 or not isinstance(endpoints[0], dict):
            raise self.error("document", "connect needs a list with one endpoint")
        endpoint = endpoints[0]
        match endpoint.get("type"):
            case "phone":
                return self._dial(action, self._dialled(endpoint.get("number")))
            case "sip":
                return self._dial(action, str(endpoint.get("uri", "")))
            case "websocket":
                return self._socket(action, endpoint)
            case other:
                raise self.error("document", f"endpoint type {str(other)[:40]!r}, expected websocket, phone or sip")

    def _dial(self, action: Mapping[str, Any], target: str) -> Dial:
        """Only the answer to a synchronous event is carried out: without one the call is over with the dialled leg."""
        url = _url(action.get("eventUrl")) if action.get("eventType") == "synchronous" else ""
        return Dial((target,), url, str(action.get("eventMethod", "POST")))

    def _dialled(self, number: object) -> str:
        """An endpoint's number, which Vonage writes as E.164 without its plus, as everybody else writes it."""
        if not isinstance(number, str) or not number.isascii() or not number.isdecimal():
            raise self.error("document", f"number {str(number)[:40]!r}, expected digits: E.164 without a plus")
        return f"+{number}"

    def _socket(self, action: Mapping[str, Any], endpoint: Mapping[str, Any]) -> Stream:
        kind = str(endpoint.get("content-type", "")).replace(" ", "")
        if kind not in CONTENT_TYPES:
            raise self.error("document", f"content-type {kind!r}, expected one of {', '.join(CONTENT_TYPES)}")
        headers = endpoint.get("headers", {})
        if not isinstance(headers, dict):
            raise self.error("document", "headers is not an object")
        if len(compact(headers).encode()) > HEADERS_LIMIT:
            raise self.error("document", f"headers has {len(compact(headers))} bytes, at most {HEADERS_LIMIT}")
        event_url = _url(action.get("eventUrl"))
        return Stream(
            url=str(endpoint.get("uri", "")),
            parameters={str(key): str(value) for key, value in headers.items()},
            status_callback=event_url,
            status_method=str(action.get("eventMethod", "POST")),
            action=event_url,
            action_may_be_empty=True,
            inward=CONTENT_TYPES[kind],
            outward=CONTENT_TYPES[kind],
            authorization=self._authorization(endpoint.get("authorization")),
        )

    def _authorization(self, wanted: Any) -> str:
        match wanted:
            case None:
                return ""
            case {"type": "vonage"}:
                return "sign"
            case {"type": "custom", "value": str(value)} if value:
                return value
            case _:
                raise self.error("document", "authorization is neither of type vonage nor custom with a value")

    def open_stream(
        self, call: Call, stream_sid: str, verb: Stream, opened_at: float, *, echoes_marks: bool = True, seed: int = 1
    ) -> VonageStream:
        """One of Vonage's WebSocket legs."""
        return VonageStream(call, stream_sid, verb, opened_at, echoes_marks=echoes_marks, seed=seed)


class VonageStream(MediaStream):
    """Audio in binary frames, control in JSON texts; nothing names the stream, and no message says the end."""

    def connected(self) -> Message | None:
        """Nothing: `websocket:connected` is the first message, and names the call."""
        return None

    def start(self) -> Message:
        """The first message: the format, and the document's headers beside it."""
        kind = f"audio/l16;rate={self.verb.inward.rate_hz}"
        return compact({"event": "websocket:connected", "content-type": kind, **self.verb.parameters})

    def media(self, ulaw: bytes, timestamp_ms: int) -> list[Message]:
        """20 ms of the caller."""
        return [self._voice.feed(ulaw)]

    def dtmf(self, digit: str) -> Message:
        """A key the caller pressed."""
        return compact({"event": "websocket:dtmf", "digit": digit, "duration": 260})

    def stop(self) -> Message | None:
        """Nothing: closing the socket is the end."""
        return None

    def _done_with(self, what: Any, at: float, played: bool, out: list[Message]) -> None:
        if played:
            super()._done_with(what, at, played, out)
        else:
            self.echoed.append(Echoed(at, self._mark_name(what), False))

    def _mark_message(self, what: Any) -> Message:
        return compact({"event": "websocket:notify", "payload": what})

    @staticmethod
    def _mark_name(what: Any) -> str:
        return str(what.get("mark", compact(what))) if isinstance(what, dict) else str(what)

    def receive(self, message: Message, now: float) -> list[Message]:
        """Warnings for frames of another length and texts that are no action; Vonage itself answers nothing."""
        out = self.advance(now)
        if isinstance(message, bytes):
            return self._audio(message, now, out)
        try:
            fields = json.loads(message)
        except ValueError:
            return self._refuse(now, "a text that is not JSON", out)
        match fields:
            case {"action": "clear"}:
                self._take_clear(now, out)
                out.append(compact({"event": "websocket:cleared"}))
            case {"action": "notify", "payload": dict() as payload}:
                self._take_mark(payload, now, out)
            case _:
                return self._refuse(now, f"a text that is no action: {message[:80]!r}", out)
        return out

    def _audio(self, data: bytes, now: float, out: list[Message]) -> list[Message]:
        expected = self.verb.outward.unit * 160
        if len(data) != expected:
            return self._refuse(now, f"an audio frame of {len(data)} bytes, expected {expected}: 20 ms", out)
        if self.playout.messages >= BUFFER_MESSAGES:
            return self._refuse(now, f"more than {BUFFER_MESSAGES} frames are buffered: audio lost", out)
        self._take_audio(data, now)
        return out

    def _refuse(self, now: float, detail: str, out: list[Message]) -> list[Message]:
        self._warn(now, 0, f"Vonage cannot use the message: {detail}")
        return out
