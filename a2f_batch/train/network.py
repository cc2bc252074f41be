"""The embedded network: log-mel front end, dilated residual convolutions, and curves read off at exact frame times.

Shut lips shape the curves inside it; a second head names the viseme while it learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from a2f_batch.train.dataset import Array
from a2f_batch.train.phones import NAMES
from a2f_batch.train.recipe import AMPLITUDES, SAMPLE_RATE

WINDOW, HOP, FFT = 400, 160, 512  # 25 ms windows every 10 ms
MELS = 80
STRIDE = 4  # mel frames in a step of the network: 40 ms
SUBSTEPS = 2  # outputs of each step, side by side in time
STEP = STRIDE * HOP // SUBSTEPS  # samples between two outputs: 20 ms
#: Power below this is taken for silence: 36 dB under a unit-variance white noise (power 150 a bin under the Hann window).
FLOOR = 0.04


class LogMel(nn.Module):
    """Waveform (batch, samples) -> log-mel frames (batch, MELS, samples // HOP + 1), frame k centred on sample k * HOP.

    0 is silence, so the zeros that convolutions pad with are silence too; speech reaches about 3.
    """

    def __init__(self) -> None:
        super().__init__()
        time = np.arange(WINDOW) - WINDOW / 2
        bins = np.arange(FFT // 2 + 1)
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)
        angle = 2 * np.pi * bins[:, None] * time[None, :] / FFT
        bases = np.concatenate([np.cos(angle), np.sin(angle)]) * hann
        self.register_buffer("bases", torch.tensor(bases[:, None, :], dtype=torch.float32))
        self.register_buffer("filters", torch.tensor(_mel_filters(bins * SAMPLE_RATE / FFT)[:, :, None], dtype=torch.float32))

    def forward(self, audio: Tensor) -> Tensor:  # noqa: D102
        spectrum = nn.functional.conv1d(audio[:, None, :], self.get_buffer("bases"), stride=HOP, padding=WINDOW // 2)
        real, imaginary = spectrum.chunk(2, dim=1)
        power = nn.functional.conv1d(real * real + imaginary * imaginary, self.get_buffer("filters"))
        return torch.log(power * (1 / FLOOR) + 1) * 0.25


def _mel_filters(frequencies: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return triangular filters even on the mel scale 2595 log10(1 + f/700) from 60 to 7600 Hz, each of sum 1: (MELS, bins)."""
    lowest, highest = (2595 * np.log10(1 + edge / 700) for edge in (60, 7600))
    edges = np.linspace(lowest, highest, MELS + 2)
    edges = 700 * (10 ** (edges / 2595) - 1)
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    # A filter narrower than a bin could miss them all; widen to a bin either side.
    width = frequencies[1] - frequencies[0]
    rise = (frequencies - np.minimum(low, peak - width)) / np.maximum(peak - low, width)
    fall = (np.maximum(high, peak + width) - frequencies) / np.maximum(high - peak, width)
    filters = np.maximum(np.minimum(rise, fall), 0)
    return np.asarray(filters / filters.sum(axis=1, keepdims=True))


class Block(nn.Module):
    """Residual: dilated convolution over time, normalisation, ReLU, mix of channels. Same length out as in."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        # Batch normalisation becomes part of the convolution at export; norms over time would make a frame depend on the line's length.
        self.body = nn.Sequential(nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False), nn.BatchNorm1d(width),
                                  nn.ReLU(), nn.Dropout(dropout), nn.Conv1d(width, width, 1))

    def forward(self, steps: Tensor) -> Tensor:  # noqa: D102
        out: Tensor = steps + self.body(steps)
        return out


class MouthNet(nn.Module):
    """Waveform -> mouth tracks in ARKit amplitude, how shut the lips are, and viseme classes.

    Captured curves and curves by rule are learned by the same outputs: the rules were fitted to the capture, channel by channel in its
    own units, so that they need no scales of their own. The viseme head is for training only; it is not exported.

    Args:
        spread: standard deviation of each track in training: the output layer works in units of it.
    """

    def __init__(self, width: int, dilations: Sequence[int], dropout: float, spread: Array | None = None) -> None:
        super().__init__()
        self.front = LogMel()
        # Three layers on the way to 40 ms: what tells p from t and m from n is shorter than that.
        half, most = (round(width * share / 8) * 8 for share in (0.5, 0.75))
        self.stem = nn.Sequential(
            nn.Conv1d(MELS, half, 3, padding=1, bias=False), nn.BatchNorm1d(half), nn.ReLU(),
            nn.Conv1d(half, most, 5, stride=2, padding=2, bias=False), nn.BatchNorm1d(most), nn.ReLU(),
            nn.Conv1d(most, width, 5, stride=STRIDE // 2, padding=2), nn.ReLU())
        self.blocks = nn.Sequential(*(Block(width, dilation, dropout) for dilation in dilations))
        self.head = nn.Sequential(nn.Conv1d(width, width, 3, padding=1), nn.ReLU(), nn.Dropout(dropout),
                                  nn.Conv1d(width, SUBSTEPS * (len(AMPLITUDES) + 1), 1))
        self.naming = nn.Conv1d(width, SUBSTEPS * len(NAMES), 1)
        self.register_buffer("spread", torch.ones(len(AMPLITUDES)) if spread is None else torch.tensor(spread, dtype=torch.float32))
        #: How sure of shut lips the network must be to shut them: gain and bias on the logit. It learns with the odds as they are (1, 0).
        self.register_buffer("sealing", torch.tensor([1.0, 0.0]))
        self.jaw, self.close = list(AMPLITUDES).index("jawOpen"), list(AMPLITUDES).index("mouthClose")

    def encode(self, audio: Tensor) -> Tensor:
        """Return the encoder's steps, (batch, width, steps of 40 ms)."""
        steps: Tensor = self.blocks(self.stem(self.front(audio)))
        return steps

    def read(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Return tracks (batch, 2 * steps, tracks) and the logit of shut lips (batch, 2 * steps)."""
        outputs = _side_by_side(self.head(steps))
        tracks, shut = outputs[..., :-1] * self.get_buffer("spread"), outputs[..., -1:]
        # Shut lips shape the curves: mouthClose takes jawOpen's value where they are.
        jaw, close = tracks[..., self.jaw:self.jaw + 1], tracks[..., self.close:self.close + 1]
        gain, bias = self.get_buffer("sealing").unbind()
        close = close + torch.sigmoid(gain * shut + bias) * torch.relu(jaw - close)
        return torch.cat([tracks[..., :self.close], close, tracks[..., self.close + 1:]], dim=-1), shut[..., 0]

    def name(self, steps: Tensor) -> Tensor:
        """Return the logits of the viseme classes, (batch, 2 * steps, classes)."""
        return _side_by_side(self.naming(steps))

    def forward(self, audio: Tensor, n_frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return tracks (batch, frames, tracks) and the logit of shut lips (batch, frames).

        Args:
            audio: (batch, samples), normalised; frame i is at sample i * samples / n_frames.
            n_frames: the number of frames, an int64 scalar.
        """
        tracks, shut = self.read(self.encode(audio))
        frames = at_frames(torch.cat([tracks, shut[..., None]], dim=-1), audio.shape[1], n_frames)
        return frames[..., :-1], frames[..., -1]


def at_frames(steps: Tensor, n_samples: int | Tensor, n_frames: Tensor) -> Tensor:
    """Return `steps` (batch, steps, channels; step j at sample j * STEP) at the frames' samples i * n_samples / n_frames, linearly.

    Positions are exact integers until the last division, so a long line does not drift.
    """
    numerator = torch.arange(cast(Any, n_frames)) * n_samples  # a tensor, so that the exported graph takes any number
    denominator = n_frames * STEP
    left = torch.div(numerator, denominator, rounding_mode="trunc")
    weight = ((numerator - left * denominator).to(torch.float32) / denominator.to(torch.float32))[None, :, None]
    steps = torch.cat([steps, steps[:, -1:]], dim=1)  # the last one is held
    frames: Tensor = steps[:, left] * (1 - weight) + steps[:, left + 1] * weight
    return frames


def _side_by_side(outputs: Tensor) -> Tensor:
    """Return (batch, SUBSTEPS * channels, steps) as (batch, SUBSTEPS * steps, channels)."""
    outputs = outputs.transpose(1, 2)
    return outputs.reshape(outputs.shape[0], -1, outputs.shape[2] // SUBSTEPS)
