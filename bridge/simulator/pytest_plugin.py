"""Fixtures that make a test read like a phone call: `call` in real time, `city` for many callers in virtual time.

    def test_books_an_appointment(call):
        heard = call("scenarios/appointment.yaml")
        assert heard.says("tuesday morning")
        assert heard.reply_latency_ms < 1500
        assert heard.hung_up_by == "server"

With `bridge_config` in the ini file (or `--bridge-config`) `bridge serve` is started with that file, and rung. Else
`--bridge-url` (or the ini setting `bridge_url`) names the voice webhook, TWILIO_AUTH_TOKEN holds the token (other
carriers, see `--bridge-carrier`, have secrets of their own: `bridge call --help` lists them), `--bridge-connect-to`
says where the server really is. `--bridge-report DIR` keeps the pages and recordings, a folder a test.

This module is loaded at every start of pytest where the package is installed; the simulator, which takes a second to
load, only once a test wants to call.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.simulator.calls_in_tests import CallFixture as CallFixture
    from bridge.simulator.calls_in_tests import CityFixture as CityFixture
    from bridge.simulator.calls_in_tests import Heard as Heard
    from bridge.simulator.calls_in_tests import Number as Number

_PUBLIC_URL = "https://test.example.com"
"""The address that a carrier believes in of a service which was started for the tests."""


def __getattr__(name: str) -> object:
    """What tests import for their types (`CallFixture`), loaded once one of them does."""
    if name in ("CallFixture", "CityFixture", "Heard", "Number"):
        from bridge.simulator import calls_in_tests

        return getattr(calls_in_tests, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the plugin."""
    group = parser.getgroup("bridge", "simulated phone calls")
    group.addoption("--bridge-url", default="", help="the voice webhook to ring")
    group.addoption("--bridge-connect-to", default="", metavar="ORIGIN", help="where that server really is")
    group.addoption("--bridge-carrier", default="", metavar="NAME", help="who rings (default: by the URL)")
    group.addoption("--bridge-report", default="", metavar="DIR", help="keep each test's page, recordings and results")
    group.addoption("--bridge-config", default="", metavar="FILE", help="start `bridge serve` with it, and ring that")
    parser.addini("bridge_url", "the voice webhook to ring", default="")
    parser.addini("bridge_config", "configuration of a service to start and ring, if no URL is given", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a carrier that nobody knows before any test runs."""
    if name := config.getoption("--bridge-carrier", default=""):
        from bridge.simulator.carriers import carrier_named

        try:
            carrier_named(name)
        except ConfigError as error:
            raise pytest.UsageError(f"--bridge-carrier: {error}") from None


def report_folder(nodeid: str) -> str:
    """A folder name for a test that no other test has, also when its name holds what no folder name may."""
    name = re.sub(r"[^\w.-]+", "_", nodeid)
    told = hashlib.sha256(nodeid.encode()).hexdigest()[:8]
    return f"{name[-100:].strip('_.')}-{told}"


def _keeper(request: pytest.FixtureRequest) -> Callable[[list[Heard]], None]:
    folder = request.config.getoption("--bridge-report", default="")
    kept: list[Heard] = []

    def keep(heard: list[Heard]) -> None:
        kept.extend(heard)
        if folder:
            from bridge.simulator import report

            report.write_all(
                Path(folder) / report_folder(request.node.nodeid), [(one.result, one.placed.recording) for one in kept]
            )

    return keep


@pytest.fixture(scope="session")
def bridge_service(pytestconfig: pytest.Config) -> Iterator[Number]:
    """The service of `bridge_config`, started once for all tests, and how it is rung."""
    from bridge.simulator.calls_in_tests import Number
    from bridge.simulator.served import served

    named: str = pytestconfig.getoption("--bridge-config", default="")
    file = Path(named) if named else pytestconfig.rootpath / pytestconfig.getini("bridge_config")
    token = secrets.token_hex(16)
    with served(file, {"TWILIO_AUTH_TOKEN": token, "PUBLIC_URL": _PUBLIC_URL}, told=False) as port:
        yield Number(f"{_PUBLIC_URL}/twilio/voice", f"http://127.0.0.1:{port}", "twilio", token)


@pytest.fixture
def call(request: pytest.FixtureRequest) -> CallFixture:
    """Ring the server under test: `heard = call("scenario.yaml")`."""
    from bridge.simulator.calls_in_tests import CallFixture, Number

    config: Any = request.config
    number = Number(
        config.getoption("--bridge-url", default="") or config.getini("bridge_url"),
        config.getoption("--bridge-connect-to", default=""),
        config.getoption("--bridge-carrier", default=""),
    )
    if not number.url and (config.getoption("--bridge-config", default="") or config.getini("bridge_config")):
        number = request.getfixturevalue("bridge_service")
    return CallFixture(number, request.path.parent, _keeper(request))


@pytest.fixture
def city(request: pytest.FixtureRequest) -> CityFixture:
    """Many callers at once in virtual time: `heard = city(serve, scenarios)`."""
    from bridge.simulator.calls_in_tests import CityFixture

    return CityFixture(request.path.parent, _keeper(request))
