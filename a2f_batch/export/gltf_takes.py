"""Takes appended to a glTF file: one animation of morph-target weights a line, on the default head or on a user's character."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ExportError
from a2f_batch.export.atomic import replacing
from a2f_batch.export.reduce import Interpolation, reduce_keys, slopes
from a2f_batch.export.tracks import check_names, check_targets, weights_for
from a2f_batch.rates import fps_text
from a2f_batch.rig.character import Character, read_character
from a2f_batch.rig.matching import Match, UserMap, load_user_map, match_meshes
from a2f_batch.rig.mesh import Mesh

Json = dict[str, Any]

_FLOAT, _UNSIGNED_SHORT = 5126, 5123
_MAX_GLB = 2**32 - 1  # its lengths are 32 bits


@dataclass(frozen=True)
class Keying:
    """How weights are keyed.

    Attributes:
        compact: 16-bit weights where all of a node's are in 0..1 (error at most 8e-6), float32 elsewhere.
        tolerance: key only the frames that keep every weight within this; None keys every frame.
        interpolation: between keys.
    """

    compact: bool = False
    tolerance: float | None = None
    interpolation: Interpolation = "linear"


@dataclass(frozen=True)
class Take:
    """A line ready to be appended.

    Attributes:
        name: the animation's.
        clip: where times and rate come from.
        weights: node -> one weight a frame and target, shape (frames, targets).
    """

    name: str
    clip: FaceClip
    weights: Mapping[int, Values]


def write_takes(clips: Mapping[str, FaceClip], path: str | Path, *, mesh: Mesh | None = None, character: str | Path | None = None,
                user_map: UserMap | str | Path | None = None, compact: bool = False, tolerance: float | None = None,
                interpolation: Interpolation = "linear") -> dict[str, Match]:
    """Write one .glb with an animation a clip, named by its key, in the order of `clips`; each starts at its clip's start.

    Args:
        clips: name -> clip; rates and channels may differ.
        mesh: what carries the channels where no `character` is given; the default head if None.
        character: a .glb, .vrm or .gltf; see `gltf_character.write`.
        user_map: channel -> target or {target: gain}, or the path of a map file; for `character`.
        compact, tolerance, interpolation: see `Keying`.

    Returns:
        each clip's match to the character; empty without one.

    Raises:
        ExportError: no clip (code 'nothing-to-write'), both `mesh` and `character` (code 'option-value'), or what `gltf.write`
            and `gltf_character.write` refuse.
    """
    path, keying = Path(path), Keying(compact, tolerance, interpolation)
    if not clips:
        raise ExportError(f"There is no clip to write to '{path}'.", "Give at least one.", code="nothing-to-write")
    if mesh is not None and character is not None:
        raise ExportError(f"'{path}' can't be on a mesh and on '{character}'.", "Give one of them.", code="option-value")
    if character is not None:
        return takes_on_character(clips, path, read_character(character), user_map, keying)
    from a2f_batch.export.gltf import _mesh_layout  # its sibling's layout of a mesh, without an animation

    if mesh is None:
        from a2f_batch.rig.head import default_head

        mesh = default_head()
    layout = _mesh_layout(mesh)
    for clip in clips.values():
        check_names(clip, reserved=(), format="glTF")
        check_targets(clip, mesh)
    takes = [Take(name, clip, {node: weights_for(clip, targets) for node, targets in layout.animated}) for name, clip in clips.items()]
    document, content = appended(layout.document, layout.content, takes, path, keying)
    with replacing(path) as file:
        file.write(glb(document, content))
    return {}


def takes_on_character(clips: Mapping[str, FaceClip], path: Path, character: Character, user_map: UserMap | str | Path | None,
                       keying: Keying) -> dict[str, Match]:
    """Append `clips` to `character` and write it to `path`; return each clip's match.

    Every node with a matching target gets a weights channel; its targets that no channel drives keep the weight that the character
    has at rest.
    """
    chosen = load_user_map(Path(user_map)) if isinstance(user_map, str | Path) else user_map
    matches, takes = {}, []
    for name, clip in clips.items():
        matches[name], each = match_meshes(clip.names, [node.targets for node in character.nodes], user_map=chosen,
                                           expressions=character.expressions)
        takes.append(Take(name, clip, {node.node: one.weights(clip, node.targets, node.rest)
                                       for node, one in zip(character.nodes, each, strict=True) if any(one.pairs.values())}))
    document, content = appended(character.document, character.content, takes, path, keying)
    with replacing(path) as file:
        file.write(glb(document, content, character.chunks))
    return matches


def appended(document: Json, content: bytes, takes: Iterable[Take], path: Path, keying: Keying) -> tuple[Json, bytes]:
    """Return a glTF document and its buffer 0 with an animation a take at the end. What was there keeps its place and its bytes."""
    tail = _Tail(len(content), len(document.get("bufferViews", ())), len(document.get("accessors", ())))
    animations = [_animation(take, tail, path, keying) for take in takes]
    buffers = document.get("buffers") or [{}]
    lists: Json = {"accessors": [*document.get("accessors", ()), *tail.accessors],
                   "bufferViews": [*document.get("bufferViews", ()), *tail.views],
                   "animations": [*document.get("animations", ()), *animations],
                   "buffers": [{**buffers[0], "byteLength": len(content) + len(tail.content)}, *buffers[1:]]}
    return {**document, **lists}, content + bytes(tail.content)


def glb(document: Json, content: bytes, chunks: Sequence[tuple[int, bytes]] = ()) -> bytes:
    """Return a .glb of JSON, buffer 0 and somebody's further chunks.

    Raises:
        ExportError: it would be over 4 GiB (code 'too-large').
    """
    # Escapes: a lone half of a surrogate pair, which JSON allows and UTF-8 does not, stays what it was.
    text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode("ascii")
    parts = [(0x4E4F534A, text + b" " * (-len(text) % 4)), (0x004E4942, content + bytes(-len(content) % 4)), *chunks]
    length = 12 + sum(8 + len(part) for _, part in parts)
    if length > _MAX_GLB:
        raise ExportError(f"A .glb of {length} bytes can't be written: its lengths are 32 bits.",
                          "Put fewer lines into one file.", code="too-large")
    return b"".join([struct.pack("<4sII", b"glTF", 2, length), *(struct.pack("<II", len(part), kind) + part for kind, part in parts)])


@dataclass
class _Tail:
    """What is appended to buffer 0 and to the lists that describe it."""

    first_byte: int
    first_view: int
    first_accessor: int
    content: bytearray = field(default_factory=bytearray)
    views: list[Json] = field(default_factory=list)
    accessors: list[Json] = field(default_factory=list)

    def add(self, array: npt.NDArray[Any], **more: Any) -> int:
        """Append scalars and return the index of their accessor."""
        self.content += bytes(-(self.first_byte + len(self.content)) % 4)
        self.views.append({"buffer": 0, "byteOffset": self.first_byte + len(self.content), "byteLength": array.nbytes})
        self.content += np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
        kind = {"componentType": _UNSIGNED_SHORT, "normalized": True} if array.dtype == np.uint16 else {"componentType": _FLOAT}
        self.accessors.append({"bufferView": self.first_view + len(self.views) - 1, **kind, "count": array.size, "type": "SCALAR", **more})
        return self.first_accessor + len(self.accessors) - 1


def _animation(take: Take, tail: _Tail, path: Path, keying: Keying) -> Json:
    clip = take.clip
    times = clip.times().astype(np.float32)
    if clip.n_frames == 0:
        raise ExportError(f"The clip '{take.name}' for '{path}' has no frames.", "Render a longer sound.", code="too-short")
    if times[0] < 0 or (np.diff(times) <= 0).any():
        raise ExportError(f"Can't write '{take.name}' to '{path}': glTF's times start at 0 and are float32; the clip's run from "
                          f"{float(clip.start):g} s in steps of {float(1 / clip.fps):g} s.",
                          "Set the clip's start to 0.", code="time-out-of-range")
    # All nodes share their times: some readers take the first node's for all.
    keys = reduce_keys(np.concatenate(list(take.weights.values()), axis=1), keying.tolerance, keying.interpolation)
    first, last = (float(str(times[key])) for key in (keys[0], keys[-1]))  # the fewest digits that give the float32 back
    times_index = tail.add(times[keys], min=[first], max=[last])
    animation: Json = {"name": take.name, "channels": [], "samplers": [], "extras": {"fps": fps_text(clip.fps), "start": str(clip.start)}}
    for node, weights in take.weights.items():
        animation["channels"].append({"sampler": len(animation["samplers"]), "target": {"node": node, "path": "weights"}})
        animation["samplers"].append({"input": times_index, "output": tail.add(_output(weights, keys, clip, keying)),
                                      "interpolation": "LINEAR" if keying.interpolation == "linear" else "CUBICSPLINE"})
    return animation


def _output(weights: Values, keys: npt.NDArray[np.int64], clip: FaceClip, keying: Keying) -> npt.NDArray[Any]:
    """Return a sampler's output; CUBICSPLINE has a row of tangents, over seconds, before and after each row of values."""
    keyed = weights[keys]
    if keying.interpolation == "cubic":
        tangents = slopes(weights)[keys] * np.float32(clip.fps)
        return np.stack([tangents, keyed, tangents], axis=1)
    if keying.compact and keyed.min() >= 0 and keyed.max() <= 1:
        whole: npt.NDArray[np.uint16] = np.rint(keyed.astype(np.float64) * 65_535).astype(np.uint16)
        return whole
    return keyed
