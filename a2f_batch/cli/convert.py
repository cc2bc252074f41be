"""`a2f-batch convert`: a clip or an exported animation to another format."""

from __future__ import annotations

from pathlib import Path

import click

from a2f_batch.batch.run import check_writable
from a2f_batch.cli.errors import DONE, reported
from a2f_batch.cli.export_options import export_options, show_match
from a2f_batch.export import format_named, format_of, read_clip
from a2f_batch.export.options import ExportOptions


@click.command("convert")
@click.argument("source", metavar="IN.EXT", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT.EXT", type=click.Path(path_type=Path))
@click.option("--from", "source_format", help="Format of IN.EXT, where its ending does not tell.")
@click.option("--to", "out_format", help="Format of OUT.EXT, where its ending does not tell.")
@click.option("--fps", help="Resample to this many frames per second: 30, 29.97, 30000/1001. The clip's own by default.")
@reported
@export_options
def command(source: Path, out: Path, source_format: str | None, out_format: str | None, fps: str | None, export: ExportOptions) -> int:
    """Read the animation IN.EXT and write it as OUT.EXT.

    Every format that `a2f-batch info` shows is read: a CSV that was edited by hand goes back into any other.

    \b
    Exit codes: 0 done; 2 the file can't be read, or not be written so.
    """
    chosen = format_named(out_format) if out_format else format_of(out)
    export.check([chosen])
    clip = read_clip(source, format=source_format)
    if fps is not None:
        clip = clip.resample(fps)
    export.check_fps([chosen], clip.fps)
    show_match(export, clip.names)
    check_writable(out.parent)
    keys = export.export(clip, out, chosen)
    reduced = f", {keys.after} of {keys.before} keys" if keys and keys.after < keys.before else ""
    click.echo(f"{out}: {clip.n_frames} frames at {clip.fps} fps, {len(clip.names)} channels{reduced}.")
    return DONE
