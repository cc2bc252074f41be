"""FBX written by Autodesk's own library, for those who have it: the same takes as `fbx` writes, through the `fbx` module."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.fbx import moving_columns
from a2f_batch.export.fbx_document import CUSTOM_TIME_MODE, TIME_MODES
from a2f_batch.export.fbx_keys import key_times
from a2f_batch.export.reduce import Curves, Interpolation, KeyCount, Tolerance, allowed, reduce_keys
from a2f_batch.export.tracks import weights_for
from a2f_batch.rig.mesh import Mesh, Part

_COMPATIBILITY = {7400: "FBX201400", 7500: "FBX201800"}


def sdk() -> ModuleType:
    """Return Autodesk's `fbx` module.

    Raises:
        ExportError: it is not installed, or another package of that name is (code 'fbx-sdk-missing').
    """
    try:
        module: ModuleType | None = import_module("fbx")
    except ImportError:
        module = None
    if module is None or not hasattr(module, "FbxManager"):
        raise ExportError("FBX can't be written by Autodesk's library: Python finds no module 'fbx' with FbxManager in it.",
                          "Install the 'FBX SDK Python Bindings' from Autodesk's FBX SDK page (aps.autodesk.com, 'FBX SDK'; "
                          "they are not on PyPI), or leave --fbx-writer at own.", code="fbx-sdk-missing")
    return module


def write(clip: FaceClip, path: Path, mesh: Mesh | str, *, tolerance: Tolerance, interpolation: Interpolation, drop_constant: bool,
          version: int) -> KeyCount:
    """Write `clip` on the blend shapes of `mesh` with Autodesk's library; see `fbx.write` for the options.

    Geometry, shapes and curves alone: no UVs and no materials. The library puts the date and its own version into the file, so that
    the bytes are not the same from run to run. Not run with the real library by us: it is not to be had without Autodesk's terms.

    Raises:
        ExportError: the library is missing (code 'fbx-sdk-missing') or reports a failure (code 'fbx-sdk-failed'); no mesh, or cubic
            curves, which this way does not write (code 'fbx-sdk-unsupported').

    Source: Autodesk's FBX SDK reference and the samples in its Python bindings (ExportScene, FbxAnimCurve).
    """
    fbx = sdk()
    if not isinstance(mesh, Mesh) or interpolation != "linear":
        raise ExportError(f"Autodesk's library is not asked for {'cubic curves' if isinstance(mesh, Mesh) else 'curves without a mesh'} "
                          f"('{path}').", "Leave --fbx-writer at own for these.", code="fbx-sdk-unsupported")
    manager = fbx.FbxManager.Create()
    try:
        manager.SetIOSettings(fbx.FbxIOSettings.Create(manager, fbx.IOSROOT))
        scene = fbx.FbxScene.Create(manager, mesh.name)
        _set_up(fbx, scene, clip)
        stack = fbx.FbxAnimStack.Create(scene, str(clip.meta.get("line") or path.stem))
        layer = fbx.FbxAnimLayer.Create(scene, "BaseLayer")
        stack.AddMember(layer)
        times = [_time(fbx, ticks) for ticks in key_times(clip.n_frames, clip.fps, clip.start).tolist()]
        stack.SetLocalTimeSpan(fbx.FbxTimeSpan(times[0], times[-1]))
        weights = weights_for(clip, mesh.targets)
        moving = moving_columns(weights) if drop_constant else range(len(mesh.targets))
        keyed = {mesh.targets[column]: _keyed_frames(weights[:, column], allowed(tolerance, (mesh.targets[column],)), drop_constant)
                 for column in moving}
        for part in mesh.parts:
            node, geometry = _add_part(fbx, scene, part)
            for number, target in enumerate(part.morphs):
                if target in keyed:
                    curve = geometry.GetShapeChannel(0, number, layer, True)
                    _add_keys(fbx, curve, keyed[target], times, weights[:, mesh.targets.index(target)])
            scene.GetRootNode().AddChild(node)
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / "take.fbx"
            _save(fbx, manager, scene, written, version)
            content = written.read_bytes()
    finally:
        manager.Destroy()
    with replacing(path) as file:
        file.write(content)
    return KeyCount(weights.size, sum(map(len, keyed.values())))


def _set_up(fbx: Any, scene: Any, clip: FaceClip) -> None:
    settings = scene.GetGlobalSettings()
    settings.SetAxisSystem(fbx.FbxAxisSystem.MayaYUp)
    settings.SetSystemUnit(fbx.FbxSystemUnit.cm)
    # The numbers of FbxTime.EMode are those of the file.
    settings.SetTimeMode(fbx.FbxTime.EMode(TIME_MODES.get(clip.fps, CUSTOM_TIME_MODE)))
    if clip.fps not in TIME_MODES:
        settings.SetCustomFrameRate(float(clip.fps))


def _add_part(fbx: Any, scene: Any, part: Part) -> tuple[Any, Any]:
    geometry = fbx.FbxMesh.Create(scene, part.name)
    _set_points(fbx, geometry, part.vertices)
    for face in part.polygons:
        geometry.BeginPolygon()
        for corner in face:
            geometry.AddPolygon(corner)
        geometry.EndPolygon()
    if part.morphs:
        deformer = fbx.FbxBlendShape.Create(scene, f"{part.name}_blendshapes")
        for target, morph in part.morphs.items():
            shape = fbx.FbxShape.Create(scene, target)
            moved = part.vertices.copy()
            moved[morph.indices] += morph.offsets
            _set_points(fbx, shape, moved)
            channel = fbx.FbxBlendShapeChannel.Create(scene, target)
            channel.AddTargetShape(shape, 100.0)
            deformer.AddBlendShapeChannel(channel)
        geometry.AddDeformer(deformer)
    node = fbx.FbxNode.Create(scene, part.name)
    node.SetNodeAttribute(geometry)
    return node, geometry


def _set_points(fbx: Any, geometry: Any, metres: Values) -> None:
    geometry.InitControlPoints(len(metres))
    for i, (x, y, z) in enumerate((metres * np.float32(100)).tolist()):
        geometry.SetControlPointAt(fbx.FbxVector4(x, y, z), i)


def _keyed_frames(values: Values, tolerance: float | Curves | None, ends_alone: bool) -> list[int]:
    if ends_alone and (values == values[0]).all():
        return sorted({0, len(values) - 1})
    frames: list[int] = reduce_keys(values[:, None], tolerance).tolist()
    return frames


def _add_keys(fbx: Any, curve: Any, frames: list[int], times: list[Any], weights: Values) -> None:
    percent = (weights * np.float32(100)).tolist()
    curve.KeyModifyBegin()
    for frame in frames:
        # KeyAdd returns the key's index and a hint where the next one goes.
        index = curve.KeyAdd(times[frame])[0]
        curve.KeySet(index, times[frame], percent[frame], fbx.FbxAnimCurveDef.EInterpolationType.eInterpolationLinear)
    curve.KeyModifyEnd()


def _time(fbx: Any, ticks: int) -> Any:
    time = fbx.FbxTime()
    time.Set(ticks)
    return time


def _save(fbx: Any, manager: Any, scene: Any, path: Path, version: int) -> None:
    exporter = fbx.FbxExporter.Create(manager, "")
    try:
        binary = manager.GetIOPluginRegistry().GetNativeWriterFormat()
        done = exporter.Initialize(str(path), binary, manager.GetIOSettings())
        done = done and exporter.SetFileExportVersion(_COMPATIBILITY[version]) and exporter.Export(scene)
        if not done:
            raise ExportError(f"Autodesk's library could not write the file: {exporter.GetStatus().GetErrorString()}.",
                              "Leave --fbx-writer at own, or try another --fbx-version.", code="fbx-sdk-failed")
    finally:
        exporter.Destroy()
