"""Precision 'fast': matrix products in 16 bits where the device has units for them, and how far that moves the curves.

What stays in float32: the sound's statistics and the first convolution, every norm, the sums from layer to layer, the decoder and the
heads. What is rounded: the products' inputs and weights, GELU's, attention's, the positional convolution's.

On a CPU without 16-bit matrix units 'fast' computes as 'exact' does. Emulated bfloat16 is slower than float32. Of dynamic int8, torch's
(fbgemm) is 0.8 to 1.2 times as fast as float32 there; onnxruntime's products are 1.9 times as fast (AVX2, Zen 3, one thread, 96 rows:
167 against 88 GFLOP/s), which is what the instructions allow, but each has an error of 1.8 % (7-bit weights, so that pairs of products
can't saturate 16 bits), and twelve layers of them must stay under 3 %. Three times float32 is beyond any 8-bit product with AVX2: two
multiplications and an addition for 32 products, where float32 has one instruction for 8, are twice its rate at most.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from a2f_batch.engines.pieces import normalised
from a2f_batch.engines.unitalker_torch.dense import Dense
from a2f_batch.engines.unitalker_torch.network import Network

MOST_ERROR = 0.03  # RMS of the difference over RMS of the curves about their means
TRIAL_SECONDS, TRIAL_FPS, TRIAL_RATE = 3, 30, 16000


def fast_type(device: torch.device) -> torch.dtype | None:
    """Return the type of 'fast' products on a device; None where float32 is as fast."""
    if device.type == "cuda":
        # bfloat16 has 8 bits of mantissa, float16 11; norms before every product keep the values within float16's range.
        return torch.float16
    return torch.bfloat16 if has_bfloat16_matrices() else None


def has_bfloat16_matrices() -> bool:
    """Whether this CPU multiplies bfloat16 matrices (AMX)."""
    try:
        return " amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no Linux
        return False


def lower(network: Network, dtype: torch.dtype) -> None:
    """Make the encoder's products work in `dtype`, in place."""
    encoder = network.encoder
    gates = {id(layer.attention.gate) for layer in encoder.layers}
    for module in encoder.modules():
        if isinstance(module, Dense) and id(module) not in gates:
            module.weight = module.weight.to(dtype)
            module.bias = None if module.bias is None else module.bias.to(dtype)
    encoder.position_weight = encoder.position_weight.to(dtype)
    encoder.position_bias = encoder.position_bias.to(dtype)


def trial_curves(network: Network, device: torch.device) -> Tensor:
    """Return what the network makes of a sound with the course of speech: (frames, values), float32, on the CPU."""
    random = np.random.default_rng(0)
    samples = TRIAL_SECONDS * TRIAL_RATE
    seconds = np.arange(samples) / TRIAL_RATE
    phase = 2 * np.pi * (120 + 20 * np.sin(5 * seconds)).cumsum() / TRIAL_RATE
    voice = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 4 * seconds), 0, None)
    sound = normalised((0.1 * voice * syllables + 0.01 * random.standard_normal(samples)).astype(np.float32))
    style = torch.tensor([network.architecture.identity_num - 1], device=device)
    head = next(iter(network.architecture.heads))
    audio = torch.from_numpy(sound)[None].to(device)
    with torch.inference_mode():
        curves: Tensor = network(audio, None, TRIAL_SECONDS * TRIAL_FPS, None, style, head)[0].float().cpu()
    return curves


def relative_error(curves: Tensor, exact: Tensor) -> float:
    """Return RMS(difference) / RMS(exact about its mean over time), over all frames and channels."""
    spread = (exact - exact.mean(0)).double().square().mean().sqrt()
    return float((curves - exact).double().square().mean().sqrt() / spread.clamp(min=1e-30))
