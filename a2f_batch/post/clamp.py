"""Stage `clamp`: keep every value inside fixed bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.names import ROTATIONS
from a2f_batch.post.context import Context


@dataclass(frozen=True)
class Clamp:
    """y = min(max(x, lower), upper) on every weight; rotations (radians) are left alone.

    Attributes:
        lower, upper: bounds in weight units; 0 and 1 are rest and the full shape.
    """

    lower: float = 0.0
    upper: float = 1.0

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with its weights inside the bounds."""
        weights = np.array([name not in ROTATIONS for name in clip.names])
        return clip.with_values(np.where(weights, np.clip(clip.values, self.lower, self.upper), clip.values))
