"""What every FBX file holds around its objects: header, settings, document, definitions, takes.

Source: names, types, labels and order as Maya 2020 (FBX SDK 2020.1) writes them; the phong template as Blender 4.4 does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cache

import numpy as np

from a2f_batch.export.fbx_binary import CREATION_TIME, FILE_ID, Block, Node

# FBX counts time in these units; 24, 25, 30, 48, 50, 60, 100 and 120 fps divide it exactly.
TICKS_PER_SECOND = 46186158000
# Some two weeks: later times are no times.
LAST_TICK = 1 << 56

# FbxTime::EMode. 18 (119.88 fps) is left to CUSTOM_TIME_MODE: ufbx does not know it.
TIME_MODES: dict[Fraction, int] = {Fraction(rate): mode for rate, mode in (
    (120, 1), (100, 2), (60, 3), (50, 4), (48, 5), (30, 6), ("30000/1001", 9), (25, 10), (24, 11),
    ("24000/1001", 13), (96, 15), (72, 16), ("60000/1001", 17))}
CUSTOM_TIME_MODE = 14

_CREATOR = "a2f_batch"


def properties(*rows: Node) -> Node:
    """Return a Properties70 record of `rows`, each made by `p`."""
    return Node("Properties70", (), rows)


def p(name: str, kind: str, label: str = "", flags: str = "", *values: str | int | float | np.int64) -> Node:
    """Return one property; `flags` is 'A' where it can be animated, 'U' where a user made it."""
    return Node("P", (name, kind, label, flags, *values))


def named(name: str, kind: str) -> str:
    """Return an object's name and type as FBX joins them; without NULs, at which readers would end the name."""
    return f"{name.replace(chr(0), '')}\x00\x01{kind}"


def before_objects(version: int, fps: Fraction, first: int, last: int, take: str, definitions: Node | Block) -> Iterator[Node | Block]:
    """Yield the records in front of Objects.

    Args:
        version: 7400 or 7500.
        first, last: times of the first and the last key, in ticks.
        take: the animation stack's name.
        definitions: see `definitions`.
    """
    yield from _header(version)
    yield Node("GlobalSettings", (), (Node("Version", (1000,)), properties(
        # Right-handed, Y up, Z towards the viewer; one unit is one centimetre: Maya's own, so nothing is converted there.
        *(p(f"{axis}{part}", "int", "Integer", "", value)
          for axis, number in (("UpAxis", 1), ("FrontAxis", 2), ("CoordAxis", 0), ("OriginalUpAxis", 1))
          for part, value in (("", number), ("Sign", 1))),
        p("UnitScaleFactor", "double", "Number", "", 1.0),
        p("OriginalUnitScaleFactor", "double", "Number", "", 1.0),
        p("AmbientColor", "ColorRGB", "Color", "", 0.0, 0.0, 0.0),
        p("DefaultCamera", "KString", "", "", "Producer Perspective"),
        p("TimeMode", "enum", "", "", TIME_MODES.get(fps, CUSTOM_TIME_MODE)),
        p("TimeProtocol", "enum", "", "", 2),
        p("SnapOnFrameMode", "enum", "", "", 0),
        p("TimeSpanStart", "KTime", "Time", "", np.int64(first)),
        p("TimeSpanStop", "KTime", "Time", "", np.int64(last)),
        p("CustomFrameRate", "double", "Number", "", -1.0 if fps in TIME_MODES else float(fps)),
        p("TimeMarker", "Compound"),
        p("CurrentTimeMarker", "int", "Integer", "", -1),
    )))
    yield Node("Documents", (), (Node("Count", (1,)), Node("Document", (np.int64(1), "", "Scene"), (
        properties(p("SourceObject", "object"), p("ActiveAnimStackName", "KString", "", "", take)),
        Node("RootNode", (np.int64(0),)),
    ))))
    yield Node("References", (), ())
    yield definitions


def definitions(counts: Mapping[str, int], *, bare: bool = False) -> Node:
    """Return the Definitions: how many objects of each type there are and, unless `bare`, the defaults of their properties."""
    templates = {} if bare else _templates()
    types = {"GlobalSettings": 1, **counts}
    return Node("Definitions", (), (
        Node("Version", (100,)), Node("Count", (sum(types.values()),)),
        *(Node("ObjectType", (kind,), (Node("Count", (count,)), *templates.get(kind, ()))) for kind, count in types.items()),
    ))


def takes(take: str, first: int, last: int) -> Node:
    """Return the Takes record; `first` and `last` in ticks."""
    span = (np.int64(first), np.int64(last))
    return Node("Takes", (), (Node("Current", (take,)), Node("Take", (take,), (
        Node("FileName", (f"{take}.tak",)), Node("LocalTime", span), Node("ReferenceTime", span)))))


@cache
def node_properties() -> frozenset[str]:
    """Return the names of the properties that every node has, which a user's own can't have."""
    return frozenset(row.properties[0] for row in _node_template())


@cache
def _header(version: int) -> tuple[Node, ...]:
    date, time = CREATION_TIME.split()
    stamp = zip(("Year", "Month", "Day", "Hour", "Minute", "Second", "Millisecond"),
                (*date.split("-"), *time.split(":")), strict=True)
    origin = [p(f"{when}{what}", kind, "", "", *value) for when in ("Original", "LastSaved") for what, kind, value in (
        ("", "Compound", ()), ("|ApplicationVendor", "KString", (_CREATOR,)), ("|ApplicationName", "KString", (_CREATOR,)),
        ("|ApplicationVersion", "KString", ("",)), ("|DateTime_GMT", "DateTime", ("01/01/1970 10:00:00.000",)))]
    texts = ("Title", "Subject", "Author", "Keywords", "Revision", "Comment")
    return (
        Node("FBXHeaderExtension", (), (
            Node("FBXHeaderVersion", (1003,)), Node("FBXVersion", (version,)), Node("EncryptionType", (0,)),
            Node("CreationTimeStamp", (), (Node("Version", (1000,)), *(Node(name, (int(value),)) for name, value in stamp))),
            Node("Creator", (_CREATOR,)),
            Node("SceneInfo", ("GlobalInfo\x00\x01SceneInfo", "UserData"), (
                Node("Type", ("UserData",)), Node("Version", (100,)),
                Node("MetaData", (), (Node("Version", (100,)), *(Node(name, ("",)) for name in texts))),
                properties(*origin)))),
        ),
        Node("FileId", (FILE_ID,)), Node("CreationTime", (CREATION_TIME,)), Node("Creator", (_CREATOR,)),
    )


@cache
def _templates() -> dict[str, tuple[Node]]:
    def template(name: str, rows: Iterable[Node]) -> tuple[Node]:
        return (Node("PropertyTemplate", (name,), (properties(*rows),)),)

    return {
        "AnimationStack": template("FbxAnimStack", (
            p("Description", "KString", "", "", ""),
            *(p(name, "KTime", "Time", "", np.int64(0)) for name in ("LocalStart", "LocalStop", "ReferenceStart", "ReferenceStop")))),
        "AnimationLayer": template("FbxAnimLayer", (
            p("Weight", "Number", "", "A", 100.0), *_flags("Mute", "Solo", "Lock"), _color("Color", 0.8),
            *_enums("BlendMode", "RotationAccumulationMode", "ScaleAccumulationMode"),
            p("BlendModeBypass", "ULongLong", "", "", np.int64(0)))),
        "Geometry": template("FbxMesh", (
            _color("Color", 0.8), *_vectors("BBoxMin", "BBoxMax"),
            *_flags("Primary Visibility", "Casts Shadows", "Receive Shadows", value=1))),
        "Material": template("FbxSurfacePhong", (
            p("ShadingModel", "KString", "", "", "Phong"), *_flags("MultiLayer"),
            *(row for name, value, factor in (("Emissive", 0.0, 1.0), ("Ambient", 0.2, 1.0), ("Diffuse", 0.8, 1.0))
              for row in _shade(name, value, factor)),
            *_vectors("Bump", "NormalMap"), p("BumpFactor", "double", "Number", "", 1.0),
            p("TransparentColor", "Color", "", "A", 0.0, 0.0, 0.0), p("TransparencyFactor", "Number", "", "A", 0.0),
            _color("DisplacementColor", 0.0), p("DisplacementFactor", "double", "Number", "", 1.0),
            _color("VectorDisplacementColor", 0.0), p("VectorDisplacementFactor", "double", "Number", "", 1.0),
            *_shade("Specular", 0.2, 1.0), p("ShininessExponent", "Number", "", "A", 20.0), *_shade("Reflection", 0.0, 1.0))),
        "Model": template("FbxNode", _node_template()),
        "NodeAttribute": template("FbxNull", (_color("Color", 0.8), p("Size", "double", "Number", "", 100.0), *_enums("Look"))),
        "AnimationCurveNode": template("FbxAnimCurveNode", (p("d", "Compound"),)),
    }


def _node_template() -> Iterator[Node]:
    def axes(*stems: str) -> list[str]:
        return [f"{stem}{axis}" for stem in stems for axis in "XYZ"]

    yield from _enums("QuaternionInterpolate")
    yield from _vectors("RotationOffset", "RotationPivot", "ScalingOffset", "ScalingPivot")
    yield from _flags("TranslationActive")
    yield from _vectors("TranslationMin", "TranslationMax")
    yield from _flags(*axes("TranslationMin", "TranslationMax"))
    yield from _enums("RotationOrder")
    yield from _flags("RotationSpaceForLimitOnly")
    yield from _numbers(*axes("RotationStiffness"))
    yield from _numbers("AxisLen", value=10.0)
    yield from _vectors("PreRotation", "PostRotation")
    yield from _flags("RotationActive")
    yield from _vectors("RotationMin", "RotationMax")
    yield from _flags(*axes("RotationMin", "RotationMax"))
    yield from _enums("InheritType")
    yield from _flags("ScalingActive")
    yield from _vectors("ScalingMin")
    yield from _vectors("ScalingMax", value=1.0)
    yield from _flags(*axes("ScalingMin", "ScalingMax"))
    yield from _vectors("GeometricTranslation", "GeometricRotation")
    yield from _vectors("GeometricScaling", value=1.0)
    yield from _numbers(*axes("MinDampRange", "MaxDampRange", "MinDampStrength", "MaxDampStrength", "PreferedAngle"))
    yield from (p("LookAtProperty", "object"), p("UpVectorProperty", "object"))
    yield from _flags("Show", "NegativePercentShapeSupport", value=1)
    yield p("DefaultAttributeIndex", "int", "Integer", "", -1)
    yield from _flags("Freeze", "LODBox")
    for name, value in (("Lcl Translation", 0.0), ("Lcl Rotation", 0.0), ("Lcl Scaling", 1.0)):
        yield p(name, name, "", "A", value, value, value)
    yield p("Visibility", "Visibility", "", "A", 1.0)
    yield p("Visibility Inheritance", "Visibility Inheritance", "", "", 1)


def _vectors(*names: str, value: float = 0.0) -> Iterator[Node]:
    return (p(name, "Vector3D", "Vector", "", value, value, value) for name in names)


def _numbers(*names: str, value: float = 0.0) -> Iterator[Node]:
    return (p(name, "double", "Number", "", value) for name in names)


def _flags(*names: str, value: int = 0) -> Iterator[Node]:
    return (p(name, "bool", "", "", value) for name in names)


def _enums(*names: str) -> Iterator[Node]:
    return (p(name, "enum", "", "", 0) for name in names)


def _color(name: str, value: float) -> Node:
    return p(name, "ColorRGB", "Color", "", value, value, value)


def _shade(name: str, value: float, factor: float) -> tuple[Node, Node]:
    return p(f"{name}Color", "Color", "", "A", value, value, value), p(f"{name}Factor", "Number", "", "A", factor)
