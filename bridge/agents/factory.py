"""Build the factory of agents that the settings ask for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bridge import variables
from bridge.agents.base import AgentFactory, Report, no_report
from bridge.agents.settings import (
    COLLEAGUE,
    AgentSettings,
    ChatSettings,
    ConversationRelaySettings,
    MemberSettings,
    PythonSettings,
    ScriptSettings,
    TeamSettings,
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
    if not isinstance(settings, TeamSettings):
        _check_targets(settings, "agent")
        return _build(settings, directory, environ, http, report)
    from bridge.agents.team import TeamFactory

    members = {}
    for name, member in settings.members.items():
        _check_targets(member.agent, f"agent.members.{name}.agent")
        members[name] = _build(with_colleagues(settings, name), directory, environ, http, report)
    return TeamFactory(settings, members, report)


def _check_targets(settings: MemberSettings, where: str) -> None:
    """Colleagues are targets by themselves: the file names telephones alone. Raises ConfigError."""
    for name, target in settings.transfers.targets.items():
        if target.startswith(COLLEAGUE):
            raise ConfigError(f"{where}.transfers.targets.{name}: {target!r}: expected a number or a SIP address")


def _build(
    settings: MemberSettings, directory: Path, environ: Mapping[str, str], http: HttpSettings | None, report: Report
) -> AgentFactory:
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


def with_colleagues(team: TeamSettings, name: str) -> MemberSettings:
    """Return a member's settings with its colleagues among those whom it may transfer to."""
    member = team.members[name].agent
    if name == team.supervisor:
        return member
    colleagues = {other: COLLEAGUE + other for other in team.members if other not in (name, team.supervisor)}
    transfers = msgspec.structs.replace(member.transfers, targets={**member.transfers.targets, **colleagues})
    return msgspec.structs.replace(member, transfers=transfers)


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
