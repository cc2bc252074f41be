"""CSV and TSV: cells in one line, parted by any character."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from a2f_batch.batch.manifests import unreal
from a2f_batch.batch.manifests.columns import KNOWN, Columns, Header, manifest_name
from a2f_batch.batch.manifests.row import Reading, Row, malformed
from a2f_batch.batch.manifests.text import read_text
from a2f_batch.errors import ManifestError

DELIMITERS = (",", ";", "\t", "|")
_NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|", "bar": "|"}

_HEADER_LENGTH = 1 << 16  # characters that the header is looked for in

# Excel's own first line, which says the delimiter and is shown to nobody. It begins 'sep=' in every language of Excel.
_SEP = re.compile(r'"?sep=(.)"?(?:\r\n|\r|\n)', re.IGNORECASE)


def read(path: Path, columns: Columns, *, delimiter: str | None = None, encoding: str | None = None) -> Reading:
    """Return the rows of the CSV or TSV file at `path`.

    Args:
        columns: how the project names them.
        delimiter: between cells: one character, or 'tab', 'comma', 'semicolon', 'pipe'; None to find it from the header.
        encoding: see `text.read_text`.

    Raises:
        ManifestError: see `a2f_batch.batch.manifest.read_manifest`.
    """
    text = read_text(path, encoding)
    asked = _delimiter(delimiter) if delimiter is not None else None
    lines_before, start = 0, 0
    if said := _SEP.match(text):
        lines_before, start = 1, said.end()
        asked = asked or said[1]
    return Reading(_rows(path, text[start:], columns, asked, lines_before))


def _delimiter(text: str) -> str:
    delimiter = _NAMES.get(text.lower(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n ':
        raise ManifestError(f"{text!r} can't part cells.", "Give one character, or tab, comma, semicolon or pipe.", code="delimiter")
    return delimiter


def _found_delimiter(text: str, path: Path, columns: Columns) -> str:
    """Return the delimiter with which the header has most of the columns that are known, and then most columns at all.

    `csv.Sniffer` counts characters and is led astray by texts; the names of the header are what a manifest surely has.
    """
    expected = {*KNOWN, *(name.strip().lower() for name in columns.names.values()), *(name.lower() for name in unreal.HEADER)}

    start = text[:_HEADER_LENGTH]

    def fitness(delimiter: str) -> tuple[int, int, bool]:
        reader = csv.reader(io.StringIO(start, newline=""), delimiter=delimiter, skipinitialspace=True)
        try:
            header = next((cells for cells in reader if any(cells)), [])
        except csv.Error:
            return 0, 0, False
        return sum(cell.strip().lower() in expected for cell in header), len(header), delimiter == "\t" and path.suffix.lower() == ".tsv"

    return max(DELIMITERS, key=fitness)


def _rows(path: Path, text: str, columns: Columns, delimiter: str | None, lines_before: int) -> Iterator[Row]:
    delimiter = delimiter or _found_delimiter(text, path, columns)
    # Spaces belong to a cell (RFC 4180), but a header typed as 'id, audio, character' tells of a table typed so.
    first_line = text.lstrip("\r\n").partition("\n")[0]
    spaced = delimiter in first_line and all(cell.startswith(" ") for cell in first_line.split(delimiter)[1:])
    # With `strict`, an unclosed quote is an error; without, it would swallow the rest of the file as one cell.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=spaced, strict=True)
    header: Header | None = None
    width = 0
    number = 1 + lines_before
    while True:
        first = number
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number = reader.line_num + 1 + lines_before
            if header is None or number > first + 1 or "end of data" in str(error):
                raise malformed(path, f"line {first}", f"is no valid CSV: {error}.", "Look for a quote that is not closed.") from None
            yield Row(first, {}, f"it is no valid CSV: {error}.", remedy="Look for a wrong quote in it.")
            continue
        number = reader.line_num + 1 + lines_before
        if not any(cells) or not "".join(cells).strip():
            continue
        if header is None:
            adapted = unreal.columns_for(cells, columns, path)
            header = Header(cells, adapted, manifest_name(path), unreal.constants(path), unreal.REMEDY if adapted is not columns else "")
            width = len(cells)
        elif len(cells) > width and any(cells[width:]):
            yield Row(first, header.cells(cells),
                      f"it has {len(cells)} cells and the header {width}; a text with a '{delimiter}' in it needs quotes.")
        else:
            yield Row(first, header.cells(cells))
