"""What a run asks of its exports, over all formats: each format is handed those options that its `write` takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from a2f_batch.errors import ExportError
from a2f_batch.export import FORMATS, Format
from a2f_batch.export.reduce import KeyCount

if TYPE_CHECKING:
    from a2f_batch.clip import FaceClip
    from a2f_batch.rig.matching import Match

MeshChoice: TypeAlias = Literal["default", "proxy", "none"]
AudioMode: TypeAlias = Literal["embed", "link", "none"]
FbxWriter: TypeAlias = Literal["own", "sdk"]

FBX_VERSIONS = (7400, 7500)
# Others that need a mesh have no way yet to take the character's.
CHARACTER_FORMATS = ("glb",)


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of all formats; picklable, for workers get them. An option at its default is left to the format.

    Attributes:
        mesh: what the mesh formats put the clip on: the default head, the small proxy head, or none (fbx: curves alone).
        character: the user's own glTF file, in place of a head.
        rig_map: JSON file of channel -> target, for a character whose names no vocabulary knows.
        compact: 16-bit weights where they fit (glTF, error at most 8e-6); None = yes, for all readers agree on them.
        tolerance: key only the frames that keep every weight within this; None keys every frame.
        interpolation: between keys, 'linear' or 'cubic'.
        rotations: head and eye rotations of the clip as node animation (glTF, default head).
        audio_mode: whether a file holds the line's sound, names it, or neither (glTF).
        timecode_start: timecode of the first frame, HH:MM:SS:FF (Live Link Face CSV).
        node, attribute_map: names in Maya, see `maya_anim.write`.
        drop_constant: leave out curves that never move (fbx); None = with the proxy alone, which is there to save room.
        fbx_version: 7400 or 7500.
        fbx_writer: 'own', or 'sdk' for Autodesk's `fbx` module.

    Raises:
        ExportError: a value that no format has a meaning for (code 'option-value').
    """

    mesh: MeshChoice = "default"
    character: Path | None = None
    rig_map: Path | None = None
    compact: bool | None = None
    tolerance: float | None = None
    interpolation: Literal["linear", "cubic"] = "linear"
    rotations: bool = False
    audio_mode: AudioMode = "none"
    timecode_start: str | None = None
    node: str | None = None
    attribute_map: Mapping[str, str] | None = None
    drop_constant: bool | None = None
    fbx_version: int = 7400
    fbx_writer: FbxWriter = "own"

    def __post_init__(self) -> None:
        """Refuse values that are none."""
        for name, allowed in (("mesh", get_args(MeshChoice)), ("interpolation", ("linear", "cubic")), ("audio_mode", get_args(AudioMode)),
                              ("fbx_version", FBX_VERSIONS), ("fbx_writer", get_args(FbxWriter))):
            if getattr(self, name) not in allowed:
                raise ExportError(f"The export option {name} can't be {getattr(self, name)!r}.",
                                  f"Choose from: {', '.join(map(str, allowed))}.", code="option-value")
        if self.tolerance is not None and not (0 <= self.tolerance < math.inf):
            raise ExportError(f"The export option tolerance can't be {self.tolerance!r}.",
                              "Give a weight of 0 or more, such as 0.002.", code="option-value")
        if self.character and self.mesh != "default":
            raise ExportError(f"The clip can't be put on '{self.character}' and on the mesh '{self.mesh}'.",
                              "Give a character or a mesh, not both.", code="option-value")
        if self.rig_map and not self.character:
            raise ExportError(f"The map '{self.rig_map}' is for a character, and none is given.",
                              "Give the character too, or no map.", code="option-value")

    def asked(self) -> tuple[str, ...]:
        """Return the names of the options that differ from their defaults."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) != field.default)

    def check(self, formats: Iterable[Format]) -> None:
        """Refuse, before the first line, what could not be honoured by any line.

        Raises:
            ExportError: an option that none of `formats` takes (code 'option-unused'), a format that needs a mesh where none
                is wanted (code 'mesh-none'), Autodesk's module where it is not installed (code 'fbx-sdk-missing').
        """
        formats = tuple(formats)
        for name in self.asked():
            if not any(name in _options(fmt) for fmt in formats):
                takers = [fmt.name for fmt in FORMATS.values() if name in _options(fmt)]
                raise ExportError(f"The option {name} has no meaning for {', '.join(fmt.name for fmt in formats)}.",
                                  f"Leave it out, or add one of its formats: {', '.join(takers)}.", code="option-unused")
        if self.mesh == "none":
            for fmt in formats:
                if "mesh" in fmt.options and not fmt.meshless:
                    raise mesh_required(fmt.name)
        if self.character:
            for fmt in formats:
                if "mesh" in fmt.options and fmt.name not in CHARACTER_FORMATS:
                    raise ExportError(f"{fmt.name} can't be put on '{self.character}': it would be on the default head.",
                                      f"Of the formats with a mesh, {', '.join(CHARACTER_FORMATS)} takes a character.",
                                      code="character-format")
        if self.fbx_writer == "sdk":
            from a2f_batch.export.fbx_sdk import sdk

            sdk()

    def for_format(self, fmt: Format, audio: Path | None = None) -> dict[str, Any]:
        """Return the keyword arguments for `fmt`'s `write`: only those that it takes and that were asked for.

        Args:
            audio: the line's sound file; without it there is none to embed or link.
        """
        asked: dict[str, Any] = {name: getattr(self, name) for name in self.asked()}
        if asked.get("mesh") == "proxy":
            from a2f_batch.rig.proxy import proxy_head

            asked["mesh"] = proxy_head()
        if "audio_mode" in asked and audio is not None:
            asked["audio"] = audio
        if self.mesh == "proxy":
            asked.setdefault("drop_constant", True)
        asked.setdefault("compact", True)
        return {name: value for name, value in asked.items() if name in fmt.options}

    def export(self, clip: FaceClip, path: Path, fmt: Format, audio: Path | None = None) -> KeyCount | None:
        """Write `clip` to `path`; return how many keys were written, where the format counts them.

        Raises:
            ExportError: see `a2f_batch.export.export`.
        """
        if clip.n_frames == 0:
            raise ExportError(f"The clip for '{path}' has no frames.", "Render a longer sound.", code="too-short")
        asked = self.for_format(fmt, audio)
        if self.character and fmt.name in CHARACTER_FORMATS:
            self._export_on_character(self.character, clip, path, asked)
            return None
        written = fmt.load().write(clip, path, **{**fmt.defaults, **asked})
        return written if isinstance(written, KeyCount) else None

    def _export_on_character(self, character: Path, clip: FaceClip, path: Path, asked: Mapping[str, Any]) -> None:
        from a2f_batch.export import gltf_character

        taken = {one for one, parameter in signature(gltf_character.write).parameters.items() if parameter.kind is Parameter.KEYWORD_ONLY}
        gltf_character.write(clip, path, character=character, user_map=self.rig_map,
                             **{name: value for name, value in asked.items() if name in taken})

    def match(self, channels: Sequence[str]) -> Match | None:
        """Return how `channels` meet the targets of the character; None without one.

        Raises:
            ExportError: see `gltf_character.write`.
        """
        if not self.character:
            return None
        from a2f_batch.rig.character import read_character
        from a2f_batch.rig.matching import load_user_map, match_meshes

        character = read_character(self.character)
        merged, _ = match_meshes(channels, [node.targets for node in character.nodes],
                                 user_map=load_user_map(self.rig_map) if self.rig_map else None, expressions=character.expressions)
        return merged

    def as_json(self) -> dict[str, Any]:
        """Return the options that were asked for, as JSON values."""
        values = {name: getattr(self, name) for name in self.asked()}
        return {name: str(value) if isinstance(value, Path) else dict(value) if isinstance(value, Mapping) else value
                for name, value in values.items()}


def mesh_required(format_name: str) -> ExportError:
    """Return the error for a format that can't be written without a mesh."""
    able = [fmt.name for fmt in FORMATS.values() if fmt.meshless or "mesh" not in fmt.options]
    return ExportError(f"{format_name} can't be written without a mesh.",
                       f"Take the default or the proxy mesh, or write {', '.join(able)}, which need none.", code="mesh-none")


def _options(fmt: Format) -> tuple[str, ...]:
    """Return the fields of `ExportOptions` that mean something to `fmt`."""
    return (*fmt.options, *(("character", "rig_map") if fmt.name in CHARACTER_FORMATS else ()))
