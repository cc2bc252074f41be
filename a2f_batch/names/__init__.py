"""Channel vocabularies: the ARKit hub, and maps between it and other sets of names.

Every other vocabulary is a JSON file in this folder::

    {"name": "unitalker51", "source": "...", "channels": ["EyeBlinkL", ...], "to_hub": {"EyeBlinkL": "eyeBlinkLeft", ...}}

and, where one name is not one hub channel, `aliases` (other spelling -> channel) and `from_hub_weights` (hub channel -> {channel: gain}).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType

from a2f_batch.errors import ClipError
from a2f_batch.names.arkit import ARKIT_52, MOUTH, ROTATIONS, is_mouth

__all__ = ["ARKIT_52", "MOUTH", "ROTATIONS", "Vocabulary", "is_mouth", "vocabularies", "vocabulary"]


@dataclass(frozen=True)
class Vocabulary:
    """A set of channel names in its own order, and which hub channel each one is.

    Attributes:
        name: the vocabulary's name, as in its file's name.
        source: where the names and their order were taken from.
        channels: the names, in the order of that format or network.
        to_hub: channel -> ARKit name, for those that have one.
        aliases: other spelling -> channel.
        from_hub_weights: ARKit name -> {channel: gain}: what mixes of hub channels make the others. Where an ARKit name is in
            both maps, the mix is for rigs that lack the channel of `to_hub`. Gains may be negative.
    """

    name: str
    source: str
    channels: tuple[str, ...]
    to_hub: Mapping[str, str]
    aliases: Mapping[str, str] = field(default_factory=dict)
    from_hub_weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @cached_property
    def from_hub(self) -> dict[str, str]:
        """ARKit name -> channel."""
        return {hub: channel for channel, hub in self.to_hub.items()}


def vocabularies() -> list[str]:
    """Return the names of all vocabularies that have a file."""
    return sorted(entry.name[:-5] for entry in files(__package__).iterdir() if entry.name.endswith(".json"))


@cache
def vocabulary(name: str) -> Vocabulary:
    """Return the vocabulary `name`.

    Raises:
        ClipError: there is none of that name.
    """
    if name not in vocabularies():
        raise ClipError(f"There is no vocabulary '{name}'.", f"There are: {', '.join(vocabularies())}.", code="names-unknown")
    content = json.loads(files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    mixes = {hub: MappingProxyType(mix) for hub, mix in content.get("from_hub_weights", {}).items()}
    return Vocabulary(content["name"], content["source"], tuple(content["channels"]), MappingProxyType(content["to_hub"]),
                      MappingProxyType(content.get("aliases", {})), MappingProxyType(mixes))
