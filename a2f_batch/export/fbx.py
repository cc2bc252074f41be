"""FBX 7.4 or 7.5 binary: a baked FaceClip on the blend-shape channels of a mesh, or as properties of a null."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.fbx_binary import WIDE_FROM, Block, Node, Stream, encode_block, write_file
from a2f_batch.export.fbx_document import (
    LAST_TICK,
    TICKS_PER_SECOND,
    before_objects,
    named,
    node_properties,
    p,
    properties,
    takes,
)
from a2f_batch.export.fbx_keys import cubic_attributes, key_times, linear_attributes
from a2f_batch.export.fbx_rig import Rig, animated, mesh_rig, null_rig
from a2f_batch.export.reduce import Curves, Frames, Interpolation, KeyCount, Tolerance, allowed, reduce_keys, slopes
from a2f_batch.export.tracks import check_names, check_range, check_targets, weights_for
from a2f_batch.rig.mesh import Mesh

FbxWriter = Literal["own", "sdk"]

# zlib's level for keys: higher ones find next to nothing more in them.
_PACKING = 1
# To a weight of 1, where they are compact.
_STEPS = 25_600
# Curves laid out at a time: a cache line of each frame.
_CURVES = 16


def write(clip: FaceClip, path: Path, *, mesh: Mesh | Literal["none"] | None = None, tolerance: Tolerance = None,
          interpolation: Interpolation = "linear", drop_constant: bool = False, compact: bool = False,
          fbx_version: int = 7400, fbx_writer: FbxWriter = "own") -> KeyCount:
    """Write `clip` as one animation stack of DeformPercent curves, or without a mesh as one property a channel.

    The stack ("take") is called after ``clip.meta["line"]``, or after the file. Targets of the mesh that the clip lacks are
    written at 0.

    Args:
        clip: weights, written as percent; values beyond 0..1 are kept.
        mesh: what carries the channels; the default head if None. Its parts are written in centimetres, Y up. 'none': a null, called
            'face', with a property a channel, rotations too; its values are the clip's own, not percent.
        tolerance: key only the frames that keep every weight within this, one for all or one a channel; None keys every frame.
        interpolation: between keys; 'cubic' writes user tangents, unweighted.
        drop_constant: leave out curves that stay at 0 (all but one, where all do: a take has a length), and key others that never
            move on the first and the last frame alone.
        compact: weights in 16 bits (error at most 2e-5), and of a mesh nothing said that is FBX's default: a proxy is 10 to 20 % smaller.
        fbx_version: 7400 or 7500.
        fbx_writer: 'sdk' has Autodesk's module write the file, never compact; see `fbx_sdk.write`.

    Raises:
        ExportError: the clip has no frames (code 'too-short') or a channel that no part of `mesh` has a target for
            (code 'channel-without-target'); a control character in a channel's name, or without a mesh a channel called like a
            property that every node has (code 'channel-name'); what `write_take` refuses; with 'sdk' what `fbx_sdk` does.

    Source: structure of the files Maya 2020 writes; read back with ufbx, both importers of Blender 4.5 and three.js; not tried in
    Autodesk's programs or Unreal.
    """
    path = Path(path)
    if mesh is None:
        from a2f_batch.rig.head import default_head
        mesh = default_head()
    check_names(clip, reserved=() if isinstance(mesh, Mesh) else node_properties(), format="FBX")
    if isinstance(mesh, Mesh):
        check_targets(clip, mesh)
    if fbx_writer == "sdk":
        from a2f_batch.export import fbx_sdk

        return fbx_sdk.write(clip, path, mesh, tolerance=tolerance, interpolation=interpolation, drop_constant=drop_constant,
                             version=fbx_version)
    wide = fbx_version >= WIDE_FROM
    targets = mesh.targets if isinstance(mesh, Mesh) else clip.names
    rig = mesh_rig(mesh, wide=wide, compact=compact) if isinstance(mesh, Mesh) else null_rig(clip.names, wide=wide)
    weights = weights_for(clip, targets)
    moving = moving_columns(weights) if drop_constant else range(len(targets))
    keying = Keying(interpolation, drop_constant, compact, fbx_version, tuple(allowed(tolerance, (target,)) for target in targets))
    return KeyCount(weights.size, write_take(clip, path, rig, weights, moving, keying))


def read(path: Path) -> FaceClip:
    """Read the blend-shape curves, or the properties of a null, back; see `fbx_reader.read`."""
    from a2f_batch.export import fbx_reader

    return fbx_reader.read(path)


@dataclass(frozen=True)
class Keying:
    """How curves are keyed.

    Attributes:
        interpolation, ends_alone, compact, fbx_version: see `write`; `ends_alone` is its `drop_constant`, of curves that are kept.
        bounds: for each column of weights the error that its keys may leave; None keys every frame.
    """

    interpolation: Interpolation
    ends_alone: bool
    compact: bool
    fbx_version: int
    bounds: tuple[float | Curves | None, ...]


def write_take(clip: FaceClip, path: Path, rig: Rig, weights: Values, columns: Sequence[int], keying: Keying) -> int:
    """Write a file of one take and return how many keys its curves have, each once, whatever meshes it is on.

    Args:
        clip: tells times and the take's name.
        weights: one a frame and column of `rig`, shape (frames, columns).
        columns: those that get curves.

    Raises:
        ExportError: the clip has no frames (code 'too-short'), a weight beyond a million (code 'value-out-of-range'), a time two
            weeks from 0 (code 'time-out-of-range'), the place can't be written (code 'output-unwritable').
    """
    if clip.n_frames == 0:
        raise ExportError(f"The clip for '{path}' has no frames.", "Render a longer sound.", code="too-short")
    check_range(clip)
    if max(abs(clip.start), abs(clip.start + clip.duration)) * TICKS_PER_SECOND >= LAST_TICK:
        raise ExportError(f"Can't write '{path}': its times begin at {float(clip.start):g} s, and FBX's readers count to two weeks.",
                          "Set the clip's start to 0.", code="time-out-of-range")
    take = str(clip.meta.get("line") or path.stem).replace("\x00", "")
    beside = animated(rig, tuple(columns))
    keys = _Keys(clip, rig, weights, columns, keying)
    first, last = int(keys.times[0]), int(keys.times[-1])
    objects = Stream("Objects", chain((rig.objects, beside.nodes, _stack(rig.stack_id, take, first, last)), keys.curves()))
    with replacing(path) as file:
        write_file(file, chain(before_objects(keying.fbx_version, clip.fps, first, last, take, beside.definitions),
                               (objects, Node("Connections", (), (rig.links, beside.links)), takes(take, first, last))),
                   version=keying.fbx_version)
    return keys.written


def moving_columns(weights: Values) -> list[int]:
    """Return the columns that don't stay at 0; the first where all do, for a take has a length."""
    moving: list[int] = np.flatnonzero(weights.any(axis=0)).tolist()
    return moving or [0]


def _stack(number: int, take: str, first: int, last: int) -> Node:
    return Node("AnimationStack", (np.int64(number), named(take, "AnimStack"), ""), (properties(*(
        p(name, "KTime", "Time", "", np.int64(ticks)) for name, ticks in (
            ("LocalStart", first), ("LocalStop", last), ("ReferenceStart", first), ("ReferenceStop", last)))),))


class _Keys:
    """The curves of a clip on a rig, and how many keys they took."""

    def __init__(self, clip: FaceClip, rig: Rig, weights: Values, columns: Sequence[int], keying: Keying) -> None:
        self._rig, self._weights, self._columns, self._keying, self._fps = rig, weights, columns, keying, clip.fps
        self.times = key_times(clip.n_frames, clip.fps, clip.start)
        self.written = 0

    def curves(self) -> Iterator[Node]:
        """Yield the AnimationCurve of every slot, column by column."""
        every_frame = np.arange(len(self.times))
        # The same for every curve that is keyed on every frame, so packed once.
        head = self._head(every_frame)
        for first in range(0, len(self._columns), _CURVES):
            some = self._columns[first:first + _CURVES]
            for column, curve in zip(some, np.ascontiguousarray(self._weights[:, some].T), strict=True):
                frames = self._keyed(column, curve, every_frame)
                keys = self._packed(self._in_steps(curve * self._rig.unit), frames)
                self.written += len(frames)
                for slot in self._rig.slots[column]:
                    yield Node("AnimationCurve", (np.int64(slot.curve), "\x00\x01AnimCurve", ""),
                               (head if len(frames) == len(every_frame) else self._head(frames), keys))

    def _keyed(self, column: int, curve: Values, every_frame: Frames) -> Frames:
        if self._keying.ends_alone and (curve == curve[0]).all():
            return every_frame[[0, -1]] if len(every_frame) > 1 else every_frame
        return reduce_keys(curve[:, None], self._keying.bounds[column], self._keying.interpolation)

    def _in_steps(self, values: Values) -> Values:
        """Return values as they are, or rounded so that half of each float32 is zeros, which pack to nothing."""
        if not self._keying.compact:
            return values
        steps = np.float32(2 ** round(math.log2(_STEPS / float(self._rig.unit))))  # 256 to a percent
        made: Values = np.rint(values * steps) / steps
        return made

    def _packed(self, values: Values, frames: Frames) -> Block:
        if self._keying.interpolation == "cubic":
            attributes = cubic_attributes(slopes(values[:, None])[frames, 0] * np.float32(self._fps))
        else:
            attributes = linear_attributes(len(frames))
        return encode_block([Node("KeyValueFloat", (values[frames],)), *attributes], level=_PACKING, wide=self._rig.wide)

    def _head(self, frames: Frames) -> Block:
        version = 4009 if self._rig.wide else 4008  # as Autodesk's files of these versions have it
        return encode_block([Node("Default", (0.0,)), Node("KeyVer", (version,)), Node("KeyTime", (self.times[frames],))],
                            level=_PACKING, wide=self._rig.wide)
