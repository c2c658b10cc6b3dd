"""Ending and moving calls by the carrier's REST API, where credentials allow it."""

from __future__ import annotations

import logging
from base64 import b64encode

import aiohttp

from bridge.carriers.twilio import documents as twiml
from bridge.carriers.twilio import requests as twilio_rest
from bridge.gateway.settings import TwilioSettings
from bridge.session.ports import HangUp, Outcome, Transfer
from bridge.telemetry import logs
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


class CallControl:
    """Sends REST requests about calls in progress. Without credentials it does nothing, and says so."""

    def __init__(self, settings: TwilioSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._credentials = settings.rest_credentials
        self._client: aiohttp.ClientSession | None = None

    async def end(self, call_sid: str, outcome: Outcome) -> bool:
        """Hang up or transfer. False when that did not happen: then closing the media stream must do it."""
        if self._credentials is None:
            return False
        match outcome:
            case HangUp():
                request, what = twilio_rest.hang_up(self._settings.account_sid, call_sid), "hang up"
            case Transfer(target):
                document = twiml.dial(target, caller_id=self._settings.caller_id)
                request, what = twilio_rest.replace_document(self._settings.account_sid, call_sid, document), "transfer"
            case _:
                return False
        result, why = await self._send(request)
        self._metrics.rest_requests.labels(what, result).inc()
        ended = result in ("done", "gone")
        if not ended:
            logs.event(logger, "REST request failed", logging.WARNING, call=call_sid, what=what, result=result, why=why)
        return ended

    async def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _send(self, request: twilio_rest.RestRequest) -> tuple[str, str]:
        """How it ended, as a metrics label, and what Twilio said about it."""
        if self._client is None:
            timeout = aiohttp.ClientTimeout(total=self._settings.rest_timeout_s)
            self._client = aiohttp.ClientSession(timeout=timeout)
        assert self._credentials is not None
        try:
            async with self._client.request(
                request.method,
                self._settings.api_base_url.rstrip("/") + request.path,
                data=request.form,
                headers={"Authorization": "Basic " + b64encode(":".join(self._credentials).encode()).decode()},
            ) as response:
                answer = twilio_rest.read_answer(response.status, await response.read())
                return answer.outcome, f"{answer.code} {answer.message}" if answer.code else answer.message
        except TimeoutError:
            return "timeout", f"no answer in {self._settings.rest_timeout_s:g} s"
        except aiohttp.ClientError as error:
            return "unreachable", str(error)
