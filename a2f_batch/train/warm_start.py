"""Starting from an exported network of the same shape: on new data, an hour's training less."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from a2f_batch.errors import A2FError
from a2f_batch.train.dataset import Array
from a2f_batch.train.network import MouthNet


def start_from(network: MouthNet, weights: Path, audio: Array) -> None:
    """Give `network` the convolutions of an exported network of the same shape.

    The export has the batch norms folded into the convolutions; here each becomes a norm again that changes nothing on `audio`.

    Args:
        audio: lines as in training, shape (batch, samples).

    Raises:
        A2FError: the file's network has another shape (code 'train-weights').
    """
    import onnx

    graph = onnx.load(str(weights)).graph
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    # The first two are the log-mel front.
    given = [[values[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"][2:]
    layers = [layer for part in (network.stem, network.blocks, network.head) for layer in part.modules() if isinstance(layer, nn.Conv1d)]
    if [one[0].shape for one in given] != [tuple(layer.weight.shape) for layer in layers]:
        raise A2FError(f"Starting from '{weights}': its convolutions have other shapes than the recipe's.", "Train without --start.",
                       code="train-weights")
    norms = iter(layer for part in (network.stem, network.blocks) for layer in part.modules() if isinstance(layer, nn.BatchNorm1d))
    hooks = []
    with torch.no_grad():
        for layer, (weight, bias) in zip(layers, given, strict=True):
            layer.weight.copy_(_tensor(weight))
            if layer.bias is not None:
                layer.bias.copy_(_tensor(bias))
            else:
                hooks.append(next(norms).register_forward_pre_hook(_undone(_tensor(bias))))
        network.get_buffer("spread").copy_(_tensor(values["network.spread"]).reshape(-1))
        training = network.training
        network.eval().encode(torch.from_numpy(audio))  # every norm takes its figures as the lines pass
        network.train(training)
    for hook in hooks:
        hook.remove()


def _undone(bias: Tensor) -> Callable[[nn.Module, tuple[Tensor]], None]:
    """Return a hook that makes a norm add `bias` to what comes in and change nothing else, with the figures of what comes in."""

    def hook(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(norm, nn.BatchNorm1d)
        mean, variance = inputs[0].mean(dim=(0, 2)), inputs[0].var(dim=(0, 2), unbiased=False)
        norm.running_mean, norm.running_var = mean.clone(), variance.clone()
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(bias + mean)

    return hook


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))
