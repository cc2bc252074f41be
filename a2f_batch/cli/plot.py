"""`a2f-batch plot`: the curves of a clip, or how two takes or two engines differ."""

from __future__ import annotations

from pathlib import Path

import click

from a2f_batch.batch.run import check_writable
from a2f_batch.cli.errors import DONE, reported
from a2f_batch.export import read_clip


@click.command("plot")
@click.argument("clip", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), metavar="OTHER",
              help="Draw this clip over the first, with how far they are apart.")
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="FILE.svg or FILE.png.  [default: beside CLIP, as .svg]")
@click.option("--channels", metavar="NAMES",
              help="Names or patterns, separated by commas, such as 'jawOpen,mouth*'; by default the main mouth ones.")
@click.option("--sound", type=click.Path(path_type=Path), metavar="FILE", help="Sound file: its waveform on top.")
@click.option("--format", "format_name", help="Format of CLIP and OTHER, where their endings do not tell.")
@reported
def command(clip: Path, against: Path | None, to: Path | None, channels: str | None, sound: Path | None, format_name: str | None) -> int:
    """Draw the curves of CLIP, a file of any format that can be read back.

    With --against, the figures per channel are printed too: RMS, largest difference and where, correlation.

    \b
    Exit codes: 0 done; 2 a file can't be read, or the plot not be written.
    """
    from a2f_batch import plot

    target = to or clip.with_name(clip.name.split(".")[0] + ("" if not against else f"-against-{against.name.split('.')[0]}") + ".svg")
    one = read_clip(clip, format=format_name)
    other = read_clip(against, format=format_name) if against else None
    wanted = [name.strip() for name in channels.split(",") if name.strip()] if channels else []
    samples, rate = None, 1
    if sound:
        from a2f_batch.audio import load_audio

        wave = load_audio(sound)
        samples, rate = wave.samples, wave.rate
    check_writable(target.parent)
    names = _told_apart(clip, against)
    plot.draw(target, one, name=names[0], other=other, other_name=names[1], channels=wanted, sound=samples, sound_rate=rate)
    if other:
        rows = plot.differences(one, other, plot.choose([one, other], wanted))
        width = max([7, *(len(row.channel) for row in rows)])
        click.echo(f"{'channel':{width}}      RMS  largest  at second  correlation")
        for row in rows:
            alike = f"{row.correlation:11.4f}" if row.correlation is not None else f"{'-':>11}"
            click.echo(f"{row.channel:{width}}  {row.rms:7.4f}  {row.largest:7.4f}  {row.at:9.3f}  {alike}")
    click.echo(target)
    return DONE


def _told_apart(clip: Path, against: Path | None) -> tuple[str, str]:
    """Return names for the legend: as short as tells them apart."""
    if against is None:
        return clip.name, ""
    one, other = clip.absolute().parts, against.absolute().parts
    for count in range(1, max(len(one), len(other))):
        if one[-count:] != other[-count:]:
            return "/".join(one[-count:]), "/".join(other[-count:])
    return clip.name, against.name
