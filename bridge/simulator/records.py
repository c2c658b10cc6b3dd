"""The server's own record of a call, to be shown beside what the ear heard: what it recognised, and what it sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from bridge.call.transcript import transcript
from bridge.errors import BadMessage, ConfigError
from bridge.simulator.result import BridgeTurn, Turn

_WRITTEN_WITHIN_S = 3.0
"""A record is complete this long after its call's end."""
_POLL_S = 0.1


async def of_call(place: Path, call_id: str) -> list[BridgeTurn]:
    """The turns in the record at `place`, a file, or a folder with one of this call.

    Raises ConfigError when there is no such record.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + _WRITTEN_WITHIN_S
    while not (file := _find(place, call_id)) or not _complete(file):
        if loop.time() > until:
            break
        await asyncio.sleep(_POLL_S)
    if file is None:
        raise ConfigError(f"{place}: no record of call {call_id}; is this the service's telemetry.record_directory?")
    try:
        with file.open("rb") as lines:
            found = transcript(lines)
    except (OSError, BadMessage) as error:
        raise ConfigError(f"{file}: {error}") from None
    return [
        BridgeTurn(at_ms=round(line.at * 1000), speaker=line.speaker, text=line.text, unheard=line.unheard)
        for line in found
        if line.speaker != "call"
    ]


def _find(place: Path, call_id: str) -> Path | None:
    if place.is_file():
        return place
    mine = [file for file in place.glob("*.jsonl") if _call_of(file) == call_id]
    return max(mine, key=lambda file: file.stat().st_mtime, default=None)


def _call_of(file: Path) -> str:
    try:
        with file.open("rb") as lines:
            return str(json.loads(lines.readline()).get("about", {}).get("call_id", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _complete(file: Path) -> bool:
    """Whether the last line is the summary, which is written when the call is over."""
    try:
        return b'{"summary"' in file.read_bytes()[-4096:]
    except OSError:
        return False


def beside(turns: Sequence[Turn], own: Sequence[BridgeTurn]) -> list[str]:
    """Find for each turn that the ear heard what the server has of it: turns of the same speaker nearest in time."""
    told: list[list[str]] = [[] for _ in turns]
    for one in own:
        same = [index for index, turn in enumerate(turns) if turn.speaker == one.speaker]
        if same:
            nearest = min(same, key=lambda index: abs(turns[index].start_ms - one.at_ms))
            told[nearest].append(one.text + (f" [not heard: {one.unheard}]" if one.unheard else ""))
    return [" / ".join(parts) for parts in told]
