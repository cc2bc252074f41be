"""A head to pixels on the CPU: depth buffer, four samples a pixel, three lights. Compiled by Numba; needs neither GPU nor window system.

No fast-math and no library's powers: the same picture on every machine.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

SAMPLES = 2  # a side of a pixel: four samples

# Lights in the camera's axes (x right, y up, z to the viewer): direction to it and linear colour. Key from above left, a cool fill from
# the right, and a rim from behind: the modelling of lips and cheeks comes from the key's angle.
_DIRECTIONS = np.array([[-0.55, 0.60, 0.75], [0.80, 0.10, 0.60], [0.55, 0.55, -0.75], [-0.75, 0.25, -0.70]])
_COLORS = np.array([[0.86, 0.81, 0.74], [0.22, 0.25, 0.30], [0.42, 0.48, 0.55], [0.24, 0.24, 0.27]])
_SKY, _GROUND = np.array([0.20, 0.22, 0.25]), np.array([0.10, 0.085, 0.08])
# Light that wanders under the skin and comes out beyond the terminator, red the farthest.
_WRAP = np.array([0.34, 0.18, 0.13])
_LEVELS, _SIDE = 4096, 256


def _tables(squarings: tuple[int, ...]) -> Floats:
    """Return the light that surfaces send to the viewer by their normal: for each exponent diffuse (RGB) and highlight (RGB).

    Lights and viewer stand still, so this is a table over the normal's y and x; shape (exponents, side, side, 6).
    """
    y, x = np.mgrid[1:-1:_SIDE * 1j, -1:1:_SIDE * 1j]
    long = np.maximum(np.hypot(x, y), 1)  # outside the circle: the circle's edge
    normal = np.stack([x / long, y / long, np.sqrt(np.maximum(1 - (x * x + y * y) / long ** 2, 0))], axis=-1)
    up = 0.5 + 0.5 * normal[..., 1:2]
    diffuse = _SKY * up + _GROUND * (1 - up)
    shine = np.zeros((len(squarings), *diffuse.shape))
    for direction, color in zip(_DIRECTIONS / np.linalg.norm(_DIRECTIONS, axis=1, keepdims=True), _COLORS, strict=True):
        cosine = (normal @ direction)[..., None]
        diffuse += color * np.maximum(cosine + _WRAP, 0) / (1 + _WRAP)
        half = direction + np.array([0, 0, 1])  # Blinn: half way between the light and the viewer, who is straight ahead
        facing = np.maximum(normal @ (half / np.linalg.norm(half)), 0)[..., None] * (cosine > 0)
        for i, times in enumerate(squarings):
            shine[i] += color * facing ** (2 ** times)
    both: Floats = np.concatenate([np.broadcast_to(diffuse, shine.shape), shine], axis=-1).astype(np.float32)
    return both


def _srgb() -> Pixels:
    linear = np.arange(_LEVELS) / (_LEVELS - 1)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    levels: Pixels = np.round(255 * curve).astype(np.uint8)
    return levels


class Raster:
    """Buffers of a picture's size, used again for each frame.

    Args:
        width, height: pixels.
        background: sRGB rows, shape (height, width, 3), uint8, where there is no head.
    """

    def __init__(self, width: int, height: int, background: Pixels) -> None:
        self.width, self.height = width, height
        shape = height * SAMPLES, width * SAMPLES
        self._nearness = np.zeros(shape, np.float32)
        self._triangle = np.zeros(shape, np.int32)
        self._around = np.zeros((height, width), np.float32)
        self._table = _srgb()
        self._used: tuple[int, ...] = ()
        self._background = background
        # Linear again, for the edge pixels that are part head and part background.
        self._behind = np.interp(background, self._table, np.linspace(0, 1, _LEVELS)).astype(np.float32)
        self._picture = np.zeros((height, width, 3), np.uint8)

    def draw(self, points: Floats, normals: Floats, triangles: npt.NDArray[np.int32], material: npt.NDArray[np.int32], colors: Floats,
             gloss: Floats, cavity: float, *, both_sides: bool) -> Pixels:
        """Return the picture, shape (height, width, 3), sRGB; it is overwritten by the next.

        Args:
            points: of each vertex: x right and y down in pixels, 1 / distance from the camera, shape (vertices, 3).
            normals: in the camera's axes, shape (vertices, 3).
            triangles: shape (n, 3), counter-clockwise seen from outside.
            material: of each triangle, shape (n,).
            colors: linear, of each vertex, shape (vertices, 3).
            gloss: of each material: strength of the highlight, its exponent as a power of two; shape (materials, 2).
            both_sides: draw triangles from behind too, as sheets of hair or cloth want it.
            cavity: metres that a point lies behind its surroundings to be in deep shade.
        """
        squarings = tuple(sorted(set(gloss[:, 1].astype(int).tolist())))
        if squarings != self._used:
            self._used, self._light = squarings, _tables(squarings)
        shine_of = np.searchsorted(squarings, gloss[:, 1]).astype(np.int32)
        points = points * np.array([SAMPLES, SAMPLES, 1], np.float32)
        _scan(points, triangles, both_sides, self._nearness, self._triangle)
        _surroundings(self._nearness, self._around, max(self.height // 52, 1))
        _resolve(points, normals, triangles, material, colors, gloss[:, 0].copy(), shine_of, self._nearness, self._triangle,
                 self._around, np.float32(cavity), self._background, self._behind, self._table, self._light, self._picture)
        return self._picture


def _compiled(function: Any) -> Any:
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


@_compiled
def _scan(points, triangles, both_sides, nearness, triangle):  # type: ignore[no-untyped-def]
    """Find the nearest triangle of every sample; `points` in samples."""
    rows, columns = nearness.shape
    one, half, zero = np.float32(1.0), np.float32(0.5), np.float32(0.0)
    for y in range(rows):
        for x in range(columns):
            nearness[y, x] = zero
            triangle[y, x] = -1
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
        bx, by, bz = points[b, 0], points[b, 1], points[b, 2]
        cx, cy, cz = points[c, 0], points[c, 1], points[c, 2]
        # Over 0: its back, for y goes down.
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area == 0 or (area > 0 and not both_sides) or az <= 0 or bz <= 0 or cz <= 0:
            continue
        left, right = max(math.ceil(min(ax, bx, cx) - half), 0), min(math.floor(max(ax, bx, cx) - half), columns - 1)
        top, bottom = max(math.ceil(min(ay, by, cy) - half), 0), min(math.floor(max(ay, by, cy) - half), rows - 1)
        inverse = one / area
        # Barycentric weights of b and c are linear over the picture.
        bu, bv, cu, cv = (cy - ay) * inverse, (ax - cx) * inverse, (ay - by) * inverse, (bx - ax) * inverse
        zb, zc = bz - az, cz - az
        dx = np.float32(left) + half - ax
        for y in range(top, bottom + 1):
            dy = np.float32(y) + half - ay
            wb, wc = dx * bu + dy * bv, dx * cu + dy * cv
            inside = False
            for x in range(left, right + 1):
                if wb >= zero and wc >= zero and wb + wc <= one:
                    inside = True
                    near = az + wb * zb + wc * zc
                    if near > nearness[y, x]:
                        nearness[y, x] = near
                        triangle[y, x] = t
                elif inside:  # a triangle's row has no holes
                    break
                wb += bu
                wc += cu


@_compiled
def _surroundings(nearness, around, radius):  # type: ignore[no-untyped-def]
    """Find how far away the surroundings of every pixel are: what lies behind them, such as a mouth's inside, is in shade.

    Source: Luft, Colditz, Deussen, "Image enhancement by unsharp masking the depth buffer" (2006).
    """
    rows, columns = around.shape
    half_rows, half_columns = (rows + 1) // 2, (columns + 1) // 2
    distance = np.zeros((half_rows, half_columns), np.float32)
    there = np.zeros((half_rows, half_columns), np.float32)
    zero, one = np.float32(0.0), np.float32(1.0)
    for y in range(rows):
        for x in range(columns):
            near = zero
            for k in range(SAMPLES * SAMPLES):
                near = max(near, nearness[SAMPLES * y + k // SAMPLES, SAMPLES * x + k % SAMPLES])
            away = zero if near == zero else one / near
            around[y, x] = away
            if away > zero:  # surroundings are as well told at half the size
                distance[y // 2, x // 2] += away
                there[y // 2, x // 2] += one
    far, weight = _blurred(_blurred(distance, radius), radius), _blurred(_blurred(there, radius), radius)
    for y in range(half_rows):
        for x in range(half_columns):
            far[y, x] = far[y, x] / weight[y, x] if weight[y, x] > zero else distance[y, x]
    for y in range(rows):
        top, low = _between(y, half_rows)
        for x in range(columns):
            if around[y, x] > zero:
                left, along = _between(x, half_columns)
                right, under = min(left + 1, half_columns - 1), min(top + 1, half_rows - 1)
                above = far[top, left] * (one - along) + far[top, right] * along
                below = far[under, left] * (one - along) + far[under, right] * along
                around[y, x] = above * (one - low) + below * low


@_compiled
def _between(at, count):  # type: ignore[no-untyped-def]
    """Return which pixel of a picture of half the size is before the middle of pixel `at`, and how far behind it that is."""
    place = max(np.float32(at) * np.float32(0.5) - np.float32(0.25), np.float32(0.0))
    before = min(int(place), count - 1)
    return before, place - np.float32(before)


@_compiled
def _blurred(image, radius):  # type: ignore[no-untyped-def]
    """Return the mean over a square by running sums; what lies outside the picture counts as 0."""
    rows, columns = image.shape
    across = np.empty_like(image)
    for y in range(rows):
        total = np.float64(0.0)
        for x in range(min(radius, columns)):
            total += image[y, x]
        for x in range(columns):
            if x + radius < columns:
                total += image[y, x + radius]
            if x - radius - 1 >= 0:
                total -= image[y, x - radius - 1]
            across[y, x] = total
    down = np.empty_like(image)
    totals = np.zeros(columns, np.float64)
    for y in range(min(radius, rows)):
        for x in range(columns):
            totals[x] += across[y, x]
    for y in range(rows):
        for x in range(columns):
            if y + radius < rows:
                totals[x] += across[y + radius, x]
            if y - radius - 1 >= 0:
                totals[x] -= across[y - radius - 1, x]
            down[y, x] = totals[x] / ((2 * radius + 1) * (2 * radius + 1))
    return down


@_compiled
def _resolve(points, normals, triangles, material, colors, strength, shine_of, nearness, triangle,  # type: ignore[no-untyped-def]
             around, cavity, background, behind, table, light, picture):
    """Light every pixel: once where all its samples are of one material, else each sample."""
    rows, columns, _ = picture.shape
    count = SAMPLES * SAMPLES
    zero, one, half = np.float32(0.0), np.float32(1.0), np.float32(0.5)
    part = one / np.float32(count)
    top, reach = np.float32(_LEVELS - 1), np.float32((_SIDE - 1) / 2)
    middle_of = reach + half
    for y in range(rows):
        for x in range(columns):
            sy, sx = SAMPLES * y, SAMPLES * x
            first = triangle[sy, sx]
            second, third, fourth = triangle[sy, sx + 1], triangle[sy + 1, sx], triangle[sy + 1, sx + 1]
            same = first == second and first == third and first == fourth
            if same and first < 0:
                for k in range(3):
                    picture[y, x, k] = background[y, x, k]
                continue
            alike = same or (first >= 0 and second >= 0 and third >= 0 and fourth >= 0 and material[first] == material[second]
                             and material[first] == material[third] and material[first] == material[fourth])
            if alike and not same:  # a chin before a neck is of one material, and of two surfaces
                nearest = max(nearness[sy, sx], nearness[sy, sx + 1], nearness[sy + 1, sx], nearness[sy + 1, sx + 1])
                farthest = min(nearness[sy, sx], nearness[sy, sx + 1], nearness[sy + 1, sx], nearness[sy + 1, sx + 1])
                alike = nearest - farthest < np.float32(0.01) * nearest
            nx = ny = nz = red = green = blue = all_red = all_green = all_blue = zero
            steps = 1 if same else count  # within a triangle the pixel's middle stands for all
            for k in range(steps):
                sy, sx = SAMPLES * y + k // SAMPLES, SAMPLES * x + k % SAMPLES
                t = triangle[sy, sx]
                if t < 0:
                    all_red += behind[y, x, 0]
                    all_green += behind[y, x, 1]
                    all_blue += behind[y, x, 2]
                    continue
                a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                ax, ay = points[a, 0], points[a, 1]
                abx, aby, acx, acy = points[b, 0] - ax, points[b, 1] - ay, points[c, 0] - ax, points[c, 1] - ay
                area = abx * acy - acx * aby
                middle = np.float32(SAMPLES) * half if same else half
                dx, dy = np.float32(sx) + middle - ax, np.float32(sy) + middle - ay
                wb, wc = (dx * acy - dy * acx) / area, (dy * abx - dx * aby) / area
                # Of a triangle seen from its edge the quotient is anything.
                wb = min(max(wb, zero), one)
                wc = min(max(wc, zero), one - wb)
                wa = one - wb - wc
                side = one if area < 0 else -one  # the back of a sheet is lit as its own front
                nx += side * (wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0])
                ny += side * (wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1])
                nz += side * (wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2])
                red += wa * colors[a, 0] + wb * colors[b, 0] + wc * colors[c, 0]
                green += wa * colors[a, 1] + wb * colors[b, 1] + wc * colors[c, 1]
                blue += wa * colors[a, 2] + wb * colors[b, 2] + wc * colors[c, 2]
                if alike and k < steps - 1:
                    continue
                share, times = one / np.float32(steps) if alike else one, np.float32(count) if alike else one
                length = math.sqrt(nx * nx + ny * ny)
                # Over the edge, as interpolated normals are now and then: the edge.
                if nz > 0:
                    length = math.sqrt(length * length + nz * nz)
                inverse = reach / length if length > 0 else zero
                column, row = int(nx * inverse + middle_of), int(middle_of - ny * inverse)
                gleam, bright = shine_of[material[t]], strength[material[t]]
                # What is dark in a face is red: shade takes the other two colours first.
                shade = one - (one / nearness[sy, sx] - around[y, x]) / cavity
                shade = min(max(shade, np.float32(0.16)), np.float32(1.06))
                cool = min(shade, one)
                all_red += times * shade * (red * share * light[gleam, row, column, 0] + bright * light[gleam, row, column, 3])
                all_green += times * shade * (green * share * light[gleam, row, column, 1] * (half + half * cool)
                                              + bright * light[gleam, row, column, 4])
                all_blue += times * shade * (blue * share * light[gleam, row, column, 2] * (half + half * cool)
                                             + bright * light[gleam, row, column, 5])
                nx = ny = nz = red = green = blue = zero
            picture[y, x, 0] = table[int(min(max(all_red * part, zero), one) * top + half)]
            picture[y, x, 1] = table[int(min(max(all_green * part, zero), one) * top + half)]
            picture[y, x, 2] = table[int(min(max(all_blue * part, zero), one) * top + half)]
