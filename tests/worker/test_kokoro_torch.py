"""Kokoro in torch, with small random weights in the published files: streams, batches, words, blends and bad files."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bridge.audio.encoder import Samples
from bridge.audio.formats import FORMATS
from bridge.errors import ConfigError, VoiceBusy
from bridge.text.spoken.form import spoken_form
from bridge.text.spoken.languages import language
from bridge.worker.alignment import Span
from bridge.worker.client import RemoteSpeech, WorkerConnection, connect
from bridge.worker.engines.english import EnglishReader
from bridge.worker.engines.kokoro import KokoroEngine, split
from bridge.worker.engines.kokoro_config import RATE_HZ
from bridge.worker.engines.kokoro_layers import StyleNorm, mask_of
from bridge.worker.engines.kokoro_sound import harmonics
from bridge.worker.engines.kokoro_styles import blend
from bridge.worker.engines.kokoro_weights import load_network
from bridge.worker.main import listen
from bridge.worker.server import Worker
from bridge.worker.settings import WorkerSettings
from bridge.worker.voice_settings import KokoroVoiceSettings
from bridge.worker.voices import load_voices
from tests.worker.published_kokoro import CONFIG, LONGEST, VOICES, Sections, publish, random_network, sections
from tests.worker.test_server import heard, say

TEXTS = ["Yes.", "I have an opening on Tuesday.", "Dr. Patel is in at nine."]
LONG = "One two three four five six seven eight nine ten, eleven twelve thirteen fourteen fifteen sixteen."
BLEND = "af_heart*0.25+am_michael*0.75"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("kokoro") / "weights", sections(random_network()))


@pytest.fixture(scope="module")
def engine(folder: Path) -> KokoroEngine:
    return KokoroEngine(folder, [*VOICES, BLEND], "cpu", batch=3)


@dataclass
class Spoken:
    audio: Samples
    words: tuple[Span, ...]


def speak(engine: KokoroEngine, asked: Sequence[tuple[str, str]], speed: float = 1.0) -> list[Spoken]:
    """Each text by its voice, batching what can be batched."""
    jobs = [engine.begin(text, text.split(), voice, speed) for text, voice in asked]
    parts: list[list[Samples]] = [[] for _ in asked]
    words: list[tuple[Span, ...]] = [() for _ in asked]
    while kind := next((job.kind for job in jobs if job.kind), None):
        batch = [index for index, job in enumerate(jobs) if job.kind == kind]
        for index, step in zip(batch, engine.run([jobs[index] for index in batch]), strict=True):
            assert not (words[index] and step.words), "given once"
            words[index] = step.words or words[index]
            parts[index].append(step.audio)
            assert words[index] or not len(step.audio), "not later than the sound"
    return [Spoken(np.concatenate(part), spans) for part, spans in zip(parts, words, strict=True)]


# ---- speech ---------------------------------------------------------------------------------------------------


def test_streams_of_any_voices_share_a_batch(engine: KokoroEngine) -> None:
    asked = [(TEXTS[0], "af_heart"), (TEXTS[1], BLEND), (TEXTS[1], "bf_emma"), (LONG, "am_michael"), (TEXTS[2], "")]
    alone, together = [speak(engine, [one])[0] for one in asked], speak(engine, asked)
    for one, other in zip(alone, together, strict=True):
        assert one.words == other.words
        assert len(one.audio) == len(other.audio) > 2000
        # the phase sums up what processors round differently, so that single samples may; other voices are at 0.6
        assert np.corrcoef(one.audio, other.audio)[0, 1] > 0.99


@torch.inference_mode()
def test_padding_changes_nothing_in_either_step(folder: Path, engine: KokoroEngine) -> None:
    network = load_network(folder / "kokoro-v1_0.pth", engine._config)
    torch.manual_seed(2)
    lengths, style = torch.tensor([7, 19, 12]), torch.randn(3, 16)
    ids = torch.randint(1, 178, (3, 19)) * (torch.arange(19) < lengths[:, None])
    speed = torch.tensor([1.0, 0.7, 1.4])
    plan = network.plan(ids, lengths, style, speed)
    noise = torch.randn(3, plan.body.shape[2] * 300)
    sound = network.waveform(plan.body, plan.pitch_hz, plan.frames, style, noise)
    assert len(set(plan.frames.tolist())) == 3, "rows of different lengths"
    for row, length in enumerate(lengths.tolist()):
        one = slice(row, row + 1)
        alone = network.plan(ids[one, :length], lengths[one], style[one], speed[one])
        count = int(alone.frames)
        assert alone.durations[0].tolist() == plan.durations[row, :length].tolist()
        assert torch.allclose(alone.body[0], plan.body[row, :, : 2 * count], atol=1e-4)
        assert torch.allclose(alone.pitch_hz[0], plan.pitch_hz[row, : 2 * count], atol=1e-3)
        # from one and the same plan: the phase sums up even the smallest difference in pitch
        body, pitch_hz = plan.body[one, :, : 2 * count], plan.pitch_hz[one, : 2 * count]
        single = network.waveform(body, pitch_hz, alone.frames, style[one], noise[one, : count * 600])
        assert torch.allclose(single[0], sound[row, : count * 600], atol=1e-4)
        assert not sound[row, count * 600 :].any()


def test_the_same_text_always_sounds_the_same(engine: KokoroEngine) -> None:
    first, again = (speak(engine, [(TEXTS[1], "af_heart")])[0].audio for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(engine.speak(TEXTS[1], "am_michael")[:2000], first[:2000])


@pytest.fixture(scope="module")
def even(tmp_path_factory: pytest.TempPathFactory) -> KokoroEngine:
    """Every id lasts 50 ms."""
    network = random_network()
    projection = network.predictor.duration_proj.linear_layer
    projection.weight.zero_()
    projection.bias.zero_()  # half of four frames
    return KokoroEngine(publish(tmp_path_factory.mktemp("even") / "weights", sections(network)), ["af_heart"], "cpu")


def test_words_begin_where_durations_say(even: KokoroEngine) -> None:
    text = "Call me at noon."
    phonemes = EnglishReader().read(text, text.split()).phonemes
    first = [0, *(place + 1 for place, phoneme in enumerate(phonemes) if phoneme == " ")]
    (spoken,) = speak(even, [(text, "af_heart")])
    begins = [begin for begin, _ in spoken.words]
    assert len(begins) == len(first) == 4
    for (one, other), (begin, following) in zip(pairwise(first[1:]), pairwise(begins[1:]), strict=True):
        assert following - begin == pytest.approx((other - one) * 0.05)
    assert begins[1] == pytest.approx((1 + first[1] - 0.5) * 0.05, abs=0.01), (
        "after a pad; half of a space is the word's"
    )
    # a pad, all phonemes but the pause at the end; 75 ms before the first and after the last at most
    assert len(spoken.audio) / RATE_HZ == pytest.approx((len(phonemes) - 1) * 0.05 + 0.125, abs=0.05)

    (slow,) = speak(even, [(text, "af_heart")], speed=0.5)  # 100 ms each; 25 ms of the first pad are left out
    assert len(slow.audio) / RATE_HZ == pytest.approx((len(phonemes) - 1) * 0.1 + 0.15, abs=0.02)
    assert slow.words[1][0] == pytest.approx((1 + first[1] - 0.5) * 0.1 - 0.025, abs=0.01)


def test_a_text_that_is_too_long_for_the_network_loses_no_word(even: KokoroEngine) -> None:
    (spoken,) = speak(even, [(LONG, "")])
    parts = split(EnglishReader().read(LONG, LONG.split()).phonemes, LONGEST)
    assert len(parts) > 1
    # two pads a part; of the last full stop and the pad after it 75 ms are kept
    assert len(spoken.audio) / RATE_HZ == pytest.approx(sum(len(part) + 2 for part in parts) * 0.05 - 0.025, abs=0.005)
    edges = [edge for span in spoken.words for edge in span]
    assert edges == sorted(edges)
    assert all(end > start for start, end in spoken.words)
    assert edges[-1] == pytest.approx(len(spoken.audio) / RATE_HZ, abs=0.2)


def test_what_is_no_speech_makes_no_sound(engine: KokoroEngine) -> None:
    (spoken,) = speak(engine, [("...", "af_heart")])
    assert len(spoken.audio) == 0
    assert spoken.words == ((0.0, 0.0),)


async def heard_when_there_is_room(
    link: WorkerConnection, stream: RemoteSpeech, text: str, name: str
) -> tuple[bytes, list[str], list[int]]:
    """What a stream says: a machine that is slow at this model takes one after the other."""
    async with asyncio.timeout(120):
        while True:
            try:
                return await heard(stream)
            except VoiceBusy:
                await asyncio.sleep(0.1)
                stream = say(link, text, name)


async def test_streams_through_the_worker_equal_the_whole(folder: Path) -> None:
    names = {"heart": "af_heart", "emma": "bf_emma", "both": BLEND}
    settings = WorkerSettings(
        port=0,
        voices={
            name: KokoroVoiceSettings(model=str(folder), voice=voice, device="cpu") for name, voice in names.items()
        },
    )
    voices = load_voices(settings)
    assert len({id(voice.engine) for voice in voices.values()}) == 1, "one network for all of them"
    worker = Worker(settings, voices)
    await worker.start()
    server = web.AppRunner(worker.application(), shutdown_timeout=0.1)
    await server.setup()
    try:
        async with await connect(await listen(server, settings)) as link:
            streams = [(text, name, say(link, text, name)) for text, name in zip(TEXTS, names, strict=True)]
            for text, name, stream in streams:
                audio, words, _ = await heard_when_there_is_room(link, stream, text, name)
                engine, voice = voices[name].engine, voices[name]
                assert isinstance(engine, KokoroEngine)
                encoder = engine.encoder(FORMATS["mulaw_8000"], voice.gain)
                said = " ".join(token.spoken for token in spoken_form(text, language("en-US")).tokens)
                whole = encoder.feed(engine.speak(said, voice.own_name)) + encoder.finish()
                assert words == text.split()
                assert audio[: len(whole)] == whole
                assert set(audio[len(whole) :]) <= {0xFF}, "the last frame is filled up with silence"
    finally:
        await server.cleanup()
        await worker.close()


def test_gain_and_cost_are_measured(engine: KokoroEngine) -> None:
    engine.warm()
    assert engine.cost_s(LONG) > engine.cost_s(TEXTS[0]) > 0
    for voice in ("af_heart", BLEND):
        audio = engine.speak(TEXTS[1], voice)
        assert 0.02 < np.abs(audio).max() * 10 ** (engine.gain_db(voice) / 20) < 2
    assert len({engine.model(voice) for voice in (*VOICES, BLEND)}) == 4
    assert engine.model("") == engine.model("af_heart")
    assert engine.memory_bytes() > 10_000


# ---- parts of the network that can be checked against torch's own -----------------------------------------------


def test_style_norm_is_instance_norm_of_the_real_frames() -> None:
    torch.manual_seed(3)
    norm, style = StyleNorm(4, 6), torch.randn(2, 6)
    x = torch.randn(2, 4, 20)
    mask = mask_of(torch.tensor([20, 13]), torch.device("cpu"))
    ours = norm(x, mask, style)
    plain = nn.InstanceNorm1d(4)
    for row, length in enumerate((20, 13)):
        gamma, beta = norm.fc(style[row]).chunk(2)
        theirs = (1 + gamma)[:, None] * plain(x[row : row + 1, :, :length])[0] + beta[:, None]
        assert torch.allclose(ours[row, :, :length], theirs, atol=1e-5)
        assert not ours[row, :, length:].any()


@torch.inference_mode()
def test_spectra_are_those_of_torch() -> None:
    generator = random_network().decoder.generator
    torch.manual_seed(4)
    source, window = torch.randn(2, 1500), torch.hann_window(20)
    lengths = torch.tensor([1500, 900])
    ours = generator._analyse(source, lengths, False)
    for row, length in enumerate(lengths.tolist()):
        theirs = torch.stft(source[row, :length], 20, 5, window=window, return_complex=True)
        level, phase = ours[row, :, : theirs.shape[1]].chunk(2)
        assert torch.allclose(torch.polar(level, phase), theirs, atol=1e-4)
        assert not ours[row, :, theirs.shape[1] :].any()
        spectra = torch.randn(theirs.shape, dtype=torch.complex64)
        padded = nn.functional.pad(spectra, (0, 301 - spectra.shape[1])).T[None]
        back = generator._synthesise(padded, torch.tensor([length // 5 + 1]), torch.tensor([length]))
        assert torch.allclose(back[0, :length], torch.istft(spectra, 20, 5, window=window), atol=1e-4)


def test_harmonics_are_at_multiples_of_the_pitch() -> None:
    waves = harmonics(torch.full((1, 80), 200.0), 300)[0]
    spectra = torch.fft.rfft(waves, dim=0).abs()
    peaks_hz = spectra.argmax(dim=0) * RATE_HZ / len(waves)
    assert peaks_hz.tolist() == pytest.approx([200.0 * multiple for multiple in range(1, 10)], abs=1)


# ---- voices and their blends ------------------------------------------------------------------------------------


def test_a_blend_lies_between_its_voices(engine: KokoroEngine) -> None:
    heart, michael, both = (engine._styles.style(voice) for voice in ("af_heart", "am_michael", BLEND))
    assert both == pytest.approx(0.25 * heart + 0.75 * michael, abs=1e-6)
    sounds = [engine.speak(TEXTS[1], voice) for voice in ("af_heart", "am_michael", BLEND)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        count = min(len(sounds[one]), len(sounds[other]))
        assert np.abs(sounds[one][:count] - sounds[other][:count]).max() > 1e-3
    whole = engine._styles.style("af_heart*2+am_michael*0")
    assert whole == pytest.approx(heart)


@pytest.mark.parametrize(
    ("voice", "shares"),
    [
        ("", {"af_heart": 1.0}),
        ("bf_emma", {"bf_emma": 1.0}),
        ("a+b", {"a": 0.5, "b": 0.5}),
        ("a*3 + b", {"a": 0.75, "b": 0.25}),
        ("a*.5+b*.25+a*.25", {"a": 0.75, "b": 0.25}),
    ],
)
def test_shares_of_a_blend(voice: str, shares: dict[str, float]) -> None:
    assert blend(voice) == pytest.approx(shares)


@pytest.mark.parametrize("voice", ["a*0", "a*-1", "a*x", "a+", "../a", "a*0.5*0.5", "a*" + "9" * 400])
def test_a_blend_that_makes_no_sense_is_named(voice: str) -> None:
    with pytest.raises(ConfigError, match="voice"):
        blend(voice)


def test_styles_survive_the_engine(folder: Path, engine: KokoroEngine, tmp_path: Path) -> None:
    bare = publish(tmp_path / "bare", sections(random_network()), voices=())
    again = KokoroEngine(bare, ["af_heart", BLEND], "cpu", styles=engine.embeddings())
    assert np.array_equal(again.speak(TEXTS[0], BLEND), engine.speak(TEXTS[0], BLEND))


def test_a_voice_may_be_raw_numbers(folder: Path, engine: KokoroEngine, tmp_path: Path) -> None:
    raw = publish(tmp_path / "raw", sections(random_network()), voices=())
    style = torch.load(folder / "voices" / "bf_emma.pt", weights_only=True)
    (raw / "voices" / "bf_emma.bin").write_bytes(style.numpy().astype("<f4").tobytes())
    assert KokoroEngine(raw, ["bf_emma"], "cpu").model("bf_emma") == engine.model("bf_emma")


@given(st.text(alphabet="aˈ .,", max_size=80), st.integers(1, 20))
def test_parts_hold_all_that_was_to_be_read(phonemes: str, longest: int) -> None:
    parts = split(phonemes, longest)
    assert "".join(parts) == phonemes
    assert all(0 < len(part) <= longest for part in parts) or not phonemes


def test_parts_end_at_marks_or_words() -> None:
    assert split("aaa bbb, ccc ddd", 12) == ["aaa bbb, ", "ccc ddd"]
    assert split("aaa bbb ccc ddd", 12) == ["aaa bbb ccc ", "ddd"]
    assert split("aaaaaa", 4) == ["aaaa", "aa"]


# ---- files that are not what they should be ---------------------------------------------------------------------


def without(part: str, name: str) -> Callable[[Sections], None]:
    def spoil(parts: Sections) -> None:
        del parts[part][name]

    return spoil


def with_more(part: str, name: str, *shape: int) -> Callable[[Sections], None]:
    def spoil(parts: Sections) -> None:
        parts[part][name] = torch.zeros(shape)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without("predictor", "module.F0_proj.bias"), r"lacks: predictor\.F0_proj\.bias"),
        (without("decoder", "module.encode.conv1.weight_v"), r"lacks decoder\.encode\.conv1\.weight"),
        (without("bert", "module.embeddings.word_embeddings.weight"), r"lacks bert\.embeddings"),
        (with_more("decoder", "module.F0_conv.weight_g", 3), r"lacks.*foreign weights: decoder\.F0_conv\.weight_g"),
        (with_more("decoder", "module.F0_conv.weight_v", 2), r"lacks.*foreign weights: decoder\.F0_conv\.weight_g"),
        (with_more("decoder", "module.extra.weight", 2), r"foreign weights: decoder\.extra\.weight"),
        (with_more("predictor", "module.N_proj.bias", 7), r"predictor\.N_proj\.bias is \[7\], expected \[1\]"),
        (
            with_more("bert_encoder", "module.weight", 16, 11),
            r"bert_encoder\.weight is \[16, 11\], expected \[16, 12\]",
        ),
        (lambda parts: parts.pop("text_encoder"), r"has .*, expected bert, .*text_encoder"),
        (lambda parts: parts["bert"].update(steps=3), "bert is no dictionary of tensors"),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, spoil: Callable[[Sections], None], said: str) -> None:
    parts = sections(random_network())
    spoil(parts)
    with pytest.raises(ConfigError, match=rf"kokoro-v1_0\.pth: .*{said}"):
        KokoroEngine(publish(tmp_path / "bad", parts), ["af_heart"], "cpu")


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return print, ("this must never run",)


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(range(256)), pickle.dumps(Evil(), 2), None])
@pytest.mark.parametrize("name", ["kokoro-v1_0.pth", "voices/af_heart.pt"])
def test_a_file_that_is_no_tensors_is_named(
    folder: Path, tmp_path: Path, name: str, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = publish(tmp_path / "bad", sections(random_network()))
    data = (folder / name).read_bytes()[:-2000] if content is None else content
    (bad / name).write_bytes(data)
    with pytest.raises(ConfigError, match=rf"{name}: not a Kokoro"):
        KokoroEngine(bad, ["af_heart"], "cpu")
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("config.json", r"config\.json: No such file"),
        ("kokoro-v1_0.pth", r"one checkpoint, kokoro-v1_0\.pth.*none"),
        ("voices/af_heart.pt", r"no voice 'af_heart'; there are: am_michael, bf_emma"),
    ],
)
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str, said: str) -> None:
    bad = publish(tmp_path / "bad", sections(random_network()))
    (bad / name).unlink()
    with pytest.raises(ConfigError, match=said):
        KokoroEngine(bad, ["af_heart"], "cpu")


@pytest.mark.parametrize(
    ("name", "style", "said"),
    [
        ("x.pt", torch.zeros(LONGEST, 1, 12), r"\[60, 1, 12\], expected \[60, 1, 16\]"),
        ("x.pt", torch.zeros(9, 1, 16), r"\[9, 1, 16\], expected"),
        ("x.pt", torch.full((LONGEST, 1, 16), torch.nan), "no numbers"),
        ("x.bin", torch.zeros(LONGEST, 1, 12), r"2880 bytes, expected 3840 \(60 x 16 float32\)"),
    ],
)
def test_a_voice_of_another_size_is_named(tmp_path: Path, name: str, style: torch.Tensor, said: str) -> None:
    bad = publish(tmp_path / "bad", sections(random_network()))
    file = bad / "voices" / name
    if file.suffix == ".bin":
        file.write_bytes(style.numpy().tobytes())
    else:
        torch.save(style, file)
    with pytest.raises(ConfigError, match=rf"voices/{name}: not a Kokoro voice: .*{said}"):
        KokoroEngine(bad, ["x"], "cpu")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hidden_dim": 15}, "hidden_dim must be even"),
        ({"vocab": {}}, "vocab is empty"),
        ({"vocab": {"a": 200}}, "outside 1..177"),
        ({"n_layer": "two"}, "n_layer"),
        ({"text_encoder_kernel_size": 4}, "text_encoder_kernel_size must be odd"),
        ({"istftnet": {**CONFIG["istftnet"], "upsample_rates": [10]}}, "upsample_rates"),
        ({"istftnet": {**CONFIG["istftnet"], "gen_istft_n_fft": 18}}, "gen_istft_n_fft"),
        ({"plbert": {**CONFIG["plbert"], "num_attention_heads": 5}}, "num_attention_heads"),
    ],
)
def test_a_description_that_cannot_be_is_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    bad = publish(tmp_path / "bad", {})
    (bad / "config.json").write_text(json.dumps({**CONFIG, **change}), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"config\.json: not the description of a Kokoro model: .*{said}"):
        KokoroEngine(bad, ["af_heart"], "cpu")
