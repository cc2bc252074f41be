"""Stage `smooth`: take the jitter out without moving anything in time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.names import is_mouth
from a2f_batch.post import fir
from a2f_batch.post.context import Context

#: Lip shapes, by the start of their names, that follow posture more than single phones.
POSTURE = ("mouthPress", "mouthRoll", "mouthShrug", "mouthStretch", "mouthFrown", "mouthUpperUp")

# Under a fifth of a frame the neighbours weigh less than 4e-6: nothing to do.
_LEAST_FRAMES = 0.2


@dataclass(frozen=True)
class Smooth:
    """Gaussian low pass, y[i] = sum_k g[k] x[i+k] / sum_k g[k], g[k] = exp(-(k/fps)^2 / (2 s^2)); the ends are held.

    The kernel is symmetric, so peaks and lip closures stay on their frames (the one-pole smoother of the seeds lags, see `one-pole`).
    It is cut at 4 s: a frame further than that from a cut does not know of it.

    Source: widths tried on the tuning sentences of GRID speaker 1 with the embedded engine at 60 fps: they leave 0.4 of the raw curves'
    jitter at no loss of likeness to the captured mouth (`benchmarks/post_quality.py` measures it on the held-out ones). Lip shapes that
    carry posture more than phones stand more.

    Attributes:
        mouth_seconds: standard deviation s for jaw, tongue and the lip shapes that phones need, 0 to 1; 0 leaves them alone.
        posture_seconds: the same for press, roll, shrug, stretch, frown and the upper lip's rise.
        face_seconds: the same for everything else.
    """

    mouth_seconds: float = 0.025
    posture_seconds: float = 0.070
    face_seconds: float = 0.030

    def __post_init__(self) -> None:
        for parameter, seconds in (("mouth_seconds", self.mouth_seconds), ("posture_seconds", self.posture_seconds),
                                   ("face_seconds", self.face_seconds)):
            if not (math.isfinite(seconds) and 0 <= seconds <= 1):
                raise ProfileError(f"'{parameter}' of 'smooth' is {seconds}.", "Give 0 to 1 s.", code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the smoothed clip."""
        seconds = np.array([self.seconds(name) for name in clip.names])
        widths = {width: width * float(clip.fps) for width in set(seconds.tolist())}
        return clip.with_values(fir.filtered(clip.values, [(np.flatnonzero(seconds == width), fir.gaussian(sigma))
                                                           for width, sigma in widths.items() if sigma >= _LEAST_FRAMES]))

    def seconds(self, name: str) -> float:
        """Return the standard deviation for a hub channel."""
        if name.startswith(POSTURE):
            return self.posture_seconds
        return self.mouth_seconds if is_mouth(name) else self.face_seconds
