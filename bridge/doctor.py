"""What would keep calls from working: each check looks at one thing and says how to mend it.

Nothing is changed; who is configured is asked for one small thing: agent, recognisers, workers, Redis, public address.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec

from bridge import doctor_services as services
from bridge.agents.base import AgentFactory
from bridge.agents.settings import (
    AgentSettings,
    ChatSettings,
    ConversationRelaySettings,
    MemberSettings,
    TeamSettings,
    WebSettings,
)
from bridge.carriers.addresses import Addresses
from bridge.carriers.base import CallReference, EndCall
from bridge.carriers.catalogue import KINDS, Secrets, build_carrier, configured, kind_of, variable_of
from bridge.config import Settings, load_what_is_right, unset_variables
from bridge.doctor_machine import accelerator, machine
from bridge.doctor_network import Finding, public_address, redis, workers
from bridge.errors import ConfigError
from bridge.http import HttpClient, OpenClient
from bridge.listening.settings import (
    NoRecogniserSettings,
    NoTurnModelSettings,
    RecogniserSettings,
    SmartTurnSettings,
    WhisperSettings,
)
from bridge.numbers import MULTILINGUAL, every_profile, not_understood
from bridge.speaking.settings import WorkerProviderSettings


async def examine(
    config: Path | None, environ: Mapping[str, str], *, host: str = "", port: int | None = None, offline: bool = False
) -> list[Finding]:
    """Look at everything; a broken configuration leaves only what can be said without one."""
    findings = [machine()]
    settings, mistakes = load_what_is_right(config, environ)
    findings += [Finding("configuration", "fail", mistake, _remedy(mistake)) for mistake in mistakes]
    if settings is None:
        findings.append(Finding("all else", "skip", "looked at once the configuration can be read"))
        return [*findings, await asyncio.to_thread(accelerator)]
    directory = config.parent if config else Path()
    if not mistakes:
        where = str(config) if config else "the built-in settings; name a file with -c"
        findings.append(Finding("configuration", "ok", where))
    if settings.agent is not None or settings.numbers or not mistakes:
        findings += await agents(settings, directory, offline=offline)
    findings += secrets(settings, environ)
    findings += carriers(settings, environ)
    findings.append(free_port(host or settings.gateway.host, settings.gateway.port if port is None else port))
    findings += folders(settings, directory)
    findings += await asyncio.to_thread(engines, settings)
    open_client = client_of(settings, directory, environ)
    try:
        await open_client().close()
    except ConfigError as error:
        findings.append(Finding("outgoing http", "fail", str(error), "correct the section http, or that variable"))
    findings += await recognisers(settings, environ, open_client, offline=offline)
    findings += await workers(settings, environ, open_client)
    findings += await hosted_voices(settings, environ, open_client, offline=offline)
    findings.append(await redis(settings, environ))
    findings += await services.after_call(settings.after_call, directory, environ, open_client, offline=offline)
    findings += await services.traces(settings.telemetry.traces, environ, open_client, offline=offline)
    findings += await services.forks(settings.telemetry.forks, environ, open_client, offline=offline)
    findings.append(await asyncio.to_thread(accelerator))
    if settings.gateway.public_url or not any("public_url" in mistake.lower() for mistake in mistakes):
        findings += await public_address(settings, directory, offline=offline)
    return findings


def client_of(settings: Settings, directory: Path, environ: Mapping[str, str]) -> OpenClient:
    """Makes clients that reach others as the service would."""
    return partial(HttpClient, settings.http, directory=directory, environ=environ)


def _remedy(mistake: str) -> str:
    if mistake.startswith("environment variable"):
        return "correct this variable"
    return "name a file that can be read" if "cannot be read" in mistake else "correct this line"


async def agents(settings: Settings, directory: Path, *, offline: bool = False) -> list[Finding]:
    """Check the agents of all numbers; equal ones once."""
    seen: list[AgentSettings] = []
    findings: list[Finding] = []
    asked: list[tuple[str, Settings]] = []
    for number, its in every_profile(settings):
        if not number and its.agent is None and settings.numbers:
            listed = ", ".join(settings.numbers)
            findings.append(Finding("agent", "ok", f"calls to other numbers than these are refused: {listed}"))
            continue
        if its.agent is not None and its.agent in seen:
            continue
        if its.agent is not None:
            seen.append(its.agent)
        asked.append((number, msgspec.structs.replace(settings, agent=its.agent)))
    told = await asyncio.gather(*(agent(one, directory, offline=offline) for _, one in asked))
    for (number, _), found in zip(asked, told, strict=True):
        findings += [msgspec.structs.replace(one, about=f"{one.about} of {number}") if number else one for one in found]
    return findings


_KINDS = {
    "ChatSettings": "chat model",
    "WebSettings": "web service",
    "ConversationRelaySettings": "application behind the relay",
    "RealtimeAgentSettings": "speaking model",
    "GeminiLiveSettings": "speaking model",
}
"""What answers, by its settings."""


async def agent(settings: Settings, directory: Path, *, offline: bool = False) -> list[Finding]:
    """Check that the agent which answers the calls can be opened."""
    from bridge.agents.factory import build_agents
    from bridge.agents.settings import ScriptSettings
    from bridge.agents.team import TeamFactory

    if settings.agent is None:
        remedy = "add to the configuration, for example:\nagent: {kind: script, file: agents/appointment.yaml}"
        return [Finding("agent", "fail", "nobody answers the calls", remedy)]
    try:
        agents = build_agents(_without_patience(settings.agent), directory, http=settings.http)
    except ConfigError as error:
        remedy = "correct this line of the script" if isinstance(settings.agent, ScriptSettings) else ""
        return [Finding("agent", "fail", one, _remedy_for(one, remedy)) for one in str(error).splitlines()]
    if not isinstance(settings.agent, TeamSettings):
        return await _opened(agents, settings.agent, offline=offline)
    assert isinstance(agents, TeamFactory)
    found = [Finding("agent", "ok", f"a team of {len(agents.members)}, {settings.agent.first} rings first")]
    for name, member in settings.agent.members.items():
        told = await _opened(agents.members[name], member.agent, offline=offline)
        found += [msgspec.structs.replace(one, about=f"{one.about} {name}") for one in told]
    return found


def _without_patience(settings: AgentSettings) -> AgentSettings:
    """The same agent, but one that is away is away: callers would wait for it, whoever asks the doctor need not."""
    if isinstance(settings, TeamSettings):
        members = {
            name: msgspec.structs.replace(member, agent=_at_once(member.agent))
            for name, member in settings.members.items()
        }
        return msgspec.structs.replace(settings, members=members)
    return _at_once(settings)


def _at_once(settings: MemberSettings) -> MemberSettings:
    if isinstance(settings, ChatSettings | WebSettings | ConversationRelaySettings):
        return msgspec.structs.replace(settings, retry_s=0.0)
    return settings


def _remedy_for(mistake: str, otherwise: str) -> str:
    if "the script cannot be read" in mistake:
        return "write that script (bridge new), or correct agent.file: it is relative to the configuration file"
    if (module := re.search(r"there is no module '([\w.]+)'", mistake)) is not None:
        return f"put {module[1].replace('.', '/')}.py into the configuration file's folder, or correct this name"
    if " while loading: " in mistake:
        return "correct what its code does as it is imported"
    if (module := re.search(r"No module named '(\w+)", mistake)) is not None:
        return f"install {module[1]} where the bridge is installed, or correct the line that imports it"
    return otherwise or "correct this setting"


async def _opened(agents: AgentFactory, settings: MemberSettings, *, offline: bool) -> list[Finding]:
    """Look at an agent that could be made of its settings."""
    from bridge.agents.relay import RelayFactory
    from bridge.agents.script import ScriptFactory
    from bridge.agents.settings import LiveSettings, PythonSettings, ScriptSettings

    if isinstance(agents, ScriptFactory):
        assert isinstance(settings, ScriptSettings)
        script = agents.script
        found = f"script {script.name or settings.file}, {script.size}"
        odd = [Finding("agent", "warn", warning, "look whether the script means this") for warning in script.warnings]
        return [Finding("agent", "ok", found), *odd]
    if isinstance(settings, PythonSettings):
        return [Finding("agent", "ok", f"class {settings.class_}")]
    assert not isinstance(settings, ScriptSettings)
    kind = _KINDS[type(settings).__name__]
    known = Finding("agent", "ok", f"{kind} at {settings.url}")
    tools: list[Finding] = []
    if isinstance(settings, ChatSettings | LiveSettings) and not offline:
        tools = await services.tools(agents, settings)
    if offline:
        await agents.close()
        return [known, Finding("agent answers", "skip", "not asked (--offline)")]
    if isinstance(agents, RelayFactory):
        return [known, await services.application_answers(agents)]
    return [known, *tools, await services.agent_answers(agents)]


def secrets(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """Look whether the variables that the file names for secrets are set; those of carriers' signatures come later."""
    known = {variable_of(one) for one in settings.carriers}
    return [
        Finding("secrets", "fail", f"{path} names {name}, which is not set", f"set {name}, or correct {path}")
        for path, name in unset_variables(settings, environ)
        if name not in known
    ]


def carriers(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """What checks the signatures of each carrier, and whether its REST API can be used."""
    unsigned = settings.gateway.development_unsigned
    findings = []
    if unsigned:
        remedy = "remove gateway.development_unsigned before anybody else can reach this service"
        findings.append(Finding("carriers", "warn", "signatures are not checked: anybody can place calls", remedy))
    chosen = configured(settings.carriers, environ, unsigned=unsigned)
    if not chosen:
        names = "\n".join(f"{kind_of(one)}: {variable_of(one)}" for one in (kind() for kind in KINDS))
        remedy = (
            f"set the variable of the carrier whose calls are to be taken:\n{names}\n"
            "to try things without an account: bridge demo"
        )
        findings.append(Finding("carriers", "fail", "none: no webhook can be checked, so no call is taken", remedy))
    for one in chosen:
        about = f"carrier {kind_of(one)}"
        try:
            carrier = build_carrier(one, Secrets(environ, required=not unsigned))
        except ConfigError as error:
            findings.append(Finding(about, "fail", str(error), f"copy it again into {variable_of(one)}"))
            continue
        count = sum(bool(part.strip()) for part in environ.get(variable_of(one), "").split(","))
        secrets = f"{count or 'no'} secret{'' if count == 1 else 's'} for signatures"
        by_rest = carrier.request(EndCall(), CallReference("x", "x"), Addresses("https://x/x"), now=0.0, nonce="x")
        ways = "calls are ended and transferred by REST" if by_rest else "no REST: the stream's end ends a call"
        findings.append(Finding(about, "ok", f"{secrets}, {ways}"))
    return findings


def free_port(host: str, port: int) -> Finding:
    """Whether the service could listen."""
    if port == 0:
        return Finding("port", "ok", f"any free port of {host}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                remedy = (
                    "if that is this service, all is well; else choose another with --port\n"
                    f"who it is: ss -ltnp 'sport = :{port}'"
                )
                return Finding("port", "fail", f"{host}:{port} is taken by another process", remedy)
            if error.errno == errno.EACCES:
                remedy = "choose a port above 1023 and let a proxy listen on the low one"
                return Finding("port", "fail", f"{host}:{port} is reserved for the superuser", remedy)
            return Finding(
                "port",
                "fail",
                f"{host}:{port}: {error.strerror or error}",
                "set gateway.host to an address of this machine",
            )
    return Finding("port", "ok", f"{host}:{port} is free")


def folders(settings: Settings, directory: Path) -> list[Finding]:
    """Whether call records, recordings and finished phrases can be kept."""
    kept = settings.telemetry.record_directory
    recorded = settings.telemetry.recording.directory
    cache = settings.speaking.cache
    return [
        services.folder("call records", kept, directory, needed_gb=1.0, key="telemetry.record_directory"),
        services.folder("recordings", recorded, directory, needed_gb=1.0, key="telemetry.recording.directory"),
        services.folder(
            "phrase cache", cache.disk_path, directory, needed_gb=cache.disk_mb / 1000, key="speaking.cache.disk_path"
        ),
    ]


def engines(settings: Settings) -> list[Finding]:
    """Load the models and try each once; takes a few seconds."""
    from bridge.listening.activity import SileroModel
    from bridge.listening.engine_messages import EngineSetup
    from bridge.listening.engine_process import LoadedEngines

    findings = [_tried("voice activity", SileroModel, "reinstall the bridge: its model files are missing or damaged")]
    findings += [_whisper(one) for one in _ranked(settings) if isinstance(one, WhisperSettings)]
    findings += [Finding("recogniser", "warn", mistake, MULTILINGUAL) for mistake in not_understood(settings)]
    match settings.listening.turn:
        case NoTurnModelSettings():
            findings.append(Finding("end of turn", "skip", "judged by silence alone"))
        case SmartTurnSettings() as turn:
            remedy = "reinstall the bridge (make setup): its model files are missing or damaged"
            findings.append(_tried("end of turn", lambda: LoadedEngines(EngineSetup(None, turn)), remedy))
    if not settings.speaking.workers:
        findings.append(
            _tried(
                "voice", lambda: _speak_once(settings), "reinstall the bridge (make setup), or correct worker.voices"
            )
        )
    return findings


def _ranked(settings: Settings) -> tuple[RecogniserSettings, ...]:
    """Every recogniser that some number's calls may be heard by; equal ones once."""
    answered = [its for _, its in every_profile(settings) if its.agent is not None or not settings.numbers]
    along = [one for one in (its.second_recogniser for its in answered) if not isinstance(one, NoRecogniserSettings)]
    firsts = [its.recogniser for its in answered]
    return tuple(dict.fromkeys([*firsts, *settings.listening.fallback_recognisers, *along]))


def _whisper(settings: WhisperSettings) -> Finding:
    from bridge.listening.engine_messages import EngineSetup
    from bridge.listening.engine_process import LoadedEngines

    remedy = "reinstall the bridge (make setup), or correct listening.recogniser.model"
    return _tried("recogniser", lambda: LoadedEngines(EngineSetup(settings, None)), remedy)


async def recognisers(
    settings: Settings, environ: Mapping[str, str], open_client: OpenClient = HttpClient, *, offline: bool = False
) -> list[Finding]:
    """Ask each recogniser that is elsewhere once, all at the same time."""
    findings, asked = [], []
    for one in _ranked(settings):
        match one:
            case NoRecogniserSettings():
                findings.append(Finding("recogniser", "skip", "none configured: keypad and voice activity only"))
            case WhisperSettings():
                pass  # loaded with the other engines
            case _:
                asked.append(services.recogniser_answers(one, environ, open_client, offline=offline))
    return [*findings, *await asyncio.gather(*asked)]


async def hosted_voices(
    settings: Settings, environ: Mapping[str, str], open_client: OpenClient = HttpClient, *, offline: bool = False
) -> list[Finding]:
    """Ask each hosted voice for one word, all at the same time."""
    hosted = {
        name: one for name, one in settings.speaking.providers.items() if not isinstance(one, WorkerProviderSettings)
    }
    speak = partial(services.hosted_voice_speaks, environ=environ, open_client=open_client, offline=offline)
    return list(await asyncio.gather(*(speak(name, one) for name, one in hosted.items())))


def _speak_once(settings: Settings) -> str:
    from bridge.worker.voices import load_voices

    voices = load_voices(settings.worker)
    for engine in {id(voice.engine): voice.engine for voice in voices.values()}.values():
        engine.warm()
    return ", ".join(voices)


def _tried(about: str, load: Callable[[], object], remedy: str) -> Finding:
    """Load something and say how long it took."""
    started_at = time.perf_counter()
    try:
        loaded = load()
    except Exception as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Finding(about, "fail", f"cannot be loaded: {what}", remedy)
    took_s = time.perf_counter() - started_at
    return Finding(about, "ok", f"{loaded + ', ' if isinstance(loaded, str) else ''}loaded and tried in {took_s:.1f} s")
