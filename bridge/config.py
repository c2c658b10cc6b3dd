"""One YAML file and the environment -> typed settings, composed of the rooms' own.

Every mistake is reported with file, line, key, value and what was expected, and all of a file's at once.
Unknown keys are refused, because a setting that is silently ignored is found on the worst evening.

The environment wins over the file: PUBLIC_URL, BRIDGE_API_KEYS (several with commas), BRIDGE_WORKER_TOKEN,
BRIDGE_METRICS_TOKEN, REDIS_URL.
Secrets of carriers and agents are in the environment alone, under the names that settings ending in `_env` give.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import msgspec
import msgspec.inspect as shape
import yaml

from bridge import yaml_text
from bridge.agents.settings import AgentSettings
from bridge.call.settings import CallSettings
from bridge.carriers.settings import CarrierSettings
from bridge.errors import ConfigError
from bridge.gateway.settings import GatewaySettings
from bridge.http import HttpSettings
from bridge.listening.settings import ListeningSettings
from bridge.speaking.settings import SpeakingSettings
from bridge.store.settings import StoreSettings
from bridge.telemetry.settings import TelemetrySettings
from bridge.worker.settings import WorkerSettings, beside

Keys = tuple[str | int, ...]

ENVIRONMENT: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("BRIDGE_API_KEYS", ("gateway", "speech_api", "keys")),
    ("PUBLIC_URL", ("gateway", "public_url")),
    ("BRIDGE_METRICS_TOKEN", ("gateway", "metrics", "token")),
    ("BRIDGE_WORKER_TOKEN", ("worker", "token")),
    ("BRIDGE_WORKER_TOKEN", ("speaking", "worker_token")),
    ("REDIS_URL", ("store", "redis_url")),
)
"""Which settings each environment variable sets."""

_LISTS = frozenset({"BRIDGE_API_KEYS"})
_SECRET = re.compile(r"token|secret|password|(^|_)keys?($|_)", re.IGNORECASE)
_MESSAGE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<where>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|(\[\.\.\.\])")
_MOST_MISTAKES = 20


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set, a section a room."""

    call: CallSettings = CallSettings()
    listening: ListeningSettings = ListeningSettings()
    speaking: SpeakingSettings = SpeakingSettings()
    agent: AgentSettings | None = None
    """Who answers the calls; `bridge serve` needs one."""
    carriers: tuple[CarrierSettings, ...] = ()
    """Whose calls are taken; none named: those of every carrier whose secret is in the environment."""
    gateway: GatewaySettings = GatewaySettings()
    store: StoreSettings = StoreSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    worker: WorkerSettings = WorkerSettings()
    http: HttpSettings = HttpSettings()
    """How servers elsewhere are reached."""


def load_settings(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read `file` (none: defaults alone) and the environment. Raises ConfigError with a line for each mistake."""
    environment = os.environ if environment is None else environment
    if file is None:
        return _settings({}, _Source("", {}), environment)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text: {error.reason} at byte {error.start}") from None
    return parse_settings(text, str(file), environment)


def parse_settings(text: str, source: str, environment: Mapping[str, str] | None = None) -> Settings:
    """Read settings as `load_settings` does, from YAML text; `source` stands before each mistake."""
    raw, lines, mistakes = _read_yaml(text, source)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    place = _Source(source, lines)
    settings = _settings(raw, place, environment or {})
    if settings.worker.http != HttpSettings():
        raise ConfigError(place.mistake(("worker", "http"), "expected as the section http, which is for all rooms"))
    worker = beside(settings.worker, PurePath(source).parent, settings.http)
    return msgspec.structs.replace(settings, worker=worker)


class _Source:
    """Where values come from: a file's lines, or environment variables."""

    def __init__(self, file: str, lines: dict[Keys, int]) -> None:
        self._file = file
        self._lines = lines
        self.variables: dict[Keys, str] = {}

    def mistake(self, path: Keys, what: str) -> str:
        """`what` with the place it is about before it."""
        variable = next((name for key, name in self.variables.items() if path[: len(key)] == key), None)
        if variable is not None:
            return f"environment variable {variable}: {what}"
        line = next((self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), None)
        place = self._file if line is None else f"{self._file}:{line}"
        return f"{place}: {_dotted(path)}: {what}" if path else f"{place}: {what}"


def load_what_is_right(file: Path | None, environment: Mapping[str, str]) -> tuple[Settings | None, list[str]]:
    """The settings without those that are wrong, and the mistakes; None where nothing can be read. For a doctor."""
    try:
        return load_settings(file, environment), []
    except ConfigError as error:
        return error.settings if isinstance(error, _WrongSettings) else None, str(error).splitlines()


class _WrongSettings(ConfigError):
    """Some settings are wrong; `settings` are the others."""

    def __init__(self, mistakes: list[str], settings: Settings | None) -> None:
        super().__init__("\n".join(mistakes))
        self.settings = settings


def _settings(raw: dict[str, Any], source: _Source, environment: Mapping[str, str]) -> Settings:
    for name, target in ENVIRONMENT:
        value = environment.get(name, "").strip()
        if value:
            source.variables[target] = name
            _put(raw, target, [part.strip() for part in value.split(",") if part.strip()] if name in _LISTS else value)
    unknown = list(_unknown_keys(raw, shape.type_info(Settings), ()))
    mistakes = [source.mistake(path, what) for path, what in unknown]
    for path, _ in unknown:
        _drop(raw, path)
    settings: Settings | None = None
    while len(mistakes) < _MOST_MISTAKES:
        try:
            settings = msgspec.convert(raw, Settings)
        except msgspec.ValidationError as error:
            path, what = _explain(error, raw)
            mistakes.append(source.mistake(path, what))
            # Without its tag the rest of a section says nothing: it goes as a whole.
            if not _drop(raw, path[:-1] if path[-1:] == ("kind",) else path):
                break  # the mistake is about something missing, or cannot be taken out to look for the next
        else:
            mistakes += [source.mistake(path, what) for path, what in _disagreements(settings)]
            if not mistakes:
                return settings
            break
    raise _WrongSettings(mistakes, settings)


def _disagreements(settings: Settings) -> Iterator[tuple[Keys, str]]:
    """What is right by itself, but not beside another section."""
    ceiling_ms, linger_s = settings.call.endpoint.ceiling_ms, settings.listening.activity.linger_s
    if ceiling_ms > linger_s * 1000:
        silence = "after speech, silence is told from late audio only for listening.activity.linger_s"
        yield ("call", "endpoint", "ceiling_ms"), f"is {ceiling_ms}, but {silence}, {linger_s:g} s"
    worker = settings.worker
    known = ", ".join(worker.voices)
    if not worker.voices:
        yield ("worker", "voices"), "is empty, expected at least one voice"
    elif worker.default_voice and worker.default_voice not in worker.voices:
        yield ("worker", "default_voice"), f"is {worker.default_voice!r}, which is none of worker.voices: {known}"
    if settings.speaking.workers:
        return  # theirs are the voices, and they say which when they are asked
    if settings.speaking.voice and settings.speaking.voice not in worker.voices:
        yield ("speaking", "voice"), f"is {settings.speaking.voice!r}, which is none of worker.voices: {known}"
    for alias, voice in settings.gateway.speech_api.voices.items():
        if voice not in worker.voices:
            yield ("gateway", "speech_api", "voices", alias), f"is {voice!r}, which is none of worker.voices: {known}"


# YAML


def _read_yaml(text: str, source: str) -> tuple[dict[str, Any], dict[Keys, int], list[str]]:
    """The data, the line of each key, and what is wrong with the text as such."""
    try:
        node = yaml.compose(text, Loader=yaml_text.Loader)
        raw = yaml_text.load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}" if mark is not None else source
        raise ConfigError(f"{place}: not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not YAML: {error}") from None
    if raw is None:
        return {}, {}, []
    if not isinstance(raw, dict):
        return {}, {}, [f"{source}: is a {type(raw).__name__}, expected sections such as `gateway:`"]
    lines: dict[Keys, int] = {}
    mistakes: list[str] = []
    for path, line in _keys(node, ()):
        if path in lines:
            mistakes.append(f"{source}:{line}: {_dotted(path)}: is set twice, first in line {lines[path]}")
        lines.setdefault(path, line)
    return raw, lines, mistakes


def _keys(node: yaml.Node | None, path: Keys) -> Iterator[tuple[Keys, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, str(key.value)), key.start_mark.line + 1
            yield from _keys(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value.start_mark.line + 1
            yield from _keys(value, (*path, index))


# What is wrong, and what was expected


def _unknown_keys(value: Any, expected: shape.Type, path: Keys) -> Iterator[tuple[Keys, str]]:
    """Keys that no section has, each with a guess at what was meant. Empty sections count as absent."""
    match _pick(expected, value):
        case shape.StructType(fields=fields, tag_field=tag_field) if isinstance(value, dict):
            known = {field.encode_name: field.type for field in fields}
            for key in list(value):
                if key == tag_field:
                    continue
                if key not in known:
                    yield (*path, key), _not_a_key(str(key), sorted(known))
                elif value[key] is None and isinstance(known[key], shape.StructType | shape.VarTupleType):
                    del value[key]  # `call:` with nothing below it
                else:
                    yield from _unknown_keys(value[key], known[key], (*path, key))
        case shape.DictType(value_type=inner) if isinstance(value, dict):
            for key, item in value.items():
                yield from _unknown_keys(item, inner, (*path, key))
        case shape.ListType(item_type=inner) | shape.VarTupleType(item_type=inner) if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _unknown_keys(item, inner, (*path, index))


def _pick(expected: shape.Type, value: Any) -> shape.Type:
    """Of several possible sections the one that the value's tag names."""
    if isinstance(expected, shape.UnionType):
        structs = [one for one in expected.types if isinstance(one, shape.StructType)]
        if len(structs) == 1:
            return structs[0]
        for struct in structs:
            if struct.tag_field and isinstance(value, dict) and value.get(struct.tag_field) == struct.tag:
                return struct
    return expected


def _not_a_key(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if close:
        return f"unknown key, did you mean {close[0]}?"
    return f"unknown key, expected one of {', '.join(known)}"


def _explain(error: msgspec.ValidationError, raw: Any) -> tuple[Keys, str]:
    """Where a value is wrong, and a sentence with the value and what was expected."""
    parts = _MESSAGE.match(str(error))
    assert parts is not None
    path = _path(parts["where"] or "")
    what = parts["what"]
    found = _look_up(raw, path)
    shown = "<hidden>" if any(isinstance(step, str) and _SECRET.search(step) for step in path) else _shown(found)
    if what.startswith("Expected"):
        expected = what.split(", got ")[0].removeprefix("Expected ").replace("`", "")
        instead = yaml_text.remedy(found, expected)
        return path, f"is {shown}, expected {expected}" + (f": {instead}" if instead else "")
    if what.startswith("Object missing required field"):
        name = what.split("`")[1]
        return path, f"{what.removeprefix('Object ').replace('`', '')}{_allowed((*path, name))}"
    if what.startswith(("Invalid enum value", "Invalid value")):
        return path, f"is {shown}, which is none of the allowed values{_allowed(path)}"
    key, _, rest = what.partition(" ")
    if isinstance(found, dict) and key in found:
        return (*path, key), rest  # a section's own check, which begins with the key it is about
    return path, what.replace("`", "")


def _shown(value: Any) -> str:
    """A value as the file's author knows it."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case dict():
            return "a section"
        case list():
            return "a list"
    return repr(value)


def _allowed(path: Keys) -> str:
    """The values a literal setting may have, or which tags there are, for a message."""
    expected: shape.Type = shape.type_info(Settings)
    for step in path:
        if isinstance(expected, shape.VarTupleType):
            expected = expected.item_type
            continue
        choices = expected.types if isinstance(expected, shape.UnionType) else (expected,)
        tags = [one for one in choices if isinstance(one, shape.StructType) and one.tag_field == step]
        if tags or isinstance(expected, shape.UnionType):
            return f": {', '.join(str(one.tag) for one in tags)}" if tags else ""
        if not isinstance(expected, shape.StructType):
            return ""
        expected = next((field.type for field in expected.fields if field.encode_name == step), expected)
    return f": {', '.join(map(str, expected.values))}" if isinstance(expected, shape.LiteralType) else ""


def _path(where: str) -> Keys:
    """msgspec's `.worker.voices[...].gain_db` as keys; `[...]`, any key of a mapping, ends what is known."""
    path: list[str | int] = []
    for step in _STEP.finditer(where):
        if step[3]:
            break
        path.append(step[1] if step[1] is not None else int(step[2]))
    return tuple(path)


def _look_up(raw: Any, path: Keys) -> Any:
    for step in path:
        try:
            raw = raw[step]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def _put(raw: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *sections, key = path
    for section in sections:
        inner = raw.get(section)
        if inner is None:
            inner = raw[section] = {}
        if not isinstance(inner, dict):
            return  # the section itself is wrong, which will be said
        raw = inner
    raw[key] = value


def _drop(raw: Any, path: Keys) -> bool:
    """Take a value out; False when it is not there."""
    if not path:
        return False
    *sections, key = path
    section = _look_up(raw, tuple(sections))
    if isinstance(section, dict) and key in section:
        del section[key]
        return True
    return False


def _dotted(path: Keys) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
