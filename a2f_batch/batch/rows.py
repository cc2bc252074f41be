"""Rows of a manifest file, CSV or JSON Lines, each with its line number and nothing yet checked but its shape."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from a2f_batch.errors import ManifestError

CSV_SUFFIXES = (".csv", ".tsv", ".txt")
JSON_SUFFIXES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Row:
    """One row as the file has it.

    Attributes:
        number: line number in the file, from 1 (a CSV row with line breaks in a cell: its first).
        cells: column name -> value; text in CSV, any JSON value in JSON Lines.
        problem: why the row's shape is wrong; empty if it is right.
    """

    number: int
    cells: Mapping[str, Any]
    problem: str = ""


def read_rows(path: Path, required: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of the manifest at `path`, by its suffix.

    Args:
        required: columns that the file must have; known columns are found in any case.

    Raises:
        ManifestError: see `a2f_batch.batch.manifest.read_manifest`.
    """
    suffix = path.suffix.lower()
    if suffix not in CSV_SUFFIXES + JSON_SUFFIXES:
        raise ManifestError(f"Manifest '{path}' is of no known kind.",
                            f"Give it one of the endings {', '.join(CSV_SUFFIXES + JSON_SUFFIXES)}.", code="manifest-kind")
    text = _text(path)
    return _csv_rows(path, text, required) if suffix in CSV_SUFFIXES else _json_rows(path, text, required)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise ManifestError(f"Can't read the manifest '{path}': {reason}.", "Check the path and who may read it.",
                            code="manifest-unreadable") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"Manifest '{path}' line {number} is not UTF-8 text.",
                            "Save it as UTF-8 (in Excel: 'CSV UTF-8').", code="manifest-encoding") from None


def _csv_rows(path: Path, text: str, required: Sequence[str]) -> Iterator[Row]:
    header_line = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    number = 1
    columns: list[str] | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            # With `strict`, an unclosed quote ends here; without, it would swallow the rest of the file as one cell.
            _malformed(path, number, f"is no valid CSV: {error}.", "Look for a quote that is not closed.")
        first, number = number, reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            columns = _columns(path, cells, required)
        elif len(cells) > len(columns):
            yield Row(first, dict(zip(columns, cells, strict=False)),
                      f"it has {len(cells)} cells and the header {len(columns)}; a text with a '{delimiter}' in it needs quotes.")
        else:
            yield Row(first, dict(zip(columns, cells, strict=False)))


def _columns(path: Path, cells: Sequence[str], required: Sequence[str]) -> list[str]:
    names = [cell.strip().lower() or f"column {i + 1}" for i, cell in enumerate(cells)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ManifestError(f"Manifest '{path}' has the column {', '.join(map(repr, twice))} twice.", "Rename or remove one of them.",
                            code="column-duplicate")
    _require(path, names, required)
    return names


def _json_rows(path: Path, text: str, required: Sequence[str]) -> Iterator[Row]:
    rows = []
    # Only "\n" ends a line: a JSON text may hold U+2028 and its like, at which str.splitlines would cut.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            rows.append(_json_row(number, line))
    objects = [row.cells for row in rows if not row.problem]
    if rows and not objects:
        _malformed(path, rows[0].number, f"can't be used: {rows[0].problem}", "Write one JSON object a line.")
    if rows:
        _require(path, {name for cells in objects for name in cells}, required)
    return iter(rows)


def _json_row(number: int, line: str) -> Row:
    try:
        value = json.loads(line, object_pairs_hook=_unique_keys, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        return Row(number, {}, f"it is no valid JSON: {error}.")
    if not isinstance(value, dict):
        return Row(number, {}, "it is no JSON object.")
    return Row(number, value)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        raise ValueError("a key is given twice")
    return keys


def _finite(number: str) -> float:
    value = float(number)
    if not isfinite(value):
        raise ValueError(f"{number} is no finite number")
    return value


def _require(path: Path, names: Sequence[str] | set[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in names]
    if missing:
        raise ManifestError(f"Manifest '{path}' has no column {', '.join(map(repr, missing))}.",
                            f"It needs: {', '.join(required)}. It has: {', '.join(sorted(names)) or 'none'}.", code="column-missing")


def _malformed(path: Path, number: int, problem: str, remedy: str) -> NoReturn:
    raise ManifestError(f"Manifest '{path}' line {number} {problem}", remedy, code="manifest-malformed")
