"""Stage `custom-blink`: the seeded blink of MMD avatars, quick to shut and with a little rebound."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.post.channels import check_numbers, columns
from a2f_batch.post.context import Context
from a2f_batch.post.offset import line_choice

GRID_FPS = 30
"""Rate of the curve and of the intervals, in frames per second: the source's."""

CURVE = (0.0, 0.104, 0.352, 0.648, 0.896, 1.0, 0.441, 0.102, -0.065, -0.110, -0.082, -0.029, 0.0)
"""A whole blink, one value a frame of `GRID_FPS`. It closes as 3u^2 - 2u^3; the rebound opens the eye a little beyond rest."""

# Frames that are at the same time as exact numbers may differ by 1e-12 of a frame as floats.
_NEAR = 1e-6


@dataclass(frozen=True)
class CustomBlink:
    """y = a_c s b(t) on each channel c while a blink goes on, whatever x was; b is the 13-frame curve, linear between its frames.

    b is a function of seconds, so it is right at every rate and exact at 30 fps; a blink is moved by up to half a frame, so that the
    lids shut on a frame. Between the end of one blink and the start of the next lie a random number of thirtieths of a second. They
    are drawn from the line's start by its seed, so the pieces of a line, if they know its sound, blink as the whole does. A blink that
    is not over by the line's last frame is left out.

    s is the amount of the line's emotion, chosen as in the stage `offset`. As x is replaced, the lids should be near rest before
    (`unitalker-clip`); for lids that live, use the stage `blink`. b falls to -0.11: a `clamp` after this stage takes the rebound away.

    Source: CustomBlink of the dlp3d audio2face service; parameters `blink_interval_lowerbound` and `_upperbound` (60 and 120 frames,
    30 and 90 in its settings), `default_blink_json_path` and `blink_json_paths`: a curve for each of 7 emotions x 4 levels. The six
    that were read are the neutral one times 0.70 to 0.97, and 0.7 of that on a second morph (0.6 in the neutral one). There the upper
    bound is never drawn, a stream cut into pieces shorter than a blink never blinks, a piece after a long gap blinks in its first
    frame, and the curves are rounded to float16 (by up to 5e-4).

    Attributes:
        channels: channel -> a_c.
        amounts: '<emotion>_<level>' -> s, for lines of that emotion.
        amount: s of the other lines.
        least_interval_seconds, most_interval_seconds: bounds of the rest between two blinks, 0 or more.
    """

    channels: Mapping[str, float] = field(default_factory=lambda: {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
    amounts: Mapping[str, float] = field(default_factory=dict)
    amount: float = 1.0
    least_interval_seconds: float = 2.0
    most_interval_seconds: float = 4.0

    def __post_init__(self) -> None:
        check_numbers("custom-blink", channels=self.channels)
        check_numbers("custom-blink", amounts={"other lines": self.amount, **self.amounts})
        if not 0 <= self.least_interval_seconds <= self.most_interval_seconds < math.inf:
            raise ProfileError(f"'custom-blink' can't rest {self.least_interval_seconds:g} to {self.most_interval_seconds:g} s.",
                               "Give 0 <= least_interval_seconds <= most_interval_seconds.", code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with blinks.

        Raises:
            ProfileError: the clip has none of the channels (code 'channel-unmatched').
        """
        chosen = line_choice(context, self.amounts, "")
        amount = self.amounts[chosen] if chosen else self.amount
        peaks = self.starts(context.random("custom-blink"), last_frame(clip, context)) + CURVE.index(1.0)
        return lay_blinks(clip, context, "custom-blink", {name: amount * share for name, share in self.channels.items()},
                          peaks, CURVE, (1.0,) * len(CURVE))

    def starts(self, random: np.random.Generator, last: float) -> npt.NDArray[np.int64]:
        """Return when blinks begin up to `last`, from the line's start, in frames of `GRID_FPS`."""
        least, most = (round(seconds * GRID_FPS) for seconds in (self.least_interval_seconds, self.most_interval_seconds))
        count = max(0, int(last / (least + len(CURVE))) + 1)
        rests = random.integers(least, most, count, endpoint=True)
        return np.asarray(np.cumsum(rests + len(CURVE)) - len(CURVE))


def last_frame(clip: FaceClip, context: Context) -> float:
    """Return the time of the line's last frame, in frames of `GRID_FPS`: by its sound, or by the clip where there is none."""
    if context.wave is not None:
        return float((context.wave.frame_count(clip.fps) - 1) / clip.fps * GRID_FPS)
    return float((clip.start + (clip.n_frames - 1) / clip.fps) * GRID_FPS)


def lay_blinks(clip: FaceClip, context: Context, stage: str, amounts: Mapping[str, float], peaks: npt.NDArray[np.int64],
               curve: tuple[float, ...], cover: tuple[float, ...]) -> FaceClip:
    """Return `clip` with y = (1 - w) x + w a b on the channels of `amounts` (channel -> a) around each of `peaks`.

    Args:
        peaks: when b is greatest, ascending, in frames of `GRID_FPS` from the line's start; each is moved to the nearest frame of `clip`.
        curve, cover: b and w, one value a frame of `GRID_FPS`, linear between; before and after them w is 0.
    """
    found = columns(clip, amounts, stage)
    times = clip.times() * GRID_FPS
    start, step = float(clip.start * GRID_FPS), float(GRID_FPS / clip.fps)
    starts = start + np.floor((peaks - start) / step + 0.5 + _NEAR) * step - int(np.argmax(curve))
    starts = starts[starts + len(curve) - 1 <= last_frame(clip, context) + _NEAR]
    if len(starts) == 0:
        return clip
    begun = np.searchsorted(starts, times + _NEAR, side="right") - 1
    phase = times - starts[np.maximum(begun, 0)]
    within = np.flatnonzero((begun >= 0) & (phase <= len(curve) - 1 + _NEAR))
    knots = np.arange(len(curve))
    weight = np.interp(phase[within], knots, cover)[:, None]
    blink = np.interp(phase[within], knots, curve)[:, None] * np.array([amounts[name] for name in found])
    values = np.array(clip.values)
    place = within[:, None], np.array(list(found.values()))
    values[place] = (1 - weight) * values[place] + weight * blink
    return clip.with_values(values)
