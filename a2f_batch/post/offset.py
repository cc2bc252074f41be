"""Stage `offset`: an expression under the speech, from named sets of offsets."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.names import ROTATIONS
from a2f_batch.post.channels import check_numbers, row
from a2f_batch.post.context import Context

LEVELS = 4


@dataclass(frozen=True)
class Offset:
    """y = clip(x + o, 0, 1) on each channel of one set; rotations (radians) are not clipped.

    Which set: a line of one emotion takes '<emotion>_<level>', level 1 to 4 being the nearest quarter of its strength (at least 1):
    `anger:0.8` takes 'anger_3'. If there is no set of that name, or the line is neutral, or its emotion changes over time, it is
    `choice`. For emotions that change, and offsets that give way to speech, use the stage `emotion`.

    Source: Offset of the dlp3d audio2face service: 7 emotions x 4 levels as JSON files (`offset_json_paths`), one of them a request
    (`offset_name`). There the clamp to 0..1 that it promises is missing, and an unknown name is a warning.

    Attributes:
        sets: name -> channel -> o, in the channel's unit.
        choice: the set of lines that have none of their own; '' leaves them as they are.
    """

    sets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    choice: str = ""

    def __post_init__(self) -> None:
        if not self.sets:
            raise ProfileError("The stage 'offset' was given no sets: it would do nothing.",
                               "Give sets, such as sets.joy_4 = { mouthSmileLeft = 0.5 }.", code="stage-parameter")
        for name, offsets in self.sets.items():
            check_numbers("offset", **{f"sets.{name}": offsets})
        if self.choice and self.choice not in self.sets:
            raise ProfileError(f"'choice' of 'offset' is '{self.choice}', and there is no such set.",
                               f"Choose from: {', '.join(self.sets)}.", code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with the line's set added.

        Raises:
            ProfileError: the clip has no channel of the set (code 'channel-unmatched').
        """
        felt = line_choice(context, self.sets, "")
        chosen = felt or self.choice
        if not chosen:
            return clip
        offsets = self.sets[chosen]
        shifted = clip.values + row(clip, offsets, "offset", elsewhere=0.0)
        least, most = (row(clip, {name: free if name in ROTATIONS else bound for name in offsets}, "offset", elsewhere=free)
                       for bound, free in ((0.0, -np.inf), (1.0, np.inf)))
        shown = {"emotion_shown": True} if felt and context.emotion.words else {}
        return clip.with_values(np.clip(shifted, least, most), **shown)


def line_choice(context: Context, names: Container[str], default: str) -> str:
    """Return which of `names` is for the line's emotion: '<emotion>_<level>', level the nearest quarter of 1..4; else `default`."""
    word = context.emotion.dominant
    strength = dict(context.emotion.points[0].levels).get(word, 0.0)
    name = f"{word}_{max(1, math.floor(LEVELS * strength + 0.5))}"
    return name if name in names else default
