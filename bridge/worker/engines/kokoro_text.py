"""The parts of Kokoro that read: phonemes in context (PL-BERT, an ALBERT; Li et al. 2023), durations, pitch and energy.

Module names are the released checkpoint's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bridge.worker.engines.kokoro_config import AlbertConfig, KokoroConfig
from bridge.worker.engines.kokoro_layers import SLOPE, StyledBlock, masked, recur
from bridge.worker.engines.vits_network import ChannelNorm

_ALBERT_EPSILON = 1e-12


class AlbertEmbeddings(nn.Module):
    """ids [B, L] -> [B, L, E]. Every id is of token type 0."""

    def __init__(self, config: AlbertConfig, symbols: int) -> None:
        super().__init__()
        width = config.embedding_size
        self.word_embeddings = nn.Embedding(symbols, width)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.LayerNorm = nn.LayerNorm(width, eps=_ALBERT_EPSILON)

    def forward(self, ids: Tensor) -> Tensor:
        place = self.position_embeddings.weight[: ids.shape[1]]
        embedded: Tensor = self.LayerNorm(self.word_embeddings(ids) + self.token_type_embeddings.weight[0] + place)
        return embedded


class AlbertAttention(nn.Module):
    """Post-norm self-attention. x [B, L, D], seen [B, 1, 1, L] or None; returns [B, L, D]."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.query, self.key, self.value, self.dense = (nn.Linear(width, width) for _ in range(4))
        self.LayerNorm = nn.LayerNorm(width, eps=_ALBERT_EPSILON)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        batch, length, width = x.shape
        query, key, value = (
            part(x).view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )  # each [B, H, L, D / H]
        heard = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        together: Tensor = self.LayerNorm(x + self.dense(heard.transpose(1, 2).reshape(batch, length, width)))
        return together


class AlbertLayer(nn.Module):
    """x [B, L, D], seen [B, 1, 1, L] or None; returns [B, L, D]."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.attention = AlbertAttention(config)
        self.ffn, self.ffn_output = (
            nn.Linear(width, config.intermediate_size),
            nn.Linear(config.intermediate_size, width),
        )
        self.full_layer_layer_norm = nn.LayerNorm(width, eps=_ALBERT_EPSILON)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        x = self.attention(x, seen)
        mixed = self.ffn_output(functional.gelu(self.ffn(x), approximate="tanh"))
        normal: Tensor = self.full_layer_layer_norm(mixed + x)
        return normal


class AlbertEncoder(nn.Module):
    """One layer, applied several times."""

    def __init__(self, config: AlbertConfig) -> None:
        super().__init__()
        self.passes = config.num_hidden_layers
        self.embedding_hidden_mapping_in = nn.Linear(config.embedding_size, config.hidden_size)
        group = nn.ModuleDict({"albert_layers": nn.ModuleList([AlbertLayer(config)])})
        self.albert_layer_groups = nn.ModuleList([group])

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """x [B, L, E], seen [B, 1, 1, L] or None -> [B, L, D]."""
        x = self.embedding_hidden_mapping_in(x)
        layer = self.albert_layer_groups[0].get_submodule("albert_layers.0")
        for _ in range(self.passes):
            x = layer(x, seen)
        return x


class Albert(nn.Module):
    """ids [B, L], mask [B, 1, L] or None -> phonemes in context [B, L, D]."""

    def __init__(self, config: AlbertConfig, symbols: int) -> None:
        super().__init__()
        self.embeddings, self.encoder = AlbertEmbeddings(config, symbols), AlbertEncoder(config)

    def forward(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        seen = None if mask is None else mask[:, None] > 0  # [B, 1, 1, L]
        context: Tensor = self.encoder(self.embeddings(ids), seen)
        return context


class TextEncoder(nn.Module):
    """What the sound of each phoneme is made from. ids [B, L], mask [B, 1, L], lengths [B]; returns [B, C, L]."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        width, kernel = config.hidden_dim, config.text_encoder_kernel_size
        self.embedding = nn.Embedding(config.n_token, width)
        self.cnn = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, kernel, padding=(kernel - 1) // 2), ChannelNorm(width), nn.LeakyReLU(SLOPE)
            )
            for _ in range(config.n_layer)
        )
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, ids: Tensor, mask: Tensor | None, lengths: Tensor) -> Tensor:
        x = masked(self.embedding(ids).transpose(1, 2), mask)
        for layer in self.cnn:
            x = masked(layer(x), mask)
        return recur(self.lstm, x.transpose(1, 2), lengths).transpose(1, 2)


class StyledLayerNorm(nn.Module):
    """Layer norm over channels whose scale and shift are the style's. x [B, L, C], style [B, S]; returns [B, L, C]."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(style, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        gamma, beta = self.fc(style)[:, None].chunk(2, 2)  # each [B, 1, C]
        normal: Tensor = (1 + gamma) * functional.layer_norm(x, x.shape[2:]) + beta
        return normal


class DurationEncoder(nn.Module):
    """Phonemes in context and in style. x [B, L, C], style [B, S], lengths [B]; returns [B, L, C + S]."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        width, style = config.hidden_dim, config.style_dim
        layers: list[nn.Module] = []
        for _ in range(config.n_layer):
            layers.append(nn.LSTM(width + style, width // 2, batch_first=True, bidirectional=True))
            layers.append(StyledLayerNorm(style, width))
        self.lstms = nn.ModuleList(layers)

    def forward(self, x: Tensor, style: Tensor, lengths: Tensor) -> Tensor:
        spread = style[:, None].expand(-1, x.shape[1], -1)
        for layer in self.lstms:
            x = recur(layer, torch.cat([x, spread], 2), lengths) if isinstance(layer, nn.LSTM) else layer(x, style)
        return torch.cat([x, spread], 2)


class LinearNorm(nn.Module):
    """A linear layer under the name that the checkpoint has for it."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.linear_layer = nn.Linear(channels, out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear_layer(x)
        return y


class ProsodyPredictor(nn.Module):
    """How long each phoneme lasts, and pitch and energy of every half frame."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        width, style = config.hidden_dim, config.style_dim
        self.text_encoder = DurationEncoder(config)
        self.lstm = nn.LSTM(width + style, width // 2, batch_first=True, bidirectional=True)
        self.duration_proj = LinearNorm(width, config.max_dur)
        self.shared = nn.LSTM(width + style, width // 2, batch_first=True, bidirectional=True)
        self.F0, self.N = (
            nn.ModuleList(
                [
                    StyledBlock(width, width, style),
                    StyledBlock(width, width // 2, style, doubles=True),
                    StyledBlock(width // 2, width // 2, style),
                ]
            )
            for _ in range(2)
        )
        self.F0_proj, self.N_proj = nn.Conv1d(width // 2, 1, 1), nn.Conv1d(width // 2, 1, 1)

    def durations(self, text: Tensor, lengths: Tensor, speed: Tensor) -> Tensor:
        """text [B, L, C + S] from `text_encoder`, lengths [B] on the CPU, speed [B] -> frames of each id [B, L]."""
        likely = torch.sigmoid(self.duration_proj(recur(self.lstm, text, lengths)))  # [B, L, most frames]
        return (likely.sum(2) / speed[:, None]).round().clamp(min=1).long()

    def curves(
        self, text: Tensor, mask: Tensor | None, fine: Tensor | None, style: Tensor, frames: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Pitch in Hz and energy, both [B, 2 T].

        text spread over frames [B, T, C + S], mask [B, 1, T], fine [B, 1, 2 T], style [B, S], frames [B] on the CPU
        """
        x = recur(self.shared, text, frames).transpose(1, 2)
        both = []
        for blocks, last in ((self.F0, self.F0_proj), (self.N, self.N_proj)):
            y, here = x, mask
            for block in blocks:
                here = fine if block.doubles else here
                y = block(y, here, style)
            both.append(masked(last(y), here)[:, 0])
        return both[0], both[1]
