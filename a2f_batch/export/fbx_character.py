"""FBX on the user's own character: the glTF file's meshes with morph targets, and a baked FaceClip on those that it matches."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import count
from pathlib import Path

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ExportError
from a2f_batch.export.fbx import FbxWriter, Keying, write_take
from a2f_batch.export.fbx_binary import WIDE_FROM
from a2f_batch.export.fbx_rig import Rig, Solid, solids_rig
from a2f_batch.export.gltf_character import target_bounds
from a2f_batch.export.reduce import Interpolation, KeyCount, Tolerance
from a2f_batch.rig.character import Character, read_character
from a2f_batch.rig.matching import UserMap
from a2f_batch.rig.morph_meshes import morph_meshes, target_names


def write(clip: FaceClip, path: str | Path, *, character: str | Path, user_map: UserMap | str | Path | None = None,
          tolerance: Tolerance = None, interpolation: Interpolation = "linear", drop_constant: bool = False, compact: bool = False,
          fbx_version: int = 7400, fbx_writer: FbxWriter = "own") -> KeyCount:
    """Write every mesh of `character` that has morph targets, at rest and under its own name, with one take on the targets that match.

    Targets that no channel drives have no curve and keep the weight that they have at rest. Skeleton, textures and other meshes stay
    behind: what is for an engine that has the character already. Names that repeat within a mesh get a number.

    Args:
        character: a .glb, .vrm or .gltf with named morph targets.
        user_map: channel -> target or {target: gain}, or the path of such a file (TOML or JSON); wins over all that is automatic.
        tolerance, interpolation, drop_constant, compact, fbx_version: see `fbx.write`.

    Returns:
        the keys of all driven targets; what drives what is told by `Character.match`.

    Raises:
        ExportError: what `rig.character.read_character`, `Character.match`, `rig.morph_meshes` and `fbx.write` refuse; `fbx_writer`
            'sdk' (code 'fbx-sdk-unsupported').
    """
    if fbx_writer != "own":
        raise ExportError(f"Autodesk's library is not asked for a character's meshes ('{path}').",
                          "Leave --fbx-writer at own for these.", code="fbx-sdk-unsupported")
    found = read_character(character)
    _, each = found.match(clip.names, user_map)
    weights = np.concatenate([match.weights(clip, node.targets, node.rest) for node, match in zip(found.nodes, each, strict=True)], axis=1)
    targets = [(match, target) for node, match in zip(found.nodes, each, strict=True) for target in node.targets]
    driven = [column for column, (match, target) in enumerate(targets) if target not in match.unmatched_targets]
    rest = np.concatenate([node.rest for node in found.nodes]).astype(np.float32)
    # A take has a length, so one curve stays.
    moving = [column for column in driven if (weights[:, column] != rest[column]).any()] or driven[:1]
    bounds = np.concatenate([target_bounds(tolerance, match, node.targets) for node, match in zip(found.nodes, each, strict=True)]
                            ).tolist() if isinstance(tolerance, Mapping) else [tolerance] * len(targets)
    written = write_take(clip, Path(path), _rig(found, wide=fbx_version >= WIDE_FROM, compact=compact), weights,
                         moving if drop_constant else driven, Keying(interpolation, drop_constant, compact, fbx_version, tuple(bounds)))
    return KeyCount(clip.n_frames * len(driven), written)


@lru_cache(maxsize=4)
def _rig(character: Character, *, wide: bool, compact: bool) -> Rig:
    """Return the rig of a character's meshes; its columns are the targets of its nodes, one after the other."""
    columns = count()
    solids = [Solid(mesh.name, mesh.parts, tuple(
        (target, next(columns), rest) for target, rest in zip(target_names(node), node.rest, strict=True)))
        for node, mesh in zip(character.nodes, morph_meshes(character), strict=True)]
    return solids_rig(solids, next(columns), wide=wide, compact=compact)
