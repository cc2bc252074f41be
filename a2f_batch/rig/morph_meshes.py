"""The meshes of a glTF character that have morph targets, as they stand at rest: what formats other than glTF put a clip on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.errors import ExportError
from a2f_batch.rig.accessors import accessor_array
from a2f_batch.rig.character import Character, MorphNode, natural
from a2f_batch.rig.hierarchy import parents, world_matrix
from a2f_batch.rig.mesh import Material, Mesh, Morph, Part

Json = dict[str, Any]
Points = npt.NDArray[np.float32]

_TRIANGLES, _STRIP, _FAN = 4, 5, 6
# Geometry that is not in the accessors.
_PACKED = "KHR_draco_mesh_compression"


@lru_cache(maxsize=4)
def morph_meshes(character: Character) -> tuple[Mesh, ...]:
    """Return a mesh for each of `character.nodes`, in the scene's place at rest: nodes and skins are applied, and then gone.

    A part is a primitive, its vertices split where glTF splits them; primitives of lines and points are left out. Targets are called as
    `target_names` has it; one that moves nothing is in no part. Surfaces have their base colour and roughness, no textures.

    Raises:
        ExportError: geometry that can't be read (code 'character-format') or is packed by an extension (code 'character-packed').

    Source: glTF 2.0 specification, 3.7.2 (meshes), 3.7.3.3 (skinned meshes), 3.9.2 (metallic-roughness), 5.24 (primitive modes).
    """
    try:
        above = parents(character.document["nodes"])
        return tuple(_mesh(character, node, above) for node in character.nodes)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(f"Can't read the meshes of the character '{character.path}' ({type(error).__name__}: {error}).",
                          "Export it again; the Khronos glTF validator names the fault.", code="character-format") from None


@lru_cache(maxsize=4)
def still_meshes(character: Character) -> tuple[Mesh, ...]:
    """Return the meshes of all other nodes, which no channel moves: eyes, hair, clothes; placed as `morph_meshes` places its own.

    Raises:
        ExportError: see `morph_meshes`.
    """
    moving = {node.node for node in character.nodes}
    try:
        nodes, meshes = character.document["nodes"], character.document.get("meshes", [])
        above = parents(nodes)
        others = [(index, meshes[natural(node["mesh"])]) for index, node in enumerate(nodes) if "mesh" in node and index not in moving]
        solid = [(index, mesh) for index, mesh in others
                 if any(one.get("mode", _TRIANGLES) in (_TRIANGLES, _STRIP, _FAN) for one in mesh["primitives"])]
        return tuple(_mesh(character, MorphNode(index, str(mesh.get("name") or "still"), tuple(map(str, range(_count(mesh)))), ()), above)
                     for index, mesh in solid)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(f"Can't read the meshes of the character '{character.path}' ({type(error).__name__}: {error}).",
                          "Export it again; the Khronos glTF validator names the fault.", code="character-format") from None


def target_names(node: MorphNode) -> tuple[str, ...]:
    """Return the names of a node's targets, none empty and none twice: 'Blink', 'Blink.001'."""
    found: dict[str, None] = {}
    for i, target in enumerate(node.targets):
        plain = target.replace("\0", "") or f"target {i}"
        name, copies = plain, 0
        while name in found:
            copies += 1
            name = f"{plain}.{copies:03}"
        found[name] = None
    return tuple(found)


def _count(mesh: Json) -> int:
    """Return how many targets a mesh has."""
    return len(mesh["primitives"][0].get("targets", ()))


def _mesh(character: Character, node: MorphNode, above: list[int | None]) -> Mesh:
    described = character.document["nodes"][node.node]
    parts = [_part(character, node, primitive, above) for primitive in character.document["meshes"][described["mesh"]]["primitives"]
             if primitive.get("mode", _TRIANGLES) in (_TRIANGLES, _STRIP, _FAN)]
    if not parts:
        raise ValueError(f"the mesh '{node.name}' has no triangles")
    return Mesh(node.name.replace("\0", "") or f"node {node.node}", tuple(parts), joined=True)


def _part(character: Character, node: MorphNode, primitive: Json, above: list[int | None]) -> Part:
    if _PACKED in primitive.get("extensions", {}):
        raise ExportError(f"The character '{character.path}' has its meshes packed by Draco.", "Export it without compression.",
                          code="character-packed")
    attributes, count = primitive["attributes"], natural(character.document["accessors"][primitive["attributes"]["POSITION"]]["count"])
    triangles = _triangles(character, primitive, count)
    # Primitives may share their vertices: to each its own.
    used, corners = np.unique(triangles, return_inverse=True)
    triangles = corners.reshape(triangles.shape)

    def vectors(accessor: int) -> Points:
        found = accessor_array(character, accessor, count)[used].astype(np.float32)
        if not np.isfinite(found).all():
            raise ValueError(f"accessor {accessor} holds what is no number")
        return found

    points = vectors(attributes["POSITION"])
    normals = vectors(attributes["NORMAL"]) if "NORMAL" in attributes else _smooth_normals(points, triangles)
    uv = vectors(attributes["TEXCOORD_0"]) if "TEXCOORD_0" in attributes else np.zeros((len(used), 2), np.float32)
    placed = _placing(character, node, attributes, count, above)[used]
    turned = placed[:, :3, :3]
    # Normals keep their right angle to the surface by the inverse transpose.
    upright = np.linalg.inv(turned).transpose(0, 2, 1)
    bent = _applied(upright, normals)
    length = np.maximum(np.linalg.norm(bent, axis=1, keepdims=True), np.float32(1e-12))
    morphs = {}
    for name, target in zip(target_names(node), primitive.get("targets", ()), strict=True):
        offsets = _applied(turned, vectors(target["POSITION"])) if "POSITION" in target else np.zeros_like(points)
        tilts = _applied(upright, vectors(target["NORMAL"])) / length if "NORMAL" in target else np.zeros_like(points)
        moved = np.flatnonzero(offsets.any(axis=1) | tilts.any(axis=1))
        if len(moved):
            morphs[name] = Morph(moved.astype(np.int32), offsets[moved], tilts[moved])
    return Part(node.name, _applied(turned, points) + placed[:, :3, 3].astype(np.float32), bent / length, uv,
                tuple(map(tuple, triangles.tolist())), _material(character.document, primitive), morphs)


def _placing(character: Character, node: MorphNode, attributes: Mapping[str, Any], count: int,
             above: list[int | None]) -> npt.NDArray[np.float64]:
    """Return what brings each vertex into the scene, shape (vertices, 4, 4): its node, or of a skinned mesh a mix of joints."""
    nodes: list[Json] = character.document["nodes"]
    described = nodes[node.node]
    if "skin" not in described or "JOINTS_0" not in attributes:
        return np.broadcast_to(world_matrix(nodes, above, node.node), (count, 4, 4))
    skin = character.document["skins"][natural(described["skin"])]
    joints = np.stack([world_matrix(nodes, above, natural(joint)) for joint in skin["joints"]])
    if "inverseBindMatrices" in skin:
        binds = accessor_array(character, skin["inverseBindMatrices"], len(joints)).reshape(-1, 4, 4).transpose(0, 2, 1)
        joints = joints @ binds.astype(np.float64)
    mixed, total = np.zeros((count, 4, 4)), np.zeros(count)
    for i in range(len([name for name in attributes if name.startswith("JOINTS_")])):
        held, shares = (accessor_array(character, attributes[f"{kind}_{i}"], count) for kind in ("JOINTS", "WEIGHTS"))
        mixed += np.einsum("vk,vkij->vij", shares.astype(np.float64), joints[held])
        total += shares.sum(axis=1)
    if not (total > 0).all():
        raise ValueError(f"vertices of the mesh '{node.name}' are held by no joint")
    return mixed / total[:, None, None]


def _triangles(character: Character, primitive: Json, count: int) -> npt.NDArray[np.int64]:
    indices: npt.NDArray[np.int64] = np.arange(count)
    if "indices" in primitive:
        indices = accessor_array(character, primitive["indices"])[:, 0].astype(np.int64)
    if len(indices) < 3 or indices.max() >= count:
        raise ValueError(f"{len(indices)} indices into {count} vertices")
    mode = primitive.get("mode", _TRIANGLES)
    if mode == _TRIANGLES:
        return indices[:len(indices) // 3 * 3].reshape(-1, 3)
    if mode == _FAN:
        fan: npt.NDArray[np.int64] = np.stack([indices[1:-1], indices[2:], np.full(len(indices) - 2, indices[0])], axis=1)
        return fan
    strip: npt.NDArray[np.int64] = np.stack([indices[:-2], indices[1:-1], indices[2:]], axis=1)
    strip[1::2] = strip[1::2][:, [0, 2, 1]]  # every other one is turned round
    return strip


def _smooth_normals(points: Points, triangles: npt.NDArray[np.int64]) -> Points:
    a, b, c = (points[triangles[:, corner]].astype(np.float64) for corner in range(3))
    faces, normals = np.cross(b - a, c - a), np.zeros(points.shape)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], faces)
    # A vertex of no face, or of flat ones, has none: up will do.
    normals[~normals.any(axis=1)] = (0, 1, 0)
    smooth: Points = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)
    return smooth


def _material(document: Json, primitive: Json) -> Material:
    if "material" not in primitive:
        return Material("default", (1.0, 1.0, 1.0), 1.0)
    index = natural(primitive["material"])
    material = document["materials"][index]
    surface = material.get("pbrMetallicRoughness", {})
    red, green, blue = (float(value) for value in surface.get("baseColorFactor", (1, 1, 1, 1))[:3])
    return Material(str(material.get("name") or f"material {index}").replace("\0", ""), (red, green, blue),
                    float(surface.get("roughnessFactor", 1)))


def _applied(matrices: npt.NDArray[np.float64], vectors: Points) -> Points:
    applied: Points = np.einsum("vij,vj->vi", matrices, vectors.astype(np.float64)).astype(np.float32)
    return applied
