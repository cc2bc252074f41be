"""Stage `silence-gate`: a closed, still mouth when nobody speaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError
from a2f_batch.names import is_mouth
from a2f_batch.post.context import Context


@dataclass(frozen=True)
class SilenceGate:
    """y = g(t) x on jaw, lips and tongue, with g = 1 in speech and 0 in silence.

    g rises along a half cosine that ends `lead_seconds` before the sound (lips open before they are heard) and falls along one that
    begins `hold_seconds` after it. Where stretches lie so near that their slopes overlap, the larger g wins. Where speech is comes
    from `speech.SpeechDetector`: energy with hysteresis over an adaptive floor, gaps under 0.2 s bridged.

    Source: the users of every seed ask for a mouth that rests in pauses; the times are ours, and keep to 0.2 s from sound to rest.

    Attributes:
        attack_seconds: length of the rise.
        lead_seconds: how long before the sound g is already 1.
        hold_seconds: how long after the sound g is still 1.
        release_seconds: length of the fall.
    """

    attack_seconds: float = 0.12
    lead_seconds: float = 0.04
    hold_seconds: float = 0.02
    release_seconds: float = 0.16

    def __post_init__(self) -> None:
        for parameter in ("attack_seconds", "lead_seconds", "hold_seconds", "release_seconds"):
            if not 0 <= getattr(self, parameter) <= 2:
                raise ProfileError(f"'{parameter}' of 'silence-gate' is {getattr(self, parameter)}.", "Give 0 to 2 s.",
                                   code="stage-parameter")

    def apply(self, clip: FaceClip, context: Context) -> FaceClip:
        """Return the clip with its mouth shut in the silences of the line's sound.

        Raises:
            ProfileError: the context has no sound (code 'wave-missing').
        """
        gate = self.gate(context.features("silence-gate").stretches, clip.times())
        # Most frames are in speech, where nothing changes.
        frames = np.flatnonzero(gate != 1)
        columns = np.flatnonzero([is_mouth(name) for name in clip.names])
        values = clip.values.copy()
        values[np.ix_(frames, columns)] *= gate[frames, None]
        values.setflags(write=False)
        return clip.with_values(values)

    def gate(self, stretches: npt.NDArray[np.float64], times: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return g at `times` (seconds, ascending), shape (frames,), for `stretches` of speech, shape (n, 2)."""
        if len(stretches) == 0:
            return np.zeros(len(times), dtype=np.float32)
        # Only the last stretch begun and the next one to come can matter at a time.
        following = np.searchsorted(stretches[:, 0], times, side="right")
        begun, coming = np.maximum(following - 1, 0), np.minimum(following, len(stretches) - 1)
        since_end = np.where(following > 0, times - stretches[begun, 1], np.inf)
        until_start = np.where(following < len(stretches), stretches[coming, 0] - times, np.inf)
        fall = _slope(since_end - self.hold_seconds, self.release_seconds)
        rise = _slope(until_start - self.lead_seconds, self.attack_seconds)
        return np.maximum(fall, rise).astype(np.float32)


def _slope(distance: npt.NDArray[np.float64], length: float) -> npt.NDArray[np.float64]:
    """Return 1 up to distance 0, 0 from `length` on, a half cosine between."""
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.clip(distance / max(length, 1e-9), 0, 1)))
