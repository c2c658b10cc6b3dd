"""VITS as Piper exports it, in torch: batched with masks, and with a decoder whose chunks equal the whole.

Phoneme ids -> durations -> a latent frame every `hop` samples -> samples. Module names are those of the exported
weights; sizes are read off the graph (`vits_weights`), so low, medium and high voices with one or several speakers
all fit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bridge.worker.engines.spline import SPLINE_BINS, inverse_spline
from bridge.worker.engines.vits_shape import VitsShape

SLOPE, LAST_SLOPE = 0.1, 0.01
COUPLINGS = ("6", "4", "2", "0")
"""The flow's couplings in the order of inference; the odd ones in between flip the channels."""


class ChannelNorm(nn.Module):
    """Layer norm over channels. x [B, C, T]; returns the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        normal = functional.layer_norm(x.transpose(1, 2), (x.shape[1],), self.gamma, self.beta, 1e-5)
        return normal.transpose(1, 2)


class RelativeAttention(nn.Module):
    """Self-attention that knows how far apart two phonemes are, up to `window`; heads share those embeddings.

    x [B, C, T], mask [B, 1, T]; returns [B, C, T]
    """

    def __init__(self, shape: VitsShape) -> None:
        super().__init__()
        self.heads, self.window = shape.heads, shape.attention_window
        self.conv_q, self.conv_k, self.conv_v, self.conv_o = (nn.Conv1d(shape.width, shape.width, 1) for _ in "qkvo")
        size = (1, 2 * self.window + 1, shape.width // shape.heads)
        self.emb_rel_k, self.emb_rel_v = nn.Parameter(torch.zeros(size)), nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, channels, length = x.shape
        depth = channels // self.heads
        query, key, value = (
            conv(x).view(batch, self.heads, depth, length).transpose(2, 3)
            for conv in (self.conv_q, self.conv_k, self.conv_v)
        )  # each [B, H, T, D]
        query = query / math.sqrt(depth)
        place = torch.arange(length, device=x.device)
        distance = place[None] - place[:, None]  # [T, T]
        near = (distance.abs() <= self.window).to(x.dtype)
        which = (distance + self.window).clamp(0, 2 * self.window).expand(batch, self.heads, length, length)
        by_distance = query @ self.emb_rel_k[0].t()  # [B, H, T, 9]
        score = query @ key.transpose(2, 3) + torch.gather(by_distance, 3, which) * near
        score = score.masked_fill(mask[:, :, None] * mask[..., None] == 0, -1e4)
        weight = score.softmax(-1)
        summed = torch.zeros_like(by_distance).scatter_add_(3, which, weight * near)
        seen = weight @ value + summed @ self.emb_rel_v[0]  # [B, H, T, D]
        out: Tensor = self.conv_o(seen.transpose(2, 3).reshape(batch, channels, length))
        return out


class FeedForward(nn.Module):
    """Two convolutions. x [B, C, T], mask [B, 1, T]; returns [B, C, T]."""

    def __init__(self, shape: VitsShape) -> None:
        super().__init__()
        self.conv_1 = nn.Conv1d(shape.width, shape.hidden, 3, padding=1)
        self.conv_2 = nn.Conv1d(shape.hidden, shape.width, 3, padding=1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        out: Tensor = self.conv_2(functional.relu(self.conv_1(x * mask)) * mask)
        return out * mask


class Encoder(nn.Module):
    """Post-norm transformer. x [B, C, T], mask [B, 1, T]; returns [B, C, T]."""

    def __init__(self, shape: VitsShape) -> None:
        super().__init__()
        self.attn_layers = nn.ModuleList(RelativeAttention(shape) for _ in range(shape.layers))
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(shape.width) for _ in range(shape.layers))
        self.ffn_layers = nn.ModuleList(FeedForward(shape) for _ in range(shape.layers))
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(shape.width) for _ in range(shape.layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        layers = zip(self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True)
        for attention, norm_1, feed_forward, norm_2 in layers:
            x = norm_1(x + attention(x, mask))
            x = norm_2(x + feed_forward(x, mask))
        return x * mask


class TextEncoder(nn.Module):
    """ids [B, L], mask [B, 1, L] -> context, mean and log deviation of the latent, each [B, C, L]."""

    def __init__(self, shape: VitsShape) -> None:
        super().__init__()
        self.scale = math.sqrt(shape.width)
        self.emb = nn.Embedding(shape.symbols, shape.width)
        self.encoder = Encoder(shape)
        self.proj = nn.Conv1d(shape.width, 2 * shape.width, 1)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.encoder((self.emb(ids) * self.scale).transpose(1, 2) * mask, mask)
        mean, deviation = (self.proj(x) * mask).chunk(2, 1)
        return x, mean, deviation


class SeparableConvs(nn.Module):
    """Three layers of dilated depth-wise convolutions. x [B, C, T], mask [B, 1, T]; returns [B, C, T]."""

    def __init__(self, channels: int, kernel: int = 3, layers: int = 3) -> None:
        super().__init__()
        self.convs_sep = nn.ModuleList(
            nn.Conv1d(
                channels,
                channels,
                kernel,
                groups=channels,
                dilation=kernel**layer,
                padding=(kernel - 1) * kernel**layer // 2,
            )
            for layer in range(layers)
        )
        self.convs_1x1 = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(layers))
        self.norms_1 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.norms_2 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor, also: Tensor | None = None) -> Tensor:
        x = x if also is None else x + also
        for deep, wide, norm_1, norm_2 in zip(self.convs_sep, self.convs_1x1, self.norms_1, self.norms_2, strict=True):
            near = functional.gelu(norm_1(deep(x * mask)))
            x = x + functional.gelu(norm_2(wide(near)))
        return x * mask


class SplineFlow(nn.Module):
    """One invertible layer of the duration predictor. x [B, 2, T], mask [B, 1, T], context [B, C, T]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = math.sqrt(width)
        self.pre, self.convs = nn.Conv1d(1, width, 1), SeparableConvs(width)
        self.proj = nn.Conv1d(width, 3 * SPLINE_BINS - 1, 1)

    def inverse(self, x: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        """Apply the layer backwards, from noise towards durations."""
        first, second = x.chunk(2, 1)
        bends = (self.proj(self.convs(self.pre(first), mask, context)) * mask).transpose(1, 2)[:, None]
        widths, heights, slopes = bends.split([SPLINE_BINS, SPLINE_BINS, SPLINE_BINS - 1], -1)
        second = inverse_spline(second, widths / self.scale, heights / self.scale, slopes)
        return torch.cat([first, second], 1) * mask


class ElementwiseAffine(nn.Module):
    """y = exp(logs) x + m; `scale` is exp(-logs), as the export folds it."""

    def __init__(self) -> None:
        super().__init__()
        self.m, self.scale = nn.Parameter(torch.zeros(2, 1)), nn.Parameter(torch.ones(2, 1))


class DurationPredictor(nn.Module):
    """Phonemes in context and noise -> how long each lasts. Of the flows, number 1 is dropped at inference."""

    def __init__(self, shape: VitsShape) -> None:
        super().__init__()
        width = shape.width
        self.pre, self.convs, self.proj = nn.Conv1d(width, width, 1), SeparableConvs(width), nn.Conv1d(width, width, 1)
        self.flows = nn.ModuleDict({"0": ElementwiseAffine(), **{name: SplineFlow(width) for name in "357"}})
        if shape.speaker_width:
            self.cond = nn.Conv1d(shape.speaker_width, width, 1)

    def forward(self, x: Tensor, mask: Tensor, noise: Tensor, speaker: Tensor | None) -> Tensor:
        """x [B, C, L], mask [B, 1, L], noise [B, 2, L], speaker [B, S, 1] -> log of latent frames [B, 1, L]."""
        x = self.pre(x) if speaker is None else self.pre(x) + self.cond(speaker)
        x = self.proj(self.convs(x, mask)) * mask
        z = noise
        for name in "753":
            flow = self.flows[name]
            assert isinstance(flow, SplineFlow)
            z = flow.inverse(z.flip(1), mask, x)
        affine = self.flows["0"]
        assert isinstance(affine, ElementwiseAffine)
        return ((z.flip(1) - affine.m) * affine.scale * mask)[:, :1]


class GatedConvs(nn.Module):
    """WaveNet layers without dilation. x [B, C, T], mask [B, 1, T], speaker [B, S, 1]; returns [B, C, T]."""

    def __init__(self, shape: VitsShape) -> None:
        super().__init__()
        width, kernel, layers = shape.width, shape.flow_kernel, shape.flow_layers
        self.in_layers = nn.ModuleList(nn.Conv1d(width, 2 * width, kernel, padding=kernel // 2) for _ in range(layers))
        self.res_skip_layers = nn.ModuleList(
            nn.Conv1d(width, 2 * width if layer < layers - 1 else width, 1) for layer in range(layers)
        )
        if shape.speaker_width:
            self.cond_layer = nn.Conv1d(shape.speaker_width, 2 * width * layers, 1)

    def forward(self, x: Tensor, mask: Tensor, speaker: Tensor | None) -> Tensor:
        width, total = x.shape[1], torch.zeros_like(x)
        hints = None if speaker is None else self.cond_layer(speaker).chunk(len(self.in_layers), 1)
        for index, (gate, leave) in enumerate(zip(self.in_layers, self.res_skip_layers, strict=True)):
            both = gate(x) if hints is None else gate(x) + hints[index]
            wave, opening = both.chunk(2, 1)
            out = leave(torch.tanh(wave) * torch.sigmoid(opening))
            if out.shape[1] > width:
                x = (x + out[:, :width]) * mask
                out = out[:, width:]
            total = total + out
        return total * mask


class Coupling(nn.Module):
    """One invertible layer of the latent flow."""

    def __init__(self, shape: VitsShape) -> None:
        super().__init__()
        self.pre = nn.Conv1d(shape.width // 2, shape.width, 1)
        self.enc = GatedConvs(shape)
        self.post = nn.Conv1d(shape.width, shape.width // 2, 1)

    def inverse(self, x: Tensor, mask: Tensor, speaker: Tensor | None) -> Tensor:
        """x [B, C, T], mask [B, 1, T], speaker [B, S, 1]; returns [B, C, T]."""
        first, second = x.chunk(2, 1)
        shift = self.post(self.enc(self.pre(first) * mask, mask, speaker)) * mask
        return torch.cat([first, (second - shift) * mask], 1)


class Flow(nn.Module):
    """Couplings with the channels turned around between them."""

    def __init__(self, shape: VitsShape) -> None:
        super().__init__()
        self.flows = nn.ModuleDict({name: Coupling(shape) for name in COUPLINGS})

    def forward(self, z: Tensor, mask: Tensor, speaker: Tensor | None) -> Tensor:
        """Turn a sample of the prior into the decoder's latent, [B, C, T]."""
        for name in COUPLINGS:
            coupling = self.flows[name]
            assert isinstance(coupling, Coupling)
            z = coupling.inverse(z.flip(1), mask, speaker)
        return z


class ResidualBlock(nn.Module):
    """Dilated convolutions, each added to its input. x [B, C, N], mask [B, 1, N]; returns [B, C, N]."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], paired: bool) -> None:
        super().__init__()
        self.paired = paired
        wide = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)
            for dilation in dilations
        )
        if not paired:
            self.convs = wide
            return
        self.convs1 = wide
        self.convs2 = nn.ModuleList(nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in dilations)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        if not self.paired:
            for conv in self.convs:
                x = x + conv(functional.leaky_relu(x, SLOPE) * mask)
            return x
        for wide, plain in zip(self.convs1, self.convs2, strict=True):
            y = wide(functional.leaky_relu(x, SLOPE) * mask)
            x = x + plain(functional.leaky_relu(y, SLOPE) * mask)
        return x


class Generator(nn.Module):
    """HiFi-GAN: latent frames -> samples."""

    def __init__(self, shape: VitsShape) -> None:
        super().__init__()
        self.rates, self.blocks_each = shape.rates, len(shape.block_kernels)
        self.conv_pre = nn.Conv1d(shape.width, shape.channels, 7, padding=3)
        sizes = [shape.channels >> stage for stage in range(len(shape.rates) + 1)]
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(size, size // 2, kernel, rate, padding=(kernel - rate) // 2)
            for size, kernel, rate in zip(sizes, shape.kernels, shape.rates, strict=False)
        )
        self.resblocks = nn.ModuleList(
            ResidualBlock(size, kernel, dilations, shape.paired)
            for size in sizes[1:]
            for kernel, dilations in zip(shape.block_kernels, shape.block_dilations, strict=True)
        )
        self.conv_post = nn.Conv1d(sizes[-1], 1, 7, padding=3, bias=False)
        if shape.speaker_width:
            self.cond = nn.Conv1d(shape.speaker_width, shape.channels, 1)

    def forward(self, z: Tensor, mask: Tensor, speaker: Tensor | None) -> Tensor:
        """z [B, C, T], mask [B, 1, T], speaker [B, S, 1] -> [B, T * hop]. Nothing outside the mask is ever seen."""
        x = self.conv_pre(z * mask)
        if speaker is not None:
            x = x + self.cond(speaker)
        for stage, (up, rate) in enumerate(zip(self.ups, self.rates, strict=True)):
            x = up(functional.leaky_relu(x, SLOPE) * mask)
            mask = mask.repeat_interleave(rate, dim=2)
            blocks = list(self.resblocks)[stage * self.blocks_each : (stage + 1) * self.blocks_each]
            x = torch.stack([block(x, mask) for block in blocks]).mean(0)
        return torch.tanh(self.conv_post(functional.leaky_relu(x, LAST_SLOPE) * mask))[:, 0]


class VitsNetwork(nn.Module):
    """A whole VITS voice: text encoder, duration predictor, flow and generator."""

    def __init__(self, shape: VitsShape) -> None:
        super().__init__()
        self.shape = shape
        self.enc_p, self.dp = TextEncoder(shape), DurationPredictor(shape)
        self.flow, self.dec = Flow(shape), Generator(shape)
        if shape.speaker_width:
            self.emb_g = nn.Embedding(shape.speakers, shape.speaker_width)

    def speaker(self, numbers: Tensor) -> Tensor | None:
        """[B] -> [B, S, 1]; None for a voice of one speaker."""
        return self.emb_g(numbers)[..., None] if self.shape.speaker_width else None

    def durations(
        self, ids: Tensor, lengths: Tensor, noise: Tensor, stretch: Tensor, speaker: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Latent frames of each id [B, L], and the latent's mean and log deviation there, [B, C, L].

        ids [B, L] padded, lengths [B], noise [B, 2, L] already scaled, stretch [B] (1 / speed).
        """
        mask = (torch.arange(ids.shape[1], device=ids.device) < lengths[:, None])[:, None].to(noise.dtype)
        context, mean, deviation = self.enc_p(ids, mask)
        log = self.dp(context, mask, noise * mask, speaker)
        return torch.ceil(torch.exp(log) * mask * stretch[:, None, None])[:, 0].long(), mean, deviation

    def latent(
        self, frames: Tensor, mean: Tensor, deviation: Tensor, noise: Tensor, speaker: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The decoder's input [B, C, T] and its mask [B, 1, T].

        frames [B, L], mean and deviation from `durations`, noise [B, C, T] already scaled.
        """
        ends = frames.cumsum(1)
        time = torch.arange(noise.shape[2], device=frames.device)
        owner = torch.searchsorted(ends, time.expand(len(frames), -1).contiguous(), right=True)
        owner = owner.clamp(max=frames.shape[1] - 1)[:, None].expand(-1, mean.shape[1], -1)
        mask = (time < ends[:, -1:])[:, None].to(noise.dtype)
        prior = torch.gather(mean, 2, owner) + noise * torch.exp(torch.gather(deviation, 2, owner))
        return self.flow(prior * mask, mask, speaker) * mask, mask

    def decode(self, z: Tensor, mask: Tensor, speaker: Tensor | None) -> Tensor:
        """Run the generator in the precision that was set; what it gives back has the precision of the latent."""
        precision = self.dec.conv_pre.weight.dtype
        hint = None if speaker is None else speaker.to(precision)
        samples: Tensor = self.dec(z.to(precision), mask.to(precision), hint)
        return samples.to(z.dtype)

    def set_precision(self, precision: torch.dtype) -> None:
        """Set the precision of the generator (`bridge.worker.engines.device`)."""
        self.dec.to(precision)
