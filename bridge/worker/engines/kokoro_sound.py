"""The part of Kokoro that makes the waveform: iSTFTNet (Kaneko et al. 2022) with a harmonic source, styled.

Module names are the released checkpoint's. A half frame is one value of pitch, `hop` samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bridge.worker.engines.kokoro_config import RATE_HZ, VocoderConfig
from bridge.worker.engines.kokoro_layers import StyleNorm, masked

HARMONICS = 9
VOICED_HZ = 10.0
SINE_LEVEL, VOICED_NOISE, UNVOICED_NOISE = 0.1, 0.003, 0.1 / 3
SLOPE, LAST_SLOPE = 0.1, 0.01


def harmonics(pitch_hz: Tensor, hop: int) -> Tensor:
    """Sines at the pitch and its multiples, [B, F] -> [B, F * hop, 9].

    The phase is summed up half frame by half frame and is linear between their centres; beyond a row's end the pitch is
    0, and the phase stands still, as it does at the end of a row that is alone. The sum is kept in whole
    turns in double precision, so that a long piece is as exact as a short one.
    """
    multiple = torch.arange(1, HARMONICS + 1, device=pitch_hz.device)
    turns = (pitch_hz[..., None] * multiple / RATE_HZ) % 1  # [B, F, 9] a sample
    phase = ((turns.double().cumsum(1) * hop) % 1).to(turns.dtype)
    place = (torch.arange(hop, device=turns.device) + 0.5) / hop - 0.5  # within a half frame, -0.5 to 0.5
    before, after = place[: hop // 2, None] * hop, place[hop // 2 :, None] * hop
    first = functional.pad(turns[:, 1:], (0, 0, 1, 0))  # at the very start it stands still
    following = functional.pad(turns[:, 1:], (0, 0, 0, 1))
    rising = phase[:, :, None] + before * first[:, :, None]
    falling = phase[:, :, None] + after * following[:, :, None]
    whole = torch.cat([rising, falling], 2).flatten(1, 2)  # [B, F * hop, 9]
    return torch.sin(2 * math.pi * (whole - whole.floor()))


class Source(nn.Module):
    """The excitation: harmonics where there is pitch, noise everywhere.

    pitch [B, F] in Hz, 0 beyond a row's end, noise [B, F * hop] of variance 1; returns [B, F * hop].

    The noise of the nine harmonics is independent, so their sum is noise of the summed power.
    """

    def __init__(self, hop: int) -> None:
        super().__init__()
        self.hop = hop
        self.l_linear = nn.Linear(HARMONICS, 1)

    def forward(self, pitch_hz: Tensor, noise: Tensor) -> Tensor:
        voiced = (pitch_hz > VOICED_HZ).to(pitch_hz.dtype).repeat_interleave(self.hop, dim=1)
        sines = harmonics(pitch_hz, self.hop) * SINE_LEVEL * voiced[..., None]
        level = voiced * VOICED_NOISE + (1 - voiced) * UNVOICED_NOISE
        mixed = self.l_linear(sines)[..., 0] + noise * level * self.l_linear.weight.norm()
        return torch.tanh(mixed)


class SnakeBlock(nn.Module):
    """Pairs of convolutions, dilated and plain, each with style and a periodic activation (Ziyin et al. 2020).

    x [B, C, N], mask [B, 1, N], style [B, S]; returns [B, C, N]
    """

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], style: int) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)
            for dilation in dilations
        )
        self.convs2 = nn.ModuleList(nn.Conv1d(channels, channels, kernel, padding=kernel // 2) for _ in dilations)
        self.adain1, self.adain2 = (nn.ModuleList(StyleNorm(channels, style) for _ in dilations) for _ in range(2))
        self.alpha1, self.alpha2 = (
            nn.ParameterList(nn.Parameter(torch.ones(1, channels, 1)) for _ in dilations) for _ in range(2)
        )

    def forward(self, x: Tensor, mask: Tensor | None, style: Tensor) -> Tensor:
        for index, (wide, plain) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            y = wide(_snake(self.adain1[index](x, mask, style), self.alpha1[index]))
            x = x + plain(_snake(self.adain2[index](y, mask, style), self.alpha2[index]))
        return x


def _snake(x: Tensor, alpha: Tensor) -> Tensor:
    return x + torch.sin(alpha * x).square() / alpha


class Generator(nn.Module):
    """The decoder's half frames -> samples."""

    def __init__(self, config: VocoderConfig, style: int) -> None:
        super().__init__()
        self.hop, self.fft, self.rates = config.gen_istft_hop_size, config.gen_istft_n_fft, config.upsample_rates
        self.blocks_each = len(config.resblock_kernel_sizes)
        self.m_source = Source(config.hop)
        sizes = [config.upsample_initial_channel >> stage for stage in range(len(self.rates) + 1)]
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(size, size // 2, kernel, rate, padding=(kernel - rate) // 2)
            for size, kernel, rate in zip(sizes, config.upsample_kernel_sizes, self.rates, strict=False)
        )
        self.resblocks = nn.ModuleList(
            SnakeBlock(size, kernel, dilations, style)
            for size in sizes[1:]
            for kernel, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
        )
        self.noise_convs, self.noise_res = nn.ModuleList(), nn.ModuleList()
        for stage, size in enumerate(sizes[1:], 1):
            rest = math.prod(self.rates[stage:])
            last = stage == len(self.rates)
            kernel, padding = (1, 0) if last else (2 * rest, (rest + 1) // 2)
            self.noise_convs.append(nn.Conv1d(self.fft + 2, size, kernel, rest, padding=padding))
            self.noise_res.append(SnakeBlock(size, 11 if last else 7, (1, 3, 5), style))
        self.conv_post = nn.Conv1d(sizes[-1], self.fft + 2, 7, padding=3)

    def forward(self, x: Tensor, pitch_hz: Tensor, counts: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """Samples [B, F * hop], zero beyond each row's end.

        x [B, C, F] and pitch [B, F], zero beyond each row's end, counts [B] half frames of each row, style [B, S],
        noise [B, F * hop]
        """
        source = self.m_source(pitch_hz, noise)
        lengths = counts * self.m_source.hop
        alone = bool((counts == pitch_hz.shape[1]).all())
        heard = self._analyse(source, lengths, alone)  # [B, fft + 2, spectra]
        for stage, (up, rate) in enumerate(zip(self.ups, self.rates, strict=True)):
            counts = counts * rate
            x = up(functional.leaky_relu(x, SLOPE))
            if stage == len(self.rates) - 1:
                x, counts = functional.pad(x, (1, 0), mode="reflect"), counts + 1
            mask = None if alone else _mask(counts, x.shape[2])
            x = x + self.noise_res[stage](self.noise_convs[stage](heard), mask, style)
            blocks = list(self.resblocks)[stage * self.blocks_each : (stage + 1) * self.blocks_each]
            total = blocks[0](x, mask, style)
            for block in blocks[1:]:
                total = total + block(x, mask, style)
            x = masked(total / self.blocks_each, mask)
        x = self.conv_post(functional.leaky_relu(x, LAST_SLOPE))
        level, phase = x.transpose(1, 2).chunk(2, 2)  # each [B, spectra, bins]
        return self._synthesise(torch.polar(torch.exp(level), torch.sin(phase)), counts, lengths)

    def _analyse(self, source: Tensor, lengths: Tensor, alone: bool) -> Tensor:
        """Magnitude and phase of short windows: [B, N] -> [B, fft + 2, N / hop + 1]; a row's own ends are mirrored.

        Spectra are real at both ends, and that of the first window, which is its own mirror image, is real throughout.
        Rounding must not decide there whether a phase is pi or -pi.
        """
        edge = self.fft // 2
        place = torch.arange(-edge, source.shape[1] + edge, device=source.device)[None]
        end = lengths[:, None] - 1
        mirrored = torch.where(place > end, 2 * end - place, place.abs()).clamp(min=0)
        padded = torch.gather(source, 1, mirrored)
        spectra = torch.fft.rfft(padded.unfold(1, self.fft, self.hop) * self._window(source), dim=2)
        imaginary = spectra.imag.clone()
        imaginary[:, 0] = imaginary[..., 0] = imaginary[..., -1] = 0.0
        both = torch.cat([spectra.abs(), torch.atan2(imaginary, spectra.real)], 2).transpose(1, 2)
        return both if alone else both * _mask(lengths // self.hop + 1, both.shape[2])

    def _synthesise(self, spectra: Tensor, counts: Tensor, lengths: Tensor) -> Tensor:
        """Overlap-add [B, spectra, bins] -> [B, N], divided by the squared windows that took part."""
        batch, count, _ = spectra.shape
        window, parts = self._window(spectra.real), self.fft // self.hop
        real = _mask(counts, count)[:, 0, :, None]  # [B, spectra, 1]
        waves = torch.fft.irfft(spectra, self.fft, dim=2) * window * real
        total = waves.new_zeros(batch, count + parts - 1, self.hop)
        weight = torch.zeros_like(total)
        for part in range(parts):
            of = slice(part * self.hop, (part + 1) * self.hop)
            total[:, part : part + count] += waves[..., of]
            weight[:, part : part + count] += window[of].square() * real
        edge, longest = self.fft // 2, (count - 1) * self.hop
        samples = (total / weight.clamp(min=1e-11)).flatten(1)[:, edge : edge + longest]
        return masked(samples, _mask(lengths, longest)[:, 0])

    def _window(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.fft, device=like.device, dtype=like.dtype)


def _mask(counts: Tensor, length: int) -> Tensor:
    """[B] -> [B, 1, length]."""
    return (torch.arange(length, device=counts.device) < counts[:, None])[:, None].to(torch.float32)
