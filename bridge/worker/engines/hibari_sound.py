"""Turn spectral parts into samples, batched in torch: the default voice's signal processing, for any frames of a piece.

24 kHz, a frame every 300 samples, windows of 1200. What a frame sounds like does not depend on which others are made
with it, so chunks joined equal the whole: the pulse train is made once for the piece, and the noise is a function of
seed, frame and bin.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bridge.worker.engines.hibari_network import BINS

RATE_HZ = 24_000
HOP = 300
WINDOW = 1200
BEFORE, AFTER = 1, 2
"""Frames beside a block of 300 samples that reach into it."""
VOICED_HZ = 40.0
HIGHEST_HZ = 11_000.0


def pulses(pitch_hz: Tensor, frames: Tensor) -> Tensor:
    """A train of band-limited pulses at the pitch, [B, F] and its lengths [B] -> [B, F * 300 + 1200].

    All harmonics below 11 kHz at equal strength, in closed form; nothing where the pitch is below 40 Hz. 600 samples
    are added at both ends, the piece's own mirrored.
    """
    batch, length = pitch_hz.shape
    last = (frames - 1).clamp(min=0)[:, None]
    inside = torch.arange(length + 2, device=pitch_hz.device)[None] - 1
    pitch = torch.gather(pitch_hz, 1, torch.minimum(inside.clamp(min=0), last))  # [B, F + 2], ends repeated
    part = (torch.arange(HOP, device=pitch.device, dtype=pitch.dtype) + 0.5) / HOP - 0.5  # place in a frame, -0.5..0.5
    before, after = part[: HOP // 2] + 1, part[HOP // 2 :]
    rising = pitch[:, :-2, None] * (1 - before) + pitch[:, 1:-1, None] * before
    falling = pitch[:, 1:-1, None] * (1 - after) + pitch[:, 2:, None] * after
    frequency = torch.cat([rising, falling], 2).flatten(1)  # [B, F * 300]
    voiced = frequency > VOICED_HZ
    frequency = frequency.clamp(min=VOICED_HZ)
    cycles = (frequency.double().cumsum(1) / RATE_HZ) % 1.0
    phase = (cycles * (2 * math.pi)).to(pitch.dtype)
    harmonics = torch.floor(HIGHEST_HZ / frequency) + 0.5
    sine = torch.sin(phase * 0.5) * 2
    at_pulse = sine.abs() <= 2e-3  # limit of sin((H + 1/2) t) / (2 sin(t / 2))
    train = torch.where(at_pulse, harmonics, torch.sin(harmonics * phase) / torch.where(at_pulse, 1.0, sine)) - 0.5
    train = train * voiced
    place = torch.arange(-WINDOW // 2, length * HOP + WINDOW // 2, device=pitch.device)[None].expand(batch, -1)
    end = (frames * HOP - 1)[:, None]
    mirrored = torch.where(place > end, 2 * end - place, place.abs()).clamp(min=0)
    return torch.gather(train, 1, torch.minimum(mirrored, end.clamp(min=0)))


def noise(seeds: Tensor, frames: Tensor) -> Tensor:
    """Complex white noise of variance 2, seeds [B], frame numbers [B, T] -> [B, T, 601].

    A hash of (seed, frame, bin, part) gives the two uniform numbers of a Box-Muller pair: the same on every device
    and in every chunk.
    """
    bins = torch.arange(BINS, device=frames.device)
    counter = (seeds[:, None, None] * 2_654_435_761 + frames[..., None] * 1_300_021 + bins * 2) & 0xFFFF_FFFF
    first, second = _uniform(counter), _uniform(counter + 1)
    radius = torch.sqrt(-2.0 * torch.log(first))
    angle = 2 * math.pi * second
    return torch.complex(radius * torch.cos(angle), radius * torch.sin(angle))


def _uniform(counter: Tensor) -> Tensor:
    """32-bit integers -> 0 < u <= 1 (the finaliser `lowbias32`, twice, so that neighbours share nothing)."""
    x = counter & 0xFFFF_FFFF
    for _ in range(2):
        x = ((x ^ (x >> 16)) * 0x7FEB_352D) & 0xFFFF_FFFF
        x = ((x ^ (x >> 15)) * 0x846C_A68B) & 0xFFFF_FFFF
        x = x ^ (x >> 16)
    return ((x >> 8) + 1).to(torch.float32) / 16_777_216.0


def spectrum(parts: Tensor, pulse_train: Tensor, white: Tensor) -> Tensor:
    """Shape pulses and noise by the spectral parts.

    parts [B, T, 3005], pulses around them [B, (T - 1) * 300 + 1200], noise [B, T, 601] -> [B, T, 601]
    """
    level, rotation, noise_level, free_level, free_phase = parts.view(*parts.shape[:2], 5, BINS).unbind(2)
    window = torch.hann_window(WINDOW, device=parts.device, dtype=pulse_train.dtype)
    excited = torch.fft.rfft(pulse_train.unfold(1, WINDOW, HOP) * (window / (WINDOW / 4)), dim=2)
    shaped: Tensor = torch.polar(_magnitude(level), math.pi * torch.tanh(rotation)) * excited
    return shaped + _magnitude(noise_level) * white + torch.polar(_magnitude(free_level), free_phase)


def _magnitude(log: Tensor) -> Tensor:
    return log.clamp(max=7.0).exp()


def blocks(frames: Tensor, real: Tensor) -> Tensor:
    """Overlap-add: spectra of frames [B, T, 601], which of them exist [B, T] -> the blocks between, [B, (T - 3) * 300].

    Divided by the sum of the squared windows that took part, as an inverse short-time Fourier transform is.
    """
    batch, count = real.shape
    window = torch.hann_window(WINDOW, device=frames.device)
    waves = torch.fft.irfft(frames * real[..., None], WINDOW, dim=2) * window  # [B, T, 1200]
    waves = waves.view(batch, count, 4, HOP)
    squares = (window * window).view(4, HOP)
    total = waves.new_zeros(batch, count - 3, HOP)
    weight = waves.new_zeros(batch, count - 3, HOP)
    for quarter in range(4):  # block i hears frame i + 3 - quarter with its quarter
        of = slice(3 - quarter, count - quarter)
        total += waves[:, of, quarter]
        weight += real[:, of, None].to(waves.dtype) * squares[quarter]
    samples: Tensor = total / weight.clamp(min=1e-11)
    return samples.flatten(1)
