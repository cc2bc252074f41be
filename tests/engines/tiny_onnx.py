"""Makes tiny ONNX networks of UniTalker's contract, whose output can be told beforehand: so tests need no weights.

The curves of frame i of T, for audio of N samples (float64 inside the graph):

- channel 0: mean square of the samples nearest to the frame, from round((i - 1/2) N / T) to round((i + 1/2) N / T)
- channel 1: emo_id
- channel 2: T
- channel 3: N
- channel 4: i
- channel c from 5 on: channel 0 times c, plus 2 (never in 0..1: a clamp would show)
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 9  # old enough for onnxruntime 1.18


def network(*, channels: int = 51, audio: str = "audio", audio_type: int = TensorProto.FLOAT, audio_shape: tuple[Any, ...] = (1, "N"),
            emo_id: str = "emo_id", time_steps: str = "time_steps", int_type: int = TensorProto.INT32, factor: float = 1.0,
            declared_channels: int | str | None = None, frames_lost: int = 0) -> onnx.ModelProto:
    """Return a network; the arguments make it differ from the contract.

    Args:
        factor: what all channels are multiplied with, such as NaN.
        declared_channels: what the file says of its last axis; None = the truth.
        frames_lost: how many frames it gives too few.
    """
    gains = np.array([1.0, 0, 0, 0, 0, *range(5, channels)])[:channels]
    offsets = np.array([0.0, 0, 0, 0, 0, *[2.0] * (channels - 5)])[:channels]
    units = np.eye(5, channels)
    constants = {
        "zero": np.array(0, np.int64), "one": np.array(1, np.int64), "half": np.array(0.5), "axis0": np.array([0], np.int64),
        "axis1": np.array([1], np.int64), "flat": np.array([-1], np.int64), "axis": np.array(1, np.int64),
        "gains": gains * factor, "offsets": offsets * factor, "lost": np.array(frames_lost, np.int64),
        **{f"unit{i}": units[i] * factor for i in range(1, 5)},
    }
    nodes: list[onnx.NodeProto] = []

    def node(kind: str, inputs: str, output: str, **attributes: Any) -> None:
        nodes.append(helper.make_node(kind, inputs.split(), [output], **attributes))

    node("Cast", audio, "x", to=TensorProto.DOUBLE)
    node("Mul", "x x", "squares")
    node("CumSum", "squares axis", "sums")
    node("Pad", "sums pads", "sums0")  # sums0[k] = sum of the first k squares
    constants["pads"] = np.array([0, 1, 0, 0], np.int64)
    node("Reshape", "sums0 flat", "sums1")
    node("Shape", audio, "shape")
    node("Gather", "shape one", "n")
    node("Cast", "n", "nd", to=TensorProto.DOUBLE)
    node("Cast", time_steps, "t64", to=TensorProto.INT64)
    node("Squeeze", "t64 axis0", "t")
    node("Cast", "t", "td", to=TensorProto.DOUBLE)
    node("Add", "t one", "t1")
    node("Range", "zero t1 one", "edge")
    node("Cast", "edge", "edged", to=TensorProto.DOUBLE)
    node("Sub", "edged half", "middle")
    node("Mul", "middle nd", "scaled")
    node("Div", "scaled td", "position")
    node("Add", "position half", "position_half")
    node("Floor", "position_half", "rounded")
    node("Cast", "rounded", "index", to=TensorProto.INT64)
    node("Max", "index zero", "index0")
    node("Min", "index0 n", "bounds")
    node("Gather", "sums1 bounds", "at_bounds")
    node("Slice", "at_bounds one1 end1 axis0", "upper")
    node("Slice", "at_bounds zero1 last1 axis0", "lower")
    node("Slice", "bounds one1 end1 axis0", "upper_bound")
    node("Slice", "bounds zero1 last1 axis0", "lower_bound")
    constants |= {"one1": np.array([1], np.int64), "end1": np.array([2**62], np.int64), "zero1": np.array([0], np.int64),
                  "last1": np.array([-1], np.int64)}
    node("Sub", "upper lower", "sum")
    node("Sub", "upper_bound lower_bound", "width")
    node("Cast", "width", "widthd", to=TensorProto.DOUBLE)
    node("Div", "sum widthd", "energy")
    node("Unsqueeze", "energy axis1", "column")
    node("Mul", "column gains", "scaled_energy")
    node("Add", "scaled_energy offsets", "y0")
    node("Cast", emo_id, "emod", to=TensorProto.DOUBLE)
    node("Slice", "edged zero1 last1 axis0", "frame")
    node("Unsqueeze", "frame axis1", "frame1")
    for i, value in enumerate(("emod", "td", "nd", "frame1"), start=1):
        node("Mul", f"{value} unit{i}", f"part{i}")
        node("Add", f"y{i - 1} part{i}", f"y{i}")
    node("Sub", "t lost", "kept")
    node("Unsqueeze", "kept axis0", "kept1")
    node("Slice", "y4 zero1 kept1 axis0", "whole")
    node("Unsqueeze", "whole axis0", "batch")
    node("Cast", "batch", "output", to=TensorProto.FLOAT)
    declared = channels if declared_channels is None else declared_channels
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info(audio, audio_type, audio_shape),
         helper.make_tensor_value_info(emo_id, int_type, [1]),
         helper.make_tensor_value_info(time_steps, int_type, [1])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, "T", declared])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def curves(audio: np.ndarray, n_frames: int, emo_id: int = 10, channels: int = 51) -> np.ndarray:
    """Return what the network gives for `audio` of shape (N,), computed another way: shape (n_frames, channels), float64."""
    size = audio.size
    edges = [min(max(int(np.floor((i - 0.5) * size / n_frames + 0.5)), 0), size) for i in range(n_frames + 1)]
    squares = audio.astype(np.float64)**2
    energy = np.array([squares[start:stop].mean() for start, stop in pairwise(edges)])
    output = energy[:, None] * np.arange(channels) + 2
    output[:, 0], output[:, 1], output[:, 2], output[:, 3], output[:, 4] = energy, emo_id, n_frames, size, np.arange(n_frames)
    return output


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write `model` to `path`."""
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path
