"""Eyes, brows, lashes, ears, hair, teeth and tongue: small grids, each made for the left or the middle and mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from a2f_batch.rig.sculpt import surface
from a2f_batch.rig.sculpt.cage import Indices
from a2f_batch.rig.sculpt.neutral import Lids, lid_edge
from a2f_batch.rig.sculpt.surface import EYE_CENTRE, EYE_RADIUS, Points, Scalars

IRIS_ANGLE, PUPIL_ANGLE = np.radians(25.0), np.radians(10.5)
_AROUND = 20
"""Vertices round an eyeball."""


@dataclass
class Patch:
    """A net with its positions, symmetrical as a whole.

    Attributes:
        vertices: millimetres, shape (V, 3).
        faces: counter-clockwise from outside.
        uv: shape (V, 2).
        mirror: the vertex on the other side, shape (V,).
    """

    vertices: Points
    faces: list[tuple[int, ...]]
    uv: Points
    mirror: Indices


def _paired(vertices: Points, faces: list[tuple[int, ...]], uv: Points) -> Patch:
    """Return the left patch with its mirror image after it."""
    n = len(vertices)
    return Patch(np.r_[vertices, vertices * (-1.0, 1.0, 1.0)],
                 faces + [tuple(v + n for v in reversed(face)) for face in faces],
                 np.r_[uv, uv], np.r_[np.arange(n, 2 * n), np.arange(n)])


def _grid(rows: int, columns: int, *, around: bool = False) -> list[tuple[int, ...]]:
    """Return the quads of a grid with vertex row * columns + column; counter-clockwise where columns go right and rows go up."""
    steps = columns if around else columns - 1
    return [(r * columns + c, r * columns + (c + 1) % columns, (r + 1) * columns + (c + 1) % columns, (r + 1) * columns + c)
            for r in range(rows - 1) for c in range(steps)]


def _grid_uv(rows: int, columns: int) -> Points:
    v, u = np.indices((rows, columns)).reshape(2, -1)
    return np.stack([u / max(columns - 1, 1), 1 - v / max(rows - 1, 1)], axis=-1)


def eyes() -> dict[str, Patch]:
    """Return whites, irises and pupils of both eyes; their edges meet."""
    bands = {"eye": np.linspace(IRIS_ANGLE, np.radians(165), 8), "iris": np.linspace(PUPIL_ANGLE, IRIS_ANGLE, 3),
             "pupil": np.array([PUPIL_ANGLE * 0.5, PUPIL_ANGLE])}
    turn = np.arange(_AROUND) * 2 * np.pi / _AROUND
    patches = {}
    for name, angles in bands.items():
        polar, round_ = np.repeat(angles, _AROUND), np.tile(turn, len(angles))
        way = np.stack([np.sin(polar) * np.cos(round_), np.sin(polar) * np.sin(round_), np.cos(polar)], axis=-1)
        # Rings go away from the front: turn the quads over.
        faces = [face[::-1] for face in _grid(len(angles), _AROUND, around=True)]
        if name == "pupil":
            way = np.r_[way, [[0.0, 0.0, 1.0]]]
            faces += [(2 * _AROUND, i, (i + 1) % _AROUND) for i in range(_AROUND)]
        reach = np.arccos(way[:, 2].clip(-1, 1)) / np.pi
        flat = way[:, :2] / np.maximum(np.linalg.norm(way[:, :2], axis=-1, keepdims=True), 1e-9)
        uv = 0.5 + 0.5 * reach[:, None] * flat * (1, -1)
        patches[name] = _paired(EYE_CENTRE + EYE_RADIUS * way, faces, uv)
    return patches


def lashes(n_edge: int, lids: Lids) -> Points:
    """Return the left upper lashes: a row on the lid's edge and one in front of it, shape (2 * columns, 3)."""
    x, y = (line[1:n_edge // 2] for line in lid_edge(n_edge, lids))
    root = np.stack([x, y, np.sqrt((EYE_RADIUS + 1.15) ** 2 - x ** 2 - y ** 2)], axis=-1)
    way = root / np.linalg.norm(root, axis=-1, keepdims=True)
    length = 1.2 + 1.6 * ((x + 13) / 26).clip(0, 1)
    tip = root + (0.6 * way + (0.25, 0.0, 0.0) * np.sign(x)[:, None]) * length[:, None] + np.outer(length, (0, 0.75, 0.0))
    placed: Points = EYE_CENTRE + np.r_[root, tip]
    return placed


def lash_patch(n_edge: int) -> Patch:
    """Return the lashes of both eyes."""
    vertices = lashes(n_edge, Lids())
    columns = len(vertices) // 2
    return _paired(vertices, _grid(2, columns), _grid_uv(2, columns))


def brows() -> Patch:
    """Return both brows: a ridge on the skin, tapering outward."""
    columns = 9
    t = np.linspace(0, 1, columns)
    x = 11 + 41 * t
    middle = 21.0 + 7.0 * np.sin(np.pi * (0.12 + 0.72 * t)) - 3 * t
    half = 3.4 * (1 - t) ** 0.6 * (0.55 + 0.45 * np.minimum(1, 6 * t)) + 0.5
    rows = []
    for share, lift in ((-1.0, -0.6), (-0.5, 1.0), (0.4, 1.2), (1.0, -0.6)):
        y = middle + share * half
        rows.append(np.stack([x, y, surface.front_depth(x, y)], axis=-1))
        rows[-1] += lift * surface.gradient(rows[-1])
    return _paired(np.concatenate(rows), _grid(4, columns), _grid_uv(4, columns))


def ears() -> Patch:
    """Return both ears: rings from the ear's hollow over its rim to behind it."""
    around = 16
    angle = np.arange(around) * 2 * np.pi / around
    # Front at 0, up at 90 degrees; narrow at the lobe, flat in front.
    reach_y = np.where(np.sin(angle) > 0, 27, 30) * np.sin(angle)
    reach_z = np.where(np.cos(angle) > 0, 11.0, 19.0) * np.cos(angle) * (1 + 0.35 * np.sin(angle)).clip(0.5, 1.15)
    rings = []
    for share, out in ((0.25, 1.0), (0.48, 1.5), (0.62, 6.0), (0.8, 5.0), (0.93, 8.5), (1.0, 6.5), (0.9, 1.0), (0.55, -8.0)):
        # The front of the ear lies on the cheek; its back stands off.
        stand = out * (0.55 - 0.45 * np.cos(angle)) + 4.5 * share * (0.5 - 0.5 * np.cos(angle)) - 1.5 * (np.cos(angle) > 0.5)
        rings.append(np.stack([stand, share * reach_y, share * reach_z], axis=-1))
    local = np.concatenate([*rings, [[0.4, -2.0, 0.0]]])
    tilt = np.radians(12.0)
    y, z = local[:, 1] * np.cos(tilt) + local[:, 2] * np.sin(tilt), local[:, 2] * np.cos(tilt) - local[:, 1] * np.sin(tilt)
    vertices = np.array([69.5, -8.0, -9.0]) + np.stack([local[:, 0], y, z], axis=-1)
    faces = _grid(len(rings), around, around=True)
    faces += [(len(local) - 1, (i + 1) % around, i) for i in range(around)]
    uv = np.stack([0.5 + local[:, 2] / 70, 0.5 - local[:, 1] / 70], axis=-1)
    return _paired(vertices, faces, uv)


def teeth(*, upper: bool) -> Patch:
    """Return a row of teeth: a bow of scalloped crowns seen from outside and inside."""
    per_tooth, count = 4, 12
    columns = per_tooth * count + 1
    t = np.linspace(-1, 1, columns)
    # The lower row is smaller and stands behind the upper one.
    size, front = (1.0, 86.0) if upper else (0.93, 83.8)
    bow = np.stack([23.5 * size * np.sin(t * 1.25), np.zeros(columns), front - 36 * size * np.abs(t) ** 2.1], axis=-1)
    slope = np.gradient(bow, axis=0)
    out = np.stack([slope[:, 2], np.zeros(columns), -slope[:, 0]], axis=-1)
    out *= -1 / np.linalg.norm(out, axis=-1, keepdims=True)
    gap = np.abs(np.cos(np.pi * (t + 1) / 2 * count)) ** 4
    edge_y, root_y = (-71.2, -60.0) if upper else (-72.0, -82.0)
    sign = 1.0 if upper else -1.0
    rows = []
    for share, thick in ((0.0, -0.5), (0.05, 1.0), (0.5, 1.5), (1.0, 1.0)):
        y = edge_y + (root_y - edge_y) * share + sign * (0.8 * gap * (1 - share) + 1.2 * np.abs(t) ** 2 * (1 - share))
        rows.append(bow + out * (thick - 0.7 * gap * (thick > 0))[:, None] + np.stack([0 * y, y, 0 * y], axis=-1))
    inner = [bow - out * 3.0 + np.stack([0 * t, np.full(columns, y), 0 * t], axis=-1) for y in ((edge_y + root_y) / 2,)]
    vertices = np.concatenate([*inner, *rows])
    faces = _grid(5, columns)
    if not upper:
        faces = [face[::-1] for face in faces]
    mirror = np.arange(5 * columns).reshape(5, columns)[:, ::-1].ravel()
    return Patch(_symmetrical(vertices, mirror), faces, _grid_uv(5, columns), mirror)


def tongue() -> Patch:
    """Return the tongue, its tip behind the lower teeth."""
    along, around = 9, 12
    u = np.linspace(0, 1, along)
    angle = np.arange(around) * 2 * np.pi / around + np.pi / 2
    width = 16.5 * np.sqrt(1 - (u ** 3.6) * 0.97)
    height = 7.0 * np.sqrt(1 - (u ** 3.0) * 0.97)
    rows = []
    for k, w, h in zip(u, width, height, strict=True):
        x, y = w * np.cos(angle), h * np.sin(angle)
        furrow = 0.17 * h * np.exp(-(x / 4) ** 2) * (y > 0)
        rows.append(np.stack([x, -79.5 - 2.0 * k ** 2 + y - furrow, np.full(around, 44 + 37.0 * k)], axis=-1))
    tip = np.array([[0.0, -81.7, 81.6]])
    vertices = np.concatenate([*rows, tip])
    faces = _grid(along, around, around=True)
    faces += [((along - 1) * around + i, (along - 1) * around + (i + 1) % around, along * around) for i in range(around)]
    mirror = np.r_[(np.arange(along)[:, None] * around + (-np.arange(around)) % around).ravel(), along * around]
    uv = np.r_[_grid_uv(along, around), [[0.5, 0.0]]]
    return Patch(_symmetrical(vertices, mirror), faces, uv, mirror)


def hair(vertices: Points, normals: Points, faces: list[tuple[int, ...]], mirror: Indices) -> Patch:
    """Return a cap of hair over the skin; it dips into the skin along the hairline.

    Args:
        vertices: the head's, with the net's `faces` and `mirror`.
        normals: the head's, shape (V, 3).
    """
    thick = _hair_thickness(vertices)
    kept = [face for face in faces if max(thick[v] for v in face) > 0.0 and min(vertices[v][1] for v in face) > -75]
    used = np.unique(np.concatenate([np.array(face) for face in kept]))
    place = {int(v): i for i, v in enumerate(used)}
    shell = vertices[used] + normals[used] * thick[used][:, None]
    own_mirror = np.array([place[int(mirror[v])] for v in used])
    uv = np.stack([0.5 + shell[:, 0] / 220, 0.5 - shell[:, 2] / 260], axis=-1)
    return Patch(_symmetrical(shell, own_mirror), [tuple(place[v] for v in face) for face in kept], uv, own_mirror)


def _hair_thickness(p: Points) -> Scalars:
    """Return the hair's thickness in millimetres, negative where there is none, shape (V,)."""
    azimuth = np.degrees(np.arctan2(np.abs(p[:, 0]), p[:, 2] + 9))
    hairline = np.interp(azimuth, [0, 20, 38, 52, 60, 72, 84, 100, 112, 125, 180], [80, 80, 72, 52, 28, 4, -6, 10, 0, -42, -50])
    inside = p[:, 1] - hairline
    # Straight through zero, so that the line where it meets the skin is as smooth as `hairline`.
    thickness: Scalars = (0.55 * inside).clip(-4.0, 7.0)
    return thickness


def _symmetrical(vertices: Points, mirror: Indices) -> Points:
    """Return the vertices with the right half made from the left one, exactly."""
    result = vertices.copy()
    own = mirror == np.arange(len(mirror))
    result[own, 0] = 0.0
    right = (vertices[:, 0] < 0) & ~own
    result[right] = result[mirror[right]] * (-1.0, 1.0, 1.0)
    return result
