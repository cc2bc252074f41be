"""A row of a manifest of any kind, with nothing yet checked but its shape; and the error that stops the reading of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2f_batch.errors import ManifestError


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the file has it.

    Attributes:
        number: one of its kind in the manifest, rising. In a text file the row's line number, from 1 (a CSV row with line breaks in a
            cell: its first line).
        cells: column name -> value; text, or any JSON value in JSON Lines. Columns that we know have our names.
        problem: why the row's shape is wrong; empty if it is right.
        place: where the row is, as messages say it; 'line <number>' if empty.
        remedy: what to do about `problem`.
        code: the reason code of `problem`.
    """

    number: int
    cells: Mapping[str, Any]
    problem: str = ""
    place: str = ""
    remedy: str = "Correct the row."
    code: str = "row-malformed"


@dataclass(frozen=True)
class Reading:
    """What a reader found.

    Attributes:
        rows: every row, in the manifest's order; to be read once.
        ignored: files of a folder that are no sounds, relative to it; of other kinds none.
    """

    rows: Iterable[Row]
    ignored: tuple[str, ...] = ()


def malformed(path: Path, place: str, problem: str, remedy: str) -> ManifestError:
    """Return the error for a manifest that can't be read on from `place` ('line 7', or empty)."""
    return ManifestError(f"Manifest '{path}' {place}{' ' if place else ''}{problem}", remedy, code="manifest-malformed")
