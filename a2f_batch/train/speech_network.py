"""The network of version 1: one encoder, curves in which shut lips are shut, and a second head that names the viseme while it learns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from a2f_batch.train.dataset import Array
from a2f_batch.train.network import MELS, STRIDE, SUBSTEPS, Block, LogMel, at_frames
from a2f_batch.train.phones import NAMES
from a2f_batch.train.recipe import AMPLITUDES


class SpeechNet(nn.Module):
    """Waveform -> mouth tracks in ARKit amplitude, how shut the lips are, and viseme classes.

    Captured curves and curves by rule are learned by the same outputs: the rules were fitted to the capture, channel by channel in its
    own units, so that they need no scales of their own. The viseme head is for training only; it is not exported.

    Args:
        spread: standard deviation of each track in training: the output layer works in units of it.
    """

    def __init__(self, width: int, dilations: Sequence[int], dropout: float, spread: Array | None = None) -> None:
        super().__init__()
        self.front = LogMel()
        self.stem = nn.Sequential(nn.Conv1d(MELS, width, 2 * STRIDE + 1, stride=STRIDE, padding=STRIDE), nn.ReLU())
        self.blocks = nn.Sequential(*(Block(width, dilation, dropout) for dilation in dilations))
        self.head = nn.Sequential(nn.Conv1d(width, width, 3, padding=1), nn.ReLU(), nn.Dropout(dropout),
                                  nn.Conv1d(width, SUBSTEPS * (len(AMPLITUDES) + 1), 1))
        self.naming = nn.Conv1d(width, SUBSTEPS * len(NAMES), 1)
        self.register_buffer("spread", torch.ones(len(AMPLITUDES)) if spread is None else torch.tensor(spread, dtype=torch.float32))
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
        close = close + torch.sigmoid(shut) * torch.relu(jaw - close)
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


def _side_by_side(outputs: Tensor) -> Tensor:
    """Return (batch, SUBSTEPS * channels, steps) as (batch, SUBSTEPS * steps, channels)."""
    outputs = outputs.transpose(1, 2)
    return outputs.reshape(outputs.shape[0], -1, outputs.shape[2] // SUBSTEPS)
