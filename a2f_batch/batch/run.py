"""A run: plan, render what is to be rendered, and note each line in the journal as it ends."""

from __future__ import annotations

import getpass
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.hashes import FileHashes
from a2f_batch.batch.jobs import Jobs, Own
from a2f_batch.batch.journal import Done, Journal, Run
from a2f_batch.batch.keys import Keys
from a2f_batch.batch.lock import folder_lock, is_held
from a2f_batch.batch.manifest import Line, Manifest, Problem
from a2f_batch.batch.merge import adopt, fold
from a2f_batch.batch.places import Places, leftovers
from a2f_batch.batch.plan import Decision, Plan, Planner, Selection, part_of, placeless
from a2f_batch.batch.render import Job, LineResult, Recipe, make_folder, remove_files
from a2f_batch.batch.shard import Shard
from a2f_batch.batch.steps import render_batch
from a2f_batch.batch.summary import STATUSES, Report, versions
from a2f_batch.batch.takes import CLIP, GROUPED, line_formats, write_takes_files
from a2f_batch.engines.base import Options
from a2f_batch.errors import A2FError, BatchError, ExportError
from a2f_batch.export import Format, format_named
from a2f_batch.export.atomic import replacing


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
        selection: which lines, and how they are compared with what is there.
        shard: which part of the manifest; None = all.
        wait: wait for another run in the folder to end, rather than refuse.
        group_by: 'line', a file each; or 'character', all lines of a character in one glb (`batch.takes`).
        match: which channels drive which targets of the run's character, as JSON values for the report; None without one.
    """

    out: Path
    formats: tuple[Format, ...]
    defaults: Recipe
    engine: EngineChoice
    workers: int | None = None
    scheduler: str | None = None
    fail_fast: bool = False
    project: Path | None = None
    selection: Selection = field(default_factory=Selection)
    shard: Shard | None = None
    wait: bool = False
    group_by: str = "line"
    match: Mapping[str, Any] | None = None

    @property
    def line_formats(self) -> tuple[Format, ...]:
        """What is written for each line.

        Raises:
            BatchError: lines are grouped, and no format holds many (code 'group-format').
        """
        return line_formats(self.formats) if self.group_by == "character" else self.formats

    @property
    def places(self) -> Places:
        """Where the run keeps its records."""
        return Places(self.out.absolute(), self.shard)

    def pin(self, choice: EngineChoice) -> EngineChoice:
        """Return an engine with weights and device settled.

        Raises:
            EngineError: there is no such device or precision, or the weights are missing or wrong.
        """
        Options(choice.device, choice.precision)
        return choice.pinned(cluster=self.scheduler is not None)


def plan_run(manifest: Manifest, settings: Settings, own: Own | None = None) -> Plan:
    """Return what `run` would do; nothing is written, and a run may be going on.

    Raises:
        A2FError: see `run`.
    """
    places = settings.places
    work = _Work(manifest, settings, own or Own())
    with ExitStack() as stack:
        journal = next(filter(None, map(Journal.read, (places.journal, places.whole.journal))), None)
        return work.planner(stack.enter_context(journal) if journal else None).plan(work.manifest)


def run(manifest: Manifest, settings: Settings, own: Own | None = None, *, stop: threading.Event | None = None,
        on_plan: Callable[[Plan], None] = lambda plan: None, on_result: Callable[[LineResult], None] = lambda result: None,
        on_wait: Callable[[str], None] = lambda holder: None) -> Report:
    """Render the lines of `manifest` that are new or changed; what can't be done is in the report; only what stops everything is raised.

    Args:
        own: what lines have of their own; by default the profile that a row names.
        stop: set it (from a signal, another thread) to start no further line and to finish those in flight.
        on_plan: called before the first line.
        on_result: called with the result of every row that fails or is rendered, as it comes, bad rows first.
        on_wait: called with the name of the run that has the folder, if `settings.wait`.

    Returns:
        the report; the summary is written from it.

    Raises:
        A2FError: nothing could start: the output folder (BatchError, codes 'output-unwritable', 'folder-busy'), its journal
            ('journal-newer', 'journal-corrupt', 'journal-unusable', 'shards-unmerged'), the engine, the scheduler, the workers.
    """
    stop = stop or threading.Event()
    places = settings.places
    work = _Work(manifest, settings, own or Own())
    check_writable(places.out)
    lost: list[str] = []

    def on_lost(reason: str) -> None:
        lost.append(reason)
        stop.set()

    with folder_lock(places.lock, wait=settings.wait, name_holder=_named_by(places), on_wait=on_wait, stopped=stop.is_set, on_lost=on_lost):
        _check_others(places)
        remove_files(leftovers(places))  # first, for they may fill the disk
        with Journal.open(places.journal) as journal:
            _take_in(places, journal, work.manifest)
            planner = work.planner(journal)
            plan = planner.plan(work.manifest)
            report = Report(work.manifest, settings, work.engine.facts(), plan)
            with _noted(journal, report) as run_id:
                on_plan(plan)
                _Rendering(work, planner, journal, report, run_id, stop, on_result).run()
                if lost:
                    report.stopped_by = Problem(
                        "lock-lost", f"Another run took the folder over ({lost[0]}), for this one gave no sign of life.",
                        "Let that run end; then run the same command again if lines are left.")
                elif settings.group_by == "character":
                    _group(work, planner, journal, report)
            try:
                report.write(places.summary, journal, work.jobs)
            except ExportError as error:  # the lines are rendered all the same
                report.unwritten = Problem(error.code, error.problem, error.remedy)
        if not lost and plan.to_do():
            # Once more: workers that another run left behind may have been writing when this one started, and been killed since.
            remove_files(leftovers(places))
    return report


def check_writable(out: Path) -> None:
    """Make the output folder and write into it.

    Raises:
        BatchError: it can't be (code 'output-unwritable').
    """
    probe = out / f".a2f-batch-probe-{uuid.uuid4().hex}"  # runs of shards may look at the same time
    try:
        make_folder(out)
        with replacing(probe):
            pass
        probe.unlink()
    except (A2FError, OSError) as error:
        reason = error.problem if isinstance(error, A2FError) else str(error)
        raise BatchError(f"The output folder '{out}' can't be written. {reason}", "Choose another with --out, or make it writable.",
                         code="output-unwritable") from error


class _Work:
    """What is to be rendered, with settings filled in; nothing of it looks at the journal."""

    def __init__(self, manifest: Manifest, settings: Settings, own: Own) -> None:
        self.manifest = part_of(manifest, settings.shard.takes) if settings.shard else manifest
        self.settings = settings
        self.engine = settings.pin(settings.engine)
        self.jobs = Jobs(settings.defaults, self.engine, own, settings.pin, settings.places.out)

    def planner(self, journal: Journal | None) -> Planner:
        """Return what makes the plan from `journal`."""
        hashes = FileHashes(journal.hashes if journal else lambda paths: {})
        return Planner(journal, Keys(hashes.sha256, self.settings.places.out), hashes, self.settings.line_formats, self.jobs.shared,
                       os.fspath(self.settings.places.out), self.settings.selection)


class _Rendering:
    """The lines of a plan on their way: noted when they start, and when they end."""

    def __init__(self, work: _Work, planner: Planner, journal: Journal, report: Report, run_id: str, stop: threading.Event,
                 on_result: Callable[[LineResult], None]) -> None:
        self._work, self._planner, self._journal, self._report, self._run_id = work, planner, journal, report, run_id
        self._stop, self._on_result = stop, on_result
        self._waiting: dict[int, Decision] = {}  # taken, and not yet with a worker
        self._flying: dict[int, tuple[Job, Decision]] = {}
        self._started = False

    def run(self) -> None:
        """Render, and fill the report.

        Raises:
            A2FError: nothing could start.
        """
        work, plan, settings = self._work, self._report.plan, self._work.settings
        source = os.path.abspath(work.manifest.path)
        to_do = [(line, decision) for line, decision in zip(work.manifest.lines, plan.decisions, strict=True)
                 if decision.action == "render"]
        self._note(source, [line for line, _ in to_do])
        start = time.perf_counter()
        try:
            with closing(_results(self._jobs(to_do), len(to_do), settings, work.engine, self._stop, self._start)) as results:
                for batch in results:
                    self._keep(batch)
        except BatchError as error:
            if not self._started:
                raise
            self._report.stopped_by = Problem(error.code, error.problem, error.remedy)
        except KeyboardInterrupt:
            # The workers are ended by now. On another machine's workers the lines in flight go on to their end.
            self._report.stopped_by = Problem("interrupted", "The run was interrupted.", "Run the same command again.")
            if settings.scheduler is None:
                for job, _ in self._flying.values():
                    remove_files(job.files.values())
        self._report.seconds = time.perf_counter() - start

    def _note(self, source: str, lines: list[Line]) -> None:
        """Note in the journal what is decided before the first line starts."""
        report, where = self._report, self._report.manifest.where
        self._planner.keep_hashes()
        if report.plan.changed:
            self._journal.change(report.plan.changed, self._run_id, source)
        refused = [(row.identity, row.number, placeless(row.problems[0], where(row.number)))
                   for row in report.manifest.bad_rows if row.identity]
        if refused:
            self._journal.refuse(refused, self._run_id, source)
        if lines:
            self._journal.plan(((line.identity, line.number) for line in lines), self._run_id, source)
        for row in report.manifest.bad_rows:
            self._tell(LineResult(row.number, "failed", row.problems))

    def _jobs(self, to_do: list[tuple[Line, Decision]]) -> Iterator[Job]:
        for line, decision in to_do:
            self._waiting[line.number] = decision
            yield self._work.jobs.job(line, self._report.manifest.where(line.number), decision.formats)

    def _start(self, jobs: Sequence[Job]) -> None:
        """Note lines as started, right before they go to a worker; once more if their worker dies."""
        for job in jobs:
            number = job.line.number
            self._flying[number] = job, self._waiting.pop(number) if number in self._waiting else self._flying[number][1]
        started = self._planner.started(jobs, self._work.engine)
        self._planner.keep_hashes()
        self._journal.start(started, self._run_id)
        self._started = True

    def _keep(self, results: Sequence[LineResult]) -> None:
        """Note a batch's lines as ended, the good ones in one go, and tell of them."""
        ended = [(result, *self._flying.pop(result.number)) for result in results if result.number in self._flying]
        self._journal.done([Done(job.line.identity, result.rendered, self._planner.options(job)) for result, job, _ in ended
                            if result.rendered])
        for result, job, decision in ended:
            if result.status == "failed":
                self._journal.failed(job.line.identity, placeless(result.problems[0], job.where), self._left(job, decision))
            self._tell(result)

    def _left(self, job: Job, decision: Decision) -> dict[str, Any]:
        """Remove a failed line's files, for it has all or none; return what is left: edited by hand, or not asked for.

        Older ones go too: an old take that looks like a new one is worse than a missing file.
        """
        recorded = self._journal.outputs(job.line.identity)
        formats = {fmt.name: fmt for fmt in self._work.settings.formats if fmt.name not in decision.kept}
        out = self._work.settings.places.out
        remove_files(job.files.values())
        remove_files(out / job.line.identity.file(formats[name].suffix) for name in recorded if name in formats)
        return {name: output for name, output in recorded.items() if name not in formats}

    def _tell(self, result: LineResult) -> None:
        self._report.add(result)
        if result.status == "failed":
            if self._work.settings.fail_fast:
                self._stop.set()
            if any(problem.code == "disk-full" for problem in result.problems):  # no other line would fare better
                self._stop.set()
                self._report.stopped_by = Problem("disk-full", "The disk is full.", "Make room, then run the same command again.")
        self._on_result(result)


def _results(jobs: Iterator[Job], count: int, settings: Settings, engine: EngineChoice, stop: threading.Event,
             on_start: Callable[[Sequence[Job]], None]) -> Generator[Sequence[LineResult]]:
    """Render, and yield the results of lines that end together."""
    if not count or stop.is_set():
        return
    if settings.scheduler is None and settings.workers == 0:
        try:
            engine.loaded()
            while not stop.is_set() and (job := next(jobs, None)) is not None:
                on_start([job])
                yield render_batch([job], engine)
        finally:
            engine.unload()
        return
    from a2f_batch.batch.cluster import local_client, remote_client, workers_here

    if settings.scheduler is None:
        workers = min(settings.workers or workers_here(engine), count)
        preload = ("onnxruntime", *(f"a2f_batch.export.{fmt.module}" for fmt in settings.formats))
        connected = local_client(workers, gpus=int(engine.on_gpu), preload=preload)
    else:
        connected = remote_client(settings.scheduler)
    with connected as client:
        from a2f_batch.batch.dispatch import render_jobs  # with distributed, half a second; by now it is there

        yield from render_jobs(client, jobs, engine, stop, on_start=on_start)


def _group(work: _Work, planner: Planner, journal: Journal, report: Report) -> None:
    """Put the lines of each character into one file; not for a shard, which has but some of them."""
    if work.settings.shard:
        return
    manifest, export = work.manifest, format_named(GROUPED)
    jobs = [work.jobs.job(line, manifest.where(line.number), (CLIP,)) for line in manifest.lines]
    results = {}
    for job in jobs:
        status = report.status(job.line.number)
        if status not in ("unfinished", "not-selected"):
            ended = "done" if STATUSES[status] else "failed"
            results[job.line.number] = LineResult(job.line.number, ended, report.problems(job.line.number))

    def made_from(job: Job) -> str:
        clip = journal.outputs(job.line.identity).get(CLIP)
        made = f"{clip.key} {clip.sha256}" if clip else ""  # the key tells of the sound, which the file may hold
        return f"{made} {planner.option(job, export)} {job.line.audio_text}"

    report.takes = write_takes_files(jobs, results, work.settings.places.out, manifest.bad_rows, made_from=made_from, record=journal,
                                     overwrite_edits=work.settings.selection.overwrite_edits)


@contextmanager
def _noted(journal: Journal, report: Report) -> Iterator[str]:
    """Note the run in the journal, and how it ends."""
    settings = report.settings
    this = Run(uuid.uuid4().hex, time.time(), socket.gethostname(), os.getpid(), _user(), os.path.abspath(report.manifest.path),
               str(settings.shard) if settings.shard else None, report.plan.to_do(), versions(), report.parameters())
    journal.begin(this)
    try:
        yield this.id
    except A2FError as error:
        journal.end(this.id, error.code)
        raise
    stopped = report.stopped_by.code if report.stopped_by else None
    if stopped != "disk-full":  # there is no room for that either
        journal.end(this.id, stopped or ("failed" if report.failures() else "done"))


def _take_in(places: Places, journal: Journal, manifest: Manifest) -> None:
    """Let the journal know what the folder's other journals know of this run's lines."""
    if places.shard is None:
        for shard in places.shards():
            fold(journal, shard.journal)
            for file in shard.records():
                file.unlink(missing_ok=True)
    elif places.whole.journal.is_file():
        adopt(journal, places.whole.journal, [line.identity for line in manifest.lines])


def _check_others(places: Places) -> None:
    """Refuse where another run may write the same lines: one of the whole beside one of a shard, or shards of different splits.

    Raises:
        BatchError: it goes on (code 'folder-busy'), or its journal is not merged yet ('shards-unmerged').
    """
    others = [one for one in places.shards() if places.shard is None or one.shard is None or one.shard.count != places.shard.count]
    for other in (*others, *([places.whole] if places.shard else ())):
        if is_held(other.lock):
            raise BatchError(f"A run of {f'shard {other.shard}' if other.shard else 'all lines'} in '{places.out}' is going on.",
                             "Let it end: it may write the same files.", code="folder-busy")
    if places.shard and others:
        raise BatchError(f"'{places.out}' holds the journals of another split, such as '{others[0].journal.name}'.",
                         f"Merge them first: a2f-batch merge {places.out}", code="shards-unmerged")


def _named_by(places: Places) -> Callable[[int, str], str]:
    def name(pid: int, host: str) -> str:
        try:
            journal = Journal.read(places.journal)
            if journal is None:
                return ""
            with journal:
                last = journal.last_run()
        except BatchError:
            return ""
        if not last or last["pid"] != pid:
            return ""
        since = datetime.fromtimestamp(last["started"]).astimezone().isoformat(sep=" ", timespec="seconds")
        return f"user {last['user']}, since {since}"

    return name


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
