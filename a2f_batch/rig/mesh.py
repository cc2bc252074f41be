"""Meshes with morph targets: what the mesh formats put a clip on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Material:
    """A plain surface: linear RGB base colour and roughness, each 0..1."""

    name: str
    color: tuple[float, float, float]
    roughness: float = 0.6


@dataclass(frozen=True, eq=False)
class Morph:
    """One morph target: sparse offsets from the rest shape.

    Attributes:
        indices: vertices that move, ascending, shape (n,), int32, n >= 1.
        offsets: their offsets at weight 1 in metres, shape (n, 3), float32.
        normal_offsets: the change of their normals at weight 1, shape (n, 3), float32.
    """

    indices: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.float32]
    normal_offsets: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Part:
    """One mesh of a rig (head, an eyeball, teeth ...). Metres; right-handed, +Y up, +Z forward; +X is the face's own LEFT.

    Attributes:
        vertices: shape (V, 3), float32.
        normals: unit length, shape (V, 3), float32.
        uv: texture coordinates, origin top left as in glTF, shape (V, 2), float32.
        polygons: vertex indices of each face (3 or 4 of them), counter-clockwise seen from outside.
        material: its surface.
        morphs: target name -> offsets; only targets that move this part.
    """

    name: str
    vertices: npt.NDArray[np.float32]
    normals: npt.NDArray[np.float32]
    uv: npt.NDArray[np.float32]
    polygons: tuple[tuple[int, ...], ...]
    material: Material
    morphs: Mapping[str, Morph] = field(default_factory=dict)

    def triangles(self) -> npt.NDArray[np.uint32]:
        """Return the faces cut into triangles, shape (n, 3)."""
        return np.array([(face[0], face[i], face[i + 1]) for face in self.polygons for i in range(1, len(face) - 1)],
                        dtype=np.uint32).reshape(-1, 3)


@dataclass(frozen=True, eq=False)
class Mesh:
    """A rig's meshes, all driven by the same channels.

    Attributes:
        joined: formats that can give a mesh several materials (fbx) write the parts as one: a channel then has one curve, not one a part.
    """

    name: str
    parts: tuple[Part, ...]
    joined: bool = False

    @property
    def targets(self) -> tuple[str, ...]:
        """Every target that some part has, each once, in order of first appearance."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.morphs))
