"""File formats: one plain module each with `write`, and `read` where a clip can be had back; this is their register."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from types import ModuleType
from typing import Any

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ExportError


@dataclass(frozen=True)
class Format:
    """A registered format.

    Attributes:
        name: what `--formats` calls it.
        suffix: what its files end in.
        module: where its `write` and `read` are; imported when first used.
        description: one line for people.
        defaults: options that make `write` produce this format rather than its sibling's.
        meshless: takes mesh='none' and writes the curves alone.
        character: module whose `write` puts the clip on a character of the user's (keywords `character` and `user_map`); '' = none does.
    """

    name: str
    suffix: str
    module: str
    description: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    meshless: bool = False
    character: str = ""

    @cached_property
    def options(self) -> tuple[str, ...]:
        """The keywords that the format's `write` takes, but those that `defaults` settle; the module is imported to be asked."""
        parameters = signature(self.load().write).parameters.values()
        return tuple(one.name for one in parameters if one.kind is Parameter.KEYWORD_ONLY and one.name not in self.defaults)

    def check_fps(self, fps: Fraction) -> None:
        """Refuse a frame rate that the format can't hold, as its module's `check_fps` does, where it has one; others hold every rate.

        Raises:
            ExportError: the rate is none of the format's (code 'fps-unsupported').
        """
        module = self.load()
        if hasattr(module, "check_fps"):
            module.check_fps(fps)

    def load(self) -> ModuleType:
        """Import the format's module."""
        return import_module(f"{__package__}.{self.module}")


FORMATS: dict[str, Format] = {fmt.name: fmt for fmt in (
    Format("glb", ".glb", "gltf", "glTF 2.0 in one binary file, morph-target animation on a head", character="gltf_character"),
    Format("gltf", ".gltf", "gltf", "glTF 2.0 as JSON with its buffer inside", {"binary": False}, character="gltf_character"),
    Format("fbx", ".fbx", "fbx", "FBX 7.4 binary, blend-shape animation on a head", meshless=True, character="fbx_character"),
    Format("csv", ".csv", "csv_livelink", "Live Link Face CSV, as Unreal imports it"),
    Format("csv-plain", ".plain.csv", "csv_plain", "one row a frame, one column a channel, time in seconds"),
    Format("csv-long", ".long.csv", "csv_long", "one row a frame and channel: time, channel, value"),
    Format("anim", ".anim", "maya_anim", "Maya ASCII animation (animImport)"),
    Format("usd", ".usdc", "usd", "OpenUSD crate, UsdSkel blend shapes on a head; needs usd-core"),
    Format("usda", ".usda", "usd", "OpenUSD as text; needs usd-core", {"text": True}),
    Format("vrma", ".vrma", "vrm", "VRM Animation: expressions of a VRM 1.0 character"),
    Format("visemes", ".visemes.json", "visemes", "Oculus-15 visemes as JSON"),
    Format("metahuman", ".metahuman.csv", "metahuman_csv", "MetaHuman control curves, laid out as csv-plain"),
    Format("npz", ".npz", "npz", "NumPy arrays, lossless; opens in the XRMogen services"),
)}


def format_named(name: str) -> Format:
    """Return the format `name`.

    Raises:
        ExportError: there is none (code 'format-unknown').
    """
    try:
        return FORMATS[name]
    except KeyError:
        raise ExportError(f"There is no format '{name}'.", f"Choose from: {', '.join(FORMATS)}.", code="format-unknown") from None


def format_of(path: Path) -> Format:
    """Return the format that `path` ends in; the longest suffix wins, so `x.plain.csv` is csv-plain.

    Raises:
        ExportError: no format has that suffix (code 'format-unknown').
    """
    name = path.name.lower()
    matches = [fmt for fmt in FORMATS.values() if name.endswith(fmt.suffix)]
    if not matches:
        raise ExportError(f"No format writes files that end like '{path.name}'.",
                          f"End it in one of {', '.join(fmt.suffix for fmt in FORMATS.values())}, or name the format.",
                          code="format-unknown")
    return max(matches, key=lambda fmt: len(fmt.suffix))


def export(clip: FaceClip, path: str | Path, *, format: str | None = None, **options: Any) -> Path:
    """Write `clip` to `path` and return the path.

    Args:
        format: a name of `FORMATS`; by the suffix of `path` if None.
        options: passed to the format's `write`.

    Raises:
        ExportError: unknown format, a clip that the format can't hold, a place that can't be written.
    """
    path = Path(path)
    chosen = format_named(format) if format else format_of(path)
    if clip.n_frames == 0:
        raise ExportError(f"The clip for '{path}' has no frames.", "Render a longer sound.", code="too-short")
    chosen.load().write(clip, path, **{**chosen.defaults, **options})
    return path


def read_clip(path: str | Path, *, format: str | None = None) -> FaceClip:
    """Read a clip back from a file: lossless from npz and csv-plain; within the format's precision from the others.

    Raises:
        ExportError: unknown format.
        ClipError: the file is missing, cut or not of that format.
    """
    path = Path(path)
    chosen = format_named(format) if format else format_of(path)
    clip: FaceClip = chosen.load().read(path)
    return clip
