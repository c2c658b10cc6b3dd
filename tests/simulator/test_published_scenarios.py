"""Every scenario of `fixtures/scenarios` rings the example's receptionist by every carrier, in virtual time.

The service is the real one with the real recogniser; its voice is spelled in chords, so that the ear reads every word.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from bridge.agents.script_load import load_script
from bridge.agents.transfers import Transfers
from bridge.call.settings import CallSettings
from bridge.listening.recognisers import factory
from bridge.listening.recognisers.base import Capabilities, ExpectedSpeech, StreamListener
from bridge.listening.recognisers.utterances import Transcription, WholeUtterances
from bridge.listening.recognisers.whisper import Whisper
from bridge.listening.settings import OpenAITranscriptionSettings, WhisperSettings
from bridge.simulator.calls_in_tests import CityFixture, Heard
from bridge.simulator.carriers import CARRIERS
from bridge.simulator.spelled import reader, words_of
from tests.simulator.virtual_bridge import PUBLIC, TOKEN, virtual_bridge

FIXTURES = Path(__file__).parents[2] / "fixtures"
RECEPTIONIST = FIXTURES / "agents" / "appointment.yaml"
SCENARIOS = sorted(file.stem for file in (FIXTURES / "scenarios").glob("*.yaml"))
RECOGNISED_AFTER_S = 0.25
HeardOn = Callable[[str], dict[str, Heard]]


class WhisperInPlace:
    """The embedded recogniser without its processes, which virtual time does not reach."""

    name = "whisper"
    capabilities = Capabilities()

    def __init__(self, whisper: Whisper) -> None:
        self._whisper = whisper
        self._known: dict[bytes, Transcription] = {}

    async def load(self) -> None:
        """Do nothing: the model is loaded."""

    async def unload(self) -> None:
        """Do nothing: the model is needed again."""

    def start(self, expected: ExpectedSpeech, listener: StreamListener) -> WholeUtterances:
        return WholeUtterances(self._transcribe, expected, listener)

    async def _transcribe(self, ulaw: bytes, expected: ExpectedSpeech, _deadline_s: float) -> Transcription:
        await asyncio.sleep(RECOGNISED_AFTER_S)
        if ulaw not in self._known:
            found = self._whisper.recognise(ulaw, language=expected.language, hints=expected.hints)
            self._known[ulaw] = Transcription(found.text, found.confidence)
        return self._known[ulaw]


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(WhisperSettings())


@pytest.fixture(scope="module")
def heard_on(whisper: Whisper) -> Iterator[HeardOn]:
    """What every scenario's caller heard on a carrier, all of them ringing at once."""
    vocabulary = {word for line in load_script(RECEPTIONIST, Transfers()).phrases() for word in words_of(line.text)}
    ours = CallSettings()
    vocabulary |= {word for text in (ours.not_understood, ours.apology, ours.goodbye) for word in words_of(text)}
    understand = reader(vocabulary | set("0123456789"))

    @contextlib.asynccontextmanager
    async def serve(carrier: str) -> AsyncIterator[tuple[str, str]]:
        elsewhere = OpenAITranscriptionSettings(model="whisper")
        async with virtual_bridge(RECEPTIONIST, recogniser=elsewhere) as (_, origin):
            yield f"{PUBLIC}/{carrier}/{CARRIERS[carrier].dial_path}", origin

    @functools.cache
    def ring(carrier: str) -> dict[str, Heard]:
        city = CityFixture(FIXTURES / "scenarios", lambda _heard: None)
        files = [f"{name}.yaml" for name in SCENARIOS]
        calls = city(
            functools.partial(serve, carrier),
            files,
            auth_token=TOKEN,
            every_ms=170.0,
            understand=understand,
            natural_voice=False,
        )
        return dict(zip(SCENARIOS, calls, strict=True))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factory, "build_recogniser", lambda *_: WhisperInPlace(whisper))
        yield ring


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_published_scenario_rings_on_every_carrier(name: str, carrier: str, heard_on: HeardOn) -> None:
    heard_on(carrier)[name].check()
