"""`a2f-batch render`: a manifest to animation files, a summary and an exit code."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.manifest import MAX_SEED, Line, read_manifest
from a2f_batch.batch.render import Recipe
from a2f_batch.batch.run import Settings, run
from a2f_batch.batch.summary import Report
from a2f_batch.batch.warnings import WARNINGS
from a2f_batch.cli.errors import DONE, INTERRUPTED, SOME_FAILED, reported
from a2f_batch.cli.export_options import export_options, show_match
from a2f_batch.cli.options import read_channel, read_formats, rendering_options
from a2f_batch.cli.progress import progress
from a2f_batch.emotion import NEUTRAL
from a2f_batch.export import FORMATS
from a2f_batch.export.options import ExportOptions
from a2f_batch.post import Profile
from a2f_batch.post.trial import check_channels
from a2f_batch.project import load_project
from a2f_batch.rates import parse_fps

SHOWN_FAILURES = 20


@click.command("render")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Output folder: files at OUT/LOCALE/CHARACTER/ID.EXT.")
@click.option("--formats", default="glb,fbx,csv,anim", show_default=True, help=f"Some of {', '.join(FORMATS)}.")
@click.option("--group-by", default="line", show_default=True, type=click.Choice(["line", "character"]),
              help="A glb a line, or one a character with an animation a line: OUT/LOCALE/CHARACTER/CHARACTER.takes.glb.")
@rendering_options
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MAX_SEED),
              help="The run's seed; each line's is a hash of it and the line's identity.")
@click.option("--workers", type=click.IntRange(0), help="Worker processes here; by default one a core. 0 renders in this process.")
@click.option("--scheduler", metavar="ADDRESS", help="Use a running Dask scheduler, such as tcp://host:8786.")
@click.option("--audio-root", type=click.Path(path_type=Path), help="Folder that the audio paths start from; the manifest's by default.")
@click.option("--keep-going/--fail-fast", default=True, help="Render the other lines when one fails (the default), or start no more.")
@reported
@export_options
def command(manifest: Path, out: Path, formats: str, group_by: str, fps: str, profile: str, project: Path | None, channel: str,
            engine: str, device: str, precision: str, seed: int, workers: int | None, scheduler: str | None, audio_root: Path | None,
            keep_going: bool, export: ExportOptions) -> int:
    """Render every line of MANIFEST (CSV or JSON Lines).

    A row's own fps, profile, emotion, style and seed win over the options, and so do the profile, engine and rig map that the project file
    gives its character. OUT/summary.json tells how every row ended.

    \b
    Exit codes: 0 all done; 1 some lines failed; 2 nothing could start; 130 interrupted.
    Ctrl-C finishes the lines in flight and writes the summary; a second one stops at once.
    """
    choice = EngineChoice(engine, device, precision)
    channels = choice.loaded().names
    profiles = load_project(project, channels=channels)
    defaults = Recipe(parse_fps(fps), NEUTRAL, None, profiles.profile(profile), seed, read_channel(channel), export)
    settings = Settings(out, read_formats(formats), defaults, choice, workers, scheduler, fail_fast=not keep_going,
                        project=profiles.path, group_by=group_by)
    export.check(settings.formats)
    match = show_match(export, check_channels(profiles.draft(profile), channels))
    lines = read_manifest(manifest, audio_root=audio_root, formats=settings.formats, find_profile=profiles.profile)

    def profile_of(line: Line) -> Profile | None:
        return profiles.profile_for(line.profile, line.identity.character)

    def engine_of(line: Line) -> EngineChoice | None:
        own = profiles.engine_for(line.identity.character)
        return EngineChoice(own, device, precision) if own else None

    def rig_map_of(line: Line) -> Path | None:
        return profiles.rig_map_for(line.identity.character)

    chosen = dict.fromkeys(((profile_of(line) or defaults.profile).name, engine_of(line), rig_map_of(line)) for line in lines.lines)
    for used, own, rig_map in chosen:
        there = check_channels(profiles.draft(used), own.loaded().names if own else channels)
        if rig_map and export.character:
            click.echo(f"with the map '{rig_map}':", err=True)
            show_match(replace(export, rig_map=rig_map), there)
    with _stopping() as stop, progress(len(lines)) as step:
        report = run(lines, settings, profile_of=profile_of, engine_of=engine_of,
                     rig_map_of=rig_map_of, stop=stop.event, on_result=step)
    _show(report)
    report.match = match.report() if match else None
    report.write(out / "summary.json")
    click.echo(f"Files and summary.json are in {out}.")
    if stop.interrupted:
        return INTERRUPTED
    return SOME_FAILED if report.failures() or any(one.problems for one in report.takes) else DONE


class _Stop:
    """What Ctrl-C does: the first asks the run to end in order, the second ends it."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.interrupted = False

    def __call__(self, number: int, frame: object) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
        self.event.set()
        click.echo("\nFinishing the lines in flight; interrupt again to stop at once.", err=True)


@contextmanager
def _stopping() -> Iterator[_Stop]:
    stop = _Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(report: Report) -> None:
    totals = report.totals()
    failures = report.failures()
    for result in failures[:SHOWN_FAILURES]:
        for problem in result.problems:
            click.echo(f"{result.status}: {problem.message} [{problem.code}]\n    {problem.remedy}")
    if len(failures) > SHOWN_FAILURES:
        click.echo(f"... and {len(failures) - SHOWN_FAILURES} more in summary.json.")
    for one in report.takes:
        for problem in one.problems:
            click.echo(f"{one.file}: {problem.message} [{problem.code}]\n    {problem.remedy}")
    if report.takes:
        written = [one for one in report.takes if one.status == "done"]
        click.echo(f"{sum(len(one.lines) for one in written)} lines in {len(written)} of {len(report.takes)} characters' files.")
    warnings = Counter(code for result in report.results.values() if result.rendered for code in result.rendered.warnings)
    for code, count in sorted(warnings.items()):
        click.echo(f"warning: {count} line{'s' * (count > 1)}: {WARNINGS[code]} [{code}]")
    if totals["older_files"]:
        click.echo(f"{totals['older_files']} files of an earlier run stand where lines were not started: 'older_files' in summary.json.")
    ended = f"{totals['done']} of {totals['rows']} lines done, {totals['failed']} failed"
    ended += f", {totals['unfinished']} unfinished" if totals["unfinished"] else ""
    click.echo(f"{ended}. {totals['audio_seconds'] / 60:.1f} min of audio in {totals['wall_seconds']:.1f} s"
               f" ({totals['times_real_time'] or 0:.0f}x real time).")
