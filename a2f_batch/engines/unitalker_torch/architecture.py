"""What a UniTalker is built of, read from its weights' description and checked; needs no torch.

The keys beyond those of `engines.description`; a description needs no more than ``encoder``, ``heads`` and what differs from the
defaults:

================= ============================== ======================================================================================
key               type                           meaning; default
================= ============================== ======================================================================================
encoder           'wavlm' or 'wav2vec2'          which of transformers' modules encodes the sound; none
encoder_config    object                         their sizes, as in the encoder's own config.json; those of the base models. What is no
                                                 size of a network (dropout, names, ...) is ignored
heads             object name -> whole number    how many values each output head gives, the default head first; none
decoder_type      'conv' or 'transformer'        'conv'
decoder_dimension whole number                   width of the decoder; 256
identity_num      whole number                   how many styles there are; the last is the common one; 1
interpolate_pos   0, 1 or 2                      where frames get their rate: before the encoder's transformer, after it, after the
                                                 decoder; 1
headlayer         whole number                   linear layers of a head; 1
period            whole number                   of the transformer decoder's positions, frames; 30
pca               object name -> object          heads that give weights of a basis: ``components`` (how many, 512), ``template`` (whether
                                                 the file holds the face at rest; false), ``scale`` (what it is multiplied with; 1)
head_channels     object name -> names           names of a head's channels: a vocabulary or a list; by default the published heads' own
styles            list of texts                  names of the styles, in order; none
================= ============================== ======================================================================================

Source: config/unitalker.yaml, models/ and dataset/dataset_config.py of X-niper/UniTalker.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from a2f_batch.engines.description import Description
from a2f_batch.errors import ClipError, EngineError
from a2f_batch.names import vocabulary

# Heads of the published checkpoints whose order is known: head -> vocabulary.
KNOWN_HEADS = {"inhouse_blendshape_weight": "unitalker51", "3DETF_blendshape_weight": "emotalk52"}

MAX_SIZE = 1 << 20  # of one dimension: far beyond any network, and small enough that no product overflows
MAX_LAYERS = 200


@dataclass(frozen=True)
class Pca:
    """A head whose values are weights of a basis of `outputs` rows."""

    components: int
    template: bool
    scale: float


@dataclass(frozen=True)
class EncoderSizes:
    """The sizes of transformers' WavLM and Wav2Vec2 that decide the network; the defaults are the base models'."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    conv_dim: tuple[int, ...] = (512,) * 7
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_bias: bool = False
    feat_extract_norm: str = "group"
    do_stable_layer_norm: bool = False
    layer_norm_eps: float = 1e-5
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    num_buckets: int = 320
    max_bucket_distance: int = 800

    @property
    def receptive_samples(self) -> int:
        """The least number of samples that give a frame."""
        samples = 1
        for kernel, stride in zip(reversed(self.conv_kernel), reversed(self.conv_stride), strict=True):
            samples = (samples - 1) * stride + kernel
        return samples

    def frames(self, samples: int) -> int:
        """Return how many frames the convolutions make of `samples`."""
        for kernel, stride in zip(self.conv_kernel, self.conv_stride, strict=True):
            samples = max((samples - kernel) // stride + 1, 0)
        return samples


@dataclass(frozen=True)
class Architecture:
    """A UniTalker: see the table above.

    Attributes:
        heads: name -> how many values it gives a frame.
        head_names: name -> names of these values, ARKit's for those that have one.
    """

    encoder: str
    sizes: EncoderSizes
    decoder_type: str
    decoder_dimension: int
    identity_num: int
    interpolate_pos: int
    headlayer: int
    period: int
    heads: Mapping[str, int]
    pca: Mapping[str, Pca]
    head_names: Mapping[str, tuple[str, ...]]
    styles: tuple[str, ...]

    def head_outputs(self, head: str) -> int:
        """Return how many values the network's last layer of `head` gives: weights, or components of a basis."""
        return self.pca[head].components if head in self.pca else self.heads[head]


def read_architecture(description: Description) -> Architecture:
    """Read the network's keys of a description.

    Raises:
        EngineError: a key is missing or has a value that it can't have (code 'description-invalid'; the message names the key).
    """
    keys = _Keys(description.path, description.content)
    heads = keys.heads()
    architecture = Architecture(
        encoder=keys.choice("encoder", ("wavlm", "wav2vec2")),
        sizes=_encoder_sizes(_Keys(description.path, keys.object("encoder_config"), "encoder_config.")),
        decoder_type=keys.choice("decoder_type", ("conv", "transformer"), "conv"),
        decoder_dimension=keys.whole("decoder_dimension", 256),
        identity_num=keys.whole("identity_num", 1),
        interpolate_pos=int(keys.choice("interpolate_pos", (0, 1, 2), 1)),
        headlayer=keys.whole("headlayer", 1),
        period=keys.whole("period", 30),
        heads=heads,
        pca=_pca(keys, heads),
        head_names={head: _channel_names(keys, head, count, description) for head, count in heads.items()},
        styles=keys.texts("styles"),
    )
    if architecture.decoder_type == "transformer":
        if architecture.interpolate_pos == 2:
            keys.refuse("interpolate_pos", "0 or 1 with the transformer decoder, which works on frames at their final rate")
        if architecture.decoder_dimension % 4:
            keys.refuse("decoder_dimension", "a multiple of 4 with the transformer decoder, which has 4 attention heads")
    if architecture.styles and len(architecture.styles) != architecture.identity_num:
        keys.refuse("styles", f"a list of identity_num = {architecture.identity_num} names")
    return architecture


def _encoder_sizes(keys: _Keys) -> EncoderSizes:
    base = EncoderSizes()

    def whole(key: str) -> int:
        return keys.whole(key, getattr(base, key))

    def wholes(key: str) -> tuple[int, ...]:
        return keys.wholes(key, getattr(base, key))

    def yes_or_no(key: str) -> bool:
        return bool(keys.choice(key, (False, True), getattr(base, key)))

    sizes = EncoderSizes(
        hidden_size=whole("hidden_size"), num_hidden_layers=whole("num_hidden_layers"), num_attention_heads=whole("num_attention_heads"),
        intermediate_size=whole("intermediate_size"), conv_dim=wholes("conv_dim"), conv_kernel=wholes("conv_kernel"),
        conv_stride=wholes("conv_stride"), conv_bias=yes_or_no("conv_bias"),
        feat_extract_norm=keys.choice("feat_extract_norm", ("group", "layer"), base.feat_extract_norm),
        do_stable_layer_norm=yes_or_no("do_stable_layer_norm"), layer_norm_eps=keys.number("layer_norm_eps", base.layer_norm_eps),
        num_conv_pos_embeddings=whole("num_conv_pos_embeddings"), num_conv_pos_embedding_groups=whole("num_conv_pos_embedding_groups"),
        num_buckets=whole("num_buckets"), max_bucket_distance=whole("max_bucket_distance"),
    )
    if not len(sizes.conv_dim) == len(sizes.conv_kernel) == len(sizes.conv_stride):
        keys.refuse("conv_dim", "a list as long as conv_kernel and conv_stride")
    if sizes.hidden_size % sizes.num_attention_heads:
        keys.refuse("num_attention_heads", f"a divisor of hidden_size ({sizes.hidden_size})")
    if sizes.hidden_size % sizes.num_conv_pos_embedding_groups:
        keys.refuse("num_conv_pos_embedding_groups", f"a divisor of hidden_size ({sizes.hidden_size})")
    if sizes.num_buckets < 4 or sizes.max_bucket_distance <= sizes.num_buckets // 4:
        keys.refuse("max_bucket_distance", "above a quarter of num_buckets, of which there must be at least 4")
    for key in ("hidden_act", "feat_extract_activation"):
        keys.choice(key, ("gelu",), "gelu")
    return sizes


def _pca(keys: _Keys, heads: Mapping[str, int]) -> dict[str, Pca]:
    found = {}
    for head, content in keys.object("pca").items():
        if head not in heads or not isinstance(content, dict):
            keys.refuse("pca", "an object of heads and objects such as {\"components\": 512, \"template\": true, \"scale\": 0.2}")
        inner = _Keys(keys.path, content, f"pca.{head}.")
        found[head] = Pca(inner.whole("components", min(512, heads[head])), bool(inner.choice("template", (False, True), False)),
                          inner.number("scale", 1.0))
        if found[head].components > heads[head]:
            inner.refuse("components", f"at most the head's {heads[head]} values")
    return found


def _channel_names(keys: _Keys, head: str, count: int, description: Description) -> tuple[str, ...]:
    """Return the names of a head's channels: those of `head_channels`; for the first head those of `channels`; those that are known
    for this head of the published checkpoints; ``<head>_000`` and so on."""
    given = keys.object("head_channels").get(head)
    first = next(iter(keys.heads())) == head
    if given is None and first and description.names:
        names, key = description.names, "channels"
    elif given is not None:
        names, key = keys.names("head_channels", given), "head_channels"
    elif head in KNOWN_HEADS and count == len(vocabulary(KNOWN_HEADS[head]).channels):
        names, key = keys.names("heads", KNOWN_HEADS[head]), "heads"
    else:
        digits = max(3, len(str(count - 1)))
        names, key = tuple(f"{head}_{i:0{digits}}" for i in range(count)), "heads"
    if len(names) != count:
        keys.refuse(key, f"{count} names for the head '{head}' (there are {len(names)})")
    return names


class _Keys:
    """The typed reading of the network's keys; a value of the wrong kind is refused by name."""

    def __init__(self, path: Path, content: Mapping[str, Any], within: str = "") -> None:
        self.path, self.content, self.within = path, content, within

    def refuse(self, key: str, expected: str) -> NoReturn:
        found = f"{self.within}{key} = {json.dumps(self.content[key])[:80]}" if key in self.content else f"no {self.within}{key}"
        raise EngineError(f"The weights description {self.path} has {found}; it must be {expected}.",
                          "Correct that key; docs/unitalker.md shows a description.", code="description-invalid")

    def choice(self, key: str, choices: tuple[Any, ...], default: Any = None) -> Any:
        value = self.content.get(key, default)
        # Comparing types too: JSON's true is no 1, and 1.0 no layer count.
        if not any(type(value) is type(one) and value == one for one in choices):
            self.refuse(key, "one of " + ", ".join(json.dumps(one) for one in choices))
        return value

    def object(self, key: str) -> dict[str, Any]:
        value = self.content.get(key, {})
        if not isinstance(value, dict):
            self.refuse(key, "an object")
        return value

    def whole(self, key: str, default: int) -> int:
        value, most = self.content.get(key, default), MAX_LAYERS if key in ("num_hidden_layers", "headlayer") else MAX_SIZE
        if type(value) is not int or not 0 < value <= most:
            self.refuse(key, f"a whole number from 1 to {most}")
        return int(value)

    def wholes(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self.content.get(key, list(default))
        if not isinstance(value, list) or not value or not all(type(one) is int and 0 < one <= MAX_SIZE for one in value):
            self.refuse(key, "a list of whole numbers above 0")
        return tuple(value)

    def number(self, key: str, default: float) -> float:
        value = self.content.get(key, default)
        if type(value) not in (int, float) or not 0 < value < 1e9:
            self.refuse(key, "a number above 0")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value) or len(set(value)) < len(value):
            self.refuse(key, "a list of texts, each given once")
        return tuple(value)

    def heads(self) -> dict[str, int]:
        value = self.content.get("heads")
        if not isinstance(value, dict) or not value:
            self.refuse("heads", 'an object of the output heads and how many values each gives, such as {"inhouse_blendshape_weight": 51}')
        for head, count in value.items():
            # The name is part of tensors' names, in which a dot separates.
            if not re.fullmatch(r"[A-Za-z0-9_+-]{1,100}", head) or type(count) is not int or not 0 < count <= MAX_SIZE:
                self.refuse("heads", "an object of names (letters, digits, '_', '+', '-') and whole numbers above 0")
        return value

    def names(self, key: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            try:
                words = vocabulary(value)
            except ClipError as error:
                self.refuse(key, f"known vocabularies or lists of names. {error.remedy}")
            return tuple(words.to_hub.get(channel, channel) for channel in words.channels)
        if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value) or len(set(value)) < len(value):
            self.refuse(key, "vocabularies' names, or lists of names, each given once")
        return tuple(value)
