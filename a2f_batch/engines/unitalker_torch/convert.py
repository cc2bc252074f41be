"""A published checkpoint (.pt) made into safetensors, once: so that nothing is unpickled when lines are rendered."""

from __future__ import annotations

import hashlib
import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from a2f_batch.engines.description import Description, read_description
from a2f_batch.engines.unitalker_torch.architecture import KNOWN_HEADS, EncoderSizes, read_architecture
from a2f_batch.engines.unitalker_torch.checkpoint import checked, heads_in, normal_spelling
from a2f_batch.errors import EngineError
from a2f_batch.export.atomic import replacing

# Scale of the published vertex heads' data. Source: dataset/dataset_config.py of X-niper/UniTalker.
_SCALES = {"BIWI_23370_vertices": 0.2, "FLAME_5023_vertices": 1.0, "meshtalk_6172_vertices": 0.001}
_LICENCE = "UniTalker's weights are published under Apache-2.0; the terms that came with your copy of the file count"


def convert(source: Path, target: Path, *, bases: Mapping[str, Path] | None = None, templates: Mapping[str, Path] | None = None) -> Path:
    """Write the checkpoint `source` as safetensors to `target`, and its description beside it unless there is one; return the latter.

    A description that is already there (``<target's stem>.json``) says what the checkpoint must be. Otherwise the sizes are read
    off the tensors, as far as these tell them; the rest is taken as in the published checkpoints.

    Args:
        bases: head -> UniTalker's ``pca.npz``, for checkpoints that do not hold the bases themselves.
        templates: head -> .npy file of the face at rest, values of the head in all, unscaled.

    Raises:
        EngineError: `source` can't be read as a state dict of tensors (codes 'checkpoint-missing', 'checkpoint-invalid'), it needs
            unpickling of more than tensors ('checkpoint-unsafe'), or its tensors are not those of the description ('weights-tensors',
            'weights-not-finite').
        ExportError: the target can't be written (code 'output-unwritable').
    """
    from safetensors.torch import save

    tensors = normal_spelling(read_state_dict(source))
    for head, path in (bases or {}).items():
        tensors |= _basis(head, path, tensors)
    for head, path in (templates or {}).items():
        tensors[f"pca_layer_dict.{head}.template"] = torch.from_numpy(_array(path, None).astype(np.float32).reshape(-1))
    for head, count in heads_in(tensors).items():  # the published bases may have more rows than a head gives weights
        name = f"pca_layer_dict.{head}.feat_to_data"
        if name in tensors:
            tensors[name] = tensors[name][:count]
    place = target.with_suffix(".json")
    if place.exists():
        description = read_description(place)
        content: dict[str, Any] | None = None
    else:
        content = inferred(tensors, source) | {"name": target.stem, "weights": target.name}
        description = _described(place, content)
    tensors = checked(tensors, read_architecture(description), description)
    whole = save({name: tensor.contiguous().clone() for name, tensor in sorted(tensors.items())})
    sha256 = hashlib.sha256(whole).hexdigest()
    if description.sha256 not in (None, sha256):
        raise EngineError(f"The checkpoint {source} makes a file with the sha256 {sha256}; {place} says {description.sha256}.",
                          "Give the checkpoint that the description means, or correct its key 'sha256'.", code="weights-checksum")
    with replacing(target) as file:
        file.write(whole)
    if content is not None:
        content["sha256"] = sha256
        with replacing(place) as file:
            file.write((json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    return place


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .pt file; nothing but tensors is unpickled.

    Raises:
        EngineError: see `convert`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise EngineError(f"The checkpoint {path} does not exist.", "Give the path of the .pt file as it was published.",
                          code="checkpoint-missing") from None
    except pickle.UnpicklingError as error:
        text = str(error)
        if "Unsupported" in text or "weights_only" in text.lower():
            raise EngineError(f"The checkpoint {path} holds more than tensors: {_reason(text)}. It is not opened: such a file can "
                              "run any code.",
                              "Save its state dict alone where you trust it: torch.save(model.state_dict(), 'out.pt').",
                              code="checkpoint-unsafe") from None
        raise _invalid(path, text) from None
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, TypeError) as error:
        raise _invalid(path, str(error)) from None
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(
            isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()):
        raise _invalid(path, "it is no state dict of named tensors")
    return dict(content)


def inferred(tensors: Mapping[str, Tensor], source: Path) -> dict[str, Any]:
    """Return a description's content, as far as the tensors of a checkpoint tell it.

    Strides, and the attention heads of wav2vec2, are no tensor's size: they are taken as in the published encoders.
    """
    def shape(name: str) -> tuple[int, ...]:
        if name not in tensors:
            raise _invalid(source, f"it lacks '{name}', which every UniTalker has")
        return tuple(tensors[name].shape)

    encoder, decoder = "audio_encoder.", "decoder."
    count, layers = (1 + max((int(name.split(".")[3]) for name in tensors if name.startswith(encoder + part)), default=-1)
                     for part in ("feature_extractor.conv_layers.", "encoder.layers."))
    shapes = [shape(f"{encoder}feature_extractor.conv_layers.{i}.conv.weight") for i in range(max(count, 1))]
    first, base = f"{encoder}encoder.layers.0.", EncoderSizes()
    hidden = shape(f"{encoder}feature_projection.projection.weight")[0]
    position = shape(f"{encoder}encoder.pos_conv_embed.conv.parametrizations.weight.original1")
    is_wavlm = f"{first}attention.gru_rel_pos_const" in tensors
    by_layer = f"{encoder}feature_extractor.conv_layers.1.layer_norm.weight" in tensors
    config: dict[str, Any] = {
        "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": shape(f"{first}attention.gru_rel_pos_const")[1] if is_wavlm else max(1, hidden // 64),
        "intermediate_size": shape(f"{first}feed_forward.intermediate_dense.weight")[0],
        "conv_dim": [one[0] for one in shapes], "conv_kernel": [one[2] for one in shapes],
        "conv_stride": [*base.conv_stride, *[2] * count][:count],
        "conv_bias": f"{encoder}feature_extractor.conv_layers.0.conv.bias" in tensors,
        "feat_extract_norm": "layer" if by_layer else "group", "do_stable_layer_norm": by_layer,
        "num_conv_pos_embeddings": position[2], "num_conv_pos_embedding_groups": max(1, hidden // position[1]),
    }
    if is_wavlm:
        config["num_buckets"] = shape(f"{first}attention.rel_attn_embed.weight")[0]
    is_conv = f"{decoder}PPE.pe" not in tensors
    heads = heads_in(tensors)
    order = [*(head for head in KNOWN_HEADS if head in heads), *(head for head in heads if head not in KNOWN_HEADS)]
    bases = {head: tensors[f"pca_layer_dict.{head}.feat_to_data"] for head in order if f"pca_layer_dict.{head}.feat_to_data" in tensors}
    content: dict[str, Any] = {
        "engine": "unitalker_torch", "licence": _LICENCE, "source": f"{source.name}, converted by a2f-batch",
        "encoder": "wavlm" if is_wavlm else "wav2vec2", "encoder_config": config,
        "decoder_type": "conv" if is_conv else "transformer",
        "decoder_dimension": shape(f"{decoder}audio_feature_map.weight")[0],
        "identity_num": shape(f"{decoder}learnable_style_emb.weight")[0], "interpolate_pos": 1,
        "headlayer": max((len([name for name in tensors if name.startswith(f"out_head_dict.{head}.") and name.endswith(".weight")])
                          for head in heads), default=1),
        "heads": {head: bases[head].shape[1] if head in bases else heads[head] for head in order},
    }
    if not is_conv:
        content["period"] = _period(tensors[f"{decoder}PPE.pe"][0])
    if bases:
        content["pca"] = {head: {"components": heads[head], "scale": _SCALES.get(head, 1.0),
                                 "template": f"pca_layer_dict.{head}.template" in tensors} for head in bases}
    return content


def _described(place: Path, content: dict[str, Any]) -> Description:
    """Return the description that `content` will be at `place`."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / place.name
        path.write_text(json.dumps(content), encoding="utf-8")
        return read_description(path)


def _period(table: Tensor) -> int:
    """Return after how many rows the table of positions repeats itself."""
    for period in range(1, len(table)):
        if torch.equal(table[period:], table[:-period]):
            return period
    return len(table)


def _basis(head: str, path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    rows, mean = _array(path, "components_to_data"), _array(path, "original_data_mean")
    if head not in heads_in(tensors) or rows.ndim != 2 or mean.size != rows.shape[1] or len(rows) < heads_in(tensors)[head]:
        raise EngineError(f"The basis {path} is not for the head '{head}': components_to_data is {list(rows.shape)}, original_data_mean "
                          f"{list(mean.shape)}.", f"The checkpoint's heads and their components are: {heads_in(tensors)}.",
                          code="checkpoint-invalid")
    prefix = f"pca_layer_dict.{head}."
    return {prefix + "feat_to_data": torch.from_numpy(rows.astype(np.float32)),
            prefix + "data_bias": torch.from_numpy(mean.astype(np.float32).reshape(-1))}


def _array(path: Path, key: str | None) -> Any:
    try:
        content = np.load(path, allow_pickle=False)
        array = content if key is None else content[key]
        return np.asarray(array, dtype=np.float64)
    except (OSError, ValueError, LookupError, EOFError, TypeError, BadZipFile) as error:
        raise EngineError(f"{path} can't be read as {'an array' if key is None else f'a basis with {key!r}'}: {_reason(str(error))}.",
                          "Give UniTalker's pca.npz, or an .npy file of numbers.", code="checkpoint-invalid") from None


def _invalid(path: Path, text: str) -> EngineError:
    return EngineError(f"The checkpoint {path} can't be read: {_reason(text)}.", "Give the .pt file as it was published, whole.",
                       code="checkpoint-invalid")


def _reason(text: str) -> str:
    return text.strip().partition("\n")[0].strip().rstrip(".")[:200]
