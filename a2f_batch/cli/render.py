"""`a2f-batch render`: a manifest to animation files, a summary and an exit code."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.jobs import Own
from a2f_batch.batch.journal import line_name
from a2f_batch.batch.manifest import MAX_SEED, Line, Manifest
from a2f_batch.batch.plan import REJECTED, Plan, Selection, identities, part_of, problem_of
from a2f_batch.batch.render import LineResult, Recipe
from a2f_batch.batch.run import Settings, plan_run, run
from a2f_batch.batch.shard import Shard
from a2f_batch.cli.errors import DONE, INTERRUPTED, SOME_FAILED, reported
from a2f_batch.cli.export_options import export_options, show_match
from a2f_batch.cli.log import LoggedCommand, current, log_options
from a2f_batch.cli.manifest_options import ManifestSource, manifest_options
from a2f_batch.cli.options import read_channel, read_formats, rendering_options
from a2f_batch.cli.render_report import show_plan, show_report
from a2f_batch.cli.selection_options import selection_options
from a2f_batch.emotion import NEUTRAL
from a2f_batch.errors import A2FError
from a2f_batch.export import FORMATS
from a2f_batch.export.options import ExportOptions
from a2f_batch.post import Profile
from a2f_batch.post.trial import check_channels
from a2f_batch.project import load_project
from a2f_batch.qc import Levels
from a2f_batch.rates import parse_fps

# Lines that the plan leaves as they are: its action -> how the log tells of them.
_SETTLED = {"skip": "skipped", "keep": "kept"}


@click.command("render", cls=LoggedCommand)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Output folder: files at OUT/LOCALE/CHARACTER/ID.EXT.")
@click.option("--formats", default="glb,fbx,csv,anim", show_default=True, help=f"Some of {', '.join(FORMATS)}.")
@click.option("--group-by", default="line", show_default=True, type=click.Choice(["line", "character"]),
              help="A glb a line, or one a character with an animation a line: OUT/LOCALE/CHARACTER/CHARACTER.takes.glb.")
@rendering_options
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, MAX_SEED),
              help="The run's seed; each line's is a hash of it and the line's identity.")
@click.option("--workers", type=click.IntRange(0), help="Worker processes here; by default one a core. 0 renders in this process.")
@click.option("--scheduler", metavar="ADDRESS", help="Use a running Dask scheduler, such as tcp://host:8786.")
@click.option("--keep-going/--fail-fast", default=True, help="Render the other lines when one fails (the default), or start no more.")
@click.option("--shard", metavar="I/N", help="Render this part of the lines alone, such as 7/40: the split is stable.")
@click.option("--dry-run", is_flag=True, help="Show what would be rendered and why, and write nothing.")
@click.option("--report/--no-report", default=True, help="Make OUT/report/index.html of all lines at the end (the default; not of shards).")
@click.option("--wait", is_flag=True, help="Wait for another run in OUT to end; otherwise it is refused.")
@log_options
@reported
@selection_options
@manifest_options
@export_options
def command(source: ManifestSource, out: Path, formats: str, group_by: str, fps: str, profile: str, project: Path | None, channel: str,
            engine: str, device: str, precision: str, seed: int, workers: int | None, scheduler: str | None, keep_going: bool,
            shard: str | None, dry_run: bool, report: bool, wait: bool, selection: Selection, export: ExportOptions) -> int:
    """Render the lines of MANIFEST (CSV, TSV, JSON Lines, XLSX, .wsources), or of --from-folder, that are new or changed.

    A row's own fps, profile, emotion, style and seed win over the options, and so do the profile, engine and rig map that the project file
    gives its character. OUT/summary.json tells how every row ended; OUT/journal.sqlite remembers what every file was made from.

    \b
    Exit codes: 0 all done; 1 some lines failed; 2 nothing could start; 130 interrupted.
    Ctrl-C finishes the lines in flight and writes the summary; a second one stops at once.
    """
    choice = EngineChoice(engine, device, precision)
    channels = choice.described().names
    profiles = load_project(project, channels=channels)
    defaults = Recipe(parse_fps(fps), NEUTRAL, None, profiles.profile(profile), seed, read_channel(channel), export)
    chosen = read_formats(formats)
    export.check(chosen)
    export.check_fps(chosen, defaults.fps)
    match = show_match(export, check_channels(profiles.draft(profile), channels))
    settings = Settings(out, chosen, defaults, choice, workers, scheduler, fail_fast=not keep_going, project=profiles.path,
                        selection=selection, shard=Shard.parse(shard) if shard else None, wait=wait,
                        group_by=group_by, match=match.report() if match else None)
    lines = source.read(profiles, formats=settings.line_formats, export=export)

    def profile_of(line: Line) -> Profile | None:
        return profiles.profile_for(line.profile, line.identity.character)

    def engine_of(line: Line) -> EngineChoice | None:
        own = profiles.engine_for(line.identity.character)
        return EngineChoice(own, device, precision) if own else None

    def rig_map_of(line: Line) -> Path | None:
        return profiles.rig_map_for(line.identity.character)

    alike = {(line.profile, line.identity.character): line for line in lines.lines}.values()
    for used, its, rig_map in dict.fromkeys(((profile_of(line) or defaults.profile).name, engine_of(line), rig_map_of(line))
                                            for line in alike):
        there = check_channels(profiles.draft(used), its.described().names if its else channels)
        if rig_map and export.character:
            current().say(f"with the map '{rig_map}':", err=True)
            show_match(replace(export, rig_map=rig_map), there)
    own = Own(profile_of, engine_of, rig_map_of)
    if selection.rejected is not None:
        _tell_review(selection.rejected, lines)
    if dry_run:
        return show_plan(lines, settings, plan_run(lines, settings, own))
    return _run(lines, settings, own, profiles.qc if report else None)


def _tell_review(rejected: Mapping[str, str], manifest: Manifest) -> None:
    here = {line_name(identity) for identity in identities(manifest)}
    strange = [name for name in rejected if name not in here]
    if not rejected:
        current().warning("The review rejects no line, so there is nothing to render.", "review-empty")
    if strange:
        current().warning(f"{len(strange)} lines that the review rejects are not in this manifest, such as {strange[0]}.", "review-unknown")


def _run(manifest: Manifest, settings: Settings, own: Own, levels: Levels | None) -> int:
    """Render; then make the report with the flags of `levels`, unless that is None."""
    log = current()
    part = part_of(manifest, settings.shard.takes) if settings.shard else manifest
    identities = {line.number: line.identity for line in part.lines} | {row.number: row.identity for row in part.bad_rows}

    def tell_plan(plan: Plan) -> None:
        log.start("render", rows=len(part), to_do=plan.to_do() + len(part.bad_rows) + len(plan.quarantined), plan=plan.counts(),
                  manifest=str(manifest.path), out=str(settings.out), shard=str(settings.shard) if settings.shard else None)
        same = sum(decision.action == "render" and decision.reasons == (REJECTED,) for decision in plan.decisions)
        if same:
            log.warning(f"{same} rejected lines have not changed since they were rejected: they are rendered again, and come out the same."
                        " Change their sound, emotion, profile or weights for another result.", "review-unchanged")
        for line, decision in zip(part.lines, plan.decisions, strict=True):
            if decision.action == "quarantined":
                problem = problem_of(plan.quarantined[line.number], part.where(line.number))
                log.line(line.number, line.identity, "failed", problems=[problem])
            elif state := _SETTLED.get(decision.action):
                log.line(line.number, line.identity, state)

    def tell(result: LineResult) -> None:
        log.line(result.number, identities[result.number], result.status, problems=result.problems, rendered=result.rendered)

    def tell_waiting(holder: str) -> None:
        log.warning(f"'{settings.out}' is in use by {holder}; waiting for it to end.", "waiting")

    with _stopping() as stop:
        report = run(manifest, settings, own, stop=stop.event, on_plan=tell_plan, on_result=tell, on_wait=tell_waiting)
    failed = bool(report.failures() or report.stopped_by or report.unwritten or any(one.problems for one in report.takes))
    code = INTERRUPTED if stop.interrupted else SOME_FAILED if failed else DONE
    wanted = not (settings.shard or report.stopped_by or stop.interrupted)
    page = _report_page(settings, levels) if levels is not None and wanted else None
    log.summary(report.totals(), code)
    show_report(report)
    if page:
        log.say(f"To see and hear them, open {page}.")
    return code


def _report_page(settings: Settings, levels: Levels) -> Path | None:
    """Make the report if a line has changed since the last; return its page. What goes wrong is told, and is no fault of the lines."""
    from a2f_batch.report.make import is_current, make_report, page_of

    try:
        if not is_current(settings.out, levels):
            make_report(settings.out, levels)
        return page_of(settings.out)
    except A2FError as error:
        current().warning(f"The report could not be made. {error.problem} {error.remedy} Then: a2f-batch report {settings.out}", error.code)
    except Exception as error:  # the lines are rendered, whatever is wrong with their report
        logging.getLogger(__name__).exception("The report could not be made")
        current().warning(f"The report could not be made ({error!r}): a fault of ours. a2f-batch report {settings.out} tries again.",
                          "report-fault")
    return None


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
        current().warning("Finishing the lines in flight; interrupt again to stop at once.", "stopping")


@contextmanager
def _stopping() -> Iterator[_Stop]:
    stop = _Stop()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
