"""A clip's values laid out for the morph targets of a mesh: what every mesh format animates."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from unicodedata import category

import numpy as np

from a2f_batch.clip import FaceClip, Values
from a2f_batch.errors import ExportError
from a2f_batch.names import ROTATIONS
from a2f_batch.rig.mesh import Mesh

_LARGEST = 1e6


def check_targets(clip: FaceClip, mesh: Mesh) -> None:
    """Refuse a clip that `mesh` can't show whole. Rotations (`names.ROTATIONS`) need no target: mesh formats leave them out.

    Raises:
        ExportError: a channel of `clip` is not a target of `mesh`, or none is (code 'channel-without-target').
    """
    targets = set(mesh.targets)
    lacking = [name for name in clip.names if name not in targets and name not in ROTATIONS]
    if targets.isdisjoint(clip.names) and not lacking:
        raise ExportError(f"No channel of the clip moves the mesh '{mesh.name}': its face would stand still.",
                          "Give a clip with blend-shape channels.", code="channel-without-target")
    if lacking:
        shown = ", ".join(map(repr, lacking[:8])) + (f" and {len(lacking) - 8} more" if len(lacking) > 8 else "")
        raise ExportError(f"The mesh '{mesh.name}' has no target for the channel {shown}.",
                          "Rename the channels to the mesh's targets, leave out the others, or put the clip on a mesh that has them.",
                          code="channel-without-target")


def check_range(clip: FaceClip) -> None:
    """Refuse weights that are none, before percent or a tangent of them leaves float32's range.

    Raises:
        ExportError: a weight beyond a million (code 'value-out-of-range').
    """
    largest = float(np.abs(clip.values).max(initial=0))
    if largest > _LARGEST:
        channel = clip.names[int(np.abs(clip.values).max(axis=0).argmax())]
        raise ExportError(f"The channel '{channel}' reaches a weight of {largest:g}.",
                          f"Keep weights within {_LARGEST:,.0f}; the full shape is 1.", code="value-out-of-range")


def weights_for(clip: FaceClip, targets: Sequence[str]) -> Values:
    """Return one weight per frame and target, shape (frames, targets), float32, C order; a target that the clip lacks stays at 0."""
    column = {name: i for i, name in enumerate(clip.names)}
    found = [i for i, name in enumerate(targets) if name in column]
    weights = np.zeros((clip.n_frames, len(targets)), dtype=np.float32)
    weights[:, found] = clip.values[:, [column[targets[i]] for i in found]]
    return weights


def as_text(name: str) -> str:
    """Return a name that nobody looks up (of a take, a mesh, a material) as UTF-8 can hold it: half a surrogate pair becomes '?'.

    JSON would let it through, and Blender's glTF importer fails on it.
    """
    return name.encode("utf-8", "replace").decode("utf-8")


def check_names(clip: FaceClip, *, reserved: Collection[str], format: str) -> None:
    """Refuse channel names that a file can't carry.

    Raises:
        ExportError: a name in `reserved`, with a control character or half a surrogate pair (code 'channel-name').
    """
    for name in clip.names:
        if name in reserved or any(category(character) in ("Cc", "Cs") for character in name):
            raise ExportError(f"The channel {name!r} can't be written as {format}: "
                              + ("the format uses that name itself." if name in reserved else "its name is not plain text."),
                              "Rename the channel.", code="channel-name")
