"""`bridge transcript`: a call's record as a conversation that can be read."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Print a call's record as a conversation: when each turn began, what was recognised of the caller, what the caller heard
of the bot, what was cut, and what a second recogniser has understood otherwise.
"""
EXAMPLES = """\
  bridge transcript out/demo/record.jsonl
  bridge transcript CA123.jsonl --decisions     with what was decided on the way, and why
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge transcript`."""
    parser.add_argument("file", type=Path, metavar="RECORD", help="a call's record (JSON lines)")
    parser.add_argument("--json", action="store_true", help="print a JSON array of the turns")
    parser.add_argument("--decisions", action="store_true", help="show what was decided, and why")


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0; a record that cannot be read is refused."""
    from bridge.call.transcript import transcript
    from bridge.errors import BadMessage, ConfigError

    try:
        with arguments.file.open("rb") as lines:
            found = transcript(lines, decisions=arguments.decisions)
    except OSError as error:
        raise ConfigError(f"{arguments.file}: cannot be read: {error.strerror}") from None
    except BadMessage as error:
        raise ConfigError(f"{arguments.file}: {error}") from None
    if arguments.json:
        import msgspec

        print(msgspec.json.encode(found).decode())
        return 0
    for line in found:
        cut = " —" if line.cut else ""
        unheard = f" [not heard: {line.unheard}]" if line.unheard else ""
        otherwise = f" [{line.otherwise}]" if line.otherwise else ""
        print(f"{line.at:8.2f} s  {line.speaker:6}  {line.text}{cut}{unheard}{otherwise}")
    return 0
