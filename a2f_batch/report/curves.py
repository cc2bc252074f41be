"""A line's curves as they were exported: read back from its own file, in eight bits a value."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.export import FORMATS
from a2f_batch.report.alike import AlikeJson
from a2f_batch.report.scripts import packed

#: Formats that curves are read from, the first that is there: glTF has the head too; then what is lossless, then what is quick to read.
READ = ("glb", "gltf", "npz", "csv-plain", "csv", "csv-long", "anim", "usd", "usda", "fbx")
WITH_HEAD = ("glb", "gltf")

_STILL = 0.5 / 255  # a channel that never leaves 0 further needs no curve
_FLOAT = 5126
_alike = AlikeJson()  # the files of a report have the same few heads


@dataclass(frozen=True)
class Exported:
    """A line's exported animation.

    Attributes:
        clip: its curves.
        turns: node number -> quaternions x, y, z, w of every frame, shape (frames, 4), where the file turns head and eyes.
    """

    clip: FaceClip
    turns: Mapping[int, npt.NDArray[np.float32]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the animation for the page: `values` holds channel after channel, a byte a frame, that stand for `ranges`."""
        clip = self.clip
        low, high = np.minimum(clip.values.min(axis=0), 0.0), np.maximum(clip.values.max(axis=0), 1.0)
        moving = np.flatnonzero(np.abs(clip.values).max(axis=0) > _STILL)
        names, low, high = [clip.names[i] for i in moving], low[moving], high[moving]
        scaled = (clip.values[:, moving] - low) / (high - low)
        beyond = np.flatnonzero((low < 0) | (high > 1))
        told: dict[str, Any] = {
            "fps": float(clip.fps), "start": float(clip.start), "frames": clip.n_frames,
            "names": names,
            "ranges": {names[i]: [round(float(low[i]), 5), round(float(high[i]), 5)] for i in beyond},
            "values": packed(np.ascontiguousarray(np.rint(scaled * 255).T.astype(np.uint8)).tobytes()),
        }
        if self.turns:
            told["turns"] = {str(node): packed(np.rint(turn * 32767).astype("<i2").tobytes()) for node, turn in self.turns.items()}
        return told


@dataclass(frozen=True)
class CurveFile:
    """The file that a line's curves are read from.

    Attributes:
        format: its name.
        path: where it is.
        sha256: of its bytes as recorded; "" if it is not as it was written.
    """

    format: str
    path: str
    sha256: str

    @property
    def has_head(self) -> bool:
        """Whether there is a head in it."""
        return self.format in WITH_HEAD

    @property
    def stamp(self) -> str:
        """What tells whether the file has changed."""
        if self.sha256:
            return self.sha256[:32]
        facts = os.stat(self.path)
        return f"{facts.st_size}-{facts.st_mtime_ns}"

    def read(self) -> Exported:
        """Read the animation.

        Raises:
            A2FError: it can't be.
        """
        if not self.has_head:
            return Exported(FORMATS[self.format].load().read(Path(self.path)))
        from a2f_batch.export.gltf_reader import clip_in, read_document

        path = Path(self.path)
        document, buffer = read_document(path, loads=_alike.loads)
        clip = clip_in(document, buffer, path)
        return Exported(clip, dict(_turns(document, buffer, clip.n_frames)))


def curve_file(out: Path, name: str, outputs: Mapping[str, Any]) -> CurveFile | None:
    """Return the file that the curves of the line `name` are best read from; None if there is none."""
    for fmt in READ:
        if fmt not in outputs:
            continue
        path = f"{out}{os.sep}{name}{FORMATS[fmt].suffix}"
        try:
            facts = os.stat(path)
        except OSError:
            continue
        untouched = (facts.st_size, facts.st_mtime_ns) == (outputs[fmt].size, outputs[fmt].mtime_ns)
        return CurveFile(fmt, path, outputs[fmt].sha256 if untouched else "")
    return None


def _turns(document: dict[str, Any], buffer: bytes, frames: int) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Yield the rotations that are keyed on every frame, as our own exporter leaves them; others are none of the line's."""
    try:
        animation = document["animations"][0]
        for channel in animation["channels"]:
            if channel["target"]["path"] != "rotation":
                continue
            accessor = document["accessors"][animation["samplers"][channel["sampler"]]["output"]]
            if (accessor["componentType"], accessor["type"], accessor["count"]) != (_FLOAT, "VEC4", frames):
                continue
            view = document["bufferViews"][accessor["bufferView"]]
            first = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
            yield int(channel["target"]["node"]), np.frombuffer(buffer, "<f4", 4 * frames, first).reshape(frames, 4)
    except (KeyError, IndexError, TypeError, ValueError):
        return  # without its turns the head still talks
