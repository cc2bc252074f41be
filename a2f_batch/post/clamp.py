"""Stage `clamp`: keep every value inside fixed bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.names import ROTATIONS
from a2f_batch.post.context import Context


@dataclass(frozen=True)
class Clamp:
    """y = min(max(x, lower), upper) on every weight; rotations (radians) are left alone.

    Source: 0 and 1 are the ends of ARKit's blend shapes; glTF and FBX viewers show what is beyond as a broken face.

    Attributes:
        lower, upper: bounds in weight units; 0 and 1 are rest and the full shape.
    """

    lower: float = 0.0
    upper: float = 1.0

    def __post_init__(self) -> None:
        if not self.lower <= self.upper:
            raise ProfileError(f"'clamp' can't keep weights in {self.lower} to {self.upper}.", "Give lower <= upper.",
                               code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with its weights inside the bounds."""
        if clip.n_frames == 0:
            return clip
        bound = np.array([name not in ROTATIONS for name in clip.names], dtype=bool)
        beyond = (clip.values.min(axis=0) < np.float32(self.lower)) | (clip.values.max(axis=0) > np.float32(self.upper))
        if not (bound & beyond).any():
            return clip
        values = np.maximum(clip.values, np.where(bound, self.lower, -np.inf).astype(np.float32))
        np.minimum(values, np.where(bound, self.upper, np.inf).astype(np.float32), out=values)
        values.setflags(write=False)
        return clip.with_values(values)
