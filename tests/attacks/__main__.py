"""`python -m tests.attacks [URL]`: hold calls, attack the service beside them, and print what the callers heard.

Without URL every attack there is, on a gateway of its own with a real voice: how long each held the loop is measured in
its process. With URL, the voice webhook of a service that runs on this machine (TWILIO_AUTH_TOKEN is its secret, as for
`bridge load`), what outsiders can send, and what programs can whose key is in BRIDGE_API_KEYS or whose token in
BRIDGE_METRICS_TOKEN. An attack has done harm when a caller heard a gap, was refused or cut off, when the loop was held,
when the service did not answer afterwards, or when its memory grew by more than 64 MiB. Exit status 1 when one has, 2
when nothing could be tried because no call came about at URL before the first attack, 3 when none has, but this machine
was too busy to measure all of them.
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
from bridge.system.lifetime import die_with_parent
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
from tests.attacks.neighbours import GROWTH_MIB, HEADING, Elsewhere, Harm, neighbours

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
def attacking(attack: Attack, origin: str) -> Iterator[list[int]]:
    """The attack goes on elsewhere; its rounds stand in what is given, when it is over."""
    done: list[int] = []
    elsewhere = Elsewhere()
    over = False

    async def attack_on() -> None:
        timeout = aiohttp.ClientTimeout(total=ROUND_S)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=64)) as http:
            key = os.environ.get("BRIDGE_API_KEYS", "").partition(",")[0]
            target = Target(origin, http, key, os.environ.get("BRIDGE_METRICS_TOKEN", ""))
            done.append(await again_and_again(attack, target, lambda _rounds: over))

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


def harm_of(name: str, step: Step, before: Step) -> Harm:
    """What the callers of a step had to bear, against the step before."""
    tally = step.tally
    return Harm(
        name,
        gaps=[None] * tally.underruns,
        refused=tally.refused + tally.silent,
        cut_off=tally.failed,
        before_mib=(before.server_memory or 0) / (1 << 20),
        after_mib=(step.server_memory or 0) / (1 << 20),
    )


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


def there(url: str, names: list[str], calls: int, hold_s: float) -> int:
    """Attack a running service; 1 when that did harm, 3 when it did not but something could not be measured."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    require_loopback(origin)
    job = Job(recordings=tuple(str(path) for path in sorted(CALLERS.glob("*.wav"))[:3]))
    trunk = Trunk(url=url, auth_token=os.environ.get("TWILIO_AUTH_TOKEN", "development"))
    harmed = void = False
    with Load(trunk, job, server_pid=listening_on(parts.port or 80)) as load:
        before = load.step(calls, hold_s)
        void = bool(before.void)
        print(harm_of("(nobody)", before, before).line(), f"void: {before.void}" if before.void else "", flush=True)
        for place, name in enumerate(names, 1):
            progress(place, len(names), name)
            beats = late_beats(origin)
            try:
                with attacking(ATTACKS[name], origin) as rounds:
                    step = load.step(calls, hold_s)
            except BridgeError as error:  # those who ring beside the attack are not answered any more
                dead = lives(origin)
                print(f"{name:<24} {error}", *([f"    {dead}"] if dead else []), sep="\n", flush=True)
                harmed = True
                continue
            harm, after, dead = harm_of(name, step, before), late_beats(origin), lives(origin)
            harm.rounds = sum(rounds)
            found = [*harm.found, *([dead] if dead else [])]
            # The attacker's own share of the machine may have made the callers late: then nothing was measured.
            found += [f"void: {why}" for why in step.void]
            if after[0] > beats[0]:
                found.append(
                    f"{after[1] - beats[1]:.0f} of {after[0] - beats[0]:.0f} beats of its loop later than 5 ms"
                )
            print(harm.line(), *found, sep="\n    ", flush=True)
            harmed |= bool(dead or (harm.found and not step.void))
            void |= bool(step.void)
            before = step
    return 1 if harmed else 3 if void else 0


def main() -> int:
    """Attack, and say what callers heard."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("url", metavar="URL", nargs="?")
    parser.add_argument("--calls", type=int, default=10, help="held at URL")
    parser.add_argument("--hold", type=float, metavar="S", help="of each attack; 35 at URL, else 3")
    parser.add_argument("--only", choices=ATTACKS, action="append")
    arguments = parser.parse_args()
    print(HEADING, f"(memory: harm is more than {GROWTH_MIB} MiB)", flush=True)
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
        return there(arguments.url, possible, arguments.calls, arguments.hold or 35.0)
    except (ValueError, BridgeError) as error:
        print(f"nothing was attacked: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
