"""The keys of an FBX AnimationCurve: written on some of a clip's frames, read back on all of them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.export.fbx_binary import Node
from a2f_batch.export.fbx_document import TICKS_PER_SECOND
from a2f_batch.export.reduce import Curves, Frames

# FbxAnimCurveDef: eInterpolationConstant (2), Linear (4), Cubic (8); eTangentAuto (256), as Autodesk's own writers mark linear keys;
# eTangentUser (1024): slopes are as they stand; eWeightedRight, eWeightedNextLeft (1 << 24, 1 << 25).
_LINEAR, _CUBIC, _LINEAR_KEY, _CUBIC_KEY = 4, 8, 4 | 256, 8 | 1024
_WEIGHTED = (1 << 24) | (1 << 25)
# The two default weights, a third each, packed into one float.
_WEIGHTS = np.array([0x0D050505], np.uint32).view(np.float32)[0]


def linear_attributes(n_keys: int) -> list[Node]:
    """Return what marks `n_keys` keys as linear."""
    return _attributes(np.array([_LINEAR_KEY], np.int32), np.array([0, 0, _WEIGHTS, 0], np.float32), np.array([n_keys], np.int32))


def cubic_attributes(slopes: npt.NDArray[np.float32]) -> list[Node]:
    """Return what gives each key its slope, of the value over seconds, shape (keys,), on both sides."""
    rows = np.zeros((len(slopes), 4), np.float32)
    # Each key keeps the slope that leaves it, and that which comes to the next.
    rows[:, 0], rows[:-1, 1], rows[:, 2] = slopes, slopes[1:], _WEIGHTS
    return _attributes(np.full(len(slopes), _CUBIC_KEY, np.int32), rows.ravel(), np.ones(len(slopes), np.int32))


def key_times(n_frames: int, fps: Fraction, start: Fraction) -> npt.NDArray[np.int64]:
    """Return the ticks of every frame, each rounded once from the exact rational, ties to even."""
    first, step = start * TICKS_PER_SECOND, TICKS_PER_SECOND / fps
    scale = first.denominator * step.denominator
    base, slope = int(first * scale), int(step * scale)
    if 2 * (abs(base) + n_frames * slope + scale) < 2**63:
        ticks, rest = np.divmod(base + np.arange(n_frames, dtype=np.int64) * slope, scale)
        ticks += (2 * rest > scale) | ((2 * rest == scale) & (ticks % 2 == 1))
        return ticks
    exact = (divmod(base + i * slope, scale) for i in range(n_frames))
    return np.array([ticks + (2 * rest > scale or (2 * rest == scale and ticks % 2)) for ticks, rest in exact], np.int64)


def frames_of(ticks: npt.NDArray[np.int64], grid: npt.NDArray[np.int64], fps: Fraction) -> Frames | None:
    """Return which frame of `grid` (the ticks of all frames) each key is on; None if one is on none, or they don't span them."""
    frames = np.rint((ticks - grid[0]) * float(fps / TICKS_PER_SECOND)).astype(np.int64)
    if frames[0] != 0 or frames[-1] != len(grid) - 1 or (np.diff(frames) < 1).any():
        return None
    # Other writers round the tick; a thousandth of a frame can't be mistaken for another frame.
    return frames if np.abs(ticks - grid[frames]).max() <= TICKS_PER_SECOND / fps / 1000 else None


def tangents(curve: Node, n_keys: int, fps: Fraction) -> tuple[Curves, Curves] | None:
    """Return the slopes per frame at which a curve comes to and leaves each key, each of shape (keys, 1); None if it is straight.

    Raises:
        ValueError: the attributes don't fit the keys, or the curve is stepped, weighted or of mixed kinds.
    """
    flags, rows, counts = (_array(curve, name, kind) for name, kind in (
        ("KeyAttrFlags", np.int32), ("KeyAttrDataFloat", np.float32), ("KeyAttrRefCount", np.int32)))
    if len(flags) != len(counts) or len(rows) != 4 * len(flags) or (counts < 1).any() or counts.sum(dtype=np.int64) != n_keys:
        raise ValueError("its key attributes don't fit its keys")
    # The last key's interpolation leads nowhere.
    flags, rows = (np.repeat(array, counts, axis=0)[:-1] for array in (flags, rows.reshape(-1, 4)))
    if (flags & _LINEAR).all():
        return None
    if not (flags & _CUBIC).all() or (flags & _WEIGHTED).any():
        raise ValueError("it has no key on every frame, and keys that are neither linear nor cubic without weights")
    leaving, arriving = np.zeros((2, n_keys, 1))
    leaving[:-1, 0], arriving[1:, 0] = rows[:, 0], rows[:, 1]
    return arriving / float(fps), leaving / float(fps)


def _attributes(flags: npt.NDArray[np.int32], rows: npt.NDArray[np.float32], counts: npt.NDArray[np.int32]) -> list[Node]:
    return [Node("KeyAttrFlags", (flags,)), Node("KeyAttrDataFloat", (rows,)), Node("KeyAttrRefCount", (counts,))]


def _array(curve: Node, name: str, kind: type[np.generic]) -> npt.NDArray[Any]:
    node = curve.first(name)
    values = node.properties[0] if node and node.properties else None
    if not isinstance(values, np.ndarray):
        raise ValueError(f"it has no {name}")
    # The attributes' floats are bit patterns in part: some writers store them as whole numbers.
    return values.view(kind) if values.dtype.itemsize == np.dtype(kind).itemsize else values.astype(kind)
