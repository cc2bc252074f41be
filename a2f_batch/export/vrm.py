"""VRM Animation (.vrma): the clip as the preset expressions of a VRM 1.0 character, and by option as its 52 ARKit expressions."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pygltflib

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ClipError, ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.gltf_file import write_glb
from a2f_batch.export.opening import read_bytes
from a2f_batch.export.reduce import MAX_FRAMES, KeyCount, evaluate, reduce_keys
from a2f_batch.export.timing import assume_fps, infer_fps
from a2f_batch.export.tracks import as_text, check_names, check_range
from a2f_batch.names import ROTATIONS, vocabulary
from a2f_batch.rates import fps_text, parse_fps
from a2f_batch.rig.matching import match

_EXTENSION = "VRMC_vrm_animation"
# The specification keeps the gaze out of expressions: it is a node of its own, whose rotation a clip of weights does not tell.
_GAZE = ("lookUp", "lookDown", "lookLeft", "lookRight")


def write(clip: FaceClip, path: Path, *, perfect_sync: bool = False, tolerance: float | None = None) -> KeyCount:
    """Write `clip` as linear keys on a node an expression, whose translation's X is the expression's weight, within 0..1.

    The presets are mixed from ARKit channels as `names/vrm1.json` says: the visemes aa, ih, ou, ee, oh
    and the blinks. Emotions, which no channel tells, are left out.

    Args:
        perfect_sync: write the clip's own channels as custom expressions instead, for characters that have the 52 ARKit ones.
        tolerance: key only the frames that keep every weight within this; None keys every frame.

    Raises:
        ExportError: nothing of the clip moves a preset (code 'nothing-matched'), an expression that is called as a preset (code
            'channel-name'), a weight beyond a million (code 'value-out-of-range'), frames before 0 s or so late that float32 can't
            tell them apart (code 'time-out-of-range').

    Source: VRM consortium, specification VRMC_vrm_animation-1.0 (presets without look*, X of the translation, weights in 0..1).
    """
    path = Path(path)
    check_names(clip, reserved=(), format="VRM")
    check_range(clip)
    presets = tuple(name for name in vocabulary("vrm1").channels if name not in _GAZE)
    if perfect_sync:
        weights = clip.select([name for name in clip.names if name not in ROTATIONS])
        reserved = [name for name in weights.names if name in vocabulary("vrm1").channels]
        if reserved:
            raise ExportError(f"Can't write '{path}': the custom expression {reserved[0]!r} is called as a preset is.",
                              "Write the presets, or rename the channel.", code="channel-name")
    else:
        found = match(clip.names, presets)
        driven = [name for name in presets if any(target == name for pairs in found.pairs.values() for target, _ in pairs)]
        weights = FaceClip(tuple(driven), found.weights(clip, driven), clip.fps, clip.start)
    document, content, keys = _document(weights.with_values(weights.values.clip(0, 1)), "custom" if perfect_sync else "preset", path,
                                        str(clip.meta.get("line") or path.stem), tolerance)
    with replacing(path) as file:
        write_glb(file, document, [content], len(content))
    return KeyCount(weights.values.size, keys)


def read(path: Path) -> FaceClip:
    """Read the expressions of the first animation, presets and custom ones, each under its own name, on every frame.

    Raises:
        ClipError: no VRM Animation, cut, or keyed between frames (codes 'clip-unreadable', 'clip-format', 'clip-uneven').
    """
    content = read_bytes(path, "a .vrma file")
    try:
        return _clip(pygltflib.GLTF2.load_from_bytes(content), path)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OSError, ZeroDivisionError, struct.error) as error:
        # The document is somebody else's: any key may be missing, of another type, or point outside.
        raise ClipError(f"Can't read '{path}' as a VRM Animation ({error!r}).", "Export the file again.", code="clip-format") from None


def _document(clip: FaceClip, kind: str, path: Path, take: str, tolerance: float | None) -> tuple[dict[str, Any], bytes, int]:
    """Return the glTF document, its buffer and the number of keys."""
    times = clip.times().astype(np.float32)
    if times[0] < 0 or (np.diff(times) <= 0).any():
        raise ExportError(f"Can't write '{path}': glTF's times start at 0 and are float32; the clip's run from {float(clip.start):g} s "
                          f"in steps of {float(1 / clip.fps):g} s.", "Set the clip's start to 0.", code="time-out-of-range")
    content = bytearray()
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []

    def add(array: npt.NDArray[np.float32], type_: str, **more: Any) -> int:
        views.append({"buffer": 0, "byteOffset": len(content), "byteLength": array.nbytes})
        accessors.append({"bufferView": len(views) - 1, "componentType": pygltflib.FLOAT, "count": len(array), "type": type_, **more})
        content.extend(array.astype("<f4").tobytes())
        return len(accessors) - 1

    inputs: dict[bytes, int] = {}
    samplers, channels, keys = [], [], 0
    for node, curve in enumerate(clip.values.T):
        kept = reduce_keys(curve[:, None], tolerance)
        keys += len(kept)
        if kept.tobytes() not in inputs:
            first, last = (float(str(times[frame])) for frame in kept[[0, -1]])  # the fewest digits that give the float32 back
            inputs[kept.tobytes()] = add(times[kept], pygltflib.SCALAR, min=[first], max=[last])
        translations = np.zeros((len(kept), 3), np.float32)
        translations[:, 0] = curve[kept]
        samplers.append({"input": inputs[kept.tobytes()], "output": add(translations, pygltflib.VEC3), "interpolation": "LINEAR"})
        channels.append({"sampler": node, "target": {"node": node, "path": "translation"}})
    expressions = {name: {"node": node} for node, name in enumerate(clip.names)}
    return {
        "asset": {"generator": "a2f-batch", "version": "2.0"}, "extensionsUsed": [_EXTENSION],
        "extensions": {_EXTENSION: {"specVersion": "1.0", "expressions": {kind: expressions}}},
        "scene": 0, "scenes": [{"nodes": list(range(len(clip.names)))}], "nodes": [{"name": name} for name in clip.names],
        "animations": [{"name": as_text(take), "samplers": samplers, "channels": channels,
                        "extras": {"fps": fps_text(clip.fps), "start": str(clip.start)}}],
        "accessors": accessors, "bufferViews": views, "buffers": [{"byteLength": len(content)}],
    }, bytes(content), keys


def _clip(document: pygltflib.GLTF2, path: Path) -> FaceClip:
    expressions = document.extensions[_EXTENSION]["expressions"]
    names = {entry["node"]: name for kind in ("preset", "custom") for name, entry in expressions.get(kind, {}).items()}
    animation = document.animations[0]
    curves: dict[str, tuple[npt.NDArray[np.float32], Values]] = {}
    for channel in animation.channels:
        if channel.target.node in names and channel.target.path == "translation":
            sampler = animation.samplers[channel.sampler]
            if sampler.interpolation not in (None, "LINEAR"):
                raise ValueError(f"its keys are {sampler.interpolation}, not LINEAR")
            keyed, moved = _floats(document, sampler.input, 1), _floats(document, sampler.output, 3)
            if len(keyed) != len(moved) or not len(keyed):
                raise ValueError("a sampler's times and values differ in number")
            curves[names[channel.target.node]] = keyed[:, 0], moved[:, :1]
    if not curves:
        raise ValueError("no expression is animated")
    extras = animation.extras or {}
    times = next(iter(curves.values()))[0].astype(np.float64)
    if "fps" in extras and "start" in extras:
        fps, start = parse_fps(extras["fps"]), Fraction(extras["start"])
    else:
        resolution = 4 * float(np.spacing(np.float32(np.abs(times).max())))
        fps, start = infer_fps(times, resolution, path) if len(times) > 1 else assume_fps(path), Fraction(str(times[0]))
    n_frames = round((times[-1] - float(start)) * float(fps)) + 1
    made = []
    for name, (seconds, values) in curves.items():
        frames = (seconds.astype(np.float64) - float(start)) * float(fps)
        on = np.rint(frames)
        if np.abs(frames - on).max() > 0.01 or on[0] != 0 or on[-1] != n_frames - 1 or (np.diff(on) < 1).any() or n_frames > MAX_FRAMES:
            raise ClipError(f"'{path}': the keys of '{name}' are not on frames at {fps} fps, or not from the first to the last.",
                            "Bake the animation.", code="clip-uneven")
        made.append(evaluate(on, values, n_frames).astype(np.float32))
    return FaceClip(tuple(curves), np.concatenate(made, axis=1), fps, start)


def _floats(document: pygltflib.GLTF2, index: int, width: int) -> npt.NDArray[np.float32]:
    accessor = document.accessors[index]
    view = document.bufferViews[accessor.bufferView]
    if accessor.componentType != pygltflib.FLOAT or view.byteStride not in (None, 4 * width):
        raise ValueError(f"accessor {index} is not of plain floats")
    first = (view.byteOffset or 0) + (accessor.byteOffset or 0)
    return np.frombuffer(document.binary_blob(), "<f4", accessor.count * width, first).reshape(-1, width)
