"""Stage `accents`: brows and head move with the stresses of the voice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.post.context import Context

Curve = npt.NDArray[np.float64]

BROWS = ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")
HEAD = ("HeadYaw", "HeadPitch", "HeadRoll")
# The outer brows rise less than the inner ones: a raise for emphasis is no surprise.
_OUTER_SHARE = 0.6


@dataclass(frozen=True)
class Accents:
    """Add bumps b((t - t[i])) at the accents of loudness and pitch: brows rise, the head nods, turns and tilts a little.

    b rises along a half cosine over `rise_seconds`, is 1 at the accent, and falls over `fall_seconds`. Strengths are the accents'
    (0 to 1); brows move only for those over `brow_least`, and from there on. The nod goes down; turn and tilt have a random
    share, drawn once an accent. Neighbouring bumps don't add up: the higher one counts (turn and tilt cross over). Channels that the
    clip lacks are added. Signs: as ARKit's face coordinates turn, pitch over 0 is down, yaw to the speaker's left, roll to their right.

    Source: nods and brow raises go with pitch accents (Graf, Cosatto, Strom and Huang, "Visual prosody", 2002: head rotations of a few
    degrees; Cave et al., ICSLP 1996: brows in 71 % of F0 rises); head movement follows loudness and stress (Hadar et al., Human
    Movement Science 2, 1983). The amounts are ours, and modest.

    Attributes:
        brow: weight of browInnerUp at an accent of strength 1, 0 to 1.
        brow_least: accents weaker than this move no brow, 0 to under 1.
        nod_degrees, turn_degrees, tilt_degrees: at strength 1, 0 to 3.
        rise_seconds, fall_seconds: 0.02 to 1.
    """

    brow: float = 0.3
    brow_least: float = 0.4
    nod_degrees: float = 1.8
    turn_degrees: float = 0.8
    tilt_degrees: float = 0.6
    rise_seconds: float = 0.14
    fall_seconds: float = 0.30

    def __post_init__(self) -> None:
        bounds = {"brow": (0, 1), "brow_least": (0, 0.99), "nod_degrees": (0, 3), "turn_degrees": (0, 3), "tilt_degrees": (0, 3),
                  "rise_seconds": (0.02, 1), "fall_seconds": (0.02, 1)}
        for parameter, (least, most) in bounds.items():
            if not least <= getattr(self, parameter) <= most:
                raise ProfileError(f"'{parameter}' of 'accents' is {getattr(self, parameter)}.", f"Give {least} to {most}.",
                                   code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with brows and head that go with the voice.

        Raises:
            ProfileError: the context has no sound (code 'wave-missing').
        """
        clip = clip.select(dict.fromkeys((*clip.names, *BROWS, *HEAD)), missing=0.0)
        seconds, strength = context.features("accents").accents.T
        shares = context.random("accents").uniform(-1, 1, (len(seconds), 2))
        shape = self._shape(clip, seconds)
        raised = self.brow * _highest(shape, np.maximum(strength - self.brow_least, 0) / (1 - self.brow_least), clip.n_frames)
        added = {"browInnerUp": raised, "browOuterUpLeft": raised * _OUTER_SHARE, "browOuterUpRight": raised * _OUTER_SHARE,
                 "HeadPitch": np.radians(self.nod_degrees) * _highest(shape, strength, clip.n_frames)}
        for name, degrees, share in (("HeadYaw", self.turn_degrees, shares[:, 0]), ("HeadRoll", self.tilt_degrees, shares[:, 1])):
            signed = strength * share
            added[name] = np.radians(degrees) * (_highest(shape, np.maximum(signed, 0), clip.n_frames)
                                                 - _highest(shape, np.maximum(-signed, 0), clip.n_frames))
        return clip.adding(added)

    def _shape(self, clip: FaceClip, seconds: Curve) -> tuple[npt.NDArray[np.int64], Curve]:
        """Return the frames under each bump of height 1 and the bump there, a row an accent, shape (accents, frames of a bump)."""
        fps, start = float(clip.fps), float(clip.start)
        first = np.ceil((seconds - self.rise_seconds - start) * fps).astype(np.int64)
        frames = first[:, None] + np.arange(int((self.rise_seconds + self.fall_seconds) * fps) + 2)
        away = frames / fps + start - seconds[:, None]
        phase = np.clip(np.where(away < 0, -away / self.rise_seconds, away / self.fall_seconds), 0, 1)
        return frames, 0.5 + 0.5 * np.cos(np.pi * phase)


def _highest(shape: tuple[npt.NDArray[np.int64], Curve], heights: Curve, n_frames: int) -> Curve:
    """Return the highest of the bumps of these heights at every frame, shape (n_frames,)."""
    frames, bumps = shape
    curve = np.zeros(n_frames)
    here = (frames >= 0) & (frames < n_frames)
    np.maximum.at(curve, frames[here], (heights[:, None] * bumps)[here])
    return curve
