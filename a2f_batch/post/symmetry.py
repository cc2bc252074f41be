"""Stage `symmetry`: left and right alike, or a little crooked on purpose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.post.context import Context

#: Channels that move the mouth sideways: not a left and a right half, but two directions.
SIDEWAYS = (("jawLeft", "jawRight"), ("mouthLeft", "mouthRight"))


@dataclass(frozen=True)
class Symmetry:
    """l' = (l + a (m - l)) (1 + s), r' = (r + a (m - r)) (1 - s), m = (l + r) / 2; sideways channels are multiplied by 1 - a.

    s is drawn once a line and a pair, uniformly in -asymmetry..asymmetry: it depends on the seed and the pair's name alone. Gaze
    (eyeLook) is left alone; blinks stay as they are in `s`: a face that always winks is no asymmetry.

    Source: spontaneous faces are close to symmetric, with a lasting bias of a few per cent to one side (Ekman, Hager and Friesen,
    Psychophysiology 18, 1981: posed ones less so). The numbers are ours.

    Attributes:
        amount: a, 0 (as it is) to 1 (alike).
        asymmetry: 0 to 0.5.
    """

    amount: float = 1.0
    asymmetry: float = 0.0

    def __post_init__(self) -> None:
        for parameter, most in (("amount", 1.0), ("asymmetry", 0.5)):
            value = getattr(self, parameter)
            if not (math.isfinite(value) and 0 <= value <= most):
                raise ProfileError(f"'{parameter}' of 'symmetry' is {value}.", f"Give 0 to {most:g}.", code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with its halves nearer to each other."""
        pairs = [(name, name[:-4] + "Right") for name in clip.names if name.endswith("Left") and name[:-4] + "Right" in clip
                 and not name.startswith("eyeLook") and (name, name[:-4] + "Right") not in SIDEWAYS]
        column = {name: i for i, name in enumerate(clip.names)}
        left, right = (np.array([column[pair[side]] for pair in pairs], dtype=np.intp) for side in (0, 1))
        bias = np.array([context.random(f"symmetry/{name}").uniform(-1, 1) * self.asymmetry if not name.startswith("eyeBlink") else 0
                         for name, _ in pairs], dtype=np.float32)
        values = clip.values.copy()
        l, r = clip.values.take(left, axis=1), clip.values.take(right, axis=1)  # noqa: E741 - as in the formula
        toward = (r - l) * np.float32(self.amount / 2)
        values[:, left], values[:, right] = (l + toward) * (1 + bias), (r - toward) * (1 - bias)
        sideways = [column[name] for pair in SIDEWAYS for name in pair if name in column]
        values[:, sideways] *= np.float32(1 - self.amount)
        values.setflags(write=False)
        return clip.with_values(values)
