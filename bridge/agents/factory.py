"""Build the factory of agents that the settings ask for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bridge.agents.base import AgentFactory, Report, no_report
from bridge.agents.settings import AgentSettings, ChatSettings, ScriptSettings, WebSettings
from bridge.errors import ConfigError
from bridge.http import HttpClient, HttpSettings


def build_agents(
    settings: AgentSettings,
    directory: Path = Path(),
    environ: Mapping[str, str] = os.environ,
    *,
    http: HttpSettings | None = None,
    report: Report = no_report,
) -> AgentFactory:
    """Return the factory that these settings describe; `directory` is that of the configuration file.

    `http` says how servers are reached; `report` is told of what goes wrong without ending an answer. Reads the
    script's file, opens no socket. Raises ConfigError naming what is wrong.
    """
    match settings:
        case ScriptSettings():
            from bridge.agents.script import ScriptFactory
            from bridge.agents.script_load import load_script
            from bridge.agents.transfers import Transfers

            return ScriptFactory(load_script(directory / settings.file, Transfers(settings.transfers)), report)
        case ChatSettings():
            from bridge.agents.chat import ChatFactory

            _check_url(settings.url, "agent.url")
            client = HttpClient(
                http, connect_deadline_s=settings.connect_deadline_s, directory=directory, environ=environ
            )
            secrets = {name: _secret(environ, variable, name) for name, variable in settings.headers_env.items()}
            key = environ.get(settings.key_env, "")
            return ChatFactory(settings, key, http=client, secret_headers=secrets, report=report)
        case WebSettings():
            from bridge.agents.web import WebFactory

            _check_url(settings.url, "agent.url")
            client = HttpClient(
                http, connect_deadline_s=settings.connect_deadline_s, directory=directory, environ=environ
            )
            return WebFactory(settings, environ.get(settings.secret_env, ""), http=client, report=report)


def _secret(environ: Mapping[str, str], variable: str, header: str) -> str:
    value = environ.get(variable, "").strip()
    if not value:
        raise ConfigError(f"agent.headers_env.{header}: {variable!r}: expected an environment variable that is set")
    return value


def _check_url(url: str, key: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{key}: {url!r}: expected an address that starts with http:// or https://")
