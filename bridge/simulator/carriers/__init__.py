"""The carriers' doubles, a module each; `base` says what one is, and `README.md` beside this folder how to add one."""

from __future__ import annotations

from urllib.parse import urlsplit

from bridge.errors import ConfigError
from bridge.simulator.carriers.base import Carrier
from bridge.simulator.carriers.plivo import Plivo
from bridge.simulator.carriers.telnyx import Telnyx
from bridge.simulator.carriers.twilio import Twilio
from bridge.simulator.carriers.vonage import Vonage

CARRIERS: dict[str, Carrier] = {one.name: one for one in (Twilio(), Telnyx(), Vonage(), Plivo())}
"""Every double by its name."""


def carrier_named(name: str) -> Carrier:
    """The double of this name. Raises ConfigError listing the known ones."""
    if name not in CARRIERS:
        raise ConfigError(f"carrier {name!r} is unknown, expected one of {', '.join(CARRIERS)}")
    return CARRIERS[name]


def carrier_of(url: str) -> Carrier:
    """The double that a webhook's path names, `/telnyx/voice` for instance; Twilio where it names none."""
    named = [CARRIERS[part] for part in urlsplit(url).path.split("/") if part in CARRIERS]
    return named[0] if named else CARRIERS["twilio"]
