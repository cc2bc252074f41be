"""An output folder as the report shows it: its lines, what rendered them, their sounds, and what went wrong without a name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a2f_batch.batch.journal import Journal
from a2f_batch.batch.lines import LineRow, rows
from a2f_batch.batch.manifest import Problem
from a2f_batch.batch.places import Places
from a2f_batch.batch.render import OutputFile
from a2f_batch.errors import BatchError
from a2f_batch.qc import Levels


@dataclass(frozen=True)
class Folder:
    """An output folder.

    Attributes:
        out: absolute.
        lines: by name.
        runs: that rendered something, by their start; see `Journal.rendering_runs`.
        sounds: sha256 -> files that had these bytes.
        unnamed: what is wrong with rows of the manifest that name no line.
        state: see `folder_state`.
    """

    out: Path
    lines: Sequence[LineRow]
    runs: Sequence[Mapping[str, Any]]
    sounds: Mapping[str, Sequence[tuple[str, OutputFile]]]
    unnamed: Sequence[Problem]
    state: str


@dataclass
class _Found:
    runs: list[Mapping[str, Any]] = field(default_factory=list)
    sounds: dict[str, list[tuple[str, OutputFile]]] = field(default_factory=dict)


def read_folder(out: Path, levels: Levels) -> Folder:
    """Return what is known of an output folder. Of shards with journals of their own, those count; a run may be going on.

    Raises:
        BatchError: there is no journal (code 'journal-missing'), or it can't be read; see `journal_file.connect`.
    """
    places = Places(out.absolute())
    state = folder_state(out, levels)  # first: what changes meanwhile is looked at again the next time
    found = _Found()
    for journal in _journals(places):
        found.runs += journal.rendering_runs()
        for sha256, files in journal.sounds().items():
            found.sounds.setdefault(sha256, []).extend(files)
    runs = {run["id"]: run for run in sorted(found.runs, key=lambda run: (run["started"], run["id"]))}
    return Folder(places.out, rows(out, levels), list(runs.values()), found.sounds, _unnamed(places), state)


def folder_state(out: Path, levels: Levels) -> str:
    """Return a text that is another once a line of the folder, or a level of its flags, has changed.

    Raises:
        BatchError: see `read_folder`.
    """
    return "; ".join([*(journal.state() for journal in _journals(Places(out.absolute()))),
                      json.dumps(sorted(levels.levels.items())), str(levels.source_locale)])


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


def _unnamed(places: Places) -> list[Problem]:
    """Return the problems of rows that no journal can have, for they lack a name; what can't be read adds nothing."""
    found: dict[Problem, None] = {}
    for one in (places, *places.shards()):
        try:
            for row in json.loads(one.summary.read_bytes())["lines"]:
                if "row" in row and not all(row["row"].get(column) for column in ("id", "character", "locale")):
                    found.update({Problem(problem["code"], problem["message"], problem["remedy"]): None for problem in row["problems"]})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return list(found)
