"""The options of the formats, on every command that exports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from a2f_batch.cli.log import current
from a2f_batch.errors import ExportError
from a2f_batch.export import FORMATS
from a2f_batch.export.options import FBX_VERSIONS, ExportOptions
from a2f_batch.export.tolerance import parse_tolerance
from a2f_batch.names import ARKIT_52, ROTATIONS
from a2f_batch.rig.map_file import read_attribute_map
from a2f_batch.rig.matching import Match

_Command = TypeVar("_Command", bound=Callable[..., Any])

# Click parameter -> field of ExportOptions.
_FIELDS = {"mesh": "mesh", "character": "character", "rig_map": "rig_map", "compact": "compact", "rotations": "rotations",
           "audio_in_file": "audio_mode", "tolerance": "tolerance", "interpolation": "interpolation", "timecode_start": "timecode_start",
           "node": "node", "attribute_map": "attribute_map", "perfect_sync": "perfect_sync", "drop_constant": "drop_constant",
           "fbx_version": "fbx_version", "fbx_writer": "fbx_writer"}


def export_options(command: _Command) -> _Command:
    """Add the formats' options to a command, which gets them as one `export: ExportOptions`."""

    @wraps(command)
    def with_options(**arguments: Any) -> Any:
        asked = {field: arguments.pop(name) for name, field in _FIELDS.items()}
        asked["fbx_version"] = int(asked["fbx_version"])
        if asked["tolerance"] is not None:
            asked["tolerance"] = parse_tolerance(asked["tolerance"])
        if asked["attribute_map"] is not None:
            asked["attribute_map"] = read_attribute_map(asked["attribute_map"])
        return command(**arguments, export=ExportOptions(**asked))

    on_character = [fmt.name for fmt in FORMATS.values() if fmt.character]
    for option in (
        click.option("--fbx-writer", default="own", show_default=True, help="own, or sdk: Autodesk's fbx module, installed by you (fbx)."),
        click.option("--fbx-version", default="7400", show_default=True, type=click.Choice([str(version) for version in FBX_VERSIONS]),
                     help="FBX 7.4 or 7.5 (fbx)."),
        click.option("--drop-constant/--keep-constant", default=None,
                     help="Leave out curves that never move (fbx); with the proxy they are left out unless kept."),
        click.option("--perfect-sync", is_flag=True, help="The 52 channels as custom expressions in place of the presets (vrma)."),
        click.option("--attribute-map", metavar="FILE", type=click.Path(path_type=Path),
                     help='TOML or JSON file of channel to Maya attribute, such as jawOpen = "weight[3]" (anim).'),
        click.option("--anim-node", "node", help="Name of the blend-shape node (anim)."),
        click.option("--timecode-start", metavar="HH:MM:SS:FF", help="Timecode of the first frame (csv)."),
        click.option("--interpolation", default="linear", show_default=True, help="Between keys: linear or cubic (glb, gltf, fbx, anim)."),
        click.option("--tolerance", metavar="WEIGHT|MM", help="Key only frames that keep weights within this, such as 0.002, or the mesh's "
                     "surface, such as 0.5mm (glb, fbx, anim ...)."),
        click.option("--audio", "audio_in_file", default="none", show_default=True,
                     help="embed the line's sound, link it by name, or none (glb, gltf)."),
        click.option("--rotations", is_flag=True, help="Head and eye rotations as node animation (glb, gltf)."),
        click.option("--compact/--no-compact", default=None,
                     help="16-bit weights where they fit (glb, gltf, fbx); the default in glTF, and in fbx on the proxy."),
        click.option("--rig-map", metavar="FILE", type=click.Path(path_type=Path),
                     help="TOML or JSON file of channel to target, for --character."),
        click.option("--character", metavar="FILE", type=click.Path(path_type=Path),
                     help=f"Put the lines on your own glTF character ({', '.join(on_character)})."),
        click.option("--mesh", default="default", show_default=True,
                     help="default head, proxy (a small one), or none: curves alone (fbx; csv, anim and npz have none anyway)."),
    ):
        with_options = option(with_options)
    return with_options  # type: ignore[return-value]


def show_match(export: ExportOptions, channels: Sequence[str]) -> Match | None:
    """Print, and return, which of a clip's channels drive which targets of the character; None without one.

    Raises:
        ExportError: nothing fits the character (code 'nothing-matched'), or the attribute map names a channel that neither the clip nor
            ARKit has (code 'map-channel').
    """
    unknown = [name for name in export.attribute_map or () if name not in channels and name not in ARKIT_52]
    if unknown:
        raise ExportError(f"The attribute map names the channel '{unknown[0]}', which neither the clip nor ARKit has.",
                          f"The clip has: {', '.join(channels)}.", code="map-channel")
    match = export.match(channels)
    if match:
        current().say(match.table(), err=True)
    if export.rotations and not any(name in ROTATIONS for name in channels):
        current().say("The clip has no rotation channel: nothing is turned.", err=True)
    return match
