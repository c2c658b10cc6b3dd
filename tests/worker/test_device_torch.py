"""Which precision, and that the default half is below the noise of a phone line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bridge.errors import ConfigError
from bridge.worker.engines.device import pick_device, pick_precision
from bridge.worker.engines.hibari_torch import HibariTorchEngine
from bridge.worker.settings import WorkerSettings
from bridge.worker.voice_settings import HibariTorchVoiceSettings, VoiceSettings
from bridge.worker.voices import load_voices
from tests.bench.difference import difference, through_mulaw
from tests.bench.gpu import line

TEXT = "Shall I book it for you?"


def test_half_is_for_the_gpu_unless_it_is_asked_for() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert (pick_precision("", cpu), pick_precision("", gpu)) == (torch.float32, torch.float16)
    assert (pick_precision("bfloat16", cpu), pick_precision("float32", gpu)) == (torch.bfloat16, torch.float32)
    with pytest.raises(ConfigError, match="float64"):
        pick_precision("float64", cpu)


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="cuda:99"):
        pick_device("cuda:99")


@pytest.fixture(scope="module")
def plain() -> HibariTorchEngine:
    return HibariTorchEngine(device="cpu")


@pytest.fixture(scope="module")
def halved() -> HibariTorchEngine:
    return HibariTorchEngine(device="cpu", precision="float16")


def test_float16_is_lost_in_the_noise_of_the_line(plain: HibariTorchEngine, halved: HibariTorchEngine) -> None:
    reference = line(plain, [TEXT])
    mulaw, half = difference(reference, through_mulaw(reference)), difference(reference, line(halved, [TEXT]))
    assert half.snr_db > mulaw.snr_db + 10
    assert half.snr_p1_db > mulaw.snr_p1_db + 3
    assert half.louder < 0.03
    assert half.distance_db < mulaw.distance_db / 20


def test_bfloat16_is_not(plain: HibariTorchEngine) -> None:
    coarse = HibariTorchEngine(device="cpu", precision="bfloat16")
    assert difference(line(plain, [TEXT]), line(coarse, [TEXT])).louder > 0.3


def test_only_the_decoder_is_halved(plain: HibariTorchEngine, halved: HibariTorchEngine) -> None:
    names = {name for name, weight in halved._networks["heart"].named_parameters() if weight.dtype is torch.float16}
    assert {".".join(name.split(".")[:2]) for name in names} == {"m.dec_in", "m.dec", "m.dec_norm", "m.head"}
    assert halved.memory_bytes() < plain.memory_bytes() * 0.7


def test_the_setting_reaches_the_voice_and_names_it(plain: HibariTorchEngine) -> None:
    voice: dict[str, VoiceSettings] = {"heart": HibariTorchVoiceSettings(device="cpu", precision="float16")}
    loaded = load_voices(WorkerSettings(voices=voice))["heart"]
    assert "float16" in loaded.engine.model("")
    assert "float16" not in plain.model("")
    words = [engine.run([engine.begin(TEXT, TEXT.split(), "", 1.0)])[0].words for engine in (loaded.engine, plain)]
    assert words[0] == words[1]


def test_the_measure_of_a_known_difference() -> None:
    """A tone and the same tone 40 dB lower beside it: 40 dB of SNR, where mu-law leaves about 37."""
    time = np.arange(8000, dtype=np.float32)
    tone, beside = 0.5 * np.sin(0.6 * time), 0.005 * np.sin(1.7 * time)
    assert difference(tone, tone + beside).snr_db == pytest.approx(40.0, abs=0.3)
    assert difference(tone, tone + beside).louder < 0.2
    assert difference(tone, tone + 10 * beside).louder == 1.0
    assert difference(tone, tone).distance_db == 0.0
