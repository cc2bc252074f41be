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
_COLORS = np.array([[0.86, 0.81, 0.74], [0.22, 0.25, 0.30], [0.75, 0.85, 0.95], [0.35, 0.35, 0.40]])
_SKY, _GROUND = np.array([0.20, 0.22, 0.25], np.float32), np.array([0.10, 0.085, 0.08], np.float32)
# Light that wanders under the skin and comes out beyond the terminator, red the farthest.
_WRAP = np.array([0.34, 0.18, 0.13], np.float32)
_LEVELS = 4096


def _lights() -> Floats:
    """Return direction, colour and half-way direction to the viewer of each light, shape (lights, 9)."""
    directions = _DIRECTIONS / np.linalg.norm(_DIRECTIONS, axis=1, keepdims=True)
    halves = directions + (0, 0, 1)
    return np.hstack([directions, _COLORS, halves / np.linalg.norm(halves, axis=1, keepdims=True)]).astype(np.float32)


def _srgb() -> Pixels:
    linear = np.arange(_LEVELS) / (_LEVELS - 1)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * curve).astype(np.uint8)


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
        self._shade = np.zeros((height, width), np.float32)
        self._table, self._lights = _srgb(), _lights()
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
        points = points * np.array([SAMPLES, SAMPLES, 1], np.float32)
        _scan(points, triangles, both_sides, self._nearness, self._triangle)
        _cavities(self._nearness, self._shade, cavity, max(self.height // 26, 1))
        _resolve(points, normals, triangles, material, colors, gloss, self._triangle, self._shade, self._background, self._behind,
                 self._table, self._lights, _SKY, _GROUND, _WRAP, self._picture)
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
        left, right = max(int(math.ceil(min(ax, bx, cx) - half)), 0), min(int(math.floor(max(ax, bx, cx) - half)), columns - 1)
        top, bottom = max(int(math.ceil(min(ay, by, cy) - half)), 0), min(int(math.floor(max(ay, by, cy) - half)), rows - 1)
        inverse = one / area
        # Barycentric weights of b and c are linear over the picture.
        bu, bv, cu, cv = (cy - ay) * inverse, (ax - cx) * inverse, (ay - by) * inverse, (bx - ax) * inverse
        zb, zc = bz - az, cz - az
        dx = np.float32(left) + half - ax
        for y in range(top, bottom + 1):
            dy = np.float32(y) + half - ay
            wb, wc = dx * bu + dy * bv, dx * cu + dy * cv
            for x in range(left, right + 1):
                if wb >= zero and wc >= zero and wb + wc <= one:
                    near = az + wb * zb + wc * zc
                    if near > nearness[y, x]:
                        nearness[y, x] = near
                        triangle[y, x] = t
                wb += bu
                wc += cu


@_compiled
def _cavities(nearness, shade, cavity, radius):  # type: ignore[no-untyped-def]
    """Darken what lies behind its surroundings: 1 in the open, less in the mouth, the nostrils, round the eyes.

    Source: Luft, Colditz, Deussen, "Image enhancement by unsharp masking the depth buffer" (2006).
    """
    rows, columns = shade.shape
    distance = np.zeros((rows, columns), np.float32)
    there = np.zeros((rows, columns), np.float32)
    for y in range(rows):
        for x in range(columns):
            near = np.float32(0.0)
            for k in range(SAMPLES * SAMPLES):
                near = max(near, nearness[SAMPLES * y + k // SAMPLES, SAMPLES * x + k % SAMPLES])
            if near > 0:
                distance[y, x] = np.float32(1.0) / near
                there[y, x] = 1
    far, weight = _blurred(_blurred(distance, radius), radius), _blurred(_blurred(there, radius), radius)
    for y in range(rows):
        for x in range(columns):
            if there[y, x] > 0 and weight[y, x] > 0:
                behind = (distance[y, x] - far[y, x] / weight[y, x]) / cavity
                open_ = np.float32(1.0) - behind
                shade[y, x] = min(max(open_, np.float32(0.16)), np.float32(1.06))
            else:
                shade[y, x] = 1


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
def _resolve(points, normals, triangles, material, colors, gloss, triangle, shades, background, behind,  # type: ignore[no-untyped-def]
             table, lights, sky, ground, wrap, picture):
    """Light every pixel: once where all its samples are of one material, else each sample."""
    rows, columns, _ = picture.shape
    count = SAMPLES * SAMPLES
    zero, one, half = np.float32(0.0), np.float32(1.0), np.float32(0.5)
    part = one / np.float32(count)
    top = np.float32(_LEVELS - 1)
    for y in range(rows):
        for x in range(columns):
            first = triangle[SAMPLES * y, SAMPLES * x]
            alike, same, empty = first >= 0, first >= 0, 0
            for k in range(count):
                t = triangle[SAMPLES * y + k // SAMPLES, SAMPLES * x + k % SAMPLES]
                empty += t < 0
                same = same and t == first
                alike = alike and t >= 0 and material[t] == material[first]
            if empty == count:
                for k in range(3):
                    picture[y, x, k] = background[y, x, k]
                continue
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
                length = math.sqrt(nx * nx + ny * ny + nz * nz)
                if length > 0:
                    nx, ny, nz = nx / length, ny / length, nz / length
                up = half + half * ny
                r, g, b_ = (sky[0] * up + ground[0] * (one - up), sky[1] * up + ground[1] * (one - up),
                            sky[2] * up + ground[2] * (one - up))
                sr = sg = sb = zero
                strength, squarings = gloss[material[t], 0], int(gloss[material[t], 1])
                for i in range(len(lights)):
                    cosine = nx * lights[i, 0] + ny * lights[i, 1] + nz * lights[i, 2]
                    r += lights[i, 3] * max(cosine + wrap[0], zero) / (one + wrap[0])
                    g += lights[i, 4] * max(cosine + wrap[1], zero) / (one + wrap[1])
                    b_ += lights[i, 5] * max(cosine + wrap[2], zero) / (one + wrap[2])
                    if cosine > 0:
                        # Blinn: half way between the light and the viewer, who is straight ahead.
                        shine = max(nx * lights[i, 6] + ny * lights[i, 7] + nz * lights[i, 8], zero)
                        for _ in range(squarings):
                            shine *= shine
                        shine *= strength
                        sr += shine * lights[i, 3]
                        sg += shine * lights[i, 4]
                        sb += shine * lights[i, 5]
                # What is dark in a face is red: shade takes the other two colours first.
                shade = shades[y, x]
                cool = min(shade, one)
                all_red += times * shade * (red * share * r + sr)
                all_green += times * shade * (green * share * g * (half + half * cool) + sg)
                all_blue += times * shade * (blue * share * b_ * (half + half * cool) + sb)
                nx = ny = nz = red = green = blue = zero
            picture[y, x, 0] = table[int(min(max(all_red * part, zero), one) * top + half)]
            picture[y, x, 1] = table[int(min(max(all_green * part, zero), one) * top + half)]
            picture[y, x, 2] = table[int(min(max(all_blue * part, zero), one) * top + half)]
