"""The options of the formats, on every command that exports."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from a2f_batch.export.options import FBX_VERSIONS, ExportOptions
from a2f_batch.names import ARKIT_52
from a2f_batch.rig.matching import Match

_Command = TypeVar("_Command", bound=Callable[..., Any])

# Click parameter -> field of ExportOptions.
_FIELDS = {"mesh": "mesh", "character": "character", "rig_map": "rig_map", "compact": "compact", "rotations": "rotations",
           "audio_in_file": "audio_mode", "tolerance": "tolerance", "interpolation": "interpolation", "timecode_start": "timecode_start",
           "node": "node", "drop_constant": "drop_constant", "fbx_version": "fbx_version", "fbx_writer": "fbx_writer"}


def export_options(command: _Command) -> _Command:
    """Add the formats' options to a command, which gets them as one `export: ExportOptions`."""

    @wraps(command)
    def with_options(**arguments: Any) -> Any:
        asked = {field: arguments.pop(name) for name, field in _FIELDS.items()}
        return command(**arguments, export=ExportOptions(**{**asked, "fbx_version": int(asked["fbx_version"])}))

    for option in (
        click.option("--fbx-writer", default="own", show_default=True, help="own, or sdk: Autodesk's fbx module, installed by you (fbx)."),
        click.option("--fbx-version", default="7400", show_default=True, type=click.Choice([str(version) for version in FBX_VERSIONS]),
                     help="FBX 7.4 or 7.5 (fbx)."),
        click.option("--drop-constant/--keep-constant", default=None,
                     help="Leave out curves that never move (fbx); with the proxy they are left out unless kept."),
        click.option("--anim-node", "node", help="Name of the blend-shape node (anim)."),
        click.option("--timecode-start", metavar="HH:MM:SS:FF", help="Timecode of the first frame (csv)."),
        click.option("--interpolation", default="linear", show_default=True, help="Between keys: linear or cubic (glb, gltf, fbx, anim)."),
        click.option("--tolerance", type=float, help="Key only frames that keep weights within this, such as 0.002 (glb, fbx, anim ...)."),
        click.option("--audio", "audio_in_file", default="none", show_default=True,
                     help="embed the line's sound, link it by name, or none (glb, gltf)."),
        click.option("--rotations", is_flag=True, help="Head and eye rotations as node animation (glb, gltf)."),
        click.option("--compact/--no-compact", default=None, help="16-bit weights where they fit (glb, gltf); the default."),
        click.option("--rig-map", type=click.Path(path_type=Path), help="JSON file of channel to target, for --character."),
        click.option("--character", type=click.Path(path_type=Path), help="Put the lines on your own glTF character (glb)."),
        click.option("--mesh", default="default", show_default=True,
                     help="default head, proxy (a small one), or none: curves alone (fbx; csv, anim and npz have none anyway)."),
    ):
        with_options = option(with_options)
    return with_options  # type: ignore[return-value]


def show_match(export: ExportOptions) -> Match | None:
    """Print, and return, which of the hub's channels drive which targets of the character; None without one."""
    match = export.match(ARKIT_52)
    if match:
        click.echo(match.table(), err=True)
    return match
