"""Past calls, read off their records: the first line says who rang, the last ones how it ended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from bridge.telemetry.files import of_call

_HEAD_BYTES, _TAIL_BYTES = 1 << 16, 1 << 15
_LISTED = 200
_STEM = re.compile(r"[A-Za-z0-9_-]{1,90}")


class PastCall(msgspec.Struct, frozen=True):
    """One call that is over, or whose process is gone."""

    name: str
    """Its record's file, without the suffix."""
    call_id: str
    carrier: str
    agent: str
    from_number: str
    to_number: str
    ended_at: float
    """Unix time at which the record was last written."""
    seconds: float
    outcome: str
    worst_reply_ms: float
    interruptions: int
    failures: int
    underruns: int
    recorded: bool
    """Whether there is sound."""


class PastCalls:
    """The records of a directory, and the recordings of another; unchanged files are read once.

    All methods read files: call them in a thread.
    """

    def __init__(self, records: Path | None, recordings: Path | None) -> None:
        self._records = records
        self._recordings = recordings
        self._known: dict[Path, tuple[tuple[int, int], PastCall]] = {}

    def search(self, text: str = "", *, slower_than_ms: float = 0.0, most: int = _LISTED) -> list[PastCall]:
        """The newest calls in which every word of `text` occurs: in numbers, names, carrier, agent or outcome."""
        words = text.lower().split()
        found = []
        for call in sorted(self._read_all(), key=lambda call: -call.ended_at):
            about = f"{call.call_id} {call.carrier} {call.agent} {call.from_number} {call.to_number} {call.outcome}"
            if all(word in about.lower() for word in words) and call.worst_reply_ms >= slower_than_ms:
                found.append(call)
                if len(found) == most:
                    break
        return found

    def record(self, name: str) -> Path | None:
        """The record of this name; None when there is none."""
        return self._file(self._records, name, ".jsonl")

    def recording(self, name: str) -> Path | None:
        """The sound of the call whose record has this name; None when there is none."""
        return self._file(self._recordings, name, ".wav")

    def _file(self, directory: Path | None, name: str, suffix: str) -> Path | None:
        if directory is None or not _STEM.fullmatch(name):
            return None
        path = directory / f"{name}{suffix}"
        return path if path.is_file() else None

    def _read_all(self) -> Iterable[PastCall]:
        if self._records is None:
            return ()
        seen: dict[Path, tuple[tuple[int, int], PastCall]] = {}
        for path in self._records.glob("*.jsonl"):
            try:
                status = path.stat()
                state = (status.st_mtime_ns, status.st_size)
                known = self._known.get(path)
                call = known[1] if known is not None and known[0] == state else self._read(path, status.st_mtime)
            except OSError:
                continue  # removed meanwhile
            if call is not None:
                seen[path] = (state, call)
        self._known = seen
        return [call for _, call in seen.values()]

    def _read(self, path: Path, written_at: float) -> PastCall | None:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES).split(b"\n", 1)[0]
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read().split(b"\n")
        about = _object(head).get("about")
        if not isinstance(about, dict):
            return None
        outcome, seconds, counts = _ending(tail)
        stem = path.stem
        return PastCall(
            name=stem,
            call_id=str(about.get("call_id", stem)),
            carrier=str(about.get("carrier", "")),
            agent=str(about.get("agent", "")),
            from_number=str(about.get("from", "")),
            to_number=str(about.get("to", "")),
            ended_at=written_at,
            seconds=_number(counts, "seconds") or seconds,
            outcome=outcome,
            worst_reply_ms=_number(counts, "worst_reply_ms"),
            interruptions=int(_number(counts, "interruptions")),
            failures=int(_number(counts, "failures")),
            underruns=int(_number(counts, "underruns")),
            recorded=self._recordings is not None and bool(of_call(self._recordings, stem, ".wav")),
        )


def _ending(lines: list[bytes]) -> tuple[str, float, dict[str, Any]]:
    """How a call ended, how many seconds it took, and what was counted, as far as its last lines say."""
    outcome, seconds, counts = "no end on record", 0.0, {}
    for line in lines:
        told = _object(line)
        seconds = max(seconds, _number(told, "at"))
        command, event = told.get("command"), told.get("event")
        if isinstance(command, dict) and command.get("type") == "hang_up":
            outcome = f"hung up: {command.get('reason', '')}"
        elif isinstance(command, dict) and command.get("type") == "transfer":
            outcome = f"transferred to {command.get('target', '')}"
        elif isinstance(event, dict) and event.get("type") == "stream_closed" and outcome.startswith("no end"):
            outcome = str(event.get("reason", ""))
        elif isinstance(summary := told.get("summary"), dict) and isinstance(summary.get("call"), dict):
            counts = summary["call"]
    return outcome, seconds, counts


def _object(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _number(told: dict[str, Any], name: str) -> float:
    value = told.get(name)
    return float(value) if isinstance(value, int | float) else 0.0
