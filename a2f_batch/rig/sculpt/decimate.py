"""The proxy head: a few hundred of the default head's own vertices, chosen so that rest and all targets keep their shape.

`python -m a2f_batch.rig.sculpt.decimate [FILE]` makes its file anew (about 10 s).
"""

from __future__ import annotations

import heapq
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from a2f_batch.rig.mesh import Material, Mesh, Morph, Part

Array: TypeAlias = npt.NDArray[np.float64]
Face: TypeAlias = tuple[int, int, int]

# New part -> the default head's parts in it; those of one line are one surface where they touch. Each line keeps about so many
# vertices of the left half, the middle's among them. Lashes and lower teeth are left out.
_SURFACES: tuple[tuple[dict[str, tuple[str, ...]], int], ...] = (
    ({"head": ("head", "lips"), "mouth": ("mouth",)}, 100),
    ({"head": ("ears",)}, 6),
    ({"whites": ("left_eye", "right_eye")}, 10),
    ({"dark": ("left_iris", "left_pupil", "right_iris", "right_pupil")}, 8),
    ({"dark": ("brows",)}, 7),
    ({"dark": ("hair",)}, 22),
    ({"whites": ("upper_teeth",)}, 8),
    ({"mouth": ("tongue",)}, 9),
)
# New part -> whose material it has, and what its targets begin with: a target costs 0.7 KB in a file for each part that it moves,
# 2 KB with its curve. The whites of the eyes are balls: turning shows nothing.
_LOOKS = {"head": ("head", ("",)), "dark": ("hair", ("eyeLook", "brow")), "whites": ("left_eye", ()),
          "mouth": ("tongue", ("jawOpen", "tongue"))}
# Metres; what moves a vertex less is not seen at this size.
_LEAST_OFFSET = 5e-4
# Centimetres; positions and offsets are rounded to whole ones, so that FBX, which packs its arrays, has less to pack.
_GRAIN = 1 / 128

# A target counts where it moves something: where it moves it as far as it moves anything, this many times as much as the rest shape.
_TARGET_WEIGHT = 12.0
# Metres along the normals: brows and hair are lifted off the skin, and eyeballs shrunk behind the lids, for the skin of the proxy is
# not quite where the skin was.
_LIFT = {"brows": 3e-3, "hair": 3e-3, "left_eye": -2e-3, "right_eye": -2e-3, "left_iris": -2e-3, "left_pupil": -2e-3,
         "right_iris": -2e-3, "right_pupil": -2e-3}
# Little of the mouth's inside is ever seen.
_INSIDE_WEIGHT = 0.02
# How much more a border counts than the surface; and what keeps flat stretches from being emptied.
_BORDER_WEIGHT, _EDGE_WEIGHT = 4.0, 2e-3


def proxy_of(mesh: Mesh) -> Mesh:
    """Return a small `mesh` of some of its vertices, with all its targets; left and right are exact mirror images as they are in `mesh`.

    Vertices are taken away one by one, each onto a neighbour, in the order of the error that this makes: squared distances from
    planes (Garland and Heckbert, 1997), summed over the rest shape and every target. What is left is rounded by some 0.1 mm.
    """
    rig = _Vertices(mesh)
    faces: dict[str, list[Face]] = defaultdict(list)
    for members, budget in _SURFACES:
        labelled = [(face, label) for label, names in members.items() for name in names for face in rig.triangles(name)]
        for face, label in _Decimation(rig, labelled).down_to(budget):
            faces[label].append(face)
    material = {part.name: part.material for part in mesh.parts}
    return Mesh(f"{mesh.name}_proxy", tuple(
        rig.part(name, of_part, material[_LOOKS[name][0]], _LOOKS[name][1]) for name, of_part in faces.items()))


class _Vertices:
    """All vertices of a mesh, those at one place that move together taken as one, with their mirror images."""

    def __init__(self, mesh: Mesh) -> None:
        self.targets = mesh.targets
        self._parts = {part.name: part for part in mesh.parts}
        position, normal = (np.concatenate([getattr(part, name) for part in mesh.parts]) for name in ("vertices", "normals"))
        self._lift = np.concatenate([np.full(len(part.vertices), _LIFT.get(part.name, 0.0)) for part in mesh.parts])
        offsets = np.zeros((len(self.targets), len(position), 3), np.float32)
        self._first = dict(zip(self._parts, np.cumsum([0] + [len(part.vertices) for part in mesh.parts]).tolist(), strict=False))
        for part in mesh.parts:
            for target, morph in part.morphs.items():
                offsets[self.targets.index(target), self._first[part.name] + morph.indices] = morph.offsets
        self.normal, self.offsets = normal, offsets
        self.poses: Array = np.concatenate([position[None], position[None] + offsets]).astype(np.float64)
        swapped = [self.targets.index(_other_side(target)) for target in self.targets]
        flip = np.array([-1, 1, 1], np.float32)
        keys = [row.tobytes() for row in np.concatenate([position[None], offsets]).swapaxes(0, 1) + np.float32(0)]
        mirrored = [row.tobytes() for row in np.concatenate([position[None], offsets[swapped]]).swapaxes(0, 1) * flip + np.float32(0)]
        at_place: dict[bytes, int] = {}
        self._same = [at_place.setdefault(key, i) for i, key in enumerate(keys)]
        self.mirror = [at_place[key] for key in mirrored]

    def triangles(self, name: str) -> Iterable[Face]:
        """Yield the triangles of a part's left half."""
        for corners in (self._parts[name].triangles() + self._first[name]).tolist():
            a, b, c = (self._same[corner] for corner in corners)
            if len({a, b, c}) == 3 and self.poses[0, [a, b, c], 0].min() >= 0:
                yield a, b, c

    def part(self, name: str, left: Sequence[Face], material: Material, prefixes: tuple[str, ...]) -> Part:
        """Return the part that the triangles of its left half, and their mirror images, cover.

        Its targets turn no normal, which would be half of a target's bytes; there is nothing to texture, so no UV either: all are 0.

        Args:
            prefixes: beginnings of the targets that it is to have.
        """
        faces = [*left, *((self.mirror[c], self.mirror[b], self.mirror[a]) for a, b, c in left)]
        used = np.unique(np.array(faces))
        place = {int(vertex): i for i, vertex in enumerate(used)}
        morphs = {}
        for number, target in enumerate(self.targets):
            moved = np.flatnonzero(np.linalg.norm(self.offsets[number, used], axis=1) >= _LEAST_OFFSET)
            if len(moved) and target.startswith(prefixes):
                offsets = _rounded(self.offsets[number, used[moved]])
                morphs[target] = Morph(moved.astype(np.int32), offsets, np.zeros_like(offsets))
        vertices = _rounded(self.poses[0, used] + self._lift[used, None] * self.normal[used])
        return Part(name, vertices, self.normal[used], np.zeros((len(used), 2), np.float32),
                    tuple((place[a], place[b], place[c]) for a, b, c in faces), material, morphs)


@dataclass(order=True, frozen=True)
class _Step:
    """A vertex that may go onto its neighbour; the version tells whether the cost is still of today."""

    cost: float
    gone: int
    onto: int
    version: tuple[int, int]


class _Decimation:
    """Half-edge collapses on the left half of one surface."""

    def __init__(self, rig: _Vertices, labelled: Sequence[tuple[Face, str]]) -> None:
        self._poses = rig.poses
        self._label = dict(labelled)
        self._faces: dict[int, set[Face]] = defaultdict(set)
        for face in self._label:
            for vertex in face:
                self._faces[vertex].add(face)
        self._version = dict.fromkeys(self._faces, 0)
        motion = np.linalg.norm(rig.poses[1:] - rig.poses[0], axis=2)
        # Of every vertex in every pose.
        self._importance = np.concatenate([np.ones((1, motion.shape[1])), _TARGET_WEIGHT * motion / motion.max(axis=1, keepdims=True)])
        self._quadric: dict[int, Array] = {vertex: np.zeros((len(rig.poses), 4, 4)) for vertex in self._faces}
        middle = {vertex for vertex in self._faces if rig.poses[0, vertex, 0] == 0}
        # Where the middle ends at a border, the two kinds of border meet: such a vertex stays.
        borders: dict[int, int] = defaultdict(int)
        for face in self._label:
            for a, b, c in (face, (*face[1:], face[0]), (face[2], *face[:2])):
                self._add_plane(a, face, (_INSIDE_WEIGHT if self._label[face] == "mouth" else 1) / 3)
                sharing = self._sharing(a, b)
                if len(sharing) == 1 and not (a in middle and b in middle):
                    borders[a] |= 1
                    borders[b] |= 1
                if len(sharing) == 1 or len({self._label[one] for one in sharing}) > 1:
                    self._add_border(a, b, c)
        self._fixed = {vertex for vertex in middle if borders[vertex]}

    def down_to(self, n_vertices: int) -> list[tuple[Face, str]]:
        """Return the triangles that are left, with their labels, in a fixed order."""
        queue = [step for vertex in sorted(self._faces) for step in self._steps(vertex)]
        heapq.heapify(queue)
        while queue and len(self._faces) > n_vertices:
            step = heapq.heappop(queue)
            known = step.gone in self._faces and step.onto in self._faces
            if known and step.version == (self._version[step.gone], self._version[step.onto]) and self._allowed(step.gone, step.onto):
                for vertex in self._collapse(step.gone, step.onto):
                    for again in self._steps(vertex):
                        heapq.heappush(queue, again)
        return sorted(self._label.items())

    def _steps(self, vertex: int) -> Iterable[_Step]:
        """Yield the steps between `vertex` and its neighbours, both ways."""
        for other in sorted(self._neighbours(vertex)):
            for gone, onto in ((vertex, other), (other, vertex)):
                if gone not in self._fixed:
                    yield _Step(self._cost(gone, onto), gone, onto, (self._version[gone], self._version[onto]))

    def _cost(self, gone: int, onto: int) -> float:
        corner = np.concatenate([self._poses[:, onto], np.ones((len(self._poses), 1))], axis=1)
        quadric = self._quadric[gone] + self._quadric[onto]
        errors = np.einsum("pi,pij,pj->p", corner, quadric, corner)
        edge = float(((self._poses[0, gone] - self._poses[0, onto]) ** 2).sum())
        return float(errors.sum()) + _EDGE_WEIGHT * edge * edge

    def _allowed(self, gone: int, onto: int) -> bool:
        sharing = self._sharing(gone, onto)
        labels = {self._label[face] for face in self._faces[gone]}
        if len(labels) > len({self._label[face] for face in sharing}):
            return False  # it would leave the line between two parts
        rim = any(len(self._sharing(gone, other)) == 1 for other in self._neighbours(gone))
        if rim and len(sharing) != 1:
            return False  # it would leave the border, which the middle is too
        if len(self._neighbours(gone) & self._neighbours(onto)) != len(sharing) or len(self._faces) <= 4:
            return False  # the surface would be pinched
        for face in self._faces[gone] - sharing:
            moved = tuple(onto if vertex == gone else vertex for vertex in face)
            before, after = (self._across(corners, 1)[0] for corners in (face, moved))
            if moved in self._label or before @ after < 0.2 * np.linalg.norm(before) * np.linalg.norm(after):
                return False  # it would turn over
        return True

    def _collapse(self, gone: int, onto: int) -> Iterable[int]:
        """Move `gone` onto `onto`; return the vertices whose steps have changed."""
        for face in sorted(self._faces.pop(gone)):
            label = self._label.pop(face)
            for vertex in set(face) - {gone}:
                self._faces[vertex].discard(face)
            if onto not in face:
                a, b, c = (onto if vertex == gone else vertex for vertex in face)
                self._label[a, b, c] = label
                for vertex in (a, b, c):
                    self._faces[vertex].add((a, b, c))
        self._quadric[onto] += self._quadric.pop(gone)
        # What is allowed round here has changed too, so all of its steps are looked at anew.
        changed = sorted({onto} | self._neighbours(onto))
        for vertex in changed:
            self._version[vertex] += 1
        return changed

    def _neighbours(self, vertex: int) -> set[int]:
        return {corner for face in self._faces[vertex] for corner in face} - {vertex}

    def _sharing(self, a: int, b: int) -> set[Face]:
        return self._faces[a] & self._faces[b]

    def _across(self, face: Sequence[int], n_poses: int) -> Array:
        """Return twice the area times the normal of a triangle in the first poses."""
        a, b, c = (self._poses[:n_poses, vertex] for vertex in face)
        across: Array = np.cross(b - a, c - a)
        return across

    def _add_plane(self, vertex: int, face: Face, weight: float) -> None:
        self._add(vertex, self._poses[:, face[0]], self._across(face, len(self._poses)), weight)

    def _add_border(self, a: int, b: int, c: int) -> None:
        """Add to both ends of an edge the plane through it that stands on its triangle."""
        along = self._poses[:, b] - self._poses[:, a]
        upright = np.cross(along, self._across((a, b, c), len(self._poses)))
        length = np.linalg.norm(along, axis=1, keepdims=True)
        upright *= length ** 2 / np.maximum(np.linalg.norm(upright, axis=1, keepdims=True), 1e-15)
        for vertex in (a, b):
            self._add(vertex, self._poses[:, a], upright, _BORDER_WEIGHT)

    def _add(self, vertex: int, point: Array, normal: Array, weight: float) -> None:
        """Add the squared distance from a plane in every pose, weighted by the length of its normal."""
        length = np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15)
        plane = np.concatenate([normal, -(normal * point).sum(axis=1, keepdims=True)], axis=1) / length
        self._quadric[vertex] += weight * (self._importance[:, vertex, None] * length)[:, :, None] * plane[:, :, None] * plane[:, None, :]


def _rounded(metres: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Return the nearest float32 metres that, times 100 in float32, are whole grains."""
    grains = np.rint(np.abs(metres) * 100 / _GRAIN)
    for _ in range(8):
        rounded = (grains * _GRAIN / 100).astype(np.float32)
        grains += rounded * np.float32(100) != grains * _GRAIN  # one in some has no such float32: its neighbour does
    return np.copysign(rounded, metres).astype(np.float32) + np.float32(0)


def _other_side(target: str) -> str:
    return target.replace("Left", "\0").replace("Right", "Left").replace("\0", "Right")


if __name__ == "__main__":
    from a2f_batch.export.atomic import replacing
    from a2f_batch.rig import head, proxy

    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(proxy.__file__).with_name(proxy.ASSET)
    made = proxy_of(head.default_head())
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **head.pack(made))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {sum(len(part.vertices) for part in made.parts)} vertices")
