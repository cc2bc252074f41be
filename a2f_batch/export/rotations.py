"""Head and eye rotations of a clip as node rotations: quaternions, and the points that they turn about."""

from __future__ import annotations

import numpy as np

from a2f_batch.clip import FaceClip, Values
from a2f_batch.rig.joints import Joint
from a2f_batch.rig.mesh import Mesh

# The parts that turn with each eye; the head's joint turns everything.
EYE_PARTS: dict[Joint, tuple[str, ...]] = {
    "LeftEye": ("left_eye", "left_iris", "left_pupil"), "RightEye": ("right_eye", "right_iris", "right_pupil")}


def turns(clip: FaceClip, joint: Joint) -> bool:
    """Say whether the clip has a rotation channel of `joint`."""
    return any(f"{joint}{angle}" in clip for angle in ("Yaw", "Pitch", "Roll"))


def quaternions(clip: FaceClip, joint: Joint) -> Values:
    """Return the rotation of `joint` at every frame, shape (frames, 4): x, y, z, w; neighbours never on opposite sides.

    Radians, right-handed: yaw about +Y (to the face's own left), pitch about +X (down), roll about +Z, applied roll first, yaw last.
    The clip's channels are named as Live Link Face names them; that the signs are its own too is not checked.
    """
    half = clip.select([f"{joint}{angle}" for angle in ("Yaw", "Pitch", "Roll")], missing=0.0).values.astype(np.float64) / 2
    (cy, cp, cr), (sy, sp, sr) = np.cos(half).T, np.sin(half).T
    turned = np.stack([cy * sp * cr + sy * cp * sr, sy * cp * cr - cy * sp * sr, cy * cp * sr - sy * sp * cr,
                       cy * cp * cr + sy * sp * sr], axis=1)
    # q and -q are the same rotation, but between them readers would turn the long way round.
    flips = np.cumprod(np.where((turned[1:] * turned[:-1]).sum(axis=1) < 0, -1.0, 1.0))
    turned[1:] *= flips[:, None]
    unit: Values = turned.astype(np.float32)
    return unit


def eye_centre(mesh: Mesh, joint: Joint) -> tuple[float, float, float] | None:
    """Return the centre of the ball that fits an eye's white best, in metres; None if `mesh` has no such part."""
    white = next((part for part in mesh.parts if part.name == EYE_PARTS[joint][0]), None)
    if white is None:
        return None
    points = white.vertices.astype(np.float64)
    # |p|^2 = 2 p.c + (r^2 - |c|^2), linear in c.
    solved = np.linalg.lstsq(np.column_stack([2 * points, np.ones(len(points))]), (points ** 2).sum(axis=1), rcond=None)[0]
    x, y, z = (round(float(value), 6) for value in solved[:3])
    return x, y, z
