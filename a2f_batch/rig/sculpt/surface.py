"""The neutral head as a signed distance field: soft unions of a few ellipsoids and capsules."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Points: TypeAlias = npt.NDArray[np.float64]
"""Positions or offsets in millimetres, shape (..., 3)."""

Scalars: TypeAlias = npt.NDArray[np.float64]

Triple: TypeAlias = tuple[float, float, float]

EYE_CENTRE = np.array([31.5, 2.0, 66.0])
EYE_RADIUS = 15.0

# Centre and radii; those with an x off the middle stand for a mirrored pair. Third: how softly it joins (mm).
_SOLIDS: tuple[tuple[Triple, Triple, float], ...] = (
    ((0, 35, -6), (75, 83, 90), 1),        # cranium
    ((0, -22, 22), (62, 80, 60), 24),      # face
    ((0, -72, 24), (48, 41, 52), 24),      # lower jaw
    ((0, -100, 71), (27, 15, 21), 28),     # chin
    ((37, -27, 51), (22, 20, 21), 26),     # cheek bone
    ((28, -56, 44), (26, 28, 30), 26),     # cheek
    ((22, 24, 72), (24, 8, 12), 16),       # brow ridge
    ((0, -68, 60), (33, 26, 34), 18),      # the mound that the teeth make
)
# Two ends, the radius at each, and how softly it joins.
_CAPSULES: tuple[tuple[Triple, Triple, float, float, float], ...] = (
    ((0, 14, 76), (0, -32, 98), 5.5, 8.0, 14),         # bridge of the nose
    ((0, -35, 99), (0, -35.5, 103), 9.0, 8.5, 8),        # its tip
    ((11, -40, 91), (8.0, -41, 92), 6.8, 6.5, 7),       # its wings
    ((0, -90, -24), (0, -220, -42), 41, 48, 24),        # neck
)
# Carved out: eye sockets, the furrow under the lower lip, nostrils, temples.
_HOLLOWS: tuple[tuple[Triple, Triple, float], ...] = (
    ((31, 2, 93), (18, 11, 13), 16),
    ((0, -89, 104), (15, 4, 8), 10),
    ((5.0, -47.5, 98), (3.2, 4, 4.6), 2.5),
    ((92, 24, 50), (20, 26, 28), 20),
)


def distance(points: Points) -> Scalars:
    """Return about how far each point is outside the skin (inside is negative), shape (...)."""
    p = np.array(points, dtype=np.float64)
    p[..., 0] = np.abs(p[..., 0])
    d: Scalars = np.full(p.shape[:-1], 1e6)
    for centre, radii, soft in _SOLIDS:
        d = _join(d, _ellipsoid(p, centre, radii), soft)
    for start, end, radius0, radius1, soft in _CAPSULES:
        d = _join(d, _capsule(p, start, end, radius0, radius1), soft)
    for centre, radii, soft in _HOLLOWS:
        d = -_join(-d, _ellipsoid(p, centre, radii), soft)
    return d


def gradient(points: Points, step: float = 0.01) -> Points:
    """Return the unit direction away from the skin, shape (..., 3)."""
    here = distance(points)
    g = np.stack([distance(points + step * axis) - here for axis in np.eye(3)], axis=-1)
    unit: Points = g / np.linalg.norm(g, axis=-1, keepdims=True)
    return unit


def onto(points: Points, steps: int = 3) -> Points:
    """Return the points moved along the gradient onto the skin."""
    for _ in range(steps):
        points = points - distance(points)[..., None] * gradient(points)
    return points


def front_depth(x: Scalars, y: Scalars) -> Scalars:
    """Return z of the skin as seen from the front at (x, y)."""
    p = np.stack([x, y, np.full_like(x, 140.0)], axis=-1)
    for _ in range(80):
        p[..., 2] -= 0.6 * distance(p)
    depth: Scalars = p[..., 2]
    return depth


def from_inside(origin: Points, directions: Points) -> Points:
    """Return where rays from inside the head leave it, shape (..., 3)."""
    near, far = np.zeros(directions.shape[:-1]), np.full(directions.shape[:-1], 260.0)
    for _ in range(40):
        middle = (near + far) / 2
        inside = distance(origin + directions * middle[..., None]) < 0
        near, far = np.where(inside, middle, near), np.where(inside, far, middle)
    return origin + directions * near[..., None]


def _ellipsoid(p: Points, centre: Triple, radii: Triple) -> Scalars:
    q = (p - np.array(centre, float)) / np.array(radii, float)
    k0 = np.linalg.norm(q, axis=-1)
    k1 = np.linalg.norm(q / np.array(radii, float), axis=-1)
    bound: Scalars = k0 * (k0 - 1) / np.maximum(k1, 1e-9)
    return bound


def _capsule(p: Points, start: Triple, end: Triple, radius0: float, radius1: float) -> Scalars:
    a, b = np.array(start, float), np.array(end, float)
    h = np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    away: Scalars = np.linalg.norm(p - a - h[..., None] * (b - a), axis=-1) - (radius0 + (radius1 - radius0) * h)
    return away


def _join(a: Scalars, b: Scalars, soft: float) -> Scalars:
    """Return the smaller of both, rounded where they meet (polynomial smooth minimum)."""
    h = np.maximum(soft - np.abs(a - b), 0) / soft
    lower: Scalars = np.minimum(a, b) - h * h * soft / 4
    return lower
