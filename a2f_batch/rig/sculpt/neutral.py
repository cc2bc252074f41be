"""Where the vertices of the head rest: the grid relaxed on the skin, then lids and lips ring by ring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from a2f_batch.rig.sculpt import cage as net
from a2f_batch.rig.sculpt import surface
from a2f_batch.rig.sculpt.cage import Cage
from a2f_batch.rig.sculpt.surface import EYE_CENTRE, EYE_RADIUS, Points, Scalars

MOUTH_HALF_WIDTH = 25.0
MOUTH_HEIGHT = -70.0
_LID_GAP = 1.2
"""Millimetres from the eyeball to the lid's edge; a blink's straight path cuts 0.8 off it halfway."""


@dataclass(frozen=True)
class Lids:
    """How far the lids are open: heights of their edges over the line between the corners, in millimetres at the middle."""

    upper: float = 5.9
    lower: float = -5.3


def positions(cage: Cage) -> Points:
    """Return the rest shape, exactly symmetrical, shape (V, 3)."""
    vertices = _relaxed(cage)
    half = vertices[:len(cage.left)]
    half[cage.eye] = eye_rings(half[cage.eye[0]], Lids())
    half[cage.mouth] = mouth_rings(half[cage.mouth[0]])
    return whole(cage, half)


def whole(cage: Cage, half: Points) -> Points:
    """Return both halves of what is given for the left one; the midline is put on x = 0."""
    vertices = np.zeros((len(cage.mirror), 3))
    vertices[:len(half)] = half
    on_midline = np.flatnonzero(cage.mirror[:len(half)] == np.arange(len(half)))
    vertices[on_midline, 0] = 0.0
    right = np.arange(len(half), len(cage.mirror))
    vertices[right] = vertices[cage.mirror[right]] * (-1.0, 1.0, 1.0)
    return vertices


def neighbours(cage: Cage) -> sparse.csr_matrix:
    """Return the net's adjacency matrix, ones where two vertices share an edge, shape (V, V)."""
    pairs = np.array([(face[i], face[(i + 1) % len(face)]) for face in cage.faces for i in range(len(face))])
    n = len(cage.mirror)
    rows, columns = np.r_[pairs, pairs[:, ::-1]].T
    matrix = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(n, n)).tocsr()
    matrix.data[:] = 1.0
    return matrix


def _relaxed(cage: Cage, rounds: int = 100) -> Points:
    """Spread the grid evenly over the skin with the edges of the holes and of the neck held."""
    half = np.zeros((len(cage.left), 3))
    columns, rows = np.nonzero(cage.strip >= 0)
    # Azimuth by column, elevation by row: only a start, but one without folds.
    azimuth = np.radians(np.interp(columns, [0, net.FRONT, net.FRONT + net.SIDE, cage.strip.shape[0] - 1], [0, 50, 130, 180]))
    elevation = np.radians(np.interp(rows, [0, 7, *net.MOUTH_ROWS, *net.EYE_ROWS, net.ROWS], [-66, -50, -38, -22, -3, 14, 42]))
    rays = np.stack([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)], axis=-1)
    origin = np.array([0.0, -12.0, 0.0])
    half[cage.strip[columns, rows]] = surface.from_inside(origin, rays)
    inside = cage.top[:, 1:-1]
    i, k = np.indices(inside.shape)
    rim0, rim1 = half[cage.top[:, 0]][:, None], half[cage.top[:, -1]][:, None]
    spread = rim0 + (rim1 - rim0) * ((k + 1) / net.SIDE)[..., None] + (0.0, 60.0, 0.0) * (1 - (i / net.FRONT)[..., None])
    rays = spread - origin
    half[inside] = surface.from_inside(origin, rays / np.linalg.norm(rays, axis=-1, keepdims=True))

    turn = np.linspace(0, np.pi, cage.strip.shape[0])
    half[cage.strip[:, 0]] = np.stack([46 * np.sin(turn), -148 - 3 * np.cos(turn), -33 + 46 * np.cos(turn)], axis=-1)
    half[cage.mouth[0]] = _mouth_edge(cage.mouth.shape[1])
    half[cage.eye[0]] = _eye_edge(cage.eye.shape[1])
    half[cage.strip[:4, 17:21]] = _nose()
    half[cage.strip[0, 21:28]] = _bridge()
    held = np.unique(np.r_[cage.strip[:, 0], cage.mouth[0], cage.eye[0], cage.strip[:4, 17:21].ravel(), cage.strip[0, 21:28]])
    held = np.unique(np.r_[held, cage.mirror[held], np.flatnonzero(np.isin(cage.mirror, held))])
    matrix = neighbours(cage)
    in_rings = np.zeros(len(cage.mirror), bool)
    in_rings[np.r_[cage.mouth[1:].ravel(), cage.eye[1:].ravel()]] = True
    in_rings |= in_rings[cage.mirror]
    matrix = matrix @ sparse.diags((~in_rings).astype(float))
    free = np.setdiff1d(np.flatnonzero(~in_rings), held)
    average = sparse.diags(1 / matrix.sum(axis=1).A1.clip(1)) @ matrix
    average, free_left = average[free], free[free < len(half)]
    vertices = whole(cage, half)
    for _ in range(rounds):
        pull = (average @ vertices - vertices[free])[:len(free_left)]
        half = vertices[:len(half)]
        away = surface.gradient(half[free_left])
        half[free_left] += 0.7 * (pull - away * np.sum(pull * away, axis=-1, keepdims=True))
        half[free_left] -= surface.distance(half[free_left])[:, None] * away
        vertices = whole(cage, half)
    return vertices


def _nose() -> Points:
    """Return the lower nose: from the middle to beside the wing, from the lip up, shape (4, 4, 3)."""
    x = np.array([[0, 0, 0, 0], [5.5, 5.0, 5.5, 5.0], [13.0, 11.5, 12.0, 10.5], [20.0, 18.5, 18.5, 17.5]])
    y = np.array([[-47.5, -44.2, -38, -30], [-47.0, -44.0, -38, -30], [-47.5, -43.8, -37, -29], [-48.0, -43, -36, -28]])
    return np.stack([x, y, surface.front_depth(x, y)], axis=-1)


def _bridge() -> Points:
    y = np.linspace(-22, 20, 7)
    x = np.zeros_like(y)
    return np.stack([x, y, surface.front_depth(x, y)], axis=-1)


def _mouth_edge(n: int) -> Points:
    angle = np.linspace(-np.pi / 2, np.pi / 2, n)
    x = 37 * np.abs(np.cos(angle)) ** 0.85
    y = MOUTH_HEIGHT - 1 + np.where(angle < 0, 20.5, 19.5) * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.85
    x[[0, -1]] = 0.0
    return np.stack([x, y, surface.front_depth(x, y)], axis=-1)


def _eye_edge(n: int) -> Points:
    angle = np.pi - np.linspace(0, 2 * np.pi, n, endpoint=False)
    x = EYE_CENTRE[0] + 1.5 + 22 * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.85
    y = EYE_CENTRE[1] + 0.5 + 17 * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.85
    return np.stack([x, y, surface.front_depth(x, y)], axis=-1)


def lid_edge(n: int, lids: Lids) -> tuple[Scalars, Scalars]:
    """Return the opening between the lids, x and y from the eye's centre, in the order of `Cage.eye`, shape (n,) each."""
    f = np.abs(1 - np.abs(np.arange(n) / (n / 2) - 1))
    x = -13.4 * np.cos(np.pi * f) * 0.5 + 13.4 * (2 * f - 1) * 0.5
    arch = (1 - (x / 13.4) ** 2).clip(0) ** 0.8
    height = np.where(np.arange(n) <= n // 2, lids.upper, lids.lower)
    # The upper lid is highest towards the nose, the lower one lowest towards the ear.
    return x, height * arch * (1 - 0.0018 * x * height) + 0.07 * x


def eye_rings(edge: Points, lids: Lids) -> Points:
    """Return all rings of the left eye from its edge on the skin to inside the lids, shape (EYE_RINGS, n, 3)."""
    n = len(edge)
    x, y = lid_edge(n, lids)

    def on_ball(scale: float, gap: float) -> Points:
        radius = EYE_RADIUS + gap
        px, py = x * (1 + 0.2 * (scale - 1)), y * scale
        pz = np.sqrt((radius ** 2 - px ** 2 - py ** 2).clip(1.0))
        placed: Points = EYE_CENTRE + np.stack([px, py, pz], axis=-1)
        return placed

    margin = on_ball(1.0, _LID_GAP)
    rings = [edge]
    upper = np.arange(n) <= n // 2
    for share, clearance, crease in ((0.66, 2.0, 0.0), (0.36, 2.2, 0.9), (0.14, 2.0, 0.0)):
        ring = margin + share * (edge - margin)
        away = ring - EYE_CENTRE
        length = np.linalg.norm(away, axis=-1, keepdims=True)
        ring = EYE_CENTRE + away / length * np.maximum(length, EYE_RADIUS + clearance)
        ring[upper] -= crease * (away / length)[upper]
        rings.append(ring)
    rings += [margin, on_ball(1.0, 0.3), on_ball(1.25, 0.2)]
    return np.stack(rings)


def lip_lines(a: Scalars) -> tuple[Scalars, Scalars, Scalars, Scalars]:
    """Return x, the line between the lips, the upper and the lower border of the red, for a = 0 in the middle .. 1 in the corner."""
    x = MOUTH_HALF_WIDTH * (0.45 * a + 0.55 * np.sin(a * np.pi / 2))
    t = x / MOUTH_HALF_WIDTH
    line = MOUTH_HEIGHT + 2.2 * t ** 2 - 0.7 * np.exp(-(x / 5) ** 2)
    bow = 1 - 0.16 * np.exp(-(x / 3.2) ** 2)
    upper = line + 7.2 * bow * (1 - t ** 2).clip(0) ** 0.75
    lower = line - 9.4 * (1 - t ** 2).clip(0) ** 0.65
    return x, line, upper, lower


def mouth_rings(edge: Points) -> Points:
    """Return all rings of the mouth's left half from its edge on the skin to the back of the mouth, shape (MOUTH_RINGS, n, 3)."""
    n = len(edge)
    is_upper = np.arange(n) > n // 2
    side = np.sign(np.arange(n) - n // 2).astype(float)
    x, line, upper, lower = lip_lines(corner_share(n))
    border = np.where(is_upper, upper, lower)
    t = x / MOUTH_HALF_WIDTH
    full = np.sqrt((1 - t ** 2).clip(0))
    fade = 0.25 + 0.75 * full

    def skin(px: Scalars, py: Scalars, lift: Scalars | float) -> Points:
        return np.stack([px, py, surface.front_depth(px, py) + lift], axis=-1)

    rings = [edge]
    for share in (0.62, 0.28):
        px = x * 1.03 + share * (edge[:, 0] - x * 1.03)
        py = border + share * (edge[:, 1] - border)
        rings.append(skin(px, py, 0.35 * (1 - share)))
    rings.append(skin(x * 1.02, border, 0.9 * fade))
    rings.append(skin(x * 1.01, line + 0.52 * (border - line), np.where(is_upper, 2.3, 3.0) * fade))
    rings.append(skin(x, line + 0.14 * (border - line), np.where(is_upper, 2.4, 2.7) * fade))
    contact = skin(x * 0.99, line, 1.3 * fade)
    rings.append(contact)
    for across, away, back in ((0.98, 1.4, 4.0), (0.99, 7.0, 7.0), (1.02, 15.0, 15.0), (1.0, 16.0, 34.0), (0.8, 11.0, 52.0)):
        rings.append(np.stack([contact[:, 0] * across, contact[:, 1] + side * away * full, contact[:, 2] - back], axis=-1))
    return np.stack(rings)


def corner_share(n: int) -> Scalars:
    """Return 0 at both middles of a half loop and 1 at its corner, shape (n,)."""
    share: Scalars = 1 - np.abs(np.linspace(-1, 1, n))
    return share
