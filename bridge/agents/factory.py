"""Build the factory of agents that the settings ask for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bridge import variables
from bridge.agents.base import AgentFactory, Report, no_report
from bridge.agents.settings import (
    AgentSettings,
    ChatSettings,
    ConversationRelaySettings,
    PythonSettings,
    ScriptSettings,
    WebSettings,
)
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
            secrets = _secret_headers(settings.headers_env, environ)
            key = variables.header(settings.key_env, environ)
            return ChatFactory(settings, key, http=client, secret_headers=secrets, report=report)
        case WebSettings():
            from bridge.agents.web import WebFactory

            _check_url(settings.url, "agent.url")
            client = HttpClient(
                http, connect_deadline_s=settings.connect_deadline_s, directory=directory, environ=environ
            )
            secrets = _secret_headers(settings.headers_env, environ)
            secret = variables.header(settings.secret_env, environ)
            return WebFactory(settings, secret, http=client, secret_headers=secrets, report=report)
        case ConversationRelaySettings():
            from bridge.agents.relay import RelayFactory

            _check_url(settings.url, "agent.url", "ws")
            client = HttpClient(
                http, connect_deadline_s=settings.connect_deadline_s, directory=directory, environ=environ
            )
            return RelayFactory(
                settings, variables.header(settings.auth_token_env, environ), http=client, report=report
            )
        case PythonSettings():
            from bridge.agents.python import PythonFactory
            from bridge.agents.python_load import AgentClass

            return PythonFactory(settings, AgentClass(settings.class_, directory), report)


def _secret_headers(named: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, variable in named.items():
        found[name] = variables.header(variable, environ)
        if not found[name]:
            raise ConfigError(f"agent.headers_env.{name}: {variable!r}: expected an environment variable that is set")
    return found


def _check_url(url: str, key: str, scheme: str = "http") -> None:
    if not url.startswith((f"{scheme}://", f"{scheme}s://")):
        raise ConfigError(f"{key}: {url!r}: expected an address that starts with {scheme}:// or {scheme}s://")
