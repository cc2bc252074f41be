"""glTF 2.0: a mesh with its morph targets, and a baked FaceClip as one animation of their weights."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pygltflib

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.tracks import check_names, check_targets, weights_for
from a2f_batch.rates import fps_text
from a2f_batch.rig.mesh import Material, Mesh, Part

Json = dict[str, Any]


def write(clip: FaceClip, path: Path, *, mesh: Mesh | None = None, binary: bool = True) -> None:
    """Write `mesh`, every part a node under one root, with one animation: a LINEAR `weights` channel for every part with targets.

    The animation is named after the clip's line (`meta['line']`, else the file's stem); its extras hold the exact `fps`
    and `start` as text. Targets that the clip lacks stay at 0; values are written as they are, never clamped.

    Args:
        mesh: what carries the channels; the default head if None.
        binary: a .glb, or else a .gltf that holds its buffer as base64.

    Raises:
        ExportError: a channel of `clip` is not a target of `mesh` (code 'channel-without-target'), frames before 0 s or
            so late that float32 can't tell them apart (code 'time-out-of-range').

    Source: glTF 2.0 specification (Khronos), sections 3.6.2 (accessors), 3.7.2.2 (morph targets), 3.11 (animations).
    """
    path = Path(path)
    if mesh is None:
        from a2f_batch.rig.head import default_head

        mesh = default_head()
    check_names(clip, reserved=(), format="glTF")
    check_targets(clip, mesh)
    layout = _mesh_layout(mesh)
    document, buffer = _animated(layout, clip, path)
    with replacing(path) as file:
        file.write(_glb(document, buffer) if binary else _gltf(document, buffer))


def read(path: Path) -> FaceClip:
    """Read the first animation's weights back; see `gltf_reader.read`."""
    from a2f_batch.export import gltf_reader

    return gltf_reader.read(path)


@dataclass
class _Buffer:
    """A buffer under construction, of which `first_view` views and `first_byte` bytes are elsewhere."""

    first_view: int = 0
    first_byte: int = 0
    content: bytearray = field(default_factory=bytearray)
    views: list[pygltflib.BufferView] = field(default_factory=list)

    def add(self, array: npt.NDArray[Any], target: int | None = None) -> int:
        """Append `array` and return the index of its view."""
        little_endian = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
        self.views.append(pygltflib.BufferView(buffer=0, byteOffset=self.first_byte + len(self.content), byteLength=len(little_endian),
                                               target=target))
        self.content += little_endian + bytes(-len(little_endian) % 4)  # every accessor starts at a multiple of four
        return self.first_view + len(self.views) - 1


@dataclass(frozen=True)
class _MeshLayout:
    """All of a file but its animation, so that a batch lays out its mesh once."""

    document: Json
    content: bytes
    animated: tuple[tuple[int, tuple[str, ...]], ...]  # (node, its targets)


@lru_cache(maxsize=4)
def _mesh_layout(mesh: Mesh) -> _MeshLayout:
    # Keyed by identity: meshes compare by it, and are frozen.
    document, buffer = pygltflib.GLTF2(), _Buffer()
    document.asset = pygltflib.Asset(generator="a2f-batch", version="2.0")
    materials = list(dict.fromkeys(part.material for part in mesh.parts))
    document.materials = [_material(material) for material in materials]
    document.nodes = [pygltflib.Node(name=mesh.name, children=list(range(1, len(mesh.parts) + 1)))]
    document.scenes, document.scene = [pygltflib.Scene(name=mesh.name, nodes=[0])], 0
    for index, part in enumerate(mesh.parts):
        document.nodes.append(pygltflib.Node(name=part.name, mesh=index))
        document.meshes.append(_mesh(part, materials.index(part.material), document.accessors, buffer))
    document.bufferViews = buffer.views
    animated = tuple((index, tuple(part.morphs)) for index, part in enumerate(mesh.parts, start=1) if part.morphs)
    return _MeshLayout(_as_json(document), bytes(buffer.content), animated)


def _material(material: Material) -> pygltflib.Material:
    # Double sided: open parts (the mouth's inside, lids) are seen from behind too.
    return pygltflib.Material(name=material.name, doubleSided=True, alphaCutoff=None, emissiveFactor=None, pbrMetallicRoughness=(
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
    return pygltflib.Mesh(name=part.name, primitives=[primitive], weights=[0.0] * len(part.morphs),
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
    values = {"POSITION": buffer.add(np.concatenate([morph.offsets for morph in morphs])),
              "NORMAL": buffer.add(np.concatenate([morph.normal_offsets for morph in morphs]))}
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


def _animated(layout: _MeshLayout, clip: FaceClip, path: Path) -> tuple[Json, bytes]:
    """Return the mesh's document and buffer with the clip's animation added."""
    times = clip.times().astype(np.float32)
    if times[0] < 0 or (np.diff(times) <= 0).any():
        raise ExportError(f"Can't write '{path}': glTF's times start at 0 and are float32; the clip's run from "
                          f"{float(clip.start):g} s in steps of {float(1 / clip.fps):g} s.",
                          "Set the clip's start to 0.", code="time-out-of-range")
    first_accessor = len(layout.document["accessors"])
    buffer = _Buffer(len(layout.document["bufferViews"]), len(layout.content))
    low, high = _bounds(times[:, None])
    accessors = [pygltflib.Accessor(bufferView=buffer.add(times), componentType=pygltflib.FLOAT, count=len(times), type=pygltflib.SCALAR,
                                    min=low, max=high, byteOffset=None, normalized=None)]
    animation = pygltflib.Animation(name=str(clip.meta.get("line") or path.stem),
                                    extras={"fps": fps_text(clip.fps), "start": str(clip.start)})
    for node, targets in layout.animated:
        weights = weights_for(clip, targets)
        accessors.append(pygltflib.Accessor(bufferView=buffer.add(weights), componentType=pygltflib.FLOAT, count=weights.size,
                                            type=pygltflib.SCALAR, byteOffset=None, normalized=None))
        animation.samplers.append(pygltflib.AnimationSampler(input=first_accessor, output=first_accessor + len(accessors) - 1,
                                                             interpolation=pygltflib.ANIM_LINEAR))
        animation.channels.append(pygltflib.AnimationChannel(
            sampler=len(animation.samplers) - 1, target=pygltflib.AnimationChannelTarget(node=node, path=pygltflib.WEIGHTS)))
    added = _as_json(pygltflib.GLTF2(accessors=accessors, bufferViews=buffer.views, animations=[animation]))
    content = layout.content + bytes(buffer.content)
    lists = {key: layout.document.get(key, []) + added[key] for key in ("accessors", "animations", "bufferViews")}
    return {**layout.document, **lists, "buffers": [{"byteLength": len(content)}]}, content


def _as_json(document: pygltflib.GLTF2) -> Json:
    parsed: Json = json.loads(document.gltf_to_json(separators=(",", ":"), indent=None))
    return parsed


def _encode(document: Json) -> bytes:
    return json.dumps(document, allow_nan=False, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode("utf-8")


def _glb(document: Json, content: bytes) -> bytes:
    text = _encode(document)
    text += b" " * (-len(text) % 4)
    return b"".join([struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(content)),
                     struct.pack("<I4s", len(text), b"JSON"), text,
                     struct.pack("<I4s", len(content), b"BIN\0"), content])


def _gltf(document: Json, content: bytes) -> bytes:
    uri = pygltflib.DATA_URI_HEADER + base64.b64encode(content).decode("ascii")
    return _encode({**document, "buffers": [{"byteLength": len(content), "uri": uri}]})


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
