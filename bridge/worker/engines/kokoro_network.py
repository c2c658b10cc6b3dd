"""Kokoro (StyleTTS 2 without its diffusion; Li et al. 2023) in torch: batched, a row independent of its neighbours.

Phoneme ids and a style -> durations in frames of 25 ms -> pitch, energy and the decoder's half frames -> samples at
24 kHz. Module names are those of the released checkpoint, with weight normalisation folded.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from bridge.worker.engines.kokoro_config import KokoroConfig
from bridge.worker.engines.kokoro_layers import StyledBlock, mask_of, masked
from bridge.worker.engines.kokoro_sound import Generator
from bridge.worker.engines.kokoro_text import Albert, ProsodyPredictor, TextEncoder


class Plan(NamedTuple):
    """What is known of a batch of pieces before their waveform is made."""

    body: Tensor
    """[B, C, 2 T], the generator's input"""
    pitch_hz: Tensor
    """[B, 2 T]"""
    frames: Tensor
    """[B] on the CPU, frames of each piece"""
    durations: Tensor
    """[B, L] on the CPU, frames of each id"""


class Decoder(nn.Module):
    """Text, pitch and energy -> half frames for the generator."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        style, width, residual = config.style_dim, config.decoder_width, config.residual_width
        self.encode = StyledBlock(config.hidden_dim + 2, width, style)
        shown = width + residual + 2
        self.decode = nn.ModuleList(StyledBlock(shown, width, style) for _ in range(3))
        self.decode.append(StyledBlock(shown, config.istftnet.upsample_initial_channel, style, doubles=True))
        self.F0_conv, self.N_conv = nn.Conv1d(1, 1, 3, 2, padding=1), nn.Conv1d(1, 1, 3, 2, padding=1)
        self.asr_res = nn.Sequential(nn.Conv1d(config.hidden_dim, residual, 1))
        self.generator = Generator(config.istftnet, style)

    def forward(
        self, text: Tensor, pitch_hz: Tensor, energy: Tensor, mask: Tensor | None, fine: Tensor | None, style: Tensor
    ) -> Tensor:
        """Half frames [B, C, 2 T], masked.

        text spread over frames [B, D, T], pitch and energy [B, 2 T], mask [B, 1, T], fine [B, 1, 2 T], style [B, S]
        """
        curves = torch.cat([self.F0_conv(pitch_hz[:, None]), self.N_conv(energy[:, None])], 1)  # [B, 2, T]
        again = torch.cat([self.asr_res(text), curves], 1)
        x = self.encode(torch.cat([text, curves], 1), mask, style)
        for block in self.decode:
            x = block(torch.cat([x, again], 1), fine if block.doubles else mask, style)
        return masked(x, fine)


class KokoroNetwork(nn.Module):
    """A whole model; voices are styles [2 S]: the first half is the decoder's, the second the prosody's."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = Albert(config.plbert, config.n_token)
        self.bert_encoder = nn.Linear(config.plbert.hidden_size, config.hidden_dim)
        self.predictor, self.text_encoder = ProsodyPredictor(config), TextEncoder(config)
        self.decoder = Decoder(config)

    def plan(self, ids: Tensor, lengths: Tensor, style: Tensor, speed: Tensor) -> Plan:
        """ids [B, L] padded with 0, lengths [B] on the CPU, style [B, 2 S], speed [B]."""
        sound_style, prosody_style = style.chunk(2, 1)
        mask = mask_of(lengths, ids.device)
        context = self.predictor.text_encoder(self.bert_encoder(self.bert(ids, mask)), prosody_style, lengths)
        durations = self.predictor.durations(context, lengths, speed).cpu()  # [B, L]
        durations = durations * (torch.arange(durations.shape[1]) < lengths[:, None])
        frames = durations.sum(1)
        owner = _owner(durations).to(ids.device)
        coarse = mask_of(frames, ids.device)
        fine = None if coarse is None else coarse.repeat_interleave(2, dim=2)
        spread = torch.gather(context, 1, owner[..., None].expand(-1, -1, context.shape[2]))
        pitch_hz, energy = self.predictor.curves(spread, coarse, fine, prosody_style, frames)
        text = self.text_encoder(ids, mask, lengths)
        text = masked(torch.gather(text, 2, owner[:, None].expand(-1, text.shape[1], -1)), coarse)
        body = self.decoder(text, pitch_hz, energy, coarse, fine, sound_style)
        return Plan(body, pitch_hz, frames, durations)

    def waveform(self, body: Tensor, pitch_hz: Tensor, frames: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """Samples [B, T * 600] of plans that may have been made apart, zero beyond a row's end.

        body [B, C, 2 T], pitch [B, 2 T], frames [B], style [B, 2 S], noise [B, T * 600] of variance 1
        """
        samples: Tensor = self.decoder.generator(body, pitch_hz, 2 * frames, style.chunk(2, 1)[0], noise)
        return samples


def _owner(durations: Tensor) -> Tensor:
    """[B, L] -> which id sounds in each frame, [B, T]; beyond a row's end the last one."""
    ends = durations.cumsum(1)
    time = torch.arange(int(ends[:, -1].max()))
    owner = torch.searchsorted(ends, time.expand(len(ends), -1).contiguous(), right=True)
    return owner.clamp(max=durations.shape[1] - 1)
