"""How large the parts of a Piper voice are."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class VitsShape:
    """Sizes of one voice; the defaults are Piper's medium quality."""

    symbols: int = 256
    width: int = 192
    hidden: int = 768
    heads: int = 2
    layers: int = 6
    attention_window: int = 4
    flow_kernel: int = 5
    flow_layers: int = 4
    channels: int = 256
    rates: tuple[int, ...] = (8, 8, 4)
    kernels: tuple[int, ...] = (16, 16, 8)
    block_kernels: tuple[int, ...] = (3, 5, 7)
    block_dilations: tuple[tuple[int, ...], ...] = ((1, 2), (2, 6), (3, 12))
    paired: bool = False
    """Residual blocks of kind 1: every dilated convolution is followed by a plain one."""
    speakers: int = 1
    speaker_width: int = 0

    @property
    def hop(self) -> int:
        """Samples of a latent frame."""
        return math.prod(self.rates)

    @property
    def halo(self) -> int:
        """Latent frames that a frame's samples can depend on, to either side: rounded up at every layer."""
        reach = 3
        plain = [(kernel - 1) // 2 for kernel in self.block_kernels]
        block = max(
            sum(half * (dilation + self.paired) for dilation in dilations)
            for half, dilations in zip(plain, self.block_dilations, strict=True)
        )
        for rate, kernel in zip(reversed(self.rates), reversed(self.kernels), strict=True):
            reach = -(-(reach + block + kernel) // rate)
        return reach + 3
