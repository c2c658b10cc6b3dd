"""The doctor's trial of what a call will need: one small request to the agent, to each recogniser, to each voice.

They are asked in the way that a call asks them, so that what is found is what callers would have met.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

import aiohttp
import msgspec

from bridge import variables
from bridge.agents.base import AgentError, AgentFactory, CallInfo, Failure
from bridge.agents.relay import RelayFactory
from bridge.agents.settings import ChatSettings, LiveSettings
from bridge.audio import mulaw
from bridge.call.actions import Prompt
from bridge.call.events import Word
from bridge.doctor_network import Finding
from bridge.errors import BridgeError, ConfigError, VoiceError
from bridge.http import OpenClient, why_unreachable
from bridge.listening.engine_pools import EnginePools
from bridge.listening.recognisers.base import ExpectedSpeech, Finalised, StreamEvent, StreamFailed
from bridge.listening.recognisers.factory import SomeRecogniser, build_recogniser
from bridge.speaking.hosted_settings import HostedVoice
from bridge.speaking.voices.base import SpeechRequest
from bridge.speaking.voices.hosted.catalogue import hosted_voice
from bridge.telemetry.after_call.delivery import report_keys
from bridge.telemetry.after_call.outbox import Outbox
from bridge.telemetry.after_call.settings import AfterCallSettings
from bridge.telemetry.fork import MediaFork
from bridge.telemetry.metrics import Metrics
from bridge.telemetry.settings import ForkSettings, TraceSettings
from bridge.telemetry.traces import Traces
from bridge.worker.client import WorkerConnection

_PATIENCE_S = 15.0
_SLOW_S = 2.0
_CALL = "bridge-doctor"
"""The id of the call that an agent is asked about: nobody rings."""
_REMEDIES = {
    Failure.UNREACHABLE: "start the service, or correct agent.url; for a proxy: http.proxy",
    Failure.TIMEOUT: "look why it is slow: callers would have been told that something went wrong",
    Failure.CUT_OFF: "raise agent.max_tokens",
    Failure.REFUSED: "look at the key (agent.key_env), the account, agent.url, agent.model and agent.voice",
    Failure.SERVICE_ERROR: "look at the log of that service, or correct agent.url",
}
_BY_STATUS = (
    (
        400,
        "leave out or add what this server wants (agent.tools, agent.extra_body and others; bridge/agents/README.md)",
    ),
    (401, "set the variable that agent.key_env, agent.secret_env or agent.headers_env names to a key that is valid"),
    (403, "the key may not do this: look at the account, or correct agent.model"),
    (404, "correct agent.url or agent.model"),
    (429, "the account has no more requests left for now: raise its limits"),
    (500, "look at the log of that service"),
)
"""The first status of each remedy; those between two have the lower one's."""
_DIALECT = "its answer is not in the dialect of this kind of agent (bridge/agents/README.md)"
_REFUSED = {
    "auth": "set the variable that key_env names to a key that is valid",
    "quota": "the account is exhausted: top it up",
    "rejected": "correct the url, the model or the language",
}


async def tools(agents: AgentFactory, settings: ChatSettings | LiveSettings) -> list[Finding]:
    """Look which tools a model has, and whether servers of tools are away."""
    from bridge.agents.chat import ChatFactory
    from bridge.agents.live.factory import LiveFactory

    if not settings.functions or not isinstance(agents, ChatFactory | LiveFactory):
        return []
    troubles = await agents.toolbox.troubles()
    if not troubles:
        return [Finding("tools", "ok", ", ".join(agents.toolbox.tools()))]
    return [
        Finding(
            "tools",
            "fail",
            f"agent.functions[{place}]: no tool can be called: {why}",
            "start that server, or correct its command, address or headers",
        )
        for place, why in troubles.items()
    ]


async def agent_answers(agents: AgentFactory) -> Finding:
    """Ask a model or a web service for one answer, up to its first word or sound."""
    started_at = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            answer = agents.open_call(CallInfo(call_id=_CALL)).reply(Prompt("caller_said", "Hello.", turn=1))
            async with aclosing(answer) as actions:
                first = await anext(actions, None)
    except AgentError as error:
        remedy = _REMEDIES.get(error.kind, _DIALECT)
        status = re.search(r"answered (\d{3})", str(error)) if error.kind is Failure.HTTP_STATUS else None
        if status is not None:
            remedy = next((what for first, what in reversed(_BY_STATUS) if int(status[1]) >= first), _BY_STATUS[3][1])
        return Finding("agent answers", "fail", f"{error.kind.replace('_', ' ')}: {error}", remedy)
    except TimeoutError:
        return Finding("agent answers", "fail", f"nothing in {_PATIENCE_S:g} s", _REMEDIES[Failure.TIMEOUT])
    finally:
        await agents.close()
    took_s = time.perf_counter() - started_at
    if first is None:
        return Finding("agent answers", "fail", 'it has no answer to "Hello."', _DIALECT)
    return _timed("agent answers", f'it answers "Hello." after {took_s:.1f} s', took_s)


async def application_answers(agents: RelayFactory) -> Finding:
    """Open a socket to a relayed application, which is told of no call."""
    started_at = time.perf_counter()
    try:
        await agents.reach()
    except AgentError as error:
        return Finding("agent answers", "fail", str(error), "start the application, or correct agent.url")
    finally:
        await agents.close()
    took_s = time.perf_counter() - started_at
    return _timed("agent answers", f"it takes a socket after {took_s:.1f} s", took_s)


async def after_call(
    wanted: AfterCallSettings, directory: Path, environ: Mapping[str, str], open_client: OpenClient, *, offline: bool
) -> list[Finding]:
    """Look whether reports of calls are signed, kept and taken, and how many wait; nothing where nobody wants them."""
    about = "reports after calls"
    if not wanted.url:
        return []
    box = Outbox(directory / wanted.directory, most_waiting=1, most_bytes=1)
    try:
        keys = report_keys(wanted, environ)
        box.open()
        waiting = len(box.waiting())
    except ConfigError as error:
        return [Finding(about, "fail", str(error), "set the variable, or correct this setting")]
    except OSError as error:
        why = f"{directory / wanted.directory}: {error.strerror or error}"
        return [Finding(about, "fail", why, "correct after_call.directory")]
    left = f"; {waiting} wait to be delivered" if waiting else ""
    if offline:
        return [Finding(about, "skip", f"{wanted.url} not asked (--offline){left}")]
    http = open_client()
    try:
        async with asyncio.timeout(wanted.deadline_s):
            answer = await http.request("HEAD", wanted.url, allow_redirects=False)
        answer.close()
    except (aiohttp.ClientError, OSError) as error:
        why = f"{wanted.url}: {why_unreachable(error)}{left}"
        return [Finding(about, "fail", why, "start the service, or correct after_call.url")]
    finally:
        await http.close()
    if (status := answer.status) >= 500 or 300 <= status < 400 or status in (404, 410):
        # Others refuse what is no report: without a body, without a signature, by this method.
        remedy = "correct after_call.url: it must take reports itself, without redirects or log-in pages"
        return [Finding(about, "fail", f"{wanted.url} answered {status}{left}", remedy)]
    if status < 300 and answer.content_type == "text/html":
        remedy = (
            "look whether after_call.url is where a program takes reports: a page answers them with 200 and keeps none"
        )
        return [Finding(about, "warn", f"{wanted.url} answered {status} with a page{left}", remedy)]
    return [Finding(about, "ok", f"to {wanted.url}, {len(keys)} signature(s) each{left}")]


async def forks(
    wanted: Sequence[ForkSettings], environ: Mapping[str, str], open_client: OpenClient, *, offline: bool
) -> list[Finding]:
    """Open a socket to each server that is to hear calls, which is told of none."""
    findings = []
    for settings in wanted:
        about, where = "fork of calls", variables.without_password(settings.url)
        if offline:
            findings.append(Finding(about, "skip", f"{where} not asked (--offline)"))
            continue
        try:
            findings.append(await _fork_answers(about, settings, environ, open_client))
        except ConfigError as error:
            findings.append(Finding(about, "fail", str(error), "correct this variable"))
    return findings


async def _fork_answers(
    about: str, settings: ForkSettings, environ: Mapping[str, str], open_client: OpenClient
) -> Finding:
    where = variables.without_password(settings.url)
    fork = MediaFork(settings, environ, Metrics(), open_client())
    started_at = time.perf_counter()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await (await fork.open()).close()
    except aiohttp.WSServerHandshakeError as error:
        remedy = "correct telemetry.forks: the token (token_env), or the address"
        return Finding(about, "fail", f"{where}: HTTP {error.status}", remedy)
    except (aiohttp.ClientError, OSError) as error:
        found = f"{where}: {why_unreachable(error)}"
        return Finding(about, "fail", found, "start the server, or correct telemetry.forks")
    finally:
        await fork.close()
    took_s = time.perf_counter() - started_at
    return _timed(about, f"{where} takes a socket after {took_s:.1f} s", took_s)


async def traces(
    wanted: TraceSettings, environ: Mapping[str, str], open_client: OpenClient, *, offline: bool
) -> list[Finding]:
    """Send no spans to the collector of traces, which takes them or says why not; nothing where nobody wants them."""
    about, where = "traces", variables.without_password(wanted.url)
    if not wanted.url:
        return []
    http = open_client()
    try:
        Traces(wanted, environ, http).close()
        if offline:
            return [Finding(about, "skip", f"{where} not asked (--offline)")]
        token = variables.header(wanted.token_env, environ)
        headers = {"Content-Type": "application/x-protobuf"} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with asyncio.timeout(_PATIENCE_S):
            answer = await http.request("POST", wanted.url, data=b"", headers=headers, allow_redirects=False)
        answer.close()
    except ConfigError as error:
        return [Finding(about, "fail", str(error), "install it, or correct telemetry.traces")]
    except (aiohttp.ClientError, OSError) as error:
        found = f"{where}: {why_unreachable(error)}"
        return [Finding(about, "fail", found, "start the collector, or correct telemetry.traces")]
    finally:
        await http.close()
    if answer.status >= 300:
        remedy = "correct telemetry.traces: the token (token_env), or the address (it ends in /v1/traces as a rule)"
        return [Finding(about, "fail", f"{where}: HTTP {answer.status}", remedy)]
    if answer.content_type.startswith("text/"):
        remedy = "correct telemetry.traces.url: it ends in /v1/traces as a rule"
        return [
            Finding(about, "fail", f"{where} answered with a page ({answer.content_type}), not as a collector", remedy)
        ]
    return [Finding(about, "ok", f"{where} takes spans")]


async def recogniser_answers(
    settings: SomeRecogniser, environ: Mapping[str, str], open_client: OpenClient, *, offline: bool = False
) -> Finding:
    """Give a recogniser elsewhere half a second of silence; offline, look at its key alone."""
    try:
        recogniser = build_recogniser(settings, EnginePools().of, open_client, environ)
    except ConfigError as error:
        return Finding("recogniser", "fail", str(error), "install it, or correct listening.recogniser")
    where = getattr(settings, "url", "") or recogniser.name
    told: asyncio.Queue[StreamEvent] = asyncio.Queue()
    started_at = time.perf_counter()
    try:
        await recogniser.load()
        if offline:
            return Finding("recogniser", "skip", f"{where} not asked (--offline)")
        stream = recogniser.start(ExpectedSpeech(), told.put_nowait)
        stream.feed(bytes([mulaw.SILENCE]) * 4000, 0.5)
        stream.finalise(1, _PATIENCE_S)
        async with asyncio.timeout(_PATIENCE_S):
            event = await told.get()
            while not isinstance(event, Finalised | StreamFailed):
                event = await told.get()
        stream.close()
    except TimeoutError:
        found = f"{where}: nothing in {_PATIENCE_S:g} s"
        return Finding("recogniser", "fail", found, "look why it is slow, or correct listening.recogniser")
    except BridgeError as error:
        return Finding("recogniser", "fail", f"{where}: {error}", "correct listening.recogniser")
    finally:
        await recogniser.unload()
    if isinstance(event, StreamFailed):
        remedy = _REFUSED.get(event.kind, "start it, or correct listening.recogniser")
        return Finding(
            "recogniser", "fail", event.reason if where in event.reason else f"{where}: {event.reason}", remedy
        )
    took_s = time.perf_counter() - started_at
    return _timed("recogniser", f"by network: {where}, tried in {took_s:.1f} s", took_s)


async def worker_speaks(link: WorkerConnection, voice: str) -> VoiceError | None:
    """Have one word spoken, as far as its first audio; what went wrong."""
    speech = link.open(voice or None)
    speech.text("Okay.")
    speech.end()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for _ in speech:
                break
    except VoiceError as error:
        return error
    except TimeoutError:
        return VoiceError(f"nothing in {_PATIENCE_S:g} s")
    speech.cancel()
    return None


async def hosted_voice_speaks(
    name: str, settings: HostedVoice, environ: Mapping[str, str], open_client: OpenClient, *, offline: bool
) -> Finding:
    """Have a hosted voice speak one word, up to its first audio; offline, look at its key alone."""
    about, variable = f"voice {name}", settings.key_env
    try:
        if variable and not variables.value(variable, environ):
            return Finding(about, "fail", f"environment variable {variable} is not set", _REFUSED["auth"])
        provider = hosted_voice(name, msgspec.structs.replace(settings, warm=0), open_client, environ)
    except BridgeError as error:
        return Finding(about, "fail", str(error), f"install it, or correct speaking.providers.{name}")
    if offline:
        return Finding(about, "skip", "not asked (--offline)")
    listener = _FirstAudio()
    started_at = time.perf_counter()
    try:
        await provider.start(lambda: None)
        stream = provider.open(SpeechRequest("Okay.", cut=True), listener)
        async with asyncio.timeout(_PATIENCE_S):
            await listener.heard
        stream.cancel()
    except TimeoutError:
        return Finding(about, "fail", f"nothing in {_PATIENCE_S:g} s", "look why it is slow, or choose another")
    except ConfigError as error:
        return Finding(about, "fail", str(error), f"correct the section http, or what {variable} holds")
    except VoiceError as error:
        remedy = _REFUSED.get(error.kind, f"look at the vendor's status page, or correct speaking.providers.{name}")
        return Finding(about, "fail", f"{error.kind}: {error}", remedy)
    finally:
        await provider.close()
    took_s = time.perf_counter() - started_at
    return _timed(about, f"{settings.url or name} spoke one word after {took_s:.1f} s", took_s)


class _FirstAudio:
    """Waits for the first audio of a stream, or its end."""

    def __init__(self) -> None:
        self.heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def audio(self, data: bytes) -> None:
        if not self.heard.done():
            self.heard.set_result(None)

    def words(self, words: Sequence[Word]) -> None:
        pass

    def no_words(self) -> None:
        pass

    def done(self) -> None:
        self.failed(VoiceError("spoke without a sound"))

    def failed(self, error: VoiceError) -> None:
        if not self.heard.done():
            self.heard.set_exception(error)


def folder(about: str, path: str, directory: Path, *, needed_gb: float, key: str) -> Finding:
    """Whether a folder of ours can be written, and how much room is left; `directory` is the configuration's."""
    if not path:
        return Finding(about, "skip", f"none are kept ({key} is empty)")
    place = Path(os.path.normpath(directory / path))
    existing = next(parent for parent in (place, *place.absolute().parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as trial:
            trial.write(bytes(4096))
            trial.flush()
        free_gb = shutil.disk_usage(existing).free / 1e9
    except OSError as error:
        return Finding(about, "fail", f"{place}: {error.strerror}", f"make the folder writable, or correct {key}")
    if free_gb < needed_gb:
        found = f"{place}: {free_gb:.1f} GB free, {needed_gb:.1f} GB wanted"
        return Finding(about, "warn", found, f"make room, or name another disk in {key}")
    return Finding(about, "ok", f"{place}, {free_gb:.0f} GB free")


def _timed(about: str, found: str, took_s: float) -> Finding:
    if took_s > _SLOW_S:
        return Finding(about, "warn", found, "callers wait so long for each answer: choose a faster one, or one nearer")
    return Finding(about, "ok", found)
