"""FBX 7.4 or 7.5 binary: a baked FaceClip on the blend-shape channels of a mesh, or as properties of a null."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ClipError, ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.fbx_binary import Block, Node, decode, encode, encode_block, unreadable
from a2f_batch.export.fbx_document import (
    CUSTOM_TIME_MODE,
    TICKS_PER_SECOND,
    TIME_MODES,
    before_objects,
    definitions,
    node_properties,
    p,
    properties,
    takes,
)
from a2f_batch.export.fbx_keys import cubic_attributes, frames_of, linear_attributes, tangents
from a2f_batch.export.reduce import MAX_FRAMES, Frames, Interpolation, KeyCount, evaluate, reduce_keys, slopes
from a2f_batch.export.tracks import check_names, check_targets, weights_for
from a2f_batch.rates import MAX_FPS, MIN_FPS
from a2f_batch.rig.mesh import Material, Mesh, Morph, Part

# FBX's own unit is the centimetre, and Maya's default; ours is the metre.
_UNITS_PER_METRE = 100.0
_PERCENT = np.float32(100)

# Curves are packed anew for each file, and higher levels find next to nothing more in them; a mesh is packed once.
_CURVE_PACKING, _MESH_PACKING = 1, 9

_FIRST_ID = 1_000_000
# Some two weeks: later times are no times.
_LAST_TICK = 1 << 56

# Other writers' modes too: 7 and 8 are 30 and 29.97 in drop-frame counting, 18 is 119.88.
_READ_MODES: dict[int, Fraction] = {**{mode: fps for fps, mode in TIME_MODES.items()},
                                         7: Fraction(30), 8: Fraction(30000, 1001), 18: Fraction(120000, 1001)}


def write(clip: FaceClip, path: Path, *, mesh: Mesh | Literal["none"] | None = None, tolerance: float | None = None,
          interpolation: Interpolation = "linear", drop_constant: bool = False, fbx_version: int = 7400,
          fbx_writer: Literal["own", "sdk"] = "own") -> KeyCount:
    """Write `clip` as one animation stack of DeformPercent curves, or without a mesh as one property a channel.

    The stack ("take") is called after ``clip.meta["line"]``, or after the file. Targets of the mesh that the clip lacks are
    written at 0.

    Args:
        clip: weights, written as percent; values beyond 0..1 are kept.
        mesh: what carries the channels; the default head if None. Its parts are written in centimetres, Y up. 'none': a null, called
            'face', with a property a channel, rotations too; its values are the clip's own, not percent.
        tolerance: key only the frames that keep every weight within this; None keys every frame.
        interpolation: between keys; 'cubic' writes user tangents, unweighted.
        drop_constant: leave out curves that stay at 0 (all but one, where all do: a take has a length), and key others that never
            move on the first and the last frame alone.
        fbx_version: 7400 or 7500.
        fbx_writer: 'sdk' has Autodesk's module write the file; see `fbx_sdk.write`.

    Raises:
        ExportError: the clip has no frames (code 'too-short') or a channel that no part of `mesh` has a target for
            (code 'channel-without-target'); without a mesh, a channel called like a property that every node has
            (code 'channel-name'); the place can't be written (code 'output-unwritable'); with 'sdk' what `fbx_sdk` refuses.

    Source: structure of the files Maya 2020 writes; read back with ufbx, both importers of Blender 4.5 and three.js; not tried in
    Autodesk's programs or Unreal.
    """
    path = Path(path)
    if clip.n_frames == 0:
        raise ExportError(f"The clip for '{path}' has no frames.", "Render a longer sound.", code="too-short")
    if mesh is None:
        from a2f_batch.rig.head import default_head
        mesh = default_head()
    if isinstance(mesh, Mesh):
        check_targets(clip, mesh)
    else:
        check_names(clip, reserved=node_properties(), format="FBX")
    if fbx_writer == "sdk":
        from a2f_batch.export import fbx_sdk

        return fbx_sdk.write(clip, path, mesh, tolerance=tolerance, interpolation=interpolation, drop_constant=drop_constant,
                             version=fbx_version)
    rig = _encoded_rig(mesh) if isinstance(mesh, Mesh) else _encoded_null(clip.names)
    times = key_times(clip.n_frames, clip.fps, clip.start)
    first, last = int(times[0]), int(times[-1])
    take = str(clip.meta.get("line") or path.stem).replace("\x00", "")
    weights = weights_for(clip, tuple(rig.slots))
    dropped = still_targets(weights, tuple(rig.slots)) if drop_constant else frozenset()
    animated = _animated(rig, tuple(target for target in rig.slots if target not in dropped))
    keys = _Keys(weights, clip.fps, rig, dropped, times, tolerance, interpolation, ends_alone=drop_constant,
                 key_version=4008 if fbx_version < 7500 else 4009)
    content = encode(chain(
        before_objects(fbx_version, clip.fps, first, last, take, animated.definitions),
        (Node("Objects", (), (rig.objects, animated.nodes, _stack(rig.stack_id, take, first, last), *keys.curves())),
         Node("Connections", (), (rig.links, animated.links)), takes(take, first, last)),
    ), version=fbx_version)
    with replacing(path) as file:
        file.write(content)
    return keys.count


def read(path: Path) -> FaceClip:
    """Read the blend-shape curves of a binary FBX file (7.x) as a clip: each channel once, whatever parts it moves.

    A file that has none is read as `write` leaves it without a mesh: the animated properties of nulls.

    A curve without a key on every frame is evaluated on every frame.

    Raises:
        ClipError: the file is missing, cut or not binary FBX (code 'clip-unreadable'); it has no blend-shape curves,
            curves that differ between parts or in span, keys that are not on frames, or too few of a kind that is neither
            linear nor cubic (code 'clip-format').
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
    start, grid = Fraction(0), np.zeros(0, np.int64)
    curves, unit = list(_channel_curves(scene)), _PERCENT
    if not curves:
        curves, unit = list(_property_curves(scene)), np.float32(1)
    for name, curve in curves:
        ticks, values = (_array(curve, field, kind, path) for field, kind in (("KeyTime", np.int64), ("KeyValueFloat", np.float32)))
        if len(values) != len(ticks) or len(ticks) == 0 or not -_LAST_TICK < ticks[0] <= ticks[-1] < _LAST_TICK:
            raise _not_baked(path, f"the keys of '{name}' are not in order")
        if not channels:
            start = _start_of(int(ticks[0]), fps)
            n_frames = round(int(ticks[-1] - ticks[0]) * fps / TICKS_PER_SECOND) + 1
            if n_frames > MAX_FRAMES:
                raise _not_baked(path, f"'{name}' lasts {n_frames} frames")
            grid = key_times(n_frames, fps, start)
        frames = frames_of(ticks, grid, fps)
        if frames is None:
            raise _not_baked(path, f"the keys of '{name}' are not on frames at {fps} fps, or not from the first to the last")
        if len(frames) < len(grid):
            try:
                values = evaluate(frames, values[:, None], len(grid), tangents(curve, len(frames), fps))[:, 0].astype(np.float32)
            except ValueError as error:
                raise _not_baked(path, f"'{name}': {error}") from None
        if not np.array_equal(channels.setdefault(name, values), values):
            raise _not_baked(path, f"'{name}' moves differently on different parts")
    if not channels:
        raise _not_baked(path, "there are no blend-shape curves in it")
    return FaceClip(tuple(channels), np.column_stack(list(channels.values())) / unit, fps, start)


def still_targets(weights: Values, targets: Sequence[str]) -> frozenset[str]:
    """Return the targets that stay at 0, but the first where all do."""
    moved = weights.any(axis=0)
    moved[:1] |= not moved.any()
    return frozenset(target for target, moves in zip(targets, moved, strict=True) if not moves)


@dataclass(frozen=True)
class _Slot:
    """What a curve drives: a property of an object, and the numbers of the curve node and the curve between them."""

    owner: int
    name: str
    node: int
    curve: int


@dataclass(frozen=True, eq=False)
class _Rig:
    """Everything in a file that depends on the mesh alone, encoded once.

    Attributes:
        slots: target -> what it drives, one for each part it moves. FBX lets channels share a curve, and ufbx
            and Blender follow that, but three.js animates only the first of them: there the teeth would stay behind.
        unit: what the property holds at weight 1.
        counts: how many objects of each type there are, animation left out.
    """

    slots: Mapping[str, tuple[_Slot, ...]]
    unit: np.float32
    stack_id: int
    layer_id: int
    counts: Mapping[str, int]
    objects: Block
    links: Block


@dataclass(frozen=True)
class _Animated:
    """What a file has beside the curves themselves for the targets that have one."""

    definitions: Block
    nodes: Block
    links: Block


@lru_cache(maxsize=16)
def _animated(rig: _Rig, targets: tuple[str, ...]) -> _Animated:
    slots = [slot for target in targets for slot in rig.slots[target]]
    links = [link for slot in slots for link in (
        _link(slot.node, rig.layer_id), _link(slot.node, slot.owner, slot.name), _link(slot.curve, slot.node, f"d|{slot.name}"))]
    counts = {**rig.counts, "AnimationStack": 1, "AnimationLayer": 1, "AnimationCurveNode": len(slots), "AnimationCurve": len(slots)}
    return _Animated(definitions(counts), encode_block([_curve_node(slot) for slot in slots]), encode_block(links))


@lru_cache(maxsize=4)
def _encoded_rig(mesh: Mesh) -> _Rig:
    ids = count(_FIRST_ID)
    stack, layer = next(ids), next(ids)
    slots: dict[str, tuple[_Slot, ...]] = dict.fromkeys(mesh.targets, ())
    objects = [_layer(layer)]
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
            slots[target] += (_Slot(channel, "DeformPercent", node, curve),)
            objects += [_channel(channel, target), _shape(shape, target, morph)]
            links += [_link(channel, deformer), _link(shape, channel)]
    return _rig(slots, _PERCENT, stack, layer, objects, links)


@lru_cache(maxsize=4)
def _encoded_null(channels: tuple[str, ...]) -> _Rig:
    ids = count(_FIRST_ID)
    stack, layer, model, attribute = (next(ids) for _ in range(4))
    objects = [
        _layer(layer),
        Node("NodeAttribute", (np.int64(attribute), "face\x00\x01NodeAttribute", "Null"), (Node("TypeFlags", ("Null",)),)),
        Node("Model", (np.int64(model), "face\x00\x01Model", "Null"), (
            Node("Version", (232,)),
            properties(p("InheritType", "enum", "", "", 1), p("DefaultAttributeIndex", "int", "Integer", "", 0),
                       *(p(channel, "Number", "", "A+U", 0.0) for channel in channels)),
            Node("Shading", (True,)), Node("Culling", ("CullingOff",)))),
    ]
    links = [_link(layer, stack), _link(model, 0), _link(attribute, model)]
    slots = {channel: (_Slot(model, channel, next(ids), next(ids)),) for channel in channels}
    return _rig(slots, np.float32(1), stack, layer, objects, links)


def _rig(slots: Mapping[str, tuple[_Slot, ...]], unit: np.float32, stack: int, layer: int, objects: list[Node], links: list[Node]) -> _Rig:
    return _Rig(slots, unit, stack, layer, Counter(node.name for node in objects),
                encode_block(objects, level=_MESH_PACKING), encode_block(links))


def _layer(number: int) -> Node:
    return Node("AnimationLayer", (np.int64(number), "BaseLayer\x00\x01AnimLayer", ""), ())


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
        Node("Vertices", (_centimetres(morph.offsets),)),
        *([Node("Normals", (_doubles(morph.normal_offsets),))] if morph.normal_offsets.any() else [])))


def _channel(number: int, target: str) -> Node:
    return Node("Deformer", (np.int64(number), f"{target}\x00\x01SubDeformer", "BlendShapeChannel"), (
        Node("Version", (100,)), properties(p("DeformPercent", "Number", "", "A+", 0.0)),
        Node("DeformPercent", (0.0,)), Node("FullWeights", (np.array([100.0]),))))


def _curve_node(slot: _Slot) -> Node:
    return Node("AnimationCurveNode", (np.int64(slot.node), f"{slot.name}\x00\x01AnimCurveNode", ""),
                (properties(p(f"d|{slot.name}", "Number", "", "A", 0.0)),))


def _stack(number: int, take: str, first: int, last: int) -> Node:
    return Node("AnimationStack", (np.int64(number), f"{take}\x00\x01AnimStack", ""), (properties(*(
        p(name, "KTime", "Time", "", np.int64(ticks)) for name, ticks in (
            ("LocalStart", first), ("LocalStop", last), ("ReferenceStart", first), ("ReferenceStop", last)))),))


class _Keys:
    """The curves of a clip on a rig, and how many keys they took."""

    def __init__(self, weights: Values, fps: Fraction, rig: _Rig, dropped: frozenset[str], times: npt.NDArray[np.int64],
                 tolerance: float | None, interpolation: Interpolation, *, ends_alone: bool, key_version: int) -> None:
        self._weights, self._unit, self._ends_alone, self._key_version = weights, rig.unit, ends_alone, key_version
        self._numbers = [() if target in dropped else tuple(slot.curve for slot in slots) for target, slots in rig.slots.items()]
        self._times, self._fps, self._tolerance, self._interpolation = times, fps, tolerance, interpolation
        self.count = KeyCount(self._weights.size, 0)

    def curves(self) -> Iterator[Node]:
        """Yield the AnimationCurve of every part that a target moves, target by target."""
        curves = np.ascontiguousarray((self._weights * self._unit).T)
        every_frame = np.arange(len(self._times))
        # The same for every curve that is keyed on every frame, so packed once.
        head = self._head(every_frame)
        for column, (numbers, values) in enumerate(zip(self._numbers, curves, strict=True)):
            if not numbers:
                continue
            if self._ends_alone and (values == values[0]).all():
                frames = np.unique(every_frame[[0, -1]])
            else:
                frames = reduce_keys(self._weights[:, column:column + 1], self._tolerance, self._interpolation)
            if self._interpolation == "cubic":
                attributes = cubic_attributes(slopes(values[:, None])[frames, 0] * np.float32(self._fps))
            else:
                attributes = linear_attributes(len(frames))
            keys = encode_block([Node("KeyValueFloat", (values[frames],)), *attributes], level=_CURVE_PACKING)
            self.count = KeyCount(self.count.before, self.count.after + len(frames))
            for number in numbers:
                yield Node("AnimationCurve", (np.int64(number), "\x00\x01AnimCurve", ""),
                           (head if len(frames) == len(every_frame) else self._head(frames), keys))

    def _head(self, frames: Frames) -> Block:
        return encode_block([Node("Default", (0.0,)), Node("KeyVer", (self._key_version,)), Node("KeyTime", (self._times[frames],))])


def _centimetres(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return _doubles(points * np.float32(_UNITS_PER_METRE))


def _doubles(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    # Rounded to float32 before it is widened: half of each double is then zeros, which pack to nothing.
    return values.astype(np.float32).astype(np.float64).ravel()


def key_times(n_frames: int, fps: Fraction, start: Fraction) -> npt.NDArray[np.int64]:
    """Return the ticks of every frame, each rounded once from the exact rational, ties to even."""
    first, step = start * TICKS_PER_SECOND, TICKS_PER_SECOND / fps
    scale = first.denominator * step.denominator
    base, slope = int(first * scale), int(step * scale)
    exact = (divmod(base + i * slope, scale) for i in range(n_frames))
    return np.array([ticks + (2 * rest > scale or (2 * rest == scale and ticks % 2)) for ticks, rest in exact], np.int64)


def _start_of(ticks: int, fps: Fraction) -> Fraction:
    """Return the time of the first key: a whole number of frames where that gives the same tick."""
    on_frame = round(ticks * fps / TICKS_PER_SECOND) / fps
    return on_frame if key_times(1, fps, on_frame)[0] == ticks else Fraction(ticks, TICKS_PER_SECOND)


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
    objects, driven = scene.first("Objects") or Node("Objects"), _driven(scene)
    for deformer in objects.all("Deformer"):
        if _starts_with(deformer, np.int64, str, str) and deformer.properties[2] == "BlendShapeChannel":
            number, name, _ = deformer.properties
            for curve in driven.get((number, "DeformPercent"), ()):
                yield name.split("\x00")[0], curve


def _property_curves(scene: Node) -> Iterator[tuple[str, Node]]:
    """Yield (property name, AnimationCurve) for every animated property that a user gave a null."""
    objects, driven = scene.first("Objects") or Node("Objects"), _driven(scene)
    for model in objects.all("Model"):
        if _starts_with(model, np.int64, str, str) and model.properties[2] == "Null":
            rows = model.first("Properties70") or Node("Properties70")
            for row in rows.all("P"):
                if _starts_with(row, str, str, str, str) and "U" in row.properties[3]:
                    for curve in driven.get((model.properties[0], row.properties[0]), ()):
                        yield row.properties[0], curve


def _driven(scene: Node) -> dict[tuple[int, str], list[Node]]:
    """Return (object, property) -> the curves that drive it."""
    objects = scene.first("Objects") or Node("Objects")
    links = scene.first("Connections") or Node("Connections")
    curves = {node.properties[0]: node for node in objects.all("AnimationCurve") if _starts_with(node, np.int64)}
    children: dict[tuple[int, str], list[int]] = {}
    for link in links.all("C"):
        if _starts_with(link, str, np.int64, np.int64, str):
            _, child, parent, slot = link.properties
            children.setdefault((parent, slot), []).append(child)
    return {(owner, slot): [curves[curve] for node in nodes for curve in children.get((node, f"d|{slot}"), ()) if curve in curves]
            for (owner, slot), nodes in children.items()}


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
