"""A clip on a host's own face: one array of weights for each of its meshes, and what drives what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from a2f_batch.clip import FaceClip, Values
from a2f_batch.export.rotations import quaternions, turns
from a2f_batch.rig.joints import Joint
from a2f_batch.rig.matching import Match, UserMap, match_meshes

JOINTS: tuple[Joint, ...] = ("Head", "LeftEye", "RightEye")


@dataclass(frozen=True)
class MeshCurves:
    """The curves of one mesh.

    Attributes:
        targets: the mesh's targets that the clip drives, in the mesh's order.
        values: weights, shape (frames, targets), float32.
    """

    targets: tuple[str, ...]
    values: Values


@dataclass(frozen=True)
class FaceCurves:
    """A clip on all meshes of a face.

    Attributes:
        clip: what was fitted.
        meshes: the curves of every mesh, in the order asked for; a mesh that nothing drives has no targets.
        match: over all meshes.
        rotations: joint -> quaternions x, y, z, w, shape (frames, 4), for joints that the clip turns.
    """

    clip: FaceClip
    meshes: tuple[MeshCurves, ...]
    match: Match
    rotations: Mapping[Joint, Values] = field(default_factory=dict)


def fit(clip: FaceClip, meshes: Sequence[Sequence[str]], *, user_map: UserMap | None = None) -> FaceCurves:
    """Put `clip` on meshes.

    Args:
        meshes: the target names of each mesh.
        user_map: as `a2f_batch.rig.matching.match_meshes` takes it.

    Raises:
        ExportError: no channel fits any target (code 'nothing-matched'), the map is wrong ('map-channel', 'map-target').
    """
    over_all, each = match_meshes(clip.names, meshes, user_map=user_map)
    curves = []
    for one, targets in zip(each, meshes, strict=True):
        driven = tuple(target for target in dict.fromkeys(targets) if target not in one.unmatched_targets)
        curves.append(MeshCurves(driven, one.weights(clip, driven)))
    return FaceCurves(clip, tuple(curves), over_all, {joint: quaternions(clip, joint) for joint in JOINTS if turns(clip, joint)})
