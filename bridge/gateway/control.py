"""Ending and moving calls by their carrier's REST API, where credentials allow it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time

import aiohttp

from bridge.carriers.addresses import Addresses
from bridge.carriers.base import CallReference, Carrier, Outcome, RestAnswer
from bridge.carriers.conference import CallParty
from bridge.carriers.web import RestRequest
from bridge.http import HttpClient, OpenClient
from bridge.telemetry import logs
from bridge.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_ANSWER_BYTES = 65_536
"""More of an answer than this says nothing about how a request ended."""


class CallControl:
    """Sends REST requests about calls in progress."""

    def __init__(self, *, timeout_s: float, metrics: Metrics, open_client: OpenClient = HttpClient) -> None:
        self._timeout_s = timeout_s
        self._metrics = metrics
        self._client = open_client()

    async def carry_out(self, outcome: Outcome, carrier: Carrier, call: CallReference, addresses: Addresses) -> bool:
        """Do this to a call. False when that did not happen: then closing the media stream must bring it about.

        Raises ValueError for what the carrier would refuse.
        """
        return await self.send(outcome, carrier, call, addresses) in ("done", "gone")

    async def send(self, outcome: Outcome, carrier: Carrier, call: CallReference, addresses: Addresses) -> str:
        """Do this to a call, and return how that ended, as a metrics label; empty where it cannot be asked for.

        Raises ValueError for what the carrier would refuse.
        """
        request = carrier.request(outcome, call, addresses, now=time.time(), nonce=secrets.token_hex(16))
        result, _called = await self._carried_out(carrier, request, call, _words(outcome))
        return result

    async def call_party(
        self, party: CallParty, carrier: Carrier, call: CallReference, addresses: Addresses
    ) -> str | None:
        """Call somebody for this call. The name of the call to them, if it is told already; None: nobody is called.

        Of a request without an answer we do not know.
        """
        request = carrier.call_party(party, call, addresses)
        result, called = await self._carried_out(carrier, request, call, "call party")
        return called if result in ("done", "timeout") else None

    async def cancel_party(self, carrier: Carrier, call: CallReference) -> None:
        """Let a telephone ring no longer that was called for somebody."""
        await self._carried_out(carrier, carrier.cancel_party(call), call, "cancel party")

    async def _carried_out(
        self, carrier: Carrier, request: RestRequest | None, call: CallReference, what: str
    ) -> tuple[str, str]:
        """How it ended, as a metrics label, and the call that was placed; both empty where there is nothing to send."""
        if request is None:
            return "", ""
        result, why, called = await self._send(carrier, request)
        self._metrics.rest_requests.labels(what, result).inc()
        if result not in ("done", "gone"):
            logs.event(
                logger, "REST request failed", logging.WARNING, call=call.call_id, what=what, result=result, why=why
            )
        return result, called

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.close()

    async def _send(self, carrier: Carrier, request: RestRequest) -> tuple[str, str, str]:
        """How it ended, as a metrics label; what the carrier said about it; the call that was placed, if it says."""
        method, url, body = request.method, request.url, request.body or None
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                await self._client.request(
                    method, url, data=body, headers=request.headers, allow_redirects=False
                ) as response,
            ):
                answer: RestAnswer = carrier.read_answer(response.status, await response.content.read(_ANSWER_BYTES))
                return answer.outcome, answer.why, answer.call_id
        except TimeoutError:
            return "timeout", f"no answer in {self._timeout_s:g} s", ""
        except (aiohttp.ClientError, OSError) as error:
            return "unreachable", str(error) or type(error).__name__, ""


def _words(outcome: Outcome) -> str:
    """An outcome's name for metrics and logs: `end call`."""
    name = type(outcome).__name__
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
