"""Where a torch engine computes, and how exactly.

**What is computed in half precision**: the decoder, which is most of the work, weights and activations alike. What
stays float32: durations, since they are rounded to frames and a small error would move every later word; pitch, since
its phase is summed up over the whole piece; the latent and the spectra with all that is exponentiated in them; the
signal processing after the decoder.

**When it is inaudible**: a phone line carries 8 kHz mu-law, whose own rounding is noise. The difference that half
precision makes must lie below that noise, segment by segment. Segmental SNR against float32 (20 ms, active speech, the
level of a call) and the log-spectral distance (32 ms windows, above -70 dBFS), eight seconds of each voice, computed in
half on a CPU by `python -m tests.bench.gpu --device cpu`. The last column is the share of segments in which the
difference is louder than what mu-law makes of them; beside it stands what another seed of the voice's noise changes,
with the same durations:

| voice | | SNR mean | SNR 1st percentile | distance | louder than mu-law |
| --- | --- | ---: | ---: | ---: | ---: |
| default voice | float16 | 51.3 dB | 36.6 dB | 0.04 dB | 1.2 % |
| | bfloat16 | 33.0 | 17.5 | 0.31 | 63.6 % |
| | another seed | 56.4 | 30.8 | 0.28 | 5.8 % |
| | mu-law itself | 36.2 | 28.4 | 2.79 | |
| Piper, medium | float16 | 55.8 | 46.6 | 0.06 | 0.0 % |
| | bfloat16 | 38.5 | 29.5 | 0.51 | 22.1 % |
| | another seed | -0.7 | -5.9 | 5.68 | 100 % |
| | mu-law itself | 35.8 | 28.5 | 2.43 | |

So float16 is the default where there is a GPU. Its range is no question: the largest activations are 69 in the default
voice and 121 in Piper's, and 65504 is the limit. bfloat16 has three bits less; its difference exceeds the line's own
noise, so it has to be asked for. A CPU is slower in half, and stays with float32.
"""

from __future__ import annotations

import torch

from bridge.errors import ConfigError

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def pick_device(device: str) -> torch.device:
    """The device of this name, or a GPU if there is one. Raises ConfigError when it cannot be used."""
    if not device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"worker: device {device!r} cannot be used: {error}") from error


def pick_precision(precision: str, device: torch.device) -> torch.dtype:
    """The precision of this name; empty: half on a GPU, float32 on a CPU. Raises ConfigError."""
    if not precision:
        return torch.float16 if device.type == "cuda" else torch.float32
    if precision not in PRECISIONS:
        raise ConfigError(f"worker: precision {precision!r} is none of {', '.join(PRECISIONS)}")
    return PRECISIONS[precision]


def settle(device: torch.device, threads: int) -> None:
    """Process-wide: so many threads for one step, and float32 that is float32.

    A GPU would by default compute convolutions of float32 in TF32, with float16's ten bits: durations then depended
    on what a piece is batched with.
    """
    torch.set_num_threads(threads)
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


def name_of(precision: torch.dtype) -> str:
    """Return a precision's name as it is written in the settings."""
    return str(precision).removeprefix("torch.")
