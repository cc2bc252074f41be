"""What a run asks of its exports, over all formats: each format is handed those options that its `write` takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from a2f_batch.errors import ExportError
from a2f_batch.export import FORMATS, Format
from a2f_batch.export.gltf_audio import AudioMode
from a2f_batch.export.reduce import KeyCount
from a2f_batch.export.tolerance import Displacement, checked

if TYPE_CHECKING:
    from a2f_batch.clip import FaceClip
    from a2f_batch.rig.matching import Match
    from a2f_batch.rig.mesh import Mesh

MeshChoice: TypeAlias = Literal["default", "proxy", "none"]
FbxWriter: TypeAlias = Literal["own", "sdk"]

FBX_VERSIONS = (7400, 7500)
# Its keys are expressions' weights, and what those do to a surface is told by a character that the format does not know.
_UNMEASURED = ("vrma",)


# Options whose flags have another name, for `--audio` and the like would say too little in Python.
_FLAGS = {"audio_mode": "--audio", "node": "--anim-node"}


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of all formats; picklable, for workers get them. An option at its default is left to the format.

    Attributes:
        mesh: what the mesh formats put the clip on: the default head, the small proxy head, or none (fbx: curves alone).
        character: the user's own glTF file, in place of a head.
        rig_map: TOML or JSON file of channel -> target, for a character whose names no vocabulary knows.
        compact: 16-bit weights (error at most 8e-6 in glTF, 2e-5 in fbx); None = yes in glTF, for all readers agree on them, and in fbx
            with the proxy alone, which is there to save room.
        tolerance: key only the frames that keep every weight within this, or with a `Displacement` every vertex of the character, else of
            the head; None keys every frame.
        interpolation: between keys, 'linear' or 'cubic'.
        rotations: head and eye rotations of the clip as node animation (glTF).
        audio_mode: whether a file holds the line's sound, names it, or neither (glTF).
        timecode_start: timecode of the first frame, HH:MM:SS:FF (Live Link Face CSV).
        node, attribute_map: names in Maya, see `maya_anim.write`.
        drop_constant: leave out curves that never move (fbx); None = with the proxy alone.
        fbx_version: 7400 or 7500.
        perfect_sync: the clip's channels as custom expressions, in place of the presets (VRM Animation).
        fbx_writer: 'own', or 'sdk' for Autodesk's `fbx` module.

    Raises:
        ExportError: a value that no format has a meaning for (code 'option-value').
    """

    mesh: MeshChoice = "default"
    character: Path | None = None
    rig_map: Path | None = None
    compact: bool | None = None
    tolerance: float | Displacement | None = None
    interpolation: Literal["linear", "cubic"] = "linear"
    rotations: bool = False
    audio_mode: AudioMode = "none"
    timecode_start: str | None = None
    node: str | None = None
    attribute_map: Mapping[str, str] | None = None
    perfect_sync: bool = False
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
        if self.tolerance is not None:
            checked(self.tolerance)
        if isinstance(self.tolerance, Displacement) and self.mesh == "none":
            raise ExportError(f"A tolerance of {self.tolerance} can't be kept without a mesh.",
                              "Give it as a weight, such as 0.002, or take a mesh.", code="option-value")
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
            ExportError: an option that none of `formats` takes (code 'option-unused'), or one that it can't keep ('option-value'), a format
                that needs a mesh where none is wanted (code 'mesh-none') or can't be put on the character ('character-format'), a
                character whose head and eyes are not found for `rotations` ('joint-missing'), a `timecode_start` that is none
                ('timecode'), Autodesk's module where it is not installed (code 'fbx-sdk-missing').
        """
        formats = tuple(formats)
        for name in self.asked():
            if not any(name in _options(fmt) for fmt in formats):
                takers = [fmt.name for fmt in FORMATS.values() if name in _options(fmt)]
                raise ExportError(f"The option {flag(name)} has no meaning for {', '.join(fmt.name for fmt in formats)}.",
                                  f"Leave it out, or add one of its formats: {', '.join(takers)}.", code="option-unused")
        if self.mesh == "none":
            for fmt in formats:
                if "mesh" in fmt.options and not fmt.meshless:
                    raise mesh_required(fmt.name)
        if isinstance(self.tolerance, Displacement):
            for fmt in formats:
                if fmt.name in _UNMEASURED:
                    raise ExportError(f"{fmt.name} can't be kept within {self.tolerance}: it keys expressions, not a mesh's targets.",
                                      "Give the tolerance as a weight, such as 0.002.", code="option-value")
        if self.character:
            for fmt in formats:
                if "mesh" in fmt.options and not fmt.character:
                    able = [one.name for one in FORMATS.values() if one.character]
                    raise ExportError(f"{fmt.name} can't be put on '{self.character}': it would be on the default head.",
                                      f"Of the formats with a mesh, {', '.join(able)} take a character.", code="character-format")
            if self.rotations:
                self._joints(self.character, required=True)
        if self.timecode_start is not None:
            from a2f_batch.export.csv_livelink import check_timecode

            check_timecode(self.timecode_start)
        if self.fbx_writer == "sdk":
            from a2f_batch.export.fbx_sdk import sdk

            sdk()

    def check_fps(self, formats: Iterable[Format], fps: Fraction) -> None:
        """Refuse, before any line is rendered, a frame rate that one of `formats` can't hold.

        Raises:
            ExportError: a format has no such rate (code 'fps-unsupported'), or `timecode_start` is no time at it ('timecode').
        """
        for fmt in formats:
            fmt.check_fps(fps)
            if self.timecode_start is not None and "timecode_start" in fmt.options:
                from a2f_batch.export.csv_livelink import check_timecode

                check_timecode(self.timecode_start, fps)

    def for_format(self, fmt: Format, audio: Path | None = None) -> dict[str, Any]:
        """Return the keyword arguments for `fmt`'s `write`: only those that it takes and that were asked for.

        Args:
            audio: the line's sound file; without it there is none to embed or link.
        """
        asked: dict[str, Any] = {name: getattr(self, name) for name in self.asked()}
        if asked.get("mesh") == "proxy":
            asked["mesh"] = self._head()
        if "audio_mode" in asked and audio is not None:
            asked["audio"] = audio
        if self.mesh == "proxy":
            asked.setdefault("drop_constant", True)
        if self.mesh == "proxy" or fmt.module == "gltf":
            asked.setdefault("compact", True)
        return {name: value for name, value in asked.items() if name in fmt.options}

    def export(self, clip: FaceClip, path: Path, fmt: Format, audio: Path | None = None) -> KeyCount | None:
        """Write `clip` to `path`; return how many keys were written, where the format counts them.

        Raises:
            ExportError: see `a2f_batch.export.export`; no `audio` where it is to be embedded or linked (code 'audio-missing').
        """
        if clip.n_frames == 0:
            raise ExportError(f"The clip for '{path}' has no frames.", "Render a longer sound.", code="too-short")
        if self.audio_mode != "none" and audio is None and "audio_mode" in fmt.options:
            raise ExportError(f"There is no sound to {self.audio_mode} in '{path}': a clip comes without it.",
                              "Render or bake the line with this option, or leave it out.", code="audio-missing")
        module, asked = fmt.load(), self.for_clip(clip, fmt, audio)
        if self.character and fmt.character:
            module = import_module(f"{__package__}.{fmt.character}")
            taken = [one.name for one in signature(module.write).parameters.values() if one.kind is Parameter.KEYWORD_ONLY]
            asked = {name: value for name, value in asked.items() if name in taken}
            asked |= {"character": self.character, "user_map": self.rig_map}
        written = module.write(clip, path, **{**fmt.defaults, **asked})
        return written if isinstance(written, KeyCount) else None

    def for_clip(self, clip: FaceClip, fmt: Format, audio: Path | None = None) -> dict[str, Any]:
        """Return what `for_format` does, with a tolerance in millimetres as the weight error that each channel of `clip` may have.

        Raises:
            ExportError: see `Displacement.weight_bounds`.
        """
        asked = self.for_format(fmt, audio)
        if isinstance(self.tolerance, Displacement) and "tolerance" in asked:
            asked["tolerance"] = self.tolerance.weight_bounds(clip, self._head(), character=self.character, user_map=self.rig_map)
        return asked

    def match(self, channels: Sequence[str]) -> Match | None:
        """Return how `channels`, and with `rotations` the head and the eyes, meet the character; None without one.

        Raises:
            ExportError: the character can't be read or fits nothing, see `gltf_character.write`.
        """
        if not self.character:
            return None
        from a2f_batch.rig.character import read_character

        match, _ = read_character(self.character).match(channels, self.rig_map)
        return replace(match, joints=self._joints(self.character)) if self.rotations else match

    def _head(self) -> Mesh | None:
        """Return the proxy head, where it is chosen."""
        if self.mesh != "proxy":
            return None
        from a2f_batch.rig.proxy import proxy_head

        return proxy_head()

    def _joints(self, character: Path, *, required: bool = False) -> dict[str, str]:
        """Return joint -> the name of its node, '' if the character has none."""
        from a2f_batch.rig.character import read_character
        from a2f_batch.rig.joints import JOINTS, find_joints

        found = find_joints(read_character(character))
        if required and not found:
            raise ExportError(f"The character '{character}' has no node that is known as a head or an eye, so nothing can be turned.",
                              f"Name its bones {', '.join(JOINTS)}, or leave out the rotations.", code="joint-missing")
        return {joint: found[joint].name if joint in found else "" for joint in JOINTS}

    def as_json(self) -> dict[str, Any]:
        """Return the options that were asked for, as JSON values."""
        values = {name: getattr(self, name) for name in self.asked()}
        return {name: str(value) if isinstance(value, Path | Displacement) else dict(value) if isinstance(value, Mapping) else value
                for name, value in values.items()}


def flag(name: str) -> str:
    """Return how the command line calls the option `name`; Python callers will know it too."""
    return _FLAGS.get(name, "--" + name.replace("_", "-"))


def mesh_required(format_name: str) -> ExportError:
    """Return the error for a format that can't be written without a mesh."""
    able = [fmt.name for fmt in FORMATS.values() if fmt.meshless or "mesh" not in fmt.options]
    return ExportError(f"{format_name} can't be written without a mesh.",
                       f"Take the default or the proxy mesh, or write {', '.join(able)}, which need none.", code="mesh-none")


def _options(fmt: Format) -> tuple[str, ...]:
    """Return the fields of `ExportOptions` that mean something to `fmt`."""
    return (*fmt.options, *(("character", "rig_map") if fmt.character else ()))
