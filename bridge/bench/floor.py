"""How much of an engine's time is work that no engine could do quicker on this machine."""

from __future__ import annotations

import msgspec

from bridge.bench.measures import DeviceFloor
from bridge.bench.worker import InTorch
from bridge.worker.settings import WorkerSettings


def of_voice(settings: WorkerSettings, voice: str | None) -> DeviceFloor | None:
    """Count what this voice takes and measure the device; None for one that is not computed in torch.

    Takes some seconds. Raises ConfigError for a voice that cannot be loaded.
    """
    name = voice or next(iter(settings.voices), "")
    wanted = settings.voices.get(name)
    if not isinstance(wanted, InTorch):
        return None
    from bridge.worker.engines.device import name_of, pick_device, pick_precision
    from bridge.worker.engines.roofline import count_work, measure_peak
    from bridge.worker.voices import load_voices

    alone = msgspec.structs.replace(settings, voices={name: wanted}, memory_mib=0)
    loaded = load_voices(alone, graphs=False)[name]
    device = pick_device(wanted.device)
    precision = pick_precision(wanted.precision, device)
    work, peak = count_work(loaded.engine, loaded.own_name), measure_peak(device, precision)
    loaded.engine.close()
    return DeviceFloor(
        device="the GPU" if device.type == "cuda" else f"the processor in {_threads(settings.threads)}",
        precision=name_of(precision),
        operations=work.operations,
        activation_bytes=work.activation_bytes,
        weight_bytes=work.weight_bytes,
        operations_per_s=peak.operations_per_s,
        bytes_per_s=peak.bytes_per_s,
    )


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def rtf(floor: DeviceFloor, batch: float) -> float:
    """The least seconds that a second of sound can take, in batches of this size."""
    from bridge.worker.engines.roofline import Peak, Work, floor_rtf

    work = Work(floor.operations, floor.activation_bytes, floor.weight_bytes)
    return floor_rtf(work, Peak(floor.operations_per_s, floor.bytes_per_s), batch)
