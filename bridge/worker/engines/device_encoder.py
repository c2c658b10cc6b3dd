"""The encoder for torch engines: level, rate and format of a whole batch of streams in a few operations on the device.

The same filter as `bridge.audio.resample`: with a period of D samples in and U out, resampling is one matrix applied
to every window of D samples and their neighbours. The matrix is measured by sending impulses through that resampler.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from bridge.audio.mulaw import ENCODE
from bridge.audio.resample import resample
from bridge.worker.encoder import KNEE, Encoder, Samples
from bridge.worker.protocol import SAMPLE_RATES

PERIOD_SAMPLES = 48
"""Input samples of a period at least: enough for a matrix product to be efficient, and held back by at most so many."""


class PeriodFilter:
    """Resampling by matrix.

    `matrix` [before + D + after, U] makes the U outputs of a period from its inputs and theirs around.
    """

    def __init__(self, rate_in_hz: int, rate_out_hz: int, device: torch.device) -> None:
        common = math.gcd(rate_in_hz, rate_out_hz)
        repeat = -(-PERIOD_SAMPLES * common // rate_in_hz)
        self.inputs, self.outputs = rate_in_hz // common * repeat, rate_out_hz // common * repeat
        far = 1 + max(rate_in_hz // rate_out_hz + 1, 2) * 64 // self.inputs + 1  # periods that an impulse can reach
        table = np.zeros((2 * far + 1, self.inputs, self.outputs), np.float32)
        for place in range(self.inputs):
            impulse = np.zeros((2 * far + 1) * self.inputs, np.float32)
            impulse[far * self.inputs + place] = 1.0
            heard = resample(impulse, rate_in_hz, rate_out_hz).reshape(2 * far + 1, self.outputs)
            table[:, place] = heard[::-1]  # outputs of a later period hear this input as one further back
        matrix = table.reshape(-1, self.outputs)
        heard_rows = np.flatnonzero(np.abs(matrix).max(axis=1))
        first, end = int(heard_rows[0]), int(heard_rows[-1]) + 1
        self.before, self.after = far * self.inputs - first, end - (far + 1) * self.inputs
        self.matrix = torch.from_numpy(matrix[first:end].copy()).to(device)


@functools.lru_cache(maxsize=16)
def _filter(rate_in_hz: int, rate_out_hz: int, device: torch.device) -> PeriodFilter | None:
    return None if rate_in_hz == rate_out_hz else PeriodFilter(rate_in_hz, rate_out_hz, device)


@functools.lru_cache(maxsize=8)
def _mulaw_table(device: torch.device) -> Tensor:
    return torch.from_numpy(ENCODE.copy()).to(device)


class DeviceEncoder(Encoder):
    """Encodes like `Encoder`; streams of one format are done together.

    Up to a period's samples are kept for the next call.
    """

    def __init__(self, rate_hz: int, audio_format: str, gain: float, device: torch.device) -> None:
        super().__init__(rate_hz, audio_format, gain)
        self.device = device
        self.audio_format = audio_format
        self.gain = gain
        self._filter = _filter(rate_hz, SAMPLE_RATES[audio_format], device)
        self._kept = torch.zeros(self._filter.before if self._filter else 0, device=device)
        self._made = 0

    def another(self, audio_format: str, gain: float) -> Encoder:
        """On the same device."""
        return DeviceEncoder(self.rate_hz, audio_format, gain, self.device)

    def feed(self, audio: Samples) -> bytes:
        """A batch of one."""
        return self.feed_all([self], [audio])[0]

    @classmethod
    @torch.inference_mode()
    def feed_all(cls, encoders: Sequence[Self], audio: Sequence[Samples]) -> list[bytes]:
        """Encode for many streams, those of one format together."""
        done: dict[int, bytes] = {}
        for audio_format in {encoder.audio_format for encoder in encoders}:
            group = [index for index, encoder in enumerate(encoders) if encoder.audio_format == audio_format]
            data = cls._encode([encoders[index] for index in group], [audio[index] for index in group])
            done |= dict(zip(group, data, strict=True))
        return [done[index] for index in range(len(encoders))]

    @torch.inference_mode()
    def finish(self) -> bytes:
        """The rest: silence is fed until all that was heard has come out."""
        if self._filter is None:
            return b""
        f, fed = self._filter, self.fed
        wanted = math.ceil(fed * f.outputs / f.inputs) - self._made
        data = self._encode([self], [np.zeros(f.inputs + f.after + f.inputs, np.float32)])[0]
        self.fed = fed
        return data[: wanted * (1 if self.audio_format.startswith("mulaw") else 2)]

    @classmethod
    def _encode(cls, encoders: Sequence[Self], audio: Sequence[Samples]) -> list[bytes]:
        first = encoders[0]
        for encoder, samples in zip(encoders, audio, strict=True):
            encoder.fed += len(samples)
        longest = max(len(samples) for samples in audio)
        rows = np.zeros((len(audio), longest), np.float32)
        for row, samples in zip(rows, audio, strict=True):
            row[: len(samples)] = samples
        signal = torch.from_numpy(rows).to(first.device)
        lengths = [len(samples) for samples in audio]
        if first._filter is not None:
            signal, lengths = cls._resample(first._filter, encoders, signal, lengths)
        gains = torch.tensor([encoder.gain for encoder in encoders], device=first.device)
        samples16 = (limit(signal * gains[:, None]) * 32767.0).round().to(torch.int32)
        if first.audio_format.startswith("mulaw"):
            packed = _mulaw_table(first.device)[(samples16 & 0xFFFF).long()].cpu().numpy()
        else:
            packed = samples16.to(torch.int16).cpu().numpy().astype("<i2", copy=False)
        return [row[:length].tobytes() for row, length in zip(packed, lengths, strict=True)]

    @classmethod
    def _resample(
        cls, f: PeriodFilter, encoders: Sequence[Self], signal: Tensor, lengths: list[int]
    ) -> tuple[Tensor, list[int]]:
        """signal [B, N] with the lengths of its rows -> [B, M] and theirs; what is not used yet is kept."""
        kept = [len(encoder._kept) for encoder in encoders]
        width = max(have + length for have, length in zip(kept, lengths, strict=True))
        window = f.before + f.inputs + f.after
        joined = torch.zeros(len(encoders), max(width, window), device=signal.device)
        made = []
        for row, (encoder, length) in enumerate(zip(encoders, lengths, strict=True)):
            have = len(encoder._kept)
            joined[row, :have] = encoder._kept
            joined[row, have : have + length] = signal[row, :length]
            periods = max((have + length - window) // f.inputs + 1, 0)
            encoder._kept = joined[row, periods * f.inputs : have + length].clone()
            encoder._made += periods * f.outputs
            made.append(periods * f.outputs)
        out = joined.unfold(1, window, f.inputs) @ f.matrix  # [B, periods, U]
        return out.flatten(1), made


def limit(audio: Tensor) -> Tensor:
    """As `bridge.worker.encoder.limit`."""
    magnitude = audio.abs()
    bent = KNEE + (1 - KNEE) * torch.tanh((magnitude - KNEE) / (1 - KNEE))
    return torch.where(magnitude > KNEE, torch.copysign(bent, audio), audio)
