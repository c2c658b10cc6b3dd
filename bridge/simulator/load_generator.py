"""One process of the load: places calls, keeps them on an absolute 20 ms schedule, listens to each, counts.

A call's caller follows the clock alone and speaks at set times, whatever is heard. That costs next to nothing, and
still makes every reply, stop and hole measurable from what was played.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import msgspec

from bridge.errors import BadMessage
from bridge.simulator import processes
from bridge.simulator.carriers.base import CarrierError, MediaStream, Message
from bridge.simulator.carriers.verbs import Stream
from bridge.simulator.load_wire import MediaSocket
from bridge.simulator.remedies import remedy
from bridge.simulator.sound import (
    FRAME_SAMPLES,
    RATE_HZ,
    SILENCE,
    Sound,
    at_level,
    from_ulaw,
    level_db,
    read_wav,
    to_ulaw,
)
from bridge.simulator.sound import stretches as sounding
from bridge.simulator.trunk import Trunk, Webhooks, new_call
from bridge.system.lifetime import when_parent_dies

FRAME_S = 0.020
PHASES = 10
"""Calls of a process are spread over this many moments of each 20 ms."""
VOICES = 7
VOICE_SHIFT_S = 0.17
"""Callers speak at different moments: else all of them would talk over the same syllable, or meet the same pause."""
ANSWER_MS = 6000
"""An answer that takes longer is none."""


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each caller does: speak `recordings` in turn, first at about `first_at_s`, then every `every_s`."""

    recordings: tuple[str, ...]
    first_at_s: float = 3.0
    every_s: float = 9.0
    length_s: float = 30.0
    """Then the caller hangs up, and another one rings."""


class LoadMeasures(msgspec.Struct, kw_only=True):
    """What was measured, summed over calls; of one process or of all."""

    active: int = 0
    placed: int = 0
    finished: int = 0
    refused: int = 0
    failed: int = 0
    reasons: dict[str, int] = msgspec.field(default_factory=dict)
    remedy: str = ""
    """What to look at, from the first call that did not come about."""
    call_s: float = 0.0
    first_audio_ms: list[float] = msgspec.field(default_factory=list)
    reply_ms: list[float] = msgspec.field(default_factory=list)
    stop_ms: list[float] = msgspec.field(default_factory=list)
    silent: int = 0
    """Calls in which the bot was not heard at all."""
    unanswered: int = 0
    underruns: int = 0
    bot_s: float = 0.0
    """Bot speech heard."""
    lead_ms: list[float] = msgspec.field(default_factory=list)
    warnings: int = 0
    late_ms: list[float] = msgspec.field(default_factory=list)
    """Our own lateness, sampled once a tick and phase."""
    cpu_s: float = 0.0
    wall_s: float = 0.0

    def add(self, other: LoadMeasures) -> None:
        """Add what another process or call measured."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            if name == "reasons":
                for reason, count in theirs.items():
                    mine[reason] = mine.get(reason, 0) + count
            elif isinstance(mine, list):
                mine.extend(theirs)
            elif isinstance(mine, str):
                self.remedy = mine or theirs
            else:
                setattr(self, name, mine + theirs)

    def fail(self, reason: str) -> None:
        """A call that was not what it should have been."""
        self.failed += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


class Voice:
    """The caller's side of many calls, encoded once: base64 of each frame, and when they speak.

    `later_s` shifts all that they say.
    """

    def __init__(self, job: Job, later_s: float = 0.0) -> None:
        sounds = [at_level(read_wav(Path(name)), -20.0) for name in job.recordings]
        samples = round(job.length_s * RATE_HZ)
        line = bytearray((SILENCE,)) * samples
        self.spoken_ms: list[tuple[int, int]] = []
        at_s, index = job.first_at_s + later_s, 0
        while sounds and at_s * RATE_HZ + len(sounds[index % len(sounds)]) < samples:
            sound: Sound = sounds[index % len(sounds)]
            first = round(at_s * RATE_HZ)
            line[first : first + len(sound)] = to_ulaw(sound)
            loud = sounding(sound)
            self.spoken_ms.append((round(at_s * 1000) + loud[0][0], round(at_s * 1000) + loud[-1][1]))
            at_s, index = at_s + job.every_s, index + 1
        self.frames = [
            base64.b64encode(line[at : at + FRAME_SAMPLES])
            for at in range(0, samples // FRAME_SAMPLES * FRAME_SAMPLES, FRAME_SAMPLES)
        ]


class _Call:
    """One call in progress, as the generator drives it."""

    def __init__(self, stream: MediaStream, voice: Voice) -> None:
        self.stream = stream
        self.socket: MediaSocket | None = None
        self.over = asyncio.get_running_loop().create_future()
        self.began = 0.0
        self.next_frame = 0
        self._voice = voice
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._head = f',"streamSid":"{stream.stream_sid}","media":{{"track":"inbound","chunk":"'.encode()

    def on_text(self, text: bytes) -> None:
        now = self._loop.time() - self.began
        for message in self.stream.receive(text.decode(), now):
            self._send(message)
        self._arm()

    def on_close(self, code: int | None) -> None:
        if not self.over.done():
            self.over.set_result(code)

    def tick(self, now: float) -> None:
        """Send every frame that is due; more than one after a hold-up."""
        while self.next_frame < len(self._voice.frames) and self.began + (self.next_frame + 1) * FRAME_S <= now + 1e-4:
            number = self.next_frame
            self.next_frame += 1
            if self.socket is not None:
                self.socket.send(
                    b'{"event":"media","sequenceNumber":"%d"%b%d","timestamp":"%d","payload":"%b"}}'
                    % (number + 2, self._head, number + 1, number * 20, self._voice.frames[number])
                )
        if self.next_frame >= len(self._voice.frames) and not self.over.done():
            self._send(self.stream.stop())
            if self.socket is not None:
                self.socket.close()
            self.over.set_result(-1)

    async def finish(self) -> LoadMeasures:
        """Listen to what was heard. In a thread: the other calls' frames are due meanwhile."""
        if self._timer is not None:
            self._timer.cancel()
        if self.socket is not None:
            self.socket.close()
        length_s = self._loop.time() - self.began
        return await asyncio.to_thread(measure, self.stream, self._voice.spoken_ms, length_s)

    def _send(self, message: Message | None) -> None:
        """Load speaks Twilio's protocol, in which everything is text."""
        if self.socket is not None and isinstance(message, str):
            self.socket.send(message.encode())

    def _arm(self) -> None:
        at = self.stream.next_mark_at
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if at is None else self._loop.call_at(self.began + at + 1e-4, self._marks_due)

    def _marks_due(self) -> None:
        for message in self.stream.advance(self._loop.time() - self.began):
            self._send(message)
        self._arm()


def measure(stream: MediaStream, spoken_ms: Sequence[tuple[int, int]], length_s: float) -> LoadMeasures:
    """What the ear makes of one call's playout; `spoken_ms` is when the caller spoke."""
    tally = LoadMeasures()
    stream.advance(length_s)
    bot = from_ulaw(stream.heard)
    heard = sounding(bot, join_ms=300)
    tally.call_s += length_s
    tally.bot_s += sum(end - start for start, end in heard) / 1000.0
    tally.warnings += len(stream.warnings)
    tally.lead_ms += [round(one.lead_ms) for one in stream.received if one.kind == "media"][::7]
    tally.underruns += sum(
        end - first < 2 * RATE_HZ and level_db(bot[max(0, first - 160) : first]) > -45.0 for first, end in stream.idle
    )
    if heard:
        tally.first_audio_ms.append(heard[0][0])
    else:
        tally.silent += 1
    for begin, end in spoken_ms:
        if end > length_s * 1000 - ANSWER_MS:
            break
        over = next((one for one in heard if one[0] < begin < one[1] - 100), None)
        if over is not None and over[1] < end + 1000:
            tally.stop_ms.append(over[1] - begin)
        answer = next((start for start, _ in heard if start >= end - 50), None)
        if answer is not None and answer - end <= ANSWER_MS:
            tally.reply_ms.append(max(0, answer - end))
        else:
            tally.unanswered += 1
    return tally


class Generator:
    """Holds `target` calls up at any time."""

    def __init__(self, trunk: Trunk, job: Job, name: str, session: aiohttp.ClientSession | None = None) -> None:
        self.tally = LoadMeasures()
        self.target = 0
        self._trunk = trunk
        self._name = name
        self._voices = [Voice(job, number * VOICE_SHIFT_S) for number in range(VOICES)]
        self._phases: list[set[_Call]] = [set() for _ in range(PHASES)]
        self._tasks: set[asyncio.Task[None]] = set()
        self._placed = 0
        self._loop = asyncio.get_running_loop()
        self._origin = self._loop.time()
        self._session = session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._since = time.process_time(), time.perf_counter()
        for phase in range(PHASES):
            self._loop.call_at(self._origin + phase * FRAME_S / PHASES, self._tick, phase, 0)

    def _tick(self, phase: int, count: int) -> None:
        due = self._origin + phase * FRAME_S / PHASES + count * FRAME_S
        now = self._loop.time()
        calls = self._phases[phase]
        if calls:
            self.tally.late_ms.append((now - due) * 1000.0)
        for call in list(calls):
            call.tick(now)
        self._loop.call_at(due + FRAME_S, self._tick, phase, count + 1)

    def hold(self) -> None:
        """Place a call if one is missing. Called often: calls begin one after the other, not all at once."""
        if len(self._tasks) < self.target:
            task = self._loop.create_task(self._one_call())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _one_call(self) -> None:
        self._placed += 1
        self.tally.placed += 1
        phase = self._placed % PHASES
        call = None
        try:
            call = await self._connect(phase)
            if call is None:
                self.tally.refused += 1
                self._look_at(None)
                await asyncio.sleep(1.0)  # a caller who was turned away tries again a little later
                return
            self._phases[phase].add(call)
            code = await call.over
            if code == -1:
                self.tally.finished += 1
            else:
                self.tally.fail(f"closed by the server with {code}")
        except (BadMessage, OSError, aiohttp.ClientError, TimeoutError) as error:
            status = f" ({error.status})" if isinstance(error, CarrierError) and error.status else ""
            self.tally.fail((str(error).split(": http")[0] or type(error).__name__) + status)
            if call is None:
                self._look_at(error)
            await asyncio.sleep(1.0)
        finally:
            if call is not None:
                self._phases[phase].discard(call)
                measured = await call.finish()
                self.tally.add(measured)

    def _look_at(self, error: Exception | None) -> None:
        """Notes what to look at, where a call did not come about; None: it was turned away."""
        if not self.tally.remedy:
            trouble = error if isinstance(error, CarrierError) or error is None else _unopened(error)
            trunk = self._trunk
            self.tally.remedy = remedy(trouble, trunk.company, trunk.url, trunk.connect_to, "rejected")

    async def _connect(self, phase: int) -> _Call | None:
        """Webhook, document, socket, start; None when the server turned the call away."""
        company = self._trunk.company
        number = f"+1500555{self._placed % 10_000:04}"  # one of their own, as services bound the calls of a number
        identity = new_call(number, "+15005550010", f"{self._name}/{self._placed}", self._trunk.carrier)
        webhooks = Webhooks(self._trunk, identity, self._session)
        verbs, _ = await webhooks.document(webhooks.dialled())
        verb = next((one for one in verbs if isinstance(one, Stream)), None)
        if verb is None:
            return None
        url = urljoin(self._trunk.url.replace("http", "ws", 1), verb.url)
        stream = company.open_stream(identity, identity.stream_sid, verb, 0.0)
        call = _Call(stream, self._voices[self._placed % VOICES])
        call.began = self._loop.time()
        socket = await MediaSocket.connect(
            webhooks.real_address(url), webhooks.socket_headers(url, verb), call.on_text, call.on_close
        )
        # The call's frames are due at its process's common moments, so that one timer serves all of a phase.
        passed = self._loop.time() - self._origin - phase * FRAME_S / PHASES
        call.began = self._origin + phase * FRAME_S / PHASES + int(passed / FRAME_S) * FRAME_S
        call.socket = socket
        for message in (stream.connected(), stream.start()):
            call._send(message)
        return call

    def take_tally(self) -> LoadMeasures:
        """What happened since the last time."""
        taken, self.tally = self.tally, LoadMeasures()
        cpu, wall = time.process_time(), time.perf_counter()
        taken.cpu_s, taken.wall_s = cpu - self._since[0], wall - self._since[1]
        taken.active = sum(len(phase) for phase in self._phases)
        self._since = cpu, wall
        return taken

    async def close(self) -> None:
        """End all calls where they are; what they heard counts."""
        self.target = 0
        for phase in self._phases:
            for call in list(phase):
                call._send(call.stream.stop())
                if not call.over.done():
                    call.over.set_result(-1)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10.0)
        await self._session.close()


def _unopened(error: Exception) -> CarrierError:
    """A media socket that was answered with something else, or by nobody."""
    return CarrierError(str(error), "handshake" if isinstance(error, BadMessage) else "refused")


def main(pipe: Connection, trunk: Trunk, job: Job, name: str, spacing_s: float) -> None:
    """A generator process: takes target numbers from the pipe (None ends it), sends a tally back for each `?`."""
    processes.most_descriptors()
    runner: asyncio.Runner
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner, contextlib.suppress(KeyboardInterrupt):
        runner.run(_serve(pipe, trunk, job, name, spacing_s))


def _leave() -> None:
    """Whoever ordered these calls is gone, and nobody will ask what came of them."""
    os._exit(1)


async def _serve(pipe: Connection, trunk: Trunk, job: Job, name: str, spacing_s: float) -> None:
    import gc

    when_parent_dies(asyncio.get_running_loop(), _leave)
    generator = Generator(trunk, job, name)
    gc.collect()
    gc.freeze()
    running = True
    while running:
        await asyncio.sleep(spacing_s)
        generator.hold()
        while pipe.poll():
            try:
                order = pipe.recv()
            except EOFError:
                _leave()
            if order is None:
                running = False
            elif order == "?":
                pipe.send_bytes(msgspec.msgpack.encode(generator.take_tally()))
            else:
                generator.target = order
    await generator.close()
    pipe.send_bytes(msgspec.msgpack.encode(generator.take_tally()))
