"""The matrix product that nearly all of the network's time goes into."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Dense(nn.Module):
    """y = x W + b, with W as (inputs, outputs).

    nn.Linear keeps W the other way round, which MKL multiplies 5 to 15 % slower (Zen 3, one thread, 200 to 600 rows).

    Args:
        weight: as in nn.Linear, (outputs, inputs).
        bias: (outputs,), or None.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().t().contiguous())
        self.register_buffer("bias", None if bias is None else bias.detach())

    @classmethod
    def of(cls, linear: Any) -> Dense:
        """Return the same product as an nn.Linear."""
        return cls(linear.weight, linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs), of the weight's type; a view whose rows lie apart goes into the product as it is."""
        rows = x.flatten(0, -2).to(self.weight.dtype)
        y = torch.mm(rows, self.weight) if self.bias is None else torch.addmm(self.bias, rows, self.weight)
        return y.view(*x.shape[:-1], y.shape[-1])

    def added_to(self, y: Tensor, x: Tensor) -> Tensor:
        """Return y + x W, in the place of `y`; a bias is not added."""
        if torch.onnx.is_in_onnx_export():
            return y + torch.matmul(x, self.weight)
        rows = x.flatten(0, -2).to(y.dtype)
        return y.flatten(0, -2).addmm_(rows, self.weight).view(y.shape)
