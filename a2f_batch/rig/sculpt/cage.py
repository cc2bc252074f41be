"""The head's net of quads: a box-shaped grid with a hole for the mouth and one for each eye, and rings inside the holes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

FRONT, SIDE = 12, 10
"""Columns of quads from the middle of the face to its edge, and along the side of the head."""
ROWS = 34
MOUTH_COLUMNS, MOUTH_ROWS = 7, (10, 16)
EYE_COLUMNS, EYE_ROWS = (2, 10), (21, 27)
MOUTH_RINGS, EYE_RINGS = 12, 7
"""Rings of vertices inward from a hole's edge; ring 0 is the edge."""


@dataclass
class Cage:
    """Who neighbours whom on the whole head; positions come later.

    Attributes:
        faces: quads (and two triangles at the back of the mouth), counter-clockwise from outside.
        mirror: the vertex on the other side, shape (V,); itself on the midline.
        left: the vertices with x >= 0: the first half of all, shape (L,).
        strip: the grid round the head, left half: column 0 is the middle of the face, the last that of the back; row 0 is the neck's end.
            Shape (columns, ROWS + 1); -1 in the holes.
        top: the crown, left half, shape (FRONT + 1, SIDE + 1).
        mouth: rings of the left half of the mouth, from lower middle by the corner to upper middle, shape (MOUTH_RINGS, n).
        eye: rings of the left eye, from the inner corner over the upper lid to the outer corner and back, shape (EYE_RINGS, n).
    """

    faces: list[tuple[int, ...]]
    mirror: Indices
    left: Indices
    strip: Indices
    top: Indices
    mouth: Indices
    eye: Indices


def build() -> Cage:
    """Return the net."""
    count = 0

    def fresh() -> int:
        nonlocal count
        count += 1
        return count - 1

    strip = np.full((2 * FRONT + SIDE + 1, ROWS + 1), -1)
    for column, row in np.ndindex(strip.shape):
        if not _in_hole(column, row):
            strip[column, row] = fresh()
    top = np.full((FRONT + 1, SIDE + 1), -1)
    for i, k in np.ndindex(top.shape):
        top[i, k] = (strip[i, ROWS] if k == 0 else strip[FRONT + k, ROWS] if i == FRONT
                     else strip[2 * FRONT + SIDE - i, ROWS] if k == SIDE else fresh())
    faces: list[tuple[int, ...]] = [
        (strip[c, r], strip[c + 1, r], strip[c + 1, r + 1], strip[c, r + 1])
        for c, r in np.ndindex(strip.shape[0] - 1, ROWS) if not _cell_in_hole(c, r)]
    faces += [(top[i, k], top[i + 1, k], top[i + 1, k + 1], top[i, k + 1]) for i, k in np.ndindex(FRONT, SIDE)]

    low, high = MOUTH_ROWS
    edge = ([(c, low) for c in range(MOUTH_COLUMNS)] + [(MOUTH_COLUMNS, r) for r in range(low, high)]
            + [(c, high) for c in range(MOUTH_COLUMNS, -1, -1)])
    mouth = _rings(np.array([strip[at] for at in edge]), MOUTH_RINGS, fresh)
    faces += _ring_faces(mouth, closed=False)
    last, n = mouth[-1], mouth.shape[1]
    for e in range(n // 2 - 1):
        faces.append((last[e], last[e + 1], last[n - 2 - e], last[n - 1 - e]))
    faces.append((last[n // 2 - 1], last[n // 2], last[n // 2 + 1]))

    (first, final), (low, high) = EYE_COLUMNS, EYE_ROWS
    middle = (low + high) // 2
    edge = ([(first, r) for r in range(middle, high)] + [(c, high) for c in range(first, final)]
            + [(final, r) for r in range(high, low, -1)] + [(c, low) for c in range(final, first, -1)]
            + [(first, r) for r in range(low, middle)])
    eye = _rings(np.array([strip[at] for at in edge]), EYE_RINGS, fresh)
    # This loop runs the other way round than the mouth's.
    faces += [face[::-1] for face in _ring_faces(eye, closed=True)]

    midline = {*strip[0], *strip[-1], *top[0], *mouth[:, 0], *mouth[:, -1]} - {-1}
    half = count
    mirror = np.arange(half)
    for vertex in range(half):
        if vertex not in midline:
            mirror[vertex] = fresh()
    mirror = np.concatenate([mirror, np.flatnonzero(mirror != np.arange(half))])
    faces += [tuple(int(mirror[v]) for v in reversed(face)) for face in faces]
    return Cage([tuple(int(v) for v in face) for face in faces], mirror, np.arange(half), strip, top, mouth, eye)


def _in_hole(column: int, row: int) -> bool:
    """Say whether a grid vertex lies inside a hole."""
    in_mouth = column < MOUTH_COLUMNS and MOUTH_ROWS[0] < row < MOUTH_ROWS[1]
    in_eye = EYE_COLUMNS[0] < column < EYE_COLUMNS[1] and EYE_ROWS[0] < row < EYE_ROWS[1]
    return in_mouth or in_eye


def _cell_in_hole(column: int, row: int) -> bool:
    in_mouth = column < MOUTH_COLUMNS and MOUTH_ROWS[0] <= row < MOUTH_ROWS[1]
    in_eye = EYE_COLUMNS[0] <= column < EYE_COLUMNS[1] and EYE_ROWS[0] <= row < EYE_ROWS[1]
    return in_mouth or in_eye


def _rings(edge: Indices, n_rings: int, fresh: Callable[[], int]) -> Indices:
    return np.array([edge] + [[fresh() for _ in edge] for _ in range(n_rings - 1)])


def _ring_faces(rings: Indices, *, closed: bool) -> list[tuple[int, ...]]:
    n = rings.shape[1]
    return [(rings[r, e], rings[r, (e + 1) % n], rings[r + 1, (e + 1) % n], rings[r + 1, e])
            for r in range(len(rings) - 1) for e in range(n if closed else n - 1)]
