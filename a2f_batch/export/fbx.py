"""FBX 7.4 binary: a baked FaceClip on the blend-shape channels of a mesh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ClipError, ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.fbx_binary import Block, Node, decode, encode, encode_block, unreadable
from a2f_batch.export.fbx_document import (
    CUSTOM_TIME_MODE,
    TICKS_PER_SECOND,
    TIME_MODES,
    before_objects,
    definitions,
    p,
    properties,
    takes,
)
from a2f_batch.export.tracks import check_targets, weights_for
from a2f_batch.rates import MAX_FPS, MIN_FPS
from a2f_batch.rig.mesh import Material, Mesh, Morph, Part

# FBX's own unit is the centimetre, and Maya's default; ours is the metre.
_UNITS_PER_METRE = 100.0
_PERCENT = np.float32(100)

# FbxAnimCurveDef: eInterpolationLinear (4) with automatic tangents (256), as Autodesk's own writers mark linear keys.
_LINEAR_KEY = 4 | 256
# Slopes of a key without tangents, and its two default weights packed into one float.
_KEY_ATTRIBUTES = np.array([0, 0, 0x0D050505, 0], np.uint32).view(np.float32)

# Curves are packed anew for each file, and higher levels find next to nothing more in them; a mesh is packed once.
_CURVE_PACKING, _MESH_PACKING = 1, 9

_FIRST_ID = 1_000_000
# Some two weeks: later times are no times.
_LAST_TICK = 1 << 56

# Other writers' modes too: 7 and 8 are 30 and 29.97 in drop-frame counting, 18 is 119.88.
_READ_MODES: dict[int, Fraction] = {**{mode: fps for fps, mode in TIME_MODES.items()},
                                         7: Fraction(30), 8: Fraction(30000, 1001), 18: Fraction(120000, 1001)}


def write(clip: FaceClip, path: Path, *, mesh: Mesh | None = None) -> None:
    """Write `clip` as one animation stack of linear DeformPercent curves, a key on every frame.

    The stack ("take") is called after ``clip.meta["line"]``, or after the file. Targets of the mesh that the clip lacks are
    written at 0.

    Args:
        clip: weights, written as percent; values beyond 0..1 are kept.
        mesh: what carries the channels; the default head if None. Its parts are written in centimetres, Y up.

    Raises:
        ExportError: the clip has no frames (code 'too-short') or a channel that no part of `mesh` has a target for
            (code 'channel-without-target'); the place can't be written (code 'output-unwritable').

    Source: structure of the files Maya 2020 writes; read back with ufbx, both importers of Blender 4.5 and three.js; not tried in
    Autodesk's programs or Unreal.
    """
    path = Path(path)
    if clip.n_frames == 0:
        raise ExportError(f"The clip for '{path}' has no frames.", "Render a longer sound.", code="too-short")
    if mesh is None:
        from a2f_batch.rig.head import default_head
        mesh = default_head()
    check_targets(clip, mesh)
    rig = _encoded_rig(mesh)
    times = _key_times(clip.n_frames, clip.fps, clip.start)
    first, last = int(times[0]), int(times[-1])
    take = str(clip.meta.get("line") or path.stem).replace("\x00", "")
    content = encode(chain(
        before_objects(clip.fps, first, last, take, rig.definitions),
        (Node("Objects", (), (rig.objects, _stack(rig.stack_id, take, first, last), *_curves(clip, rig, times))),
         rig.connections, takes(take, first, last)),
    ))
    with replacing(path) as file:
        file.write(content)


def read(path: Path) -> FaceClip:
    """Read the blend-shape curves of a binary FBX file (7.x) as a clip: each channel once, whatever parts it moves.

    Raises:
        ClipError: the file is missing, cut or not binary FBX (code 'clip-unreadable'); it has no blend-shape curves,
            curves that differ between parts, or keys that are not on every frame (code 'clip-format').
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ClipError(f"Can't read '{path}': {error.strerror or error}.", "Give the path of an FBX file.",
                        code="clip-unreadable") from None
    _, scene = decode(content, str(path))
    fps = _scene_fps(scene, path)
    channels: dict[str, npt.NDArray[np.float32]] = {}
    times: npt.NDArray[np.int64] | None = None
    for name, curve in _channel_curves(scene):
        key_times, values = (_array(curve, field, kind, path) for field, kind in (("KeyTime", np.int64), ("KeyValueFloat", np.float32)))
        times = key_times if times is None else times
        if len(values) != len(key_times) or not np.array_equal(times, key_times):
            raise _not_baked(path, f"'{name}' has other keys than the channels before it")
        if not np.array_equal(channels.setdefault(name, values), values):
            raise _not_baked(path, f"'{name}' moves differently on different parts")
    if times is None or len(times) == 0:
        raise _not_baked(path, "there are no blend-shape curves in it")
    start = _start_of(int(times[0]), fps)
    # Other writers round the tick; a thousandth of a frame can't be mistaken for another frame.
    tolerance = TICKS_PER_SECOND / fps / 1000
    on_frames = max(abs(int(times[0])), abs(int(times[-1]))) < _LAST_TICK and (
        np.abs(times - _key_times(len(times), fps, start)).max() <= tolerance)
    if not on_frames:
        raise _not_baked(path, f"its keys are not on every frame at {fps} fps")
    return FaceClip(tuple(channels), np.column_stack(list(channels.values())) / _PERCENT, fps, start)


@dataclass(frozen=True, eq=False)
class _Rig:
    """Everything in a file that depends on the mesh alone, encoded once.

    Attributes:
        curve_ids: target -> the numbers of its curves, one for each part it moves. FBX lets channels share a curve, and ufbx
            and Blender follow that, but three.js animates only the first of them: there the teeth would stay behind.
    """

    curve_ids: Mapping[str, tuple[int, ...]]
    stack_id: int
    definitions: Block
    objects: Block
    connections: Block


@lru_cache(maxsize=4)
def _encoded_rig(mesh: Mesh) -> _Rig:
    ids = count(_FIRST_ID)
    stack, layer = next(ids), next(ids)
    curves: dict[str, tuple[int, ...]] = dict.fromkeys(mesh.targets, ())
    objects = [Node("AnimationLayer", (np.int64(layer), "BaseLayer\x00\x01AnimLayer", ""), ())]
    links = [_link(layer, stack)]

    materials: dict[Material, int] = {}
    for part in mesh.parts:
        if part.material not in materials:
            materials[part.material] = next(ids)
            objects.append(_material(materials[part.material], part.material))
        model, geometry = next(ids), next(ids)
        objects += [_geometry(geometry, part), _model(model, part)]
        links += [_link(model, 0), _link(geometry, model), _link(materials[part.material], model)]
        if not part.morphs:
            continue
        deformer = next(ids)
        # Unreal strips a deformer's name from channels that begin with it: this one never does.
        objects.append(Node("Deformer", (np.int64(deformer), f"{part.name}_blendshapes\x00\x01Deformer", "BlendShape"),
                            (Node("Version", (100,)),)))
        links.append(_link(deformer, geometry))
        for target, morph in part.morphs.items():
            channel, shape, node, curve = next(ids), next(ids), next(ids), next(ids)
            curves[target] += (curve,)
            objects += [_channel(channel, target), _shape(shape, target, morph), _curve_node(node)]
            links += [_link(channel, deformer), _link(shape, channel), _link(node, layer),
                      _link(node, channel, "DeformPercent"), _link(curve, node, "d|DeformPercent")]

    counts = Counter(node.name for node in objects) + Counter(AnimationStack=1, AnimationCurve=sum(map(len, curves.values())))
    return _Rig(curves, stack, definitions(counts),
                encode_block(objects, level=_MESH_PACKING), encode_block([Node("Connections", (), tuple(links))]))


def _link(child: int, parent: int, slot: str | None = None) -> Node:
    if slot is None:
        return Node("C", ("OO", np.int64(child), np.int64(parent)))
    return Node("C", ("OP", np.int64(child), np.int64(parent), slot))


def _model(number: int, part: Part) -> Node:
    return Node("Model", (np.int64(number), f"{part.name}\x00\x01Model", "Mesh"), (
        Node("Version", (232,)),
        properties(p("RotationActive", "bool", "", "", 1), p("InheritType", "enum", "", "", 1),
                   p("DefaultAttributeIndex", "int", "Integer", "", 0)),
        Node("Shading", (True,)), Node("Culling", ("CullingOff",))))


def _material(number: int, material: Material) -> Node:
    # Readers turn a phong exponent into roughness by this square: (10 (1 - roughness))^2.
    shininess = (10 * (1 - material.roughness)) ** 2
    return Node("Material", (np.int64(number), f"{material.name}\x00\x01Material", ""), (
        Node("Version", (102,)), Node("ShadingModel", ("phong",)), Node("MultiLayer", (0,)),
        properties(p("DiffuseColor", "Color", "", "A", *map(float, material.color)),
                   p("ReflectionFactor", "Number", "", "A", 0.0),
                   p("Shininess", "double", "Number", "", shininess), p("ShininessExponent", "Number", "", "A", shininess))))


def _geometry(number: int, part: Part) -> Node:
    corners = np.concatenate([np.asarray(face, np.int32) for face in part.polygons])
    ends = np.cumsum([len(face) for face in part.polygons]) - 1
    polygons = corners.copy()
    polygons[ends] = -polygons[ends] - 1
    uv = np.column_stack([part.uv[:, 0], 1 - part.uv[:, 1]])

    def layer(name: str, version: int, title: str, mapping: str, reference: str, *arrays: Node) -> Node:
        return Node(name, (0,), (Node("Version", (version,)), Node("Name", (title,)), Node("MappingInformationType", (mapping,)),
                                 Node("ReferenceInformationType", (reference,)), *arrays))

    layers = (
        layer("LayerElementNormal", 101, "", "ByVertice", "Direct", Node("Normals", (_doubles(part.normals),))),
        layer("LayerElementUV", 101, "map1", "ByPolygonVertex", "IndexToDirect", Node("UV", (_doubles(uv),)), Node("UVIndex", (corners,))),
        layer("LayerElementMaterial", 101, "", "AllSame", "IndexToDirect", Node("Materials", (np.zeros(1, np.int32),))),
    )
    return Node("Geometry", (np.int64(number), f"{part.name}\x00\x01Geometry", "Mesh"), (
        Node("Vertices", (_centimetres(part.vertices),)), Node("PolygonVertexIndex", (polygons,)), Node("GeometryVersion", (124,)),
        *layers,
        Node("Layer", (0,), (Node("Version", (100,)), *(
            Node("LayerElement", (), (Node("Type", (element.name,)), Node("TypedIndex", (0,)))) for element in layers)))))


def _shape(number: int, target: str, morph: Morph) -> Node:
    return Node("Geometry", (np.int64(number), f"{target}\x00\x01Geometry", "Shape"), (
        Node("Version", (100,)), Node("Indexes", (np.asarray(morph.indices, np.int32),)),
        Node("Vertices", (_centimetres(morph.offsets),)), Node("Normals", (_doubles(morph.normal_offsets),))))


def _channel(number: int, target: str) -> Node:
    return Node("Deformer", (np.int64(number), f"{target}\x00\x01SubDeformer", "BlendShapeChannel"), (
        Node("Version", (100,)), properties(p("DeformPercent", "Number", "", "A+", 0.0)),
        Node("DeformPercent", (0.0,)), Node("FullWeights", (np.array([100.0]),))))


def _curve_node(number: int) -> Node:
    return Node("AnimationCurveNode", (np.int64(number), "DeformPercent\x00\x01AnimCurveNode", ""),
                (properties(p("d|DeformPercent", "Number", "", "A", 0.0)),))


def _stack(number: int, take: str, first: int, last: int) -> Node:
    return Node("AnimationStack", (np.int64(number), f"{take}\x00\x01AnimStack", ""), (properties(*(
        p(name, "KTime", "Time", "", np.int64(ticks)) for name, ticks in (
            ("LocalStart", first), ("LocalStop", last), ("ReferenceStart", first), ("ReferenceStop", last)))),))


def _curves(clip: FaceClip, rig: _Rig, times: npt.NDArray[np.int64]) -> Iterator[Node]:
    percent = np.ascontiguousarray((weights_for(clip, tuple(rig.curve_ids)) * _PERCENT).T)
    # The same for every curve, so packed once.
    head = encode_block([Node("Default", (0.0,)), Node("KeyVer", (4008,)), Node("KeyTime", (times,))])
    tail = encode_block([Node("KeyAttrFlags", (np.array([_LINEAR_KEY], np.int32),)), Node("KeyAttrDataFloat", (_KEY_ATTRIBUTES,)),
                         Node("KeyAttrRefCount", (np.array([len(times)], np.int32),))])
    for numbers, values in zip(rig.curve_ids.values(), percent, strict=True):
        keys = encode_block([Node("KeyValueFloat", (values,))], level=_CURVE_PACKING)
        for number in numbers:
            yield Node("AnimationCurve", (np.int64(number), "\x00\x01AnimCurve", ""), (head, keys, tail))


def _centimetres(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return _doubles(points * np.float32(_UNITS_PER_METRE))


def _doubles(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    # Rounded to float32 before it is widened: half of each double is then zeros, which pack to nothing.
    return values.astype(np.float32).astype(np.float64).ravel()


def _key_times(n_frames: int, fps: Fraction, start: Fraction) -> npt.NDArray[np.int64]:
    """Return the ticks of every frame, each rounded once from the exact rational, ties to even."""
    first, step = start * TICKS_PER_SECOND, TICKS_PER_SECOND / fps
    scale = first.denominator * step.denominator
    base, slope = int(first * scale), int(step * scale)
    exact = (divmod(base + i * slope, scale) for i in range(n_frames))
    return np.array([ticks + (2 * rest > scale or (2 * rest == scale and ticks % 2)) for ticks, rest in exact], np.int64)


def _start_of(ticks: int, fps: Fraction) -> Fraction:
    """Return the time of the first key: a whole number of frames where that gives the same tick."""
    on_frame = round(ticks * fps / TICKS_PER_SECOND) / fps
    return on_frame if _key_times(1, fps, on_frame)[0] == ticks else Fraction(ticks, TICKS_PER_SECOND)


def _scene_fps(scene: Node, path: Path) -> Fraction:
    settings = scene.first("GlobalSettings")
    rows = settings.first("Properties70") if settings else None
    values = {row.properties[0]: row.properties[4] for row in (rows.all("P") if rows else ())
              if len(row.properties) > 4 and isinstance(row.properties[0], str)}
    mode, custom = values.get("TimeMode"), values.get("CustomFrameRate")
    if isinstance(mode, int) and mode in _READ_MODES:
        return _READ_MODES[mode]
    if mode == CUSTOM_TIME_MODE and isinstance(custom, float) and MIN_FPS <= custom <= MAX_FPS:
        # The simplest rate that is written with the same double.
        return next(rate for limit in (1, 1001, 10**6, 10**18) if float(rate := Fraction(custom).limit_denominator(limit)) == custom)
    raise unreadable(str(path), f"it names no frame rate (TimeMode {mode!r})")


def _channel_curves(scene: Node) -> Iterator[tuple[str, Node]]:
    """Yield (channel name, AnimationCurve) for every blend-shape channel that is animated."""
    objects = scene.first("Objects") or Node("Objects")
    links = scene.first("Connections") or Node("Connections")
    curves = {node.properties[0]: node for node in objects.all("AnimationCurve") if _starts_with(node, np.int64)}
    children: dict[tuple[int, str], list[int]] = {}
    for link in links.all("C"):
        if _starts_with(link, str, np.int64, np.int64, str):
            _, child, parent, slot = link.properties
            children.setdefault((parent, slot), []).append(child)
    for deformer in objects.all("Deformer"):
        if _starts_with(deformer, np.int64, str, str) and deformer.properties[2] == "BlendShapeChannel":
            number, name, _ = deformer.properties
            for node in children.get((number, "DeformPercent"), ()):
                for curve in children.get((node, "d|DeformPercent"), ()):
                    if curve in curves:
                        yield name.split("\x00")[0], curves[curve]


def _starts_with(node: Node, *kinds: type) -> bool:
    return len(node.properties) >= len(kinds) and all(map(isinstance, node.properties, kinds))


def _array(curve: Node, name: str, kind: type[np.generic], path: Path) -> npt.NDArray[Any]:
    node = curve.first(name)
    values = node.properties[0] if node and node.properties else None
    if not isinstance(values, np.ndarray) or values.dtype != kind:
        raise unreadable(str(path), f"a curve has no {name}")
    return values


def _not_baked(path: Path, cause: str) -> ClipError:
    return ClipError(f"Can't read '{path}' as a clip: {cause}.",
                     "Export it with one take whose blend-shape curves have a key on every frame.", code="clip-format")
