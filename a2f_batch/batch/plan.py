"""The plan of a run: which files of which lines are to be made, and why; found by comparing manifest, journal and folder."""

from __future__ import annotations

import fnmatch
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.hashes import FileHashes
from a2f_batch.batch.identity import Identity
from a2f_batch.batch.jobs import seed_of
from a2f_batch.batch.journal import QUARANTINE, Changed, Journal, Row, Started, line_name
from a2f_batch.batch.keys import PART_NAMES, Keys, changed_options, line_key
from a2f_batch.batch.manifest import Line, Manifest, Problem, not_collecting
from a2f_batch.batch.outputs import Output, as_recorded
from a2f_batch.batch.render import Job, OutputFile, Recipe
from a2f_batch.export import Format

CHUNK = 1000  # lines looked up in the journal at a time

NEW, MISSING, EDITED, ADDED = "new", "output missing", "output edited by hand", "format added"
FAILED, QUARANTINED, UNFINISHED, FORCED = "failed before", "quarantined", "not finished before", "forced"
REJECTED = "rejected in review"


@dataclass(frozen=True)
class Selection:
    """Which lines a run is for, and how it looks at them.

    Attributes:
        only: patterns of 'locale/character/id', with * and ?; none = all lines. A pattern of fewer parts is for all below: 'de'.
        retry_failed: only lines that failed before, quarantined ones too.
        rejected: only these lines; those whose take is still the one that was rejected are rendered although they are up to date. Name ->
            the take, see `review.rejected_lines`; None = no review.
        force: render what is up to date, too.
        verify: hash every output, not only those whose size or time changed.
        overwrite_edits: render what was edited by hand, too.
    """

    only: tuple[str, ...] = ()
    retry_failed: bool = False
    rejected: Mapping[str, str] | None = None
    force: bool = False
    verify: bool = False
    overwrite_edits: bool = False

    def takes(self, name: str) -> bool:
        """Return whether the line called `name` ('de/ada/x') is wanted by `only`, compared without case, and by the review."""
        if self.rejected is not None and name not in self.rejected:
            return False
        return not self.only or any(fnmatch.fnmatch(name.casefold(), pattern) for pattern in _patterns(self.only))


@dataclass(frozen=True)
class Decision:
    """What is to be done with a line; lines with the same fate share one.

    Attributes:
        action: 'render', 'skip' (up to date), 'keep' (nothing to render, and a file was edited by hand), 'quarantined' (it killed its
            worker before, and nothing changed), 'not-selected'.
        formats: names of those to be written.
        kept: names of those whose files were edited by hand and stay.
        reasons: why it is rendered, or kept.
    """

    action: str
    formats: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass
class Plan:
    """What a run is to do.

    Attributes:
        decisions: one for each of the manifest's good lines, in its order.
        removed: names of lines that this manifest had in an earlier run and has no more.
        changed: lines whose journal rows need correction, though they need no rendering.
        quarantined: line number -> the problem, of quarantined lines.
        older: line number -> names of formats that have files of the line and are not asked for now.
    """

    decisions: list[Decision] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    quarantined: dict[int, Problem] = field(default_factory=dict)
    older: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Return how many lines there are of each action, and of those to be rendered of each reason ('render: new')."""
        counts = Counter(decision.action for decision in self.decisions)
        reasons = Counter(f"render: {reason}" for decision in self.decisions if decision.action == "render" for reason in decision.reasons)
        return {**dict(sorted(counts.items())), **dict(sorted(reasons.items()))}

    def to_do(self) -> int:
        """Return how many lines are to be rendered."""
        return sum(decision.action == "render" for decision in self.decisions)


class Planner:
    """Makes the plan, and the keys of lines when they are started.

    Args:
        journal: what is known; None = nothing.
        keys: of this run.
        hashes: of sounds.
        formats: what is asked for.
        shared: line -> its recipe with the run's seed, and its pinned engine; see `Jobs.shared`.
        out: the output folder, absolute.
        selection: which lines, and how.
    """

    def __init__(self, journal: Journal | None, keys: Keys, hashes: FileHashes, formats: Sequence[Format],
                 shared: Callable[[Line], tuple[Recipe, EngineChoice]], out: str, selection: Selection) -> None:
        self._journal, self._keys, self._hashes, self._formats, self._shared = journal, keys, hashes, tuple(formats), shared
        self._out, self._selection = out, selection
        self._reasons = cache(self._changed_options)
        self._kept_settings: set[str] = set()
        self._suffixes = [(fmt.name, fmt.suffix) for fmt in self._formats]
        self._names = tuple(fmt.name for fmt in self._formats)
        self._formats_asked = frozenset(self._names)

    def plan(self, manifest: Manifest) -> Plan:
        """Compare `manifest` with journal and folder; nothing is written.

        Raises:
            BatchError: the journal can't be read.
            ExportError: a character or its map can't be.
        """
        with not_collecting():
            return self._plan(manifest)

    def _plan(self, manifest: Manifest) -> Plan:
        plan = Plan()
        wanted = self._selection
        failed = self._journal.failed_names() if wanted.retry_failed and self._journal else set()
        source = os.path.abspath(manifest.path)
        known = 0  # lines that were this manifest's before
        for lines in _chunks(manifest.lines):
            names = [line_name(line.identity) for line in lines]
            rows = self._journal.rows(names) if self._journal else {}
            self._hashes.expect([line.audio for line, name in zip(lines, names, strict=True) if name in rows])
            for line, name in zip(lines, names, strict=True):
                if not wanted.takes(name) or (wanted.retry_failed and name not in failed):
                    plan.decisions.append(_NOT_SELECTED)
                    continue
                row = rows.get(name)
                decision, changed = self._decide(line, name, row)
                plan.decisions.append(decision)
                if row is None:
                    continue
                known += row.manifest == source
                if decision is _SKIP and not changed and row.count == len(self._names) and (
                        (row.state, row.number, row.manifest) == ("done", line.number, source)):
                    continue  # as most of a hundred thousand lines
                if decision.action == "quarantined" and row.problem:
                    plan.quarantined[line.number] = row.problem
                state = {"skip": "done", "keep": "kept"}.get(decision.action)
                if row.count > len(self._names) or not (decision is _SKIP or row.outputs.keys() <= self._formats_asked):
                    plan.older[line.number] = tuple(one for one in row.outputs if one not in self._names)
                if state and (changed or (state, line.number, source) != (row.state, row.number, row.manifest)):
                    plan.changed.append(Changed(line.identity, state, changed or row.outputs, line.number))
        # To compare all names takes a while, and most often none is gone.
        if self._journal and not wanted.only and known < self._journal.count(source):
            here = {line_name(identity) for identity in identities(manifest)}
            plan.removed = sorted(name for name in self._journal.names(source) if name not in here)
        return plan

    def _rejected(self, name: str, row: Row) -> bool:
        """Return whether a review rejects the take that stands."""
        take = (self._selection.rejected or {}).get(name)
        return take is not None and line_key(row.parts).startswith(take)

    def started(self, jobs: Sequence[Job], engine: EngineChoice) -> list[Started]:
        """Return what the journal is to know of lines before they are rendered.

        A sound that can't be read has no hash; the line will fail, and be looked at again in the next run.

        Args:
            engine: of those that have none of their own; pinned.
        """
        self._hashes.expect([job.line.audio for job in jobs])
        return [self._started(job, job.engine or engine) for job in jobs]

    def _started(self, job: Job, engine: EngineChoice) -> Started:
        self.options(job)
        try:
            parts = self._keys.parts(job.line, job.recipe, engine, job.recipe.seed)
        except OSError:
            parts = ""
        return Started(job.line.identity, line_key(parts), parts, tuple(job.files))

    def options(self, job: Job) -> Mapping[str, str]:
        """Return format name -> hash of its options, for a line."""
        return self._keys.options(job.recipe.export, self._formats)

    def option(self, job: Job, fmt: Format) -> str:
        """Return the hash of the options of a format that is not written line by line."""
        return self._keys.option(fmt, job.recipe.export)

    def keep_hashes(self) -> None:
        """Note in the journal the hashes found since the last call, and what those of settings stand for."""
        if self._journal:
            new = {name: text for name, text in self._keys.settings.items() if name not in self._kept_settings}
            self._kept_settings.update(new)
            self._journal.keep(self._hashes.take_new(), new)

    def _decide(self, line: Line, name: str, row: Row | None) -> tuple[Decision, dict[str, Output]]:
        """Return what to do with a line, and its recorded outputs with times as they are now, if these are others."""
        formats = self._names
        if row is None:
            return _decision("render", formats, (), (NEW,)), {}
        recipe, engine = self._shared(line)
        try:
            parts = self._keys.parts(line, recipe, engine, seed_of(line, recipe.seed))
        except OSError:
            return _decision("render", formats, (), ("audio can't be read",)), {}
        key, options = line_key(parts), self._keys.options(recipe.export, self._formats)
        to_do: list[str] = []
        kept: list[str] = []
        reasons: dict[str, None] = {}  # in order, each once
        base = f"{self._out}{os.sep}{name if os.sep == '/' else name.replace('/', os.sep)}"
        again = REJECTED if self._rejected(name, row) else FORCED if self._selection.force else ""
        if not (self._selection.verify or again) and self._is_untouched(base, row.recorded, key, options):
            return _SKIP, {}
        outputs, changed = row.outputs, False
        for fmt in self._formats:
            output = outputs.get(fmt.name)
            found = self._found(base + fmt.suffix, output) if output else None
            if output is None:
                why = [_unrecorded(row)]
            elif found is None:
                why = [MISSING]
            elif found.sha256 != output.sha256:
                if not self._selection.overwrite_edits:
                    kept.append(fmt.name)
                    continue
                why = [EDITED]
            else:
                if found.mtime_ns != output.mtime_ns:
                    outputs, changed = {**outputs, fmt.name: output._replace(mtime_ns=found.mtime_ns)}, True
                why = self._outdated(output, key, options[fmt.name], row.parts, parts)
                if not why and again:
                    why = [again]
            if why:
                to_do.append(fmt.name)
                reasons.update(dict.fromkeys(why))
        now = outputs if changed else {}
        if to_do and row.problem and row.problem.code == QUARANTINE and row.parts == parts and not (
                self._selection.retry_failed or again):
            return _decision("quarantined", (), (), (QUARANTINED,)), now
        if to_do:
            return _decision("render", tuple(to_do), tuple(kept), tuple(reasons)), now
        return (_decision("keep", (), tuple(kept), (EDITED,)) if kept else _SKIP), now

    def _is_untouched(self, base: str, recorded: str, key: str, options: Mapping[str, str]) -> bool:
        """Return whether all files look as they were written, from what is asked for now; `recorded` is the journal's own text.

        For most of a hundred thousand lines that is all, and to take the text apart would take longer than to look for what it must hold.
        """
        try:
            for name, suffix in self._suffixes:
                facts = os.stat(base + suffix)
                if as_recorded(facts.st_size, facts.st_mtime_ns, key, options[name]) not in recorded:
                    return False
        except OSError:
            return False
        return True

    def _found(self, path: str, output: Output) -> OutputFile | Output | None:
        """Return the figures of the file at `path`: `output` if it looks like that, else what is read. None if it is not there."""
        try:
            facts = os.stat(path)
            if not self._selection.verify and (facts.st_size, facts.st_mtime_ns) == (output.size, output.mtime_ns):
                return output
            return OutputFile.of(path)
        except OSError:
            return None

    def _outdated(self, output: Output, key: str, options: str, before: str, parts: str) -> list[str]:
        if (output.key, output.options) == (key, options):
            return []
        why = [f"{name} changed" for name in self._reasons(output.options, options)] if output.options != options else []
        if output.key != key:
            # A row that was started anew has the new parts already: what its older files were made from is not known any more.
            why += changed_parts(before, parts) if line_key(before) == output.key else [UNFINISHED]
        return why

    def _changed_options(self, before: str, after: str) -> list[str]:
        recorded = self._journal.setting(before) if self._journal else None
        return changed_options(recorded, self._keys.settings[after]) if recorded else ["export options"]


def changed_parts(before: str, after: str) -> list[str]:
    """Return what differs between two lines' parts (JSON text), as a person calls it: 'audio changed'."""
    old, new = json.loads(before), json.loads(after)
    return [f"{PART_NAMES.get(name, name)} changed" for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]


def identities(manifest: Manifest) -> Iterator[Identity]:
    """Yield the identities of a manifest's rows, also of bad ones that have one."""
    yield from (line.identity for line in manifest.lines)
    yield from (row.identity for row in manifest.bad_rows if row.identity)


def part_of(manifest: Manifest, takes: Callable[[Identity | None], bool]) -> Manifest:
    """Return the manifest with those rows alone that `takes` is true of."""
    return replace(manifest, lines=tuple(line for line in manifest.lines if takes(line.identity)),
                   bad_rows=tuple(row for row in manifest.bad_rows if takes(row.identity)))


def problem_of(problem: Problem, where: str) -> Problem:
    """Return a recorded problem, told of the row at `where`."""
    return replace(problem, message=f"{where}: {problem.message}")


def placeless(problem: Problem, where: str) -> Problem:
    """Return a problem for the record: a row's place in the manifest changes."""
    return replace(problem, message=problem.message.removeprefix(f"{where}: "))


def _unrecorded(row: Row) -> str:
    if row.problem:
        return QUARANTINED if row.problem.code == QUARANTINE else FAILED
    return UNFINISHED if row.state in ("pending", "started") else ADDED


@cache
def _decision(action: str, formats: tuple[str, ...], kept: tuple[str, ...], reasons: tuple[str, ...]) -> Decision:
    return Decision(action, formats, kept, reasons)


@cache
def _patterns(only: tuple[str, ...]) -> tuple[str, ...]:
    # Each pattern alone, and as a folder: 'de' and 'de/ada' are for all lines below.
    return tuple(text for pattern in only for text in (pattern.casefold(), pattern.casefold().rstrip("/") + "/*"))


def _chunks(lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
    for start in range(0, len(lines), CHUNK):
        yield lines[start:start + CHUNK]


_SKIP, _NOT_SELECTED = Decision("skip"), Decision("not-selected")

