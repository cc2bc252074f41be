"""Stage `unitalker-blink`: the short blink of the UniTalker services, every three or four seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.post.context import Context
from a2f_batch.post.custom_blink import GRID_FPS, last_frame, lay_blinks

LIDS = ("eyeBlinkLeft", "eyeBlinkRight")

CURVE = (0.4, 0.4, 0.6, 1.0, 0.6, 0.6)
COVER = (0.0, 1.0, 1.0, 1.0, 1.0, 0.0)
"""The lids over a blink, and how far they replace what was there, one value a frame of 30 fps."""


@dataclass(frozen=True)
class UniTalkerBlink:
    """y = 0.4, 0.6, 1, 0.6 on both lids in four frames of 30 fps, whatever x was, the third of them at the drawn second.

    Between two blinks, and before the first, lies a whole number of seconds, drawn by the line's seed from its start. The blink is a
    function of seconds: at other rates it has the same length, goes over into x in a thirtieth of a second on either side, and is
    moved by up to half a frame, so that the lids shut on a frame. One that is not over by the line's last frame is left out. The
    pieces of a line, if they know its sound, blink as the whole does.

    Source: UnitalkerRandomBlink of the dlp3d audio2face service, which has no parameter but the rate, and says "every 3 to 4 s".
    There `(frame / fps) % 3 or 4 == 0` asks for multiples of the drawn number, so that blinks come 1 to 4 s apart, and at rates such
    as 29.97 it is hardly ever met; near an end the blink is cut, and the generator has no seed.

    Attributes:
        least_interval_seconds, most_interval_seconds: whole seconds, 1 or more.
    """

    least_interval_seconds: int = 3
    most_interval_seconds: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.least_interval_seconds <= self.most_interval_seconds:
            raise ProfileError(f"'unitalker-blink' can't come every {self.least_interval_seconds} to {self.most_interval_seconds} s.",
                               "Give 1 <= least_interval_seconds <= most_interval_seconds.", code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with blinks.

        Raises:
            ProfileError: the clip has no lids (code 'channel-unmatched').
        """
        count = max(0, int(last_frame(clip, context) / (GRID_FPS * self.least_interval_seconds)) + 1)
        seconds = context.random("unitalker-blink").integers(self.least_interval_seconds, self.most_interval_seconds, count, endpoint=True)
        return lay_blinks(clip, context, "unitalker-blink", dict.fromkeys(LIDS, 1.0), np.cumsum(seconds) * GRID_FPS, CURVE, COVER)
