"""Build the factory of agents that the settings ask for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bridge import variables
from bridge.addresses import is_address
from bridge.agents.base import AgentFactory, Report, no_report
from bridge.agents.settings import (
    COLLEAGUE,
    OPENAI_ALONE,
    AgentSettings,
    ChatSettings,
    ConversationRelaySettings,
    GeminiLiveSettings,
    MemberSettings,
    PythonSettings,
    RealtimeAgentSettings,
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
            from bridge.agents.script_requests import ScriptServices
            from bridge.agents.transfers import Transfers

            script = load_script(directory / settings.file, Transfers(settings.transfers))
            services = ScriptServices(script, HttpClient(http, directory=directory, environ=environ), environ)
            return ScriptFactory(script, report, services)
        case ChatSettings():
            _check_url(settings.url, "agent.url")
            return _chat(settings, directory, environ, http, report)
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
            if settings.action:
                _check_url(settings.action, "agent.action")
            client = HttpClient(
                http, connect_deadline_s=settings.connect_deadline_s, directory=directory, environ=environ
            )
            return RelayFactory(
                settings, variables.header(settings.auth_token_env, environ), http=client, report=report
            )
        case RealtimeAgentSettings() | GeminiLiveSettings():
            return _live(settings, directory, environ, http, report)
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


def _chat(
    settings: ChatSettings, directory: Path, environ: Mapping[str, str], http: HttpSettings | None, report: Report
) -> AgentFactory:
    from bridge.agents.chat import ChatFactory
    from bridge.agents.chat_model import ChatModel
    from bridge.agents.own_tools import OWN_TOOLS
    from bridge.agents.tools.factory import build_tools

    def client() -> HttpClient:
        return HttpClient(http, connect_deadline_s=settings.connect_deadline_s, directory=directory, environ=environ)

    second = None
    _check_own_address(settings, "agent.url")
    if settings.second is not None:
        theirs = _second(settings)
        _check_url(theirs.url, "agent.second.url")
        _check_own_address(theirs, "agent.second.url")
        key = variables.header(theirs.key_env, environ)
        second = ChatModel(theirs, key, client(), _secret_headers(theirs.headers_env, environ, "agent.second"))
    return ChatFactory(
        settings,
        variables.header(settings.key_env, environ),
        http=client(),
        secret_headers=_secret_headers(settings.headers_env, environ),
        report=report,
        second=second,
        toolbox=build_tools(settings.functions, OWN_TOOLS, directory, environ, client),
    )


def _live(
    settings: RealtimeAgentSettings | GeminiLiveSettings,
    directory: Path,
    environ: Mapping[str, str],
    http: HttpSettings | None,
    report: Report,
) -> AgentFactory:
    from bridge.agents.live.factory import LiveFactory
    from bridge.agents.own_tools import OWN_TOOLS
    from bridge.agents.tools.factory import build_tools

    def client() -> HttpClient:
        return HttpClient(http, connect_deadline_s=settings.connect_deadline_s, directory=directory, environ=environ)

    _check_url(settings.url, "agent.url", "ws")
    return LiveFactory(
        settings,
        variables.header(settings.key_env, environ),
        http=client(),
        secret_headers=_secret_headers(settings.headers_env, environ),
        report=report,
        toolbox=build_tools(settings.functions, OWN_TOOLS, directory, environ, client),
    )


def _check_own_address(settings: ChatSettings, where: str) -> None:
    """Refuse to send another vendor's requests, and perhaps a key, to the address that stands where none was given."""
    if settings.dialect != "openai" and urlsplit(settings.url).hostname == "api.openai.com":
        own = {
            "anthropic": "https://api.anthropic.com/v1",
            "gemini": "https://generativelanguage.googleapis.com/v1beta",
        }
        raise ConfigError(
            f"{where}: {settings.url!r} speaks no dialect but openai; expected a server that speaks "
            f"{settings.dialect}, such as {own[settings.dialect]}"
        )


def _second(settings: ChatSettings) -> ChatSettings:
    """The settings of the model that stands in: its own, and where it has none those of the first."""
    other = settings.second
    assert other is not None
    same = not other.url or other.url == settings.url
    own = {
        name: value
        for name in ("query", "headers", "headers_env", "dialect", "extra_body")
        if (value := getattr(other, name)) is not None
    }
    if not same:
        own = {"query": {}, "headers": {}, "headers_env": {}, "extra_body": {}, "dialect": "openai"} | own
    if own.get("dialect", settings.dialect) != "openai":
        defaults = {field.name: field.default for field in msgspec.structs.fields(ChatSettings)}
        own |= {name: defaults[name] for name in OPENAI_ALONE}
    return msgspec.structs.replace(
        settings,
        url=other.url or settings.url,
        model=other.model,
        key_env=other.key_env or (settings.key_env if same else ""),
        key_header=other.key_header or (settings.key_header if same else "Authorization"),
        second=None,
        **own,
    )


def _secret_headers(named: Mapping[str, str], environ: Mapping[str, str], where: str = "agent") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, variable in named.items():
        found[name] = variables.header(variable, environ)
        if not found[name]:
            raise ConfigError(f"{where}.headers_env.{name}: {variable!r}: expected an environment variable that is set")
    return found


def _check_url(url: str, key: str, scheme: str = "http") -> None:
    if not is_address(url, (scheme, f"{scheme}s")):
        raise ConfigError(f"{key}: {url!r}: expected an address that starts with {scheme}:// or {scheme}s://")
