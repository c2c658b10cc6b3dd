"""The doctor's questions to others: speech workers, Redis, the public address, and its clock."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bridge import variables
from bridge.config import Settings
from bridge.errors import BridgeError, ConfigError
from bridge.http import HttpClient, OpenClient, why_unreachable
from bridge.store.settings import redis_address
from bridge.system.sockets import socket_folder

Status = Literal["ok", "warn", "fail", "skip"]
_NETWORK_S = 5.0
_CLOCK_WARNS_S = 2.0
_CLOCK_FAILS_S = 30.0
_LONGEST_HEALTH = 4096


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    about: str
    status: Status
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the finding as a JSON object."""
        return {"about": self.about, "status": self.status, "found": self.found, "remedy": self.remedy}


def _own_worker() -> Finding:
    """Whether there is a place for the socket of the worker that the service starts."""
    try:
        place = socket_folder("bridge-voice", "worker.sock").parent
    except ConfigError as error:
        found, _, remedy = str(error).partition("; ")
        return Finding("speech worker", "fail", found, remedy)
    return Finding("speech worker", "ok", f"started by the service on a local socket in {place}")


async def workers(
    settings: Settings, environ: Mapping[str, str], open_client: OpenClient = HttpClient
) -> list[Finding]:
    """Every configured speech worker, or how one will be started."""
    from bridge.doctor_services import worker_speaks
    from bridge.speaking.settings import WorkerProviderSettings
    from bridge.worker.client import connect

    speaking, findings = settings.speaking, []
    asked = [
        ("speech worker", address, speaking.worker_token_env, "speaking.workers and speaking.worker_token_env")
        for address in speaking.workers
    ]
    for name, provider in speaking.providers.items():
        keys = f"speaking.providers.{name}"
        if isinstance(provider, WorkerProviderSettings):
            asked += [(f"speech provider {name}", address, provider.token_env, keys) for address in provider.addresses]
    if not speaking.workers:
        findings.append(_own_worker())
    for about, address, variable, keys in await _all_found(asked, environ, open_client, findings):
        started_at = time.perf_counter()
        try:
            link = await connect(address, variables.header(variable, environ), _NETWORK_S, open_client=open_client)
        except BridgeError as error:
            remedy = f"start it (bridge worker --port 8090), or correct {keys}"
            findings.append(Finding(about, "fail", str(error), remedy))
            continue
        took_ms = (time.perf_counter() - started_at) * 1000
        voice = speaking.voice if speaking.voice in link.ready.voices else ""
        missing = speaking.voice and not voice and not speaking.voices and about == "speech worker"
        failure = await worker_speaks(link, voice)
        await link.close()
        if missing:
            known = ", ".join(link.ready.voices)
            remedy = "correct speaking.voice, or give the worker this voice (worker.voices)"
            findings.append(Finding(about, "fail", f"{address} has no voice {speaking.voice}, only {known}", remedy))
            continue
        if failure is not None:
            remedy = "look at the worker's log; restart it"
            findings.append(Finding(about, "fail", f"{address} answers, but does not speak: {failure}", remedy))
            continue
        findings.append(Finding(about, "ok", f"{address} answered in {took_ms:.0f} ms, and speaks"))
    return findings


async def _all_found(
    asked: Sequence[tuple[str, str, str, str]],
    environ: Mapping[str, str],
    open_client: OpenClient,
    findings: list[Finding],
) -> list[tuple[str, str, str, str]]:
    """Replace each address that stands for a fleet by those of its workers."""
    from bridge.speaking.voices.addresses import stands_for_many
    from bridge.speaking.voices.fleet import find

    found = []
    for about, address, variable, keys in asked:
        if not stands_for_many(address):
            found.append((about, address, variable, keys))
            continue
        try:
            workers = await find(address, variables.header(variable, environ), open_client)
        except BridgeError as error:
            findings.append(Finding(about, "fail", str(error), f"start the fleet, or correct {keys}"))
            continue
        if not workers:
            findings.append(Finding(about, "fail", f"{address} names no worker", "look at the fleet's own status"))
        found += [(about, worker, variable, keys) for worker in workers]
    return found


async def redis(settings: Settings, environ: Mapping[str, str]) -> Finding:
    """What joins processes and machines, if it is configured."""
    try:
        url = redis_address(settings.store, environ)
    except ConfigError as error:
        where, _, why = str(error).partition(": ")
        return Finding("redis", "fail", why, f"correct {where}")
    if not url:
        return Finding("redis", "skip", "not configured")
    from bridge.store.redis_check import redis_trouble

    place = urlsplit(variables.without_password(url)).netloc or urlsplit(url).path
    started_at = time.perf_counter()
    trouble = await redis_trouble(url, settings.store.redis_prefix, _NETWORK_S)
    took_ms = (time.perf_counter() - started_at) * 1000
    if trouble is not None:
        key = "store.redis_url" if url == settings.store.redis_url else settings.store.redis_url_env
        remedy = f"{trouble.remedy} ({key}); the service runs without it, only slower"
        return Finding("redis", "warn", f"{place}: {trouble.found}", remedy)
    return Finding("redis", "ok", f"{place} does all that is asked of it, in {took_ms:.0f} ms")


async def public_address(settings: Settings, directory: Path, *, offline: bool) -> list[Finding]:
    """How the carrier reaches us, and whether its clock and ours agree."""
    url = settings.gateway.public_url
    if not url:
        remedy = (
            "set PUBLIC_URL to the https address under which the carrier reaches this service\n"
            "for a try from home, a tunnel gives you one: cloudflared tunnel --url http://localhost:8080"
        )
        status: Status = "warn" if settings.gateway.development_unsigned else "fail"
        return [Finding("public address", status, "not set", remedy)]
    parts = urlsplit(url)
    findings = []
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not local:
        findings.append(
            Finding(
                "public address",
                "fail",
                f"{url} is not https",
                "the carrier opens media sockets only by wss://: use https",
            )
        )
    elif local:
        findings.append(
            Finding(
                "public address",
                "warn",
                f"{url} is this machine alone",
                "no carrier can reach it; a simulated call can",
            )
        )
    if offline:
        return [
            *findings,
            Finding("public address", "skip", f"{url} not asked (--offline)"),
            Finding("clock", "skip", "not compared (--offline)"),
        ]
    try:
        client = HttpClient(settings.http, directory=directory)
    except ConfigError as error:
        return [*findings, Finding("public address", "fail", str(error), "correct the section http")]
    try:
        return findings + await _ask_public(url, client)
    finally:
        await client.close()


async def _ask_public(url: str, client: HttpClient) -> list[Finding]:
    try:
        async with (
            asyncio.timeout(_NETWORK_S),
            await client.request("GET", f"{url.rstrip('/')}/healthz", allow_redirects=False) as response,
        ):
            status, date = response.status, response.headers.get("Date", "")
            now = time.time()
            ours = status == 200 and b'"alive"' in await response.content.read(_LONGEST_HEALTH)
    except aiohttp.ClientConnectorCertificateError as error:
        remedy = "the carrier would refuse it too: renew the certificate, with its whole chain"
        return [Finding("public address", "fail", f"{url}: {why_unreachable(error)}", remedy)]
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        remedy = (
            "check DNS, firewall, proxy or tunnel\n"
            "some networks cannot reach their own public address: try it from outside"
        )
        found = f"{url} cannot be reached from here: {why_unreachable(error)}"
        return [Finding("public address", "warn", found, remedy)]
    if ours:
        reached = Finding("public address", "ok", f"{url} leads to a running service")
    elif status in (502, 503, 504):
        reached = Finding(
            "public address", "ok", f"{url} leads to a proxy; the service behind it is not running ({status})"
        )
    else:
        remedy = (
            "the address must lead to this service: GET /healthz should answer 200, without redirects or log-in pages"
        )
        how = f"answered {status}" if status != 200 else "answered as another service would"
        reached = Finding("public address", "fail", f"{url}/healthz {how}", remedy)
    return [reached, clock(date, now)]


def clock(date: str, now: float) -> Finding:
    """Compare our clock with an HTTP `Date` (whole seconds): tickets and signatures live by it."""
    try:
        theirs = email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return Finding("clock", "skip", "the public address names no time to compare with")
    ahead_s = now - theirs - 0.5
    found = (
        f"within {max(abs(ahead_s), 0.5):.1f} s of the public address"
        if abs(ahead_s) < _CLOCK_WARNS_S
        else f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the public address"
    )
    if abs(ahead_s) < _CLOCK_WARNS_S:
        return Finding("clock", "ok", found)
    remedy = "let the system keep time: timedatectl set-ntp true"
    return Finding("clock", "fail" if abs(ahead_s) > _CLOCK_FAILS_S else "warn", found, remedy)
