"""Figures of lines that have none, or whose files were changed since: measured from an exported file and the sound, and kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from a2f_batch.audio import load_audio
from a2f_batch.batch.journal import CHUNK, Journal
from a2f_batch.batch.lines import LineRow, judged, rows
from a2f_batch.batch.manifest import Problem
from a2f_batch.errors import A2FError, BatchError
from a2f_batch.export import read_clip
from a2f_batch.qc import LEVELS, Levels, Measured, measure, to_text

#: Formats that a clip is read back from, the best first: lossless, then by how little they round.
READABLE = ("npz", "csv-plain", "glb", "gltf", "csv", "csv-long", "fbx", "anim", "usd", "usda")


@dataclass
class Checked:
    """What was found.

    Attributes:
        lines: every line of the folder, judged.
        measured: how many were measured now.
        problems: name of a line -> why it could not be.
        unkept: why the new figures could not be noted in the journal; None if they were.
    """

    lines: list[LineRow]
    measured: int = 0
    problems: dict[str, Problem] = field(default_factory=dict)
    unkept: BatchError | None = None


def check(out: Path, levels: Levels = LEVELS, *, again: bool = False) -> Checked:
    """Return every line of an output folder with its figures; those that are missing or out of date are measured, and noted.

    Args:
        again: measure every line.

    Raises:
        BatchError: see `lines.rows`.
    """
    lines = rows(out, levels)
    done = Checked(lines)
    fresh: dict[str, Measured] = {}
    for line in lines:
        if line.state not in ("done", "kept"):
            continue
        try:
            file = stale(line, again=again)
            if file:
                fresh[line.name] = _measure(line, *file)
        except A2FError as error:
            done.problems[line.name] = Problem.of(error, line.name)
    done.measured = len(fresh)
    if fresh:
        done.lines = judged([replace(line, measured=fresh.get(line.name, line.measured)) for line in lines], levels)
        try:
            _keep([line for line in done.lines if line.name in fresh])
        except BatchError as error:
            done.unkept = error
    return done


def stale(line: LineRow, *, again: bool = False) -> tuple[str, tuple[str, int, int]] | None:
    """Return the file to measure a line from, as its format and what `Measured.file` keeps of it; None if its figures are up to date.

    Figures are out of date when they were made from a file that has changed since: the best readable one decides.

    Raises:
        BatchError: no file of the line can be read back (code 'qc-no-file').
    """
    for name in READABLE:
        if name not in line.outputs:
            continue
        try:
            facts = line.outputs[name].stat()
        except OSError:
            continue
        here = name, facts.st_size, facts.st_mtime_ns
        if line.measured and not again:
            written = line.measured.file or (name, line.recorded[name].size, line.recorded[name].mtime_ns)
            if written == here:
                return None
        return name, here
    if line.measured and not again:
        return None  # measured while it was rendered; nothing to compare it with
    raise BatchError(f"{line.name}: none of its files ({', '.join(line.outputs) or 'none'}) is there and can be read back.",
                     f"Render the line with one of {', '.join(READABLE[:4])}.", code="qc-no-file")


def _measure(line: LineRow, name: str, file: tuple[str, int, int]) -> Measured:
    if line.audio is None:
        raise BatchError(f"{line.name}: nobody knows where its sound is.", "Render the folder again with this version.", code="qc-no-sound")
    clip = read_clip(line.outputs[name], format=name)
    return measure(load_audio(line.audio, channel=line.channel), clip, file=file)


def _keep(lines: Iterable[LineRow]) -> None:
    by_journal: dict[Path, list[LineRow]] = {}
    for line in lines:
        if line.journal:
            by_journal.setdefault(line.journal, []).append(line)
    for path, some in by_journal.items():
        with Journal.open(path) as journal:
            for start in range(0, len(some), CHUNK):
                journal.note_qc((line.name, line.updated, to_text(line.measured)) for line in some[start:start + CHUNK] if line.measured)


