"""The trained network as one ONNX file of UniTalker's contract, and the description beside it."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from a2f_batch.export.atomic import replacing
from a2f_batch.names import vocabulary
from a2f_batch.train.dataset import Array
from a2f_batch.train.network import MouthNet
from a2f_batch.train.recipe import AMPLITUDES, SAMPLE_RATE

OPSET = 17


class Contract(nn.Module):
    """The network behind the contract's inputs and outputs: channels in the order of names/unitalker51.json, 0 where no track leads."""

    def __init__(self, network: MouthNet) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("spreading", torch.from_numpy(spreading()))

    def forward(self, audio: Tensor, emo_id: Tensor, time_steps: Tensor) -> Tensor:  # noqa: D102
        tracks, _ = self.network(audio, time_steps[0].to(torch.int64))
        # No emotion was in the recordings. The input stays in the graph, since the contract has it; it changes nothing.
        curves: Tensor = tracks @ self.get_buffer("spreading") + 0 * emo_id.to(torch.float32)
        return curves.reshape(1, -1, curves.shape[2])


def spreading() -> Array:
    """Return the matrix (tracks, 51) of ones and zeros that puts each track on its channel, or on both of its sides."""
    words = vocabulary("unitalker51")
    hub = [words.to_hub[channel] for channel in words.channels]
    return np.array([[float(channel in (track, track + "Left", track + "Right")) for channel in hub] for track in AMPLITUDES],
                    dtype=np.float32)


def write_onnx(network: MouthNet, path: Path) -> str:
    """Write the network to `path` and return the file's sha256.

    Raises:
        ExportError: the place can't be written (code 'output-unwritable').
    """
    example = torch.zeros(1, SAMPLE_RATE), torch.tensor([10], dtype=torch.int32), torch.tensor([25], dtype=torch.int32)
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        # The newer exporter can't give a time axis whose length is a tensor's value.
        warnings.simplefilter("ignore", DeprecationWarning)
        exported = Path(folder) / "network.onnx"
        torch.onnx.export(Contract(network).eval(), example, str(exported), dynamo=False, opset_version=OPSET,
                          input_names=["audio", "emo_id", "time_steps"], output_names=["curves"],
                          dynamic_axes={"audio": {1: "samples"}, "curves": {1: "frames"}})
        content = exported.read_bytes()
    with replacing(path) as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


def write_description(path: Path, *, sha256: str, source: str) -> None:
    """Write the description that `a2f_batch.engines` reads, `path` with the suffix .json.

    Raises:
        ExportError: the place can't be written (code 'output-unwritable').
    """
    description = {
        "name": path.stem,
        "engine": "unitalker",
        "weights": path.name,
        "sha256": sha256,
        "licence": "CC-BY-4.0",
        "source": source,
        "sample_rate": SAMPLE_RATE,
        "channels": "unitalker51",
        "fps": {"min": 1, "max": 240},
        "emotions": {"neutral": 10},
        "batch": False,
    }
    with replacing(path.with_suffix(".json")) as file:
        file.write((json.dumps(description, indent=2, allow_nan=False) + "\n").encode())
