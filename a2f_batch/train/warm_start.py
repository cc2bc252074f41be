"""Starting version 1 from the embedded network of version 0, whose encoder has the same shape: an hour's training less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from a2f_batch.errors import A2FError
from a2f_batch.train.dataset import Array
from a2f_batch.train.network import Block
from a2f_batch.train.speech_network import SpeechNet


def start_from(network: SpeechNet, weights: Path, audio: Array) -> None:
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
    convolutions = [[values[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"][2:]
    order = [layer for part in (network.stem, network.blocks, network.head) for layer in part.modules() if isinstance(layer, nn.Conv1d)]
    blocks = [block for block in network.blocks if isinstance(block, Block)]
    shapes = [tuple(layer.weight.shape) for layer in order]
    if [given[0].shape for given in convolutions] != shapes:
        raise A2FError(f"Starting from '{weights}': its convolutions have other shapes than the recipe's.", "Train without --start.",
                       code="train-weights")
    with torch.no_grad():
        for layer, given in zip(order, convolutions, strict=True):
            layer.weight.copy_(_tensor(given[0]))
            if layer.bias is not None:
                layer.bias.copy_(_tensor(given[1]))
        network.get_buffer("spread").copy_(_tensor(values["network.spread"]).reshape(-1))
        steps = network.stem(network.front(torch.from_numpy(audio)))
        biases = [_tensor(given[1]) for layer, given in zip(order, convolutions, strict=True) if layer.bias is None]
        for block, bias in zip(blocks, biases, strict=True):
            convolution, norm = block.body[0], block.body[1]
            assert isinstance(norm, nn.BatchNorm1d)
            out = convolution(steps)
            mean, variance = out.mean(dim=(0, 2)), out.var(dim=(0, 2), unbiased=False)
            norm.running_mean, norm.running_var = mean.clone(), variance.clone()
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.copy_(bias + mean)
            steps = block.eval()(steps)
            block.train()


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))
