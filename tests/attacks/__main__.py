"""`python -m tests.attacks URL`: hold calls at a running service on this machine, attack it beside them, and listen.

URL is the voice webhook, TWILIO_AUTH_TOKEN its secret, as for `bridge load`. Each attack goes on while the same number
of callers is held; it has done harm when a caller heard a gap, was refused or cut off, when the service did not answer
afterwards, or when its memory grew by more than 32 MiB. Exit status 1 when one has.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bridge.simulator.load import Load, Step
from bridge.simulator.load_generator import Job
from bridge.simulator.processes import listening_on
from bridge.simulator.trunk import Trunk
from tests.attacks.attacks import ATTACKS, Attack, again_and_again, require_loopback

GROWTH_BYTES = 32 << 20
CALLERS = Path(__file__).parents[2] / "fixtures" / "callers"


@contextlib.contextmanager
def beside(attack: Attack, origin: str) -> Iterator[None]:
    """The attack goes on in a thread of its own."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(again_and_again(attack, origin))
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait({task})), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10.0)


def harm(step: Step, before: Step, origin: str) -> list[str]:
    """What the callers of a step had to bear, against the step before."""
    tally, found = step.tally, []
    for what, count in (("gaps heard", tally.underruns), ("refused", tally.refused), ("cut off", tally.failed)):
        if count:
            found.append(f"{count} {what}")
    if tally.silent:
        found.append(f"{tally.silent} calls in silence")
    if step.server_memory and before.server_memory and step.server_memory - before.server_memory > GROWTH_BYTES:
        found.append(f"{(step.server_memory - before.server_memory) >> 20} MiB more memory")
    try:
        with urllib.request.urlopen(origin + "/healthz", timeout=5.0) as answer:
            if answer.status != 200:
                found.append(f"/healthz answers {answer.status}")
    except OSError as error:
        found.append(f"/healthz does not answer: {error}")
    return found


def main() -> int:
    """Attack, and say what callers heard."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("url", metavar="URL")
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--hold", type=float, default=35.0, metavar="S")
    parser.add_argument("--only", choices=ATTACKS, action="append")
    arguments = parser.parse_args()
    parts = urlsplit(arguments.url)
    origin = f"{parts.scheme}://{parts.netloc}"
    try:
        require_loopback(origin)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    job = Job(recordings=tuple(str(path) for path in sorted(CALLERS.glob("*.wav"))[:3]))
    trunk = Trunk(url=arguments.url, auth_token=os.environ.get("TWILIO_AUTH_TOKEN", "development"))
    worst = 0
    with Load(trunk, job, server_pid=listening_on(parts.port or 80)) as load:
        before = load.step(arguments.calls, arguments.hold)
        print(f"{'alone':<18} {'; '.join(harm(before, before, origin) + before.void) or 'no harm'}", flush=True)
        for name in arguments.only or ATTACKS:
            with beside(ATTACKS[name], origin):
                step = load.step(arguments.calls, arguments.hold)
            found = harm(step, before, origin)
            # The attacker's own share of the machine may have made the callers late: then nothing was measured.
            print(f"{name:<18} {'; '.join(found + [f'(void: {why})' for why in step.void]) or 'no harm'}", flush=True)
            worst |= bool(found) and not step.void
            before = step
    return worst


if __name__ == "__main__":
    sys.exit(main())
