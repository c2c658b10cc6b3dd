"""Lines of an HTTP answer as they arrive, with a deadline for each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

import aiohttp

from bridge.agents.base import AgentError

_LONGEST_LINE = 256 * 1024
_SHOWN_OF_ERROR = 300


class LineClient:
    """One HTTP session that posts JSON and reads answers line by line, opened at the first use."""

    def __init__(self, name: str, connect_deadline_s: float) -> None:
        self._name = name
        self._connect_deadline_s = connect_deadline_s
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: str, body: bytes, headers: dict[str, str], first_deadline_s: float, deadline_s: float
    ) -> AsyncGenerator[bytes, None]:
        """Post a JSON body and yield the lines of the answer without their ends, empty ones left out.

        Closing the generator closes the connection, which tells the server to stop. Raises AgentError for
        anything but a whole answer with status 200 in time.
        """
        wait_s = first_deadline_s
        response: aiohttp.ClientResponse | None = None
        try:
            started_at = asyncio.get_running_loop().time()
            async with asyncio.timeout(wait_s):
                response = await self._open().post(url, data=body, headers=headers)
                if response.status != 200:
                    raise AgentError(f"{self._name} answered {response.status}: {await _start_of(response)}")
            wait_s -= asyncio.get_running_loop().time() - started_at
            lines = _Lines(response.content)
            while True:
                async with asyncio.timeout(wait_s):
                    line = await lines.next()
                if line is None:
                    return
                yield line  # no deadline runs here: what the reader does with the line is his own time
                wait_s = deadline_s
        except TimeoutError:
            raise AgentError(f"{self._name} did not answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise AgentError(f"{self._name} cannot be reached: {error or type(error).__name__}") from None
        finally:
            if response:
                response.close()

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            timeout = aiohttp.ClientTimeout(total=None, connect=self._connect_deadline_s)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        return self._session


async def _start_of(response: aiohttp.ClientResponse) -> str:
    raw = await response.content.read(_SHOWN_OF_ERROR)
    return " ".join(raw.decode("utf-8", "replace").split())


class _Lines:
    """Cuts a stream of bytes into lines; empty ones are left out."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self._whole: deque[bytes] = deque()
        self._rest = b""

    async def next(self) -> bytes | None:
        """The next line without its end, or None after the last one."""
        while not self._whole:
            piece = await self._content.readany()
            if not piece:
                last, self._rest = self._rest.strip(), b""
                return last or None
            *lines, self._rest = (self._rest + piece).split(b"\n")
            if len(self._rest) > _LONGEST_LINE:
                raise AgentError(f"a line of the answer is longer than {_LONGEST_LINE} bytes")
            self._whole.extend(stripped for line in lines if (stripped := line.strip()))
        return self._whole.popleft()
