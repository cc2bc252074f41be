"""Rotations of a clip as the angles that a host's joint is keyed with, on top of how it stands at rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import Values
from a2f_batch.errors import ExportError

Matrices = npt.NDArray[np.float64]

#: Which axis an object turns about first, second and third.
ORDERS = tuple(map("".join, permutations("xyz")))
UP_AXES = ("y", "z")

# The library's faces have Y up and look along +Z; where Z is up, faces look along -Y: a quarter turn about X.
_TO_Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


@dataclass(frozen=True)
class Rest:
    """A joint while its character stands at rest and looks ahead. Angles in radians.

    Attributes:
        rotate: its own rotation about x, y and z.
        order: in which order it turns, one of `ORDERS`.
        orient: a rotation after its own, about x, then y, then z (Maya's jointOrient).
        parent: what its parents do to it: the world matrix of its parent, 16 numbers, points being rows (Maya's way).
        up: the world's axis that points up, one of `UP_AXES`.
    """

    rotate: Sequence[float] = (0.0, 0.0, 0.0)
    order: str = "xyz"
    orient: Sequence[float] = (0.0, 0.0, 0.0)
    parent: Sequence[float] = (1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
    up: str = "y"

    def __post_init__(self) -> None:
        """Check the shapes.

        Raises:
            ExportError: a member that is none (code 'joint-rest').
        """
        for name, count in (("rotate", 3), ("orient", 3), ("parent", 16)):
            numbers = getattr(self, name)
            if len(numbers) != count or not all(map(math.isfinite, numbers)):
                raise _wrong(f"'{name}' is not {count} numbers")
        if self.order not in ORDERS or self.up not in UP_AXES:
            raise _wrong(f"there is no order '{self.order}' with '{self.up}' up")


def angles(quaternions: Values, rest: Rest) -> Values:
    """Return the angles about x, y and z that turn a joint as `quaternions` say, shape (frames, 3), radians, float32.

    At every frame the joint stands in the world as at rest and is then turned; neighbours are never a whole turn apart.

    Args:
        quaternions: x, y, z, w, shape (frames, 4), Y up and the face along +Z (`a2f_batch.export.rotations.quaternions`).

    Raises:
        ExportError: the joint's parents flatten it, so that it has no direction (code 'joint-rest').
    """
    world = np.asarray(rest.parent, dtype=np.float64).reshape(4, 4)[:3, :3].T @ _turn("xyz", rest.orient)
    left, sizes, right = np.linalg.svd(world)
    if sizes[-1] < 1e-9 * max(sizes[0], 1e-300):
        raise _wrong("its parents scale it to nothing")
    frame = left @ right  # parents may scale: the nearest that only turns (or mirrors)
    axes = _TO_Z_UP if rest.up == "z" else np.eye(3)
    turned = axes @ _matrices(np.asarray(quaternions, dtype=np.float64)) @ axes.T
    return _unwound(_angles(frame.T @ turned @ frame @ _turn(rest.order, rest.rotate), rest.order), rest).astype(np.float32)


def _wrong(why: str) -> ExportError:
    return ExportError(f"A joint's rest pose can't be used: {why}.", "Choose the joint again while the character stands at rest.",
                       code="joint-rest")


def _turn(order: str, about: Sequence[float]) -> Matrices:
    """Return the matrix (points being columns) that turns by the angles `about` x, y, z in `order`."""
    whole: Matrices = np.eye(3)
    for axis in order:
        i = "xyz".index(axis)
        j, k = (i + 1) % 3, (i + 2) % 3
        one = np.eye(3)
        one[j, j] = one[k, k] = math.cos(about[i])
        one[k, j] = math.sin(about[i])
        one[j, k] = -one[k, j]
        whole = one @ whole
    return whole


def _matrices(quaternions: Matrices) -> Matrices:
    """Return quaternions as matrices, shape (frames, 3, 3), points being columns."""
    x, y, z, w = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows: Matrices = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w),
                              2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w),
                              2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], axis=-1)
    return rows.reshape(-1, 3, 3)


def _angles(matrices: Matrices, order: str) -> Matrices:
    """Return the angles about x, y, z of matrices, the middle one within a quarter turn."""
    a, b, c = ("xyz".index(axis) for axis in order)
    sign = 1.0 if (b - a) % 3 == 1 else -1.0
    found = np.empty((len(matrices), 3))
    found[:, b] = np.arctan2(-sign * matrices[:, c, a], np.hypot(matrices[:, c, b], matrices[:, c, c]))
    found[:, a] = np.arctan2(sign * matrices[:, c, b], matrices[:, c, c])
    found[:, c] = np.arctan2(sign * matrices[:, b, a], matrices[:, a, a])
    return found


def _unwound(found: Matrices, rest: Rest) -> Matrices:
    """Return the same rotations by angles each nearest to the frame before, the first to the rest pose."""
    middle = "xyz".index(rest.order[1])
    other = found + math.pi  # every rotation has two sets of angles
    other[:, middle] = math.pi - found[:, middle]
    before = np.asarray(rest.rotate, dtype=np.float64)
    chosen = np.empty_like(found)
    for i, pair in enumerate(np.stack([found, other], axis=1)):
        near = pair + 2 * math.pi * np.rint((before - pair) / (2 * math.pi))
        before = chosen[i] = near[np.argmin(((near - before) ** 2).sum(axis=1))]
    return chosen
