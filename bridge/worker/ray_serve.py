"""Speech workers as a Ray Serve application: Ray places, counts, replaces and updates them.

    serve deploy deploy/ray/serve.yaml      `bridge.ray_app`; its arguments are `RayFleetSettings`

Each replica of `SpeechWorker` runs a worker process of its own on its machine, with the GPU that Ray gave it, and says
once a second where it listens. `WorkerDirectory`, the application's ingress, answers with the list of them, which
bridges ask for as `ray+http://HOST:8000/workers`; they speak to the workers directly. Speech never passes through Ray:
Serve's proxy would choose a replica for each socket, once and for all, while a bridge chooses for each utterance,
knows who is busy, and fails over.

A replica that is to stop, at a smaller size or for a new version, is asked by Ray to finish: the worker drains, which
its bridges are told at once, and ends when the last utterance is over. When one is killed the bridges fail over.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import time
from typing import Annotated, Any

import aiohttp
import msgspec

from bridge import variables
from bridge.errors import ConfigError
from bridge.worker.fleet import ANNOUNCE_S, FOUND_S, LEASE_S, Leases
from bridge.worker.settings import WorkerSettings
from bridge.worker.supervised import SupervisedWorker

log = logging.getLogger(__name__)

DIRECTORY, WORKERS = "WorkerDirectory", "SpeechWorker"
_FAREWELL_S = 10.0
_STATS_S = 10.0
"""A worker that says nothing about itself for this long is replaced."""

Positive = Annotated[float, msgspec.Meta(gt=0)]


class RayFleetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Arguments of the Ray Serve application."""

    config: str = ""
    """The configuration file with the section `worker`, on the machine where the application is built."""
    min_workers: Annotated[int, msgspec.Meta(ge=1)] = 1
    max_workers: Annotated[int, msgspec.Meta(ge=1)] = 4
    streams_per_worker: Positive = 50.0
    """Utterances under way on each, on average; more of them ask for another worker."""
    most_used: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.6
    """Use of each (0 idle, 1 full), on average; more asks for another worker."""
    num_gpus: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Of each worker, such as 1, or 0.5 for two on one GPU; 0: it runs on the CPU."""
    num_cpus: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    host: str = ""
    """Where workers listen; empty: the address by which Ray knows their machine."""
    version: str = ""
    """Change it to have all workers replaced one after another, as for a new voice under an old name."""
    upscale_delay_s: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    downscale_delay_s: Annotated[float, msgspec.Meta(ge=0)] = 300.0
    start_s: Positive = 120.0
    """How long a worker may take to load its voices."""

    def __post_init__(self) -> None:
        if self.max_workers < self.min_workers:
            raise ValueError(f"max_workers is {self.max_workers}, less than min_workers, {self.min_workers}")


class SpeechWorker:
    """One replica: keeps a worker process, and says that it is there."""

    async def __init__(self, settings: bytes, fleet: bytes) -> None:  # type: ignore[misc]  # as Ray Serve allows
        """Start the worker, and return when bridges have found it: Ray then ends those in whose place it is."""
        import ray
        from ray import serve

        self._fleet = msgspec.json.decode(fleet, type=RayFleetSettings)
        worker = msgspec.json.decode(settings, type=WorkerSettings)
        host = self._fleet.host or ray.util.get_node_ip_address()
        self._drain_s = worker.drain_s
        self._token = variables.header(worker.token_env, os.environ)
        own = msgspec.structs.replace(worker, host=host, port=0, unix="")
        self._worker = await asyncio.to_thread(SupervisedWorker, own, self._fleet.start_s)
        self._stats: dict[str, float] = {"streams": 0.0, "headroom": 1.0}
        self._stats_at = time.monotonic()
        self._directory = serve.get_app_handle(serve.get_replica_context().app_name)
        self._ready = True
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._tell())]
        settled_s = await self._directory.announce.remote(self._worker.address)
        await asyncio.sleep(settled_s + FOUND_S)

    async def check_health(self) -> None:
        """Raise RuntimeError when the worker is to be replaced; Ray asks now and then."""
        if not self._worker.alive:
            raise RuntimeError(f"the speech worker has ended; it said:\n  {self._worker.last_words}")
        if time.monotonic() - self._stats_at > _STATS_S + ANNOUNCE_S:
            raise RuntimeError("the speech worker does not answer")

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Return what the autoscaling policy asks for."""
        return self._stats

    async def describe(self) -> dict[str, Any]:
        """Return the worker's address and process, for tests and people."""
        return {"address": self._worker.address, "pid": self._worker.pid, "replica_pid": os.getpid(), **self._stats}

    async def __del__(self) -> None:
        """Drain, as Ray Serve asks before it ends a replica: it waits for this."""
        for task in self._tasks:
            task.cancel()
        self._worker.drain()
        with contextlib.suppress(Exception):  # the directory may be gone, too: then nobody is led here any more
            async with asyncio.timeout(LEASE_S):
                await self._directory.withdraw.remote(self._worker.address)
        in_time = await asyncio.to_thread(self._worker.wait, self._drain_s + _FAREWELL_S)
        if not in_time:
            log.error("the speech worker had to be killed, %g s after it was asked to drain", self._drain_s)

    async def _watch(self) -> None:
        """Ask the worker how it is, until cancelled."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        stats = self._worker.address.replace("ws://", "http://") + "/stats"
        timeout = aiohttp.ClientTimeout(total=_STATS_S)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as client:
            while True:
                with contextlib.suppress(OSError, aiohttp.ClientError, TimeoutError, ValueError):
                    async with client.get(stats) as answer:
                        told = await answer.json()
                    self._stats = {"streams": float(told["streams"]), "headroom": float(told["headroom"])}
                    self._stats_at, self._ready = time.monotonic(), bool(told["ready"])
                await asyncio.sleep(ANNOUNCE_S)

    async def _tell(self) -> None:
        """Say that the worker is there, until cancelled. A directory that is away says nothing about the worker."""
        while True:
            say = self._directory.announce if self._ready else self._directory.withdraw
            try:
                async with asyncio.timeout(LEASE_S):
                    await say.remote(self._worker.address)
            except Exception as error:  # whatever Ray raises while the directory is replaced
                log.warning("the directory of workers cannot be told: %r", error)
            await asyncio.sleep(ANNOUNCE_S)


class WorkerDirectory:
    """The ingress: `GET /workers` names those that take new streams."""

    def __init__(self, token_env: str, _workers: Any) -> None:
        self._token = variables.header(token_env, os.environ)
        self._leases = Leases(time.monotonic())

    async def announce(self, address: str) -> float:
        """Note that a worker is there; returns in how many seconds its name will be told."""
        moment = time.monotonic()
        self._leases.renew(address, moment)
        return max(0.0, self._leases.complete_at - moment)

    async def withdraw(self, address: str) -> None:
        """Note that a worker takes no new streams."""
        self._leases.withdraw(address)

    async def __call__(self, request: Any) -> Any:
        """Answer with the list (`bridge.speaking.voices.fleet.WorkerList`), once all have had the time to be on it."""
        from starlette.responses import JSONResponse, PlainTextResponse

        sent = request.headers.get("authorization", "").encode(errors="surrogateescape")
        if self._token and not hmac.compare_digest(sent, f"Bearer {self._token}".encode()):
            return PlainTextResponse("token missing or wrong\n", 401)
        moment = time.monotonic()
        if moment < self._leases.complete_at:
            return PlainTextResponse("not all workers have said yet that they are there\n", 503, {"Retry-After": "5"})
        return JSONResponse({"workers": self._leases.addresses(moment)})


def fleet_application(worker: WorkerSettings, fleet: RayFleetSettings) -> Any:
    """Build the Ray Serve application of a fleet. Raises ConfigError where there is no Ray Serve."""
    try:
        from ray import serve
        from ray.serve.config import AutoscalingConfig, AutoscalingPolicy
        from ray.serve.schema import LoggingConfig
    except ImportError as error:
        raise ConfigError(f"Ray Serve is not installed: pip install 'bridge[ray]' ({error})") from None
    policy = AutoscalingPolicy(
        policy_function="bridge.worker.ray_policy:FleetPolicy",
        policy_kwargs={"streams_per_worker": fleet.streams_per_worker, "most_used": fleet.most_used},
    )
    quiet = LoggingConfig(enable_access_log=False)  # a worker says every second that it is there
    workers = serve.deployment(
        SpeechWorker,
        name=WORKERS,
        ray_actor_options={"num_cpus": fleet.num_cpus, "num_gpus": fleet.num_gpus},
        autoscaling_config=AutoscalingConfig(
            min_replicas=fleet.min_workers,
            max_replicas=fleet.max_workers,
            upscale_delay_s=fleet.upscale_delay_s,
            downscale_delay_s=fleet.downscale_delay_s,
            metrics_interval_s=ANNOUNCE_S,
            look_back_period_s=LEASE_S,
            policy=policy,
        ),
        health_check_period_s=2.0,
        health_check_timeout_s=_STATS_S,
        graceful_shutdown_timeout_s=worker.drain_s + 2 * _FAREWELL_S,
        max_surge_percent=100,
        logging_config=quiet,
    ).bind(msgspec.json.encode(worker), msgspec.json.encode(fleet))
    directory = serve.deployment(
        WorkerDirectory, name=DIRECTORY, ray_actor_options={"num_cpus": 0}, logging_config=quiet
    )
    return directory.bind(worker.token_env, workers)
