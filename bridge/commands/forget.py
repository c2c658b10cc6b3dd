"""`bridge forget`: remove what is kept of one call."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Remove every record and recording of one call, for good. Directories are those of the configuration.
"""
EXAMPLES = """\
  bridge forget CA0123456789abcdef -c bridge.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `bridge forget`."""
    parser.add_argument("call", metavar="CALL", help="the call's identifier, as the carrier and the log write it")
    parser.add_argument("-c", "--config", type=Path, required=True, metavar="FILE", help="the service's configuration")


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 when something was removed, 1 when nothing is kept of such a call."""
    from bridge.config import load_settings
    from bridge.errors import ConfigError
    from bridge.telemetry.files import of_call

    telemetry = load_settings(arguments.config).telemetry
    kept = ((telemetry.record_directory, ".jsonl"), (telemetry.recording.directory, ".wav"))
    if not any(directory for directory, _ in kept):
        raise ConfigError(f"{arguments.config}: neither telemetry.record_directory nor telemetry.recording.directory")
    removed = 0
    for directory, suffix in kept:
        if not directory:
            continue
        for path in of_call(arguments.config.parent / directory, arguments.call, suffix):
            try:
                path.unlink()
            except OSError as error:
                raise ConfigError(f"{path}: cannot be removed: {error.strerror}") from None
            print(f"removed {path}")
            removed += 1
    if not removed:
        print(f"nothing is kept of a call {arguments.call}")
    return 0 if removed else 1
