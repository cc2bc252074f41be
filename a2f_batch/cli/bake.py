"""`a2f-batch bake`: one sound file to one animation file."""

from __future__ import annotations

from pathlib import Path

import click

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.manifest import MAX_SEED
from a2f_batch.batch.render import Recipe, render
from a2f_batch.batch.run import check_writable
from a2f_batch.batch.warnings import WARNINGS
from a2f_batch.cli.errors import DONE, SOME_FAILED, reported, show
from a2f_batch.cli.export_options import export_options, show_match
from a2f_batch.cli.options import read_channel, rendering_options
from a2f_batch.emotion import Envelope
from a2f_batch.errors import A2FError
from a2f_batch.export import format_named, format_of
from a2f_batch.export.options import ExportOptions
from a2f_batch.post.trial import check_channels
from a2f_batch.project import load_project
from a2f_batch.rates import parse_fps


@click.command("bake")
@click.argument("audio", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT.EXT", type=click.Path(path_type=Path))
@click.option("--format", "format_name", help="Format, where the ending of OUT.EXT does not tell.")
@rendering_options
@click.option("--emotion", default="neutral", show_default=True,
              help="Emotion of the line: 'joy', 'joy:0.6', or over time: '0.0 neutral; 1.2 anger:0.8'.")
@click.option("--style", help="The engine's own way of speaking.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MAX_SEED), help="The line's seed.")
@reported
@export_options
def command(audio: Path, out: Path, format_name: str | None, fps: str, profile: str, project: Path | None, channel: str, engine: str,
            device: str, precision: str, emotion: str, style: str | None, seed: int, export: ExportOptions) -> int:
    """Render the sound file AUDIO to OUT.EXT.

    With the seed that summary.json gives for a line of a batch, and the same options, the file is the batch's, byte for byte.

    \b
    Exit codes: 0 done; 1 the line failed (OUT.EXT is as it was); 2 the call is wrong.
    """
    chosen = format_named(format_name) if format_name else format_of(out)
    export.check([chosen])
    export.check_fps([chosen], parse_fps(fps))
    loaded = EngineChoice(engine, device, precision).loaded()
    profiles = load_project(project, channels=loaded.names)
    recipe = Recipe(parse_fps(fps), Envelope.parse(emotion), style, profiles.profile(profile), seed, read_channel(channel), export)
    show_match(export, check_channels(profiles.draft(profile), loaded.names))
    check_writable(out.parent)
    try:
        rendered = render(audio, {chosen.name: out}, recipe, loaded)
    except A2FError as error:
        show(error)
        return SOME_FAILED
    for code in rendered.warnings:
        click.echo(f"warning: {WARNINGS[code]} [{code}]", err=True)
    seconds = sum(rendered.seconds.values())
    click.echo(f"{out}: {rendered.frames} frames at {recipe.fps} fps, {rendered.duration:.2f} s of audio in {seconds:.2f} s.")
    return DONE
