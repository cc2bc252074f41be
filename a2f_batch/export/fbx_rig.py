"""What in an FBX file depends on the mesh alone: models, geometry, materials, blend shapes and their places for curves; encoded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.export.fbx_binary import Block, Node, encode_block
from a2f_batch.export.fbx_document import definitions, named, p, properties
from a2f_batch.rig.mesh import Material, Mesh, Morph, Part

# FBX's own unit is the centimetre, and Maya's default; ours is the metre.
_UNITS_PER_METRE = 100.0
PERCENT = np.float32(100)

# A mesh is packed once.
_MESH_PACKING = 9
_FIRST_ID = 1_000_000


@dataclass(frozen=True)
class Slot:
    """What a curve drives: a property of an object, and the numbers of the curve node and the curve between them."""

    owner: int
    name: str
    node: int
    curve: int


@dataclass(frozen=True, eq=False)
class Solid:
    """One mesh of a file.

    Attributes:
        name: its own; with several parts, each part is a material's share of it.
        parts: see `Part`.
        channels: its targets, each with the column of weights that drives it, and the weight at rest.
    """

    name: str
    parts: tuple[Part, ...]
    channels: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True, eq=False)
class Rig:
    """Everything in a file that depends on the mesh alone.

    Attributes:
        slots: for each column of weights what it drives, a slot for each mesh that it moves. FBX lets channels share a curve, and ufbx
            and Blender follow that, but three.js animates only the first of them: there the teeth would stay behind.
        unit: what the property holds at weight 1.
        counts: how many objects of each type there are, animation left out.
        wide: encoded for a version with 64-bit headers.
        compact: without what is FBX's default anyway.
    """

    slots: tuple[tuple[Slot, ...], ...]
    unit: np.float32
    stack_id: int
    layer_id: int
    counts: Mapping[str, int]
    objects: Block
    links: Block
    wide: bool
    compact: bool


@dataclass(frozen=True)
class Animated:
    """What a file has beside the curves themselves for the columns that have one."""

    definitions: Block
    nodes: Block
    links: Block


@lru_cache(maxsize=4)
def mesh_rig(mesh: Mesh, *, wide: bool, compact: bool) -> Rig:
    """Return the rig of a mesh; its columns are `mesh.targets`."""
    column = {target: i for i, target in enumerate(mesh.targets)}
    groups = [(mesh.name, mesh.parts)] if mesh.joined else [(part.name, (part,)) for part in mesh.parts]
    solids = [Solid(name, parts, tuple((target, column[target], 0.0) for target in dict.fromkeys(
        target for part in parts for target in part.morphs))) for name, parts in groups]
    return solids_rig(solids, len(column), wide=wide, compact=compact)


@lru_cache(maxsize=4)
def null_rig(channels: tuple[str, ...], *, wide: bool) -> Rig:
    """Return a null called 'face' with a property a channel."""
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
    slots = tuple((Slot(model, channel, next(ids), next(ids)),) for channel in channels)
    return _rig(slots, np.float32(1), stack, layer, objects, links, wide=wide)


def solids_rig(solids: Sequence[Solid], columns: int, *, wide: bool, compact: bool) -> Rig:
    """Return the rig of several meshes, driven by so many columns of weights."""
    ids = count(_FIRST_ID)
    stack, layer = next(ids), next(ids)
    slots: list[tuple[Slot, ...]] = [()] * columns
    objects = [_layer(layer)]
    links = [_link(layer, stack)]

    materials: dict[Material, int] = {}
    for solid in solids:
        whole = _joined(solid.name, solid.parts)
        surfaces = tuple(dict.fromkeys(part.material for part in solid.parts))
        for material in surfaces:
            if material not in materials:
                materials[material] = next(ids)
                objects.append(_material(materials[material], material))
        model, geometry = next(ids), next(ids)
        surface_of = np.repeat([surfaces.index(part.material) for part in solid.parts], [len(part.polygons) for part in solid.parts])
        objects += [_geometry(geometry, whole, surface_of), _model(model, solid.name)]
        # A model's materials are numbered in the order of these links.
        links += [_link(model, 0), _link(geometry, model), *(_link(materials[material], model) for material in surfaces)]
        if not solid.channels:
            continue
        deformer = next(ids)
        # Unreal strips a deformer's name from channels that begin with it: this one never does.
        objects.append(Node("Deformer", (np.int64(deformer), named(f"{solid.name}_blendshapes", "Deformer"), "BlendShape"),
                            (Node("Version", (100,)),)))
        links.append(_link(deformer, geometry))
        for target, column, rest in solid.channels:
            channel, shape, node, curve = next(ids), next(ids), next(ids), next(ids)
            slots[column] += (Slot(channel, "DeformPercent", node, curve),)
            objects += [_channel(channel, target, rest, brief=compact), _shape(shape, target, whole.morphs.get(target, _UNMOVED))]
            links += [_link(channel, deformer), _link(shape, channel)]
    return _rig(tuple(slots), PERCENT, stack, layer, objects, links, wide=wide, compact=compact)


@lru_cache(maxsize=16)
def animated(rig: Rig, columns: tuple[int, ...]) -> Animated:
    """Return curve nodes, links and definitions for a file that animates `columns`."""
    slots = [slot for column in columns for slot in rig.slots[column]]
    links = [link for slot in slots for link in (
        _link(slot.node, rig.layer_id), _link(slot.node, slot.owner, slot.name), _link(slot.curve, slot.node, f"d|{slot.name}"))]
    counts = {**rig.counts, "AnimationStack": 1, "AnimationLayer": 1, "AnimationCurveNode": len(slots), "AnimationCurve": len(slots)}
    return Animated(encode_block([definitions(counts, bare=rig.compact)], wide=rig.wide),
                    encode_block(map(_curve_node, slots), wide=rig.wide), encode_block(links, wide=rig.wide))


def _rig(slots: tuple[tuple[Slot, ...], ...], unit: np.float32, stack: int, layer: int, objects: list[Node], links: list[Node], *,
         wide: bool, compact: bool = False) -> Rig:
    return Rig(slots, unit, stack, layer, Counter(node.name for node in objects),
               encode_block(objects, level=_MESH_PACKING, wide=wide), encode_block(links, wide=wide), wide, compact)


def _joined(name: str, parts: Sequence[Part]) -> Part:
    """Return parts as one, vertices and faces in their order."""
    if len(parts) == 1:
        return parts[0]
    first = np.cumsum([0] + [len(part.vertices) for part in parts])[:-1].tolist()

    def joined_morph(target: str) -> Morph:
        moved = [(start, part.morphs[target]) for start, part in zip(first, parts, strict=True) if target in part.morphs]
        return Morph(np.concatenate([morph.indices + np.int32(start) for start, morph in moved]),
                     np.concatenate([morph.offsets for _, morph in moved]), np.concatenate([morph.normal_offsets for _, morph in moved]))

    return Part(name, np.concatenate([part.vertices for part in parts]), np.concatenate([part.normals for part in parts]),
                np.concatenate([part.uv for part in parts]),
                tuple(tuple(corner + start for corner in face) for start, part in zip(first, parts, strict=True) for face in part.polygons),
                parts[0].material, {target: joined_morph(target) for target in dict.fromkeys(
                    target for part in parts for target in part.morphs)})


def _layer(number: int) -> Node:
    return Node("AnimationLayer", (np.int64(number), "BaseLayer\x00\x01AnimLayer", ""), ())


def _link(child: int, parent: int, slot: str | None = None) -> Node:
    if slot is None:
        return Node("C", ("OO", np.int64(child), np.int64(parent)))
    return Node("C", ("OP", np.int64(child), np.int64(parent), slot))


def _model(number: int, name: str) -> Node:
    return Node("Model", (np.int64(number), named(name, "Model"), "Mesh"), (
        Node("Version", (232,)),
        properties(p("RotationActive", "bool", "", "", 1), p("InheritType", "enum", "", "", 1),
                   p("DefaultAttributeIndex", "int", "Integer", "", 0)),
        Node("Shading", (True,)), Node("Culling", ("CullingOff",))))


def _material(number: int, material: Material) -> Node:
    # Readers turn a phong exponent into roughness by this square: (10 (1 - roughness))^2.
    shininess = (10 * (1 - material.roughness)) ** 2
    return Node("Material", (np.int64(number), named(material.name, "Material"), ""), (
        Node("Version", (102,)), Node("ShadingModel", ("phong",)), Node("MultiLayer", (0,)),
        properties(p("DiffuseColor", "Color", "", "A", *map(float, material.color)),
                   p("ReflectionFactor", "Number", "", "A", 0.0),
                   p("Shininess", "double", "Number", "", shininess), p("ShininessExponent", "Number", "", "A", shininess))))


def _geometry(number: int, part: Part, surface_of: npt.NDArray[np.int64]) -> Node:
    """Return a mesh; `surface_of` says which of its materials each polygon has."""
    corners = np.concatenate([np.asarray(face, np.int32) for face in part.polygons])
    ends = np.cumsum([len(face) for face in part.polygons]) - 1
    polygons = corners.copy()
    polygons[ends] = -polygons[ends] - 1
    layers = tuple(_layers(part, corners, surface_of))
    return Node("Geometry", (np.int64(number), named(part.name, "Geometry"), "Mesh"), (
        Node("Vertices", (_centimetres(part.vertices),)), Node("PolygonVertexIndex", (polygons,)), Node("GeometryVersion", (124,)),
        *layers,
        Node("Layer", (0,), (Node("Version", (100,)), *(
            Node("LayerElement", (), (Node("Type", (element.name,)), Node("TypedIndex", (0,)))) for element in layers)))))


def _layers(part: Part, corners: npt.NDArray[np.int32], surface_of: npt.NDArray[np.int64]) -> Iterator[Node]:
    def layer(name: str, title: str, mapping: str, reference: str, *arrays: Node) -> Node:
        return Node(name, (0,), (Node("Version", (101,)), Node("Name", (title,)), Node("MappingInformationType", (mapping,)),
                                 Node("ReferenceInformationType", (reference,)), *arrays))

    yield layer("LayerElementNormal", "", "ByVertice", "Direct", Node("Normals", (_doubles(part.normals),)))
    if part.uv.any():
        uv = np.column_stack([part.uv[:, 0], 1 - part.uv[:, 1]])
        yield layer("LayerElementUV", "map1", "ByPolygonVertex", "IndexToDirect", Node("UV", (_doubles(uv),)), Node("UVIndex", (corners,)))
    several = bool(surface_of.any())
    yield layer("LayerElementMaterial", "", "ByPolygon" if several else "AllSame", "IndexToDirect",
                Node("Materials", (surface_of.astype(np.int32) if several else np.zeros(1, np.int32),)))


# A target that moves nothing is still a target by its name; a shape has to have a vertex.
_UNMOVED = Morph(np.zeros(1, np.int32), np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32))


def _shape(number: int, target: str, morph: Morph) -> Node:
    return Node("Geometry", (np.int64(number), named(target, "Geometry"), "Shape"), (
        Node("Version", (100,)), Node("Indexes", (np.asarray(morph.indices, np.int32),)),
        Node("Vertices", (_centimetres(morph.offsets),)),
        *([Node("Normals", (_doubles(morph.normal_offsets),))] if morph.normal_offsets.any() else [])))


def _channel(number: int, target: str, rest: float, *, brief: bool) -> Node:
    percent = float(np.float32(rest) * PERCENT)
    # Maya says it twice; 0 is what a property that nobody mentions has.
    again = () if brief and not percent else (properties(p("DeformPercent", "Number", "", "A+", percent)),)
    return Node("Deformer", (np.int64(number), named(target, "SubDeformer"), "BlendShapeChannel"), (
        Node("Version", (100,)), *again, Node("DeformPercent", (percent,)), Node("FullWeights", (np.array([100.0]),))))


def _curve_node(slot: Slot) -> Node:
    return Node("AnimationCurveNode", (np.int64(slot.node), named(slot.name, "AnimCurveNode"), ""),
                (properties(p(f"d|{slot.name}", "Number", "", "A", 0.0)),))


def _centimetres(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return _doubles(points * np.float32(_UNITS_PER_METRE))


def _doubles(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    # Rounded to float32 before it is widened: half of each double is then zeros, which pack to nothing.
    return values.astype(np.float32).astype(np.float64).ravel()
