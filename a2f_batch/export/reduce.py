"""Fewer keys on a curve: those frames alone that keep it within an error bound, linear or cubic between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import Values
from a2f_batch.errors import ExportError

Interpolation: TypeAlias = Literal["linear", "cubic"]
Frames: TypeAlias = npt.NDArray[np.int64]
Curves: TypeAlias = npt.NDArray[np.float64]
# A weight for all channels, or one a channel; None keys every frame.
Tolerance: TypeAlias = "float | Mapping[str, float] | None"

# A day at 48 fps: few keys can span more frames than memory has room for, and readers refuse such a file.
MAX_FRAMES = 1 << 22


@dataclass(frozen=True)
class KeyCount:
    """How many keys a clip had as baked, a key a frame and curve, and how many were written."""

    before: int
    after: int


def reduce_keys(values: Values, tolerance: float | npt.ArrayLike | None, interpolation: Interpolation = "linear") -> Frames:
    """Return the frames to key, ascending, common to all channels; the first and the last frame are always among them.

    At every frame, what `evaluate` makes of those keys (and, if cubic, of `slopes`) is within `tolerance` of `values`, computed in
    float64. Every failing stretch between two keys gets one more where it is worst, until none fails (Ramer, 1972; Douglas and
    Peucker, 1973); so the bound is exact, the number of keys small and not the least.

    Args:
        values: shape (frames, channels), at least one frame. Formats that key each channel by itself pass one column.
        tolerance: the largest error allowed, in the values' unit: one for all, or one a channel. None keys every frame.

    Raises:
        ExportError: a tolerance that is negative or no number (code 'tolerance'), another interpolation (code 'interpolation-unknown').
    """
    if interpolation not in get_args(Interpolation):
        raise ExportError(f"There is no interpolation {interpolation!r} between keys.",
                          f"Choose from: {', '.join(get_args(Interpolation))}.", code="interpolation-unknown")
    n_frames, n_channels = values.shape
    if tolerance is None:
        return np.arange(n_frames)
    allowed = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), n_channels)
    if not (allowed >= 0).all():
        raise ExportError(f"Keys can't be reduced to within {tolerance!r}.", "Give a tolerance of 0 or more, such as 0.002.",
                          code="tolerance")
    curves = np.ascontiguousarray(values.T, dtype=np.float64)
    tangents = np.ascontiguousarray(slopes(values).T, dtype=np.float64) if interpolation == "cubic" else [None] * n_channels
    kept = [np.unique([0, n_frames - 1])]
    left, right = kept[0][:1], kept[0][-1:]
    while True:
        # Every frame between the keys of every stretch that is not yet known to hold.
        inside = right - left - 1
        left, right, inside = left[inside > 0], right[inside > 0], inside[inside > 0]
        if not len(left):
            return np.sort(np.concatenate(kept))
        first = np.cumsum(inside) - inside
        stretch = np.repeat(np.arange(len(left)), inside)
        frames = left[stretch] + 1 + np.arange(len(stretch)) - first[stretch]
        excess = np.full(len(frames), -np.inf)
        for curve, tangent, limit in zip(curves, tangents, allowed, strict=True):
            made = _between(left[stretch], right[stretch], frames, curve, tangent)
            np.maximum(excess, np.abs(made - curve[frames]) - limit, out=excess)
        worst = np.maximum.reduceat(excess, first)
        at = np.flatnonzero((excess == worst[stretch]) & (excess > 0))
        failing, one_each = np.unique(stretch[at], return_index=True)
        split = frames[at[one_each]]
        kept.append(split)
        left, right = np.concatenate([left[failing], split]), np.concatenate([split, right[failing]])


def slopes(values: Values) -> Values:
    """Return the slope of each curve at each frame, per frame: central differences, one-sided at the ends; shape (frames, channels)."""
    if len(values) == 1:
        return np.zeros_like(values)
    central: Curves = np.gradient(values.astype(np.float64), axis=0)
    return central.astype(np.float32)


def evaluate(keys: npt.ArrayLike, values: npt.ArrayLike, n_frames: int,
             tangents: tuple[npt.ArrayLike, npt.ArrayLike] | None = None) -> Curves:
    """Return curves at frames 0..n_frames-1, shape (n_frames, channels); held before the first and after the last key.

    Args:
        keys: frame of each key, ascending, shape (keys,).
        values: shape (keys, channels).
        tangents: slopes per frame arriving at and leaving each key, each of shape (keys, channels), for cubic Hermite curves;
            None for straight lines.
    """
    frame, value = np.asarray(keys, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(frame) == 1:
        return np.repeat(value, n_frames, axis=0)
    at = np.clip(np.arange(n_frames, dtype=np.float64), frame[0], frame[-1])
    left = np.clip(np.searchsorted(frame, at, side="right") - 1, 0, len(frame) - 2)
    length = (frame[left + 1] - frame[left])[:, None]
    part = (at - frame[left])[:, None] / length
    if tangents is None:
        return _line(value[left], value[left + 1], part)
    arriving, leaving = (np.asarray(side, dtype=np.float64) for side in tangents)
    return _hermite(value[left], value[left + 1], leaving[left] * length, arriving[left + 1] * length, part)


def allowed(tolerance: Tolerance, names: Sequence[str]) -> float | Curves | None:
    """Return a tolerance as `reduce_keys` takes it for the curves `names`; one that a mapping leaves out keeps its values exactly."""
    if isinstance(tolerance, Mapping):
        return np.array([tolerance.get(name, 0.0) for name in names], dtype=np.float64)
    return tolerance


def _between(left: Frames, right: Frames, frames: Frames, curve: Curves, tangent: Curves | None) -> Curves:
    length = (right - left).astype(np.float64)
    part = (frames - left) / length
    if tangent is None:
        return _line(curve[left], curve[right], part)
    return _hermite(curve[left], curve[right], tangent[left] * length, tangent[right] * length, part)


def _line(first: Curves, last: Curves, part: Curves) -> Curves:
    made: Curves = first + (last - first) * part
    return made


def _hermite(first: Curves, last: Curves, leaving: Curves, arriving: Curves, part: Curves) -> Curves:
    """Return a cubic through `first` and `last` with those slopes, in the unit of the whole stretch, at 0 <= `part` <= 1."""
    rest = 1 - part
    blend = part * part * (3 - 2 * part)
    made: Curves = first + (last - first) * blend + part * rest * (leaving * rest - arriving * part)
    return made
