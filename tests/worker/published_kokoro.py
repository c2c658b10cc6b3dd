"""A Kokoro model of a few hundred weights, random, in the files that the real one is published in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import torch
from hibari.tts import ASSETS
from torch import Tensor, nn

from bridge.worker.engines.kokoro_config import KokoroConfig
from bridge.worker.engines.kokoro_network import KokoroNetwork

CONFIG: dict[str, Any] = {
    "n_token": 178,
    "hidden_dim": 16,
    "style_dim": 8,
    "n_layer": 2,
    "max_dur": 4,
    "dropout": 0.2,
    "n_mels": 80,
    "text_encoder_kernel_size": 5,
    "plbert": {
        "hidden_size": 12,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 62,
        "num_hidden_layers": 2,
        "dropout": 0.1,
    },
    "istftnet": {
        "upsample_kernel_sizes": [20, 12],
        "upsample_rates": [10, 6],
        "gen_istft_hop_size": 5,
        "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 3], [1, 2]],
        "resblock_kernel_sizes": [3, 5],
        "upsample_initial_channel": 16,
    },
    "vocab": json.loads((Path(ASSETS) / "vocab.json").read_text(encoding="utf-8")),
}
LONGEST = 60
VOICES = ("af_heart", "am_michael", "bf_emma")
Sections = dict[str, dict[str, Tensor]]


def random_network(seed: int = 1) -> KokoroNetwork:
    """Speaks at 100 to 140 Hz; each phoneme lasts one or two frames."""
    torch.manual_seed(seed)
    told = msgspec.convert(CONFIG, KokoroConfig)
    plbert = msgspec.structs.replace(told.plbert, embedding_size=6)
    config = msgspec.structs.replace(told, plbert=plbert, decoder_width=20, residual_width=4)
    network = KokoroNetwork(config).eval()
    with torch.no_grad():
        network.get_parameter("predictor.F0_proj.bias").fill_(120.0)
        network.predictor.F0_proj.weight.mul_(10.0)
        network.predictor.duration_proj.linear_layer.weight.mul_(20.0)
        for name, weight in network.named_parameters():
            if ".alpha" in name:
                weight.uniform_(0.5, 2.0)
        network.get_parameter("decoder.generator.conv_post.bias").fill_(-1.0)
    return network.requires_grad_(False)


def sections(network: KokoroNetwork) -> Sections:
    """As published: by part, trained in parallel, convolutions normalised, what is not used included."""
    modules = dict(network.named_modules())
    state = {name: weight for name, weight in network.state_dict().items() if ".norm." not in name}
    parts: Sections = {name: {} for name in ("bert", "bert_encoder", "predictor", "decoder", "text_encoder")}
    for name, weight in state.items():
        part, rest = name.split(".", 1)
        owner, kind = name.rsplit(".", 1)
        if kind == "weight" and is_normalised(owner, modules[owner]):
            length = weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.dim() - 1))
            parts[part][f"module.{rest}_g"], parts[part][f"module.{rest}_v"] = length, weight * 3
        else:
            parts[part][f"module.{rest}"] = weight.clone()
    parts["bert"]["module.pooler.weight"] = torch.zeros(12, 12)
    parts["bert"]["module.pooler.bias"] = torch.zeros(12)
    return parts


def is_normalised(name: str, module: nn.Module) -> bool:
    """Of the convolutions three kinds are not."""
    plain = ("noise_convs", "F0_proj", "N_proj")
    return isinstance(module, nn.Conv1d | nn.ConvTranspose1d) and not any(part in name for part in plain)


def publish(folder: Path, parts: Sections, voices: Iterable[str] = VOICES) -> Path:
    """The folder with all files."""
    (folder / "voices").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    torch.save(parts, folder / "kokoro-v1_0.pth")
    for number, voice in enumerate(voices):
        style = torch.randn(LONGEST, 1, 16, generator=torch.Generator().manual_seed(number))
        torch.save(style, folder / "voices" / f"{voice}.pt")
    return folder
