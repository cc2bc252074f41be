"""One glb a character with an animation a line: clips kept while lines are rendered, put together once they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from a2f_batch.batch.keys import short_hash
from a2f_batch.batch.manifest import BadRow, Problem
from a2f_batch.batch.render import Job, LineResult, OutputFile, make_folder
from a2f_batch.errors import A2FError, BatchError
from a2f_batch.export import Format, format_named, read_clip
from a2f_batch.export.gltf_takes import Keying, Rig, TakesFile, rig_of, takes_file
from a2f_batch.export.options import ExportOptions

GROUPED = "glb"
CLIP = "npz"


class Record(Protocol):
    """Where it is remembered what a character's file was made from."""

    def takes(self, file: str) -> tuple[str, OutputFile] | None:
        """Return what the file was made from, as a hash, and the file as it was written; None if it is not known."""

    def note_takes(self, file: str, key: str, written: OutputFile) -> None:
        """Remember it."""


class _Nothing:
    def takes(self, file: str) -> tuple[str, OutputFile] | None:
        return None

    def note_takes(self, file: str, key: str, written: OutputFile) -> None:
        return None


@dataclass(frozen=True)
class CharacterTakes:
    """How the file of a character in one language ended.

    Attributes:
        file: relative to the output folder.
        locale, character: as the first of its rows spells them.
        status: 'done', 'skipped' (up to date), 'kept' (edited by hand since it was written), 'failed' (no such file, or the one of an
            earlier run), or 'unfinished' (lines were not tried: the file, if there is one, is an earlier run's).
        lines: row number -> id, which is the animation's name, in the file's order.
        missing: id -> reason code, of rows that are not in it.
        problems: why lines that were rendered are not in it, or why there is no file.
        keys: before and after reduction.
    """

    file: PurePosixPath
    locale: str
    character: str
    status: str
    lines: Mapping[int, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    keys: tuple[int, int] = (0, 0)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values for the summary."""
        before, after = self.keys
        return {"file": str(self.file), "locale": self.locale, "character": self.character, "status": self.status,
                "animations": len(self.lines), "missing": dict(self.missing),
                **({"problems": [asdict(problem) for problem in self.problems]} if self.problems else {}),
                **({"keys": {"before": before, "after": after}} if after != before else {})}


def line_formats(formats: Sequence[Format]) -> tuple[Format, ...]:
    """Return what is written for a line where the glb is a character's: the other formats, and the clip that it is put together from.

    Raises:
        BatchError: none of `formats` can hold many lines (code 'group-format').
    """
    if GROUPED not in [fmt.name for fmt in formats]:
        raise BatchError(f"{', '.join(fmt.name for fmt in formats)} can't hold all lines of a character in one file.",
                         f"Add {GROUPED} to the formats, or leave out the grouping.", code="group-format")
    kept = tuple(fmt for fmt in formats if fmt.name not in (GROUPED, CLIP))
    return (*kept, format_named(CLIP))


def write_takes_files(jobs: Iterable[Job], results: Mapping[int, LineResult], out: Path, bad_rows: Iterable[BadRow] = (), *,
                      made_from: Callable[[Job], str] | None = None, record: Record | None = None,
                      overwrite_edits: bool = False) -> list[CharacterTakes]:
    """Write OUT/<locale>/<character>/<character>.takes.glb for every character of `jobs`, from the clips of the lines that are done.

    Lines stand in the order of their rows, however they were rendered; each file is whole or as it was before. One clip is in memory at a
    time. A character none of whose lines could be rendered has no file, not even an older one; one with lines that were never tried
    keeps what it has.

    Args:
        jobs: every line of the run that is one, with the path of its clip among its files.
        results: how rows ended, by number; a row without one was not tried.
        out: output folder.
        bad_rows: rows that never became jobs; they are missing too.
        made_from: all that decides a line's take, as text. With it and `record`, files that are up to date are left alone.
        record: what is known of the files; it is told of those written.
        overwrite_edits: write a file anew though it was edited by hand.
    """
    record = record or _Nothing()
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in sorted(jobs, key=lambda job: job.line.number):
        # Without case, as file names are on Windows and macOS: 'Ada' and 'ada' would be one file there.
        groups.setdefault(job.line.identity.key[:2], []).append(job)
    missing: dict[tuple[str, str], dict[str, str]] = {}
    for row in bad_rows:
        if row.identity:
            missing.setdefault(row.identity.key[:2], {})[row.identity.id] = row.problems[0].code
    return [_write(group, results, out, missing.get(key, {}), made_from, record, overwrite_edits) for key, group in groups.items()]


def _write(jobs: Sequence[Job], results: Mapping[int, LineResult], out: Path, bad: Mapping[str, str],
           made_from: Callable[[Job], str] | None, record: Record, overwrite_edits: bool) -> CharacterTakes:
    first = jobs[0].line.identity
    place = PurePosixPath(first.locale, first.character, f"{first.character}.takes.glb")
    done = [job for job in jobs if job.line.number in results and results[job.line.number].status == "done"]
    tried = [job for job in jobs if job.line.number in results and results[job.line.number].status != "unfinished"]
    missing = {**bad, **{job.line.identity.id: results[job.line.number].problems[0].code for job in tried if job not in done}}
    made = CharacterTakes(place, first.locale, first.character, "unfinished", missing=missing)
    if len(tried) < len(jobs):
        return made
    names = {job.line.number: job.line.identity.id for job in done}
    key = short_hash("\n".join(f"{job.line.identity.id} {made_from(job)}" for job in done)) if made_from else ""
    known, here = record.takes(str(place)), _here(out / place)
    if known and here and not overwrite_edits and here.sha256 != known[1].sha256:
        return replace(made, status="kept", lines=names)
    if known and here and done and known[0] == key and here.sha256 == known[1].sha256:
        return replace(made, status="skipped", lines=names)
    writing = _Writing(missing)
    try:
        if done:
            make_folder((out / place).parent)
            writing.write(done, out / place)
    except A2FError as error:
        writing.problems.append(Problem.of(error, str(place)))
        return replace(made, status="failed", problems=tuple(writing.problems))
    if not writing.lines:
        (out / place).unlink(missing_ok=True)
    elif not writing.problems:  # a take that was refused is tried again
        record.note_takes(str(place), key, OutputFile.of(out / place))
    return replace(made, status="done" if writing.lines else "failed", lines=writing.lines, problems=tuple(writing.problems),
                   keys=writing.keys)


def _here(path: Path) -> OutputFile | None:
    try:
        return OutputFile.of(path)
    except OSError:
        return None


@dataclass
class _Writing:
    """What is known of a file while it is written."""

    missing: dict[str, str]
    lines: dict[int, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    keys: tuple[int, int] = (0, 0)
    rigs: dict[ExportOptions, Rig] = field(default_factory=dict)

    def write(self, jobs: Sequence[Job], path: Path) -> None:
        try:
            with takes_file(path, self._rig(jobs[0].recipe.export)) as takes:
                for job in jobs:
                    self._add(job, takes)
                self.keys = takes.before, takes.after
        except A2FError as error:
            if error.code != "nothing-to-write":  # every line was refused, and each one's reason is known
                raise

    def _add(self, job: Job, takes: TakesFile) -> None:
        identity, options = job.line.identity, job.recipe.export
        try:
            clip = read_clip(job.files[CLIP], format=CLIP)
            asked = options.for_clip(clip, format_named(GROUPED))
            keying = Keying(**{one.name: asked[one.name] for one in fields(Keying) if one.name in asked})
            takes.add(identity.id, clip, keying, Path(job.line.audio), rig=self._rig(options), name_sound=True)
        except A2FError as error:
            self.problems.append(Problem.of(error, job.where))
            self.missing[identity.id] = error.code
        else:
            self.lines[job.line.number] = identity.id

    def _rig(self, options: ExportOptions) -> Rig:
        key = replace(options, attribute_map=None)  # which is a dictionary, and nothing to a rig
        if key not in self.rigs:
            mesh = options.for_format(format_named(GROUPED)).get("mesh")
            self.rigs[key] = rig_of(mesh, options.character, options.rig_map, rotations=options.rotations)
        return self.rigs[key]
