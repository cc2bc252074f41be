"""Blend-shape curves, or the animated properties of nulls, of a binary FBX file as a clip."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ClipError
from a2f_batch.export.fbx_binary import Node, decode, unreadable
from a2f_batch.export.fbx_document import CUSTOM_TIME_MODE, LAST_TICK, TICKS_PER_SECOND, TIME_MODES
from a2f_batch.export.fbx_keys import frames_of, key_times, tangents
from a2f_batch.export.opening import read_bytes
from a2f_batch.export.reduce import MAX_FRAMES, evaluate
from a2f_batch.rates import MAX_FPS, MIN_FPS

_PERCENT = np.float32(100)

# Other writers' modes too: 7 and 8 are 30 and 29.97 in drop-frame counting, 18 is 119.88.
_READ_MODES: dict[int, Fraction] = {**{mode: fps for fps, mode in TIME_MODES.items()},
                                         7: Fraction(30), 8: Fraction(30000, 1001), 18: Fraction(120000, 1001)}


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
    _, scene = decode(read_bytes(path, "an FBX file"), str(path))
    fps = _scene_fps(scene, path)
    channels: dict[str, npt.NDArray[np.float32]] = {}
    start, grid = Fraction(0), np.zeros(0, np.int64)
    curves, unit = list(_channel_curves(scene)), _PERCENT
    if not curves:
        curves, unit = list(_property_curves(scene)), np.float32(1)
    for name, curve in curves:
        ticks, values = (_array(curve, field, kind, path) for field, kind in (("KeyTime", np.int64), ("KeyValueFloat", np.float32)))
        if len(values) != len(ticks) or len(ticks) == 0 or not -LAST_TICK < ticks[0] <= ticks[-1] < LAST_TICK:
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
