"""What a line's preview plays: its exported curves on the head that they were exported on, frame by frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.batch.lines import LineRow
from a2f_batch.batch.places import Places
from a2f_batch.batch.qc_again import READABLE
from a2f_batch.clip import FaceClip
from a2f_batch.errors import BatchError
from a2f_batch.export import read_clip
from a2f_batch.export.rotations import quaternions, turns
from a2f_batch.preview.actor import Actor, actor_of
from a2f_batch.rates import Rate
from a2f_batch.rig.character import Character, read_character
from a2f_batch.rig.head import default_head
from a2f_batch.rig.mesh import Mesh
from a2f_batch.rig.morph_meshes import morph_meshes, still_meshes, target_names

Floats = npt.NDArray[np.float32]

_WITH_MESHES = ("glb", "gltf")
_OURS = "a2f-batch"  # the generator of files with our own heads; a character's keep their author's


@dataclass(frozen=True, eq=False)
class Take:
    """A clip on an actor.

    Attributes:
        clip: the exported curves, at the frame rate that is shown.
        source: the file that they were read from.
        actor: who says it.
        weights: of the actor's targets, shape (frames, weights).
        turned: rotation of the whole head, shape (frames, 3, 3); None where the clip has none.
    """

    clip: FaceClip
    source: Path
    actor: Actor
    weights: Floats
    turned: Floats | None

    def pose(self, frame: int) -> tuple[Floats, Floats]:
        """Return vertices and normals of a frame."""
        vertices, normals = self.actor.posed(self.weights[frame])
        if self.turned is not None:
            turn = self.turned[frame].T
            return vertices @ turn, normals @ turn
        return vertices, normals


def read_take(line: LineRow, out: Path, *, fps: Rate | None = None, format_name: str | None = None) -> Take:
    """Read a line's exported file and put it on the head that the line was exported on.

    A line with a .glb of a user's character is shown as that file is, all meshes of it; one that has the character in other formats on the
    file that the run was given; every other one on the default head.

    Args:
        out: the output folder.
        fps: show so many frames per second; None = as exported.
        format_name: the file to read; None = the one that rounds least.

    Raises:
        BatchError: the line has no file that can be read back (code 'preview-no-file').
        ClipError, ExportError: the file, or the character, can't be read.
    """
    there = [name for name in READABLE if name in line.outputs and line.outputs[name].is_file()]
    if format_name:
        there = [name for name in there if name == format_name]
    if not there:
        raise BatchError(f"{line.name}: none of its files ({', '.join(line.outputs) or 'none'}) is there and can be read back"
                         f"{f' as {format_name}' if format_name else ''}.", f"Render the line with one of {', '.join(READABLE[:4])}.",
                         code="preview-no-file")
    source = line.outputs[there[0]]
    clip = _at(read_clip(source, format=there[0]), fps)
    if not clip.n_frames:
        raise BatchError(f"{line.name}: '{source}' has no frames.", "Render the line again.", code="preview-no-file")
    mesh_format = next((name for name in there if name in _WITH_MESHES), None)
    if mesh_format and (own := _own(line.outputs[mesh_format])):
        played = clip if mesh_format == there[0] else _at(read_clip(line.outputs[mesh_format], format=mesh_format), fps)
        rest = [np.asarray(node.rest, np.float32) for node in own.nodes]
        weights = [_by_name(played, node.targets, still) for node, still in zip(own.nodes, rest, strict=True)]
        # The file's own clip may differ in length from the other's by nothing: both are of one line.
        clip = clip.slice(0, min(clip.n_frames, played.n_frames))
        return Take(clip, source, _character_actor(own), np.concatenate(weights, axis=1), None)
    export = {} if mesh_format else _export_options(line, out)
    if "character" in export:
        character = read_character(export["character"])
        _, each = character.match(clip.names, export.get("rig_map"))
        weights = [match.weights(clip, node.targets, node.rest) for node, match in zip(character.nodes, each, strict=True)]
        return Take(clip, source, _character_actor(character), np.concatenate(weights, axis=1), None)
    head = default_head()
    return Take(clip, source, actor_of((head,), (head.targets,)), clip.select(head.targets, missing=0.0).values, _turned(clip))


def _at(clip: FaceClip, fps: Rate | None) -> FaceClip:
    return clip if fps is None else clip.resample(fps)


def _own(path: Path) -> Character | None:
    """Return the user's character that a file shows; None if it shows one of our heads."""
    character = read_character(path)
    return None if character.document["asset"].get("generator") == _OURS else character


def _character_actor(character: Character) -> Actor:
    meshes: tuple[Mesh, ...] = morph_meshes(character)
    still = still_meshes(character)
    return actor_of((*meshes, *still), (*(target_names(node) for node in character.nodes), *(() for _ in still)), both_sides=True)


def _by_name(clip: FaceClip, targets: tuple[str, ...], rest: Floats) -> Floats:
    values = np.tile(rest, (clip.n_frames, 1))
    for k, target in enumerate(targets):
        if target in clip:
            values[:, k] = clip[target]
    return values


def _export_options(line: LineRow, out: Path) -> Mapping[str, Any]:
    """Return the export options of the run, as the summary tells them; nothing if it doesn't."""
    for places in (Places(out), *Places(out).shards()):
        try:
            export = json.loads(places.summary.read_text("utf-8"))["parameters"]["export"]
            return export if isinstance(export, dict) else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return {}


def _turned(clip: FaceClip) -> Floats | None:
    """Return the head's rotation matrices; about the origin, which is between the ears."""
    if not turns(clip, "Head"):
        return None
    x, y, z, w = quaternions(clip, "Head").astype(np.float64).T
    rows = [[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]
    return np.moveaxis(np.array(rows), -1, 0).astype(np.float32)
