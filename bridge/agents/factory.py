"""From settings to a factory of agents."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bridge.agents.base import AgentFactory
from bridge.agents.settings import AgentSettings, ChatSettings, ScriptSettings, WebSettings
from bridge.errors import ConfigError


def build_agents(
    settings: AgentSettings, directory: Path = Path(), environ: Mapping[str, str] = os.environ
) -> AgentFactory:
    """Return the factory that these settings describe; `directory` is that of the configuration file.

    Reads the script's file, opens no socket. Raises ConfigError naming what is wrong.
    """
    match settings:
        case ScriptSettings():
            from bridge.agents.script import ScriptFactory
            from bridge.agents.script_load import load_script

            return ScriptFactory(load_script(directory / settings.file))
        case ChatSettings():
            from bridge.agents.chat import ChatFactory

            _check_url(settings.url, "agent.url")
            return ChatFactory(settings, key=environ.get(settings.key_env, ""))
        case WebSettings():
            from bridge.agents.web import WebFactory

            _check_url(settings.url, "agent.url")
            return WebFactory(settings, secret=environ.get(settings.secret_env, ""))


def _check_url(url: str, key: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{key}: {url!r}: expected an address that starts with http:// or https://")
