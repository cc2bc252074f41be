"""A mesh with morph targets as a glTF document: what takes are put on where there is no character."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pygltflib

from a2f_batch.clip import FaceClip, Values
from a2f_batch.export.gltf_file import Json
from a2f_batch.export.gltf_takes import Keying, Moves
from a2f_batch.export.reduce import allowed
from a2f_batch.export.rotations import EYE_PARTS, eye_centre, quaternions, turns
from a2f_batch.export.tracks import as_text, check_names, check_targets, weights_for
from a2f_batch.rig.joints import Joint
from a2f_batch.rig.mesh import Material, Mesh, Part


@dataclass(frozen=True, eq=False)
class MeshRig:
    """A mesh laid out once for all its takes: every part a node under one root.

    Attributes:
        mesh: what is laid out.
        animated: (node, its targets) of the parts that have any.
        joints: (joint, its node, the nodes that turn with an eye).
    """

    mesh: Mesh
    document: Json
    content: bytes
    animated: tuple[tuple[int, tuple[str, ...]], ...]
    joints: tuple[tuple[Joint, int, frozenset[int]], ...] = ()
    chunks: tuple[tuple[int, bytes], ...] = ()

    def moves(self, clip: FaceClip, keying: Keying) -> Moves:
        """Return the weights of every part, and how the head and the eyes turn. Eyeballs that turn have their eyeLook targets at 0.

        Raises:
            ExportError: a channel of `clip` that is not a target (code 'channel-without-target') or no plain text ('channel-name').
        """
        check_names(clip, reserved=(), format="glTF")
        check_targets(clip, self.mesh)
        turned = {node for joint, _, held in self.joints if turns(clip, joint) for node in held}
        targets = self.mesh.targets
        return Moves({node: partial(_still if node in turned else weights_for, clip, its) for node, its in self.animated},
                     {node: quaternions(clip, joint) for joint, node, _ in self.joints if turns(clip, joint)},
                     partial(weights_for, clip, targets), len(targets), allowed(keying.tolerance, targets))


def _still(clip: FaceClip, targets: Sequence[str]) -> Values:
    return np.zeros((clip.n_frames, len(targets)), np.float32)


def mesh_rig(mesh: Mesh | None, *, rotations: bool = False) -> MeshRig:
    """Return `mesh`, the default head if None, as a glTF document; with `rotations` its eyes have joints at their centres."""
    if mesh is None:
        from a2f_batch.rig.head import default_head

        mesh = default_head()
    return _laid_out(mesh, rotations)


@dataclass
class _Buffer:
    """A buffer under construction."""

    content: bytearray = field(default_factory=bytearray)
    views: list[pygltflib.BufferView] = field(default_factory=list)

    def add(self, array: npt.NDArray[Any], target: int | None = None) -> int:
        """Append `array` and return the index of its view."""
        little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
        self.views.append(pygltflib.BufferView(buffer=0, byteOffset=len(self.content), byteLength=len(little_endian),
                                               target=target))
        self.content += little_endian + bytes(-len(little_endian) % 4)  # every accessor starts at a multiple of four
        return len(self.views) - 1


@lru_cache(maxsize=4)
def _laid_out(mesh: Mesh, rotations: bool) -> MeshRig:
    # Keyed by identity: meshes compare by it, and are frozen.
    document, buffer = pygltflib.GLTF2(), _Buffer()
    document.asset = pygltflib.Asset(generator="a2f-batch", version="2.0")
    materials = list(dict.fromkeys(part.material for part in mesh.parts))
    document.materials = [_material(material) for material in materials]
    # Of nodes and scenes that share a name, three.js and Blender number all but one: never the mesh that somebody looks for.
    root = as_text(mesh.name)
    if root in [as_text(part.name) for part in mesh.parts]:
        root += "_root"
    document.nodes = [pygltflib.Node(name=root, children=list(range(1, len(mesh.parts) + 1)))]
    document.scenes, document.scene = [pygltflib.Scene(nodes=[0])], 0
    for index, part in enumerate(mesh.parts):
        document.nodes.append(pygltflib.Node(name=as_text(part.name), mesh=index))
        document.meshes.append(_mesh(part, materials.index(part.material), document.accessors, buffer))
    document.bufferViews = buffer.views
    animated = tuple((index, tuple(part.morphs)) for index, part in enumerate(mesh.parts, start=1) if part.morphs)
    joints = _joints(mesh, document.nodes) if rotations else ()
    parsed: Json = json.loads(document.gltf_to_json(separators=(",", ":"), indent=None))
    return MeshRig(mesh, parsed, bytes(buffer.content), animated, joints)


def _joints(mesh: Mesh, nodes: list[pygltflib.Node]) -> tuple[tuple[Joint, int, frozenset[int]], ...]:
    """Put the parts of each eye under a node at its centre; return what the head and the eyes turn."""
    root, found = nodes[0], []
    number = {part.name: index for index, part in enumerate(mesh.parts, start=1)}
    for joint, parts in EYE_PARTS.items():
        centre = eye_centre(mesh, joint)
        if centre is not None:
            held = [number[name] for name in parts if name in number]
            for index in held:
                nodes[index].translation = [-axis for axis in centre]
            root.children = [child for child in root.children if child not in held] + [len(nodes)]
            found.append((joint, len(nodes), frozenset(held)))
            nodes.append(pygltflib.Node(name=joint, translation=list(centre), children=held))
    return (("Head", 0, frozenset()), *found)


def _material(material: Material) -> pygltflib.Material:
    # Double sided: open parts (the mouth's inside, lids) are seen from behind too.
    return pygltflib.Material(name=as_text(material.name), doubleSided=True, alphaCutoff=None, emissiveFactor=None, pbrMetallicRoughness=(
        pygltflib.PbrMetallicRoughness(baseColorFactor=[*material.color, 1.0], metallicFactor=0.0, roughnessFactor=material.roughness)))


def _mesh(part: Part, material: int, accessors: list[pygltflib.Accessor], buffer: _Buffer) -> pygltflib.Mesh:
    """Return one part, its accessors appended to `accessors` and its arrays to `buffer`."""

    def add(array: npt.NDArray[Any], kind: str, target: int, *, bounds: bool = False) -> int:
        component = pygltflib.FLOAT if array.dtype.kind == "f" else _index_type(len(part.vertices))
        accessor = pygltflib.Accessor(bufferView=buffer.add(array, target), componentType=component, count=len(array), type=kind,
                                      byteOffset=None, normalized=None)
        if bounds:
            accessor.min, accessor.max = _bounds(array)
        accessors.append(accessor)
        return len(accessors) - 1

    flat = part.triangles().astype(_index_dtype(len(part.vertices))).reshape(-1)
    primitive = pygltflib.Primitive(material=material, mode=None, attributes=pygltflib.Attributes(
        POSITION=add(part.vertices, pygltflib.VEC3, pygltflib.ARRAY_BUFFER, bounds=True),
        NORMAL=add(part.normals, pygltflib.VEC3, pygltflib.ARRAY_BUFFER),
        TEXCOORD_0=add(part.uv, pygltflib.VEC2, pygltflib.ARRAY_BUFFER)))
    primitive.indices = add(flat, pygltflib.SCALAR, pygltflib.ELEMENT_ARRAY_BUFFER)
    primitive.targets = _targets(part, accessors, buffer)
    return pygltflib.Mesh(name=as_text(part.name), primitives=[primitive], weights=[0.0] * len(part.morphs),
                          extras={"targetNames": list(part.morphs)} if part.morphs else {})


def _targets(part: Part, accessors: list[pygltflib.Accessor], buffer: _Buffer) -> list[Json]:
    """Return the part's morph targets as sparse accessors over zeros: most move few vertices."""
    morphs = tuple(part.morphs.values())
    if not morphs:
        return []
    count, dtype = len(part.vertices), _index_dtype(len(part.vertices))
    # One view each for all indices, offsets and normal offsets of the part: a view a target would make the JSON a third longer.
    first = np.cumsum([0] + [len(morph.indices) for morph in morphs])
    indices = buffer.add(np.concatenate([morph.indices for morph in morphs]).astype(dtype))
    values = {"POSITION": buffer.add(np.concatenate([morph.offsets for morph in morphs]))}
    normal_offsets = np.concatenate([morph.normal_offsets for morph in morphs])
    if normal_offsets.any():
        values["NORMAL"] = buffer.add(normal_offsets)
    targets: list[Json] = []
    for start, morph in zip(first.tolist(), morphs, strict=False):
        target: Json = {}
        for attribute, view in values.items():
            sparse = pygltflib.Sparse(
                count=len(morph.indices),
                indices=pygltflib.AccessorSparseIndices(bufferView=indices, componentType=_index_type(count),
                                                        byteOffset=start * dtype.itemsize),
                values=pygltflib.AccessorSparseValues(bufferView=view, byteOffset=start * 12))
            # byteOffset None: without a view of its own an accessor must not have one.
            accessor = pygltflib.Accessor(componentType=pygltflib.FLOAT, count=count, type=pygltflib.VEC3, sparse=sparse,
                                          byteOffset=None, normalized=None)
            if attribute == "POSITION":
                unmoved = np.zeros((int(len(morph.indices) < count), 3), dtype=np.float32)
                accessor.min, accessor.max = _bounds(np.concatenate([morph.offsets, unmoved]))
            accessors.append(accessor)
            target[attribute] = len(accessors) - 1
        targets.append(target)
    return targets


def _index_dtype(count: int) -> np.dtype[Any]:
    # 65535 as an index is reserved (primitive restart).
    return np.dtype("<u2" if count <= 65_535 else "<u4")


def _index_type(count: int) -> int:
    return int(pygltflib.UNSIGNED_SHORT if _index_dtype(count).itemsize == 2 else pygltflib.UNSIGNED_INT)


def _bounds(array: npt.NDArray[np.float32]) -> tuple[list[float], list[float]]:
    """Return the least and the largest of each column, in the fewest digits that give the float32 back."""

    def shortest(row: Sequence[np.float32]) -> list[float]:
        return [float(str(value)) for value in row]

    return shortest(array.min(axis=0)), shortest(array.max(axis=0))
