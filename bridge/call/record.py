"""A call's events and commands as JSON lines, and their replay through the machine.

The first line is a header with the format's version and the settings; each further line is
`{"at": seconds, "event": {...}}` or `{"at": seconds, "command": {...}}`, commands after the event
that caused them; the last line may be `{"summary": {...}}`, what was counted around the call. Audio
is recorded as its length: no decision looks at samples, so a replay with silence of the same length
must find the same commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from bridge.call.commands import Command
from bridge.call.events import Event
from bridge.call.machine import Call
from bridge.call.old_records import as_far_as_version_1, command_of_version_1, event_of_version_1
from bridge.call.settings import CallSettings
from bridge.errors import BadMessage

VERSION = 2
READABLE = (1, VERSION)
"""Versions that can be replayed; what older ones said otherwise is put into today's words first."""
_SILENCE = b"\xff"
_encoder = msgspec.json.Encoder()


def header(settings: CallSettings, about: dict[str, str] | None = None) -> bytes:
    """The first line. `about` names the call (carrier, call id); keep numbers and words out of it."""
    line = {"bridge_record": VERSION, "settings": msgspec.to_builtins(settings), "about": about or {}}
    return _encoder.encode(line) + b"\n"


def event_line(event: Event, now: float) -> bytes:
    """One event."""
    return _encoder.encode({"at": now, "event": _plain(event)}) + b"\n"


def command_line(command: Command, now: float) -> bytes:
    """One command."""
    return _encoder.encode({"at": now, "command": _plain(command)}) + b"\n"


def summary_line(counts: dict[str, dict[str, float]]) -> bytes:
    """The last line: numbers by name, grouped by whom they are about. A replay ignores it."""
    return _encoder.encode({"summary": counts}) + b"\n"


def _plain(item: Event | Command) -> dict[str, Any]:
    """As plain data, audio replaced by its length in bytes."""
    ulaw = getattr(item, "ulaw", None)
    plain: dict[str, Any] = msgspec.to_builtins(item, builtin_types=(bytes,))
    if ulaw is not None:
        plain["ulaw"] = len(ulaw)
    return plain


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay left the record: after the event of line `line`."""

    line: int
    at: float
    event: str
    recorded: list[dict[str, Any]]
    replayed: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found."""

    call: Call
    events: int
    commands: int
    differences: list[Difference]


def replay(lines: Iterable[str | bytes], settings: CallSettings | None = None) -> Replay:
    """Run the machine over a record's events and compare the commands.

    `settings` replaces the recorded ones, to ask what other settings would have decided. Raises
    BadMessage, naming the line, for what is not a record of a version that can be read.
    """
    numbered = enumerate(lines, start=1)
    version, recorded_settings = _read_header(numbered)
    call = Call(settings or recorded_settings)
    events = commands = 0
    differences = []
    for line, at, event, recorded in _moments(numbered, version):
        events += 1
        commands += len(recorded)
        # Through JSON, as the record went, so that only meaning is compared.
        replayed = [msgspec.json.decode(_encoder.encode(_plain(c))) for c in call.receive(event, at)]
        if version == 1:
            replayed = as_far_as_version_1(replayed)
        if replayed != recorded:
            differences.append(Difference(line, at, type(event).__name__, recorded, replayed))
    return Replay(call, events, commands, differences)


def moments(
    lines: Iterable[str | bytes],
) -> tuple[CallSettings, Iterator[tuple[int, float, Event, list[dict[str, Any]]]]]:
    """A record's settings, and each event with its line, its time and the commands that followed it, as plain data.

    Raises BadMessage, naming the line, for what is not a record of a version that can be read; for a line in the middle
    while iterating.
    """
    numbered = enumerate(lines, start=1)
    version, settings = _read_header(numbered)
    return settings, _moments(numbered, version)


def _read_header(numbered: Iterator[tuple[int, str | bytes]]) -> tuple[int, CallSettings]:
    """The record's version and settings."""
    line, text = next(numbered, (1, "{}"))
    head = _read(line, text)
    version = head.get("bridge_record")
    if not isinstance(version, int):
        raise BadMessage(f"line 1: not the beginning of a call's record: {text[:60]!r}")
    if version not in READABLE:
        known = " and ".join(map(str, READABLE))
        raise BadMessage(
            f"line 1: a record of version {version}; versions {known} can be replayed here, "
            f"so replay it with the release of `bridge` that wrote it"
        )
    try:
        return version, msgspec.convert(head.get("settings"), CallSettings)
    except msgspec.ValidationError as error:
        raise BadMessage(f"line 1: settings: {error}") from None


def _moments(
    numbered: Iterator[tuple[int, str | bytes]],
    version: int,
) -> Iterator[tuple[int, float, Event, list[dict[str, Any]]]]:
    """Each event with its line, its time and the commands recorded after it."""
    pending: tuple[int, float, Event] | None = None
    recorded: list[dict[str, Any]] = []
    for line, text in numbered:
        if not text.strip():
            continue
        entry = _read(line, text)
        if "command" in entry:
            command = entry["command"]
            recorded.append(command_of_version_1(command) if version == 1 else command)
            continue
        if "summary" in entry:
            continue
        if pending is not None:
            yield *pending, recorded
        pending, recorded = (line, *_event(line, entry, version)), []
    if pending is not None:
        yield *pending, recorded


def _event(line: int, entry: dict[str, Any], version: int) -> tuple[float, Event]:
    plain = entry.get("event")
    if not isinstance(plain, dict) or not isinstance(entry.get("at"), int | float):
        raise BadMessage(f"line {line}: neither an event nor a command")
    if version == 1:
        plain = event_of_version_1(plain)
    if isinstance(plain.get("ulaw"), int):
        plain = {**plain, "ulaw": _SILENCE * plain["ulaw"]}
    try:
        event: Event = msgspec.convert(plain, Event, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise BadMessage(f"line {line}: {error}") from None
    return float(entry["at"]), event


def _read(line: int, text: str | bytes) -> dict[str, Any]:
    try:
        entry = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise BadMessage(f"line {line}: not JSON: {error}") from None
    if not isinstance(entry, dict):
        raise BadMessage(f"line {line}: expected an object")
    return entry
