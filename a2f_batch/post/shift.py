"""Stage `shift`: lips a little before, or after, the sound."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.post.context import Context

_MOST = 0.05


@dataclass(frozen=True)
class Shift:
    """y(t) = x(t + s): linear between frames, the first and the last frame held.

    s over 0 lets the face anticipate. Between frames, linear interpolation also smooths a little: a shift of whole frames does not.
    Place it after `closure-guard`, which compares frame by frame, and before stages that draw blinks and gaze.

    Source: lips move 100 to 300 ms before the first sound of a word (Chandrasekaran et al., PLoS Comput. Biol. 5, 2009), and
    viewers accept picture leading sound by up to about 45 ms without noticing (ITU-R BT.1359).

    Attributes:
        seconds: s, -0.05 to 0.05.
    """

    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not abs(self.seconds) <= _MOST:
            raise ProfileError(f"'seconds' of 'shift' is {self.seconds}.", f"Give {-_MOST:g} to {_MOST:g}.", code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip moved against its times."""
        # Exactly as it was written: 0.05 s are 3 frames at 60 fps, and 3 whole ones.
        frames = Fraction(str(self.seconds)) * clip.fps
        if frames == 0 or clip.n_frames == 0:
            return clip
        whole, part = frames.numerator // frames.denominator, np.float32(frames % 1)
        last = clip.n_frames - 1
        here = np.clip(np.arange(clip.n_frames) + whole, 0, last)
        values = clip.values[here]
        if part:
            values *= 1 - part
            values += clip.values[np.minimum(np.clip(np.arange(clip.n_frames) + whole + 1, 0, None), last)] * part
        values.setflags(write=False)
        return clip.with_values(values)
