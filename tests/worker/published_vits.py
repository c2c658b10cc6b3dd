"""VITS as its paper's code computes it (jaywalnut310/vits, MIT) and Piper exports it: the other side of a comparison.

Written from the published structure, one utterance at a time, without a thought for speed: relative attention by
padding and reshaping, alignment as a matrix, normalised weights, flows as a list that is run backwards. `export`
writes the ONNX file with torch's own exporter, with the inputs of Piper's, and then runs in onnxruntime.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from bridge.worker.engines.vits_shape import VitsShape


class LayerNorm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        # Not ones and zeros: the exporter would keep but one of all that are equal.
        self.gamma = nn.Parameter(1 + torch.randn(channels) * 0.1)
        self.beta = nn.Parameter(torch.randn(channels) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x.transpose(1, -1), self.gamma.shape, self.gamma, self.beta, 1e-5).transpose(1, -1)


class MultiHeadAttention(nn.Module):
    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window, self.depth = heads, window, channels // heads
        self.conv_q, self.conv_k, self.conv_v, self.conv_o = (nn.Conv1d(channels, channels, 1) for _ in range(4))
        self.emb_rel_k = nn.Parameter(torch.randn(1, 2 * window + 1, self.depth) * self.depth**-0.5)
        self.emb_rel_v = nn.Parameter(torch.randn(1, 2 * window + 1, self.depth) * self.depth**-0.5)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        b, d, t = (int(size) for size in x.shape)
        q, k, v = (
            conv(x).view(b, self.heads, self.depth, t).transpose(2, 3)
            for conv in (self.conv_q, self.conv_k, self.conv_v)
        )
        q = q / math.sqrt(self.depth)
        scores = q @ k.transpose(-2, -1)
        scores = scores + self.to_absolute(q @ self.around(self.emb_rel_k, t).unsqueeze(0).transpose(-2, -1))
        scores = scores.masked_fill(mask == 0, -1e4)
        p = functional.softmax(scores, dim=-1)
        out = p @ v + self.to_relative(p) @ self.around(self.emb_rel_v, t).unsqueeze(0)
        y: Tensor = self.conv_o(out.transpose(2, 3).contiguous().view(b, d, t))
        return y

    def around(self, embedding: Tensor, length: int) -> Tensor:
        """[1, 2 length - 1, depth]: zeros beyond the window."""
        extra, start = max(length - (self.window + 1), 0), max((self.window + 1) - length, 0)
        return functional.pad(embedding, [0, 0, extra, extra])[:, start : start + 2 * length - 1]

    @staticmethod
    def to_absolute(x: Tensor) -> Tensor:
        b, h, t, _ = (int(size) for size in x.shape)
        flat = functional.pad(functional.pad(x, [0, 1]).view(b, h, t * 2 * t), [0, t - 1])
        return flat.view(b, h, t + 1, 2 * t - 1)[:, :, :t, t - 1 :]

    @staticmethod
    def to_relative(x: Tensor) -> Tensor:
        b, h, t, _ = (int(size) for size in x.shape)
        flat = functional.pad(functional.pad(x, [0, t - 1]).view(b, h, t * t + t * (t - 1)), [t, 0])
        return flat.view(b, h, t, 2 * t)[:, :, :, 1:]


class Ffn(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv_1, self.conv_2 = nn.Conv1d(channels, hidden, 3), nn.Conv1d(hidden, channels, 3)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = torch.relu(self.conv_1(functional.pad(x * mask, [1, 1])))
        y: Tensor = self.conv_2(functional.pad(x * mask, [1, 1])) * mask
        return y


class Encoder(nn.Module):
    def __init__(self, s: VitsShape) -> None:
        super().__init__()
        self.attn_layers = nn.ModuleList(
            MultiHeadAttention(s.width, s.heads, s.attention_window) for _ in range(s.layers)
        )
        self.norm_layers_1 = nn.ModuleList(LayerNorm(s.width) for _ in range(s.layers))
        self.ffn_layers = nn.ModuleList(Ffn(s.width, s.hidden) for _ in range(s.layers))
        self.norm_layers_2 = nn.ModuleList(LayerNorm(s.width) for _ in range(s.layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        both = mask.unsqueeze(2) * mask.unsqueeze(-1)
        x = x * mask
        for i, attention in enumerate(self.attn_layers):
            x = self.norm_layers_1[i](x + attention(x, both))
            x = self.norm_layers_2[i](x + self.ffn_layers[i](x, mask))
        return x * mask


class TextEncoder(nn.Module):
    def __init__(self, s: VitsShape) -> None:
        super().__init__()
        self.width = s.width
        self.emb = nn.Embedding(s.symbols, s.width)
        nn.init.normal_(self.emb.weight, 0.0, s.width**-0.5)
        self.encoder = Encoder(s)
        self.proj = nn.Conv1d(s.width, s.width * 2, 1)


class DdsConv(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs_sep, self.convs_1x1 = nn.ModuleList(), nn.ModuleList()
        self.norms_1, self.norms_2 = nn.ModuleList(), nn.ModuleList()
        for i in range(3):
            self.convs_sep.append(
                nn.Conv1d(channels, channels, 3, groups=channels, dilation=3**i, padding=(3 * 3**i - 3**i) // 2)
            )
            self.convs_1x1.append(nn.Conv1d(channels, channels, 1))
            self.norms_1.append(LayerNorm(channels))
            self.norms_2.append(LayerNorm(channels))

    def forward(self, x: Tensor, mask: Tensor, g: Tensor | None = None) -> Tensor:
        if g is not None:
            x = x + g
        for i in range(3):
            y = functional.gelu(self.norms_1[i](self.convs_sep[i](x * mask)))
            x = x + functional.gelu(self.norms_2[i](self.convs_1x1[i](y)))
        return x * mask


class Flip(nn.Module):
    def forward(self, x: Tensor, *_: object) -> Tensor:
        return torch.flip(x, [1])


class ElementwiseAffine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.m, self.logs = nn.Parameter(torch.randn(2, 1) * 0.3), nn.Parameter(torch.randn(2, 1) * 0.3)

    def forward(self, x: Tensor, mask: Tensor, g: Tensor) -> Tensor:
        return (x - self.m) * torch.exp(-self.logs) * mask


class ConvFlow(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.pre, self.convs, self.proj = nn.Conv1d(1, channels, 1), DdsConv(channels), nn.Conv1d(channels, 29, 1)

    def forward(self, x: Tensor, mask: Tensor, g: Tensor) -> Tensor:
        x0, x1 = x[:, :1], x[:, 1:]
        h = self.proj(self.convs(self.pre(x0), mask, g)) * mask
        b, c, t = x0.shape
        h = h.reshape(b, c, -1, t).permute(0, 1, 3, 2)
        scale = math.sqrt(self.channels)
        x1 = inverse_spline(x1, h[..., :10] / scale, h[..., 10:20] / scale, h[..., 20:])
        return torch.cat([x0, x1], 1) * mask


def inverse_spline(y: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor) -> Tensor:
    """The quadratic of each of the ten bins is solved, and the one taken in which y lies (Durkan et al. 2019)."""
    w, h = (10 * (1e-3 + (1 - 1e-2) * functional.softmax(size, -1)) for size in (widths, heights))
    x_low, y_low = torch.cumsum(w, -1) - w - 5, torch.cumsum(h, -1) - h - 5
    d = 1e-3 + functional.softplus(slopes)
    one = torch.ones_like(d[..., :1])
    d0, d1 = torch.cat([one, d], -1), torch.cat([d, one], -1)  # linear tails: slope 1 at both ends
    s, dy = h / w, y.unsqueeze(-1) - y_low
    a = dy * (d0 + d1 - 2 * s) + h * (s - d0)
    b = h * d0 - dy * (d0 + d1 - 2 * s)
    theta = -2 * s * dy / (-b - torch.sqrt(torch.clamp(b * b + 4 * a * s * dy, min=0.0)))
    inside = (dy >= 0) & (dy < h)
    x = torch.where(inside, theta * w + x_low, torch.zeros_like(w)).sum(-1)
    return torch.where((y > -5) & (y < 5), x, y)


class DurationPredictor(nn.Module):
    def __init__(self, s: VitsShape) -> None:
        super().__init__()
        n = s.width
        self.pre, self.convs, self.proj = nn.Conv1d(n, n, 1), DdsConv(n), nn.Conv1d(n, n, 1)
        self.flows = nn.ModuleList([ElementwiseAffine()])
        for _ in range(4):
            self.flows.extend([ConvFlow(n), Flip()])
        if s.speaker_width:
            self.cond = nn.Conv1d(s.speaker_width, n, 1)

    def forward(self, x: Tensor, mask: Tensor, noise: Tensor, g: Tensor | None) -> Tensor:
        x = self.pre(x)
        if g is not None:
            x = x + self.cond(g)
        x = self.proj(self.convs(x, mask)) * mask
        flows = list(reversed(self.flows))
        z = noise
        for flow in [*flows[:-2], flows[-1]]:
            z = flow(z, mask, x)
        return z[:, :1]


class Wn(nn.Module):
    def __init__(self, s: VitsShape) -> None:
        super().__init__()
        self.n, self.layers = s.width, s.flow_layers
        self.in_layers, self.res_skip_layers = nn.ModuleList(), nn.ModuleList()
        for i in range(self.layers):
            self.in_layers.append(
                weight_norm(nn.Conv1d(self.n, 2 * self.n, s.flow_kernel, padding=(s.flow_kernel - 1) // 2))
            )
            out = 2 * self.n if i < self.layers - 1 else self.n
            self.res_skip_layers.append(weight_norm(nn.Conv1d(self.n, out, 1)))
        if s.speaker_width:
            self.cond_layer = weight_norm(nn.Conv1d(s.speaker_width, 2 * self.n * self.layers, 1))

    def forward(self, x: Tensor, mask: Tensor, g: Tensor | None) -> Tensor:
        output = torch.zeros_like(x)
        hints = None if g is None else self.cond_layer(g)
        for i in range(self.layers):
            a = self.in_layers[i](x)
            if hints is not None:
                a = a + hints[:, i * 2 * self.n : (i + 1) * 2 * self.n]
            rs = self.res_skip_layers[i](torch.tanh(a[:, : self.n]) * torch.sigmoid(a[:, self.n :]))
            if i < self.layers - 1:
                x = (x + rs[:, : self.n]) * mask
                output = output + rs[:, self.n :]
            else:
                output = output + rs
        return output * mask


class Coupling(nn.Module):
    def __init__(self, s: VitsShape) -> None:
        super().__init__()
        self.n_half = s.width // 2
        self.pre, self.enc = nn.Conv1d(self.n_half, s.width, 1), Wn(s)
        self.post = nn.Conv1d(s.width, self.n_half, 1)

    def forward(self, x: Tensor, mask: Tensor, g: Tensor | None) -> Tensor:
        x0, x1 = x[:, : self.n_half], x[:, self.n_half :]
        m = self.post(self.enc(self.pre(x0) * mask, mask, g)) * mask
        return torch.cat([x0, (x1 - m) * mask], 1)


class Flow(nn.Module):
    def __init__(self, s: VitsShape) -> None:
        super().__init__()
        self.flows = nn.ModuleList()
        for _ in range(4):
            self.flows.extend([Coupling(s), Flip()])


class ResBlock1(nn.Module):
    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=d, padding=(kernel * d - d) // 2) for d in dilations
        )
        self.convs2 = nn.ModuleList(nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for c1, c2 in zip(self.convs1, self.convs2, strict=True):
            xt = c1(functional.leaky_relu(x, 0.1))
            xt = c2(functional.leaky_relu(xt, 0.1))
            x = xt + x
        return x


class ResBlock2(nn.Module):
    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=d, padding=(kernel * d - d) // 2) for d in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        for c in self.convs:
            x = c(functional.leaky_relu(x, 0.1)) + x
        return x


class Generator(nn.Module):
    def __init__(self, s: VitsShape) -> None:
        super().__init__()
        self.kernels = len(s.block_kernels)
        block = ResBlock1 if s.paired else ResBlock2
        self.conv_pre = nn.Conv1d(s.width, s.channels, 7, 1, padding=3)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        channels = s.channels
        for u, k in zip(s.rates, s.kernels, strict=True):
            self.ups.append(nn.ConvTranspose1d(channels, channels // 2, k, u, padding=(k - u) // 2))
            channels //= 2
            for kernel, dilations in zip(s.block_kernels, s.block_dilations, strict=True):
                self.resblocks.append(block(channels, kernel, dilations))
        self.conv_post = nn.Conv1d(channels, 1, 7, 1, padding=3, bias=False)
        if s.speaker_width:
            self.cond = nn.Conv1d(s.speaker_width, s.channels, 1)

    def forward(self, x: Tensor, g: Tensor | None) -> Tensor:
        x = self.conv_pre(x)
        if g is not None:
            x = x + self.cond(g)
        for i, up in enumerate(self.ups):
            x = up(functional.leaky_relu(x, 0.1))
            xs = self.resblocks[i * self.kernels](x)
            for j in range(1, self.kernels):
                xs = xs + self.resblocks[i * self.kernels + j](x)
            x = xs / self.kernels
        return torch.tanh(self.conv_post(functional.leaky_relu(x)))


class PublishedVits(nn.Module):
    """forward(input [1, L], input_lengths [1], scales [3], sid [1]) -> samples [1, 1, N]"""

    def __init__(self, s: VitsShape) -> None:
        super().__init__()
        self.enc_p, self.dp, self.flow, self.dec = TextEncoder(s), DurationPredictor(s), Flow(s), Generator(s)
        if s.speaker_width:
            self.emb_g = nn.Embedding(s.speakers, s.speaker_width)

    def forward(self, ids: Tensor, lengths: Tensor, scales: Tensor, sid: Tensor | None = None) -> Tensor:
        g = None if sid is None else self.emb_g(sid).unsqueeze(-1)
        x = (self.enc_p.emb(ids) * math.sqrt(self.enc_p.width)).transpose(1, -1)
        mask = (torch.arange(ids.shape[1]).unsqueeze(0) < lengths.unsqueeze(1)).unsqueeze(1).to(x.dtype)
        x = self.enc_p.encoder(x * mask, mask)
        mean, log_deviation = (self.enc_p.proj(x) * mask).chunk(2, 1)
        noise = torch.randn(1, 2, ids.shape[1]) * scales[2]
        frames = torch.ceil(torch.exp(self.dp(x, mask, noise, g)) * mask * scales[1])  # [1, 1, L]
        ends = torch.cumsum(frames, -1)[0, 0]
        time = torch.arange(torch.clamp_min(ends[-1], 1.0).long()).unsqueeze(1)  # type: ignore[call-overload]
        path = ((time < ends) & (time >= ends - frames[0, 0])).to(x.dtype)  # [T, L]
        mean, log_deviation = (
            torch.matmul(path, part.transpose(1, 2)).transpose(1, 2) for part in (mean, log_deviation)
        )
        z = mean + torch.randn_like(mean) * torch.exp(log_deviation) * scales[0]
        y_mask = torch.ones_like(z[:, :1])
        for flow in reversed(self.flow.flows):
            z = flow(z, y_mask, g)
        samples: Tensor = self.dec(z * y_mask, g)
        return samples


def export(network: PublishedVits, path: Path, phonemes: int) -> None:
    """As Piper does, for utterances of so many phonemes."""
    inputs: tuple[Any, ...] = (
        torch.ones(1, phonemes, dtype=torch.long),
        torch.tensor([phonemes]),
        torch.tensor([0.0, 1.0, 0.0]),
    )
    names = ["input", "input_lengths", "scales"]
    if hasattr(network, "emb_g"):
        inputs, names = (*inputs, torch.zeros(1, dtype=torch.long)), [*names, "sid"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter remarks on every size that becomes a constant
        torch.onnx.export(
            network,
            inputs,
            str(path),
            dynamo=False,
            opset_version=15,
            input_names=names,
            output_names=["output"],
            dynamic_axes={"output": {2: "time"}},
        )
