"""The network on a CPU, run by onnxruntime: one line at a time, in float32.

Why not torch: onnxruntime packs every weight once, where torch's products pack them on each call: a tenth of the CPU time. Where the
time goes, and what is done about it:

- The first convolutions make most of the data and run piece by piece, so that what lies between them stays in the cache. Pieces start
  at the same frames of a line whatever else is in the batch.
- Convolutions of three taps and stride two go two frames at a time (`pairs`). Where they make a frame more than the line has, it is
  made of zeros behind the line, and cut off before any other frame could see it.
- The wide positional convolution goes by way of spectra, in torch (`spectra`).
- WavLM's bias of the distance is spread out in torch, which copies rows where onnxruntime gathers numbers.
- The heads stay in torch: a vertex head is as large as all the rest, and is one product.

The graphs are traced from the loaded network, in memory: no second weights file can disagree with the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from a2f_batch.engines.base import Options
from a2f_batch.engines.runtime import Session
from a2f_batch.engines.unitalker_torch.architecture import EncoderSizes
from a2f_batch.engines.unitalker_torch.encoder import Encoder, NormalisedFirstConvolution, StridedConvolution
from a2f_batch.engines.unitalker_torch.network import Network
from a2f_batch.engines.unitalker_torch.pairs import PairedConvolution, can_pair
from a2f_batch.engines.unitalker_torch.spectra import SpectralConvolution
from a2f_batch.engines.unitalker_torch.tracing import graph_without_weights

PACKAGES = ("onnxruntime", "onnx")
PIECE_FRAMES = 100  # of the first convolutions at once: with the base models a second, 6.6 MB and less between two of them
PIECE_LAYERS = 5  # convolutions that run piece by piece


def lacking_package() -> str | None:
    """Return why a package that `CpuNetwork` needs can't be used; None = it can be built."""
    for name in PACKAGES:
        if find_spec(name) is None:
            return f"{name} is not installed"
        try:
            import_module(name)
        except ImportError as error:
            return f"{name} can't be imported ({error})"
    return None


class CpuNetwork:
    """The network up to its heads.

    Args:
        network: on the CPU, in float32. Its weights are shared; onnxruntime adds its packed ones.
        options: CPU threads.

    Attributes:
        place: the positional convolution.

    Raises:
        EngineError: onnxruntime is not installed rightly.
        OnnxError: onnxruntime refuses a graph.
    """

    def __init__(self, network: Network, options: Options) -> None:
        encoder, sizes = network.encoder, network.architecture.sizes
        self._encoder, self._sizes = encoder, sizes
        layers: list[nn.Module] = [PairedConvolution(layer) if can_pair(layer) else layer for layer in encoder.convolutions]
        if encoder.first is not None:
            layers.insert(0, encoder.first)
        self._front, self._back = layers[:PIECE_LAYERS], layers[PIECE_LAYERS:]
        self._step = math.prod(sizes.conv_stride[:PIECE_LAYERS]) // (1 if encoder.first is None else sizes.conv_stride[0])
        self.place = SpectralConvolution(encoder.position_weight, encoder.position_bias, sizes.num_conv_pos_embedding_groups)
        self._make_pieces = _front_session(self._front, sizes, options)
        self._project = _projection_session(_Projection(encoder, self._back), sizes, options)
        self._attend = _transformer_session(_Transformer(network), sizes, options)

    def __call__(self, audio: Tensor, frames: int, style: int) -> Tensor:
        """Return what the heads read, (1, frames, D).

        Args:
            audio: one line with zero mean and unit variance, (1, N).
            frames: how many it gets.
            style: its index.

        Raises:
            OnnxError: the run failed.
        """
        length = self._sizes.frames(audio.shape[1])
        features = self._pieces(audio, _rows(self._back, length))
        counts = {"length": np.array([length]), "frames": np.array([frames]), "style": np.array([style])}
        x = _ran(self._project, "x", {"features": features, **counts})
        feeds = {"x": x, "places": self.place(torch.from_numpy(x[0])).unsqueeze(0).numpy(), **counts}
        if self._encoder.is_wavlm:
            values = self._encoder.distance_values(x.shape[1])
            feeds["bias"] = values.unfold(1, x.shape[1], 1).flip(1).numpy()
        return torch.from_numpy(_ran(self._attend, "decoded", feeds))

    def _pieces(self, audio: Tensor, rows: int) -> npt.NDArray[np.float32]:
        """Return `rows` of what the first convolutions make of the sound, (1, rows, C), and of zeros behind it."""
        feeds: dict[str, Tensor] = {}
        x, first = audio.unsqueeze(2), self._encoder.first
        if first is not None:
            x = first.frames(audio)
            feeds["weight"], feeds["bias"] = first.line_weights(x, None)
        pieces = []
        for start in range(0, rows, PIECE_FRAMES):
            count = min(PIECE_FRAMES, rows - start)
            begin, need = start * self._step, _rows(self._front, count)
            seen = x[:, begin:begin + need]
            feeds["seen"] = F.pad(seen, (0, 0, 0, need - seen.shape[1]))
            pieces.append(self._make_pieces.run("made", {name: value.numpy() for name, value in feeds.items()})[:, :count])
        return np.concatenate(pieces, axis=1)


def _ran(session: Session, output: str, feeds: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    """Return what a session makes of those of the feeds that it reads: which counts it needs depends on the network."""
    return session.run(output, {node.name: feeds[node.name] for node in session.inputs})


def _rows(layers: Sequence[Any], frames: int) -> int:
    """Return how many frames `layers` must see to make `frames`."""
    for layer in reversed(layers):
        if isinstance(layer, PairedConvolution):
            frames = layer.needs(frames)
        elif isinstance(layer, StridedConvolution):
            frames = (frames - 1) * layer.stride + layer.kernel
    return frames


class _Front(nn.Module):
    """The first convolutions."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(layers)

    def forward(self, x: Tensor, *weights: Tensor) -> Tensor:
        for layer in self.convolutions:
            x = layer(x, *weights) if isinstance(layer, NormalisedFirstConvolution) else layer(x)
        return x


class _Projection(nn.Module):
    """The other convolutions, as many frames as the line has, and the transformer's input."""

    def __init__(self, encoder: Encoder, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.encoder, self.layers = encoder, nn.ModuleList(layers)

    def forward(self, x: Tensor, length: Tensor, frames: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        count: Any = frames[0]  # while it is traced, a length is a tensor
        return self.encoder.project(x[:, :length[0]], None, count, None)[0]


class _Transformer(nn.Module):
    """The transformer and the decoder."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, places: Tensor, frames: Tensor, style: Tensor, bias: Tensor | None = None) -> Tensor:
        count: Any = frames[0]
        return self.network.decode(self.network.encoder.attend(x, None, places, bias), None, count, None, style)


def _front_session(layers: Sequence[nn.Module], sizes: EncoderSizes, options: Options) -> Session:
    rows = _rows(layers, 4)
    example = {"seen": torch.ones(1, rows, 1)}
    if isinstance(layers[0], NormalisedFirstConvolution):
        taps, channels = sizes.conv_kernel[0], sizes.conv_dim[0]
        example = {"seen": torch.ones(1, rows, taps), "weight": torch.ones(1, taps, channels), "bias": torch.ones(1, 1, channels)}
    return _session(_Front(layers), example, "made", {"seen": {1: "rows"}, "made": {1: "made_rows"}}, options)


def _projection_session(module: _Projection, sizes: EncoderSizes, options: Options) -> Session:
    channels = sizes.conv_dim[:PIECE_LAYERS][-1]
    count = torch.tensor([20])
    example = {"features": torch.ones(1, _rows(list(module.layers), 20), channels), "length": count, "frames": count}
    return _session(module, example, "x", {"features": {1: "rows"}, "x": {1: "length"}}, options)


def _transformer_session(module: _Transformer, sizes: EncoderSizes, options: Options) -> Session:
    x, bias = torch.ones(1, 20, sizes.hidden_size), module.network.encoder.distance_bias(20)
    example = {"x": x, "places": x, "frames": torch.tensor([20]), "style": torch.tensor([0])}
    axes = {"x": {1: "length"}, "places": {1: "length"}, "decoded": {1: "count"}}
    if bias is not None:
        example["bias"], axes["bias"] = bias, {1: "length", 2: "length"}
    return _session(module, example, "decoded", axes, options)


def _session(module: nn.Module, example: dict[str, Tensor], output: str, axes: dict[str, dict[int, str]], options: Options) -> Session:
    graph = graph_without_weights(module, list(example.values()), list(example), output, axes)
    return Session(graph.content, options, graph.weights)
