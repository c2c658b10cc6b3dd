"""`python -m tests.attacks [URL]`: hold calls, attack the service beside them, and print what the callers heard.

Without URL every attack there is, on a gateway of its own with a real voice: how long each held the loop is measured in
its process. With URL, the voice webhook of a service that runs on this machine, what outsiders can send, and what
programs can whose key is in BRIDGE_API_KEYS or whose token in BRIDGE_METRICS_TOKEN. The service must have been started
with this URL's beginning as its PUBLIC_URL, since that is what calls are signed over, and with the same
TWILIO_AUTH_TOKEN as this command:

    export PUBLIC_URL=http://127.0.0.1:8080 TWILIO_AUTH_TOKEN=a-secret
    bridge serve -c fixtures/peer-job.yaml --port 8080 &
    python -m tests.attacks --calls 20 http://127.0.0.1:8080/twilio/voice

An attack has done harm when a caller heard a gap, was refused or cut off, when the loop was held, when the service did
not answer afterwards, or when its memory was not flat: more than 256 MiB above that before at any time, still growing
by more than 32 MiB in the last quarter of the attack, or still 64 MiB above half a minute later (in the service's own
process here: 64 MiB after each attack).

Attackers, callers and service share this machine, whereas outsiders bring their own. So attackers at URL get only the
processor time that nobody else wants (--rate bounds them, too), and where callers were harmed the same attack is sent
to a server that only refuses, beside the same callers of the service: when they are harmed by that as well, the
machine was too busy to measure, which is no pass.

Exit status 1 when an attack has done harm, 2 when nothing could be tried because no call came about at URL before the
first attack, 3 when none has, but this machine was too busy to measure all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from bridge.errors import BridgeError
from bridge.simulator.load import Load, Step
from bridge.simulator.load_generator import Job
from bridge.simulator.processes import listening_on
from bridge.simulator.trunk import Trunk
from bridge.system.connections import raise_descriptor_limit
from bridge.system.lifetime import die_with_parent
from tests.attacks.aside import Memory, sink
from tests.attacks.attacks import (
    ATTACKS,
    OUTSIDERS,
    ROUND_S,
    TENANTS,
    Attack,
    Target,
    again_and_again,
    require_loopback,
)
from tests.attacks.neighbours import HEADING, Elsewhere, Harm, neighbours

CALLERS = Path(__file__).parents[2] / "fixtures" / "callers"


class CountedLogs(logging.Handler):
    """Counts what the service logs, kind by kind, in place of printing it between the lines of the table."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        said = re.sub(r"\d+", "#", record.getMessage().partition("\n")[0])
        self.seen[f"{record.levelname.lower()}: {said}"[:80]] += 1


@contextmanager
def logs_counted() -> Iterator[None]:
    """While this lasts nothing is logged to the terminal; then how often each kind of line came is printed."""
    counted, root = CountedLogs(), logging.getLogger()
    handlers, root.handlers = root.handlers, [counted]
    try:
        yield
    finally:
        root.handlers = handlers
        if counted.seen:
            print("\nlogged meanwhile (lines):")
        for what, lines in counted.seen.most_common(20):
            print(f"{lines:>8}  {what}")


def progress(place: int, of: int, name: str) -> None:
    """Says at a terminal which attack is at work, on a line that the next one overwrites."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{place}/{of}  {name} ...\r", end="", file=sys.stderr, flush=True)


async def here(names: list[str], heard_s: float) -> bool:
    """Every attack on a gateway in this process; whether one of them did harm."""
    harmed, place = False, 0
    with tempfile.TemporaryDirectory() as folder, voice(f"{folder}/worker.sock") as address:
        for redis in (False, True):
            chosen = [name for name in names if name.startswith("redis_") == redis]
            if not chosen:
                continue
            async with neighbours(address, Path(folder), with_redis=redis) as beside:
                for name in chosen:
                    place += 1
                    progress(place, len(names), name)
                    harmed |= bool((await beside.least_harm(name, ATTACKS[name], heard_s)).found)
    return harmed


@contextmanager
def voice(path: str) -> Iterator[str]:
    """A speech worker of our own; its address."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "bridge.worker", "--unix", path],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent(),
    )
    try:
        assert worker.stdout is not None
        if not any(line.startswith("speech worker ready") for line in worker.stdout):
            raise RuntimeError("the speech worker did not start")
        yield f"unix:{path}"
    finally:
        worker.terminate()
        worker.wait(10)


@contextmanager
def attacking(attack: Attack, origin: str, rate: float | None = None) -> Iterator[list[int]]:
    """The attack goes on elsewhere, `rate` rounds a second at most; its rounds stand in what is given, when it is over.

    Where others want the processor, they have it: outsiders would bring their own.
    """
    done: list[int] = []
    elsewhere = Elsewhere()
    over = False

    async def attack_on() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        timeout = aiohttp.ClientTimeout(total=ROUND_S)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=64)) as http:
            key = os.environ.get("BRIDGE_API_KEYS", "").partition(",")[0]
            target = Target(origin, http, key, os.environ.get("BRIDGE_METRICS_TOKEN", ""))
            done.append(
                await again_and_again(attack, target, lambda _rounds: over, 0.0 if rate is None else 1.0 / rate)
            )

    future = asyncio.run_coroutine_threadsafe(attack_on(), elsewhere.loop)
    try:
        yield done
    finally:
        over = True
        try:
            future.result(2 * ROUND_S)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            print(f"the attack itself broke off: {error or type(error).__name__}", file=sys.stderr)
        elsewhere.close()


def harm_of(name: str, step: Step) -> Harm:
    """What the callers of a step had to bear."""
    tally = step.tally
    return Harm(name, gaps=[None] * tally.underruns, refused=tally.refused + tally.silent, cut_off=tally.failed)


def late_beats(origin: str) -> tuple[float, float]:
    """Of the beats of the service's loop since its start: how many, and those over 5 ms; zeros without the token."""
    request = urllib.request.Request(origin + "/metrics")
    request.add_header("Authorization", f"Bearer {os.environ.get('BRIDGE_METRICS_TOKEN', '')}")
    with suppress(OSError), urllib.request.urlopen(request, timeout=5.0) as answer:
        page = answer.read().decode()
        count = re.search(r"^bridge_loop_lag_seconds_count (\S+)$", page, re.MULTILINE)
        in_time = re.search(r'^bridge_loop_lag_seconds_bucket\{le="0.005"\} (\S+)$', page, re.MULTILINE)
        if count and in_time:
            return float(count[1]), float(count[1]) - float(in_time[1])
    return 0.0, 0.0


def lives(origin: str) -> str:
    """Why `/healthz` is not answered as it should be; empty when it is."""
    try:
        with urllib.request.urlopen(origin + "/healthz", timeout=5.0) as answer:
            return "" if answer.status == 200 else f"/healthz answers {answer.status}"
    except OSError as error:
        return f"/healthz does not answer: {error}"


def wrong_start(pid: int | None, origin: str) -> str:
    """How the service was started otherwise than this command needs it; empty when nothing of that can be seen."""
    try:
        pairs = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    theirs = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
    public, token = theirs.get("PUBLIC_URL", "").rstrip("/"), os.environ.get("TWILIO_AUTH_TOKEN", "development")
    if public and public != origin:
        return f"the service was started with PUBLIC_URL={public}; start it with PUBLIC_URL={origin}"
    if token not in theirs.get("TWILIO_AUTH_TOKEN", token).split(","):
        return "the service was started with another TWILIO_AUTH_TOKEN than this command"
    return ""


class Siege:
    """Attacks on a running service, one after the other, beside callers who stay."""

    def __init__(self, load: Load, origin: str, pid: int | None, calls: int, hold_s: float, rate: float | None) -> None:
        self._load, self._origin, self._pid, self._calls = load, origin, pid, calls
        self._hold_s, self._rate = hold_s, rate

    def nobody(self) -> bool:
        """Hold the calls alone; whether that could be measured. Raises BridgeError when they do not come about."""
        step = self._load.step(self._calls, self._hold_s)
        harm = harm_of("(nobody)", step)
        harm.before_mib = harm.after_mib = (step.server_memory or 0) / (1 << 20)
        print(harm.line(), f"void: {step.void}" if step.void else "", flush=True)
        return not step.void

    def beside(self, name: str) -> tuple[bool, bool]:
        """Attack, and print what came of it: whether it did harm, and whether it could be measured."""
        beats = late_beats(self._origin)
        try:
            with Memory(self._pid) as memory, attacking(ATTACKS[name], self._origin, self._rate) as rounds:
                step = self._load.step(self._calls, self._hold_s)
        except BridgeError as error:  # those who ring beside the attack are not answered any more
            dead = lives(self._origin)
            void = [] if dead else [f"    {why}" for why in self._without(name)]
            print(f"{name:<24} {error}", *([f"    {dead}"] if dead else void), sep="\n", flush=True)
            return not void, not void
        harm, after, dead = harm_of(name, step), late_beats(self._origin), lives(self._origin)
        heard, harm.rounds = harm.found, sum(rounds)
        harm.before_mib, harm.after_mib = memory.before_mib, memory.rest()
        void = [f"void: {why}" for why in step.void]
        if heard:
            void += self._without(name)
        beats_told = f"{after[1] - beats[1]:.0f} of {after[0] - beats[0]:.0f} beats of its loop later than 5 ms"
        told = [*heard, *memory.found(), *([dead] if dead else []), *void]
        print(harm.line(), *told, *([beats_told] if after[0] > beats[0] else []), sep="\n    ", flush=True)
        return bool(dead or memory.found() or (heard and not void)), not void

    def _without(self, name: str) -> list[str]:
        """Why harm to callers says nothing: as much comes of the same attack on a socket that is not the service's."""
        try:
            with sink() as elsewhere, attacking(ATTACKS[name], elsewhere, self._rate):
                step = self._load.step(self._calls, self._hold_s)
        except BridgeError as error:
            return [f"void: {error}, when others were attacked"]
        harm = harm_of(name, step)
        found = [f"void: {why}, when others were attacked" for why in step.void]
        return found + [f"void: {one}, when others were attacked" for one in harm.found]


def there(url: str, names: list[str], calls: int, hold_s: float, rate: float | None = None) -> int:
    """Attack a running service; 1 when that did harm, 3 when it did not but something could not be measured."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    require_loopback(origin)
    raise_descriptor_limit()
    job = Job(recordings=tuple(str(path) for path in sorted(CALLERS.glob("*.wav"))[:3]))
    trunk = Trunk(url=url, auth_token=os.environ.get("TWILIO_AUTH_TOKEN", "development"))
    pid = listening_on(parts.port or 80)
    harmed = void = False
    with Load(trunk, job, server_pid=pid) as load:
        siege = Siege(load, origin, pid, calls, hold_s, rate)
        try:
            void = not siege.nobody()
        except BridgeError as error:
            raise BridgeError(f"{error}{': ' if (why := wrong_start(pid, origin)) else ''}{why}") from None
        for place, name in enumerate(names, 1):
            progress(place, len(names), name)
            hurt, measured = siege.beside(name)
            harmed |= hurt
            void |= not measured
    return 1 if harmed else 3 if void else 0


def main() -> int:
    """Attack, and say what callers heard."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.attacks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", metavar="URL", nargs="?")
    parser.add_argument("--calls", type=int, default=10, help="held at URL")
    parser.add_argument("--hold", type=float, metavar="S", help="of each attack; 35 at URL, else 3")
    parser.add_argument("--rate", type=float, metavar="N", help="rounds of an attack a second at URL, at most")
    parser.add_argument("--only", choices=ATTACKS, action="append")
    arguments = parser.parse_args()
    print(HEADING, flush=True)
    if not arguments.url:
        with logs_counted():
            return int(asyncio.run(here(arguments.only or list(ATTACKS), arguments.hold or 3.0)))
    possible = [
        name
        for name in arguments.only or ATTACKS
        if name in OUTSIDERS
        or (name.startswith("api_") and name in TENANTS and os.environ.get("BRIDGE_API_KEYS"))
        or (name.startswith("metrics_") and name in TENANTS and os.environ.get("BRIDGE_METRICS_TOKEN"))
    ]
    try:
        return there(arguments.url, possible, arguments.calls, arguments.hold or 35.0, arguments.rate)
    except (ValueError, BridgeError) as error:
        print(f"nothing was attacked: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
