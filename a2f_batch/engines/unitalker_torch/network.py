"""The whole network: encoder, frequency adaptor, decoder, output heads; its tensors as published, and its run on padded lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from a2f_batch.engines.unitalker_torch.architecture import Architecture
from a2f_batch.engines.unitalker_torch.decoders import published_decoder
from a2f_batch.engines.unitalker_torch.encoder import Encoder, published_encoder, stretched


def published(architecture: Architecture) -> Any:
    """Return the modules of the architecture under the published checkpoints' names, without memory for their weights.

    ``pca_layer_dict.<head>`` holds ``feat_to_data`` (components, values) and ``data_bias`` (values,), and ``template`` (values,) where
    the description says so.
    """
    with torch.device("meta"):
        whole: Any = nn.Module()
        whole.audio_encoder = published_encoder(architecture)
        whole.decoder = published_decoder(architecture)
        whole.out_head_dict, whole.pca_layer_dict = nn.Module(), nn.Module()
        for head, values in architecture.heads.items():
            whole.out_head_dict.add_module(head, _head(architecture, architecture.head_outputs(head)))
            pca = architecture.pca.get(head)
            if pca is not None:
                basis = nn.Module()
                basis.register_buffer("feat_to_data", torch.empty(pca.components, values))
                basis.register_buffer("data_bias", torch.empty(values))
                if pca.template:
                    basis.register_buffer("template", torch.empty(values))
                whole.pca_layer_dict.add_module(head, basis)
    return whole


def expected_tensors(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of every tensor that the weights must hold."""
    return {name: tuple(tensor.shape) for name, tensor in published(architecture).state_dict().items() if name not in UNUSED}


# Of pre-training only: some checkpoints hold it, no output depends on it.
UNUSED = ("audio_encoder.masked_spec_embed",)


class Network(nn.Module):
    """A UniTalker with its weights, ready to run.

    Args:
        architecture: what it is.
        tensors: name -> float32 tensor, as `expected_tensors` lists them.
    """

    def __init__(self, architecture: Architecture, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        whole = published(architecture)
        missing, extra = whole.load_state_dict(dict(tensors), strict=False, assign=True)
        if set(missing) - set(UNUSED) or set(extra) - set(UNUSED):
            raise ValueError(f"missing {missing}, extra {extra}")  # the caller has compared them
        self.architecture = architecture
        self.encoder = Encoder(whole.audio_encoder, architecture)
        self.decoder: nn.Module = whole.decoder
        self.heads: nn.Module = whole.out_head_dict
        self.bases: nn.Module = whole.pca_layer_dict
        self.requires_grad_(False)
        self.eval()

    def forward(self, audio: Tensor, samples: Tensor | None, frames: int, counts: Tensor | None, style: Tensor, head: str) -> Tensor:
        """Return the values of `head`, (B, frames, values); beyond a line's own frames they mean nothing.

        Args:
            audio: each line with zero mean and unit variance, then zeros, (B, N).
            samples: how many of N are each line's own, (B,); None = all of every line.
            frames: of the longest line.
            counts: how many frames each line gets, (B,); None = all get `frames`.
            style: index of each line's style, (B,).
        """
        x, own = self.encoder(audio, samples, frames, counts)
        return self.head(self.decode(x, own, frames, counts, style), head)

    def decode(self, x: Tensor, own: Tensor | None, frames: int, counts: Tensor | None, style: Tensor) -> Tensor:
        """Return what the heads read, (B, frames, D).

        Args:
            x, own: as the encoder gives them.
            frames, counts, style: as for `forward`.
        """
        if self.architecture.interpolate_pos == 1:
            x, own = stretched(x, own, frames, counts), counts
        x = self.decoder(x, own, style)
        if self.architecture.interpolate_pos == 2:
            x = stretched(x, own, frames, counts)
        return x

    def head(self, x: Tensor, head: str) -> Tensor:
        """(B, T, D) -> (B, T, values)."""
        y: Tensor = getattr(self.heads, head)(x)
        pca = self.architecture.pca.get(head)
        if pca is None:
            return y
        basis: Any = getattr(self.bases, head)
        y = y @ basis.feat_to_data + basis.data_bias
        return y + pca.scale * basis.template if pca.template else y


class _DeepHead(nn.Module):
    def __init__(self, width: int, values: int, layers: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for _ in range(layers - 1):
            parts += [nn.Linear(width, width), nn.Tanh()]
        self.head_layer = nn.Sequential(*parts, nn.Linear(width, values))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head_layer(x)
        return y


def _head(architecture: Architecture, values: int) -> nn.Module:
    width, layers = architecture.decoder_dimension, architecture.headlayer
    return nn.Linear(width, values) if layers == 1 else _DeepHead(width, values, layers)
