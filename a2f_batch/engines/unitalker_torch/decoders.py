"""The two decoders of UniTalker: features and a style to the frames that the output heads read. Names as in the published checkpoints.

Axes: B lines, T frames, D width of the decoder.

Source: models/unitalker_decoder.py and models/model_utils.py of X-niper/UniTalker; the transformer decoder after FaceFormer.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from a2f_batch.engines.unitalker_torch.architecture import Architecture

STYLE_WIDTH = 64  # of the convolution decoder
ATTENTION_HEADS = 4
LONGEST = 3000  # frames of the position table that the published checkpoints carry


def published_decoder(architecture: Architecture) -> nn.Module:
    """Return the decoder of the architecture; its weights mean nothing yet."""
    features = architecture.sizes.hidden_size
    width, styles = architecture.decoder_dimension, architecture.identity_num
    if architecture.decoder_type == "conv":
        return ConvolutionDecoder(features, width, styles)
    return TransformerDecoder(features, width, styles, architecture.period)


class ConvolutionDecoder(nn.Module):
    """Three residual convolutions over three frames each, with the style at every frame."""

    def __init__(self, features: int, width: int, styles: int) -> None:
        super().__init__()
        self.learnable_style_emb = nn.Embedding(styles, STYLE_WIDTH)
        self.audio_feature_map = nn.Linear(features, width)
        blocks = [Block(width + STYLE_WIDTH, width), Block(width, width), Block(width, width)]
        self.tcn: Any = nn.ModuleDict({"first_net": nn.ModuleDict({"conv_layers": nn.ModuleList(blocks)})})

    def forward(self, features: Tensor, counts: Tensor | None, style: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, D).

        Args:
            counts: how many of T are each line's own, (B,); None = all.
            style: index of each line's style, (B,).
        """
        x = self.audio_feature_map(features)
        styles = self.learnable_style_emb(style).unsqueeze(1).expand(-1, x.shape[1], -1)
        x = torch.cat([x, styles.to(x.dtype)], dim=2)
        inside = None
        if counts is not None:
            inside = (torch.arange(x.shape[1], device=x.device) < counts.unsqueeze(1)).unsqueeze(1)
        x = x.transpose(1, 2)
        for block in self.tcn["first_net"]["conv_layers"]:
            x = block(x if inside is None else x * inside)  # beyond a line's end there are zeros, as when it is alone
        y: Tensor = x.transpose(1, 2)
        return y


class Block(nn.Module):
    """ReLU(norm(convolution) + x), x by way of a convolution of its own where the width changes."""

    def __init__(self, given: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(given, width, 3, padding=1)
        self.norm = nn.LayerNorm(width)
        if given != width:
            self.residual_layer = nn.Sequential(nn.Conv1d(given, width, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, given, T) -> (B, width, T)."""
        y = self.norm(self.conv(x).transpose(1, 2)).transpose(1, 2)
        return F.relu(y + (self.residual_layer(x) if hasattr(self, "residual_layer") else x))


class TransformerDecoder(nn.Module):
    """One transformer layer: each frame looks at the frames before it, nearer ones more, and at the sound's features of its own.

    Each frame sees nothing behind itself, so what follows a line's end never reaches it.
    """

    def __init__(self, features: int, width: int, styles: int, period: int) -> None:
        super().__init__()
        self.period = period
        self.learnable_style_emb = nn.Embedding(styles, width)
        self.audio_feature_map = nn.Linear(features, width)
        self.PPE: Any = nn.Module()
        self.PPE.register_buffer("pe", torch.empty(1, (LONGEST // period + 1) * period, width))
        layer = nn.TransformerDecoderLayer(width, ATTENTION_HEADS, 2 * width, batch_first=True)
        self.transformer_decoder: Any = nn.ModuleDict({"layers": nn.ModuleList([layer])})

    def forward(self, features: Tensor, counts: Tensor | None, style: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, D); arguments as for `ConvolutionDecoder`."""
        memory = self.audio_feature_map(features)
        layer = self.transformer_decoder["layers"][0]
        at = torch.arange(memory.shape[1], device=memory.device)
        # The table repeats itself every period, so that a line may be longer than the table.
        position = self.PPE.pe[0, at % self.period]
        x = self.learnable_style_emb(style).unsqueeze(1) + position
        x = layer.norm1(x + self._look_back(layer.self_attn, x, at))
        # The mask lets a frame see its own features only: their weight is 1, whatever query and key.
        value = layer.multihead_attn.in_proj_weight.chunk(3)[2], layer.multihead_attn.in_proj_bias.chunk(3)[2]
        x = layer.norm2(x + layer.multihead_attn.out_proj(F.linear(memory, *value)))
        y: Tensor = layer.norm3(x + layer.linear2(F.relu(layer.linear1(x))))
        return y

    def _look_back(self, attention: nn.MultiheadAttention, x: Tensor, at: Tensor) -> Tensor:
        lines, frames, width = x.shape
        q, k, v = (part.view(lines, frames, ATTENTION_HEADS, -1).transpose(1, 2)
                   for part in F.linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=2))
        slopes = torch.exp2(-2.0 * (torch.arange(ATTENTION_HEADS, device=x.device) + 1))
        ago = at[:, None] - at[None, :]
        bias = -slopes[:, None, None] * torch.div(ago, self.period, rounding_mode="floor")
        bias = bias.masked_fill(ago < 0, -math.inf).to(x.dtype)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        y: Tensor = attention.out_proj(seen.transpose(1, 2).reshape(lines, frames, width))
        return y
