"""Morph-target weights read back from a .glb or .gltf."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ClipError
from a2f_batch.export.opening import read_bytes
from a2f_batch.export.reduce import MAX_FRAMES, Frames, evaluate
from a2f_batch.export.timing import assume_fps, infer_fps
from a2f_batch.rates import parse_fps

_FLOAT, _UNSIGNED_SHORT = 5126, 5123


def read(path: Path) -> FaceClip:
    """Read the first animation: one channel for every name in some animated mesh's `extras.targetNames`, the first mesh's curve.

    Rate and start come from the animation's extras, as `gltf.write` leaves them, else from the key times. With extras, keys on some
    frames alone are evaluated on all, LINEAR or CUBICSPLINE; without, there must be a key on every frame.
    Buffers must be inside the file.

    Raises:
        ClipError: not glTF, cut, without such an animation, keyed at times that differ between meshes, or
            unevenly (codes 'clip-unreadable', 'clip-cut', 'clip-format', 'clip-uneven').
    """
    document, buffer = read_document(path)
    return clip_in(document, buffer, path)


def read_document(path: Path, *, loads: Callable[[bytes], Any] = json.loads) -> tuple[dict[str, Any], bytes]:
    """Return the JSON of a .glb or .gltf and its buffer 0.

    Args:
        loads: what parses the JSON of a .glb; who reads many files with the same head may know a faster way.

    Raises:
        ClipError: not glTF, cut, or its buffer is another file (codes 'clip-unreadable', 'clip-cut', 'clip-format').
    """
    path = Path(path)
    content = read_bytes(path, "a .glb or .gltf file")
    with _well_formed(path):
        return _glb(content, path, loads) if content[:4] == b"glTF" else _gltf(content, path)


def clip_in(document: dict[str, Any], buffer: bytes, path: Path) -> FaceClip:
    """Return the first animation of a document; see `read`.

    Args:
        path: what messages call it.
    """
    with _well_formed(path):
        return _clip(document, buffer, path)


@contextmanager
def _well_formed(path: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ZeroDivisionError, struct.error) as error:
        # The document is somebody else's: any key may be missing, of another type, or point outside.
        raise ClipError(f"Can't read '{path}': not well-formed glTF ({error!r}).", "Export the file again.", code="clip-format") from None


def _clip(document: dict[str, Any], buffer: bytes, path: Path) -> FaceClip:
    animations = [animation for animation in document.get("animations", [])
                  if any(channel["target"]["path"] == "weights" for channel in animation["channels"])]
    if not animations:
        raise ClipError(f"'{path}' has no animation of morph-target weights.",
                        "Give a file with a baked face animation.", code="clip-format")
    animation = animations[0]
    found: dict[str, None] = {}
    curves: list[Values] = []
    times: npt.NDArray[np.float32] | None = None
    for channel in animation["channels"]:
        if channel["target"]["path"] != "weights":
            continue
        sampler = animation["samplers"][channel["sampler"]]
        kind = sampler.get("interpolation", "LINEAR")
        if kind not in ("LINEAR", "CUBICSPLINE"):
            raise ClipError(f"'{path}': its weights are keyed as {kind}, not LINEAR or CUBICSPLINE.",
                            "Bake the animation.", code="clip-format")
        mesh = document["meshes"][document["nodes"][channel["target"]["node"]]["mesh"]]
        names = mesh.get("extras", {}).get("targetNames")
        if not names:
            raise ClipError(f"'{path}': the mesh '{mesh.get('name')}' does not name its targets.",
                            "Export it with mesh.extras.targetNames.", code="clip-format")
        keyed = _floats(document, buffer, sampler["input"])
        if times is not None and not np.array_equal(times, keyed):
            raise ClipError(f"'{path}': its meshes are keyed at different times.", "Bake the animation.", code="clip-uneven")
        times = keyed
        # Arriving slope, value and leaving slope of each key, or the value alone.
        rows = _floats(document, buffer, sampler["output"]).reshape(len(times), 3 if kind == "CUBICSPLINE" else 1, len(names))
        fresh = []
        for i, name in enumerate(names):
            if name not in found:
                found[name] = None
                fresh.append(i)
        curves.append(rows if len(fresh) == len(names) else rows[..., fresh])
    assert times is not None  # some channel is of weights
    fps, start = _rate(animation.get("extras", {}), times.astype(np.float64), path)
    frames = np.rint((times.astype(np.float64) - float(start)) * float(fps)).astype(np.int64)
    values = [_on_every_frame(frames, some, fps, path) for some in curves]
    return FaceClip(tuple(found), np.concatenate(values, axis=1), fps, start)


def _on_every_frame(keys: Frames, curves: Values, fps: Fraction, path: Path) -> Values:
    """Return curves of shape (keys, 1 or 3, channels) as values of shape (frames, channels)."""
    n_frames, n_values, n_channels = curves.shape
    if np.array_equal(keys, np.arange(n_frames)):
        every: Values = curves[:, n_values // 2]
        return every
    if keys[0] != 0 or (np.diff(keys) < 1).any() or not keys[-1] < MAX_FRAMES:
        raise ClipError(f"'{path}' has keys that are not on its frames at {fps} fps.", "Bake the animation.", code="clip-uneven")
    made = np.empty((int(keys[-1]) + 1, n_channels), np.float32)
    for column in range(n_channels):
        curve = curves[:, :, column]
        tangents = None if curve.shape[1] == 1 else (curve[:, :1] / float(fps), curve[:, 2:] / float(fps))
        made[:, column] = evaluate(keys, curve[:, [curve.shape[1] // 2]], len(made), tangents)[:, 0]
    return made


def _rate(extras: dict[str, Any], times: npt.NDArray[np.float64], path: Path) -> tuple[Fraction, Fraction]:
    if "fps" in extras and "start" in extras:
        return parse_fps(extras["fps"]), Fraction(extras["start"])
    resolution = 4 * float(np.spacing(np.float32(np.abs(times).max())))
    return infer_fps(times, resolution, path) if len(times) > 1 else assume_fps(path), Fraction(str(times[0]))


def _floats(document: dict[str, Any], buffer: bytes, index: int) -> npt.NDArray[np.float32]:
    """Return a dense accessor of scalars: float32, or normalised 16-bit."""
    accessor = document["accessors"][index]
    whole = accessor["componentType"] == _UNSIGNED_SHORT and accessor.get("normalized") is True
    if not (whole or accessor["componentType"] == _FLOAT) or accessor["type"] != "SCALAR" or "sparse" in accessor:
        raise ValueError(f"accessor {index} is not of plain scalars")
    view = document["bufferViews"][accessor["bufferView"]]
    if view["buffer"] != 0:
        raise ValueError(f"accessor {index} is in a second buffer")
    first = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    if whole:
        return (np.frombuffer(buffer, dtype="<u2", count=accessor["count"], offset=first) / 65_535).astype(np.float32)
    return np.frombuffer(buffer, dtype="<f4", count=accessor["count"], offset=first)


def _glb(content: bytes, path: Path, loads: Callable[[bytes], Any]) -> tuple[dict[str, Any], bytes]:
    _, version, length = struct.unpack_from("<4sII", content)
    if version != 2:
        raise ValueError(f"version {version}")
    if length != len(content):
        raise ClipError(f"'{path}' has {len(content)} bytes where its header says {length}.",
                        "The file is cut: export it again.", code="clip-cut")
    (size,) = struct.unpack_from("<I", content, 12)
    return loads(content[20:20 + size]), content[20 + size + 8:]


def _gltf(content: bytes, path: Path) -> tuple[dict[str, Any], bytes]:
    document = json.loads(content)
    head, _, body = document["buffers"][0].get("uri", "").partition(",")
    if not head.startswith("data:") or not head.endswith(";base64"):
        raise ClipError(f"'{path}' keeps its buffer in another file.",
                        "Save it as .glb, or as .gltf with its buffer inside.", code="clip-format")
    return document, base64.b64decode(body, validate=True)
