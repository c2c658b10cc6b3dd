"""What a crash costs callers: parts of a running service are killed one by one under calls of every carrier.

    python -m tests.bench.outlive --calls 50 --processes 3 --store sqlite
    python -m tests.bench.outlive --calls 50 --processes 3 --store redis --kill process process redis
    python -m tests.bench.outlive --calls 50 --processes 3 --agent web --kill agent worker process
    python -m tests.bench.outlive --calls 20 --processes 2 --agent chat --kill agent agent agent

Each caller hears 44 words, each a tone of its own, and presses four keys, two of them after a pause; the sound in the
caller's ear alone tells which words were lost, which were heard twice, and how long the silence at each seam was. The
carriers are the simulator's, with `--round-trip-ms` to us; a seam's gap is what remains when the carrier's own round
trips are taken off. The voice is a double that costs nothing, so that the processes are what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.machine import keep
from tests.bench.stories import Log, story
from tests.processes.answering import NUMBERS
from tests.processes.outliving import (
    ENVIRONMENT,
    PATIENCE_MS,
    SCRIPTED,
    Account,
    EndedCall,
    busiest,
    command,
    dial,
    summary,
)
from tests.processes.running import Service, free_port, service, wait_until

AGENTS = {
    "script": SCRIPTED.replace("{", "{{").replace("}", "}}"),
    "web": "{{kind: web, url: 'http://127.0.0.1:{port}/'}}",
    "chat": "{{kind: chat, url: 'http://127.0.0.1:{port}/v1', model: small, key_env: ''}}",
    "relay": "{{kind: conversation_relay, url: 'ws://127.0.0.1:{port}/relay', application_reconnect: true, "
    f"auth_token_env: '', welcome_greeting: '{NUMBERS}'}}}}",
}
"""All but the script are a process of their own, which can be killed."""
CARRIERS = ("twilio", "telnyx", "plivo", "vonage")
_DYING = ("connection reset", "Server disconnected", "Can not write request body")
STUCK_PATIENCE_MS = 20_000
"""Callers press no key while they wait for a process that is stuck."""


class Helper:
    """A process that calls need beside the service: a speech worker that costs nothing, or an agent.

    Another stands by, so that for how long one is away does not depend on how busy the machine is.
    """

    def __init__(self, module: str, away_s: float) -> None:
        self.port = free_port()
        self._away_s = away_s
        self._command = [sys.executable, "-m", f"tests.processes.{module}", str(self.port)]
        self._stands_by = self._start()
        self._process = self._listen()

    def restart(self) -> None:
        """End it as a crash does, and begin again after a while: nobody listens meanwhile."""
        self._process.kill()
        self._process.wait()
        time.sleep(self._away_s)
        self._process = self._listen()

    def kill(self) -> None:
        """End it as a crash does, and the one that stands by."""
        for process in (self._process, self._stands_by):
            process.kill()
            process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        """A process that is ready to listen, and does so when told to."""
        process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    def _listen(self) -> subprocess.Popen[bytes]:
        process = self._stands_by
        assert process.stdin is not None
        process.stdin.write(b"listen\n")
        process.stdin.flush()
        wait_until(self._listens)
        self._stands_by = self._start()
        return process

    def _listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def helper(module: str, away_s: float) -> Iterator[Helper]:
    """One of the processes beside the service."""
    one = Helper(module, away_s)
    try:
        yield one
    finally:
        one.kill()


class Database:
    """A Redis of its own, which forgets everything when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self.start()

    def start(self) -> None:
        """Begin, with nothing in it."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()


class Killer:
    """Kills one part after another while calls are going on."""

    def __init__(
        self, port: int, running: Service, beside: dict[str, Helper], database: Database | None, away_s: float
    ) -> None:
        self._port, self._running, self._beside, self._database = port, running, beside, database
        self._away_s = away_s

    async def kill(self, what: str) -> None:
        """Kill a part, and wait until it is there again if somebody is to start it."""
        match what:
            case "process":
                ready = self._running.said.count("ready for calls")
                os.kill(busiest(self._port), signal.SIGKILL)
                await asyncio.to_thread(wait_until, lambda: self._running.said.count("ready for calls") > ready)
            case "stuck":
                ready = self._running.said.count("ready for calls")
                os.kill(busiest(self._port), signal.SIGSTOP)
                await asyncio.to_thread(wait_until, lambda: self._running.said.count("ready for calls") > ready)
            case "drain":
                ready = self._running.said.count("ready for calls")
                os.kill(busiest(self._port), signal.SIGTERM)
                await asyncio.to_thread(wait_until, lambda: self._running.said.count("ready for calls") > ready)
            case "redis" if self._database is not None:
                self._database.kill()
                await asyncio.sleep(self._away_s)
                self._database.start()
            case "redis_gone" if self._database is not None:
                self._database.kill()
            case "worker" | "agent":
                await asyncio.to_thread(self._beside[what].restart)
            case _:
                raise SystemExit(f"nobody here is called {what}")


async def run(arguments: argparse.Namespace, folder: Path, more: str, database: Database | None) -> dict[str, Any]:
    """All calls from the first to the last, and what was killed meanwhile."""
    port = free_port()
    (folder / "t").mkdir()
    ended: list[EndedCall] = []
    killed: list[dict[str, Any]] = []
    killed_at: list[float] = []
    with (
        helper("outliving", arguments.away_s) as worker,
        helper("answering", arguments.away_s) as agent,
        service(
            command(
                folder,
                f"ws://127.0.0.1:{worker.port}",
                port,
                arguments.processes,
                more,
                AGENTS[arguments.agent].format(port=agent.port),
            ),
            folder / "t",
            **ENVIRONMENT,
            BRIDGE_SECRET="s" * 32,
        ) as running,
    ):
        await asyncio.to_thread(wait_until, lambda: running.said.count("ready for calls") == arguments.processes)
        killer = Killer(port, running, {"worker": worker, "agent": agent}, database, arguments.away_s)
        began, begun_at, over = time.monotonic(), time.time(), False

        async def caller(number: int) -> None:
            """One call after the other, so that as many as were asked for are up at any time."""
            await asyncio.sleep(number * 12.0 / arguments.calls)
            turn = 0
            while not over:
                carrier = CARRIERS[number % len(CARRIERS)]
                one = await dial(
                    port,
                    carrier,
                    1000 * number + turn,
                    arguments.round_trip_ms,
                    patience_ms=STUCK_PATIENCE_MS if "stuck" in arguments.kill else PATIENCE_MS,
                )
                ended.append(one)
                turn += 1

        callers = [asyncio.create_task(caller(number)) for number in range(arguments.calls)]
        await asyncio.sleep(15.0)
        for what in arguments.kill:
            if what in ("process", "stuck", "drain"):
                killed_at.append(time.time())
            killed.append({"what": what, "at_s": round(time.monotonic() - began, 1)})
            print(f"{killed[-1]['at_s']:6.1f} s  {what} is killed", flush=True)
            await killer.kill(what)
            await asyncio.sleep(5.0)
        over = True
        await asyncio.gather(*callers)
    accounts = [one.account() for one in ended]
    if arguments.logs:
        keep_stories(Path(arguments.logs), accounts, running, killed, begun_at)
    return report(accounts, killed, killed_at)


def keep_stories(
    folder: Path, accounts: list[Account], running: Service, killed: list[dict[str, Any]], begun_at: float
) -> None:
    """Keep what the service logged, and what happened in each call that was not fine."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "service.log").write_text(running.said)
    log = Log(running.said)
    stories = [story(one, log, killed, begun_at) for one in accounts if not one.fine and one.streams]
    (folder / "stories.txt").write_text("\n\n".join(stories) + "\n")


def report(everybody: list[Account], killed: list[dict[str, Any]], killed_at: list[float]) -> dict[str, Any]:
    """What the callers made of it; those who were told that all lines are busy were not lost.

    Calls whose caller pressed a key into a process that was dead or stopped already are judged like all others, words
    and all: what such a key costs is a loss. A webhook that the system had put into the queue of a process that died is
    counted apart, as the simulator's carriers ask but once.
    """
    connected = [one for one in everybody if one.streams]
    asked = [one for one in connected if any(what in one.ended for what in _DYING)]
    accounts = [one for one in connected if one.fine or one not in asked]
    into_nothing = [one for one in accounts if one.pressed_into_nothing(killed_at)]
    gaps = [gap for one in accounts for gap in one.gaps_ms]
    found: dict[str, Any] = {
        "calls": len(connected),
        "pressed_keys_into_nothing": len(into_nothing),
        "with_lost_keys": sum(not one.fine for one in into_nothing),
        "killed": killed,
        "told_busy": len(everybody) - len(connected),
        "came_back": sum(one.streams > 1 for one in accounts),
        "lost_calls": sum(one.ended not in ("hung up", "no verb was left") for one in accounts),
        "asked_a_dying_process": len(asked),
        "with_lost_words": sum(bool(one.lost) for one in accounts),
        "lost_words": sum(len(one.lost) for one in accounts),
        "with_words_twice": sum(bool(one.twice) for one in accounts),
        "words_twice": sum(len(one.twice) for one in accounts),
        "words_begun_anew": sum(len(one.again) for one in accounts),
        "gaps": len(gaps),
        "gap_ms": _spread(gaps),
        "gap_ms_by_carrier": {
            name: _spread([gap for one in accounts if one.carrier == name for gap in one.gaps_ms]) for name in CARRIERS
        },
        "callers_late_ms_p99": _callers_late_ms(connected),
        "load_average": [round(one, 1) for one in os.getloadavg()],
    }
    print(summary(accounts))
    for name, value in found.items():
        print(f"{name.replace('_', ' '):18} {value}")
    return found


def _spread(gaps: list[float]) -> dict[str, int]:
    """The middle and the end of some numbers; nothing of none."""
    found = sorted(gaps)
    if not found:
        return {}
    return {
        "p50": round(statistics.median(found)),
        "p95": round(found[round(0.95 * (len(found) - 1))]),
        "worst": round(found[-1]),
    }


def _callers_late_ms(accounts: list[Account]) -> int:
    """How late frames of callers were: large, where the machine and not the service held things up."""
    late = sorted(ms for one in accounts if one.facts is not None for ms in one.facts.late_ms)
    return round(late[int(0.99 * (len(late) - 1))]) if late else 0


def main() -> None:
    """Run it, print it, and keep it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--store", choices=("sqlite", "redis"), default="sqlite")
    parser.add_argument("--agent", choices=AGENTS, default="script", help="all but script: a process of its own")
    parser.add_argument("--kill", nargs="+", default=["process"] * 3, metavar="WHAT")
    parser.add_argument("--away-s", type=float, default=1.5, help="how long a worker or agent that is killed is away")
    parser.add_argument("--round-trip-ms", type=float, default=40.0)
    parser.add_argument("--logs", default="", metavar="DIR", help="keep the log, and the stories of calls gone wrong")
    parser.add_argument("--keep", default="", metavar="NAME", help="keep the result under this name")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.store == "redis":
            if shutil.which("redis-server") is None:
                raise SystemExit("there is no redis-server here")
            database = Database(folder)
            try:
                more = f"store: {{redis_url: 'redis://127.0.0.1:{database.port}'}}\n"
                result = asyncio.run(run(arguments, folder, more, database))
            finally:
                database.kill()
        else:
            result = asyncio.run(run(arguments, folder, "", None))
    if arguments.keep:
        print("kept in", keep(arguments.keep, result))


if __name__ == "__main__":
    main()
