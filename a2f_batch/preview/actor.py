"""Whom the preview shows: a head's surfaces as plain arrays, posed by a clip, seen by a camera that frames the face."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from a2f_batch.rig.mesh import Material, Mesh

Floats = npt.NDArray[np.float32]

_FIELD_OF_VIEW = math.radians(17)  # about a 120 mm lens: faces seen nearer look like nose
_TURN = math.radians(16)  # to the side: from straight ahead no lips are seen to come forward
_TILT = math.radians(2)


@dataclass(frozen=True, eq=False)
class Actor:
    """Everything that is drawn, its meshes one after another.

    Attributes:
        vertices, normals: at rest, shape (V, 3).
        triangles: shape (T, 3), int32.
        material: of each triangle, shape (T,), int32.
        colors: linear, of each vertex, shape (V, 3).
        gloss: of each material, see `raster.Raster.draw`; shape (materials, 2).
        reach: row i: the vertices that weight i moves, as [start, stop) of the three below; shape (weights, 2).
        moved, offsets, tilts: which vertices, their offsets and their normals' at weight 1; shape (n,), (n, 3), (n, 3).
        face: lowest and highest corner of what the frame holds, metres, shape (2, 3).
        both_sides: whether triangles are seen from behind, too.
    """

    vertices: Floats
    normals: Floats
    triangles: npt.NDArray[np.int32]
    material: npt.NDArray[np.int32]
    colors: Floats
    gloss: Floats
    reach: npt.NDArray[np.int64]
    moved: npt.NDArray[np.int64]
    offsets: Floats
    tilts: Floats
    face: npt.NDArray[np.float64]
    both_sides: bool

    def posed(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return vertices and normals (of any length) with `weights`, one a row of `reach`."""
        vertices, normals = self.vertices.copy(), self.normals.copy()
        for i in np.flatnonzero(np.abs(weights) > 1e-5):
            some = slice(*self.reach[i])
            which = self.moved[some]
            # A target moves a vertex once, so that adding by index is right.
            vertices[which] += weights[i] * self.offsets[some]
            normals[which] += weights[i] * self.tilts[some]
        return vertices, normals


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera in front of a face.

    Attributes:
        axes: right, up and towards the viewer, as rows; shape (3, 3).
        position: metres.
        scale: pixels at the distance of one metre.
        centre: the picture's middle, x and y in pixels.
        depth: metres behind its surroundings at which a point is in deep shade.
    """

    axes: npt.NDArray[np.float64]
    position: npt.NDArray[np.float64]
    scale: float
    centre: tuple[float, float]
    depth: float

    @classmethod
    def framing(cls, face: npt.NDArray[np.float64], width: int, height: int) -> Camera:
        """Return the camera that has `face`, lowest and highest corner, in the middle of a picture of this size."""
        sine, cosine = math.sin(_TURN), math.cos(_TURN)
        towards = np.array([sine * math.cos(_TILT), math.sin(_TILT), cosine * math.cos(_TILT)])
        right = np.array([cosine, 0.0, -sine])
        axes = np.stack([right, np.cross(towards, right), towards])
        size = face[1] - face[0]
        visible = max(size[1], max(size[0], size[2] * 0.6) * height / width)
        scale = height / (2 * math.tan(_FIELD_OF_VIEW / 2))
        distance = visible / height * scale + size[2] / 2
        return cls(axes, face.mean(axis=0) + distance * towards, scale, (width / 2, height / 2), 0.085 * float(visible))

    def project(self, vertices: Floats) -> Floats:
        """Return x and y in pixels and 1 / distance, shape (V, 3); 0 for what is behind the camera."""
        seen = (vertices - self.position.astype(np.float32)) @ self.axes.T.astype(np.float32)
        with np.errstate(divide="ignore"):
            near = np.where(seen[:, 2] < -1e-3, -1 / seen[:, 2], 0).astype(np.float32)
        x = self.centre[0] + np.float32(self.scale) * seen[:, 0] * near
        y = self.centre[1] - np.float32(self.scale) * seen[:, 1] * near
        projected: Floats = np.stack([x, y, near], axis=1).astype(np.float32)
        return projected

    def turn(self, normals: Floats) -> Floats:
        """Return vectors in the camera's axes."""
        return np.ascontiguousarray(normals @ self.axes.T.astype(np.float32))


@lru_cache(maxsize=4)
def actor_of(meshes: tuple[Mesh, ...], targets: tuple[tuple[str, ...], ...], *, both_sides: bool = False) -> Actor:
    """Return the actor of `meshes`.

    Args:
        targets: of each mesh, those that weights will be given for, in order.
        both_sides: see `raster.Raster.draw`.
    """
    vertices, normals, triangles, material, colors = [], [], [], [], []
    gloss: list[tuple[float, float]] = []
    reach, moved = [], [np.zeros(0, np.int64)]
    offsets, tilts = [np.zeros((0, 3), np.float32)], [np.zeros((0, 3), np.float32)]
    first = start = 0
    for mesh, own in zip(meshes, targets, strict=True):
        firsts = np.cumsum([first, *(len(part.vertices) for part in mesh.parts)])
        for part, at in zip(mesh.parts, firsts, strict=False):
            vertices.append(part.vertices)
            normals.append(part.normals)
            triangles.append(part.triangles().astype(np.int32) + np.int32(at))
            material.append(np.full(len(triangles[-1]), len(gloss), np.int32))
            colors.append(np.broadcast_to(np.asarray(part.material.color, np.float32), part.vertices.shape))
            gloss.append(_gloss(part.material))
        for name in own:
            begin = start
            for part, at in zip(mesh.parts, firsts, strict=False):
                if morph := part.morphs.get(name):
                    moved.append(morph.indices.astype(np.int64) + at)
                    offsets.append(morph.offsets)
                    tilts.append(morph.normal_offsets)
                    start += len(morph.indices)
            reach.append((begin, start))
        first = int(firsts[-1])
    everything, every_move, every_offset = np.concatenate(vertices), np.concatenate(moved), np.concatenate(offsets)
    return Actor(everything, np.concatenate(normals), np.concatenate(triangles), np.concatenate(material), np.concatenate(colors),
                 np.array(gloss, np.float32), np.array(reach, np.int64).reshape(-1, 2), every_move, every_offset, np.concatenate(tilts),
                 _face(everything, every_move, every_offset), both_sides)


def _gloss(material: Material) -> tuple[float, float]:
    """Return strength and exponent, a power of two, of a material's highlight."""
    smooth = 1 - min(max(material.roughness, 0.0), 1.0)
    return 0.03 + 0.75 * smooth ** 4, round(2 + 6 * smooth)


def _face(vertices: Floats, moved: npt.NDArray[np.int64], offsets: Floats) -> npt.NDArray[np.float64]:
    """Return the corners of what is worth seeing: round what moves, for a character may have a body."""
    far = np.linalg.norm(offsets, axis=1)
    moving = vertices[moved[far > 0.05 * far.max()]] if len(far) and far.max() > 0 else vertices
    low, high = moving.min(axis=0).astype(np.float64), moving.max(axis=0).astype(np.float64)
    size = high - low
    return np.stack([low - size * (0.12, 0.06, 0.0), high + size * (0.12, 0.30, 0.0)])
