"""Stage `rename`: a clip in the channel names of another rig."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.names import vocabularies, vocabulary
from a2f_batch.post.channels import shown
from a2f_batch.post.context import Context


@dataclass(frozen=True)
class Rename:
    """y[target] = x[source], or 0 where the clip has no such source; exactly the targets remain, in the order given.

    One source may feed many targets (MMD takes four mouth morphs from one jaw). Channels that no target names are dropped, rotations
    too. Stages after this one see the new names only: those that know channels by their ARKit name belong before it.

    Source: Rename of the dlp3d audio2face service, parameter `bs_names_mapping`, with `null` for a target without a source (here the
    empty text, since TOML has no null). There the sources are UniTalker's names (`JawOpen`); a clip here carries ARKit's (`jawOpen`).
    There a mapping of which nothing matches gives an all-zero face and a warning; here it is an error.

    Attributes:
        mapping: target -> source.
        vocabulary: instead of a mapping, the name of a vocabulary of a2f_batch.names: all its channels, from the hub.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    vocabulary: str = ""

    def __post_init__(self) -> None:
        if bool(self.mapping) == bool(self.vocabulary):
            raise ProfileError(f"'rename' was given {'both' if self.mapping else 'neither'} a mapping and a vocabulary.",
                               "Give one of them: mapping = { target = 'source' } or vocabulary = 'name'.", code="stage-parameter")
        if self.vocabulary and self.vocabulary not in vocabularies():
            raise ProfileError(f"'rename' to '{self.vocabulary}': there is no such vocabulary.",
                               f"Choose from: {', '.join(vocabularies())}.", code="stage-parameter")
        if "" in self.mapping:
            raise ProfileError("A target of 'rename' has no name.", "Name it: mapping = { target = 'source' }.", code="stage-parameter")

    @property
    def sources(self) -> dict[str, str]:
        """Target -> source, '' for a target that is always 0."""
        if not self.vocabulary:
            return dict(self.mapping)
        chosen = vocabulary(self.vocabulary)
        return {channel: chosen.to_hub.get(channel, "") for channel in chosen.channels}

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with the targets as its channels.

        Raises:
            ProfileError: no source is in the clip (code 'channel-unmatched').
        """
        sources = self.sources
        place = {name: column for column, name in enumerate(clip.names)}
        fed = [source in place for source in sources.values()]
        if not any(fed):
            wanted = sorted(filter(None, sources.values()))
            raise ProfileError(f"'rename' wants {shown(wanted)}, and the clip has none of them: {shown(clip.names)}.",
                               "Give sources that the clip has (ARKit's names, if no other 'rename' came before).",
                               code="channel-unmatched")
        # Picking all and multiplying is far faster than writing the fed columns of a long clip one by one.
        values = clip.values[:, [place.get(source, 0) for source in sources.values()]] * np.array(fed, dtype=np.float32)
        return replace(clip, names=tuple(sources), values=values)
