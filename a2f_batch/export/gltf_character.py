"""glTF on the user's own character: a baked FaceClip as one more animation in a copy of the character's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.export.gltf_audio import AudioMode
from a2f_batch.export.gltf_file import Json
from a2f_batch.export.gltf_takes import Keying, Moves, write_take
from a2f_batch.export.reduce import Interpolation, KeyCount, Tolerance
from a2f_batch.export.rotations import quaternions, turns
from a2f_batch.rig.character import Character, read_character
from a2f_batch.rig.joints import animatable, find_joints
from a2f_batch.rig.matching import Match, UserMap, load_user_map


def write(clip: FaceClip, path: str | Path, *, character: str | Path, user_map: UserMap | str | Path | None = None, binary: bool = True,
          compact: bool = False, tolerance: Tolerance = None, interpolation: Interpolation = "linear", rotations: bool = False,
          audio: Path | None = None, audio_mode: AudioMode = "none") -> KeyCount:
    """Write `character` with one animation more, named after the clip's line (`meta['line']`, else the file's stem).

    Channels are matched to the targets of every mesh (see `rig.matching.match`). The rest of the file stays: buffer 0's bytes are the
    beginning of the new ones, and nodes, skins, materials, extensions, extras and other animations keep their places and values.
    Files beside a .gltf are taken in. Values are written as they are, times gains, never clamped.

    Args:
        character: a .glb, .vrm or .gltf with named morph targets.
        user_map: channel -> target or {target: gain}, or the path of such a file (TOML or JSON); wins over all that is automatic.
        binary: a .glb, or else a .gltf that holds its buffers as base64 and has no place for a .glb's further chunks.
        rotations: turn the nodes that `rig.joints.find_joints` finds by the clip's rotation channels; those it does not find stay.
        audio: the line's sound file, for `audio_mode`.
        compact, tolerance, interpolation, audio_mode: see `gltf_takes.Keying`.

    Returns:
        the keys of all driven targets; what drives what is told by `Character.match`.

    Raises:
        ExportError: the character can't be read (codes of `rig.character.read_character`), nothing fits it (code 'nothing-matched'),
            a wrong map (codes 'map-unreadable', 'map-channel', 'map-target'), frames before 0 s (code 'time-out-of-range'), a sound
            that can't be read (code 'audio-unreadable').
    """
    keying = Keying(compact=compact, tolerance=tolerance, interpolation=interpolation, rotations=rotations, audio_mode=audio_mode)
    return write_take(clip, Path(path), character_rig(character, user_map, rotations=rotations), keying, audio, binary=binary)


@dataclass(frozen=True, eq=False)
class CharacterRig:
    """A character that takes are put on, and the user's map for it."""

    character: Character
    user_map: UserMap | None
    document: Json

    @property
    def content(self) -> bytes:
        """Buffer 0."""
        return self.character.content

    @property
    def chunks(self) -> tuple[tuple[int, bytes], ...]:
        """What a .glb of somebody's has beyond the two chunks."""
        return self.character.chunks

    def moves(self, clip: FaceClip, keying: Keying) -> Moves:
        """Return the weights of every node with a matching target; its targets that no channel drives keep the weight at rest.

        Raises:
            ExportError: nothing matches (code 'nothing-matched'), a map that does not fit (codes 'map-channel', 'map-target').
        """
        _, each = self.character.match(clip.names, self.user_map)
        driven = [(node, one) for node, one in zip(self.character.nodes, each, strict=True) if any(one.pairs.values())]
        weights = {node.node: partial(one.weights, clip, node.targets, node.rest) for node, one in driven}
        moved = [[k for k, target in enumerate(node.targets) if target not in one.unmatched_targets] for node, one in driven]
        allowed = keying.tolerance
        return Moves(weights, self._turns(clip) if keying.rotations else {},
                     lambda: np.concatenate([every()[:, columns] for every, columns in zip(weights.values(), moved, strict=True)], axis=1),
                     sum(map(len, moved)),
                     np.concatenate([target_bounds(allowed, one, [node.targets[k] for k in columns]) for (node, one), columns
                                     in zip(driven, moved, strict=True)]) if isinstance(allowed, Mapping) else allowed)

    def _turns(self, clip: FaceClip) -> dict[int, npt.NDArray[np.float32]]:
        return {one.node: one.turned(quaternions(clip, joint)) for joint, one in find_joints(self.character).items() if turns(clip, joint)}


def character_rig(character: str | Path, user_map: UserMap | str | Path | None = None, *, rotations: bool = False) -> CharacterRig:
    """Return a character with what is needed to put takes on it.

    Args:
        rotations: its head and eyes are to be turned; nodes that have a matrix are placed by translation, rotation and scale then.

    Raises:
        ExportError: see `write`.
    """
    found = read_character(character)
    chosen = load_user_map(Path(user_map)) if isinstance(user_map, str | Path) else user_map
    document = found.document
    if rotations:
        document = animatable(document, [joint.node for joint in find_joints(found).values()])
    return CharacterRig(found, chosen, document)


def target_bounds(bound_of: Mapping[str, float], match: Match, targets: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the error that each target may have where its channels may have those of `bound_of`; a channel without one may have none."""
    total = dict.fromkeys(targets, 0.0)
    for channel, pairs in match.pairs.items():
        for target, gain in pairs:
            if gain and target in total:
                total[target] += abs(gain) * bound_of.get(channel, 0.0)
    return np.array([total[target] for target in targets], dtype=np.float64)
