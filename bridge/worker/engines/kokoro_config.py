"""How large the parts of a Kokoro model are: its released `config.json`, read and checked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import msgspec

from bridge.errors import ConfigError

RATE_HZ = 24_000
Size = Annotated[int, msgspec.Meta(ge=1)]


class AlbertConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The section `plbert` of the configuration: the text model's sizes."""

    hidden_size: Size
    num_attention_heads: Size
    intermediate_size: Size
    max_position_embeddings: Annotated[int, msgspec.Meta(ge=3)]
    num_hidden_layers: Size
    embedding_size: Size = 128
    """Not in the file; the checkpoint knows."""


class VocoderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`istftnet`: what makes the waveform."""

    upsample_initial_channel: Size
    upsample_rates: tuple[Size, ...]
    upsample_kernel_sizes: tuple[Size, ...]
    resblock_kernel_sizes: tuple[Size, ...]
    resblock_dilation_sizes: tuple[tuple[Size, ...], ...]
    gen_istft_n_fft: Size
    gen_istft_hop_size: Size

    @property
    def hop(self) -> int:
        """Samples of a pitch value."""
        return math.prod(self.upsample_rates) * self.gen_istft_hop_size


class KokoroConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of `config.json` that matter for speaking; names are the file's."""

    n_token: Size
    hidden_dim: Size
    style_dim: Size
    n_layer: Size
    max_dur: Size
    text_encoder_kernel_size: Size
    plbert: AlbertConfig
    istftnet: VocoderConfig
    vocab: dict[str, int]
    """Number of each phoneme."""
    decoder_width: Size = 1024
    residual_width: Size = 64
    """Channels of the decoder's body and of the text that is shown to it again; not in the file either."""

    @property
    def longest(self) -> int:
        """Phonemes of one piece; two more ids are the padding."""
        return self.plbert.max_position_embeddings - 2

    @property
    def frame(self) -> int:
        """Samples of a frame, in which durations are counted: two pitch values."""
        return 2 * self.istftnet.hop


def read_config(path: Path) -> KokoroConfig:
    """The model's sizes. Raises ConfigError, naming the field that is missing or cannot be."""
    try:
        config = msgspec.json.decode(path.read_bytes(), type=KokoroConfig)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; a Kokoro model needs its released config.json") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not the description of a Kokoro model: {error}") from error
    if wrong := _wrong(config):
        raise ConfigError(f"{path}: not the description of a Kokoro model: {wrong}")
    return config


def _wrong(config: KokoroConfig) -> str:
    """What cannot be, in words; empty if nothing."""
    albert, vocoder = config.plbert, config.istftnet
    channels, stages = vocoder.upsample_initial_channel, len(vocoder.upsample_rates)
    steps = zip(vocoder.upsample_kernel_sizes, vocoder.upsample_rates, strict=False)
    foreign = [phoneme for phoneme, number in config.vocab.items() if not 0 < number < config.n_token]
    checks = {
        "vocab is empty": not config.vocab,
        f"vocab has numbers outside 1..{config.n_token - 1}, such as that of {foreign[:1]}": bool(foreign),
        "hidden_dim must be even": config.hidden_dim % 2 > 0,
        "text_encoder_kernel_size must be odd": config.text_encoder_kernel_size % 2 == 0,
        "plbert.hidden_size is no multiple of its num_attention_heads": albert.hidden_size % albert.num_attention_heads
        > 0,
        "istftnet.upsample_rates and upsample_kernel_sizes differ in number": not (
            0 < stages == len(vocoder.upsample_kernel_sizes)
        ),
        "istftnet.upsample_kernel_sizes must exceed upsample_rates by an even number": any(
            kernel < rate or (kernel - rate) % 2 for kernel, rate in steps
        ),
        "istftnet.resblock_kernel_sizes must be odd, with as many resblock_dilation_sizes": not (
            0 < len(vocoder.resblock_kernel_sizes) == len(vocoder.resblock_dilation_sizes)
        )
        or any(kernel % 2 == 0 for kernel in vocoder.resblock_kernel_sizes),
        f"istftnet.upsample_initial_channel cannot be halved {stages} times": channels % (1 << stages) > 0,
        "istftnet.gen_istft_n_fft must be an even multiple of gen_istft_hop_size": vocoder.gen_istft_n_fft
        % (2 * vocoder.gen_istft_hop_size)
        > 0,
    }
    return "; ".join(said for said, is_wrong in checks.items() if is_wrong)
