"""How exact reduced keys are asked to be: as a weight, or as a distance on the surface of the mesh."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ExportError
from a2f_batch.rig.mesh import Mesh

_MILLIMETRES = re.compile(r"(.*?)\s*mm\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Displacement:
    """The farthest that any vertex may be from where the clip, a key a frame, has it: at every frame, all channels erring together."""

    millimetres: float

    def __str__(self) -> str:
        """Return it as a user writes it."""
        return f"{self.millimetres:g} mm"

    def weight_bounds(self, clip: FaceClip, mesh: Mesh | None = None, *, character: Path | None = None,
                      user_map: Path | None = None) -> dict[str, float]:
        """Return the weight error that each channel of `clip` may have: see `rig.displacement.Reach.weight_bounds`.

        Channels that never move are left out: linear and cubic keys hold a constant exactly, and the others get their share.

        Args:
            mesh: what the clip is put on; the default head if None.
            character: the user's glTF file, in place of a mesh, with `user_map`.

        Raises:
            ExportError: the character can't be read, matched or measured.
        """
        from a2f_batch.rig.displacement import character_reach, mesh_reach

        if character is not None:
            from a2f_batch.rig.character import read_character

            found = read_character(character)
            reach = character_reach(found, clip.names, found.match(clip.names, user_map)[1])
        else:
            from a2f_batch.rig.head import default_head

            reach = mesh_reach(default_head() if mesh is None else mesh)
        moving = np.ptp(clip.values, axis=0) > 0
        return reach.weight_bounds([name for name, moves in zip(clip.names, moving, strict=True) if moves], self.millimetres)


def parse_tolerance(text: str) -> float | Displacement:
    """Return '0.002' as a weight, '0.5mm' as a displacement.

    Raises:
        ExportError: neither (code 'option-value').
    """
    millimetres = _MILLIMETRES.fullmatch(text)
    try:
        number = float(millimetres[1] if millimetres else text)
    except ValueError:
        number = math.nan
    return checked(Displacement(number) if millimetres else number, text)


def checked(tolerance: float | Displacement, shown: object = None) -> float | Displacement:
    """Return `tolerance`, if it is 0 or more.

    Raises:
        ExportError: it is not (code 'option-value').
    """
    number = tolerance.millimetres if isinstance(tolerance, Displacement) else tolerance
    if not 0 <= number < math.inf:
        raise ExportError(f"The export option tolerance can't be {tolerance if shown is None else shown!r}.",
                          "Give a weight of 0 or more, such as 0.002, or a distance on the mesh, such as 0.5mm.", code="option-value")
    return tolerance
