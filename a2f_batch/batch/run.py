"""A run: every row of a manifest rendered, or listed with the reason why not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.manifest import Line, Manifest, Problem
from a2f_batch.batch.render import Job, LineResult, Recipe, make_folder, make_job, remove_files, render_job
from a2f_batch.batch.summary import Report
from a2f_batch.batch.takes import check_grouping, grouped, write_takes_files
from a2f_batch.errors import A2FError, BatchError
from a2f_batch.export import Format
from a2f_batch.export.atomic import replacing
from a2f_batch.post import Profile
from a2f_batch.post import profile as shipped_profile


def row_profile(line: Line) -> Profile | None:
    """Return the profile that the line's row names, of those that ship; None if it names none."""
    return shipped_profile(line.profile) if line.profile else None


@dataclass(frozen=True)
class Settings:
    """What a run is asked for.

    Attributes:
        out: output folder.
        formats: what to write for every line.
        defaults: fps, emotion, style, profile, channel where a row says nothing; its seed is the run's seed.
        engine: which engine.
        workers: worker processes on this machine; None = as many as it has cores; 0 = render in this process, without Dask.
        scheduler: address of a running Dask scheduler; then `workers` has no meaning.
        fail_fast: start no further line once one failed.
        project: the project file, for the report.
        group_by: 'line', a file each; or 'character', all lines of a character in one glb (`batch.takes`).
    """

    out: Path
    formats: tuple[Format, ...]
    defaults: Recipe
    engine: EngineChoice
    workers: int | None = None
    scheduler: str | None = None
    fail_fast: bool = False
    project: Path | None = None
    group_by: str = "line"


def run(manifest: Manifest, settings: Settings, *, profile_of: Callable[[Line], Profile | None] = row_profile,
        engine_of: Callable[[Line], EngineChoice | None] = lambda line: None, rig_map_of: Callable[[Line], Path | None] = lambda line: None,
        stop: threading.Event | None = None, on_result: Callable[[LineResult], None] = lambda result: None) -> Report:
    """Render the lines of `manifest`; what can't be done is in the report, and only what stops everything is raised.

    Args:
        profile_of: returns a line's own profile, or None for the run's; called once a line, before any is rendered.
        engine_of, rig_map_of: likewise its engine and its map file.
        stop: set it (from a signal, another thread) to start no further line and to finish those in flight.
        on_result: called with every row's result as it comes, bad rows first.

    Returns:
        the report, with one result for each row in the manifest's order. Nothing but the lines' files is written: see `Report.write`.

    Raises:
        A2FError: nothing could start: the output folder (BatchError, code 'output-unwritable'), the engine, the scheduler, the workers.
    """
    stop = stop or threading.Event()
    out = settings.out.absolute()
    if settings.group_by == "character":
        check_grouping(settings.formats)
    check_writable(out)
    engine = settings.engine.pinned()
    report = Report(manifest, settings, engine.facts())
    chosen = {line.number: engine_of(line) for line in manifest.lines}
    own = {choice: choice.pinned() for choice in dict.fromkeys(chosen.values()) if choice}
    jobs = [make_job(line, manifest.where(line.number), settings.defaults, profile_of(line), out, settings.formats,
                     engine=own[choice] if (choice := chosen[line.number]) else None, rig_map=rig_map_of(line))
            for line in manifest.lines]
    if settings.group_by == "character":
        jobs = [grouped(job, out) for job in jobs]
    report.jobs = {job.line.number: job for job in jobs}

    def keep(result: LineResult) -> None:
        report.results[result.number] = result
        if result.status == "failed" and settings.fail_fast:
            stop.set()
        on_result(result)

    for row in manifest.bad_rows:
        keep(LineResult(row.number, "failed", row.problems))
    started: set[int] = set()
    start = time.perf_counter()
    try:
        with closing(_results(_noting(jobs, started), len(jobs), settings, engine, stop)) as results:
            for result in results:
                keep(result)
    except BatchError as error:
        if not started:
            raise
        report.stopped_by = Problem(error.code, error.problem, error.remedy)
    except KeyboardInterrupt:
        # The workers are ended by now. On another machine's workers the lines in flight go on to their end.
        report.stopped_by = Problem("interrupted", "The run was interrupted.", "Run the same command again.")
        if settings.scheduler is None:
            for number in started - report.results.keys():
                remove_files(report.jobs[number].files.values())
    finally:
        for one in (engine, *own.values()):
            one.unload()
    if settings.group_by == "character":
        report.takes = write_takes_files(jobs, report.results, out, manifest.bad_rows)
    report.seconds = time.perf_counter() - start
    return report


def check_writable(out: Path) -> None:
    """Make the output folder and write into it.

    Raises:
        BatchError: it can't be (code 'output-unwritable').
    """
    probe = out / ".a2f-batch-probe"
    try:
        make_folder(out)
        with replacing(probe):
            pass
        probe.unlink()
    except (A2FError, OSError) as error:
        reason = error.problem if isinstance(error, A2FError) else str(error)
        raise BatchError(f"The output folder '{out}' can't be written. {reason}", "Choose another with --out, or make it writable.",
                         code="output-unwritable") from error


def _noting(jobs: Iterable[Job], started: set[int]) -> Iterator[Job]:
    for job in jobs:
        started.add(job.line.number)
        yield job


def _results(jobs: Iterator[Job], count: int, settings: Settings, engine: EngineChoice, stop: threading.Event) -> Generator[LineResult]:
    if not count:
        return
    if settings.scheduler is None and settings.workers == 0:
        while not stop.is_set() and (job := next(jobs, None)) is not None:
            yield render_job(job, (job.engine or engine).loaded())
        return
    engine.unload()  # it was loaded here to be checked; the workers have their own
    from dask.system import CPU_COUNT  # cores that this process may use, as its affinity and its cgroup say

    from a2f_batch.batch.cluster import local_client, remote_client, render_jobs  # heavy: about a second

    workers = min(settings.workers or CPU_COUNT, count)
    with local_client(workers) if settings.scheduler is None else remote_client(settings.scheduler) as client:
        yield from render_jobs(client, jobs, engine, stop)
