"""Stage `scale`: make named channels larger or smaller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from a2f_batch.clip import FaceClip
from a2f_batch.post.channels import check_numbers, row
from a2f_batch.post.context import Context


@dataclass(frozen=True)
class Scale:
    """y = f x on each named channel; nothing is clamped.

    Source: BlendshapeScale of the dlp3d audio2face service, parameter `scaling_factors`. There it rounds to float16.

    Attributes:
        factors: channel -> f; 1 changes nothing.
    """

    factors: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_numbers("scale", factors=self.factors)

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with the named channels scaled.

        Raises:
            ProfileError: the clip has none of them (code 'channel-unmatched').
        """
        return clip.with_values(clip.values * row(clip, self.factors, "scale", elsewhere=1.0))
