"""The lines of an output folder as its journals know them, with what the summaries add: the text, and rows that have no name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from a2f_batch.batch.journal import Journal
from a2f_batch.batch.manifest import Problem
from a2f_batch.batch.outputs import Output, outputs_from
from a2f_batch.batch.places import Places
from a2f_batch.batch.render import OutputFile
from a2f_batch.errors import BatchError


@dataclass(frozen=True)
class ReportLine:
    """A line of the journal.

    Attributes:
        name: 'locale/character/id'.
        state: as in the journal; see `batch.journal.Row`.
        key: of what decided the curves; "" if it was never started.
        duration: seconds of sound; 0 if it was never rendered.
        problem: why it failed.
        text: what is said, if the manifest has it.
    """

    name: str
    locale: str
    character: str
    id: str
    state: str
    key: str
    duration: float
    problem: Problem | None
    text: str
    _parts: str
    _outputs: str
    _facts: str
    _qc: str

    @cached_property
    def outputs(self) -> Mapping[str, Output]:
        """Format name -> file."""
        return outputs_from(self._outputs)

    @cached_property
    def parts(self) -> Mapping[str, str]:
        """What decided the curves: see `batch.keys.Keys.parts`."""
        return json.loads(self._parts) if self._parts else {}

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """Frames, source, warnings, seconds of each step."""
        return json.loads(self._facts) if self._facts else {}

    @cached_property
    def qc(self) -> Mapping[str, Any]:
        """Quality figures, flags and strips; empty if there are none."""
        found = json.loads(self._qc) if self._qc and self.state not in ("failed", "quarantined") else {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Folder:
    """An output folder.

    Attributes:
        out: absolute.
        lines: by name.
        runs: that rendered something, by their start; see `Journal.rendering_runs`.
        sounds: sha256 -> files that had these bytes.
        unnamed: what is wrong with rows of the manifest that name no line.
        state: a text that is another once a line has changed.
    """

    out: Path
    lines: Sequence[ReportLine]
    runs: Sequence[Mapping[str, Any]]
    sounds: Mapping[str, Sequence[tuple[str, OutputFile]]]
    unnamed: Sequence[Problem]
    state: str


@dataclass
class _Found:
    lines: dict[str, ReportLine] = field(default_factory=dict)
    runs: list[Mapping[str, Any]] = field(default_factory=list)
    sounds: dict[str, list[tuple[str, OutputFile]]] = field(default_factory=dict)


def read_folder(out: Path) -> Folder:
    """Return what is known of an output folder. Of shards with journals of their own, those count; a run may be going on.

    Raises:
        BatchError: there is no journal (code 'journal-missing'), or it can't be read; see `journal_file.connect`.
    """
    places = Places(out.absolute())
    texts, unnamed = _summaries(places)
    found = _Found()
    for journal in _journals(places):
        for name, locale, character, one, state, key, parts, outputs, duration, facts, qc, code, message, remedy in journal.report_rows():
            if name not in found.lines:
                found.lines[name] = ReportLine(name, locale, character, one, state, key, duration,
                                               Problem(code, message, remedy) if code else None, texts.get(name, ""), parts, outputs, facts, qc)
        found.runs += journal.rendering_runs()
        for sha256, files in journal.sounds().items():
            found.sounds.setdefault(sha256, []).extend(files)
    runs = {run["id"]: run for run in sorted(found.runs, key=lambda run: (run["started"], run["id"]))}
    return Folder(places.out, [found.lines[name] for name in sorted(found.lines)], list(runs.values()), found.sounds, unnamed,
                  folder_state(out))


def folder_state(out: Path) -> str:
    """Return a text that is another once a line of the folder has changed.

    Raises:
        BatchError: see `read_folder`.
    """
    return "; ".join(journal.state() for journal in _journals(Places(out.absolute())))


def _journals(places: Places) -> Iterator[Journal]:
    """Yield the folder's journals, open: those of shards first."""
    some = False
    for one in (*places.shards(), places):
        journal = Journal.read(one.journal)
        if journal is not None:
            some = True
            with journal:
                yield journal
    if not some:
        raise BatchError(f"'{places.out}' holds no journal.", "Name the output folder of a run.", code="journal-missing")


def _summaries(places: Places) -> tuple[dict[str, str], list[Problem]]:
    """Return name -> text of the lines that summaries tell of, and the problems of rows without a name. What can't be read adds nothing."""
    texts: dict[str, str] = {}
    unnamed: dict[Problem, None] = {}
    for one in (places, *places.shards()):
        try:
            rows = json.loads(one.summary.read_bytes())["lines"]
            for row in rows:
                if "id" in row:
                    if row.get("text"):
                        texts["/".join((row["locale"], row["character"], row["id"]))] = str(row["text"])
                elif "row" in row and not _names_a_line(row["row"]):
                    unnamed.update({Problem(problem["code"], problem["message"], problem["remedy"]): None for problem in row["problems"]})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return texts, list(unnamed)


def _names_a_line(cells: Mapping[str, str]) -> bool:
    return all(cells.get(column) for column in ("id", "character", "locale"))
