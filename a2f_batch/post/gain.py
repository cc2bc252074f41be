"""Stage `gain`: stronger or weaker by region, without ever clipping flat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.names import ROTATIONS
from a2f_batch.post.context import Context

_MOST = 4.0
_REGIONS = (("mouth", "mouth"), ("tongue", "mouth"), ("cheek", "cheeks"), ("nose", "cheeks"), ("eye", "eyes"), ("brow", "brows"))


@dataclass(frozen=True)
class Gain:
    """y = k(g x): k(u) = u up to the knee, and knee + r v / (r + v) with v = u - knee, r = 1 - knee above it.

    k has slope 1 at the knee, rises for ever and stays under 1, so that two loud vowels never become the same flat top. `mouthClose`
    belongs to the jaw: shut lips are mouthClose = jawOpen, and stay so. Lids and gaze (eyeBlink, eyeLook) and rotations are left
    alone: a blink has to end at 1. Negative weights are scaled without a knee.

    Source: the regions and strengths of NVIDIA's Audio2Face-3D (lower and upper face, 0 to 2) and its client's channel factors; the
    knee is ours, where the seeds clip.

    Attributes:
        jaw, mouth, cheeks, eyes, brows: gain of the region, 0 to 4; eyes are squint and wide.
        knee: weight above which the curve bends, 0 to 1; 1 is no knee.
    """

    jaw: float = 1.0
    mouth: float = 1.0
    cheeks: float = 1.0
    eyes: float = 1.0
    brows: float = 1.0
    knee: float = 0.85

    def __post_init__(self) -> None:
        for region in ("jaw", "mouth", "cheeks", "eyes", "brows"):
            if not 0 <= getattr(self, region) <= _MOST:
                raise ProfileError(f"'{region}' of 'gain' is {getattr(self, region)}.", f"Give 0 to {_MOST:g}.", code="stage-parameter")
        if not 0 <= self.knee <= 1:
            raise ProfileError(f"'knee' of 'gain' is {self.knee}.", "Give 0 to 1.", code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with its regions scaled."""
        regions = [region_of(name) for name in clip.names]
        factors = np.array([getattr(self, region) if region else 1.0 for region in regions], dtype=np.float32)
        values = clip.values * factors if (factors != 1).any() else clip.values.copy()
        if self.knee < 1:
            bending = values > np.float32(self.knee)
            bending[:, [region is None for region in regions]] = False
            values[bending] = self.bend(values[bending])
        values.setflags(write=False)
        return clip.with_values(values)

    def bend(self, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return k of weights above the knee."""
        over = weights.astype(np.float64) - self.knee
        room = 1 - self.knee
        return (self.knee + room * over / (room + over)).astype(np.float32)


def region_of(name: str) -> str | None:
    """Return the region of a hub channel; None for lids, gaze and rotations, which no gain touches."""
    if name in ROTATIONS or name.startswith(("eyeBlink", "eyeLook")):
        return None
    if name.startswith("jaw") or name == "mouthClose":
        return "jaw"
    return next((region for prefix, region in _REGIONS if name.startswith(prefix)), None)
