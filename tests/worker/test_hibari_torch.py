"""The default voice in torch: against the package's own network, in chunks, and in a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hibari import dsp
from numpy.typing import NDArray

from bridge.audio.encoder import Samples
from bridge.worker.alignment import Span
from bridge.worker.engines.english import EnglishReader
from bridge.worker.engines.hibari import HibariEngine, Symbols, model_path
from bridge.worker.engines.hibari_network import FEATURES, HALO, load_network
from bridge.worker.engines.hibari_sound import AFTER, BEFORE, HOP, blocks, noise, pulses, spectrum
from bridge.worker.engines.hibari_torch import HibariTorchEngine

LINE = "I have an opening on Tuesday at half past three."
TEXTS = ["Yes.", "I have an opening on Tuesday.", "Dr. Patel costs $9.99 at 9:30 a.m., is that okay for you?"]


@dataclass
class Spoken:
    audio: Samples
    words: tuple[Span, ...]


def say(engine: HibariTorchEngine, texts: Sequence[str], speed: float = 1.0) -> list[Spoken]:
    """Speak all of them, batching what can be batched."""
    jobs = [engine.begin(text, text.split(), "heart", speed) for text in texts]
    parts: list[list[Samples]] = [[] for _ in texts]
    words: list[tuple[Span, ...]] = [() for _ in texts]
    while any(job.kind for job in jobs):
        kind = next(job.kind for job in jobs if job.kind)
        batch = [index for index, job in enumerate(jobs) if job.kind == kind]
        for index, step in zip(batch, engine.run([jobs[index] for index in batch]), strict=True):
            assert step.words is None or not parts[index], "words come before audio"
            words[index] = step.words or words[index]
            if len(step.audio):
                parts[index].append(step.audio)
    return [Spoken(np.concatenate(part), spans) for part, spans in zip(parts, words, strict=True)]


@pytest.fixture(scope="module")
def torch_voice() -> HibariTorchEngine:
    return HibariTorchEngine(device="cpu", batch=4)


def test_a_batch_equals_one_by_one(torch_voice: HibariTorchEngine) -> None:
    alone = [say(torch_voice, [text])[0] for text in TEXTS]
    together = say(torch_voice, TEXTS)

    for one, other in zip(alone, together, strict=True):
        assert one.words == other.words
        assert len(one.audio) == len(other.audio)
        assert np.abs(one.audio - other.audio).max() < 1e-3


def test_words_come_when_the_default_engine_says_them(torch_voice: HibariTorchEngine, hibari: HibariEngine) -> None:
    for text, spoken in zip(TEXTS, say(torch_voice, TEXTS), strict=True):
        step = hibari.run([hibari.begin(text, text.split(), "heart", 1.0)])[0]
        assert step.words is not None
        assert abs(len(step.audio) - len(spoken.audio)) < 0.2 * hibari.rate_hz
        assert [start for start, _ in spoken.words] == pytest.approx([start for start, _ in step.words], abs=0.08)


def test_the_network_is_the_packages(hibari: HibariEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package computes with 8-bit activations, by other instructions on each processor: durations that are half
    way between two frames may fall on either, and the spectra agree closely but not to the last digit."""
    phonemes = EnglishReader().read(LINE, LINE.split()).phonemes
    ids, _ = Symbols().numbers(phonemes)
    *spectra, pitch, durations = package_outputs(hibari, ids)
    network = load_network(model_path("heart"))
    asked = torch.tensor([ids]), torch.tensor([len(ids)]), torch.ones(1)
    with torch.inference_mode():
        own = network.plan(*asked).durations[0].numpy()
        monkeypatch.setattr(network.pn, "durations", lambda *_: torch.from_numpy(durations)[None])
        plan = network.plan(*asked)
        parts = network.decode(plan.features, torch.ones(1, 1, plan.features.shape[2]))

    assert np.abs(own - durations).max() <= 1
    assert np.count_nonzero(own != durations) <= len(ids) // 10
    assert plan.pitch_hz.numpy() == pytest.approx(pitch, abs=3.0)
    for ours, theirs in zip(parts[0].T.numpy().reshape(5, 601, -1), spectra, strict=True):
        assert np.corrcoef(ours.ravel(), theirs[0].ravel())[0, 1] > 0.999


@torch.inference_mode()
def test_the_halo_is_all_that_a_frame_can_see() -> None:
    """In double precision, so that nothing but the halo can make a difference."""
    network = load_network(model_path("heart")).double()
    torch.manual_seed(1)
    features, count = torch.randn(1, FEATURES, 150, dtype=torch.float64), 10
    whole = network.decode(features, torch.ones(1, 1, 150, dtype=torch.float64))[:, 70 : 70 + count]
    for halo, equal in ((HALO, True), (HALO - 1, False)):
        window = features[..., 70 - halo : 70 + count + halo]
        part = network.decode(window, torch.ones(1, 1, window.shape[2], dtype=torch.float64))[:, halo : halo + count]
        assert ((part - whole).abs().max().item() < 1e-12) == equal


def test_the_signal_processing_is_the_packages(hibari: HibariEngine) -> None:
    """Same spectra and pitch, without noise: the same samples."""
    ids, _ = Symbols().numbers(EnglishReader().read(LINE, LINE.split()).phonemes)
    *spectra, pitch, _ = package_outputs(hibari, ids)
    spectra[2] = np.full_like(spectra[2], -30.0)
    frames = pitch.shape[1]
    theirs = dsp.synth(*(part[0].copy() for part in spectra), pitch[0], np.random.default_rng(1))

    parts = torch.from_numpy(np.concatenate(spectra, axis=1)).transpose(1, 2)  # [1, F, 3005]
    parts = torch.nn.functional.pad(parts, (0, 0, BEFORE, AFTER))
    train = torch.nn.functional.pad(pulses(torch.from_numpy(pitch), torch.tensor([frames])), (HOP, (AFTER - 1) * HOP))
    real = torch.zeros(1, frames + 3, dtype=torch.bool)
    real[:, BEFORE : BEFORE + frames] = True
    white = torch.zeros(1, frames + 3, 601, dtype=torch.complex64)
    ours = blocks(spectrum(parts, train, white), real)[0].numpy()

    assert len(ours) == len(theirs)
    error = np.abs(ours - theirs)
    assert np.sqrt(np.mean(np.square(error))) < 1e-4  # single samples differ where a pulse is on the threshold
    assert np.abs(theirs).max() > 0.1


def package_outputs(hibari: HibariEngine, ids: list[int]) -> list[NDArray[np.float32]]:
    inputs = {"ids": np.array([ids]), "speed": np.ones(1, np.float32)}
    outputs: list[NDArray[np.float32]] = hibari.session("heart").run(None, inputs)
    return outputs


def test_noise_is_white_and_its_own_for_every_frame_and_seed() -> None:
    white = noise(torch.tensor([5, 6]), torch.arange(-3, 397).expand(2, -1))
    assert white.real.std().item() == pytest.approx(1.0, abs=0.01)
    assert white.imag.std().item() == pytest.approx(1.0, abs=0.01)
    assert abs(white.mean().item()) < 0.01
    flat = white.real.reshape(2, -1)
    neighbours = (
        [white.real[:, 1:].ravel(), white.real[:, :, 1:].ravel()],
        [
            white.real[:, :-1].ravel(),
            white.real[:, :, :-1].ravel(),
        ],
    )
    pairs = [(flat[0], flat[1]), (white.real.ravel(), white.imag.ravel()), *zip(*neighbours, strict=True)]
    for one, other in pairs:
        assert abs(np.corrcoef(one.numpy(), other.numpy())[0, 1]) < 0.01


def test_speech_begins_at_once(torch_voice: HibariTorchEngine) -> None:
    audio = say(torch_voice, TEXTS[1:2])[0].audio
    windows = audio[: len(audio) // 120 * 120].reshape(-1, 120)
    energy = np.square(windows).mean(axis=1)
    assert np.flatnonzero(energy > energy.max() * 10**-3.5)[0] * 5 < 40


def test_speed(torch_voice: HibariTorchEngine) -> None:
    slow, fast = (len(say(torch_voice, TEXTS[1:2], speed)[0].audio) for speed in (0.8, 1.25))
    assert 1.25 < slow / fast < 1.9


@pytest.mark.parametrize("text", ["—", "...", "👍"])
def test_text_without_a_sound_is_over_after_its_plan(torch_voice: HibariTorchEngine, text: str) -> None:
    job = torch_voice.begin(text, [text], "heart", 1.0)
    step = torch_voice.run([job])[0]
    assert (len(step.audio), step.words, job.kind) == (0, ((0.0, 0.0),), None)
