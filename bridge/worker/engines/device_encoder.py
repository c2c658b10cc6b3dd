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

from bridge.audio.encoder import KNEE, Encoder, Samples
from bridge.audio.formats import AudioFormat
from bridge.audio.mulaw import ENCODE
from bridge.audio.resample import resample

PERIOD_SAMPLES = 48
"""Input samples of a period at least: enough for a matrix product to be efficient, and held back by at most so many."""


class PeriodFilter:
    """A resampler whose whole period is one matrix, so that many streams take one multiplication.

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
        self.window = self.before + self.inputs + self.after
        self.matrix = torch.from_numpy(matrix[first:end].copy()).to(device)

    def complete(self, count: int) -> tuple[int, int]:
        """Return how many of so many samples in a row are used up, and how many outputs they give."""
        periods = max((count - self.window) // self.inputs + 1, 0)
        return periods * self.inputs, periods * self.outputs


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

    def __init__(self, rate_hz: int, audio_format: AudioFormat, gain: float, device: torch.device) -> None:
        super().__init__(rate_hz, audio_format, gain)
        self.device = device
        self.audio_format = audio_format
        self.gain = gain
        self._filter = _filter(rate_hz, audio_format.rate_hz, device)
        self._kept: Samples = np.zeros(self._filter.before if self._filter else 0, np.float32)
        self._made = 0

    def another(self, audio_format: AudioFormat, gain: float) -> Encoder:
        """Return an encoder for another stream on the same device."""
        return DeviceEncoder(self.rate_hz, audio_format, gain, self.device)

    def feed(self, audio: Samples) -> bytes:
        """Encode one stream's samples, as a batch of one."""
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
        return data[: wanted * self.audio_format.sample_bytes]

    @classmethod
    def _encode(cls, encoders: Sequence[Self], audio: Sequence[Samples]) -> list[bytes]:
        """One copy to the device and one back, whatever the number of streams."""
        f, device = encoders[0]._filter, encoders[0].device
        rows, lengths = cls._rows(f, encoders, audio)
        signal = torch.from_numpy(rows).to(device)
        if f is not None:
            signal = (signal.unfold(1, f.window, f.inputs) @ f.matrix).flatten(1)  # [B, periods, U] -> [B, M]
        gains = torch.tensor([encoder.gain for encoder in encoders], device=device)
        samples16 = (limit(signal * gains[:, None]) * 32767.0).round().to(torch.int32)
        if encoders[0].audio_format.codec == "mulaw":
            packed = _mulaw_table(device)[(samples16 & 0xFFFF).long()].cpu().numpy()
        else:
            packed = samples16.to(torch.int16).cpu().numpy().astype("<i2", copy=False)
        return [row[:length].tobytes() for row, length in zip(packed, lengths, strict=True)]

    @classmethod
    def _rows(
        cls, f: PeriodFilter | None, encoders: Sequence[Self], audio: Sequence[Samples]
    ) -> tuple[Samples, list[int]]:
        """What was kept of each stream and what is new, [B, N], and how many outputs each gives.

        What is not used up is kept.
        """
        joined = [np.concatenate([encoder._kept, new]) for encoder, new in zip(encoders, audio, strict=True)]
        rows = np.zeros((len(joined), max(f.window if f else 0, *(len(row) for row in joined))), np.float32)
        made = []
        for row, signal, encoder, new in zip(rows, joined, encoders, audio, strict=True):
            row[: len(signal)] = signal
            used, outputs = f.complete(len(signal)) if f else (len(signal), len(signal))
            encoder._kept = signal[used:].copy()
            encoder.fed += len(new)
            encoder._made += outputs
            made.append(outputs)
        return rows, made


def limit(audio: Tensor) -> Tensor:
    """Limit the loudest samples on the device, as `bridge.audio.encoder.limit` does on the processor."""
    magnitude = audio.abs()
    bent = KNEE + (1 - KNEE) * torch.tanh((magnitude - KNEE) / (1 - KNEE))
    return torch.where(magnitude > KNEE, torch.copysign(bent, audio), audio)
