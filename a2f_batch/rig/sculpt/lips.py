"""The mouth's vertices under the names that the targets use: how far along the lips, upper or lower, how deep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from a2f_batch.rig.sculpt.cage import Cage, Indices
from a2f_batch.rig.sculpt.neutral import MOUTH_HALF_WIDTH, corner_share
from a2f_batch.rig.sculpt.surface import Points, Scalars

BORDER, CONTACT, DEEPEST = 3, 6, 10
"""Rings: the edge of the red, the line where the lips meet, and from where the mouth's inside hangs on the bones."""


@dataclass(frozen=True)
class Lips:
    """Every vertex of the mouth's rings from the red's edge inward, both halves; all arrays have one entry a vertex.

    Attributes:
        ids: vertices of the head.
        ring: its ring.
        corner: 0 in the middle .. 1 at a corner.
        along: position along the lips, -1 at the right corner .. 1 at the left one.
        side: 1 upper lip, -1 lower lip, 0 corner.
        opposite: the entry on the other lip (itself at a corner).
    """

    ids: Indices
    ring: Indices
    corner: Scalars
    along: Scalars
    side: Scalars
    opposite: Indices

    @property
    def deep(self) -> Scalars:
        """How much each follows the lips: 1 on the red, less inside, 0 at the back."""
        return np.interp(self.ring, [CONTACT + 1, CONTACT + 2, CONTACT + 3, DEEPEST], [1.0, 0.85, 0.4, 0.0])

    def taper(self, power: float = 2.0) -> Scalars:
        """1 in the middle of a lip, 0 at the corners."""
        return 1 - self.corner ** power


def lips(cage: Cage, vertices: Points) -> Lips:
    """Return the lips of the head whose rest shape is `vertices`."""
    rings, n = cage.mouth.shape
    rows = np.arange(BORDER, rings)
    left = cage.mouth[rows]
    right = cage.mirror[left[:, 1:-1]]
    ids = np.c_[left, right]
    corner = corner_share(n)
    side = np.sign(np.arange(n) - n // 2).astype(float)
    x = np.broadcast_to(vertices[left[CONTACT - BORDER], 0] / MOUTH_HALF_WIDTH / 0.99, left.shape)
    opposite = np.arange(n)[::-1]
    width = 2 * n - 2
    # Entries of one ring: left 0..n-1, then right 1..n-2.
    across = np.r_[opposite, n + np.arange(n - 2)[::-1]]
    table = np.arange(len(rows))[:, None] * width + across
    return Lips(ids.ravel(), np.repeat(rows, width), np.tile(np.r_[corner, corner[1:-1]], len(rows)),
                np.c_[x, -x[:, 1:-1]].ravel(), np.tile(np.r_[side, side[1:-1]], len(rows)), table.ravel())
