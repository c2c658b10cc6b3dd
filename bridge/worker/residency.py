"""More voices than memory: the least recently used engines are unloaded, and loaded again when a stream asks for them.

An engine in use is never unloaded. No engine may be part of a reference cycle: then its memory is free at once, and
nobody's speech waits for the garbage collector. Loading is a step like any other, in the engine's own thread, so other
engines go on; its embeddings (`Engine.embeddings`) survive, and are handed to the loader again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path

from bridge.audio.encoder import Encoder, Samples
from bridge.audio.formats import MULAW_8000, AudioFormat
from bridge.worker.engines.base import Engine, Job, Step

log = logging.getLogger(__name__)

Loader = Callable[[Mapping[str, Samples]], Engine]
"""Makes the engine anew; gets the embeddings that it had."""
SAMPLE = "x" * 92
LOADING = "load"


class Residency:
    """How much memory there is, and who has it. Used by the loop's thread only, once serving."""

    def __init__(self, bound_bytes: int) -> None:
        self.bound_bytes = bound_bytes
        self.unloaded = 0
        """Engines put out so far."""
        self._engines: dict[ResidentEngine, None] = {}
        """Resident ones, the least recently used first."""

    @property
    def taken_bytes(self) -> int:
        """By all that are resident."""
        return sum(engine.size_bytes for engine in self._engines)

    def touch(self, engine: ResidentEngine) -> bool:
        """Make this engine resident and the latest used; False, changing nothing, when those in use leave no room.

        One that is larger than the bound gets in when it is alone.
        """
        missing = self.taken_bytes - self.bound_bytes + (0 if engine in self._engines else engine.size_bytes)
        victims: list[ResidentEngine] = []
        for other in self._engines:
            if missing <= 0:
                break
            if other is not engine and not other.users:
                victims.append(other)
                missing -= other.size_bytes
        if missing > 0 and engine not in self._engines and len(victims) < len(self._engines):
            return False
        for victim in victims:
            del self._engines[victim]
            victim.unload()
            self.unloaded += 1
        self._engines.pop(engine, None)
        self._engines[engine] = None
        return True


class _Deferred(Job):
    """A piece for an engine that may have to be loaded first."""

    kind: Hashable | None = LOADING

    def __init__(self, text: str, tokens: Sequence[str], voice: str, speed: float, expected_s: float) -> None:
        self.text, self.tokens, self.voice, self.speed = text, tokens, voice, speed
        self.inner: Job | None = None
        self._expected_s = expected_s
        self._cancelled = False

    @property
    def cost_s(self) -> float:
        return self._expected_s if self.inner is None else self.inner.cost_s

    def begin(self, engine: Engine) -> None:
        """Begin with the engine, which is there now."""
        self.inner = engine.begin(self.text, self.tokens, self.voice, self.speed)
        self.kind = self.inner.kind
        if self._cancelled:
            self.inner.cancel()

    def cancel(self) -> None:
        self._cancelled = True
        if self.inner is not None:
            self.inner.cancel()


class ResidentEngine(Engine):
    """An engine that comes and goes. What the worker asks of it between times is remembered."""

    def __init__(self, load: Loader, voices: Sequence[str], residency: Residency) -> None:
        self._load, self._residency = load, residency
        self._lock = threading.Lock()
        self._wanted = True
        self._warm = False
        self.users = 0
        """Streams that are using it."""
        self._embeddings: Mapping[str, Samples] = {}
        before = resident_bytes()
        engine = load({})
        self._inner: Engine | None = engine
        self.name, self.rate_hz, self.batch = engine.name, engine.rate_hz, engine.batch
        self._accents = {voice: engine.accent(voice) for voice in voices}
        self._languages = {voice: engine.language(voice) for voice in voices}
        self._models = {voice: engine.model(voice) for voice in voices}
        self._gains_db = {voice: engine.gain_db(voice) for voice in voices}
        self._encoder = engine.encoder(MULAW_8000, 1.0)
        self.size_bytes = engine.memory_bytes() or max(resident_bytes() - before, 0)
        self._load_s = 1.0
        self._cost_s = engine.cost_s(SAMPLE)
        residency.touch(self)

    @property
    def loaded(self) -> bool:
        """Whether the engine's weights are in memory."""
        return self._inner is not None

    # ---- coming and going -------------------------------------------------------------------------------------

    def acquire(self) -> bool:
        """Load the weights for a stream, making room by unloading others (`Engine.acquire`)."""
        if not self._residency.touch(self):
            return False
        with self._lock:
            self._wanted = True
        self.users += 1
        return True

    def release(self) -> None:
        """Take note that one stream less needs the weights (`Engine.release`)."""
        self.users -= 1

    def unload(self) -> None:
        """Give the memory back. A step that is still running keeps its own hold on the engine."""
        with self._lock:
            self._wanted = False
            inner, self._inner = self._inner, None
        if inner is None:
            return
        self._embeddings = inner.embeddings()
        self._cost_s = inner.cost_s(SAMPLE)
        inner.close()
        log.info("engine %s unloaded, %d MiB", self.name, self.size_bytes >> 20)

    def close(self) -> None:
        """Close the engine, if it is loaded."""
        if (inner := self._inner) is not None:
            inner.close()

    def _loaded(self) -> Engine:
        """The engine, loaded if need be. A stream that left meanwhile must not leave it behind."""
        engine = self._inner
        if engine is None:
            engine = self._load(self._embeddings)
            engine.warm()
            with self._lock:
                if self._wanted:
                    self._inner = engine
        return engine

    # ---- as an engine -----------------------------------------------------------------------------------------

    def model(self, voice: str) -> str:
        """The model's name, as it was at the first loading."""
        return self._models[voice]

    def language(self, voice: str) -> str:
        """The language that the voice says itself to speak, as it was at the first loading."""
        return self._languages[voice]

    def accent(self, voice: str) -> str:
        """The accent of the voice's front end, as it was at the first loading."""
        return self._accents[voice]

    def gain_db(self, voice: str) -> float:
        """The voice's gain in dB, as it was at the first loading."""
        return self._gains_db[voice]

    def memory_bytes(self) -> int:
        """The memory taken at the first loading: what the engine says itself, else by how much the process grew."""
        return self.size_bytes

    def embeddings(self) -> Mapping[str, Samples]:
        """The voices' embeddings, known also while the engine is unloaded."""
        inner = self._inner
        return self._embeddings if inner is None else inner.embeddings()

    def encoder(self, audio_format: AudioFormat, gain: float) -> Encoder:
        """Return an encoder of the engine's kind; it needs no weights."""
        return self._encoder.another(audio_format, gain)

    def cost_s(self, text: str) -> float:
        """Estimate a step's seconds, with the loading if that is still to come."""
        inner = self._inner
        if inner is not None:
            return inner.cost_s(text)
        return self._load_s + self._cost_s * (len(text) + 8) / (len(SAMPLE) + 8)

    def begin(self, text: str, tokens: Sequence[str], voice: str, speed: float) -> Job:
        """At once if it is loaded; otherwise its first step loads it."""
        job = _Deferred(text, tokens, voice, speed, self.cost_s(text))
        if (inner := self._inner) is not None:
            job.begin(inner)
        return job

    def run(self, jobs: Sequence[Job]) -> list[Step]:
        """One step of the engine, or its loading."""
        engine = self._loaded()
        deferred = [job for job in jobs if isinstance(job, _Deferred)]
        begun = [job.inner for job in deferred if job.inner is not None]
        if len(begun) < len(deferred):
            for job in deferred:
                job.begin(engine)
            return [Step() for _ in deferred]
        steps = engine.run(begun)
        for job, inner in zip(deferred, begun, strict=True):
            job.kind = inner.kind
        return steps

    def warm(self) -> None:
        """Only what is loaded; the rest when it is loaded."""
        if (inner := self._inner) is not None:
            inner.warm()


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * 4096
