"""What no engine could do quicker: counted for voices in torch, and shown beside the time they took."""

from __future__ import annotations

import pytest
from torch.utils.flop_counter import FlopCounterMode

from bridge.bench import floor
from bridge.bench.measures import DeviceFloor, Level
from bridge.bench.tables import cells
from bridge.worker.engines.roofline import SENTENCE
from bridge.worker.settings import WorkerSettings
from bridge.worker.voice_settings import HibariTorchVoiceSettings, HibariVoiceSettings
from bridge.worker.voices import load_voices
from tests.bench.gpu import speak

TORCH = WorkerSettings(
    voices={"ort": HibariVoiceSettings(), "torch": HibariTorchVoiceSettings(device="cpu")}, memory_mib=4096
)


def test_what_a_voice_in_torch_takes_is_what_torch_counts_itself_and_its_transforms() -> None:
    found = floor.of_voice(TORCH, "torch")
    assert found is not None
    engine = load_voices(TORCH, graphs=False)["torch"].engine
    assert engine.acquire()
    with FlopCounterMode(display=False) as counter:
        (sound,) = speak(engine, [SENTENCE])
    counted = counter.get_total_flops() / (len(sound) / engine.rate_hz)

    assert counted < found.operations < 1.01 * counted
    assert floor.rtf(found, 1) >= found.operations / found.operations_per_s > 0
    assert (found.precision, found.device) == ("float32", "the processor in one thread")


def test_a_batch_reads_its_weights_once() -> None:
    found = DeviceFloor(
        device="a GPU",
        precision="float16",
        operations=1.0,
        activation_bytes=10e6,
        weight_bytes=90e6,
        operations_per_s=1e12,
        bytes_per_s=1e9,
    )
    assert floor.rtf(found, 1) == pytest.approx(0.1)
    assert floor.rtf(found, 2.5) == pytest.approx(0.046)


def test_nothing_is_counted_for_a_voice_of_another_runtime_or_none() -> None:
    assert floor.of_voice(TORCH, "ort") is None
    assert floor.of_voice(TORCH, None) is None, "the first is the default"
    assert floor.of_voice(TORCH, "nobody") is None


def test_the_share_stands_beside_the_time() -> None:
    assert "0.020 (43%)" in cells(Level(streams=1, rtf=0.02, floor_share=0.43))
    assert "0.020" in cells(Level(streams=1, rtf=0.02))
