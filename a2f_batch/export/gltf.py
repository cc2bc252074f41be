"""glTF 2.0: a mesh with its morph targets, and a baked FaceClip as one animation of their weights."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pygltflib

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.gltf_audio import embedded, linked
from a2f_batch.export.reduce import Interpolation, KeyCount, reduce_keys, slopes
from a2f_batch.export.rotations import EYE_PARTS, Joint, eye_centre, quaternions, turns
from a2f_batch.export.tracks import check_names, check_targets, weights_for
from a2f_batch.rates import fps_text
from a2f_batch.rig.mesh import Material, Mesh, Part

Json = dict[str, Any]

_SAMPLERS = {"linear": pygltflib.ANIM_LINEAR, "cubic": pygltflib.ANIM_CUBICSPLINE}


def write(clip: FaceClip, path: Path, *, mesh: Mesh | Literal["none"] | None = None, binary: bool = True, tolerance: float | None = None,
          interpolation: Interpolation = "linear", compact: bool = False, rotations: bool = False, audio: Path | None = None,
          audio_mode: Literal["embed", "link", "none"] = "none") -> KeyCount:
    """Write `mesh`, every part a node under one root, with one animation: a `weights` channel for every part with targets.

    The animation is named after the clip's line (`meta['line']`, else the file's stem); its extras hold the exact `fps`
    and `start` as text. Targets that the clip lacks stay at 0; values are written as they are, never clamped.

    Args:
        mesh: what carries the channels; the default head if None.
        binary: a .glb, or else a .gltf that holds its buffer as base64.
        tolerance: key only the frames that keep every weight within this; None keys every frame. A sampler keys all its targets at
            once, and all parts share their times, so this saves less than in formats that key each channel by itself.
        interpolation: between keys: LINEAR or CUBICSPLINE.
        compact: 16-bit weights (error at most 8e-6) for every part whose weights are all in 0..1; linear keys only.
        rotations: turn the whole, and with the default head each eyeball, by the clip's rotation channels, a key on every frame. Eyeballs
            that turn so are not moved by their eyeLook targets too; lids are.
        audio: the line's sound file, for `audio_mode`.
        audio_mode: 'embed' puts the file's bytes into the buffer; 'link' names its place as seen from the folder of `path`. Either way
            the animation's `extras.audio` tells name, mimeType, offset (seconds) and bufferView or uri: nobody's extension, for your tools.

    Raises:
        ExportError: no mesh (code 'mesh-none'), a channel of `clip` is not a target of `mesh` (code 'channel-without-target'), frames
            before 0 s or so late that float32 can't tell them apart (code 'time-out-of-range'), a sound that can't be read (code
            'audio-unreadable').

    Source: glTF 2.0 specification (Khronos), sections 3.6.2 (accessors), 3.7.2.2 (morph targets), 3.11 (animations).
    """
    path = Path(path)
    if mesh is None:
        from a2f_batch.rig.head import default_head

        mesh = default_head()
    if not isinstance(mesh, Mesh):
        from a2f_batch.export.options import mesh_required

        raise mesh_required("glTF")
    check_names(clip, reserved=(), format="glTF")
    check_targets(clip, mesh)
    layout = _mesh_layout(mesh, rotations)
    moving = clip.select([name for name in mesh.targets if name in clip]).values
    keys = reduce_keys(moving, tolerance, interpolation)
    document, buffer = _animated(layout, clip, path, _Keying(keys, interpolation, compact), audio if audio_mode != "none" else None,
                                 embed=audio_mode == "embed")
    with replacing(path) as file:
        file.write(_glb(document, buffer) if binary else _gltf(document, buffer))
    return KeyCount(clip.n_frames * len(mesh.targets), len(keys) * len(mesh.targets))


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
    joints: tuple[tuple[Joint, int, frozenset[int]], ...] = ()  # (joint, its node, the nodes that turn with an eye)


@dataclass(frozen=True, eq=False)
class _Keying:
    """Which frames are keyed, and how."""

    frames: npt.NDArray[np.int64]
    interpolation: Interpolation
    compact: bool


@lru_cache(maxsize=4)
def _mesh_layout(mesh: Mesh, rotations: bool = False) -> _MeshLayout:
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
    joints = _joints(mesh, document.nodes) if rotations else ()
    return _MeshLayout(_as_json(document), bytes(buffer.content), animated, joints)


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


def _animated(layout: _MeshLayout, clip: FaceClip, path: Path, keying: _Keying, audio: Path | None, *, embed: bool) -> tuple[Json, bytes]:
    """Return the mesh's document and buffer with the clip's animation added, and its sound."""
    times = clip.times().astype(np.float32)
    if times[0] < 0 or (np.diff(times) <= 0).any():
        raise ExportError(f"Can't write '{path}': glTF's times start at 0 and are float32; the clip's run from "
                          f"{float(clip.start):g} s in steps of {float(1 / clip.fps):g} s.",
                          "Set the clip's start to 0.", code="time-out-of-range")
    every_time, times = times, times[keying.frames]
    first_accessor = len(layout.document["accessors"])
    buffer = _Buffer(len(layout.document["bufferViews"]), len(layout.content))
    low, high = _bounds(times[:, None])
    accessors = [pygltflib.Accessor(bufferView=buffer.add(times), componentType=pygltflib.FLOAT, count=len(times), type=pygltflib.SCALAR,
                                    min=low, max=high, byteOffset=None, normalized=None)]
    animation = pygltflib.Animation(name=str(clip.meta.get("line") or path.stem),
                                    extras={"fps": fps_text(clip.fps), "start": str(clip.start)})
    for node, targets in layout.animated:
        turned = any(node in held and turns(clip, joint) for joint, _, held in layout.joints)
        weights = weights_for(clip, targets)
        output = _keyed(np.zeros_like(weights) if turned else weights, keying, clip.fps)
        whole = output.dtype == np.uint16
        accessors.append(pygltflib.Accessor(bufferView=buffer.add(output), count=output.size, type=pygltflib.SCALAR, byteOffset=None,
                                            componentType=pygltflib.UNSIGNED_SHORT if whole else pygltflib.FLOAT,
                                            normalized=whole or None))
        animation.samplers.append(pygltflib.AnimationSampler(input=first_accessor, output=first_accessor + len(accessors) - 1,
                                                             interpolation=_SAMPLERS[keying.interpolation]))
        animation.channels.append(pygltflib.AnimationChannel(
            sampler=len(animation.samplers) - 1, target=pygltflib.AnimationChannelTarget(node=node, path=pygltflib.WEIGHTS)))
    turning = [(node, quaternions(clip, joint)) for joint, node, _ in layout.joints if turns(clip, joint)]
    if turning:
        low, high = _bounds(every_time[:, None])
        accessors.append(pygltflib.Accessor(bufferView=buffer.add(every_time), componentType=pygltflib.FLOAT, count=len(every_time),
                                            type=pygltflib.SCALAR, min=low, max=high, byteOffset=None, normalized=None))
        input_accessor = first_accessor + len(accessors) - 1
        for node, rotation in turning:
            accessors.append(pygltflib.Accessor(bufferView=buffer.add(rotation), componentType=pygltflib.FLOAT, count=len(rotation),
                                                type=pygltflib.VEC4, byteOffset=None, normalized=None))
            animation.samplers.append(pygltflib.AnimationSampler(input=input_accessor, output=first_accessor + len(accessors) - 1,
                                                                 interpolation=pygltflib.ANIM_LINEAR))
            animation.channels.append(pygltflib.AnimationChannel(
                sampler=len(animation.samplers) - 1, target=pygltflib.AnimationChannelTarget(node=node, path=pygltflib.ROTATION)))
    if audio is not None and embed:
        sound, described = embedded(audio)
        animation.extras["audio"] = {**described, "bufferView": buffer.add(np.frombuffer(sound, np.uint8))}
    elif audio is not None:
        animation.extras["audio"] = linked(audio, path)
    added = _as_json(pygltflib.GLTF2(accessors=accessors, bufferViews=buffer.views, animations=[animation]))
    content = layout.content + bytes(buffer.content)
    lists = {key: layout.document.get(key, []) + added[key] for key in ("accessors", "animations", "bufferViews")}
    return {**layout.document, **lists, "buffers": [{"byteLength": len(content)}]}, content


def _keyed(weights: Values, keying: _Keying, fps: Fraction) -> npt.NDArray[Any]:
    """Return a sampler's output, shape (keys, targets); CUBICSPLINE has a row of tangents, over seconds, before and after each."""
    keyed = weights[keying.frames]
    if keying.interpolation == "cubic":
        tangents = slopes(weights)[keying.frames] * np.float32(fps)
        output: Values = np.stack([tangents, keyed, tangents], axis=1).reshape(-1, weights.shape[1])
        return output
    if keying.compact and keyed.min() >= 0 and keyed.max() <= 1:
        whole: npt.NDArray[np.uint16] = np.rint(keyed.astype(np.float64) * 65_535).astype(np.uint16)
        return whole
    return keyed


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
