"""A batch of lines through the three steps that run apart: sounds decoded, curves inferred, files written.

Each step takes and gives values that pickle. What goes wrong with a line is that line's `Problem`, never an exception, so its mates go on;
nothing of a line's result depends on its mates.
"""

from __future__ import annotations

import os
import traceback
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from a2f_batch.audio import Waveform, load_audio
from a2f_batch.batch import render
from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.manifest import Problem
from a2f_batch.batch.render import Clock, Job, LineResult, OutputFile, Rendered
from a2f_batch.clip import FaceClip
from a2f_batch.errors import A2FError
from a2f_batch.export.atomic import HeldBack, flush_folder, holding_back


@dataclass(frozen=True)
class Decoded:
    """A line whose sound was read.

    Attributes:
        sound: the sound, or why there is none.
        clock: what it took.
    """

    job: Job
    sound: Waveform | Problem
    clock: Clock


@dataclass(frozen=True)
class Inferred:
    """What the engine made of a line.

    Attributes:
        curves: the raw clip, or why there is none.
        clock: what it took; the line's share by its length where lines went through together.
    """

    curves: FaceClip | Problem
    clock: Clock


Batch: TypeAlias = Sequence[Job]


def render_batch(jobs: Batch, choice: EngineChoice) -> list[LineResult]:
    """Take lines through all steps in this process; `choice` is for those that have no engine of their own.

    Raises:
        EngineError: the run's own engine can't be loaded.
    """
    choice.loaded()
    decoded = decode(jobs)
    return export(decoded, infer(decoded, choice))


def decode(jobs: Batch) -> list[Decoded]:
    """Read the lines' sounds."""
    decoded = []
    for job in jobs:
        clock = Clock()
        with clock("decode"):
            try:
                sound: Waveform | Problem = load_audio(job.line.audio, channel=job.recipe.channel)
            except Exception as error:
                sound = _problem(job, error)
        decoded.append(Decoded(job, sound, clock))
    return decoded


def infer(lines: Sequence[Decoded], choice: EngineChoice) -> list[Inferred]:
    """Make the lines' raw curves; what has engine, fps, emotion and style in common goes to the engine together."""
    inferred: dict[int, Inferred] = {}
    alike = defaultdict(list)
    for i, line in enumerate(lines):
        if isinstance(line.sound, Problem):
            inferred[i] = Inferred(line.sound, Clock())
        else:
            recipe = line.job.recipe
            alike[line.job.engine or choice, recipe.fps, recipe.emotion.dominant, recipe.style].append((i, line.job, line.sound))
    for (engine, *_), group in alike.items():
        clock = Clock()
        curves = _curves([(job, wave) for _, job, wave in group], engine, clock)
        seconds = sum(float(wave.duration) for _, _, wave in group)
        for (i, _, wave), one in zip(group, curves, strict=True):
            inferred[i] = Inferred(one, Clock())
            inferred[i].clock.add(clock, float(wave.duration) / seconds)
    return [inferred[i] for i in range(len(lines))]


def _curves(lines: Sequence[tuple[Job, Waveform]], choice: EngineChoice, clock: Clock) -> list[FaceClip | Problem]:
    try:
        with clock("infer"):
            return [*render.infer([wave for _, wave in lines], [job.recipe for job, _ in lines], choice.loaded())]
    except Exception as error:
        if len(lines) == 1:
            return [_problem(lines[0][0], error)]
    # One of them is at fault; each alone, only that one fails.
    return [curves for line in lines for curves in _curves([line], choice, clock)]


@dataclass
class _Finished:
    """A line whose files are written, and not yet in their places."""

    job: Job
    clock: Clock
    rendered: Rendered | None = None
    problem: Problem | None = None
    held: HeldBack = field(default_factory=HeldBack)

    def fail(self, error: Exception) -> None:
        self.problem = self.problem or _problem(self.job, error)

    def result(self) -> LineResult:
        """Return how the line ended. If it failed, files of it may stand: to remove them is up to the run.

        Not to us: nobody may wait for this result any more, and another run have made the files by now.
        """
        if self.problem or not self.rendered:
            return LineResult(self.job.line.number, "failed", (self.problem,) if self.problem else ())
        return LineResult(self.job.line.number, "done",
                          rendered=replace(self.rendered, seconds=self.clock.seconds, cpu_seconds=self.clock.cpu_seconds))


def export(decoded: Sequence[Decoded], inferred: Sequence[Inferred], *,
           before_flush: Callable[[], object] = lambda: None) -> list[LineResult]:
    """Post-process the lines and write their files; when this returns they are on the disk and in their places.

    Args:
        before_flush: called when only waiting for the disk is left.
    """
    with ExitStack() as stack:
        lines = []
        for line, one in zip(decoded, inferred, strict=True):
            finished = _write(line, one)
            stack.callback(finished.held.drop)
            lines.append(finished)
        before_flush()
        _put_in_place(lines)
        return [line.result() for line in lines]


def _write(line: Decoded, inferred: Inferred) -> _Finished:
    finished = _Finished(line.job, line.clock)
    finished.clock.add(inferred.clock)
    if isinstance(line.sound, Problem) or isinstance(inferred.curves, Problem):
        finished.problem = inferred.curves if isinstance(inferred.curves, Problem) else None
        return finished
    job = line.job
    files = {name: Path(path) for name, path in job.files.items()}
    try:
        with holding_back() as finished.held:
            rendered = render.finish(Path(job.line.audio), files, job.recipe, line.sound, inferred.curves, finished.clock)
            with finished.clock("export"):
                outputs = {name: OutputFile.of(finished.held.files[path]) for name, path in files.items()}
        finished.rendered = replace(rendered, outputs=outputs)
    except Exception as error:
        finished.fail(error)
    return finished


def _put_in_place(lines: Sequence[_Finished]) -> None:
    """Flush all files, then rename all, then flush their folders: the disk's journal is written once for each, not once a file."""
    clock = Clock()
    written = [line for line in lines if not line.problem]
    with clock("export"):
        for step in (HeldBack.flush, HeldBack.rename):
            for line in written:
                try:
                    if not line.problem:
                        step(line.held)
                except A2FError as error:
                    line.fail(error)
        folders = defaultdict(list)
        for line in written:
            for path in line.job.files.values():
                folders[os.path.dirname(path)].append(line)
        for folder, within in folders.items():
            try:
                flush_folder(Path(folder))
            except A2FError as error:
                for line in within:
                    line.fail(error)
    for line in written:
        line.clock.add(clock, 1 / len(written))


def _problem(job: Job, error: Exception) -> Problem:
    if isinstance(error, A2FError):
        return Problem.of(error, job.where)
    # A fault of ours or of a library: one line fails, the summary keeps the place for the report.
    return Problem("internal", f"{job.where}: {type(error).__name__}: {error}", "Please report this with the detail in summary.json.",
                   "".join(traceback.format_exception(error)))
