"""XLSX: one table a sheet. It is read by openpyxl, row by row (extra [xlsx])."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from a2f_batch.batch.manifests.cell_text import number_text
from a2f_batch.batch.manifests.columns import KNOWN, Columns, Header, manifest_name
from a2f_batch.batch.manifests.row import Reading, Row, malformed
from a2f_batch.batch.manifests.text import unreadable
from a2f_batch.batch.manifests.xml_prolog import DoctypeError, check_prolog
from a2f_batch.errors import ManifestError

MAX_ROWS = 1_048_576  # what a sheet can have
MAX_BYTES = 1 << 30  # of a workbook's parts, unpacked: a hundred times what 100 000 lines need, and no zip bomb's

_OPEN = "Open it in a spreadsheet program and save it as 'Excel Workbook (.xlsx)'."


class _Odd(str):
    """What is in a cell that does not show a text one could name a line by.

    Attributes:
        kind: what it is: 'the date', 'the error' ...
    """

    kind = ""

    @classmethod
    def of(cls, kind: str, value: object) -> _Odd:
        """Return `value` as text."""
        odd = cls(value)
        odd.kind = kind
        return odd


def read(path: Path, columns: Columns, *, sheets: Sequence[str] = ()) -> Reading:
    """Return the rows of the workbook at `path`.

    Cells are taken as they are shown: 7 in the number format 0000 is '0007'. A date is no text, nor is an error (#N/A): where it stands
    in a column of ours, the row is wrong; in another it is kept as text. `columns` may name the column 'sheet': the sheet's name.

    Args:
        sheets: names of those to read; all that are not empty if there are none.

    Raises:
        ManifestError: see `a2f_batch.batch.manifest.read_manifest`.
    """
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise ManifestError(f"{manifest_name(path)} is a workbook, and openpyxl, which reads it, is not installed.",
                            "Install it with: pip install 'a2f-batch[xlsx]'. Or save the sheet as 'CSV UTF-8'.",
                            code="extra-missing") from error
    _check_parts(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # whatever its parts make of a broken file
        raise malformed(path, "", f"is no workbook that can be read: {error}.", _OPEN) from error
    try:
        tables = {sheet.title: sheet for sheet in book.worksheets}
        unknown = [name for name in sheets if name not in tables]
        if unknown:
            raise ManifestError(f"{manifest_name(path)} has no sheet {', '.join(map(repr, unknown))}.", f"It has: {', '.join(tables)}.",
                                code="sheet-unknown")
        rows: list[Row] = []
        for title in dict.fromkeys(sheets or tables):
            # Row numbers go on from sheet to sheet, so that each is one of its kind.
            before = rows[-1].number if rows else 0
            rows += _sheet_rows(path, title, _values(path, title, tables[title]), columns, before, named=bool(sheets))
        return Reading(rows)
    finally:
        book.close()


def _check_parts(path: Path) -> None:
    """Refuse what is no workbook, or what would blow up its reader."""
    try:
        with zipfile.ZipFile(path) as parts:
            if sum(part.file_size for part in parts.infolist()) > MAX_BYTES:
                raise ManifestError(f"{manifest_name(path)} unpacks to more than {MAX_BYTES >> 30} GiB.",
                                    "Save its sheet as 'CSV UTF-8', without pictures.", code="manifest-too-large")
            for part in parts.infolist():
                if part.filename.endswith((".xml", ".rels")):
                    with parts.open(part) as stream:
                        check_prolog(stream)
    except OSError as error:
        raise unreadable(path, error) from error
    except (zipfile.BadZipFile, DoctypeError, ExpatError, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise malformed(path, "", f"is no workbook that can be read: {error}.", _OPEN) from error


def _values(path: Path, title: str, sheet: Any) -> Iterator[tuple[str, ...]]:
    """Yield each row's cells as they are shown, empty ones as ''; rows that the file leaves out too."""
    sheet.reset_dimensions()  # they may be wrong, and only say how wide empty rows are to be
    styles: dict[int, str] = {}
    try:
        for number, cells in enumerate(sheet.iter_rows(), 1):
            if number > MAX_ROWS:
                raise malformed(path, f"sheet '{title}'", f"has more than {MAX_ROWS} rows.", _OPEN)
            yield tuple(cell.value if type(cell.value) is str and cell.data_type != "e" else "" if cell.value is None
                        else _shown(cell, styles) for cell in cells)
    except ManifestError:
        raise
    except Exception as error:  # whatever openpyxl makes of a broken sheet
        raise malformed(path, f"sheet '{title}'", f"can't be read: {error}.", _OPEN) from error


def _shown(cell: Any, styles: dict[int, str]) -> str:
    value = cell.value
    if cell.data_type == "e":
        return _Odd.of("the error", value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        # A day is midnight of it.
        return _Odd.of("the date", value.date() if value.time() == time() else value)
    if isinstance(value, date | time | timedelta):
        return _Odd.of("the time", value)
    if isinstance(value, int | float):
        style = cell._style_id
        if style not in styles:
            styles[style] = cell.number_format
        text = number_text(value, styles[style])
        return _Odd.of(f"a number in the format {styles[style]},", value) if text is None else text
    return str(value)


def _sheet_rows(path: Path, title: str, values: Iterator[tuple[str, ...]], columns: Columns, before: int, *, named: bool) -> Iterator[Row]:
    where = f"{manifest_name(path)} sheet '{title}'"
    numbered = enumerate(values, 1)
    first = next(((number, cells) for number, cells in numbered if any(cell.strip() for cell in cells)), None)
    if first is None:
        if named:
            raise ManifestError(f"{where} is empty.", "Name another with --sheet.", code="manifest-empty")
        return
    names = first[1]
    width = max(i for i, name in enumerate(names, 1) if name)
    remedy = "" if named else "Give it a header, or name the sheets that hold lines, such as --sheet Dialogue."
    header = Header(names[:width], columns, where, {"sheet": title}, remedy)
    for number, cells in chain(numbered):
        if not any(cells):
            continue
        place = f"sheet '{title}' row {number}"
        row = header.cells(cells + ("",) * (width - len(cells)))
        wrong = []
        for name, cell in row.items():
            if isinstance(cell, _Odd):
                row[name] = str(cell)
                if name in KNOWN:
                    wrong.append(f"'{name}' holds {cell.kind} {cell}")
        if any(cell for cell in cells[width:]):
            yield Row(before + number, row, f"it has more cells than the header, which has {width}.", place)
        elif wrong:
            yield Row(before + number, row, f"{'; '.join(wrong)}: no text, so nobody can say what it is meant to be.", place,
                      "Format the cells as Text and type them again.", "cell-type")
        else:
            yield Row(before + number, row, place=place)
