"""Lines of an HTTP answer as they arrive, and patience that is counted in words, not in bytes."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from typing import TypeVar

import aiohttp

from bridge.agents.base import AgentError, Failure
from bridge.agents.lines import LineSplitter
from bridge.agents.outages import Outage, ServiceAway, away, refused_with
from bridge.agents.settings import AnswerLimits
from bridge.http import HttpClient, why_unreachable

_T = TypeVar("_T")
_SHOWN_OF_ERROR = 300
_COST_OF_LINE = 50
"""A line costs us more than its bytes."""
_LINES_AT_ONCE = 8
_PIECE_BYTES = 4096
"""Not all that is there: whoever sends a chunk for each word makes joining them the work of many thousand."""
_LONGEST_RETRY_AFTER_S = 2.0
"""A caller who waits for an answer does not wait longer for the question to be put."""
_EMPTY_END_S = 0.05
"""After the last word of an answer its end is given this long, so that the connection can be kept for the next."""


_SAME_REQUEST = "Idempotency-Key"
_STAYS_WRONG = (aiohttp.ClientSSLError, aiohttp.InvalidURL)
"""No other attempt ends otherwise."""
_OK = range(200, 201)
_COMMENT = b":"
"""What a line of server-sent events begins with that says nothing."""


class AnswerTimeouts:
    """How long a service is waited for: from word to word, and in all. Only time spent waiting counts."""

    def __init__(self, first_s: float, next_s: float, longest_s: float) -> None:
        self._next_s = next_s
        self._left_s = first_s
        self._longest_s = longest_s

    @property
    def left_s(self) -> float:
        """Return how many seconds of waiting are left."""
        return max(min(self._left_s, self._longest_s), 0.0)

    def waited(self, seconds: float) -> None:
        """Note that this time has passed without a word."""
        self._left_s -= seconds
        self._longest_s -= seconds

    def at_most(self, seconds: float) -> None:
        """Wait so long from now on, or shorter, if nothing lively comes."""
        self._left_s = min(self._left_s, seconds)

    def lively(self) -> None:
        """A word came, or a thought: comments, empty lines and empty events are none."""
        self._left_s = self._next_s


class LineClient:
    """Posts JSON to one service and reads its answers line by line. `name` says in errors who it is.

    `retry_s` is how long a service that is away is tried again, before the first event of its answer.
    """

    def __init__(self, name: str, http: HttpClient, limits: AnswerLimits, *, retry_s: float = 0.0) -> None:
        self.name = name
        self._http = http
        self._limits = limits
        self.outage = Outage(retry_s)

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        patience: AnswerTimeouts,
        query: Mapping[str, str] | None = None,
        *,
        accepted: range = _OK,
    ) -> AsyncGenerator[bytes, None]:
        """Post a JSON body and yield the lines of the answer without their ends, empty ones too.

        Closing the generator closes the connection, which tells the server to stop. Raises AgentError for
        anything but a whole answer with status 200 in time; ServiceAway where another attempt may bring one. A request
        that is sent again is the same to the byte, and so is its `Idempotency-Key`
        (draft-ietf-httpapi-idempotency-key-header).
        """
        headers = {"Accept-Encoding": "identity", _SAME_REQUEST: f'"{secrets.token_hex(16)}"', **headers}
        waits_s, begun = self.outage.waits_s(), False
        while True:
            try:
                async with aclosing(self._post_once(url, body, headers, patience, query, accepted)) as lines:
                    async for line in lines:
                        begun = begun or bool(line and not line.startswith(_COMMENT))
                        yield line
                return
            except ServiceAway:
                wait_s = None if begun else next(waits_s, None)
                if wait_s is None or wait_s >= patience.left_s:
                    raise
            await asyncio.sleep(wait_s)
            patience.waited(wait_s)

    async def _post_once(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        patience: AnswerTimeouts,
        query: Mapping[str, str] | None,
        accepted: range,
    ) -> AsyncGenerator[bytes, None]:
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._ask(url, body, headers, patience, query)
            wait_s = _asked_to_wait_s(response)
            if wait_s is not None and wait_s < patience.left_s:
                response.close()
                await asyncio.sleep(wait_s)
                patience.waited(wait_s)
                response = await self._ask(url, body, headers, patience, query)
            if not away(response.status):
                self.outage.over()
            if response.status not in accepted:
                begun = await within(patience, response.content.read(_SHOWN_OF_ERROR))
                words = " ".join(begun.decode("utf-8", "replace").split())
                raise refused_with(response.status, f"{self.name} answered {response.status}", words)
            async with aclosing(self._lines(response.content, patience)) as lines:
                async for line in lines:
                    yield line  # no deadline runs here: what the reader does with it is the reader's own time
        except TimeoutError as error:
            if isinstance(error, aiohttp.ClientError):
                raise AgentError(Failure.UNREACHABLE, f"{self.name} cannot be reached: no connection in time") from None
            raise AgentError(Failure.TIMEOUT, f"{self.name} did not answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            if response is not None:
                what = f"{self.name} broke off: {why_unreachable(error)}"
                raise ServiceAway(Failure.BROKEN_STREAM, what) from None
            what = f"{self.name} cannot be reached: {why_unreachable(error)}"
            kind = AgentError if isinstance(error, _STAYS_WRONG) else ServiceAway
            raise kind(Failure.UNREACHABLE, what) from None
        finally:
            if response is not None:
                response.close()

    async def _ask(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        patience: AnswerTimeouts,
        query: Mapping[str, str] | None,
    ) -> aiohttp.ClientResponse:
        """Send the request; the answer's head."""
        return await within(patience, self._http.request("POST", url, data=body, params=query or None, headers=headers))

    async def close(self) -> None:
        """Close all connections to the service."""
        await self._http.close()

    async def _lines(self, content: aiohttp.StreamReader, patience: AnswerTimeouts) -> AsyncGenerator[bytes, None]:
        splitter = LineSplitter()
        received = count = 0
        piece = b"-"
        while piece:
            piece = await within(patience, content.read(_PIECE_BYTES))
            lines = splitter.feed(piece) if piece else splitter.close()
            received += len(piece) + _COST_OF_LINE * len(lines)
            if received > self._limits.answer_bytes:
                raise AgentError(Failure.TOO_MUCH, f"an answer of more than {self._limits.answer_bytes} bytes")
            for line in lines:
                count += 1
                if count % _LINES_AT_ONCE == 0:
                    await asyncio.sleep(0)  # a service that sends much at once must not hold up the other calls
                yield line


def _asked_to_wait_s(response: aiohttp.ClientResponse) -> float | None:
    """How long a service with too much to do asks us to wait, if a caller can wait that long (RFC 9110, 10.2.3)."""
    if response.status != 429:
        return None
    for name, per_second in (("Retry-After-Ms", 1000.0), ("Retry-After", 1.0)):  # Azure says it in milliseconds, too
        told = response.headers.get(name, "")
        if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", told, re.ASCII):
            wait_s = float(told) / per_second
            return wait_s if wait_s <= _LONGEST_RETRY_AFTER_S else None
    return None  # a date, which means minutes, or nothing


async def finish(lines: AsyncGenerator[bytes, None]) -> None:
    """Read what is left of an answer whose last word has come: nearly always nothing, and already here."""
    try:
        async with asyncio.timeout(_EMPTY_END_S):
            async for _ in lines:
                pass
    except (TimeoutError, AgentError):
        pass  # the connection is closed, then


async def within(patience: AnswerTimeouts, work: Awaitable[_T]) -> _T:
    """Wait for something as long as there is patience. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    try:
        async with asyncio.timeout(patience.left_s):
            return await work
    finally:
        patience.waited(loop.time() - began_at)
