"""A call's events and commands as JSON lines, and their replay through the machine.

The first line is a header with the format's version and the settings; each further line is
`{"at": seconds, "event": {...}}` or `{"at": seconds, "command": {...}}`, commands after the event
that caused them; the last line may be `{"summary": {...}}`, what was counted around the call. Audio
is recorded as its length in bytes: no decision looks at samples, so a replay with any audio of the same
length must find the same commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.call.commands import Command
from bridge.call.events import Event
from bridge.call.machine import Call
from bridge.call.old_records import (
    as_far_as_version_1,
    command_of_version_1,
    event_of_version_1,
    header_of_version_1,
    with_later_settings,
)
from bridge.call.settings import CallSettings
from bridge.call.state import CallState
from bridge.carriers.base import DEFAULT_PACING, Pacing
from bridge.errors import BadMessage

VERSION = 2
READABLE = (1, VERSION)
"""Versions that can be replayed; what older ones said otherwise is put into today's words first."""
_encoder = msgspec.json.Encoder()
EVENT_LINE = re.compile(rb'\n(\{"at":[^,]*,"event":)')
"""Finds where events begin in the bytes of a record (group 1)."""


class Header(msgspec.Struct, frozen=True):
    """A record's first line: all that the machine was told before the first event."""

    bridge_record: int
    settings: CallSettings
    audio_format: AudioFormat = MULAW_8000
    pacing: Pacing = DEFAULT_PACING
    resumed: CallState | None = None
    """Where the call goes on from, if another process began it; without its agent's memory."""
    about: dict[str, str] = {}
    """Whose call it was: carrier, call id, numbers. A record is as private as what was said in it."""

    def open_call(self, settings: CallSettings | None = None) -> Call:
        """A call as it was before its first event, or as it would have been with other settings."""
        settings = settings or self.settings
        if self.resumed is None:
            return Call(settings, self.audio_format, self.pacing)
        return Call.resume(self.resumed, settings, self.audio_format, self.pacing)


def header(
    settings: CallSettings,
    about: dict[str, str] | None = None,
    audio_format: AudioFormat = MULAW_8000,
    pacing: Pacing = DEFAULT_PACING,
    resumed: CallState | None = None,
) -> bytes:
    """The first line. `about` says whose call it was (carrier, call id, numbers)."""
    state = None if resumed is None else msgspec.structs.replace(resumed, agent=b"")
    return _encoder.encode(Header(VERSION, settings, audio_format, pacing, state, about or {})) + b"\n"


def event_line(event: Event, now: float) -> bytes:
    """Write one event as a line of a record."""
    return _encoder.encode({"at": now, "event": _plain(event)}) + b"\n"


def command_line(command: Command, now: float) -> bytes:
    """Write one command as a line of a record."""
    return _encoder.encode({"at": now, "command": _plain(command)}) + b"\n"


def summary_line(counts: dict[str, dict[str, float]]) -> bytes:
    """The last line: numbers by name, grouped by whom they are about. A replay ignores it."""
    return _encoder.encode({"summary": counts}) + b"\n"


def ends_early_line(why: str) -> bytes:
    """The last line of a record that could not be written to its end. A replay goes as far as this."""
    return _encoder.encode({"ends_early": why}) + b"\n"


def _plain(item: Event | Command) -> dict[str, Any]:
    """As plain data, audio replaced by its length in bytes."""
    plain: dict[str, Any] = msgspec.to_builtins(item, builtin_types=(bytes,))
    if "audio" in plain:
        plain["audio"] = len(plain["audio"])
    if plain.get("language") == "":
        del plain["language"]  # as in records that were written before texts had a language
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
    """What the replay of a record found."""

    call: Call
    events: int
    commands: int
    differences: list[Difference]
    damage: str = ""
    """Where the record cannot be read on, and why; all before that was replayed."""
    ends_early: str = ""
    """Why whoever wrote the record broke off; it is whole as far as it goes."""


def replay(lines: Iterable[str | bytes], settings: CallSettings | None = None) -> Replay:
    """Run the machine over a record's events and compare the commands.

    `settings` replaces the recorded ones, to ask what other settings would have decided. Raises
    BadMessage, naming the line, for what is not a record of a version that can be read. One that is damaged further on
    is replayed up to there.
    """
    numbered = enumerate(lines, start=1)
    head = _read_header(numbered)
    notes: dict[str, str] = {}
    call = head.open_call(settings)
    events = commands = 0
    differences = []
    for line, at, event, recorded in _as_far_as_readable(_moments(numbered, head.bridge_record, notes), notes):
        events += 1
        commands += len(recorded)
        # Through JSON, as the record went, so that only meaning is compared.
        replayed = [msgspec.json.decode(_encoder.encode(_plain(c))) for c in call.receive(event, at)]
        if head.bridge_record == 1:
            replayed = as_far_as_version_1(replayed)
        if replayed != recorded:
            differences.append(Difference(line, at, type(event).__name__, recorded, replayed))
    return Replay(call, events, commands, differences, notes.get("damage", ""), notes.get("ends_early", ""))


_Moments = Iterator[tuple[int, float, Event, list[dict[str, Any]]]]


def _as_far_as_readable(recorded: _Moments, notes: dict[str, str]) -> _Moments:
    """The moments before any damage, which is noted."""
    try:
        yield from recorded
    except BadMessage as error:
        notes["damage"] = str(error)


def moments(
    lines: Iterable[str | bytes],
) -> tuple[Call, Iterator[tuple[int, float, Event, list[dict[str, Any]]]]]:
    """The call before its first event; each event with its line, its time and the commands after it, as plain data.

    Raises BadMessage, naming the line, for what is not a record of a version that can be read; for a line in the middle
    while iterating.
    """
    numbered = enumerate(lines, start=1)
    head = _read_header(numbered)
    return head.open_call(), _moments(numbered, head.bridge_record)


def _read_header(numbered: Iterator[tuple[int, str | bytes]]) -> Header:
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
        head = with_later_settings(head)
        return msgspec.convert(header_of_version_1(head) if version == 1 else head, Header)
    except msgspec.ValidationError as error:
        raise BadMessage(f"line 1: {error}") from None


def _moments(
    numbered: Iterator[tuple[int, str | bytes]],
    version: int,
    notes: dict[str, str] | None = None,
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
        if "ends_early" in entry:
            if notes is not None:
                notes["ends_early"] = str(entry["ends_early"])
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
    if isinstance(plain.get("audio"), int):
        plain = {**plain, "audio": bytes(plain["audio"])}
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
