"""`bridge soak`: callers who ring for hours and behave in every way, while it is watched whether the service grows."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.commands.arguments import count, positive, web_address

if TYPE_CHECKING:
    from bridge.simulator.soak import Fault, Samples, SoakTally, Trend

DESCRIPTION = """\
Ring a service for a long time with callers who talk, interrupt, hang up at any moment, and whose lines and carriers
fail, and fit a line through what it uses: memory, open files, threads, tasks. Each is to be flat.

With URL: a service that runs on this machine, in real time. --kill-every and --redeploy-every end one of its processes
(`bridge serve --processes N`) by SIGKILL and SIGTERM; then what its processes use together is watched.
With --virtual-hours: a service inside this process, whose clock jumps from event to event. Its voice is spelled in
chords.
"""
EXAMPLES = """\
  bridge soak http://127.0.0.1:8080/twilio/voice --minutes 60 --calls 40
  bridge soak http://127.0.0.1:8080/twilio/voice --minutes 60 --kill-every 120 --redeploy-every 300
  bridge soak --virtual-hours 8 --calls 10
"""
_FIXTURES = Path(__file__).parents[2] / "fixtures"
_RECORDINGS = ("book_appointment.wav", "opening_hours.wav", "tuesday_morning.wav", "mm_hm.wav", "yes_please.wav")
_TOKEN = "soak"
_PUBLIC = "https://bridge.example.com"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bridge soak`."""
    parser.add_argument(
        "url",
        metavar="URL",
        nargs="?",
        type=web_address("URL", "http", "https"),
        help="the voice webhook, as configured at the carrier",
    )
    parser.add_argument("--calls", type=count("--calls"), default=20, metavar="N", help="callers at once (default 20)")
    parser.add_argument(
        "--minutes", type=positive("--minutes"), default=60.0, metavar="M", help="in real time (default 60)"
    )
    parser.add_argument(
        "--virtual-hours", type=positive("--virtual-hours"), metavar="H", help="in virtual time instead"
    )
    parser.add_argument(
        "--kill-every", type=positive("--kill-every"), metavar="S", help="seconds between processes that are killed"
    )
    parser.add_argument(
        "--redeploy-every",
        type=positive("--redeploy-every"),
        metavar="S",
        help="seconds between processes that are drained and replaced",
    )
    parser.add_argument("--server-pid", type=int, metavar="PID", help="the service (default: found by its port)")
    parser.add_argument("--connect-to", default="", metavar="ORIGIN", help="where the server really is, if not at URL")
    parser.add_argument("--seed", type=int, default=1, help="of what callers do (default 1)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("out/soak.json"),
        metavar="FILE",
        help="result (default out/soak.json)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0 when callers were served and everything was flat, 1 when not; a service that ends is refused."""
    from bridge.errors import ConfigError

    if (arguments.url is None) == (arguments.virtual_hours is None):
        raise ConfigError("give the URL of a service that runs, or --virtual-hours")
    if not Path("/proc/self/smaps_rollup").exists():
        raise ConfigError("a soak reads what processes use from /proc, which this system does not have")
    if arguments.virtual_hours:
        from bridge.simulator import virtual

        samples, happened, tally = virtual.run(lambda: _virtual(arguments), seed=arguments.seed)
    else:
        samples, happened, tally = asyncio.run(_real(arguments))
    return _conclude(arguments, samples, happened, tally)


async def _real(arguments: argparse.Namespace) -> tuple[Samples, Counter[str], SoakTally]:
    """Ring a service that runs on this machine."""
    import aiohttp

    from bridge.errors import ConfigError
    from bridge.simulator import processes
    from bridge.simulator.soak import Callers, soak
    from bridge.simulator.trunk import Trunk

    secret = os.environ.get("TWILIO_AUTH_TOKEN", "").partition(",")[0].strip()
    if not secret:
        raise ConfigError("set TWILIO_AUTH_TOKEN to the token that the server checks signatures with")
    port = _port(arguments.connect_to or arguments.url)
    pid = arguments.server_pid or processes.listening_on(port)
    if pid is None:
        raise ConfigError(f"no process of this machine listens on port {port}: name the service with --server-pid")
    pid = _eldest(pid)
    trunk = Trunk(url=arguments.url, auth_token=secret, connect_to=arguments.connect_to)

    def open_session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    callers = Callers(trunk, _recordings(), open_session, arguments.seed)

    async def look() -> dict[str, float]:
        if not Path(f"/proc/{pid}").exists():
            raise ConfigError(f"the service, process {pid}, has ended after {callers.tally.calls} calls: see its log")
        used = await asyncio.to_thread(_used, pid)
        return used | await _tasks(arguments.connect_to or arguments.url)

    samples, happened = await soak(
        callers,
        calls=arguments.calls,
        seconds=arguments.minutes * 60,
        every_s=2.0,
        look=look,
        faults=_faults(arguments, pid, port),
        tell=_progress(30.0),
    )
    return samples, happened, callers.tally


async def _virtual(arguments: argparse.Namespace) -> tuple[Samples, Counter[str], SoakTally]:
    """Ring a service inside this process, in virtual time."""
    import aiohttp

    from bridge.agents.settings import ScriptSettings
    from bridge.app import Application
    from bridge.call.events import Word
    from bridge.config import Settings
    from bridge.gateway.settings import GatewaySettings
    from bridge.listening.settings import ListeningSettings, NoRecogniserSettings, NoTurnModelSettings
    from bridge.simulator.soak import Callers, soak
    from bridge.simulator.spelled import SpelledVoice
    from bridge.simulator.trunk import Trunk
    from bridge.simulator.virtual import MemoryConnector
    from bridge.speaking.settings import SpeakingSettings
    from bridge.speaking.speech import SpeechService

    settings = Settings(
        gateway=GatewaySettings(public_url=_PUBLIC, max_calls=1000, max_calls_per_number=1000),
        listening=ListeningSettings(recogniser=NoRecogniserSettings(), turn=NoTurnModelSettings()),
        agent=ScriptSettings(file="peer-job.yaml"),
    )
    application = Application(settings, directory=_FIXTURES / "agents", environ={"TWILIO_AUTH_TOKEN": _TOKEN})
    voice = SpelledVoice(Word, asyncio.get_running_loop().call_later)
    application.speech = SpeechService(SpeakingSettings(), providers={"worker": voice})
    await application.start("127.0.0.1", 0)
    trunk = Trunk(url=f"{_PUBLIC}/twilio/voice", auth_token=_TOKEN, connect_to=f"http://127.0.0.1:{application.port}")

    def open_session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=MemoryConnector(limit=0))

    callers = Callers(trunk, _recordings(), open_session, arguments.seed)

    async def look() -> dict[str, float]:
        gc.collect()
        here = _used(os.getpid())
        return here | {"tasks": float(len(asyncio.all_tasks())), "objects": float(len(gc.get_objects()))}

    try:
        samples, happened = await soak(
            callers,
            calls=arguments.calls,
            seconds=arguments.virtual_hours * 3600,
            every_s=max(20.0, arguments.virtual_hours * 3600 / 400),
            look=look,
            tell=_progress(600.0),
        )
    finally:
        await application.stop()
    return samples, happened, callers.tally


def _recordings() -> list[str]:
    return [str(_FIXTURES / "callers" / name) for name in _RECORDINGS]


def _port(url: str) -> int:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _eldest(pid: int) -> int:
    """The parent of processes that share a port, if this is one of them."""
    name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    parent = int(name)
    line = Path(f"/proc/{parent}/cmdline").read_bytes().replace(b"\0", b" ") if parent > 1 else b""
    return parent if b"bridge" in line and b"serve" in line else pid


def _used(pid: int) -> dict[str, float]:
    """What a process and its descendants use together: of memory their own, as that of files depends on others."""
    from bridge.simulator import processes

    memory_mib = files = threads = 0.0
    family = processes.family(pid)
    for one in family:
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            memory_mib += (
                next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss_Anon:")) / 1024
            )
            files += len(os.listdir(f"/proc/{one}/fd"))
            threads += len(os.listdir(f"/proc/{one}/task"))
        except (OSError, StopIteration):
            continue
    return {"memory MiB": memory_mib, "open files": files, "threads": threads, "processes": float(len(family))}


async def _tasks(url: str) -> dict[str, float]:
    """How many tasks run in the service, if its metrics may be read."""
    import re
    from urllib.parse import urljoin

    import aiohttp

    token = os.environ.get("BRIDGE_METRICS_TOKEN", "")
    if not token:
        return {}
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(2.0)) as session,
            session.get(urljoin(url, "/metrics"), headers=headers) as answer,
        ):
            found = re.search(r"^bridge_tasks (\S+)$", await answer.text(), re.MULTILINE)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return {}
    return {"tasks": float(found[1])} if found else {}


def _faults(arguments: argparse.Namespace, pid: int, port: int) -> list[Fault]:
    from bridge.errors import ConfigError
    from bridge.system import sockets

    chance = random.Random(arguments.seed)
    leaving: set[int] = set()

    def end(how: signal.Signals) -> Callable[[], bool]:
        def bring_about() -> bool:
            serving = [one for one in sockets.listeners(port) if one != pid and one not in leaving]
            if len(serving) < 2:  # somebody must be there who goes on with the calls
                return False
            leaving.add(chosen := chance.choice(serving))
            os.kill(chosen, how)
            return True

        return bring_about

    wanted = [
        ("killed", arguments.kill_every, signal.SIGKILL),
        ("redeployed", arguments.redeploy_every, signal.SIGTERM),
    ]
    if any(every for _, every, _ in wanted) and len(set(sockets.listeners(port)) - {pid}) < 2:
        raise ConfigError("who is to be killed or replaced needs another process beside it: serve --processes 2")
    return [(what, every, end(how)) for what, every, how in wanted if every]


def _progress(every_s: float) -> Callable[[float, dict[str, float], SoakTally], None]:
    told_at = -every_s

    def tell(at: float, used: dict[str, float], tally: SoakTally) -> None:
        nonlocal told_at
        if at - told_at >= every_s:
            told_at = at
            now = ", ".join(f"{name} {value:.0f}" for name, value in used.items())
            print(f"{at / 60:7.1f} min  {tally.calls} calls  {now}", flush=True)

    return tell


def _conclude(arguments: argparse.Namespace, samples: Samples, happened: Counter[str], tally: SoakTally) -> int:
    from bridge.errors import ConfigError
    from bridge.simulator.soak import trend

    found: dict[str, Trend] = {}
    for name, values in samples.values.items():
        try:
            found[name] = trend(samples.at[name], values)
        except ValueError as error:
            raise ConfigError(f"{name}: {error}; soak for longer") from None
    faults = ", ".join(f"{what} {number}" for what, number in happened.items())
    print(f"\n{tally.calls} calls; {faults or 'no faults of ours'}")
    for what, number in sorted(tally.by_story.items()):
        print(f"  {number:6} {what}")
    for what, number in tally.ended.most_common():
        print(f"  {number:6} ended: {what}")
    for name, its in found.items():
        verdict = "flat" if its.flat else "GROWS"
        slope = f"{its.slope_per_hour:+.3f} +- {its.error_per_hour:.3f} an hour"
        ends = f"{its.first:.1f} at first, {its.last:.1f} at last"
        print(f"{name:12} {its.mean:10.1f} on average, {ends}, {slope}: {verdict}")
    if not tally.served:
        print(f"NOT SERVED: {tally.unserved} of {tally.honest} calls of well-behaved carriers heard nothing")
    result: dict[str, Any] = {
        "calls": tally.calls,
        "honest": tally.honest,
        "unserved": tally.unserved,
        "by_story": tally.by_story,
        "ended": tally.ended,
        "faults": happened,
        "load_average": [round(one, 1) for one in os.getloadavg()],
        "cores": os.cpu_count(),
        "trends": {
            name: {
                "mean": round(its.mean, 2),
                "first": round(its.first, 2),
                "last": round(its.last, 2),
                "slope_per_hour": round(its.slope_per_hour, 4),
                "error_per_hour": round(its.error_per_hour, 4),
                "hours": round(its.hours, 3),
                "flat": its.flat,
            }
            for name, its in found.items()
        },
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {arguments.output}")
    return 0 if tally.served and all(its.flat for its in found.values()) else 1
