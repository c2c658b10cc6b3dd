"""The default voice's network in torch: batched, and decodable in chunks that equal the whole.

Phoneme ids -> a prosody frame every 25 ms -> a decoder frame every 12.5 ms, with five spectral parts of 601 bins
each. Weights come from the package's own ONNX file, whose initializers keep their torch names.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bridge.errors import ConfigError
from bridge.worker.engines.onnx_file import Graph, read_onnx

SYMBOLS = 178
BINS = 601
FEATURES = 130
HALO = 27
"""Decoder frames that a frame can see to either side: 3 from the first convolution, 3 from each of 8 blocks."""


class ConvBlock(nn.Module):
    """A ConvNeXt block: each channel's neighbourhood, then each frame's channels, added to the input.

    x [B, C, T], mask [B, 1, T] (1: real, 0: padding, which is never seen by real frames); returns [B, C, T]
    """

    def __init__(self, channels: int, hidden: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        padding = kernel // 2 * dilation
        self.dw = nn.Conv1d(channels, channels, kernel, padding=padding, dilation=dilation, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.pw1, self.pw2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.gamma = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        near = self.dw(x * mask).transpose(1, 2)  # [B, T, C]
        mixed = self.gamma * self.pw2(functional.gelu(self.pw1(self.norm(near))))
        total: Tensor = x + mixed.transpose(1, 2)
        return total


class Attention(nn.Module):
    """The weights of self-attention with two heads. x [B, L, D], mask [B, 1, 1, L]; returns [B, L, D]."""

    heads = 2

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, length, width = x.shape
        query, key, value = (
            self.in_proj(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        )  # each [B, H, L, D / H]
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        together: Tensor = self.out_proj(seen.transpose(1, 2).reshape(batch, length, width))
        return together


class TransformerLayer(nn.Module):
    """One pre-norm layer. x [B, L, D], mask [B, 1, 1, L]; returns [B, L, D]."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = Attention(width)
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.norm1(x), mask)
        mixed: Tensor = self.linear2(functional.gelu(self.linear1(self.norm2(x))))
        return x + mixed


class TextEncoder(nn.Module):
    """Phonemes in context: convolutions, then one transformer layer applied several times. There is no position code.

    ids [B, L], mask [B, L]; returns [B, D, L]
    """

    def __init__(self, width: int, hidden: int, passes: int) -> None:
        super().__init__()
        self.passes = passes
        self.emb = nn.Embedding(SYMBOLS, width)
        self.convs = nn.ModuleList(ConvBlock(width, hidden, 5) for _ in range(2))
        self.attn = TransformerLayer(width, hidden)
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x: Tensor = self.emb(ids).transpose(1, 2)  # [B, D, L]
        for block in self.convs:
            x = block(x, mask[:, None].to(x.dtype))
        x = x.transpose(1, 2)  # [B, L, D]
        for _ in range(self.passes):
            x = self.attn(x, mask[:, None, None])
        x = self.norm(x)
        return x.transpose(1, 2)


class ProsodyNet(nn.Module):
    """How long each phoneme lasts, and pitch and energy of every frame."""

    def __init__(self) -> None:
        super().__init__()
        self.text = TextEncoder(192, 384, 6)
        self.dur = nn.Sequential(nn.Conv1d(192, 192, 3, padding=1), nn.GELU(), nn.Conv1d(192, 1, 1))
        self.pro_in = nn.Conv1d(192, 192, 1)
        self.pro = nn.ModuleList(ConvBlock(192, 384, 7, dilation) for dilation in (1, 2, 4, 8, 1, 2))
        self.pro_out = nn.Conv1d(192, 4, 1)

    def durations(self, text: Tensor, mask: Tensor, speed: Tensor) -> Tensor:
        """text [B, 192, L], mask [B, L], speed [B] -> 25 ms frames of each id [B, L]."""
        log = self.dur(text * mask[:, None].to(text.dtype))[:, 0]
        return ((torch.exp(log) - 1.0) / speed[:, None]).round().clamp(min=1).long() * mask

    def curves(self, text: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """text spread over frames [B, 192, T], mask [B, 1, T] -> pitch in Hz and energy, both [B, 2 T]."""
        x = self.pro_in(text)
        for block in self.pro:
            x = block(x, mask)
        batch, frames = x.shape[0], x.shape[2]
        # channel 2 c + k is value c at half-frame k
        both = self.pro_out(x).reshape(batch, 2, 2, frames).transpose(2, 3).reshape(batch, 2, 2 * frames)
        return both[:, 0] * 100.0, both[:, 1]


class Decoder(nn.Module):
    """Turns the frames of a piece into spectral parts."""

    def __init__(self) -> None:
        super().__init__()
        self.text = TextEncoder(128, 256, 4)
        self.dec_in = nn.Conv1d(FEATURES, 256, 7, padding=3)
        self.dec = nn.ModuleList(ConvBlock(256, 768, 7) for _ in range(8))
        self.dec_norm = nn.LayerNorm(256)
        self.head = nn.Linear(256, 5 * BINS)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features [B, 130, F], mask [B, 1, F] -> [B, F, 3005]; a frame depends on `HALO` frames to either side."""
        x = self.dec_in(features * mask)
        for block in self.dec:
            x = block(x, mask)
        parts: Tensor = self.head(self.dec_norm(x.transpose(1, 2)))
        return parts


class Plan(NamedTuple):
    """What is known of a batch of pieces before any sound is made."""

    features: Tensor
    """[B, 130, F], the decoder's input"""
    pitch_hz: Tensor
    """[B, F]"""
    frames: Tensor
    """[B], decoder frames of each piece"""
    durations: Tensor
    """[B, L], 25 ms frames of each id"""


class HibariNetwork(nn.Module):
    """Both nets. Module names are those of the package's weights."""

    def __init__(self) -> None:
        super().__init__()
        self.pn = ProsodyNet()
        self.m = Decoder()

    def plan(self, ids: Tensor, lengths: Tensor, speed: Tensor) -> Plan:
        """ids [B, L] padded with 0, lengths [B], speed [B]: a row's plan does not depend on its neighbours."""
        mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]  # [B, L]
        spoken, prosody = self.m.text(ids, mask), self.pn.text(ids, mask)
        durations = self.pn.durations(prosody, mask, speed)
        ends = durations.cumsum(1)  # [B, L]
        frames = ends[:, -1]
        time = torch.arange(int(frames.max()), device=ids.device)  # [T]
        owner = torch.searchsorted(ends, time.expand(len(ids), -1).contiguous(), right=True)
        owner = owner.clamp(max=ids.shape[1] - 1)  # [B, T]: which id sounds in each frame
        frame_mask = (time < frames[:, None])[:, None].to(prosody.dtype)  # [B, 1, T]
        pitch, energy = self.pn.curves(_spread(prosody, owner), frame_mask)
        features = torch.cat(
            [
                _spread(spoken, owner).repeat_interleave(2, dim=2),
                (torch.log1p(functional.relu(pitch)) / 5.0)[:, None],
                energy[:, None],
            ],
            dim=1,
        )  # [B, 130, 2 T]
        return Plan(features, pitch, 2 * frames, durations)

    def decode(self, features: Tensor, mask: Tensor) -> Tensor:
        """Run the decoder in the precision that was set; what it gives back has the precision of the features."""
        precision = self.m.head.weight.dtype
        parts: Tensor = self.m(features.to(precision), mask.to(precision))
        return parts.to(features.dtype)

    def set_precision(self, precision: torch.dtype) -> None:
        """Set the decoder's precision, without its text encoder's (`bridge.worker.engines.device`)."""
        for part in (self.m.dec_in, self.m.dec, self.m.dec_norm, self.m.head):
            part.to(precision)


def _spread(x: Tensor, owner: Tensor) -> Tensor:
    """x [B, C, L], owner [B, T] -> [B, C, T]."""
    return torch.gather(x, 2, owner[:, None].expand(-1, x.shape[1], -1))


def load_network(path: Path) -> HibariNetwork:
    """The network with the weights of an ONNX file of the package. Raises ConfigError when they do not fit."""
    network = HibariNetwork().eval()
    try:
        network.load_state_dict(_weights(read_onnx(path)), strict=True)
    except (RuntimeError, KeyError) as error:
        raise ConfigError(f"{path}: not the weights of a hibari voice: {error}") from error
    return network.requires_grad_(False)


def _weights(graph: Graph) -> dict[str, Tensor]:
    """Floats by their names. Each linear layer is int8 [in, out] with one scale, known by the bias added to it."""
    weights = {
        _torch_name(name): torch.from_numpy(tensor.copy())
        for name, tensor in graph.tensors.items()
        if name.startswith(("m.", "pn."))
    }
    made_by = {output: node for node in graph.nodes for output in node.outputs}
    for node in graph.nodes:
        bias = node.inputs[0] if node.op == "Add" else ""
        if not bias.endswith("bias") or bias not in graph.tensors:
            continue
        chain = [made_by[node.inputs[1]]]  # Mul(scale) <- Cast <- MatMulInteger
        for _ in range(2):
            chain.append(made_by[chain[-1].inputs[0]])
        quantised = chain[-1].inputs[1]
        scale = graph.tensors[quantised.replace("_quantized", "_scale")]
        weight = torch.from_numpy(graph.tensors[quantised].astype("f4") * scale).T.contiguous()
        weights[_torch_name(bias).removesuffix("bias") + "weight"] = weight
    return weights


def _torch_name(name: str) -> str:
    return name.replace("in_proj_bias", "in_proj.bias")
