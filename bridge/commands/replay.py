"""`bridge replay`: a call's record through the call machine again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Run a call's record through the call machine again and compare what it orders with what was ordered then.

The same commands mean that the call can be studied here as it happened. With --settings, other settings are asked
what they would have decided; then differences are expected and shown.
"""
EXAMPLES = """\
  bridge replay out/demo/record.jsonl
  bridge replay CA123.jsonl --settings patient.yaml    what would these `call:` settings have done?
"""
_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge replay`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a call's record (JSON lines)")
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="YAML file whose `call` section replaces the recorded settings"
    )
    parser.add_argument("--all", action="store_true", help=f"show every difference (default: the first {_SHOWN})")


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 when the commands are the same, 1 when they differ or cannot all be read."""
    from bridge.call.record import Difference, replay
    from bridge.config import load_settings
    from bridge.errors import BadMessage, ConfigError

    settings = load_settings(arguments.settings).call if arguments.settings else None
    try:
        with arguments.file.open("rb") as lines:
            found = replay(lines, settings)
    except OSError as error:
        raise ConfigError(f"{arguments.file}: cannot be read: {error.strerror}") from None
    except BadMessage as error:
        raise ConfigError(f"{arguments.file}: {error}") from None

    def show(difference: Difference) -> None:
        print(f"\nline {difference.line}, {difference.at:.3f} s, after {difference.event}:")
        for sign, commands in (("-", difference.recorded), ("+", difference.replayed)):
            for command in commands:
                print(f"  {sign} {_short(command)}")

    shown = found.differences if arguments.all else found.differences[:_SHOWN]
    for difference in shown:
        show(difference)
    if len(shown) < len(found.differences):
        print(f"\n... and {len(found.differences) - len(shown)} more")
    verdict = "the same commands" if not found.differences else f"{len(found.differences)} events answered differently"
    print(f"{found.events} events, {found.commands} commands: {verdict}")
    if found.damage:
        print(f"the record is damaged, and was replayed up to there: {found.damage}")
    if found.ends_early:
        print(f"the record ends early: {found.ends_early}")
    return 1 if found.differences or found.damage else 0


def _short(command: dict[str, Any]) -> str:
    text = json.dumps(command, ensure_ascii=False)
    return text if len(text) < 160 else f"{text[:157]}..."
