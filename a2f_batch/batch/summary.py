"""What a run did, row by row: summary.json, written from the journal, and the figures for a person."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from a2f_batch.batch.jobs import Jobs, seed_of
from a2f_batch.batch.journal import Journal, line_name
from a2f_batch.batch.manifest import BadRow, Line, Manifest, Problem, not_collecting
from a2f_batch.batch.plan import Plan, problem_of
from a2f_batch.batch.render import STEPS, LineResult
from a2f_batch.batch.takes import GROUPED, CharacterTakes
from a2f_batch.export import FORMATS
from a2f_batch.export.atomic import replacing

if TYPE_CHECKING:
    from a2f_batch.batch.run import Settings

SUMMARY_SCHEMA = 2
CHUNK = 500

#: How a row ended -> whether that is as it should be.
STATUSES = {"done": True, "skipped": True, "kept": True, "not-selected": True, "failed": False, "unfinished": False}

_json = json.JSONEncoder(allow_nan=False).encode  # of a text, twice as fast as `json.dumps`

_FINISHED = ("done", "skipped", "kept")
_ACTIONS = {"skip": "skipped", "keep": "kept", "not-selected": "not-selected", "quarantined": "failed"}
_PACKAGES = ("a2f-batch", "numpy", "soundfile", "soxr", "onnxruntime", "onnxruntime-gpu", "torch", "transformers", "dask", "distributed")


@dataclass
class Report:
    """A run and how each of its rows ended; filled by `run`. Figures of lines are in the journal, not here.

    Attributes:
        manifest, settings: what was asked for; of a shard, its part of the manifest.
        engine: facts of the engine: name, weights and their checksum, device, precision.
        plan: what was to be done.
        done: numbers of the lines that were rendered.
        failed: line number -> why it failed now.
        warnings: code -> lines rendered with it.
        with_warnings: lines rendered that have any.
        audio_seconds: of the lines rendered.
        step_seconds, step_cpu_seconds: of each step, summed over the lines rendered.
        stopped_by: what ended the run early, if an error or a second interrupt did.
        seconds: wall time of the rendering, workers' start included.
        takes: the characters' files, where lines are grouped by character.
        older_files: files of an earlier run that stand, and are not what was asked for now.
        unwritten: why there is no summary.json; None if there is.
    """

    manifest: Manifest
    settings: Settings
    engine: Mapping[str, Any]
    plan: Plan
    done: set[int] = field(default_factory=set)
    failed: dict[int, tuple[Problem, ...]] = field(default_factory=dict)
    warnings: Counter[str] = field(default_factory=Counter)
    with_warnings: int = 0
    audio_seconds: float = 0.0
    step_seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STEPS, 0.0))
    step_cpu_seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STEPS, 0.0))
    stopped_by: Problem | None = None
    seconds: float = 0.0
    takes: Sequence[CharacterTakes] = ()
    older_files: int = 0
    unwritten: Problem | None = None

    def __post_init__(self) -> None:
        """Find decisions by number once."""
        self._take_of: dict[int, str] = {}
        self._suffixes: dict[str, str] = {}
        self._recipes: dict[int, str] = {}
        self._decisions = {line.number: decision for line, decision in zip(self.manifest.lines, self.plan.decisions, strict=True)}

    def add(self, result: LineResult) -> None:
        """Take in how one row ended."""
        if result.status != "done" or result.rendered is None:
            self.failed[result.number] = result.problems
            return
        one = result.rendered
        self.done.add(result.number)
        self.warnings.update(set(one.warnings))
        self.with_warnings += bool(one.warnings)
        self.audio_seconds += one.duration
        for step in STEPS:
            self.step_seconds[step] += one.seconds.get(step, 0.0)
            self.step_cpu_seconds[step] += one.cpu_seconds.get(step, 0.0)

    def status(self, number: int) -> str:
        """Return how the row ended: one of `STATUSES`."""
        if number in self.done:
            return "done"
        if number in self.failed:
            return "failed"
        return _ACTIONS.get(self._decisions[number].action, "unfinished")

    def problems(self, number: int) -> tuple[Problem, ...]:
        """Return why the row is not done; nothing if it is."""
        if number in self.failed:
            return self.failed[number]
        where = self.manifest.where(number)
        if number in self.plan.quarantined:
            recorded = problem_of(self.plan.quarantined[number], where)
            return (Problem(recorded.code, f"{recorded.message} It was not tried again.", "Change the line, or run with --retry-failed."),)
        if self.status(number) != "unfinished":
            return ()
        if self.stopped_by:
            return (Problem(self.stopped_by.code, f"{where}: {self.stopped_by.message}", self.stopped_by.remedy),)
        return (Problem("not-started", f"{where}: the run was stopped before this line.", "Run the same command again."),)

    def failures(self) -> list[LineResult]:
        """Return the rows that are neither done nor up to date, in the manifest's order."""
        return [LineResult(row.number, status, self.problems(row.number))
                for row in self._rows() if not STATUSES[status := self.status(row.number)]]

    def totals(self) -> dict[str, Any]:
        """Return counts of rows by status, seconds of audio rendered, of wall time and of each step summed over workers."""
        statuses = Counter(self.status(row.number) for row in self._rows())
        return {
            "rows": len(self.manifest),
            **{status.replace("-", "_"): statuses[status] for status in STATUSES},
            "kept_files": sum(len(decision.kept) for decision in self.plan.decisions),
            "removed": len(self.plan.removed),
            "with_warnings": self.with_warnings,
            "older_files": self.older_files,
            "audio_seconds": round(self.audio_seconds, 3),
            "wall_seconds": round(self.seconds, 3),
            "times_real_time": round(self.audio_seconds / self.seconds, 2) if self.seconds else None,
            "step_seconds": {step: round(seconds, 3) for step, seconds in self.step_seconds.items()},
            "step_cpu_seconds": {step: round(seconds, 3) for step, seconds in self.step_cpu_seconds.items()},
        }

    def parameters(self) -> dict[str, Any]:
        """Return what the run was asked for, as JSON values."""
        settings, defaults = self.settings, self.settings.defaults
        return {
            "formats": [fmt.name for fmt in settings.formats], "fps": str(defaults.fps), "profile": defaults.profile.name,
            "emotion": str(defaults.emotion), "style": defaults.style, "seed": defaults.seed, "channel": defaults.channel,
            "workers": settings.workers, "scheduler": settings.scheduler, "shard": str(settings.shard) if settings.shard else None,
            "group_by": settings.group_by, "selection": asdict(settings.selection),
            "project": str(settings.project) if settings.project else None,
            "export": defaults.export.as_json(),
        }

    def write(self, path: Path, journal: Journal, jobs: Jobs) -> None:
        """Write the summary as JSON, one entry a row in the manifest's order, whole or not at all.

        Raises:
            ExportError: it can't be written (codes 'output-unwritable', 'disk-full').
            BatchError: the journal can't be read.
        """
        head = {"schema": SUMMARY_SCHEMA, "manifest": str(self.manifest.path), "versions": dict(versions()), "engine": dict(self.engine),
                "parameters": self.parameters(), **({"match": dict(self.settings.match)} if self.settings.match else {}),
                "removed": self.plan.removed,
                **({"takes": [one.to_json() for one in self.takes]} if self.settings.group_by == "character" else {})}
        with not_collecting(), replacing(path) as file:
            # ASCII: a row may hold half a surrogate pair, which JSON can spell and UTF-8 can't.
            file.write(json.dumps(head, indent=1, allow_nan=False).encode("ascii").removesuffix(b"\n}") + b',\n "lines": [\n')
            between = b"  "
            for entry in self._entries(journal, jobs):
                file.write(between + entry.encode("ascii"))
                between = b",\n  "
            # Last, for only now all older files are counted.
            totals = json.dumps(self.totals(), indent=1, allow_nan=False).encode("ascii").replace(b"\n", b"\n ")
            file.write(b'\n ],\n "totals": ' + totals + b"\n}\n")

    def _rows(self) -> list[Line | BadRow]:
        rows: list[Line | BadRow] = [*self.manifest.lines, *self.manifest.bad_rows]
        return sorted(rows, key=lambda row: row.number) if self.manifest.bad_rows else rows

    def _entries(self, journal: Journal, jobs: Jobs) -> Iterator[str]:
        rows = self._rows()
        self._recipes = {}  # by object, which `jobs` keeps
        self._take_of = {number: str(one.file) for one in self.takes for number in one.lines}
        self._suffixes = {fmt.name: fmt.suffix for fmt in self.settings.line_formats}
        self.older_files = 0
        for start in range(0, len(rows), CHUNK):
            some = rows[start:start + CHUNK]
            facts = journal.facts([row.identity for row in some if row.identity])
            for row in some:
                status = self.status(row.number)
                entry = self._line(row, status, jobs) if isinstance(row, Line) else (
                    f'"line": {row.number}, "status": "{status}", "row": {_json(dict(row.cells))}')
                if rest := self._rest(row, status):
                    entry += f", {_json(rest)[1:-1]}"
                figures = facts.get(line_name(row.identity)) if row.identity and status in _FINISHED else None
                # The journal has the figures as JSON already.
                yield f"{{{entry}, {figures[1:]}" if figures else f"{{{entry}}}"

    def _line(self, line: Line, status: str, jobs: Jobs) -> str:
        """Return what every line's entry holds, as the inside of a JSON object.

        Put together as text: of a hundred thousand lines that are up to date, all but this is the journal's.
        """
        recipe, engine = jobs.shared(line)
        told = self._recipes.get(id(recipe))
        if told is None:  # once for all lines that share it
            told = self._recipes[id(recipe)] = _json({"fps": str(recipe.fps), "emotion": str(recipe.emotion), "style": recipe.style,
                                                      "profile": recipe.profile.name})[1:-1]
        who = line.identity
        entry = (f'"line": {line.number}, "status": "{status}", "locale": {_json(who.locale)}, "character": {_json(who.character)},'
                 f' "id": {_json(who.id)}, "audio": {_json(line.audio_text)}, "text": {_json(line.text)}, {told},'
                 f' "seed": {seed_of(line, recipe.seed)}, "extra": {_json(dict(line.extra)) if line.extra else "{}"}')
        if jobs.own_engine(line):
            entry += f', "engine": {_json({"weights": engine.name, "weights_sha256": engine.sha256})}'
        if status not in _FINISHED:
            return entry
        start = _json(line_name(who))[:-1]
        outputs = [f'"{name}": {start}{suffix}"' for name, suffix in self._suffixes.items()]
        if line.number in self._take_of:
            outputs.append(f'"{GROUPED}": {_json(self._take_of[line.number])}')
        return f'{entry}, "outputs": {{{", ".join(outputs)}}}'

    def _rest(self, row: Line | BadRow, status: str) -> dict[str, Any]:
        """Return what only some rows' entries hold."""
        rest: dict[str, Any] = {}
        decision = self._decisions.get(row.number)
        if decision and decision.reasons:
            rest["reasons"] = decision.reasons
        if decision and decision.kept and status in _FINISHED:
            rest["kept"] = decision.kept
        if not STATUSES[status] and (problems := self.problems(row.number)):
            rest |= {"code": problems[0].code, "problems": [asdict(problem) for problem in problems]}
        if (row.number in self.plan.older or not STATUSES[status]) and (older := self._older(row, status)):
            self.older_files += len(older)
            rest["older_files"] = older
        return rest

    def _older(self, row: Line | BadRow, status: str) -> list[str]:
        """Return the line's files that stand and are not of this run's making: of other formats, or of a line that was not rendered."""
        if row.identity is None or status == "not-selected":
            return []
        names = self.plan.older.get(row.number, ())
        if not STATUSES[status]:
            names = (*names, *sorted(fmt.name for fmt in self.settings.line_formats))
        files = [line_name(row.identity) + FORMATS[name].suffix for name in names if name in FORMATS]
        return [file for file in files if os.path.exists(os.path.join(self.settings.out, file))]


@cache
def versions() -> Mapping[str, str]:
    """Return the versions of what makes the bytes, and of the machine's kind."""
    found = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return MappingProxyType(found)

