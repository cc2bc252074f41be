"""The tensors of a UniTalker: read from safetensors and compared by name and shape with what the description asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from a2f_batch.engines.description import Description
from a2f_batch.engines.unitalker_torch.architecture import Architecture
from a2f_batch.engines.unitalker_torch.network import UNUSED, expected_tensors
from a2f_batch.engines.weights import read_weights
from a2f_batch.errors import EngineError

SHOWN = 8  # names in a message
_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
# torch has stored the parts of a weight-normed weight under two names, and published checkpoints have either.
_OLD_SPELLING = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
# Parts of a published basis that only training reads, and buffers of transformers' older versions.
_TRAINING_ONLY = re.compile(r"pca_layer_dict\.[^.]+\.(data_to_feat|feat_mean|feat_std)|.*\.position_ids|.*\.num_batches_tracked")


def read_tensors(description: Description, architecture: Architecture) -> tuple[dict[str, Tensor], str]:
    """Return the weights as float32 tensors, and the file's sha256.

    Raises:
        EngineError: the file is missing or another (see `read_weights`); it is no whole safetensors file (code
            'weights-not-safetensors'), its tensors are not those of the architecture ('weights-tensors'), or a value is no finite
            number ('weights-not-finite').
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    content, sha256 = read_weights(description)
    try:
        tensors: dict[str, Tensor] = load(content)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise EngineError(f"The weights file {description.weights} is no whole safetensors file: {_one_line(error)}.",
                          "Get the file again; a .pt checkpoint is made into one by: a2f-batch weights convert IN.pt OUT.safetensors.",
                          code="weights-not-safetensors") from error
    return checked(tensors, architecture, description), sha256


def normal_spelling(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names that the network has, without those of training only.

    A name is taken without the 'module.' of data-parallel training; weight norms go by torch's present names.
    """
    renamed = {}
    for name, tensor in tensors.items():
        name = name.removeprefix("module.")
        stem, _, last = name.rpartition(".")
        name = f"{stem}.{_OLD_SPELLING[last]}" if last in _OLD_SPELLING else name
        if name not in UNUSED and not _TRAINING_ONLY.fullmatch(name):
            renamed[name] = tensor
    return renamed


def checked(tensors: Mapping[str, Tensor], architecture: Architecture, description: Description) -> dict[str, Tensor]:
    """Return `tensors` as float32 under the network's names; refuse them, by name, if they are not those of the architecture.

    Raises:
        EngineError: see `read_tensors`.
    """
    tensors = normal_spelling(tensors)
    faults = differences({name: tuple(tensor.shape) for name, tensor in tensors.items()}, expected_tensors(architecture))
    faults += [f"{name} is {str(tensor.dtype).removeprefix('torch.')}, which is no kind of weight"
               for name, tensor in tensors.items() if tensor.dtype not in _FLOATS]
    if faults:
        raise _refusal(description, architecture, faults, heads_in(tensors))
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise EngineError(f"The weights file {description.weights} has values in '{name}' that are no finite numbers.",
                              "Get the file again, or another checkpoint of that training: this one can make no curves.",
                              code="weights-not-finite")
    return {name: tensor.float() for name, tensor in tensors.items()}


def differences(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Return what is missing, mis-shaped or too much, a text for each tensor, in that order."""
    return [*(f"{name} {list(expected[name])} is missing" for name in expected if name not in found),
            *(f"{name} is {list(found[name])} where {list(shape)} is needed" for name, shape in expected.items()
              if name in found and found[name] != shape),
            *(f"{name} {list(found[name])} is too much" for name in found if name not in expected)]


def heads_in(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the output heads that a checkpoint holds: name -> values of its last layer."""
    found: dict[str, int] = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"out_head_dict\.([^.]+)\.(?:head_layer\.\d+\.)?weight", name)
        if match:
            found[match[1]] = tensor.shape[0]  # the last layer's comes last
    return found


def _refusal(description: Description, architecture: Architecture, faults: list[str], heads: Mapping[str, int]) -> EngineError:
    listed = "; ".join(faults[:SHOWN]) + (f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else "")
    remedy = "Put the right file there, or correct the description's keys."
    if set(heads) != set(architecture.heads):
        texts = ", ".join(f'"{head}": {count}' for head, count in heads.items()) or "none"
        remedy = (f"The description's heads are {', '.join(architecture.heads)}; the file's are {{{texts}}}. Name these under \"heads\" "
                  "(a head with a basis with the basis's number of values), or put the right file there.")
    return EngineError(f"The weights file {description.weights} is not for {description.path.name}: {listed}.", remedy,
                       code="weights-tensors")


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0].strip().rstrip(".")
