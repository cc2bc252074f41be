"""Stage `threshold`: rest for named channels that hardly move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.post.channels import check_numbers, row
from a2f_batch.post.context import Context


@dataclass(frozen=True)
class Threshold:
    """y = 0 where x <= t, else x, on each named channel: negative values become 0 too, and the curve jumps by t where it crosses.

    Source: BlendshapeThreshold of the dlp3d audio2face service, parameter `thresholds`. There it compares in float16.

    Attributes:
        thresholds: channel -> t, in the channel's unit.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_numbers("threshold", thresholds=self.thresholds)

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with small values of the named channels at rest.

        Raises:
            ProfileError: the clip has none of them (code 'channel-unmatched').
        """
        limits = row(clip, self.thresholds, "threshold", elsewhere=-np.inf)
        return clip.with_values(np.where(clip.values <= limits, np.float32(0), clip.values))
