"""Layers that several parts of Kokoro are made of, batched: a row never sees its neighbours' lengths.

A mask [B, 1, T] is 1 where a row has frames and 0 beyond its end; None where all rows are of one length, which saves
the work.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

SLOPE = 0.2
"""Of the leaky rectifiers outside the generator."""
_EPSILON = 1e-5


def mask_of(lengths: Tensor, device: torch.device) -> Tensor | None:
    """[B] on the CPU -> [B, 1, T]; None when no row is padded."""
    longest = int(lengths.max())
    if bool((lengths == longest).all()):
        return None
    mask = torch.arange(longest) < lengths[:, None]
    return mask[:, None].to(device, torch.float32)


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """Zero beyond each row's end."""
    return x if mask is None else x * mask


def recur(lstm: nn.LSTM, x: Tensor, lengths: Tensor) -> Tensor:
    """Run both directions of an LSTM over rows of different lengths.

    x [B, L, C], lengths [B] on the CPU; returns [B, L, H], zero beyond each row's end
    """
    if bool((lengths == x.shape[1]).all()):
        whole: Tensor = lstm(x)[0]
        return whole
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=x.shape[1])[0]


class Affine(nn.Module):
    """A factor and a summand for each channel; released checkpoints leave them out, which is 1 and 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))


class StyleNorm(nn.Module):
    """Adaptive instance normalisation: each channel's mean and variance over its whole row become the style's.

    This is why the waveform cannot be made in exact chunks: every frame depends on all others.

    x [B, C, T], mask [B, 1, T], style [B, S]; returns [B, C, T], masked
    """

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.norm = Affine(channels)
        self.fc = nn.Linear(style, 2 * channels)

    def forward(self, x: Tensor, mask: Tensor | None, style: Tensor) -> Tensor:
        gamma, beta = self.fc(style)[..., None].chunk(2, 1)  # each [B, C, 1]
        scale = (1 + gamma) * self.norm.weight[:, None]
        shift = (1 + gamma) * self.norm.bias[:, None] + beta
        if mask is None:
            variance, mean = torch.var_mean(x, 2, correction=0, keepdim=True)
            scale = scale * torch.rsqrt(variance + _EPSILON)
            return torch.addcmul(shift - mean * scale, x, scale)
        count = mask.sum(2, keepdim=True)
        centred = (x - (x * mask).sum(2, keepdim=True) / count) * mask
        variance = centred.square().sum(2, keepdim=True) / count
        normal = torch.addcmul(shift, centred, scale * torch.rsqrt(variance + _EPSILON))
        return normal * mask


class StyledBlock(nn.Module):
    """Two convolutions with style, added to the input; one that doubles the frames does so at the start.

    x [B, C, T], mask of the result [B, 1, T or 2 T], style [B, S]; returns [B, D, T or 2 T]
    """

    def __init__(self, channels: int, out: int, style: int, doubles: bool = False) -> None:
        super().__init__()
        self.doubles = doubles
        self.conv1, self.conv2 = nn.Conv1d(channels, out, 3, padding=1), nn.Conv1d(out, out, 3, padding=1)
        self.norm1, self.norm2 = StyleNorm(channels, style), StyleNorm(out, style)
        if channels != out:
            self.conv1x1 = nn.Conv1d(channels, out, 1, bias=False)
        if doubles:
            self.pool = nn.ConvTranspose1d(channels, channels, 3, 2, padding=1, output_padding=1, groups=channels)

    def forward(self, x: Tensor, mask: Tensor | None, style: Tensor) -> Tensor:
        before = mask[..., ::2] if mask is not None and self.doubles else mask
        y = functional.leaky_relu(self.norm1(x, before, style), SLOPE)
        if self.doubles:
            x, y = x.repeat_interleave(2, dim=2), masked(self.pool(y), mask)
        y = functional.leaky_relu(self.norm2(self.conv1(y), mask, style), SLOPE)
        y = self.conv2(y)
        x = self.conv1x1(x) if hasattr(self, "conv1x1") else x
        added: Tensor = (x + y) * 0.5**0.5
        return added
