"""Every hosted recogniser and voice where only a proxy leads out, to servers whose authority is the operator's own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import trustme

from bridge import doctor
from bridge.agents.settings import ScriptSettings
from bridge.app import Application
from bridge.config import Settings
from bridge.http import HttpSettings
from bridge.listening.settings import ListeningSettings
from bridge.speaking.settings import SpeakingSettings
from tests.doubles.listening.base import KEY
from tests.doubles.listening.catalogue import DOUBLES as RECOGNISERS
from tests.doubles.speaking.catalogue import DOUBLES as VOICES
from tests.http_doubles import Proxy, listening

ENVIRON = {"VENDOR_KEY": KEY}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    ours, folder = trustme.CA(), tmp_path_factory.mktemp("authority")
    ours.cert_pem.write_to_path(str(folder / "ours.pem"))
    return ours, folder


@contextlib.asynccontextmanager
async def hidden(url: str, ours: trustme.CA, *, rpc: bool) -> AsyncIterator[tuple[str, Proxy]]:
    """The same server at `https://vendor.test`, where only a proxy leads: the proxy's address, and the proxy."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.issue_cert("vendor.test").configure_cert(tls)
    tls.set_alpn_protocols(["h2", "http/1.1"] if rpc else ["http/1.1"])
    port = urlsplit(url).port

    async def unwrapped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.TaskGroup() as both_ways:
            both_ways.create_task(Proxy.copy(reader, back))
            both_ways.create_task(Proxy.copy(there, writer))

    async with listening(unwrapped, tls) as tls_port:
        proxy = Proxy(tls_port)
        async with listening(proxy.handle) as proxy_port:
            yield f"http://127.0.0.1:{proxy_port}", proxy


async def examined(kind: str, double: Any, authority: tuple[trustme.CA, Path], bundle: str) -> tuple[Any, list[str]]:
    """What the doctor finds of one vendor, and what the proxy was asked."""
    ours, folder = authority
    async with (
        double.serve() as url,
        hidden(url, ours, rpc=type(double).__name__.startswith("Google")) as (where, proxy),
    ):
        its = double.settings("https://vendor.test")
        settings = Settings(http=HttpSettings(proxy=where, ca_bundle=bundle))
        if kind == "voice":
            settings = msgspec.structs.replace(settings, speaking=SpeakingSettings(providers={"vendor": its}))
        else:
            settings = msgspec.structs.replace(settings, listening=ListeningSettings(recogniser=its))
        client = doctor.client_of(settings, folder, ENVIRON)
        ask = doctor.hosted_voices if kind == "voice" else doctor.recognisers
        [found] = await ask(settings, ENVIRON, client)
        return found, proxy.asked


@pytest.mark.parametrize("vendor", RECOGNISERS)
async def test_the_doctor_reaches_a_recogniser_as_calls_do(vendor: str, authority: tuple[trustme.CA, Path]) -> None:
    found, asked = await examined("recogniser", RECOGNISERS[vendor](), authority, "ours.pem")
    assert found.status == "ok", found
    assert asked[0] == "CONNECT vendor.test:443 HTTP/1.1"


@pytest.mark.parametrize("vendor", VOICES)
async def test_the_doctor_reaches_a_voice_as_calls_do(vendor: str, authority: tuple[trustme.CA, Path]) -> None:
    found, asked = await examined("voice", VOICES[vendor](), authority, "ours.pem")
    assert found.status == "ok", found
    assert set(asked) == {"CONNECT vendor.test:443 HTTP/1.1"}


@pytest.mark.parametrize("kind", ["voice", "recogniser"])
async def test_an_authority_that_nobody_named_is_no_vendor(kind: str, authority: tuple[trustme.CA, Path]) -> None:
    double = VOICES["cartesia"]() if kind == "voice" else RECOGNISERS["deepgram"]()
    found, _ = await examined(kind, double, authority, "")
    assert found.status == "fail"
    assert "its certificate is not trusted" in found.found


def test_the_service_reaches_both_as_its_settings_say(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("name: shop\nstart: hello\nstates: {hello: {say: Hello., hang_up: done}}")
    settings = Settings(
        http=HttpSettings(proxy="http://proxy.test:3128"),
        agent=ScriptSettings(file="shop.yaml"),
        listening=ListeningSettings(recogniser=RECOGNISERS["deepgram"]().settings("https://vendor.test")),
        speaking=SpeakingSettings(providers={"vendor": VOICES["cartesia"]().settings("https://vendor.test")}),
    )
    environ = {**ENVIRON, "TWILIO_AUTH_TOKEN": "12345"}
    application = Application(settings, directory=tmp_path, environ=environ)
    clients = [application.listening.recognisers.open_client, application.speech.open_client]
    assert [client().proxy_for("https://vendor.test") for client in clients] == ["http://proxy.test:3128"] * 2
