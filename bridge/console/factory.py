"""The pages are built here from settings, or left out where there is no password."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bridge import variables
from bridge.agents.transfers import E164, SIP
from bridge.carriers.browser.carrier import BrowserCarrier
from bridge.console.directory import CallDirectory
from bridge.console.login import Logins
from bridge.console.pages import Console
from bridge.console.past import PastCalls
from bridge.console.settings import ConsoleSettings
from bridge.gateway.server import Gateway
from bridge.store.base import Store
from bridge.telemetry.settings import TelemetrySettings


def build_logins(settings: ConsoleSettings, environ: Mapping[str, str], secret: str) -> Logins | None:
    """Who may see the pages; None where the environment holds no password, so that there are none."""
    password = variables.value(settings.password_env, environ)
    return Logins(password, secret, hours=settings.login_hours) if password else None


def browser_phone(settings: ConsoleSettings, logins: Logins | None) -> tuple[BrowserCarrier, ...]:
    """The browser phone as a carrier, if there is one."""
    return (BrowserCarrier(logins.logged_in),) if logins is not None and settings.phone else ()


def build_console(
    settings: ConsoleSettings,
    logins: Logins,
    gateway: Gateway,
    store: Store,
    telemetry: TelemetrySettings,
    directory: Path,
    *,
    public_url: str,
) -> Console:
    """The pages of one process; paths in `telemetry` are relative to `directory`."""
    records, recordings = telemetry.record_directory, telemetry.recording.directory
    return Console(
        logins,
        CallDirectory(gateway.media, store),
        PastCalls(directory / records if records else None, directory / recordings if recordings else None),
        phone=settings.phone,
        secure=public_url.startswith("https"),
        target=operators_target,
        address=gateway.process.signatures.address,
        allowances=gateway.process.spending.seen,
    )


def operators_target(text: str) -> str:
    """A number as the operator writes it. Raises ValueError unless it is E.164 or a SIP address."""
    target = "".join(text.split()) if text.strip().startswith("+") else text.strip()
    if len(target) > 200 or not (E164.fullmatch(target) or SIP.fullmatch(target)):
        raise ValueError("a target is a number with its country code, such as +15550100, or a sip: address")
    return target
