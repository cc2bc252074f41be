"""Stage `unitalker-clip`: tame what the UniTalker network is known to get wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.post.channels import row
from a2f_batch.post.context import Context

# Columns 2-13 of the network's output.
EYES = tuple(f"eye{part}{side}" for part in ("Squint", "LookDown", "LookIn", "Wide", "LookOut", "LookUp") for side in ("Left", "Right"))
# Columns 0, 1 and 45.
STILLED = ("eyeBlinkLeft", "eyeBlinkRight", "mouthShrugUpper")


@dataclass(frozen=True)
class UniTalkerClip:
    """y = eye_scale clip(x, 0, 1) on squint, gaze and wide of both eyes; y = clip(x, 0, still_limit) on lids and upper lip shrug.

    The network's lids are noise: this all but stops them, so that a blink stage can give them whole blinks.

    Source: UnitalkerClip of the dlp3d audio2face service, which has no parameters and 0.8 and 0.01 in its code. There it goes by
    column, demands exactly 51 of them and rounds to float16; here it goes by name, so order and a 52nd channel do not matter.

    Attributes:
        eye_scale: 0 to 1.
        still_limit: greatest weight left to lids and shrug, 0 to 1.
    """

    eye_scale: float = 0.8
    still_limit: float = 0.01

    def __post_init__(self) -> None:
        for parameter in ("eye_scale", "still_limit"):
            if not 0 <= getattr(self, parameter) <= 1:
                raise ProfileError(f"'{parameter}' of 'unitalker-clip' is {getattr(self, parameter)!r}.",
                                   "Give a number from 0 to 1.", code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with calm eyes.

        Raises:
            ProfileError: the clip has none of these channels (code 'channel-unmatched'): it was renamed, or is no UniTalker clip.
        """
        lower = row(clip, dict.fromkeys((*EYES, *STILLED), 0.0), "unitalker-clip", elsewhere=-np.inf)
        upper = row(clip, {**dict.fromkeys(EYES, 1.0), **dict.fromkeys(STILLED, self.still_limit)}, "unitalker-clip", elsewhere=np.inf)
        scale = row(clip, {**dict.fromkeys(EYES, self.eye_scale), **dict.fromkeys(STILLED, 1.0)}, "unitalker-clip", elsewhere=1.0)
        return clip.with_values(np.clip(clip.values, lower, upper) * scale)
