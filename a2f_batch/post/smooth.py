"""Stage `smooth`: take the jitter out without moving anything in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.names import is_mouth
from a2f_batch.post.context import Context


@dataclass(frozen=True)
class Smooth:
    """Gaussian low pass, y[i] = sum_k g[k] x[i+k] / sum_k g[k], g[k] = exp(-(k/fps)^2 / (2 s^2)); the ends are held.

    The kernel is symmetric, so peaks and lip closures stay on their frames (a one-pole smoother, as the seeds use, lags).

    Attributes:
        mouth_seconds: standard deviation s for jaw, lips and tongue; 0 leaves them alone.
        face_seconds: the same for everything else.
    """

    mouth_seconds: float = 0.016
    face_seconds: float = 0.030

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the smoothed clip."""
        mouth = np.array([is_mouth(name) for name in clip.names])
        values = np.array(clip.values)
        for columns, seconds in ((mouth, self.mouth_seconds), (~mouth, self.face_seconds)):
            values[:, columns] = gaussian(values[:, columns], seconds * float(clip.fps))
        return clip.with_values(values)


def gaussian(values: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    """Return `values`, shape (frames, channels), smoothed along the frames with a standard deviation of `sigma` frames."""
    reach = int(np.ceil(4 * sigma))
    # Under a fifth of a frame the neighbours weigh less than 4e-6: nothing to do.
    if sigma < 0.2 or values.size == 0:
        return values
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    held = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    smoothed = np.zeros_like(values)
    for shift, weight in enumerate(kernel):  # a few taps: far fewer than frames
        smoothed += weight * held[shift: shift + len(values)]
    return smoothed
