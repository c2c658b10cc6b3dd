"""The carriers' REST APIs, as far as a server ends and transfers calls by them.

One application for all of them: their paths have nothing in common. A call is known from when it rings (`add`); one
that is over is answered as each carrier answers then. What a request asks for is what the phone call does next.

Twilio: https://www.twilio.com/docs/voice/api/call-resource . Telnyx: actions of call control, and the TeXML call.
Vonage: `PUT /v1/calls/{uuid}`. Plivo: https://www.plivo.com/docs/voice/api/call .
"""

from __future__ import annotations

import base64
import contextlib
import json
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiohttp import web

from bridge.errors import BadMessage, ConfigError
from bridge.simulator.carriers import CARRIERS
from bridge.simulator.carriers.base import Webhook
from bridge.simulator.carriers.verbs import Dial, Hangup, Verb
from bridge.simulator.parties import Conferences, PersonCall
from bridge.simulator.phone_call import PhoneCall

LARGEST_REQUEST = 64 * 1024
LONGEST_DOCUMENT = 4000
"""Characters of a document in a request to Twilio."""


class RestApi:
    """Answers for the calls that were added. `log` has a line for each request."""

    def __init__(self, *, password: str = "") -> None:
        """`password` is what Basic and Bearer credentials must end with; empty: any will do, none will not."""
        self._password = password
        self._calls: weakref.WeakValueDictionary[str, PhoneCall | PersonCall] = weakref.WeakValueDictionary()
        self._rooms = Conferences()
        self.log: list[str] = []
        """`POST /2010-04-01/... -> 200`."""

    def add(self, phone: PhoneCall) -> None:
        """Let requests end or move this call from now on."""
        self._calls[phone.call.call_sid] = phone
        phone.rooms = self._rooms

    def _call(self, *what: object, events: str = "completed") -> PersonCall | None:
        """Call somebody for the caller who has dialled a number: that, theirs, the document, where the end is told.

        None where something is missing.
        """
        given = [one for one in what if isinstance(one, str) and one]
        if len(given) < 4:
            return None
        number, target, url, told = given
        for phone in list(self._calls.values()):
            if not isinstance(phone, PhoneCall) or phone.person is not None or phone.over:
                continue
            if phone.call.called.lstrip("+") == number.lstrip("+"):
                named = f"+{target}" if target.isdigit() else target
                person = phone.person = PersonCall(phone, named, url, told, events=events)
                self._calls[person.call.call_sid] = person
                phone.spawn(person.run())
                return person
        return None

    def application(self) -> web.Application:
        """The API, to be served where the service's `api_base_url` points to."""
        app = web.Application(client_max_size=LARGEST_REQUEST, middlewares=[self._logged])
        app.router.add_post("/2010-04-01/Accounts/{account}/Calls.json", self._twilio_calls)
        app.router.add_post("/2010-04-01/Accounts/{account}/Calls/{call}.json", self._twilio)
        app.router.add_post("/v2/calls/{call}/actions/{action}", self._telnyx_action)
        app.router.add_post("/v2/texml/Accounts/{account}/Calls/{call}", self._telnyx_texml)
        app.router.add_post("/v2/texml/Accounts/{account}/Calls", self._telnyx_calls)
        app.router.add_put("/v1/calls/{call}", self._vonage)
        app.router.add_post("/v1/Account/{account}/Call/", self._plivo_calls)
        app.router.add_delete("/v1/Account/{account}/Call/{call}/", self._plivo)
        app.router.add_delete("/v1/Account/{account}/Request/{call}/", self._plivo_request)
        app.router.add_post("/v1/Account/{account}/Call/{call}/", self._plivo)
        return app

    @web.middleware
    async def _logged(self, request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            answer: web.StreamResponse = await handler(request)
        except BadMessage as error:
            answer = web.json_response({"message": str(error)}, status=400)
        self.log.append(f"{request.method} {request.path} -> {answer.status}")
        return answer

    def _running(self, request: web.Request) -> PhoneCall | PersonCall | None:
        phone = self._calls.get(request.match_info["call"])
        return None if phone is None or phone.over else phone

    def _authorised(self, request: web.Request, scheme: str) -> bool:
        kind, _, value = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != scheme:
            return False
        if scheme == "basic":
            try:
                value = base64.b64decode(value, validate=True).decode()
            except ValueError:
                return False
            value = value.partition(":")[2]
        return bool(value) and value.endswith(self._password)

    async def _twilio_calls(self, request: web.Request) -> web.Response:
        if not self._authorised(request, "basic"):
            return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)
        form = await request.post()
        person = self._call(*(form.get(name) for name in ("From", "To", "Url", "StatusCallback")))
        if person is None:
            return web.json_response({"code": 21201, "message": "no such caller", "status": 400}, status=400)
        return web.json_response({"sid": person.call.call_sid, "status": "queued"}, status=201)

    async def _telnyx_calls(self, request: web.Request) -> web.Response:
        if not self._authorised(request, "bearer"):
            return _telnyx_error(401, "10009", "Authentication failed")
        body = await _json(request)
        events = str(body.get("StatusCallbackEvent", "completed"))
        person = self._call(*(body.get(name) for name in ("From", "To", "Url", "StatusCallback")), events=events)
        if person is None or not body.get("ApplicationSid"):
            return _telnyx_error(422, "10015", "expected ApplicationSid, From, To, Url and StatusCallback")
        return web.json_response({"from": body["From"], "to": body["To"], "status": "queued"})

    async def _plivo_calls(self, request: web.Request) -> web.Response:
        if not self._authorised(request, "basic"):
            return web.json_response({"error": "could not verify your access"}, status=401)
        body = await _json(request)
        person = self._call(*(body.get(name) for name in ("from", "to", "answer_url", "hangup_url")))
        if person is None:
            return web.json_response({"error": "expected from, to, answer_url and hangup_url"}, status=400)
        return web.json_response({"message": "call fired", "request_uuid": person.call.call_sid}, status=201)

    async def _twilio(self, request: web.Request) -> web.Response:
        if not self._authorised(request, "basic"):
            return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)
        phone = self._running(request)
        if phone is None:
            told = {"code": 20404, "message": f"The requested resource {request.path} was not found", "status": 404}
            return web.json_response(told, status=404)
        form = {str(key): str(value) for key, value in (await request.post()).items()}
        refused = self._document_order(phone, form, "Twiml")
        if refused:
            return web.json_response({"code": 21218, "message": refused, "status": 400}, status=400)
        return web.json_response({"sid": phone.call.call_sid, "status": form.get("Status", "in-progress")})

    def _document_order(self, phone: PhoneCall | PersonCall, form: Mapping[str, str], field: str) -> str:
        """Do what a request in the form of Twilio's asks for; returns what is wrong with it."""
        if form.get("Status") in ("completed", "canceled"):
            phone.order([Hangup()])
        elif form.get(field):
            if len(form[field]) > LONGEST_DOCUMENT:
                return f"{field} has {len(form[field])} characters, at most {LONGEST_DOCUMENT}"
            phone.order(phone.company.read_document(form[field]))
        elif form.get("Url"):
            method = form.get("Method", "POST").upper()
            phone.order(phone.company.document(phone.call, form["Url"], method, "in-progress"))
        else:
            return f"expected Status, {field} or Url"
        return ""

    async def _telnyx_action(self, request: web.Request) -> web.Response:
        if not self._authorised(request, "bearer"):
            return _telnyx_error(401, "10009", "Authentication failed")
        phone = self._running(request)
        if phone is None:
            return _telnyx_error(422, "90018", "Call has already ended")
        body = await _json(request)
        match request.match_info["action"]:
            case "hangup":
                phone.order([Hangup()])
            case "reject":
                phone.order([Hangup()])
            case "transfer" if isinstance(body.get("to"), str) and body["to"]:
                phone.order([Dial((body["to"],))])
            case action:
                return _telnyx_error(422, "10015", f"action {action!r} or its fields")
        return web.json_response({"data": {"result": "ok"}})

    async def _telnyx_texml(self, request: web.Request) -> web.Response:
        if not self._authorised(request, "bearer"):
            return _telnyx_error(401, "10009", "Authentication failed")
        phone = self._running(request)
        if phone is None:
            return _telnyx_error(422, "90018", "Call has already ended")
        form = {str(key): str(value) for key, value in (await request.post()).items()}
        refused = self._document_order(phone, form, "Texml")
        if refused:
            return _telnyx_error(422, "10015", refused)
        return web.json_response({"sid": phone.call.call_sid, "status": form.get("Status", "in-progress")})

    async def _vonage(self, request: web.Request) -> web.Response:
        if not self._authorised(request, "bearer") or not _is_vonage_token(request):
            return web.json_response({"type": "UNAUTHORIZED", "error_title": "Unauthorized"}, status=401)
        phone = self._running(request)
        if phone is None:
            return web.json_response({"type": "NOT_FOUND", "error_title": "Not Found"}, status=404)
        order = self._vonage_order(phone, await _json(request))
        if order is None:
            return web.json_response({"type": "BAD_REQUEST", "error_title": "Bad Request"}, status=400)
        phone.order(order)
        return web.Response(status=204)

    def _vonage_order(self, phone: PhoneCall | PersonCall, body: Any) -> Sequence[Verb] | Webhook | None:
        match body:
            case {"action": "hangup"}:
                return [Hangup()]
            case {"action": "transfer", "destination": {"type": "ncco", "ncco": list() as ncco}}:
                return CARRIERS["vonage"].read_document(json.dumps(ncco))
            case {"action": "transfer", "destination": {"type": "ncco", "url": [str(url), *_]}}:
                return phone.company.document(phone.call, url, "GET", "ringing")
            case _:
                return None

    async def _plivo_request(self, request: web.Request) -> web.Response:
        """A request for a call that nobody has answered is taken back."""
        if not self._authorised(request, "basic"):
            return web.json_response({"error": "could not verify your access"}, status=401)
        person = self._running(request)
        if not isinstance(person, PersonCall) or person.answered:
            return web.json_response({"error": "not found"}, status=404)
        person.order([Hangup()])
        return web.Response(status=204)

    async def _plivo(self, request: web.Request) -> web.Response:
        if not self._authorised(request, "basic"):
            return web.json_response({"error": "could not verify your access"}, status=401)
        phone = self._running(request)
        if phone is None or (isinstance(phone, PersonCall) and not phone.answered):
            return web.json_response({"error": "not found"}, status=404)
        if request.method == "DELETE":
            phone.order([Hangup()])
            return web.Response(status=204)
        body = await _json(request)
        url = body.get("aleg_url")
        if body.get("legs", "aleg") != "aleg" or not isinstance(url, str) or not url:
            return web.json_response({"error": "expected legs aleg and aleg_url"}, status=400)
        method = str(body.get("aleg_method", "POST")).upper()
        phone.order(phone.company.document(phone.call, url, method, "in-progress"))
        return web.json_response({"message": "call transferred", "call_uuids": [phone.call.call_sid]}, status=202)


@contextlib.asynccontextmanager
async def serve(where: str) -> AsyncIterator[RestApi | None]:
    """A REST API at `host:port` while the context lasts; none at "". Raises ConfigError when it cannot listen there."""
    if not where:
        yield None
        return
    host, _, port = where.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--rest {where!r}: expected HOST:PORT, such as 127.0.0.1:9000")
    api = RestApi()
    runner = web.AppRunner(api.application(), shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host or "127.0.0.1", int(port)).start()
        except OSError as error:
            raise ConfigError(f"--rest {where!r}: cannot listen there ({error.strerror})") from None
        yield api
    finally:
        await runner.cleanup()


async def _json(request: web.Request) -> dict[str, Any]:
    text = await request.text()
    try:
        body = json.loads(text) if text else {}
    except ValueError:
        body = {}
    return body if isinstance(body, dict) else {}


def _telnyx_error(status: int, code: str, detail: str) -> web.Response:
    return web.json_response({"errors": [{"code": code, "title": detail, "detail": detail}]}, status=status)


def _is_vonage_token(request: web.Request) -> bool:
    """A JWT by RS256 that names an application and has a time; whether the key is right only Vonage could know."""
    parts = request.headers.get("Authorization", "").partition(" ")[2].split(".")
    if len(parts) != 3 or not parts[2]:
        return False
    try:
        head, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except ValueError:
        return False
    return head.get("alg") == "RS256" and {"application_id", "iat", "jti"} <= set(claims)
