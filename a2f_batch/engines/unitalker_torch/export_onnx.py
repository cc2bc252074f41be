"""A UniTalker as one ONNX file, in either of two contracts.

- `line`: the seed service's, which the engine `unitalker` runs: ``audio`` float32 [1, N], ``emo_id`` int32 [1], ``time_steps`` int32
  [1] -> ``curves`` float32 [1, T, C]. ``emo_id`` is the style; a number beyond the last is the last, common one, so that a service
  that always sends 10 gets it.
- `batch`: ``audio`` [B, N], ``samples`` int32 [B] (how many of N are each line's own), ``emo_id`` [B], ``time_steps`` [B] -> ``curves``
  [B, max T, C]; 0 beyond a line's own frames.

In both, a line's own samples have zero mean and unit variance.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from a2f_batch.engines.unitalker_torch.engine import UniTalkerTorch
from a2f_batch.engines.unitalker_torch.network import Network
from a2f_batch.engines.unitalker_torch.tracing import traced
from a2f_batch.errors import EngineError
from a2f_batch.export.atomic import replacing

CONTRACTS = ("line", "batch")


class _Line(nn.Module):
    def __init__(self, network: Network, head: str) -> None:
        super().__init__()
        self.network, self.head = network, head
        self.last = network.architecture.identity_num - 1

    def forward(self, audio: Tensor, emo_id: Tensor, time_steps: Tensor) -> Tensor:
        style = emo_id.to(torch.int64).clamp(0, self.last)
        frames: Any = time_steps[0].to(torch.int64)  # while it is traced, a length is a tensor
        curves: Tensor = self.network(audio, None, frames, None, style, self.head)
        return curves.reshape(1, -1, curves.shape[2])


class _Batch(nn.Module):
    def __init__(self, network: Network, head: str) -> None:
        super().__init__()
        self.network, self.head = network, head
        self.last = network.architecture.identity_num - 1

    def forward(self, audio: Tensor, samples: Tensor, emo_id: Tensor, time_steps: Tensor) -> Tensor:
        style, counts = emo_id.to(torch.int64).clamp(0, self.last), time_steps.to(torch.int64)
        frames: Any = counts.max()
        curves: Tensor = self.network(audio, samples.to(torch.int64), frames, counts, style, self.head)
        inside = torch.arange(curves.shape[1]) < counts.unsqueeze(1)
        return torch.where(inside.unsqueeze(2), curves, torch.zeros_like(curves))


def export_onnx(engine: UniTalkerTorch, path: Path, *, contract: str = "line", head: str | None = None,
                style: str | int | None = None) -> str:
    """Write the engine's network to `path`, and a description beside it; return the file's sha256.

    Args:
        engine: on the CPU, with precision 'exact'.
        contract: one of `CONTRACTS`.
        head: None = the first.
        style: which one the description calls neutral; None = the common one.

    Raises:
        EngineError: there is no such contract or head (codes 'contract-unknown', 'head-unknown', 'style-unknown'), the network is not
            on the CPU in float32 ('export-engine'), or is too large for one ONNX file ('export-size').
        ExportError: the place can't be written (code 'output-unwritable').
    """
    if contract not in CONTRACTS:
        raise EngineError(f"There is no contract {contract!r}.", f"There are: {', '.join(CONTRACTS)}.", code="contract-unknown")
    if engine.device != "cpu" or engine.precision != "exact":
        raise EngineError(f"A network on {engine.device} with precision {engine.precision} can't be exported.",
                          "Load it with device='cpu', precision='exact'.", code="export-engine")
    chosen, index = engine.known_head(head), engine.known_style(style)
    network = engine.network
    size = sum(tensor.numel() * 4 for tensor in (*network.parameters(), *network.buffers()))
    if size > 1.9e9:
        raise EngineError(f"The network has {size / 1e9:.1f} GB of weights; one ONNX file holds 2 GB.", "Use the engine in torch.",
                          code="export-size")
    content = _exported(network, chosen, contract)
    with replacing(path) as file:
        file.write(content)
    sha256 = hashlib.sha256(content).hexdigest()
    given = engine.description
    description = {
        "name": path.stem, "engine": "unitalker", "weights": path.name, "sha256": sha256,
        "licence": given.licence, "source": f"a2f-batch weights export of {given.name} (sha256 {engine.weights_sha256}), head {chosen}",
        "sample_rate": given.sample_rate, "channels": list(engine.heads[chosen]),
        "fps": {"min": str(given.min_fps), "max": str(given.max_fps)}, "emotions": {"neutral": index}, "batch": contract == "batch",
        "whole_lines": given.whole_lines,
    }
    with replacing(path.with_suffix(".json")) as file:
        file.write((json.dumps(description, indent=1, allow_nan=False) + "\n").encode())
    return sha256


def _exported(network: Network, head: str, contract: str) -> bytes:
    at_once, network.encoder.frames_at_once = network.encoder.frames_at_once, None
    one, int32 = torch.ones(1), torch.int32
    audio = torch.linspace(-1, 1, 16000).sin()[None]
    if contract == "line":
        module: nn.Module = _Line(network, head)
        example: tuple[Tensor, ...] = audio, (0 * one).to(int32), (25 * one).to(int32)
        names = ["audio", "emo_id", "time_steps"]
        axes = {"audio": {1: "samples"}, "curves": {1: "frames"}}
    else:
        module = _Batch(network, head)
        two = torch.ones(2)
        example = audio.repeat(2, 1), (15000 * two).to(int32), (0 * two).to(int32), (25 * two).to(int32)
        names = ["audio", "samples", "emo_id", "time_steps"]
        axes = {"audio": {0: "lines", 1: "samples"}, "samples": {0: "lines"}, "emo_id": {0: "lines"}, "time_steps": {0: "lines"},
                "curves": {0: "lines", 1: "frames"}}
    try:
        return traced(module, example, names, "curves", axes)
    finally:
        network.encoder.frames_at_once = at_once
