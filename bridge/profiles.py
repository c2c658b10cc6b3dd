"""Turns settings by number into what the calls of a process are held with; equal agents are built once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from bridge.agents.announced import AnnouncedAgents
from bridge.agents.base import AgentFactory, FixedLine, PreparedFactory, Report, no_report
from bridge.agents.factory import build_agents
from bridge.agents.settings import AgentSettings
from bridge.audio.formats import AudioFormat
from bridge.config import Settings
from bridge.errors import ConfigError
from bridge.listening.service import CallListening, ListeningService
from bridge.listening.settings import NoRecogniserSettings, RecogniserSettings
from bridge.numbers import NumberSettings, every_profile
from bridge.session.ports import CallServices, Deliver
from bridge.session.profiles import CallProfile, CallProfiles
from bridge.speaking.call_speech import CallSpeech
from bridge.speaking.speech import SpeechService


class Agents:
    """The agents of a process: one factory for all numbers with equal settings.

    `numbers` are the factories by number, without a number (the empty key) that of all the others. Raises ConfigError
    when there is a number, listed or not, that nobody would answer, unless other numbers have agents of their own.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Path = Path(),
        environ: Mapping[str, str] | None = None,
        *,
        report: Report = no_report,
    ) -> None:
        self._built: list[tuple[AgentSettings, AgentFactory]] = []
        self.numbers: dict[str, AgentFactory] = {}
        build = partial(build_agents, directory=directory, http=settings.http, report=report)
        if environ is not None:
            build = partial(build, environ=environ)
        for number, profile in every_profile(settings):
            if profile.agent is None:
                if number or not settings.numbers:
                    key = f'numbers."{number}".agent' if number else "agent"
                    raise ConfigError(f"no agent: set {key}.kind to script, chat or web, and what that kind needs")
                continue
            factory = next((factory for wanted, factory in self._built if wanted == profile.agent), None)
            if factory is None:
                factory = build(profile.agent)
                self._built.append((profile.agent, factory))
            said_first = settings.telemetry.recording.announcement
            self.numbers[number] = AnnouncedAgents(factory, said_first) if said_first else factory

    async def prepare(self) -> None:
        """Open what the first call of each agent needs."""
        for _, factory in self._built:
            if isinstance(factory, PreparedFactory):
                await factory.prepare()

    async def close(self) -> None:
        """Let go of all agents' sockets."""
        for _, factory in self._built:
            await factory.close()


class ListeningOfProfile(msgspec.Struct, frozen=True):
    """The process's listening, with the recognisers of one profile."""

    listening: ListeningService
    recogniser: RecogniserSettings
    second: RecogniserSettings = NoRecogniserSettings()
    """Listens along, to be compared."""

    def open_call(self, deliver: Deliver, *, started_at: float) -> CallListening:
        """Begin to listen to a call that started at `started_at` (`time.monotonic`)."""
        return self.listening.open_call(deliver, started_at=started_at, recogniser=self.recogniser, second=self.second)


class SpeechOfProfile(msgspec.Struct, frozen=True):
    """The process's speech, with the voice of one profile where an agent names none."""

    speech: SpeechService
    voice: str | None
    language: str = ""
    """In which agents write; empty: that of the voice."""
    filler: str = ""
    """Bridges an answer that is late under pressure."""

    def open_call(self, deliver: Deliver, *, audio_format: AudioFormat) -> CallSpeech:
        """Begin to speak on a call, in its line's format."""
        return self.speech.open_call(
            deliver, audio_format=audio_format, voice=self.voice, language=self.language, filler=self.filler
        )


def call_profiles(
    settings: Settings, agents: Mapping[str, AgentFactory], listening: ListeningService, speech: SpeechService
) -> CallProfiles:
    """Return what calls are held with, by number. `agents` are by number, those of all others under the empty key."""

    def profile(number: str, its: NumberSettings) -> CallProfile:
        ears = ListeningOfProfile(listening, its.recogniser, its.second_recogniser)
        voice = SpeechOfProfile(speech, its.voice or None, _read_in(its), its.call.filler)
        kind = "" if its.agent is None else str(type(its.agent).__struct_config__.tag)
        return CallProfile(its.call, CallServices(ears, voice, agents[number]), kind)

    found = {number: profile(number, its) for number, its in every_profile(settings) if number in agents}
    return CallProfiles(settings.call, found.pop("", None), found)


def fixed_lines(settings: Settings, agents: Mapping[str, AgentFactory]) -> list[FixedLine]:
    """Return what any call may hear word for word: `speaking.warm`, the agents' lines, our own apologies and goodbyes.

    Each in the voices of the numbers where it is said, without repeats.
    """
    found: dict[FixedLine, None] = {}
    for number, its in every_profile(settings):
        if number in agents or not agents:
            found |= dict.fromkeys(_lines_of(its, settings, agents.get(number)))
    return list(found)


def _read_in(its: NumberSettings) -> str:
    """The language in which a number's texts are read; empty: the voice's own.

    "en" is what stands there when nobody has said anything: the voice's own English is meant.
    """
    return "" if its.call.language == "en" else its.call.language


def _lines_of(its: NumberSettings, settings: Settings, agents: AgentFactory | None) -> Iterator[FixedLine]:
    call = its.call
    last = call.fallback.text if call.fallback.transfer else call.last_apology
    own = (call.not_understood, call.apology, last, call.goodbye, call.time_is_up, call.shutdown, call.filler)
    lines = [FixedLine(text) for text in (*settings.speaking.warm, *own) if text]
    # The voice for all numbers needs no name: it is the one that speaks where none is named.
    voice = None if its.voice == settings.speaking.voice else its.voice or None
    for line in (*(agents.phrases() if agents else ()), *lines):
        yield FixedLine(line.text, line.voice or voice, line.language or _read_in(its))
