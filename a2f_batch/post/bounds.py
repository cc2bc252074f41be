"""Stage `bounds`: keep named channels inside bounds of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.post.channels import check_numbers, row
from a2f_batch.post.context import Context


@dataclass(frozen=True)
class Bounds:
    """y = min(max(x, lower), upper) on each named channel; the others, and a side without a bound, are left alone.

    Source: BlendshapeClip of the dlp3d audio2face service, parameters `lowerbounds` and `upperbounds`. There it rounds to float16.

    Attributes:
        lower: channel -> least value, in the channel's unit (weights: 0 rest, 1 full shape; rotations: radians).
        upper: channel -> greatest value.
    """

    lower: Mapping[str, float] = field(default_factory=dict)
    upper: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_numbers("bounds", lower=self.lower, upper=self.upper)
        for name in self.lower.keys() & self.upper.keys():
            if self.lower[name] > self.upper[name]:
                raise ProfileError(f"'bounds' of {name} are {self.lower[name]:g} to {self.upper[name]:g}.",
                                   "Give lower <= upper.", code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with the named channels inside their bounds.

        Raises:
            ProfileError: the clip has none of them (code 'channel-unmatched').
        """
        named = dict.fromkeys((*self.lower, *self.upper))
        lower, upper = (row(clip, {name: bounds.get(name, free) for name in named}, "bounds", elsewhere=free)
                        for bounds, free in ((self.lower, -np.inf), (self.upper, np.inf)))
        return clip.with_values(np.clip(clip.values, lower, upper))
