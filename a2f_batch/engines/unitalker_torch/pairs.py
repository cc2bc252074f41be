"""A convolution of three taps and stride two with a sixth fewer products: two frames at a time.

Two neighbouring frames y0 = A x0 + B x1 + C x2 and y1 = A x2 + B x3 + C x4 share x2: with m = (A + C) x2,

    y0 = m + A (x0 - x2) + B x1        y1 = m + C (x4 - x2) + B x3

five products instead of six. No factor but 1 and -1 comes in, so float32's rounding stays what it was. (The convolution by Winograd's
and Toom's method, F(2, 2), of the even samples.) These convolutions are a third of the network's arithmetic.
"""

from __future__ import annotations

from typing import TypeGuard

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from a2f_batch.engines.unitalker_torch.encoder import StridedConvolution

KERNEL, STRIDE = 3, 2


def can_pair(layer: nn.Module) -> TypeGuard[StridedConvolution]:
    """Whether a layer is a convolution that goes two frames at a time."""
    return isinstance(layer, StridedConvolution) and (layer.kernel, layer.stride) == (KERNEL, STRIDE)


class PairedConvolution(nn.Module):
    """`layer` for one line, two frames at a time; of an odd number of frames the last one is left out.

    Args:
        layer: see `can_pair`.
    """

    left: Tensor
    right: Tensor
    shared: Tensor
    bias: Tensor | None

    def __init__(self, layer: StridedConvolution) -> None:
        super().__init__()
        first_two, third = layer.runs[0].weight, layer.runs[1].weight
        first, second = first_two.chunk(2)
        self.register_buffer("left", first_two)
        self.register_buffer("right", torch.cat([third, second]))
        self.register_buffer("shared", (first.double() + third.double()).float())
        self.register_buffer("bias", layer.runs[0].bias)
        self.norm = layer.norm

    @staticmethod
    def needs(frames: int) -> int:
        """Return how many frames it must see to make `frames`, or one more."""
        return 4 * ((frames + 1) // 2) + 1

    def forward(self, x: Tensor) -> Tensor:
        """(1, T, C) -> (1, 2 * ((T - 1) // 4), channels)."""
        rows = x[0]
        end = (x.shape[1] - 1) // 4 * 4
        x0, x1, x2, x3, x4 = (rows[i:end + i // 4:4] for i in range(5))
        m = x2 @ self.shared if self.bias is None else torch.addmm(self.bias, x2, self.shared)
        y0 = torch.addmm(m, torch.cat([x0 - x2, x1], dim=1), self.left)
        y1 = torch.addmm(m, torch.cat([x4 - x2, x3], dim=1), self.right)
        y = torch.cat([y0, y1], dim=1).view(1, -1, m.shape[1])
        return F.gelu(y if self.norm is None else self.norm(y))
