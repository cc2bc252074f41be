"""Stage `closure-guard`: lips that met in the raw curves meet in the finished ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.post.context import Context

#: Channels that part the lips whatever the jaw does.
PARTING = ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthFunnel")


@dataclass(frozen=True)
class ClosureGuard:
    """mouthClose += max_i e[i] b(t - t[i]) over the closures i: e = opening now - opening before, where that is more than 0.

    The opening of the lips is jawOpen - mouthClose, weights under 0 taken as 0. Before is the clip as post() got it, so the guard sees
    what smoothing, gain and emotion did; place it after them, and before stages that move things in time. A closure is a local minimum
    of the raw opening that is under `closed_opening`, or that lies `depth` under the highest openings within `reach_seconds` on either
    side: a p that the engine did not quite shut. b is a half-cosine bump of `blend_seconds` to either side, at least two frames. At
    minima under `closed_opening` the channels that part the lips otherwise (lower-down, upper-up, funnel) are taken down to their raw
    weight the same way. Openings that the other stages made smaller stay.

    Source: viewers notice a missed closure of p, b, m before anything else (Taylor et al., "Dynamic units of visual speech", 2012;
    Edwards et al., "JALI", SIGGRAPH 2016: bilabials must close the lips). The form is ours.

    Attributes:
        closed_opening: in weight units, 0 to 1.
        depth: in weight units, 0 to 1.
        reach_seconds, blend_seconds: seconds, over 0, up to 0.5.
    """

    closed_opening: float = 0.03
    depth: float = 0.20
    reach_seconds: float = 0.12
    blend_seconds: float = 0.08

    def __post_init__(self) -> None:
        for parameter, most in (("closed_opening", 1.0), ("depth", 1.0), ("reach_seconds", 0.5), ("blend_seconds", 0.5)):
            if not 0 < getattr(self, parameter) <= most:
                raise ProfileError(f"'{parameter}' of 'closure-guard' is {getattr(self, parameter)}.", f"Give over 0, up to {most:g}.",
                                   code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with its closures as deep as they were.

        Raises:
            ProfileError: the context has no raw clip of these frames (code 'raw-missing').
        """
        raw = context.unprocessed("closure-guard", clip)
        if any(name not in held for held in (clip, raw) for name in ("jawOpen", "mouthClose")):
            return clip  # an engine without mouthClose can't tell, nor show, a closure by it
        # A face shows no weight under 0; a jaw that the engine shut twice is shut.
        opening = np.maximum(raw["jawOpen"], 0) - np.maximum(raw["mouthClose"], 0)
        closures = self.closures(opening, float(clip.fps))
        shut = closures[opening[closures] <= self.closed_opening]
        reach = max(2, round(self.blend_seconds * float(clip.fps)))
        values = clip.values.copy()
        jaw, close = clip.names.index("jawOpen"), clip.names.index("mouthClose")
        excess = clip.values[closures, jaw] - clip.values[closures, close] - opening[closures]
        values[:, close] += _bumps(closures, excess, reach, clip.n_frames)
        for name in PARTING:
            if name in clip and name in raw:
                column = clip.names.index(name)
                values[:, column] -= _bumps(shut, values[shut, column] - np.maximum(raw[name][shut], 0), reach, clip.n_frames)
        values.setflags(write=False)
        return clip.with_values(values)

    def closures(self, opening: npt.NDArray[np.float32], fps: float) -> npt.NDArray[np.intp]:
        """Return the frames of the closures in an opening of shape (frames,)."""
        if len(opening) == 0:
            return np.zeros(0, dtype=np.intp)
        reach = max(1, round(self.reach_seconds * fps))
        held = np.pad(opening, 1, mode="edge")
        least = (opening <= held[:-2]) & (opening <= held[2:])
        around = np.lib.stride_tricks.sliding_window_view(np.pad(opening, reach, mode="edge"), reach + 1)
        frames = np.flatnonzero(least)
        # Around frame i, padded by `reach`, windows i and i + reach end and begin with it.
        higher = np.minimum(around[frames].max(axis=1), around[frames + reach].max(axis=1)) - opening[frames]
        return np.asarray(frames[(opening[frames] <= self.closed_opening) | (higher >= self.depth)], dtype=np.intp)


def _bumps(frames: npt.NDArray[np.intp], heights: npt.NDArray[np.float32], reach: int, n_frames: int) -> npt.NDArray[np.float32]:
    """Return the highest of half-cosine bumps at `frames`, of `heights` where these are over 0, shape (n_frames,)."""
    frames, heights = frames[heights > 0], heights[heights > 0]
    padded = np.zeros(n_frames + 2 * reach, dtype=np.float32)
    for offset in range(-reach + 1, reach):
        place = frames + reach + offset
        padded[place] = np.maximum(padded[place], heights * np.float32(0.5 + 0.5 * np.cos(np.pi * offset / reach)))
    return padded[reach: reach + n_frames]
