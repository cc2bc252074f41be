"""Which moments of a line tell the most: those with a flag, then what mouths are judged by: closed, open and rounded lips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.qc import Flag


@dataclass(frozen=True)
class Moment:
    """A frame worth seeing.

    Attributes:
        frame: its index.
        label: a word or two, why; a flag's reason code.
        flagged: whether it is for a flag.
    """

    frame: int
    label: str
    flagged: bool = False


def moments(clip: FaceClip, flags: tuple[Flag, ...], count: int) -> list[Moment]:
    """Return up to `count` frames, in order of time; no two nearer than a tenth of a second, where the clip is long enough."""
    last, apart = clip.n_frames - 1, max(float(clip.fps) / 10, 1.0)
    found: list[Moment] = []

    def add(frame: int, label: str, flagged: bool = False) -> None:
        frame = min(max(frame, 0), last)
        if len(found) < count and all(abs(frame - one.frame) >= apart for one in found):
            found.append(Moment(frame, label, flagged))

    for flag in flags:
        if flag.begin is not None and flag.end is not None and len(found) < count - 1:
            add(round((flag.begin + flag.end) / 2 * float(clip.fps)), flag.code, flagged=True)
    opening = _sum(clip, ("jawOpen",)) - _sum(clip, ("mouthClose",))
    rounded = _sum(clip, ("mouthPucker", "mouthFunnel"))
    if clip.n_frames and np.ptp(opening) > 0:
        widest = int(np.argmax(opening))
        add(widest, "widest")
        add(_closed(opening, _sum(clip, ("mouthClose", "mouthPressLeft", "mouthPressRight", "mouthRollLower"))), "closed")
        if np.ptp(rounded) > 0.05:
            add(int(np.argmax(rounded)), "rounded")
        add(int(np.argmax(_sum(clip, ("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight")))), "spread")
    for i in range(2 * count):
        add(round((i % count + 0.5) * last / count), "")
    return sorted(found, key=lambda one: one.frame)


def _closed(opening: npt.NDArray[np.float32], pressed: npt.NDArray[np.float32]) -> int:
    """Return the frame of the firmest closure between two openings; the clip's ends are at rest, and tell nothing."""
    active = np.flatnonzero(opening > 0.2 * opening.max())
    inside = slice(int(active[0]), int(active[-1]) + 1)
    return inside.start + int(np.argmax((pressed - 2 * opening)[inside]))


def _sum(clip: FaceClip, names: tuple[str, ...]) -> npt.NDArray[np.float32]:
    total = np.zeros(clip.n_frames, np.float32)
    for name in names:
        if name in clip:
            total += clip[name]
    return total
