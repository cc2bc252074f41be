"""A torch module as an ONNX graph: whole, or with its weights left where torch holds them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

OPSET = 17


def traced(module: nn.Module, example: Sequence[Tensor], inputs: Sequence[str], output: str, axes: Mapping[str, Mapping[int, str]],
           *, weights: bool = True) -> bytes:
    """Return the ONNX file of what `module` does with `example`.

    Args:
        inputs, output: names of what it takes and gives.
        axes: input or output -> axis -> name, of those whose length varies.
        weights: whether the file holds them; without, each is an input of the graph under its name in the module.
    """
    with TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        # The newer exporter can't give a time axis whose length is a tensor's value; and what is traced as a constant is one.
        warnings.simplefilter("ignore")
        place = Path(folder) / "network.onnx"
        torch.onnx.export(module.eval(), tuple(example), str(place), dynamo=False, opset_version=OPSET, input_names=list(inputs),
                          output_names=[output], dynamic_axes=axes, export_params=weights, do_constant_folding=weights)
        return place.read_bytes()


@dataclass(frozen=True)
class Graph:
    """An ONNX graph whose weights are in memory.

    Attributes:
        content: the ONNX file; it names its weights as data kept elsewhere.
        weights: name -> values, torch's own memory.
    """

    content: bytes
    weights: Mapping[str, npt.NDArray[np.float32]]


def graph_without_weights(module: nn.Module, example: Sequence[Tensor], inputs: Sequence[str], output: str,
                          axes: Mapping[str, Mapping[int, str]]) -> Graph:
    """Return the graph of what `module` does with `example`; arguments as for `traced`. Needs the package onnx."""
    import onnx

    model = onnx.load_model_from_string(traced(module, example, inputs, output, axes, weights=False))
    held: dict[str, Any] = {**dict(module.named_parameters(remove_duplicate=False)), **dict(module.named_buffers(remove_duplicate=False))}
    read = {name for node in model.graph.node for name in node.input}
    found: dict[str, npt.NDArray[np.float32]] = {}
    for value in [one for one in model.graph.input if one.name not in inputs]:
        model.graph.input.remove(value)
        if value.name not in read:
            continue
        found[value.name] = held[value.name].detach().numpy()
        tensor = model.graph.initializer.add(name=value.name, dims=found[value.name].shape, data_type=onnx.TensorProto.FLOAT,
                                             data_location=onnx.TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="memory")
    return Graph(model.SerializeToString(), found)
