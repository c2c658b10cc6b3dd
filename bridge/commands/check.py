"""`bridge check`: what is wrong with a scripted dialogue, and a drawing of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.agents.settings import AgentSettings, TransferSettings
    from bridge.agents.transfers import Transfers

DESCRIPTION = """\
Look at a script before anybody rings it: ways that lead nowhere, rings that never listen, states that no way leads to,
states from which no way leads to the end, slots that may be empty. With --svg, draw the dialogue.
"""
EXAMPLES = """\
  bridge check agents/appointment.yaml
  bridge check agents/appointment.yaml --svg dialogue.svg
  bridge check agents/desk.yaml -c bridge.yaml        with the transfers that the configuration allows
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge check`."""
    parser.add_argument("file", type=Path, metavar="SCRIPT", help="the script (YAML)")
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="whose agent has this script, for its transfers"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the dialogue into this file")
    parser.add_argument("--strict", action="store_true", help="take warnings for mistakes")


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0; 1 with mistakes, or with warnings where these count; a file that cannot be read is refused."""
    from bridge.agents.script_drawing import drawing
    from bridge.agents.script_load import beside, examined
    from bridge.errors import ConfigError

    file: Path = arguments.file
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: the script cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: the script cannot be read: not UTF-8: {error.reason}") from None
    script, mistakes = examined(text, str(file), _transfers(arguments.config, file), beside(file))
    for mistake in mistakes:
        print(mistake)
    if script is None:
        return 1
    for oddity in script.warnings:
        place, _, what = oddity.partition(": ")
        print(f"{place}: warning: {what}")
    if not mistakes:
        print(f"{file}: {script.size}")
    if arguments.svg is not None:
        try:
            arguments.svg.write_text(drawing(script), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{arguments.svg}: cannot be written: {error.strerror}") from None
        print(f"{arguments.svg}: drawn")
    return 1 if mistakes or (script.warnings and arguments.strict) else 0


def _transfers(config: Path | None, file: Path) -> Transfers | None:
    """Whom callers may be connected to, by the settings of the agent whose script this is."""
    from bridge.agents.transfers import Transfers

    if config is None:
        return None
    import os

    from bridge.config import load_settings
    from bridge.errors import ConfigError
    from bridge.numbers import every_profile

    wanted = file.resolve()
    for _, profile in every_profile(load_settings(config, os.environ)):
        for script, transfers in _scripts(profile.agent):
            if (config.parent / script).resolve() == wanted:
                return Transfers(transfers)
    raise ConfigError(f"{config}: no agent has the script {file}")


def _scripts(agent: AgentSettings | None) -> Iterator[tuple[str, TransferSettings]]:
    from bridge.agents.factory import with_colleagues
    from bridge.agents.settings import ScriptSettings, TeamSettings

    if isinstance(agent, ScriptSettings):
        yield agent.file, agent.transfers
    elif isinstance(agent, TeamSettings):
        for name in agent.members:
            yield from _scripts(with_colleagues(agent, name))
