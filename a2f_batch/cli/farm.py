"""`a2f-batch farm`: a job file for a render farm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from a2f_batch.batch.shard import MAX_SHARDS
from a2f_batch.cli.errors import DONE, reported
from a2f_batch.errors import BatchError
from a2f_batch.farm import SCHEDULERS
from a2f_batch.farm.job import FarmJob, read_memory, read_time, safe_name


class _PassesOn(click.Command):
    """A command that keeps what stands behind `--` for another one, as `context.obj`."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Read what stands before `--`."""
        own = args[: args.index("--")] if "--" in args else args
        context.obj = tuple(args[len(own) + 1:])
        return super().parse_args(context, own)

    def collect_usage_pieces(self, context: click.Context) -> list[str]:
        """Show that there may be more."""
        return [*super().collect_usage_pieces(context), "[-- OPTIONS OF RENDER]"]


@click.command("farm", cls=_PassesOn)
@click.argument("scheduler", type=click.Choice(list(SCHEDULERS)))
@click.argument("manifest", required=False, type=click.Path(path_type=Path))
@click.option("--from-folder", metavar="DIR", type=click.Path(path_type=Path), help="Instead of MANIFEST: a folder of sound files.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Output folder, the same for all shards.")
@click.option("--shards", required=True, type=click.IntRange(1, MAX_SHARDS), help="How many parts the manifest is rendered in.")
@click.option("--file", "place", type=click.Path(path_type=Path),
              help="File to write; for openjd the bundle's folder. Standard output without it.")
@click.option("--name", help="Name of the job; the manifest's by default.")
@click.option("--program", default="a2f-batch", show_default=True, help="How the farm's machines call a2f-batch.")
@click.option("--cores", type=click.IntRange(1), help="Cores of a shard, and so its --workers.")
@click.option("--memory", metavar="SIZE", help="Memory of a shard: 8G, 1500M.")
@click.option("--gpus", type=click.IntRange(1), help="GPUs of a shard (openjd, slurm).")
@click.option("--time", metavar="H:MM:SS", help="Time limit of a shard (openjd, slurm).")
@click.pass_obj
@reported
def command(options: tuple[str, ...], scheduler: str, manifest: Path | None, from_folder: Path | None, out: Path, shards: int,
            place: Path | None, name: str | None, program: str, cores: int | None, memory: str | None, gpus: int | None,
            time: str | None) -> int:
    """Write the job file that renders MANIFEST in shards on a farm: openjd (Open Job Description), opencue (cuecmd) or slurm.

    Nothing is run and nothing is submitted. Options of `render` follow behind `--` and are checked now. Paths are made absolute: the farm's
    machines must have them at the same place, or map them (openjd).

    \b
    Example: a2f-batch farm slurm drop12.csv --out /show/faces --shards 40 --cores 4 --file drop12.sh -- --fps 60 --formats glb
    """
    from a2f_batch.cli.render_call import render_options  # with all of `render`: about a second

    source = from_folder or manifest
    if source is None or (from_folder and manifest):
        raise click.UsageError("Give MANIFEST, or a folder of sound files with --from-folder.")
    job = FarmJob(name=safe_name(source.absolute().stem) if name is None else name, manifest=source.absolute(), out=out.absolute(),
                  shards=shards, from_folder=from_folder is not None, program=program, cores=cores,
                  memory_mib=read_memory(memory) if memory is not None else None, gpus=gpus,
                  seconds=read_time(time) if time is not None else None)
    job = replace(job, options=render_options(options, job.render(f"1/{shards}")[2:]))
    chosen = SCHEDULERS[scheduler]
    files = chosen.files(job)
    if place:
        _write(files, place)
    elif len(files) == 1:
        click.echo("".join(files.values()).encode(), nl=False)  # bytes: the line ends of the farm, not of this machine
    else:
        raise BatchError(f"A job for {scheduler} is {len(files)} files: {', '.join(files)}.", "Give a folder for them with --file.",
                         code="farm-folder")
    shown = str(place) if place else next(iter(files))
    click.echo(chosen.hint(job, shown), err=True)
    return DONE


def _write(files: dict[str, str], place: Path) -> None:
    from a2f_batch.batch.render import make_folder
    from a2f_batch.export.atomic import replacing

    folder = place if len(files) > 1 else place.absolute().parent
    make_folder(folder)
    for name, text in files.items():
        with replacing(place / name if len(files) > 1 else place) as file:
            file.write(text.encode())
