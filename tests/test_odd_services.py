"""Where anything but the service that was meant answers, the doctor says in words what it met, and what to do.

One row for each oddity; each is met by every kind of service that the doctor asks, all in one examination.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from bridge import doctor, doctor_network, doctor_services
from bridge.agents.tools import mcp
from bridge.doctor_network import Finding
from tests.http_doubles import Handle, answer, listening, read_request
from tests.test_what_is_said import unfit

KEYS = dict.fromkeys(("TWILIO_AUTH_TOKEN", "VENDOR_KEY", "AFTER_CALL_SECRET", "BRIDGE_SECRET"), "a-long-random-text")
SERVICES = """
gateway: {public_url: "PLAIN", port: 0}
numbers:
  "+15550101": {agent: {kind: chat, url: "PLAIN/v1", model: m, functions: [{kind: mcp, url: "PLAIN/mcp"}]}}
  "+15550102": {agent: {kind: chat, dialect: anthropic, url: "PLAIN/v1", model: m, max_tokens: 100}}
  "+15550103": {agent: {kind: chat, dialect: gemini, url: "PLAIN/v1", model: m}}
  "+15550104": {agent: {kind: web, url: "PLAIN/agent"}}
  "+15550105": {agent: {kind: conversation_relay, url: "SOCKET/relay"}}
  "+15550106": {agent: {kind: openai_realtime, url: "SOCKET/realtime", model: m, key_env: VENDOR_KEY}}
  "+15550107": {agent: {kind: gemini_live, url: "SOCKET/live", model: m, key_env: VENDOR_KEY}}
listening:
  recogniser: {kind: openai, url: "PLAIN/v1", model: m}
  fallback_recognisers:
    - {kind: websocket, url: "SOCKET/listen"}
    - {kind: deepgram, url: "SOCKET/deepgram", key_env: VENDOR_KEY}
speaking:
  workers: ["SOCKET/worker"]
  providers:
    fleet: {kind: worker, addresses: ["SOCKET/fleet"]}
    sockets: {kind: cartesia, url: "SOCKET/tts", voices: [ada], key_env: VENDOR_KEY}
    requests: {kind: openai, url: "PLAIN/v1", voices: [ada], key_env: VENDOR_KEY}
store: {redis_url: "redis://HOST"}
telemetry: {forks: [{url: "SOCKET/fork"}], traces: {url: "PLAIN/v1/traces"}}
after_call:
  url: "PLAIN/reports"
"""


async def _closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def _another_protocol(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65536)
    writer.write(b"220 mail.example.com ESMTP\r\n")
    await writer.drain()


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def _says(what: bytes) -> Handle:
    """Answers what speaks HTTP and what does not, as web servers do."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readuntil(b"\n")
        if b"HTTP/" in first:
            await read_request(reader)
        head, end, _ = what.partition(b"\r\n\r\n")
        writer.write(head + end if first.startswith(b"HEAD") else what)
        await writer.drain()

    return handle


def _status(line: str) -> Handle:
    return _says(answer("no", status=line))


@dataclass(frozen=True)
class Odd:
    """Somebody who answers in place of a service, and the words for it of everybody who was to be reached."""

    handle: Handle | None
    words: str
    scheme: str = ""
    has_tls: bool = False
    is_slow: bool = False
    takes_reports: bool = False
    """As far as can be known without a report: the doctor asks with HEAD, which others may refuse."""


_NO_HTTP = "does not speak HTTP|closed the connection|is no Redis"
_NO_ANSWER = "closed the connection"
_PAGE = (
    "does not speak MCP|no event stream|single event|ended without|no action|neither a word|no transcription"
    "|answered 200|HTTP 200|in place of audio|is no Redis|with a page|as another service would|answer broke off"
)
ODD = {
    "nobody": Odd(None, "nobody listens"),
    "somebody who hangs up": Odd(_closes, _NO_ANSWER),
    "a mail server": Odd(_another_protocol, _NO_HTTP),
    "a wrong key": Odd(_status("401 Unauthorized"), "(answered|HTTP) 401|is no Redis", takes_reports=True),
    "another path": Odd(_status("404 Not Found"), "(answered|HTTP) 404|is no Redis"),
    "a broken service": Odd(_status("500 Oops"), "(answered|HTTP) 500|is no Redis"),
    "a log-in page": Odd(_says(answer("<html><form>Please sign in</form></html>", "text/html")), _PAGE),
    "an empty answer": Odd(_says(answer("", "text/html")), _PAGE),
    "another service": Odd(_says(answer("{}", "text/json")), _PAGE, takes_reports=True),
    "half an answer": Odd(_says(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99\r\n\r\n<"), _PAGE),
    "a redirect": Odd(
        _says(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        "redirects in circles|(answered|HTTP) 302|is no Redis",
    ),
    "no TLS": Odd(_status("400 Bad Request"), "no TLS there|closed the connection", "s"),
    "TLS": Odd(_status("200 OK"), "closed the connection|does not speak HTTP", has_tls=True),
    "another's certificate": Odd(_status("200 OK"), "certificate is not trusted", "s", has_tls=True),
    "silence": Odd(_silent, "no answer in|nothing in|in time", is_slow=True),
}
ASKED = {
    "agent answers": 7,
    "tools": 1,
    "recogniser": 3,
    "speech worker": 1,
    "speech provider fleet": 1,
    "voice sockets": 1,
    "voice requests": 1,
    "redis": 1,
    "reports after calls": 1,
    "fork of calls": 1,
    "traces": 1,
    "public address": 1,
}
"""How many of each are in `SERVICES`."""


@pytest.fixture
def tls() -> ssl.SSLContext:
    """Of a server whose authority nobody here trusts."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@contextlib.asynccontextmanager
async def answering(odd: Odd, tls: ssl.SSLContext) -> AsyncIterator[str]:
    """Host and port of an odd service."""
    if odd.handle is None:
        yield "127.0.0.1:9"
        return
    async with listening(odd.handle, tls if odd.has_tls else None) as port:
        yield f"127.0.0.1:{port}"


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_what_answers_in_place_of_a_service_is_said_in_words(
    odd: Odd, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "engines", lambda _settings: [])
    monkeypatch.setattr(doctor, "accelerator", lambda: Finding("accelerator", "ok", "none"))
    if odd.is_slow:
        monkeypatch.setattr(doctor_services, "_PATIENCE_S", 0.3)
        monkeypatch.setattr(doctor_network, "_NETWORK_S", 0.3)
        monkeypatch.setattr(mcp, "_START_S", 0.3)
    config = tmp_path / "bridge.yaml"
    async with answering(odd, tls) as host:
        text = SERVICES.replace("PLAIN", f"http{odd.scheme}://{host}").replace("SOCKET", f"ws{odd.scheme}://{host}")
        text = text.replace("redis://HOST", f"redis{odd.scheme}://{host}")
        config.write_text(text + ("  deadline_s: 0.3\n" if odd.is_slow else ""))
        found = await doctor.examine(config, KEYS, port=0)
    wrong = [one for one in found if one.status in ("fail", "warn") and "this machine alone" not in one.found]
    assert Counter(one.about.partition(" of +")[0] for one in wrong) == Counter(
        {about: count for about, count in ASKED.items() if not (odd.takes_reports and about == "reports after calls")}
    )
    for one in wrong:
        assert re.search(odd.words, one.found), one
        assert one.remedy, one
        assert not unfit(one.found) + unfit(one.remedy), one
