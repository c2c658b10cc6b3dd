"""More voices than memory, with engines that are only a name and a size; then over a real socket."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.encoder import Samples
from bridge.errors import VoiceBusy
from bridge.worker.client import connect
from bridge.worker.engines.base import Engine, Step
from bridge.worker.main import listen
from bridge.worker.residency import Residency, ResidentEngine
from bridge.worker.server import Worker
from bridge.worker.settings import WorkerSettings
from bridge.worker.voice_settings import HibariVoiceSettings
from bridge.worker.voices import LoadedVoice, load_voices
from tests.worker.test_server import Tone, ToneEngine, heard, say


class Speaker(ToneEngine):
    """A tone of a given size in memory, with a style of its own that takes long to make."""

    def __init__(self, name: str, mib: int, style: Samples) -> None:
        super().__init__(name=name)
        self.mib, self.style = mib, style

    def memory_bytes(self) -> int:
        return self.mib << 20

    def embeddings(self) -> Mapping[str, Samples]:
        return {"style": self.style}


@dataclass
class Residents:
    residency: Residency
    loads: list[str] = field(default_factory=list)
    styles: dict[str, Samples] = field(default_factory=dict)
    alive: weakref.WeakSet[Speaker] = field(default_factory=weakref.WeakSet)

    def put(self, name: str, mib: int) -> ResidentEngine:
        def load(kept: Mapping[str, Samples]) -> Engine:
            self.loads.append(name)
            style = kept.get("style")
            speaker = Speaker(
                name, mib, np.random.default_rng().normal(size=4).astype("f4") if style is None else style
            )
            self.styles.setdefault(name, speaker.style)
            assert speaker.style is self.styles[name]
            self.alive.add(speaker)
            return speaker

        return ResidentEngine(load, [""], self.residency)


@pytest.fixture
def residents() -> Residents:
    return Residents(Residency(100 << 20))


def loaded(*engines: ResidentEngine) -> list[bool]:
    return [engine.loaded for engine in engines]


def speak(engine: Engine, text: str = "one two") -> list[Step]:
    job = engine.begin(text, text.split(), "", 1.0)
    steps = []
    while job.kind is not None:
        steps += engine.run([job])
    return steps


def test_the_least_recently_used_voice_makes_room(residents: Residents) -> None:
    first, second, third = (residents.put(name, 40) for name in ("first", "second", "third"))
    assert loaded(first, second, third) == [False, True, True]
    assert second.acquire()
    second.release()
    assert first.acquire()
    speak(first)
    assert loaded(first, second, third) == [True, True, False]
    assert {speaker.name for speaker in residents.alive} == {"first", "second"}


@pytest.mark.parametrize("graphs", [False, True])
def test_a_voice_in_torch_is_gone_without_the_garbage_collector(graphs: bool) -> None:
    torch_engine = pytest.importorskip("bridge.worker.engines.hibari_torch").HibariTorchEngine
    engine = torch_engine(device="cpu", graphs=graphs)
    speak(engine)
    gc.disable()
    try:
        gone = weakref.ref(engine)
        del engine
        assert gone() is None
    finally:
        gc.enable()


def test_an_unloaded_voice_speaks_as_before_with_its_own_style(residents: Residents) -> None:
    first = residents.put("first", 60)
    before, (style,) = speak(first), first.embeddings().values()
    residents.put("second", 60)
    assert not first.loaded
    assert first.embeddings()["style"] is style
    assert first.model("") == "tone-1"
    assert first.cost_s("text") > 0.5  # the loading is yet to come
    assert first.acquire()
    loading, *after = speak(first)
    assert len(loading.audio) == 0
    assert loading.words is None
    np.testing.assert_array_equal(after[0].audio, before[0].audio)
    assert residents.loads == ["first", "second", "first"]


def test_a_voice_in_use_is_never_unloaded(residents: Residents) -> None:
    first, second = residents.put("first", 60), residents.put("second", 60)
    assert second.acquire()
    assert not first.acquire()
    assert loaded(first, second) == [False, True]
    assert first.users == 0
    second.release()
    assert first.acquire()
    assert not second.acquire()


def test_a_voice_that_is_larger_than_the_bound_speaks_alone(residents: Residents) -> None:
    giant, other = residents.put("giant", 300), residents.put("other", 10)
    assert giant.acquire()
    assert loaded(other) == [False]


def test_a_stream_that_left_while_its_voice_was_loading_does_not_leave_it_behind(residents: Residents) -> None:
    first, second = residents.put("first", 60), residents.put("second", 60)
    assert first.acquire()
    job = first.begin("one", ["one"], "", 1.0)
    first.release()
    assert second.acquire()
    first.run([job])  # the step was on its way
    assert not first.loaded


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60))
def test_the_bound_holds_whoever_comes_and_goes(story: list[tuple[int, bool]]) -> None:
    residents = Residents(Residency(100 << 20))
    engines = [residents.put(str(index), 20 + 10 * index) for index in range(5)]
    for index, comes in story:
        engine = engines[index]
        if comes and engine.acquire():
            speak(engine)
        elif not comes and engine.users:
            engine.release()
        assert residents.residency.taken_bytes <= 100 << 20
        assert all(engine.loaded for engine in engines if engine.users)
        assert sum(engine.size_bytes for engine in engines if engine.loaded) <= 100 << 20


async def test_voices_take_turns_over_a_socket(residents: Residents) -> None:
    voices = {name: LoadedVoice(residents.put(name, 60), "", 1.0) for name in ("first", "second")}
    worker = Worker(WorkerSettings(port=0, voices={}, memory_mib=100), voices)
    await worker.start()
    server = web.AppRunner(worker.application(), shutdown_timeout=0.1)
    await server.setup()
    try:
        async with await connect(await listen(server, worker.settings)) as link:
            for voice in ("first", "second", "first"):
                assert (await heard(say(link, "one two", voice)))[1] == ["one", "two"]
            waiting = link.open("first")
            with pytest.raises(VoiceBusy, match="all memory"):
                await heard(say(link, "one", "second"))
            waiting.text("three")
            waiting.end()
            assert (await heard(waiting))[1] == ["three"]
    finally:
        await server.cleanup()
        await worker.close()
    assert residents.loads == ["first", "second", "first", "second", "first"]


def test_a_bound_in_the_settings_bounds_real_voices() -> None:
    settings = WorkerSettings(voices={"heart": HibariVoiceSettings()}, memory_mib=1)
    engine = load_voices(settings)["heart"].engine
    assert isinstance(engine, ResidentEngine)
    assert engine.size_bytes > 0
    assert len(speak(engine, "Hello there.")[0].audio) > 4000


def test_cancelling_reaches_the_engines_job_however_early(residents: Residents) -> None:
    class Noticing(Tone):
        cancelled = threading.Event()

        def cancel(self) -> None:
            self.cancelled.set()

    class Engine2(ToneEngine):
        def begin(self, text: str, tokens: Sequence[str], voice: str, speed: float) -> Tone:
            return Noticing(text)

    engine = ResidentEngine(lambda kept: Engine2(), [""], residents.residency)
    engine.unload()
    job = engine.begin("one", ["one"], "", 1.0)
    job.cancel()
    assert not Noticing.cancelled.is_set()
    assert engine.acquire()
    engine.run([job])
    assert Noticing.cancelled.is_set()
