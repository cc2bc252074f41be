"""JSON Lines: one object a line."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from a2f_batch.batch.manifests.columns import Columns, manifest_name
from a2f_batch.batch.manifests.row import Reading, Row, malformed
from a2f_batch.batch.manifests.text import read_text


def read(path: Path, columns: Columns, *, encoding: str | None = None) -> Reading:
    """Return the rows of the JSON Lines file at `path`. Names of columns count with their case, as they do in JSON.

    Args:
        columns: how the project names them.
        encoding: see `text.read_text`.

    Raises:
        ManifestError: see `a2f_batch.batch.manifest.read_manifest`.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_float=_finite, parse_constant=_finite)
    # Only "\n" ends a line: a JSON text may hold U+2028 and its like, at which str.splitlines would cut.
    lines = read_text(path, encoding).split("\n")
    rows = [_row(decoder, number, line) for number, line in enumerate(lines, 1) if line and not line.isspace()]
    objects = [row.cells for row in rows if not row.problem]
    if rows and not objects:
        raise malformed(path, f"line {rows[0].number}", f"can't be used: {rows[0].problem}", "Write one JSON object a line.")
    if not rows:
        return Reading(rows)
    found = dict.fromkeys(name for cells in objects for name in cells)
    ours = columns.renamed(manifest_name(path), found)
    taken = set(ours.values())
    names = {name: ours.get(name) or (f"column {name}" if name in taken else name) for name in found}
    columns.require(manifest_name(path), set(names.values()))
    if ours or columns.defaults:
        rows = [row if row.problem else Row(row.number, columns.fill({names[name]: value for name, value in row.cells.items()}))
                for row in rows]
    return Reading(rows)


def _row(decoder: json.JSONDecoder, number: int, line: str) -> Row:
    try:
        value = decoder.decode(line)
    except (ValueError, RecursionError) as error:
        return Row(number, {}, f"it is no valid JSON: {error}.")
    return Row(number, value) if isinstance(value, dict) else Row(number, {}, "it is no JSON object.")


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
