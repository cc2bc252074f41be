"""glTF 2.0: a mesh with its morph targets, and a baked FaceClip as one animation of their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from a2f_batch.clip import FaceClip
from a2f_batch.export.gltf_audio import AudioMode
from a2f_batch.export.reduce import Interpolation, KeyCount, Tolerance
from a2f_batch.rig.mesh import Mesh


def write(clip: FaceClip, path: Path, *, mesh: Mesh | Literal["none"] | None = None, binary: bool = True, tolerance: Tolerance = None,
          interpolation: Interpolation = "linear", compact: bool = False, rotations: bool = False, audio: Path | None = None,
          audio_mode: AudioMode = "none") -> KeyCount:
    """Write `mesh`, every part a node under one root, with one animation: a `weights` channel for every part with targets.

    The animation is named after the clip's line (`meta['line']`, else the file's stem); its extras hold the exact `fps`
    and `start` as text. Targets that the clip lacks stay at 0; values are written as they are, never clamped.

    Args:
        mesh: what carries the channels; the default head if None.
        binary: a .glb, or else a .gltf that holds its buffer as base64.
        rotations: turn the whole, and with the default head each eyeball, by the clip's rotation channels, a key on every frame. Eyeballs
            that turn so are not moved by their eyeLook targets too; lids are.
        audio: the line's sound file, for `audio_mode`.
        tolerance, interpolation, compact, audio_mode: see `gltf_takes.Keying`.

    Raises:
        ExportError: no mesh (code 'mesh-none'), a channel of `clip` is not a target of `mesh` (code 'channel-without-target'), frames
            before 0 s or so late that float32 can't tell them apart (code 'time-out-of-range'), a sound that can't be read (code
            'audio-unreadable').

    Source: glTF 2.0 specification (Khronos), sections 3.6.2 (accessors), 3.7.2.2 (morph targets), 3.11 (animations).
    """
    from a2f_batch.export.gltf_mesh import mesh_rig
    from a2f_batch.export.gltf_takes import Keying, write_take

    if isinstance(mesh, str):
        from a2f_batch.export.options import mesh_required

        raise mesh_required("glTF")
    keying = Keying(compact=compact, tolerance=tolerance, interpolation=interpolation, rotations=rotations, audio_mode=audio_mode)
    return write_take(clip, path, mesh_rig(mesh, rotations=rotations), keying, audio, binary=binary)


def read(path: Path) -> FaceClip:
    """Read the first animation's weights back; see `gltf_reader.read`."""
    from a2f_batch.export import gltf_reader

    return gltf_reader.read(path)
