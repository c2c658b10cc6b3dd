"""The speech worker that is measured: one of our own in a process of its own, or any that is named."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from bridge import variables
from bridge.errors import VoiceError
from bridge.simulator import processes
from bridge.worker.settings import WorkerSettings
from bridge.worker.voice_settings import HibariTorchVoiceSettings, PiperVoiceSettings

_READY = "speech worker ready on "
PROC_STAT = Path("/proc/stat")
_START_S = 180.0
_NVIDIA = "nvidia-smi"
InTorch = HibariTorchVoiceSettings | PiperVoiceSettings
"""Voices that are computed in torch at fixed shapes, on a GPU where there is one."""


@dataclass(frozen=True)
class Target:
    """The worker that is to be measured, and how to reach it."""

    address: str
    token: str = field(default="", repr=False)
    pid: int | None = None
    cores: int | None = None
    """How many it may use, where we know."""
    own_cores: tuple[int, ...] = ()
    """Those that are kept free for it."""

    def session(self) -> aiohttp.ClientSession:
        """Open an HTTP session that can reach the worker."""
        path = self.address.removeprefix("unix:") if self.address.startswith("unix:") else None
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else None
        return aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path) if path else aiohttp.TCPConnector(), headers=headers
        )

    @property
    def url(self) -> str:
        """The address of the worker's socket, as aiohttp needs it."""
        return "http://worker/" if self.address.startswith("unix:") else self.address.replace("ws", "http", 1)

    def cpu_s(self) -> float | None:
        """What it has used since its start."""
        return None if self.pid is None else processes.usage(self.pid).total_cpu_s

    def core_s(self) -> float | None:
        """How long the cores that are kept for it have been busy, be it with itself or with others."""
        if not self.own_cores or not PROC_STAT.exists():
            return None
        return sum(busy_s(PROC_STAT.read_text(), core) for core in self.own_cores)

    async def stats(self) -> dict[str, float]:
        """Steps, jobs, busy and audio seconds of all its engines together; empty when it does not tell."""
        try:
            async with self.session() as session, session.get(self.url.rstrip("/") + "/stats") as response:
                engines: dict[str, dict[str, Any]] = (await response.json())["engines"]
        except (aiohttp.ClientError, OSError, KeyError, ValueError):
            return {}
        names = ("steps", "jobs", "busy_s", "audio_s")
        return {name: float(sum(engine[name] for engine in engines.values())) for name in names}


def busy_s(stat: str, core: int) -> float:
    """Seconds of all but idling and waiting for disks, of one core, by /proc/stat (proc_stat(5))."""
    for line in stat.splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _waits, interrupts, soft_interrupts, stolen = (int(count) for count in ticks[:8])
            return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")
    return 0.0


@contextlib.asynccontextmanager
async def own_worker(settings: WorkerSettings, cores: Sequence[int] = ()) -> AsyncIterator[Target]:
    """A worker with these settings, on these cores alone if any are named. Raises VoiceError if it does not start."""
    own = msgspec.structs.replace(settings, host="127.0.0.1", port=0, unix="")
    command = [sys.executable, "-m", "bridge.worker", "--supervised"]
    pinned = ["taskset", "-c", ",".join(map(str, cores))] if cores and shutil.which("taskset") else []
    process = await asyncio.create_subprocess_exec(
        *pinned,
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(own) + b"\n")
        address = await _ready(process)
        own_cores = tuple(cores) if pinned else ()
        yield Target(
            address,
            variables.value(settings.token_env, os.environ),
            process.pid,
            len(own_cores) or os.cpu_count(),
            own_cores,
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(10.0):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.communicate()


async def _ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(_START_S):
            async for raw in process.stdout:
                line = raw.decode(errors="replace").strip()
                if line.startswith(_READY):
                    return line.removeprefix(_READY).split(",")[0]
            said = (await process.stderr.read()).decode(errors="replace").strip()
    except TimeoutError:
        said = f"not ready after {_START_S:.0f} s"
    raise VoiceError(f"the speech worker did not start: {said[-2000:]}")


async def gpu_name() -> str | None:
    """Return the first GPU's name, as its driver tells it; None without one."""
    if not shutil.which(_NVIDIA):
        return None
    process = await asyncio.create_subprocess_exec(
        _NVIDIA,
        "--id=0",
        "--query-gpu=name",
        "--format=csv,noheader",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    return out.decode().strip() or None if process.returncode == 0 else None


@contextlib.asynccontextmanager
async def watch_gpu() -> AsyncIterator[list[float]]:
    """Utilisation of the first GPU in percent, twice a second while this is open; nothing without one."""
    seen: list[float] = []
    if not shutil.which(_NVIDIA):
        yield seen
        return
    process = await asyncio.create_subprocess_exec(
        _NVIDIA,
        "--id=0",
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        "--loop-ms=500",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if line.strip().isdigit():
                seen.append(float(line))

    reader = asyncio.create_task(read())
    try:
        yield seen
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await reader
        await process.wait()
