"""glTF on the user's own character: a baked FaceClip as one more animation in a copy of the character's file."""

from __future__ import annotations

from pathlib import Path

from a2f_batch.clip import FaceClip
from a2f_batch.export.gltf_takes import Keying, takes_on_character
from a2f_batch.export.reduce import Interpolation
from a2f_batch.rig.character import read_character
from a2f_batch.rig.matching import Match, UserMap


def write(clip: FaceClip, path: str | Path, *, character: str | Path, user_map: UserMap | str | Path | None = None, compact: bool = False,
          tolerance: float | None = None, interpolation: Interpolation = "linear") -> Match:
    """Write a .glb that is `character` with one animation more, named after the clip's line (`meta['line']`, else the file's stem).

    Channels are matched to the targets of every mesh (see `rig.matching.match`). The rest of the file stays: buffer 0's bytes are the
    beginning of the new ones, and nodes, skins, materials, extensions, extras and other animations keep their places and values.
    Files beside a .gltf are taken in. Values are written as they are, times gains, never clamped.

    Args:
        character: a .glb, .vrm or .gltf with named morph targets.
        user_map: channel -> target or {target: gain}, or the path of such a file (TOML or JSON); wins over all that is automatic.
        compact, tolerance, interpolation: see `gltf_takes.Keying`.

    Returns:
        which channel drives which targets, and what fits nothing.

    Raises:
        ExportError: the character can't be read (codes of `rig.character.read_character`), nothing fits it (code 'nothing-matched'),
            a wrong map (codes 'map-unreadable', 'map-channel', 'map-target'), frames before 0 s (code 'time-out-of-range').
    """
    path = Path(path)
    name = str(clip.meta.get("line") or path.stem)
    return takes_on_character({name: clip}, path, read_character(character), user_map, Keying(compact, tolerance, interpolation))[name]
