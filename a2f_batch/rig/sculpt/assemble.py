"""Nets, rest shape and targets put together as the rig's parts, in metres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from a2f_batch.rig.mesh import Material, Mesh, Morph, Part
from a2f_batch.rig.sculpt import cage as net
from a2f_batch.rig.sculpt import neutral, parts
from a2f_batch.rig.sculpt.cage import Cage
from a2f_batch.rig.sculpt.lips import BORDER, CONTACT
from a2f_batch.rig.sculpt.parts import Patch
from a2f_batch.rig.sculpt.surface import Points
from a2f_batch.rig.sculpt.targets import Sculptor

MATERIALS = {
    "skin": Material("skin", (0.72, 0.42, 0.30), 0.55),
    "lips": Material("lips", (0.50, 0.16, 0.13), 0.4),
    "mouth": Material("mouth", (0.16, 0.025, 0.025), 0.6),
    "hair": Material("hair", (0.045, 0.026, 0.018), 0.7),
    "lashes": Material("lashes", (0.012, 0.008, 0.006), 0.8),
    "white": Material("eye_white", (0.86, 0.85, 0.83), 0.15),
    "iris": Material("iris", (0.09, 0.17, 0.20), 0.15),
    "pupil": Material("pupil", (0.004, 0.004, 0.004), 0.1),
    "teeth": Material("teeth", (0.84, 0.80, 0.70), 0.25),
    "tongue": Material("tongue", (0.55, 0.15, 0.15), 0.45),
}

Single: TypeAlias = npt.NDArray[np.float32]

_LEAST_OFFSET = 1e-6
"""Metres; smaller offsets are dropped."""


def build() -> Mesh:
    """Return the default head, made anew."""
    cage = net.build()
    rest = neutral.positions(cage)
    face = Patch(rest, cage.faces, _face_uv(cage, rest), cage.mirror)
    patches = {"lashes": parts.lash_patch(cage.eye.shape[1]), "brows": parts.brows(), "ears": parts.ears(),
               "hair": parts.hair(rest, normals(rest, cage.faces), cage.faces, cage.mirror), **parts.eyes(),
               "upper_teeth": parts.teeth(upper=True), "lower_teeth": parts.teeth(upper=False), "tongue": parts.tongue()}
    targets = Sculptor(cage, rest, patches).all()
    patches["face"] = face
    solid = {name: _Solid(patch, {target: fields[name] for target, fields in targets.items() if name in fields})
             for name, patch in patches.items()}
    skin, lips, mouth = _face_groups(cage)
    made = [solid["face"].part("head", MATERIALS["skin"], skin), solid["face"].part("lips", MATERIALS["lips"], lips),
            solid["face"].part("mouth", MATERIALS["mouth"], mouth)]
    for side, of in (("left", 0), ("right", 1)):
        for name, material in (("eye", "white"), ("iris", "iris"), ("pupil", "pupil")):
            half = len(patches[name].faces) // 2
            made.append(solid[name].part(f"{side}_{name}", MATERIALS[material], patches[name].faces[of * half:(of + 1) * half]))
    for name, material in (("brows", "hair"), ("lashes", "lashes"), ("ears", "skin"), ("hair", "hair"),
                           ("upper_teeth", "teeth"), ("lower_teeth", "teeth"), ("tongue", "tongue")):
        made.append(solid[name].part(name, MATERIALS[material], patches[name].faces))
    return Mesh("head", tuple(made))


def normals(vertices: Points, faces: Sequence[tuple[int, ...]]) -> Points:
    """Return area-weighted unit normals, shape (V, 3)."""
    quads = np.array([face if len(face) == 4 else (*face, face[2]) for face in faces])
    a, b, c, d = (vertices[quads[:, i]] for i in range(4))
    # Twice the area times the normal, for a triangle too (its last corner is doubled).
    across = np.cross(c - a, d - b)
    total = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(total, quads[:, corner], across)
    real = quads[:, 3] != quads[:, 2]
    np.add.at(total, quads[real, 3], across[real])
    unit: Points = total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-12)
    return unit


class _Solid:
    """A patch in metres with the normals of its rest shape and of every target."""

    def __init__(self, patch: Patch, targets: Mapping[str, Points]) -> None:
        self._patch = patch
        mirror = patch.mirror
        self._own = mirror == np.arange(len(mirror))
        self._right = (patch.vertices[:, 0] < 0) & ~self._own
        self._vertices = (patch.vertices / 1000).astype(np.float32)
        self._normals = self._symmetrical(normals(patch.vertices, patch.faces)).astype(np.float32)
        self._fields: dict[str, tuple[Single, Single]] = {}
        for name, field in targets.items():
            offsets = (field / 1000).astype(np.float32)
            turned = normals(patch.vertices + field, patch.faces)
            if "Right" in name:
                offsets_left, turned_left = self._fields[name.replace("Right", "Left")]
                flip = np.array([-1, 1, 1], np.float32)
                self._fields[name] = offsets_left[mirror] * flip, turned_left[mirror] * flip
                continue
            if "Left" not in name:
                turned = self._symmetrical(turned)
            self._fields[name] = offsets, turned.astype(np.float32) - self._normals

    def _symmetrical(self, directions: Points) -> Points:
        result = directions.copy()
        result[self._own, 0] = 0.0
        result[self._own] /= np.linalg.norm(result[self._own], axis=-1, keepdims=True)
        result[self._right] = result[self._patch.mirror[self._right]] * (-1.0, 1.0, 1.0)
        return result

    def part(self, name: str, material: Material, faces: Sequence[tuple[int, ...]]) -> Part:
        """Return the part that `faces` cover, with its own vertex numbers."""
        used = np.unique(np.concatenate([np.array(face) for face in faces]))
        place = {int(v): i for i, v in enumerate(used)}
        morphs = {}
        for target, (offsets, turned) in self._fields.items():
            moved = np.flatnonzero(np.linalg.norm(offsets[used], axis=-1) >= _LEAST_OFFSET)
            if len(moved):
                morphs[target] = Morph(moved.astype(np.int32), offsets[used[moved]] + np.float32(0), turned[used[moved]] + np.float32(0))
        return Part(name, self._vertices[used], self._normals[used], self._patch.uv[used].astype(np.float32),
                    tuple(tuple(place[v] for v in face) for face in faces), material, morphs)


def _face_groups(cage: Cage) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Return the faces of the skin, of the red of the lips and of the mouth's inside."""
    ring = np.full(len(cage.mirror), -1)
    ring[cage.mouth] = np.arange(len(cage.mouth))[:, None]
    ring = np.maximum(ring, ring[cage.mirror])
    shallowest = [min(int(ring[v]) for v in face) for face in cage.faces]
    pairs = list(zip(cage.faces, shallowest, strict=True))
    return ([face for face, depth in pairs if depth < BORDER], [face for face, depth in pairs if BORDER <= depth <= CONTACT],
            [face for face, depth in pairs if depth > CONTACT])


def _face_uv(cage: Cage, rest: Points) -> Points:
    """Return texture coordinates without a seam: the skin seen from above its crown, spread out to the neck; holes ring in ring.

    The centre lies before the crown, so that its opposite falls into the neck's opening.
    """
    axis = np.array([0.0, 0.919, 0.394])
    down = np.array([0.0, -0.394, 0.919])
    way = rest - (0.0, -10.0, -10.0)
    way = way / np.linalg.norm(way, axis=-1, keepdims=True)
    polar = np.arccos((way @ axis).clip(-1, 1)) / np.pi
    flat = np.stack([way[:, 0], way @ down], axis=-1)
    flat /= np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-9)
    uv = 0.5 + 0.5 * polar[:, None] * flat
    for rings, both in ((cage.mouth, True), (cage.eye, False)):
        for loop in (rings, cage.mirror[rings]):
            edge = uv[loop[0]]
            centre = uv[np.r_[rings[0], cage.mirror[rings[0]]]].mean(axis=0) if both else edge.mean(axis=0)
            for r in range(1, len(loop)):
                uv[loop[r]] = centre + (edge - centre) * (1 - r / (len(loop) + 0.5))
    placed: Points = uv
    return placed
