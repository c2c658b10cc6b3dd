"""Reads a released Kokoro checkpoint (`kokoro-v1_0.pth`) and voices (`voices/*.pt`, or float32 `*.bin`).

A checkpoint is five state dicts, by the names of the model's parts. Their keys may begin with `module.`, and weights
may be normalised (`weight_g` and `weight_v`, or the parametrised names that newer torch has for them).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from bridge.audio.encoder import Samples
from bridge.errors import ConfigError
from bridge.worker.engines.kokoro_config import KokoroConfig
from bridge.worker.engines.kokoro_network import KokoroNetwork

SECTIONS = ("bert", "bert_encoder", "predictor", "text_encoder", "decoder")
_UNUSED = re.compile(r"bert\.(pooler\..*|embeddings\.position_ids|embeddings\.token_type_ids)")
"""Trained but never asked for, or no weights at all."""
_OPTIONAL = re.compile(r".*\.norm\.(weight|bias)")
"""`Affine`: not in every checkpoint."""
_LENGTHS = ((".weight_g", ".weight_v"), (".parametrizations.weight.original0", ".parametrizations.weight.original1"))


def load_network(path: Path, config: KokoroConfig) -> KokoroNetwork:
    """The network of this checkpoint. Raises ConfigError, saying what is missing, foreign or of another size."""
    weights = fold(_sections(path))
    network = KokoroNetwork(_with_widths(config, weights, path)).eval()
    wanted = network.state_dict()
    found = {name: tensor for name, tensor in weights.items() if not _UNUSED.fullmatch(name)}
    missing = [name for name in wanted if name not in found and not _OPTIONAL.fullmatch(name)]
    foreign = [name for name in found if name not in wanted]
    unequal = [
        f"{name} is {list(found[name].shape)}, expected {list(wanted[name].shape)}"
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    said = [
        f"{what}: {', '.join(names[:3])}" + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        for what, names in (("lacks", missing), ("has foreign weights", foreign), ("does not fit its config", unequal))
        if names
    ]
    if said:
        raise ConfigError(f"{path}: not a Kokoro checkpoint: {'; '.join(said)}")
    network.load_state_dict({**wanted, **found})
    return network.requires_grad_(False)


def fold(sections: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """All weights in one, float32, `section.name`, with `module.` taken off and weight normalisation worked out.

    A normalised weight is its direction, scaled to a length for each index of its first axis (Salimans & Kingma 2016).
    """
    weights = {
        f"{section}.{name.removeprefix('module.')}": tensor.float()
        for section, state in sections.items()
        for name, tensor in state.items()
    }
    for length, direction in _LENGTHS:
        for name in [name for name in weights if name.endswith(length)]:
            stem = name.removesuffix(length)
            size, way = weights[name], weights.get(stem + direction, torch.zeros(0))
            if way.dim() < 2 or size.numel() != len(way):
                continue  # they are named as foreign
            norm = way.flatten(1).norm(dim=1).view(-1, *[1] * (way.dim() - 1))
            weights[stem + ".weight"] = way * size.view_as(norm) / norm
            del weights[name], weights[stem + direction]
    return weights


def load_style(path: Path, config: KokoroConfig) -> Samples:
    """A voice: a style for every number of phonemes, [510, 256]. Raises ConfigError."""
    width = 2 * config.style_dim
    if path.suffix == ".bin":
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}; expected a Kokoro voice") from error
        if len(content) != config.longest * width * 4:
            raise ConfigError(
                f"{path}: not a Kokoro voice: {len(content)} bytes, "
                f"expected {config.longest * width * 4} ({config.longest} x {width} float32)"
            )
        style = np.frombuffer(content, "<f4").reshape(config.longest, width).copy()
    else:
        loaded = _load(path, "voice")
        if not isinstance(loaded, Tensor) or loaded.numel() != config.longest * width or loaded.shape[-1] != width:
            what = list(loaded.shape) if isinstance(loaded, Tensor) else type(loaded).__name__
            raise ConfigError(f"{path}: not a Kokoro voice: {what}, expected [{config.longest}, 1, {width}]")
        style = loaded.reshape(config.longest, width).float().numpy()
    if not np.isfinite(style).all():
        raise ConfigError(f"{path}: not a Kokoro voice: it has values that are no numbers")
    return style


def _sections(path: Path) -> dict[str, dict[str, Tensor]]:
    loaded = _load(path, "checkpoint")
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path}: not a Kokoro checkpoint: a {type(loaded).__name__}, expected {_named(SECTIONS)}")
    if set(loaded) != set(SECTIONS):
        has = _named([str(name) for name in loaded][:5]) or "nothing"
        raise ConfigError(f"{path}: not a Kokoro checkpoint: has {has}, expected {_named(SECTIONS)}")
    for section, state in loaded.items():
        if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
            raise ConfigError(f"{path}: not a Kokoro checkpoint: {section} is no dictionary of tensors")
    return loaded


def _named(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)


def _load(path: Path, what: str) -> object:
    """What torch saved there, tensors only: a pickle that would run code is refused."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; expected a Kokoro {what}") from error
    except Exception as error:  # bytes that are no checkpoint break torch's reader in many ways
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ConfigError(f"{path}: not a Kokoro {what}, or cut off: {reason[:200]}") from error


def _with_widths(config: KokoroConfig, weights: Mapping[str, Tensor], path: Path) -> KokoroConfig:
    """Sizes that only the checkpoint has."""
    embedding, encode, shown = (
        "bert.embeddings.word_embeddings.weight",
        "decoder.encode.conv1.weight",
        "decoder.asr_res.0.weight",
    )
    for name, axes in ((embedding, 2), (encode, 3), (shown, 3)):
        if name not in weights or weights[name].dim() != axes:
            raise ConfigError(f"{path}: not a Kokoro checkpoint: lacks {name}")
    return msgspec.structs.replace(
        config,
        plbert=msgspec.structs.replace(config.plbert, embedding_size=weights[embedding].shape[1]),
        decoder_width=weights[encode].shape[0],
        residual_width=weights[shown].shape[0],
    )
