"""How far channels move the vertices of a mesh, and so how exact their weights must be for the surface to be within millimetres."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from a2f_batch.rig.character import Character
from a2f_batch.rig.matching import Match, Pairs
from a2f_batch.rig.mesh import Mesh
from a2f_batch.rig.morph_meshes import morph_meshes, target_names

Metres: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Reach:
    """How far each channel moves each vertex.

    Attributes:
        channels: their names.
        metres: length of each vertex's offset at weight 1, shape (vertices, channels).
    """

    channels: tuple[str, ...]
    metres: Metres

    def weight_bounds(self, moving: Iterable[str], millimetres: float) -> dict[str, float]:
        """Return the weight error of each of `moving` with which, all erring together, no vertex is off by more than `millimetres`.

        A vertex is off by at most the sum over channels of error x reach. Each channel gets the same share of the way, the whole over
        the largest sum of reaches, each in parts of its channel's farthest, that any vertex has. One that moves nothing gets infinity.
        """
        column = {name: i for i, name in enumerate(self.channels)}
        names = [name for name in dict.fromkeys(moving) if name in column]
        metres = self.metres[:, [column[name] for name in names]].astype(np.float64)
        farthest = metres.max(axis=0, initial=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            at_once = np.where(farthest > 0, metres / farthest, 0).sum(axis=1).max(initial=0)
            bounds = np.where(farthest > 0, millimetres / 1000 / (at_once * farthest), np.inf)
        return dict(zip(names, bounds.tolist(), strict=True))


@lru_cache(maxsize=8)
def mesh_reach(mesh: Mesh) -> Reach:
    """Return how far the targets of `mesh` move its vertices."""
    targets = mesh.targets
    parts = [np.zeros((0, len(targets)), np.float32)]
    for part in mesh.parts:
        lengths = np.zeros((len(part.vertices), len(targets)), np.float32)
        for name, morph in part.morphs.items():
            lengths[morph.indices, targets.index(name)] = np.linalg.norm(morph.offsets, axis=1)
        parts.append(lengths)
    return Reach(targets, np.concatenate(parts))


def character_reach(character: Character, channels: Sequence[str], each: Sequence[Match]) -> Reach:
    """Return how far channels move a character's vertices in the scene at rest, skins and nodes' scales counted.

    A channel's reach is the sum over its targets of gain x reach: targets that pull against each other count as if they did not.

    Args:
        each: the match of every morph node, as `Character.match` gives it.

    Raises:
        ExportError: geometry that can't be read, see `morph_meshes`.
    """
    return _reach(character, tuple(channels), tuple(tuple(one.pairs.items()) for one in each))


@lru_cache(maxsize=8)
def _reach(character: Character, channels: tuple[str, ...], each: tuple[tuple[tuple[str, Pairs], ...], ...]) -> Reach:
    parts = []
    for node, mesh, driven in zip(character.nodes, morph_meshes(character), each, strict=True):
        reach, pairs = mesh_reach(mesh), dict(driven)
        column = {name: i for i, name in enumerate(reach.channels)}
        metres = np.zeros((len(reach.metres), len(channels)), np.float32)
        for i, channel in enumerate(channels):
            gain = {target: abs(share) for target, share in pairs.get(channel, ())}
            for target, name in zip(node.targets, target_names(node), strict=True):
                if target in gain and name in column:
                    metres[:, i] += np.float32(gain[target]) * reach.metres[:, column[name]]
        parts.append(metres)
    return Reach(channels, np.concatenate(parts))
