"""One YAML file and the environment -> typed settings, composed of the rooms' own.

Every mistake is reported with file, line, key, value and what was expected, and all of a file's at once.
Unknown keys are refused, because a setting that is silently ignored is found on the worst evening.

The environment wins over the file: PUBLIC_URL. Secrets are in the environment alone, under the names that settings
ending in `_env` give (`bridge.variables`); one that stands in the file itself is a mistake.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import msgspec

from bridge.agents.settings import AgentSettings
from bridge.call.settings import CallSettings
from bridge.carriers.settings import CarrierSettings
from bridge.config_convert import Told, convert, drop, look_up, put
from bridge.config_source import Keys, Source, read_yaml
from bridge.console.settings import ConsoleSettings
from bridge.dialled import normalised
from bridge.errors import ConfigError
from bridge.gateway.settings import GatewaySettings
from bridge.http import HttpSettings
from bridge.listening.settings import ListeningSettings
from bridge.numbers import NumberSettings, completed, for_all_numbers, merged
from bridge.speaking.settings import SpeakingSettings
from bridge.store.settings import StoreSettings
from bridge.telemetry.after_call.settings import AfterCallSettings
from bridge.telemetry.settings import TelemetrySettings
from bridge.variables import SECRET_NAME, holds_password, unset
from bridge.worker.settings import WorkerSettings, beside
from bridge.yaml_text import shown

ENVIRONMENT: tuple[tuple[str, tuple[str, ...]], ...] = (("PUBLIC_URL", ("gateway", "public_url")),)
"""Which settings each environment variable sets."""

MOVED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("call", "language"), "is `language` now, which stands by itself: take it out of `call`"),
    (("call", "listens"), "is no setting any more: a recogniser of `kind: none` listens to no words"),
    (("worker", "default_voice"), "is the first of worker.voices now; calls have `speaking.voice`"),
    (("worker", "http"), "expected as the section http, which is for all rooms"),
)
"""Keys that were once, or that seem to belong, and what to write instead; those of `call` are meant in numbers, too."""

_HIDDEN = frozenset({("CallSettings", "language"), ("CallSettings", "listens"), ("WorkerSettings", "http")})
"""What the parts of a service need to know, and follows from another key of the file."""

_IN_A_HEADER = "put it into an environment variable, and name that in headers_env under the header's name"
_ELSEWHERE: dict[Keys, str] = {
    ("store", "redis_url"): "put the address into REDIS_URL, or another variable that store.redis_url_env names",
    ("http", "proxy"): "leave this out, and put the address into HTTPS_PROXY and HTTP_PROXY",
}
"""What to do instead with an address that has a password in it."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set, a section a room."""

    call: CallSettings = CallSettings()
    listening: ListeningSettings = ListeningSettings()
    speaking: SpeakingSettings = SpeakingSettings()
    agent: AgentSettings | None = None
    """Who answers the calls; `bridge serve` needs one, here or for every number."""
    language: str = "en"
    """The language that callers are expected to speak, a tag such as `en-US`; an agent's prompt may name another."""
    numbers: dict[str, NumberSettings] = {}
    """What differs by the number that was dialled: E.164 (`"+15550100"`) or a SIP address (`bridge.numbers`)."""
    carriers: tuple[CarrierSettings, ...] = ()
    """Whose calls are taken; none named: those of every carrier whose secret is in the environment."""
    gateway: GatewaySettings = GatewaySettings()
    store: StoreSettings = StoreSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    after_call: AfterCallSettings = AfterCallSettings()
    """Who is told of each call when it is over."""
    console: ConsoleSettings = ConsoleSettings()
    worker: WorkerSettings = WorkerSettings()
    http: HttpSettings = HttpSettings()
    """How servers elsewhere are reached."""


def load_settings(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read `file` (none: defaults alone) and the environment. Raises ConfigError with a line for each mistake."""
    environment = os.environ if environment is None else environment
    if file is None:
        return _settings({}, Source("", {}), environment)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    return parse_settings(text, str(file), environment)


def parse_settings(text: str, source: str, environment: Mapping[str, str] | None = None) -> Settings:
    """Read settings as `load_settings` does, from YAML text; `source` stands before each mistake."""
    raw, lines, mistakes = read_yaml(text, source)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    place = Source(source, lines)
    settings = _settings(raw, place, environment or {})
    if settings.worker.http != HttpSettings():
        raise ConfigError(place.mistake(("worker", "http"), "expected as the section http, which is for all rooms"))
    worker = beside(settings.worker, PurePath(source).parent, settings.http)
    return msgspec.structs.replace(settings, worker=worker)


def load_what_is_right(file: Path | None, environment: Mapping[str, str]) -> tuple[Settings | None, list[str]]:
    """The settings without those that are wrong, and the mistakes; None where nothing can be read. For a doctor."""
    try:
        return load_settings(file, environment), []
    except ConfigError as error:
        return error.settings if isinstance(error, _WrongSettings) else None, str(error).splitlines()


def unset_variables(settings: Settings, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Find the variables that the file names for secrets of the service, and that are not set: path and variable."""
    if settings.gateway.development_unsigned:
        settings = msgspec.structs.replace(settings, carriers=())
    if settings.speaking.workers:  # whoever runs those has the section `worker` to themselves
        settings = msgspec.structs.replace(settings, worker=WorkerSettings())
    found: dict[str, str] = {}
    for path, name in unset(settings, environ):
        found.setdefault(name, path)  # once, however many numbers' agents have it
    return [(path, name) for name, path in found.items()]


class _WrongSettings(ConfigError):
    """Some settings are wrong; `settings` are the others."""

    def __init__(self, mistakes: list[str], settings: Settings | None) -> None:
        super().__init__("\n".join(mistakes))
        self.settings = settings


def _settings(raw: dict[str, Any], source: Source, environment: Mapping[str, str]) -> Settings:
    mistakes: list[str] = []

    def told(path: Keys, what: str) -> None:
        mistakes.append(source.mistake(path, what))

    for name, target in ENVIRONMENT:
        value = environment.get(name, "").strip()
        if value:
            source.variables[target] = name
            put(raw, target, value)
    for path, what in [*_moved(raw), *_plain_secrets(raw, ())]:
        told(path, what)
        drop(raw, path)
    own = raw.pop("numbers", None)
    settings = convert(raw, Settings, told, _HIDDEN)
    if settings is not None:
        settings = msgspec.structs.replace(
            settings, call=for_all_numbers(settings).call, numbers=_numbers(own, raw, settings, told)
        )
        wrong = bool(mistakes)
        for path, what in _disagreements(settings):
            if not (wrong and path == ("worker", "voices")):  # else none is left of those that had mistakes
                told(path, what)
        if not mistakes:
            return settings
    raise _WrongSettings(mistakes, settings)


def _moved(raw: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    numbers = raw.get("numbers")
    for number in ((), *(("numbers", number) for number in (numbers if isinstance(numbers, dict) else {}))):
        for path, what in MOVED:
            section = look_up(raw, (*number, *path[:-1]))
            if isinstance(section, dict) and path[-1] in section:
                yield (*number, *path), what


def _plain_secrets(raw: Any, path: Keys) -> Iterator[tuple[Keys, str]]:
    """Secrets that have no setting of their own, and stand in the file: headers, parameters, passwords in addresses."""
    for key, inner in raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ():
        here = (*path, key)
        if isinstance(inner, str) and holds_password(inner):
            yield here, f"has a password in it, which no file may hold: {_ELSEWHERE.get(here, _IN_A_HEADER)}"
        elif path and path[-1] in ("headers", "query") and SECRET_NAME.search(str(key)):
            yield here, f"is a secret, which no file may hold: {_IN_A_HEADER}"
        else:
            yield from _plain_secrets(inner, here)


def _numbers(own: Any, raw: dict[str, Any], shared: Settings, told: Told) -> dict[str, NumberSettings]:
    """What differs by number, each complete; `raw` is the rest of the file."""
    found: dict[str, NumberSettings] = {}
    spelled: dict[str, str] = {}
    if own is not None and not isinstance(own, dict):
        told(("numbers",), f'is {shown(own)}, expected numbers such as `"+15550100":`, each with what differs')
    for key, value in own.items() if isinstance(own, dict) else ():
        path: Keys = ("numbers", str(key))
        number = normalised(str(key))
        if number is None:
            told(path, "is no number, expected E.164 such as +15550100, or a SIP address such as sip:desk@example.com")
        elif number in spelled:
            told(path, f"is the same number as {spelled[number]!r}")
        elif value is not None and not isinstance(value, dict):
            told(path, f"is {shown(value)}, expected what differs, such as `voice:`")
        else:
            spelled[number] = str(key)
            settings = _number(value or {}, raw, shared, partial(_told_below, told, path))
            if settings is not None:
                found[number] = settings
    return found


def _number(own: dict[str, Any], raw: dict[str, Any], shared: Settings, told: Told) -> NumberSettings | None:
    """What one number's calls are held with; `own` is what the file says of it."""
    settings = convert(copy.deepcopy(merged(own, raw)), NumberSettings, told, _HIDDEN)
    if settings is None:
        return None
    for path, what in _of_calls(shared, settings):
        if look_up(own, path) is not None:  # else it was said of all calls
            told(path, what)
    return completed(settings)


def _told_below(told: Told, above: Keys, path: Keys, what: str) -> None:
    told((*above, *path), what)


def _disagreements(settings: Settings) -> Iterator[tuple[Keys, str]]:
    """What is right by itself, but not beside another section."""
    yield from _of_calls(settings, for_all_numbers(settings), ("speaking", "voice"))
    worker = settings.worker
    if not worker.voices:
        yield ("worker", "voices"), "is empty, expected at least one voice"
    for alias, voice in settings.gateway.speech_api.voices.items():
        unknown = _unknown_voice(settings, voice)
        if unknown:
            yield ("gateway", "speech_api", "voices", alias), unknown


def _of_calls(settings: Settings, calls: NumberSettings, voice: Keys = ("voice",)) -> Iterator[tuple[Keys, str]]:
    """What calls are to be held with, beside what the whole service has; `voice` is the key of their voice."""
    ceiling_ms, linger_s = calls.call.endpoint.ceiling_ms, settings.listening.activity.linger_s
    if ceiling_ms > linger_s * 1000:
        silence = "after speech, silence is told from late audio only for listening.activity.linger_s"
        yield ("call", "endpoint", "ceiling_ms"), f"is {ceiling_ms}, but {silence}, {linger_s:g} s"
    unknown = _unknown_voice(settings, calls.voice)
    if unknown:
        yield voice, unknown


def _unknown_voice(settings: Settings, voice: str) -> str:
    """What is wrong with the name of a voice; empty as well where only a provider elsewhere can know its voices."""
    speaking = settings.speaking
    known = (*settings.worker.voices, *speaking.voices)
    if speaking.workers or speaking.providers or not voice or voice in known:
        return ""
    return f"is {voice!r}, which is none of worker.voices: {', '.join(known)}"
