"""Takes on a glTF rig, a head's or a character's: each one more animation of its morph-target weights and joints, in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.gltf_audio import AudioMode, described, embedded, linked
from a2f_batch.export.gltf_file import Json, write_glb, write_gltf
from a2f_batch.export.reduce import Interpolation, KeyCount, Tolerance, reduce_keys, slopes
from a2f_batch.export.tracks import as_text, check_range
from a2f_batch.rates import fps_text
from a2f_batch.rig.matching import UserMap
from a2f_batch.rig.mesh import Mesh

_FLOAT, _UNSIGNED_SHORT = 5126, 5123
_ROWS = 4096  # converted at a time
_IN_MEMORY = 16 << 20  # bytes of takes that are kept there, before they go to a temporary file beside the one that is written


@dataclass(frozen=True, kw_only=True)
class Keying:
    """How takes are keyed, and what goes with them.

    Attributes:
        compact: 16-bit weights where all of a node's are in 0..1 (error at most 8e-6), float32 elsewhere; linear keys only.
        tolerance: key only the frames that keep every weight within this; None keys every frame. A sampler keys all its targets at
            once, and all nodes of a take share their times, so this saves less than in formats that key each channel by itself.
        interpolation: between keys: LINEAR or CUBICSPLINE.
        rotations: turn the head and the eyes by the clip's rotation channels, a key on every frame.
        audio_mode: 'embed' puts the bytes of a take's sound file into the buffer; 'link' names its place as seen from the folder of
            the written file. Either way the animation's `extras.audio` tells name, mimeType, offset (seconds) and bufferView or uri:
            nobody's extension, for your tools.
    """

    compact: bool = False
    tolerance: Tolerance = None
    interpolation: Interpolation = "linear"
    rotations: bool = False
    audio_mode: AudioMode = "none"


@dataclass(frozen=True, eq=False)
class Moves:
    """What a clip does to the nodes of a rig. Weights are made when they are asked for: all at once may be many times the clip.

    Attributes:
        weights: node -> what makes its mesh's weights, shape (frames, targets).
        turns: node -> its rotation as quaternions, shape (frames, 4): x, y, z, w.
        curves: what makes the curves that the keys are chosen by, shape (frames, curves).
        n_curves: how many they are; a key counts once for each.
        allowed: tolerance of all curves, or of each; None keys every frame.
    """

    weights: Mapping[int, Callable[[], Values]]
    turns: Mapping[int, Values]
    curves: Callable[[], Values]
    n_curves: int
    allowed: float | npt.NDArray[np.float64] | None = None


class Rig(Protocol):
    """What takes can be put on: a glTF document without them."""

    @property
    def document(self) -> Json:
        """The JSON; not to be changed."""

    @property
    def content(self) -> bytes:
        """Buffer 0."""

    @property
    def chunks(self) -> tuple[tuple[int, bytes], ...]:
        """(type, bytes) of a .glb's further chunks."""

    def moves(self, clip: FaceClip, keying: Keying) -> Moves:
        """Return what `clip` does; an ExportError where it would not come through whole."""


@dataclass
class TakesFile:
    """A glTF file under construction: a rig's document, buffer and the takes added so far."""

    rig: Rig
    path: Path
    spool: IO[bytes]
    views: list[Json] = field(default_factory=list)
    accessors: list[Json] = field(default_factory=list)
    animations: list[Json] = field(default_factory=list)
    length: int = field(init=False)
    before: int = 0
    after: int = 0

    def __post_init__(self) -> None:
        """Begin behind the rig's buffer."""
        self.length = len(self.rig.content)

    def add(self, name: str, clip: FaceClip, keying: Keying, audio: Path | None = None, *, rig: Rig | None = None,
            name_sound: bool = False) -> None:
        """Append `clip` as the animation `name`; on an error the file is as it was before.

        Args:
            audio: the line's sound file, for `keying.audio_mode`.
            rig: moves the clip in place of the file's own rig: the same document, met by another map.
            name_sound: tell the sound's name, type and offset without a mode too.

        Raises:
            ExportError: no frames (code 'too-short'), a weight beyond a million (code 'value-out-of-range'), frames before 0 s or so
                late that float32 can't tell them apart (code 'time-out-of-range'), a sound that can't be read (code
                'audio-unreadable'), and what the rig refuses.
        """
        check_range(clip)
        times = _times(name, clip, self.path)
        moves = (rig or self.rig).moves(clip, keying)
        # All nodes share their times: some readers take the first node's for all.
        curves = moves.curves() if moves.allowed is not None else np.empty((clip.n_frames, 0), np.float32)
        keys = reduce_keys(curves, moves.allowed, keying.interpolation)
        if len(keys) == 1:  # CUBICSPLINE wants two
            keying = replace(keying, interpolation="linear")
        sound = embedded(audio) if audio is not None and keying.audio_mode == "embed" else None
        animation: Json = {"name": as_text(name), "channels": [], "samplers": [],
                           "extras": {"fps": fps_text(clip.fps), "start": str(clip.start)}}

        def drive(node: int, path: str, input_index: int, output_index: int, interpolation: str) -> None:
            animation["channels"].append({"sampler": len(animation["samplers"]), "target": {"node": node, "path": path}})
            animation["samplers"].append({"input": input_index, "output": output_index, "interpolation": interpolation})

        at = self._add_times(times[keys])
        for node, weights in moves.weights.items():
            drive(node, "weights", at, self._add(_output(weights(), keys, clip, keying), "SCALAR"),
                  "LINEAR" if keying.interpolation == "linear" else "CUBICSPLINE")
        if moves.turns:
            at = at if len(keys) == len(times) else self._add_times(times)
            for node, turn in moves.turns.items():
                drive(node, "rotation", at, self._add(turn, "VEC4"), "LINEAR")
        if sound is not None:
            animation["extras"]["audio"] = {**sound[1], "bufferView": self._add_view(sound[0])}
        elif audio is not None and keying.audio_mode == "link":
            animation["extras"]["audio"] = linked(audio, self.path)
        elif audio is not None and name_sound:
            animation["extras"]["audio"] = described(audio)
        self.animations.append(animation)
        self.before += clip.n_frames * moves.n_curves
        self.after += len(keys) * moves.n_curves

    def write(self, file: BinaryIO, *, binary: bool = True) -> None:
        """Write all takes to `file`.

        Raises:
            ExportError: there is none (code 'nothing-to-write'), a .glb over 4 GiB (code 'too-large').
        """
        if not self.animations:
            raise ExportError(f"There is no clip to write to '{self.path}'.", "Give at least one.", code="nothing-to-write")
        before = self.rig.document
        buffers = before.get("buffers") or [{}]
        # What was there keeps its place and its value.
        document = {**before, "accessors": [*before.get("accessors", ()), *self.accessors],
                    "bufferViews": [*before.get("bufferViews", ()), *self.views],
                    "animations": [*before.get("animations", ()), *self.animations],
                    "buffers": [{**buffers[0], "byteLength": self.length}, *buffers[1:]]}
        if binary:
            write_glb(file, document, self._content(), self.length, self.rig.chunks)
        else:
            write_gltf(file, document, self._content())

    def _content(self) -> Iterator[bytes]:
        yield self.rig.content
        self.spool.seek(0)
        while piece := self.spool.read(1 << 20):
            yield piece

    def _add_times(self, times: npt.NDArray[np.float32]) -> int:
        first, last = (float(str(time)) for time in (times[0], times[-1]))  # the fewest digits that give the float32 back
        return self._add(times, "SCALAR", min=[first], max=[last])

    def _add(self, array: npt.NDArray[Any], kind: str, **more: Any) -> int:
        """Append an array and return the index of its accessor."""
        view = self._add_view(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
        component = {"componentType": _UNSIGNED_SHORT, "normalized": True} if array.dtype == np.uint16 else {"componentType": _FLOAT}
        count = len(array) if kind == "VEC4" else array.size
        self.accessors.append({"bufferView": view, **component, "count": count, "type": kind, **more})
        return len(self.rig.document.get("accessors", ())) + len(self.accessors) - 1

    def _add_view(self, content: bytes) -> int:
        """Append bytes to the buffer and return the index of their view."""
        padding = -self.length % 4  # every accessor starts at a multiple of four
        self.spool.write(bytes(padding))
        self.spool.write(content)
        self.views.append({"buffer": 0, "byteOffset": self.length + padding, "byteLength": len(content)})
        self.length += padding + len(content)
        return len(self.rig.document.get("bufferViews", ())) + len(self.views) - 1


@contextmanager
def takes_file(path: Path, rig: Rig, *, binary: bool = True) -> Iterator[TakesFile]:
    """Yield a file to add takes to; it is written when the block ends, whole, and not at all if it raises.

    The takes' curves wait in memory, and on the disk of `path` once they are many: a character may have thousands of lines.
    """
    path = Path(path)
    with replacing(path) as file, SpooledTemporaryFile(_IN_MEMORY, dir=str(path.parent)) as spool:
        takes = TakesFile(rig, path, spool)
        yield takes
        takes.write(file, binary=binary)


def write_take(clip: FaceClip, path: Path, rig: Rig, keying: Keying, audio: Path | None, *, binary: bool) -> KeyCount:
    """Write a file of one take, named after the clip's line (`meta['line']`, else the file's stem)."""
    path = Path(path)
    with takes_file(path, rig, binary=binary) as takes:
        takes.add(str(clip.meta.get("line") or path.stem), clip, keying, audio)
    return KeyCount(takes.before, takes.after)


def write_takes(clips: Mapping[str, FaceClip] | Iterable[tuple[str, FaceClip]], path: str | Path, *, mesh: Mesh | None = None,
                character: str | Path | None = None, user_map: UserMap | str | Path | None = None, compact: bool = False,
                tolerance: Tolerance = None, interpolation: Interpolation = "linear", rotations: bool = False) -> KeyCount:
    """Write one .glb with an animation a clip, named by its key, in the order of `clips`; each starts at its clip's start.

    Args:
        clips: name -> clip, or such pairs, which are taken one at a time; rates and channels may differ.
        mesh: what carries the channels where no `character` is given; the default head if None.
        character: a .glb, .vrm or .gltf; see `gltf_character.write`.
        user_map: channel -> target or {target: gain}, or the path of a map file; for `character`.
        compact, tolerance, interpolation, rotations: see `Keying`.

    Returns:
        the keys of all takes together.

    Raises:
        ExportError: no clip (code 'nothing-to-write'), both `mesh` and `character` (code 'option-value'), or what `gltf.write`
            and `gltf_character.write` refuse.
    """
    if mesh is not None and character is not None:
        raise ExportError(f"'{path}' can't be on a mesh and on '{character}'.", "Give one of them.", code="option-value")
    keying = Keying(compact=compact, tolerance=tolerance, interpolation=interpolation, rotations=rotations)
    with takes_file(Path(path), rig_of(mesh, character, user_map, rotations=rotations)) as takes:
        for name, clip in clips.items() if isinstance(clips, Mapping) else clips:
            takes.add(name, clip, keying)
    return KeyCount(takes.before, takes.after)


def rig_of(mesh: Mesh | None, character: str | Path | None, user_map: UserMap | str | Path | None, *, rotations: bool) -> Rig:
    """Return the rig of a character, or else of `mesh`, or else of the default head.

    Raises:
        ExportError: see `gltf_character.character_rig`.
    """
    if character is not None:
        from a2f_batch.export.gltf_character import character_rig

        return character_rig(character, user_map, rotations=rotations)
    from a2f_batch.export.gltf_mesh import mesh_rig

    return mesh_rig(mesh, rotations=rotations)


def _times(name: str, clip: FaceClip, path: Path) -> npt.NDArray[np.float32]:
    if clip.n_frames == 0:
        raise ExportError(f"The clip '{name}' for '{path}' has no frames.", "Render a longer sound.", code="too-short")
    times = clip.times().astype(np.float32)
    if times[0] < 0 or (np.diff(times) <= 0).any():
        raise ExportError(f"Can't write '{name}' to '{path}': glTF's times start at 0 and are float32; the clip's run from "
                          f"{float(clip.start):g} s in steps of {float(1 / clip.fps):g} s.",
                          "Set the clip's start to 0.", code="time-out-of-range")
    return times


def _output(weights: Values, keys: npt.NDArray[np.int64], clip: FaceClip, keying: Keying) -> npt.NDArray[Any]:
    """Return a sampler's output; CUBICSPLINE has a row of tangents, over seconds, before and after each row of values."""
    keyed = weights if len(keys) == len(weights) else weights[keys]
    if keying.interpolation == "cubic":
        tangents = slopes(weights)[keys] * np.float32(clip.fps)
        return np.stack([tangents, keyed, tangents], axis=1)
    if keying.compact and keyed.min() >= 0 and keyed.max() <= 1:
        whole = np.empty(keyed.shape, np.uint16)
        for first in range(0, len(keyed), _ROWS):
            whole[first:first + _ROWS] = np.rint(keyed[first:first + _ROWS].astype(np.float64) * 65_535)
        return whole
    return keyed
