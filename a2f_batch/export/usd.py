"""USD: a head with UsdSkel blend shapes, and a clip as time samples of their weights; needs usd-core (`a2f-batch[usd]`)."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ClipError, ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.reduce import MAX_FRAMES, KeyCount, Tolerance, allowed, evaluate, reduce_keys
from a2f_batch.export.tracks import check_names, check_range, check_targets, weights_for
from a2f_batch.rates import fps_text, parse_fps
from a2f_batch.rig.mesh import Mesh, Part


def write(clip: FaceClip, path: Path, *, mesh: Mesh | None = None, text: bool = False, tolerance: Tolerance = None) -> KeyCount:
    """Write `mesh` under one SkelRoot, every part with its blend shapes, and one SkelAnimation that holds the weights of all targets.

    Time code i is frame i of the clock (start x fps + i); `timeCodesPerSecond` is the clip's rate, its exact text is in the
    animation's custom data. Metres, Y up. Weights are linear between samples. Values are written as they are, never clamped.

    Args:
        mesh: what carries the channels; the default head if None.
        text: usda, or else a crate file.
        tolerance: sample only the frames that keep every weight within this (all weights are one array); None samples every frame.

    Raises:
        ExportError: a channel of `clip` is not a target of `mesh` (code 'channel-without-target'), a weight beyond a million (code
            'value-out-of-range'), usd-core is not installed (code 'usd-missing').

    Source: OpenUSD, schema UsdSkel (BlendShape, Animation, BindingAPI).
    """
    path = Path(path)
    pxr = _pxr("Usd", "UsdGeom", "UsdSkel", "UsdShade", "Sdf", "Vt")
    if mesh is None:
        from a2f_batch.rig.head import default_head

        mesh = default_head()
    check_names(clip, reserved=(), format="USD")
    check_range(clip)
    check_targets(clip, mesh)
    stage = pxr["Usd"].Stage.CreateInMemory()
    root = pxr["UsdSkel"].Root.Define(stage, f"/{_identifier(mesh.name)}")
    stage.SetDefaultPrim(root.GetPrim())
    pxr["UsdGeom"].SetStageUpAxis(stage, pxr["UsdGeom"].Tokens.y)
    pxr["UsdGeom"].SetStageMetersPerUnit(stage, 1.0)
    first = clip.start * clip.fps
    stage.SetTimeCodesPerSecond(float(clip.fps))
    stage.SetFramesPerSecond(float(clip.fps))
    stage.SetStartTimeCode(float(first))
    stage.SetEndTimeCode(float(first + clip.n_frames - 1))

    keys = _animate(pxr, stage, root.GetPath(), clip, mesh, tolerance)
    taken: set[str] = {"Skeleton", "Animation", "Materials"}
    for part in mesh.parts:
        _part(pxr, stage, root.GetPath().AppendChild(_unique(part.name, taken)), part)
    with replacing(path) as file, TemporaryDirectory() as folder:
        # The suffix chooses the encoding.
        made = Path(folder) / ("stage.usda" if text else "stage.usdc")
        stage.GetRootLayer().Export(str(made))
        file.write(made.read_bytes())
    return KeyCount(clip.n_frames * len(mesh.targets), keys * len(mesh.targets))


def read(path: Path) -> FaceClip:
    """Read the first SkelAnimation's blend-shape weights, on every time code from the stage's first to its last.

    Raises:
        ClipError: not USD, or without such weights (codes 'clip-unreadable', 'clip-format').
        ExportError: usd-core is not installed (code 'usd-missing').
    """
    pxr = _pxr("Usd", "UsdSkel", "Tf")
    if not path.is_file():
        raise ClipError(f"Can't read '{path}': there is no such file.", "Give the path of a USD file.", code="clip-unreadable")
    try:
        stage = pxr["Usd"].Stage.Open(str(path))
    except pxr["Tf"].ErrorException as error:
        raise ClipError(f"Can't read '{path}': {str(error).strip().splitlines()[-1]}", "Give a .usd, .usda or .usdc file.",
                        code="clip-unreadable") from None
    for prim in stage.Traverse():
        animation = pxr["UsdSkel"].Animation(prim)
        if animation and (names := animation.GetBlendShapesAttr().Get()):
            return _clip(stage, prim, tuple(map(str, names)), animation.GetBlendShapeWeightsAttr(), path)
    raise ClipError(f"'{path}' has no SkelAnimation with blend shapes.", "Give a file with a baked face animation.", code="clip-format")


def _pxr(*names: str) -> dict[str, ModuleType]:
    from importlib import import_module

    try:
        return {name: import_module(f"pxr.{name}") for name in names}
    except ImportError as error:
        raise ExportError(f"USD needs the package usd-core, which can't be imported: {error}.", "Install it: pip install a2f-batch[usd]",
                          code="usd-missing") from None


def _animate(pxr: dict[str, ModuleType], stage: Any, root: Any, clip: FaceClip, mesh: Mesh, tolerance: Tolerance) -> int:
    """Add the skeleton, without joints, and the animation that it shows; return the number of samples."""
    skeleton = pxr["UsdSkel"].Skeleton.Define(stage, root.AppendChild("Skeleton"))
    animation = pxr["UsdSkel"].Animation.Define(stage, root.AppendChild("Animation"))
    pxr["UsdSkel"].BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    animation.GetPrim().SetCustomData({"a2f": {"fps": fps_text(clip.fps), "start": str(clip.start)}})
    animation.CreateBlendShapesAttr().Set(pxr["Vt"].TokenArray(mesh.targets))
    weights = weights_for(clip, mesh.targets)
    first = clip.start * clip.fps
    samples = animation.CreateBlendShapeWeightsAttr()
    kept = reduce_keys(weights, allowed(tolerance, mesh.targets))
    for frame in kept.tolist():
        samples.Set(pxr["Vt"].FloatArray.FromNumpy(weights[frame]), float(first + frame))
    return len(kept)


def _part(pxr: dict[str, ModuleType], stage: Any, path: Any, part: Part) -> None:
    arrays = pxr["Vt"]
    mesh = pxr["UsdGeom"].Mesh.Define(stage, path)
    mesh.CreatePointsAttr(arrays.Vec3fArray.FromNumpy(part.vertices))
    mesh.CreateExtentAttr(arrays.Vec3fArray.FromNumpy(np.stack([part.vertices.min(axis=0), part.vertices.max(axis=0)])))
    mesh.CreateNormalsAttr(arrays.Vec3fArray.FromNumpy(part.normals))
    mesh.SetNormalsInterpolation(pxr["UsdGeom"].Tokens.vertex)
    mesh.CreateFaceVertexCountsAttr(arrays.IntArray([len(face) for face in part.polygons]))
    mesh.CreateFaceVertexIndicesAttr(arrays.IntArray([int(vertex) for face in part.polygons for vertex in face]))
    mesh.CreateSubdivisionSchemeAttr(pxr["UsdGeom"].Tokens.none)
    mesh.CreateDisplayColorAttr(arrays.Vec3fArray([tuple(map(float, part.material.color))]))
    # USD's texture origin is at the bottom.
    uv = np.stack([part.uv[:, 0], 1 - part.uv[:, 1]], axis=1).astype(np.float32)
    primvar = pxr["UsdGeom"].PrimvarsAPI(mesh).CreatePrimvar("st", pxr["Sdf"].ValueTypeNames.TexCoord2fArray,
                                                             pxr["UsdGeom"].Tokens.vertex)
    primvar.Set(arrays.Vec2fArray.FromNumpy(uv))
    _material(pxr, stage, path, mesh, part)
    if not part.morphs:
        return
    binding = pxr["UsdSkel"].BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([path.GetParentPath().AppendChild("Skeleton")])
    binding.CreateBlendShapesAttr().Set(arrays.TokenArray(list(part.morphs)))
    taken: set[str] = set()
    targets = []
    for name, morph in part.morphs.items():
        shape = pxr["UsdSkel"].BlendShape.Define(stage, path.AppendChild(_unique(name, taken)))
        shape.CreatePointIndicesAttr(arrays.IntArray.FromNumpy(morph.indices))
        shape.CreateOffsetsAttr(arrays.Vec3fArray.FromNumpy(morph.offsets))
        shape.CreateNormalOffsetsAttr(arrays.Vec3fArray.FromNumpy(morph.normal_offsets))
        targets.append(shape.GetPath())
    binding.CreateBlendShapeTargetsRel().SetTargets(targets)


def _material(pxr: dict[str, ModuleType], stage: Any, path: Any, mesh: Any, part: Part) -> None:
    place = path.GetParentPath().AppendChild("Materials").AppendChild(_identifier(part.material.name))
    shade, types = pxr["UsdShade"], pxr["Sdf"].ValueTypeNames
    if not stage.GetPrimAtPath(place):
        material, shader = shade.Material.Define(stage, place), shade.Shader.Define(stage, place.AppendChild("Surface"))
        shader.CreateIdAttr("UsdPreviewSurface")
        shader.CreateInput("diffuseColor", types.Color3f).Set(tuple(map(float, part.material.color)))
        shader.CreateInput("roughness", types.Float).Set(float(part.material.roughness))
        material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    shade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(shade.Material.Get(stage, place))


def _identifier(name: str) -> str:
    """Return `name` as a prim's name: ASCII letters, digits and underscores, no digit first. Blend shapes keep their own as tokens."""
    cleaned = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return cleaned if re.match(r"[A-Za-z_]", cleaned) else f"_{cleaned}"


def _unique(name: str, taken: set[str]) -> str:
    """Return an identifier that is not `taken`, and take it."""
    free = stem = _identifier(name)
    number = 1
    while free in taken:
        number += 1
        free = f"{stem}_{number}"
    taken.add(free)
    return free


def _clip(stage: Any, prim: Any, names: tuple[str, ...], weights: Any, path: Path) -> FaceClip:
    facts = prim.GetCustomData().get("a2f", {})
    fps = parse_fps(facts.get("fps", str(round(stage.GetTimeCodesPerSecond(), 3))))
    codes = np.array(weights.GetTimeSamples())
    rows = [weights.Get(code) for code in codes.tolist()]
    if not rows or any(len(row) != len(names) for row in rows):
        raise ClipError(f"'{path}': '{prim.GetPath()}' has no weight for each of its blend shapes.", "Export it again.", code="clip-format")
    n_frames = round(codes[-1] - codes[0]) + 1
    if n_frames > MAX_FRAMES:
        raise ClipError(f"'{path}': its samples span {n_frames} frames.", "Export a shorter take.", code="clip-format")
    start = Fraction(facts["start"]) if "start" in facts else Fraction(codes[0]) / fps
    values = evaluate(codes - codes[0], np.array(rows), n_frames).astype(np.float32)
    return FaceClip(names, values, fps, start)
