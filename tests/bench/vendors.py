"""What a call costs with a hosted recogniser and a hosted voice, beside the same job with neither.

    python -m tests.bench.vendors --calls 100 --seconds 40 --rounds 3

Both do the job of `fixtures/peer-job.yaml` by turns, on the same core, for the same callers (`tests.bench.calls`). The
one has no recogniser, and its phrases are kept. The other streams every caller to a double of Deepgram and has every
answer spoken by a double of ElevenLabs, nothing kept, so that each word crosses the wire; no embedded model but voice
activity runs. The doubles are a process of their own beside the callers: they speak the vendors' wire, and hear no
words, only that there is speech. A ratio of up to 1.5 is what `design.md` allows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop
import yaml

from bridge.system.lifetime import die_with_parent
from tests.bench import calls
from tests.bench.machine import keep
from tests.bench.serving import PEER_JOB, ROOT, server
from tests.doubles import hearing
from tests.doubles.listening.base import KEY
from tests.doubles.listening.deepgram import DeepgramDouble
from tests.doubles.speaking.elevenlabs import ElevenLabsDouble

HEARD = "I would like to book a table for two."


async def serve_doubles() -> None:
    """Run both doubles and print their addresses; ends when it is killed."""
    hearing._recognised = lambda ulaw: HEARD if hearing._loud(ulaw).any() else ""  # type: ignore[assignment]
    async with DeepgramDouble().serve() as ear, ElevenLabsDouble().serve() as voice:
        print(ear, voice, flush=True)
        await asyncio.Event().wait()


@contextlib.contextmanager
def doubles() -> Iterator[tuple[str, str]]:
    """The addresses of the recogniser and of the voice while they run."""
    command = [sys.executable, "-m", "tests.bench.vendors", "--doubles"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent()
    ) as process:
        assert process.stdout is not None
        try:
            ear, _, voice = process.stdout.readline().strip().partition(" ")
            yield ear, voice
        finally:
            process.kill()


def hosted_job(ear: str, voice: str) -> dict[str, Any]:
    """The yardstick's job, heard and spoken by these services."""
    job: dict[str, Any] = yaml.safe_load(PEER_JOB.read_text())
    job["agent"]["file"] = str(ROOT / "fixtures" / job["agent"]["file"])
    job["listening"]["recogniser"] = {"kind": "deepgram", "url": f"{ear}/v1/listen", "key_env": "VENDOR_KEY"}
    vendor = {"kind": "elevenlabs", "url": voice, "key_env": "VENDOR_KEY", "voices": ["ada"], "concurrency": 1000}
    job["speaking"] = {
        "providers": {"vendor": {**vendor, "keep_phrases": False}},
        "voices": {"anna": [{"provider": "vendor", "voice": "ada"}]},
        "voice": "anna",
    }
    return job


def measure(arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Both jobs by turns, as often as there are rounds."""
    rows: dict[str, list[dict[str, Any]]] = {"neither": [], "hosted": []}
    with tempfile.TemporaryDirectory(prefix="bridge-vendors-") as folder, doubles() as (ear, voice):
        hosted = Path(folder) / "hosted.yaml"
        hosted.write_text(yaml.safe_dump(hosted_job(ear, voice)))
        for number in range(arguments.rounds):
            for kind, job in (("neither", PEER_JOB), ("hosted", hosted)):
                print(f"{kind}: {arguments.calls} calls, {arguments.seconds:.0f} s, round {number + 1}", flush=True)
                with server(0, floor=False, job=job, VENDOR_KEY=KEY) as (pid, base):
                    row = asyncio.run(calls.run(base, pid, arguments.calls, arguments.seconds, 1 + number, floor=False))
                calls.show(row)
                rows[kind].append(row)
    return rows


def main() -> None:
    """Run and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--doubles", action="store_true", help="only run the doubles, and say where")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
    uvloop.install()
    if arguments.doubles:
        asyncio.run(serve_doubles())
        return
    rows = measure(arguments)
    mean = {
        kind: {
            key: sum(row[key] for row in of_it) / len(of_it) for key in ("cpu_ms_per_call_second", "memory_mb_per_call")
        }
        for kind, of_it in rows.items()
    }
    ratio = mean["hosted"]["cpu_ms_per_call_second"] / mean["neither"]["cpu_ms_per_call_second"]
    for kind, values in mean.items():
        print(f"{kind}: " + ", ".join(f"{value:.2f} {key}" for key, value in values.items()))
    print(f"{ratio:.2f} times the cost")
    print("kept in", keep("vendors", {"times": round(ratio, 2), **rows}))


if __name__ == "__main__":
    main()
