"""Stage `eye-darts`: small seeded saccades, as weights and as rotations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.post.context import Context

# Lee et al.: share of saccades in each direction, every 45 degrees from the right, counterclockwise as the speaker's face is seen.
_DIRECTIONS = np.array([15.54, 6.46, 17.69, 7.44, 16.80, 7.89, 20.38, 7.79])
# Their magnitude is -6.9 log(u) degrees, u uniform: an exponential of this mean.
_MEAN_DEGREES = 6.9
# Main sequence: 25 ms and 2.4 ms more a degree.
_BASE_SECONDS, _SECONDS_A_DEGREE = 0.025, 0.0024
_LEAST_HOLD_SECONDS = 0.2

GAZE = tuple(f"eyeLook{way}{side}" for way in ("Down", "In", "Out", "Up") for side in ("Left", "Right"))
EYES = ("LeftEyeYaw", "LeftEyePitch", "RightEyeYaw", "RightEyePitch")


@dataclass(frozen=True)
class EyeDarts:
    """Add gaze(t) to eyeLook* (weight = angle / full_degrees) and to LeftEye*/RightEye* (radians): both eyes look the same way.

    The eyes rest on the listener for 0.2 s and an exponential time, dart away, stay for a while, and dart back. A dart of d degrees
    takes 25 ms + 2.4 ms d along 3p^2 - 2p^3. Times and angles depend on the seed alone, in seconds from the line's start: the same at
    every frame rate, and in every piece of a clip. Channels that the clip lacks are added.
    Signs: as ARKit's face coordinates turn, yaw over 0 looks to the speaker's left, pitch over 0 down.

    Source: Lee, Badler and Badler, "Eyes Alive", SIGGRAPH 2002, for a talking person: magnitudes, directions, main sequence, gaze at
    the listener 93.9 and away 27.8 frames of 30 a second on average. Magnitudes are scaled down: theirs include looking around.

    Attributes:
        amount: factor on the magnitudes, 0 to 1.
        most_degrees: magnitudes above end here, 0 to 20.
        rest_seconds, away_seconds: mean times at and away from the listener, over 0.2.
        full_degrees: angle at which an eyeLook shape is at 1.
    """

    amount: float = 0.35
    most_degrees: float = 6.0
    rest_seconds: float = 3.1
    away_seconds: float = 0.93
    full_degrees: float = 30.0

    def __post_init__(self) -> None:
        bounds = {"amount": (0, 1), "most_degrees": (0, 20), "rest_seconds": (0.25, 60), "away_seconds": (0.25, 60),
                  "full_degrees": (5, 90)}
        for parameter, (least, most) in bounds.items():
            if not least <= getattr(self, parameter) <= most:
                raise ProfileError(f"'{parameter}' of 'eye-darts' is {getattr(self, parameter)}.", f"Give {least} to {most}.",
                                   code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with a living gaze."""
        clip = clip.select(dict.fromkeys((*clip.names, *GAZE, *EYES)), missing=0.0)
        yaw, pitch = np.ascontiguousarray(self.gaze(context.random("eye-darts"), clip.times()).T, dtype=np.float32)
        left, right, down, up = (np.maximum(angle, 0) / self.full_degrees for angle in (yaw, -yaw, pitch, -pitch))
        added = {"eyeLookOutLeft": left, "eyeLookInRight": left, "eyeLookInLeft": right, "eyeLookOutRight": right,
                 "eyeLookDownLeft": down, "eyeLookDownRight": down, "eyeLookUpLeft": up, "eyeLookUpRight": up}
        for eye in ("Left", "Right"):
            added |= {f"{eye}EyeYaw": np.radians(yaw), f"{eye}EyePitch": np.radians(pitch)}
        return clip.adding(added)

    def gaze(self, random: np.random.Generator, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return (yaw, pitch) in degrees at `times`, shape (frames, 2)."""
        last = times[-1] if len(times) else 0.0
        # A row a dart: however many are drawn, the first ones are the same.
        drawn = random.random((int(last / (2 * _LEAST_HOLD_SECONDS)) + 1, 4))
        means = np.array([self.rest_seconds, self.away_seconds]) - _LEAST_HOLD_SECONDS
        begins = np.cumsum((_LEAST_HOLD_SECONDS - means * np.log1p(-drawn[:, :2])).ravel())
        degrees = np.minimum(-self.amount * _MEAN_DEGREES * np.log1p(-drawn[:, 2]), self.most_degrees)
        angle = np.radians(45) * np.searchsorted(np.cumsum(_DIRECTIONS) / _DIRECTIONS.sum(), drawn[:, 3], side="right")
        away = degrees[:, None] * np.stack([np.cos(angle), -np.sin(angle)], axis=1)
        # Targets between the darts: listener, away, listener, away, ...
        targets = np.zeros((2 * len(away) + 1, 2))
        targets[1::2] = away
        begun = np.searchsorted(begins, times, side="right")
        gaze = targets[begun]
        # Only a few frames a second are in the middle of a dart.
        lasting = np.concatenate([[0.0], np.repeat(_BASE_SECONDS + _SECONDS_A_DEGREE * degrees, 2)])
        elapsed = times - np.concatenate([[-np.inf], begins])[begun]
        moving = np.flatnonzero(elapsed < lasting[begun])
        phase = elapsed[moving] / lasting[begun[moving]]
        moved = (phase * phase * (3 - 2 * phase))[:, None]
        gaze[moving] = targets[begun[moving] - 1] * (1 - moved) + gaze[moving] * moved
        return gaze
