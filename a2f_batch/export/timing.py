"""The exact frame rate of a file that only gives times."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2f_batch.errors import ClipError

log = logging.getLogger(__name__)

ASSUMED_FPS = Fraction(30)

_NTSC = tuple(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60, 120, 240))


def assume_fps(path: Path) -> Fraction:
    """Return 30 fps for a file that tells no rate, and log that this was assumed."""
    log.warning("'%s' tells no frame rate: %s frames per second are assumed.", path, ASSUMED_FPS)
    return ASSUMED_FPS


def infer_fps(times: npt.NDArray[np.float64], resolution_seconds: float, path: Path) -> Fraction:
    """Return the rate of frames at `times`.

    A whole or an NTSC rate (1000/1001) that explains the times to their resolution comes first, then the rational of least
    denominator that does. Times that jitter, as captured takes do, get the whole or NTSC rate that stays within a quarter frame.

    Args:
        times: seconds, shape (frames,), at least two.
        resolution_seconds: how far apart the errors of two written times may be.
        path: named in the error.

    Raises:
        ClipError: the frames are not evenly spaced (code 'clip-uneven').
    """
    frames = np.arange(len(times))
    span = float(times[-1] - times[0])

    def error(fps: Fraction) -> float:
        return float(np.ptp(times - frames / float(fps))) if fps > 0 else np.inf

    if span > 0:
        estimate = Fraction((len(times) - 1) / span)
        common = min((Fraction(round(estimate)), min(_NTSC, key=lambda rate: abs(rate - estimate))), key=error)
        if error(common) <= resolution_seconds:
            return common
        for largest in (10, 100, 1001, 10**4, 10**5, 10**6):
            fps = estimate.limit_denominator(largest)
            if error(fps) <= resolution_seconds:
                return fps
        if error(common) <= 0.25 / float(common):
            return common
        frame = int(np.argmax(np.abs(np.diff(times) - span / (len(times) - 1))))
    else:
        frame = 0
    raise ClipError(f"'{path}': frames are not evenly spaced: frame {frame} is at {times[frame]:.6f} s, the next at "
                    f"{times[frame + 1]:.6f} s.",
                    "Resample the take to a steady frame rate and read it again.", code="clip-uneven")
