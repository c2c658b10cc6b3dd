"""Callers beside an attack: a gateway with a real voice in this thread, three who listen, the attackers elsewhere."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec

from bridge.agents.settings import WebSettings
from bridge.agents.web import WebFactory
from bridge.call.actions import Action, Prompt, Say
from bridge.gateway.server import Gateway
from bridge.gateway.settings import SpeechApiSettings
from bridge.session.ports import CallServices, Deliver
from bridge.session.profiles import CallProfile, CallProfiles
from bridge.simulator.processes import usage
from bridge.speaking.settings import CacheSettings, SpeakingSettings
from bridge.speaking.speech import SpeechService
from bridge.store.memory import MemoryStore
from bridge.store.redis import RedisStore
from tests.attacks.attacks import ROUND_S, Attack, Target, again_and_again
from tests.attacks.hostile import HostileAgent, HostileRedis
from tests.attacks.probe import LoopProbe, budget_ms
from tests.gateway.carrier import CALL_SETTINGS, RINGING, SECRET, SETTINGS, TOKEN, Carrier, Leg
from tests.gateway.doubles import QuietEar, ServiceDoubles

T = TypeVar("T")
SENTENCE = "Thank you for calling, we shall be with you as soon as we can, and not a moment later."
HOSTILE = "+15005550020"
API_KEY, METRICS_TOKEN = "key-of-a-program-that-is-up-to-no-good", "token-of-an-operator"
CALLERS = 3
HEARD_S = 0.4
"""What each caller hears beside one try of an attack, at least."""
BYTES_PER_S = 8000
FRAME_S = 0.02
GAP_S = 0.02
"""Silence within speech that counts as a gap."""
GROWTH_MIB = 64
GROWTH_SHARE = 0.05
"""Of a process that is large itself, as one that has run other tests before: its allocator rounds by more."""
TRIES = 5
"""Again, before an attack is said to do harm."""


class ForgetfulEars:
    """Listening that hears nothing and, unlike the doubles of other tests, keeps no call that is over."""

    def open_call(self, deliver: Deliver, *, started_at: float) -> QuietEar:
        return QuietEar(deliver)


class Elsewhere:
    """A thread with a loop of its own: whoever is there holds no callback of ours."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10.0)


class Caller:
    """Somebody on the line: silent, plays what comes at the pace of a telephone, and notes when nothing is left."""

    def __init__(self, leg: Leg) -> None:
        leg.answers_marks = False  # they are answered when they were played
        self._leg = leg
        self._loop = asyncio.get_running_loop()
        self._empty_at = 0.0
        self._sound_at = (self._loop.time(), time.thread_time())
        """When sound came last, and how much processor time this thread had had by then."""
        self._late_s = 0.0
        self.gaps: list[float] = []
        """Seconds of each, since `forget`; not those in which this machine had no time for us."""
        self.heard_s = 0.0
        self.cut_off = False
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._speak())]

    def forget(self) -> None:
        self.gaps, self.heard_s = [], 0.0

    async def until_heard(self, seconds: float) -> None:
        """Returns when so much was heard since `forget`, or the line is dead. Raises TimeoutError."""
        async with asyncio.timeout(60):
            while self.heard_s < seconds and not self.cut_off:
                await asyncio.sleep(FRAME_S)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._leg.socket.close()

    async def _speak(self) -> None:
        due = self._loop.time()
        with suppress(aiohttp.ClientConnectionResetError):
            while True:
                due += FRAME_S
                await asyncio.sleep(due - self._loop.time())
                self._late_s = max(self._late_s, self._loop.time() - due)
                await self._leg.media(b"\xff" * 160)

    async def _listen(self) -> None:
        at = 0
        while (message := await self._take()) is not None:
            now = self._loop.time()
            if message["event"] == "media":
                length, at = len(self._leg.audio) - at, len(self._leg.audio)
                if self._empty_at and now > self._empty_at + GAP_S and not self._starved(now):
                    self.gaps.append(now - self._empty_at)
                self._sound_at, self._late_s = (now, time.thread_time()), 0.0
                self._empty_at = max(now, self._empty_at) + length / BYTES_PER_S
                self.heard_s += length / BYTES_PER_S
            elif message["event"] == "mark":
                self._loop.call_at(max(now, self._empty_at), self._played, message)
        self.cut_off = True

    def _starved(self, now: float) -> bool:
        """Whether other programs had the processor: the loop was late, and not because it was at work."""
        sound_at, worked_s = self._sound_at
        return self._late_s > GAP_S and time.thread_time() - worked_s < (now - sound_at) / 2

    async def _take(self) -> dict[str, Any] | None:
        try:
            return await self._leg.take()
        except AssertionError:
            return None

    def _played(self, mark: dict[str, Any]) -> None:
        self._tasks.append(asyncio.create_task(self._echo(mark)))

    async def _echo(self, mark: dict[str, Any]) -> None:
        with suppress(aiohttp.ClientConnectionResetError):
            await self._leg.send(mark)


@dataclass
class Harm:
    """What one try of an attack did to others, and to the process."""

    attack: str
    rounds: int = 0
    gaps: list[float | None] = field(default_factory=list)
    """Seconds of each; None where callers count them without measuring how long they were."""
    refused: int = 0
    cut_off: int = 0
    held_ms: float = 0.0
    """The longest that one callback held the loop, in processor time."""
    whose: str = ""
    allowed_ms: float = 0.0
    before_mib: float = 0.0
    after_mib: float = 0.0

    @property
    def found(self) -> list[str]:
        """In words; nothing when nobody was harmed."""
        found = []
        if self.gaps:
            longest = max((gap for gap in self.gaps if gap is not None), default=None)
            length = "of unknown length" if longest is None else f"of up to {longest * 1000:.0f} ms"
            found.append(f"{len(self.gaps)} {'gap' if len(self.gaps) == 1 else 'gaps'} {length} heard")
        if self.refused:
            found.append(f"{self.refused} callers were refused, or heard nothing")
        if self.cut_off:
            found.append(f"{self.cut_off} calls were cut off")
        if self.held_ms > self.allowed_ms:
            found.append(f"{self.whose} held the loop for {self.held_ms:.1f} ms, at most {self.allowed_ms:.1f} allowed")
        if self.after_mib - self.before_mib > max(GROWTH_MIB, self.before_mib * GROWTH_SHARE):
            found.append(f"{self.after_mib - self.before_mib:.0f} MiB more memory")
        return found

    def least(self, other: Harm) -> Harm:
        """What both tries of an attack have in common: an attack that does harm does it each time."""
        held, quieter = min((self.held_ms, self), (other.held_ms, other), key=lambda one: one[0])
        return Harm(
            self.attack,
            self.rounds + other.rounds,
            min(self.gaps, other.gaps, key=len),
            min(self.refused, other.refused),
            min(self.cut_off, other.cut_off),
            held,
            quieter.whose,
            max(self.allowed_ms, other.allowed_ms),
            self.before_mib,
            other.after_mib,
        )

    def line(self) -> str:
        """One line of the table."""
        return (
            f"{self.attack:<24} {self.rounds:>6} {len(self.gaps):>5} {self.refused:>8} {self.cut_off:>8} "
            f"{self.held_ms:>8.2f} {self.before_mib:>8.0f} {self.after_mib:>7.0f}  {self.whose}"
        )


HEADING = (
    f"{'attack':<24} {'rounds':>6} {'gaps':>5} {'refused':>8} {'cut off':>8} "
    f"{'held ms':>8} {'MiB':>8} {'after':>7}  longest callback"
)


class Neighbours:
    """The service under attack, and who is on the line."""

    def __init__(self, carrier: Carrier, elsewhere: Elsewhere, target: Target, probe: LoopProbe) -> None:
        self._carrier = carrier
        self._elsewhere = elsewhere
        self._target = target
        self._probe = probe
        self._callers: list[Caller] = []
        self._rung = 0

    async def least_harm(self, name: str, attack: Attack, heard_s: float = HEARD_S) -> Harm:
        """What an attack does to others each time that it is tried, as a line of the table, too.

        What does harm does it each time; what a busy machine did to one try, it does not do to all of them.
        """
        harm = await self._beside(name, attack, heard_s)
        for _ in range(TRIES):
            if harm.found:
                harm = harm.least(await self._beside(name, attack, heard_s))
        print(harm.line(), *harm.found, sep="\n    ", flush=True)
        return harm

    async def _beside(self, name: str, attack: Attack, heard_s: float) -> Harm:
        """One try: two rounds at least, and more until everybody has heard `heard_s` of speech."""
        harm = Harm(name, allowed_ms=budget_ms())
        while len(self._callers) < CALLERS:
            self._callers.append(await self._ring())
        for caller in self._callers:
            await caller.until_heard(0.1)
            caller.forget()
        harm.before_mib = _mib()
        self._probe.forget()
        heard = asyncio.gather(*(caller.until_heard(heard_s) for caller in self._callers))
        attacking = self._elsewhere.begin(
            again_and_again(attack, self._target, lambda rounds: rounds >= 2 and heard.done())
        )
        newcomer = asyncio.create_task(self._newcomer())
        await heard
        harm.rounds = await attacking
        harm.refused = int(not await newcomer)
        harm.held_ms, harm.whose = self._probe.worst_ms, self._probe.whose
        harm.after_mib = _mib()
        harm.gaps = [gap for caller in self._callers for gap in caller.gaps]
        harm.cut_off = sum(caller.cut_off for caller in self._callers)
        self._callers = [caller for caller in self._callers if not caller.cut_off]
        return harm

    async def close(self) -> None:
        for caller in self._callers:
            await caller.close()

    async def _ring(self) -> Caller:
        self._rung += 1
        return Caller(await self._carrier.call(f"CA{self._rung:032x}", f"MZ{self._rung:032x}"))

    async def _newcomer(self) -> bool:
        """Whether somebody who calls beside the attack is taken, and hears something."""
        try:
            caller = await self._ring()
            await caller.until_heard(0.2)
        except (AssertionError, TimeoutError, aiohttp.ClientError):
            return False
        heard = caller.heard_s > 0.0
        await caller.close()
        return heard


def speak_on(prompt: Prompt) -> list[Action]:
    """A long answer of one sentence that is ready, so that a gap is the loop's doing and nobody else's.

    Said sentence by sentence: what it takes to cut all of it at once would hide what an attack takes.
    """
    if prompt.kind != "call_started":
        return []
    return [Say(SENTENCE + " ", number < 35, "protected") for number in range(36)]


@asynccontextmanager
async def neighbours(voice_address: str, cache: Path, *, with_redis: bool = False) -> AsyncIterator[Neighbours]:
    """A gateway with the real voice, calm callers, and everything that an attack may need."""
    elsewhere, agent, redis = Elsewhere(), HostileAgent(), HostileRedis()
    doubles = ServiceDoubles(speak_on)
    gateway: Gateway | None = None
    at_agent, at_redis = agent.listening(), redis.listening()
    agent_url, redis_url = await elsewhere.begin(at_agent.__aenter__()), await elsewhere.begin(at_redis.__aenter__())
    if not with_redis:
        redis_url = ""
    speech = SpeechService(
        SpeakingSettings(workers=(voice_address,), cache=CacheSettings(disk_path=str(cache))), redis_url=redis_url
    )
    store = RedisStore(redis_url, secret=SECRET.encode()) if redis_url else MemoryStore()
    bad = WebFactory(WebSettings(url=agent_url))
    http = aiohttp.ClientSession()
    attackers = await elsewhere.begin(_session())
    probe = LoopProbe()
    try:
        await speech.start()
        await speech.warm([SENTENCE])
        await store.start()
        gateway = Gateway(
            msgspec.structs.replace(
                SETTINGS,
                speech_api=SpeechApiSettings(requests_per_minute=100_000),
            ),
            CallProfiles(
                CALL_SETTINGS,
                CallProfile(CALL_SETTINGS, CallServices(ForgetfulEars(), speech, doubles.agents)),
                {HOSTILE: CallProfile(CALL_SETTINGS, CallServices(ForgetfulEars(), speech, bad))},
            ),
            [_twilio()],
            store=store,
            speech=speech,
            ticket_secret=SECRET,
            environ={"BRIDGE_API_KEYS": API_KEY, "BRIDGE_METRICS_TOKEN": METRICS_TOKEN},
        )
        await gateway.start("127.0.0.1", 0)
        gateway.open_doors()
        carrier = Carrier(gateway, doubles, http)
        visitor = Visitor(Carrier(gateway, doubles, attackers), agent)
        target = Target(carrier.base, attackers, API_KEY, METRICS_TOKEN, agent=agent, redis=redis, ring=visitor.ring)
        with probe:
            beside = Neighbours(carrier, elsewhere, target, probe)
            try:
                yield beside
            finally:
                await beside.close()
    finally:
        await elsewhere.begin(attackers.close())
        if gateway is not None:
            await gateway.stop()
        await http.close()
        await bad.close()
        await store.close()
        await speech.close()
        await elsewhere.begin(at_agent.__aexit__(None, None, None))
        await elsewhere.begin(at_redis.__aexit__(None, None, None))
        elsewhere.close()


class Visitor:
    """Rings at the number of the hostile agent, from elsewhere."""

    def __init__(self, carrier: Carrier, agent: HostileAgent) -> None:
        self._carrier = carrier
        self._agent = agent
        self._rung = 0

    async def ring(self) -> None:
        """Ring, and stay until the agent has answered and something was heard, or the call is over."""
        self._rung += 1
        call, stream = f"CA{self._rung:031x}f", f"MZ{self._rung:031x}f"
        document = await self._carrier.document("/twilio/voice", {**RINGING, "CallSid": call, "To": HOSTILE})
        leg = Leg(await self._carrier.open(), call, stream)
        await leg.start({one.attrib["name"]: one.attrib["value"] for one in document.iter("Parameter")})
        with suppress(TimeoutError, AssertionError):
            async with asyncio.timeout(ROUND_S / 10):
                await self._agent.over.wait()
                await leg.until_audio(BYTES_PER_S // 10)
        await leg.socket.close()


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ROUND_S), connector=aiohttp.TCPConnector(limit=64))


def _twilio() -> Any:
    from bridge.carriers.twilio.carrier import TwilioCarrier

    return TwilioCarrier((TOKEN,))


def _mib() -> float:
    return usage(os.getpid()).memory[os.getpid()] / (1 << 20)
