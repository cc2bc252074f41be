"""Stage `one-pole`: the seeds' causal smoother, with separate lower and upper face."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.names import is_mouth
from a2f_batch.post import fir
from a2f_batch.post.context import Context

# What is left of the impulse response where it is cut: under half a float32 step of a value of 1.
_REST = 2.0 ** -25
_MOST_SECONDS = 0.1


@dataclass(frozen=True)
class OnePole:
    """s1 += a (x - s1); s2 += a (s1 - s2); y = s2, with a = 1 - 0.5^(1 / (fps s)); both start at the first frame's x.

    A step reaches half its height after about 2.4 s, twice the half-life of one pole: this smoother LAGS, and lip closures come late
    with it. It is here to match what the seeds deliver; the default profile uses `smooth`, which has no lag.
    Computed as its impulse response, h[k] = a^2 (k+1) (1-a)^k, cut where what is left of it is under 2^-25.

    Source: NVIDIA's Audio2Face-3D animator: two cascaded one-pole stages, apart for lower and upper face, legal 0 to 0.1 s,
    Claire's values as the defaults. There a soft mask over the vertices divides the face; here the channels do.

    Attributes:
        lower_seconds: half-life s of one pole for jaw, lips, tongue and cheeks, 0 to 0.1; 0 leaves them alone.
        upper_seconds: the same for everything else; rotations too.
    """

    lower_seconds: float = 0.006
    upper_seconds: float = 0.001

    def __post_init__(self) -> None:
        for parameter, seconds in (("lower_seconds", self.lower_seconds), ("upper_seconds", self.upper_seconds)):
            if not (math.isfinite(seconds) and 0 <= seconds <= _MOST_SECONDS):
                raise ProfileError(f"'{parameter}' of 'one-pole' is {seconds}.", f"Give 0 to {_MOST_SECONDS} s.", code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the smoothed clip."""
        lower = np.array([is_lower_face(name) for name in clip.names], dtype=bool)
        sides = ((np.flatnonzero(lower), self.lower_seconds), (np.flatnonzero(~lower), self.upper_seconds))
        return clip.with_values(fir.filtered(clip.values, [(columns, self.kernel(seconds, float(clip.fps))) for columns, seconds in sides
                                                           if seconds > 0]))

    def kernel(self, seconds: float, fps: float) -> fir.Kernel:
        """Return the impulse response of the two stages, backwards: a frame is made of those before it."""
        response = impulse_response(1 - 0.5 ** (1 / (fps * seconds)))
        return fir.Kernel(response[::-1], len(response) - 1)


def is_lower_face(name: str) -> bool:
    """Say whether a hub channel moves the lower face."""
    return is_mouth(name) or name.startswith("cheek")


def impulse_response(a: float) -> npt.NDArray[np.float64]:
    """Return the response of the two stages to one frame of 1, sum 1, shape (taps,)."""
    # After n frames (1-a)^n (1 + n a) is left.
    n, left = 1, 1 - a
    while left ** n * (1 + n * a) > _REST:
        n += 1
    k = np.arange(n)
    response = a * a * (k + 1) * left ** k
    return np.asarray(response / response.sum(), dtype=np.float64)
