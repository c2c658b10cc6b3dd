"""Workers that are found: an address that stands for as many of them as there are, asked for again and again.

    dns+ws://workers.example.com:8090        whom the name leads to, such as a headless service of Kubernetes
    ray+http://ray.example.com:8000/workers  whom the directory of a Ray Serve fleet names (`bridge.worker.ray_serve`)

What is found joins its group in the pool, which chooses the least loaded, and fails over, as among workers that are
written down. Whoever is no longer named stays for as long as it serves: a directory that is down takes nobody's voice.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bridge.errors import VoiceError
from bridge.http import HttpClient, OpenClient, why_unreachable
from bridge.speaking.voices.addresses import check_worker
from bridge.speaking.voices.base import SpeechProvider
from bridge.speaking.voices.health import MonitoredProvider

log = logging.getLogger(__name__)

LOOK_S = 2.0
_ANSWER_S = 3.0
_ANSWER_BYTES = 262_144
_MOST_WORKERS = 1024


class WorkerList(msgspec.Struct, frozen=True):
    """What a directory of workers answers."""

    workers: list[str]
    """Addresses of the protocol's WebSocket, such as `ws://10.0.0.5:40123`."""


_list_decoder = msgspec.json.Decoder(WorkerList)


class ProviderGroup(Protocol):
    """Where found workers are put."""

    async def join(self, group: str, provider: MonitoredProvider) -> None:
        """Take in one more provider and begin to connect to it."""

    async def part(self, group: str, provider: MonitoredProvider) -> None:
        """Let go of a provider that is no more."""


async def find(address: str, token: str = "", open_client: OpenClient = HttpClient) -> list[str]:
    """The workers that an address stands for now. Raises VoiceError where nobody can say."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            found = await (_named(address) if address.startswith("dns") else _listed(address, token, open_client))
    except (OSError, aiohttp.ClientError, TimeoutError, UnicodeError) as error:  # the last: of a name too long
        raise VoiceError(f"{address}: {why_unreachable(error)}", "lost") from error
    return found[:_MOST_WORKERS]


async def _named(address: str) -> list[str]:
    parts = urlsplit(address)
    scheme = parts.scheme.removeprefix("dns+")
    told = await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    hosts = sorted({str(one[4][0]) for one in told})
    return [f"{scheme}://{f'[{host}]' if ':' in host else host}:{parts.port}{parts.path}" for host in hosts]


async def _listed(address: str, token: str, open_client: OpenClient) -> list[str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client = open_client()
    try:
        answer = await client.request("GET", address.removeprefix("ray+"), headers=headers, allow_redirects=False)
        async with answer:
            body = await answer.content.read(_ANSWER_BYTES)
            if answer.status != 200:
                raise VoiceError(f"{address} answers {answer.status}", "lost")
    finally:
        await client.close()
    try:
        workers = _list_decoder.decode(body).workers
        for worker in workers:
            check_worker(worker)
    except (msgspec.DecodeError, ValueError) as error:
        raise VoiceError(f"{address} names no workers: {error}", "lost") from None
    return workers


class Fleet:
    """Keeps the providers of one group those that an address stands for.

    open_worker  makes the provider for one found address
    """

    def __init__(
        self, address: str, open_worker: Callable[[str], SpeechProvider], token: str, open_client: OpenClient
    ) -> None:
        self.address = address
        self.known: dict[str, MonitoredProvider] = {}
        """Those found so far that are not gone, by address."""
        self._open_worker = open_worker
        self._token = token
        self._open_client = open_client
        self._told = ""
        """The trouble that was logged last."""

    async def keep(self, group: str, pool: ProviderGroup) -> None:
        """Look who is there, until cancelled."""
        while True:
            await self.look(group, pool)
            await asyncio.sleep(LOOK_S)

    async def look(self, group: str, pool: ProviderGroup) -> None:
        """Look once; where nobody can say, all stays as it is."""
        try:
            found = await find(self.address, self._token, self._open_client)
        except VoiceError as error:
            if str(error) != self._told:
                self._told = str(error)
                log.warning("speech workers cannot be looked for: %s", error)
            return
        self._told = ""
        await self.settle(found, group, pool)

    async def settle(self, found: Iterable[str], group: str, pool: ProviderGroup) -> None:
        """Take in who is new, and let go of those who are neither named nor there."""
        named = dict.fromkeys(found)
        for address in [one for one in named if one not in self.known]:
            provider = self.known[address] = MonitoredProvider(self._open_worker(address))
            log.info("speech worker %s has come", address)
            await pool.join(group, provider)
        for address, provider in list(self.known.items()):
            if address not in named and provider.idle and not provider.provider.usable:
                del self.known[address]
                log.info("speech worker %s has gone", address)
                await pool.part(group, provider)
