"""XLSX manifests, written by openpyxl: what is seen in a cell is what is read."""

from __future__ import annotations

import datetime
import importlib
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2f_batch.batch.manifest import read_manifest
from a2f_batch.batch.manifests import Layout, workbook
from a2f_batch.batch.manifests.cell_text import number_text
from a2f_batch.batch.manifests.columns import Columns
from a2f_batch.errors import ManifestError
from tests.batch.batch_fixtures import sound
from tests.batch.test_manifest_delimited import NAMES

HEADER = ("id", "audio", "character", "locale", "text")


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A folder with one sound, line.wav."""
    sound(tmp_path / "line.wav")
    return tmp_path


def book(path: Path, **sheets: Sequence[Sequence[Any]]) -> Path:
    """Write a workbook; a cell is a value, or a pair of a value and its number format."""
    written = openpyxl.Workbook()
    written.remove(written.active)
    for title, rows in sheets.items():
        sheet = written.create_sheet(title)
        for i, row in enumerate(rows, 1):
            for j, cell in enumerate(row, 1):
                value, number_format = cell if isinstance(cell, tuple) else (cell, None)
                sheet.cell(i, j, value)
                if number_format:
                    sheet.cell(i, j).number_format = number_format
    written.save(path)
    return path


def refused(path: Path, *sheets: str) -> ManifestError:
    with pytest.raises(ManifestError) as raised:
        list(read_manifest(path, layout=Layout(sheets=sheets)).lines)
    return raised.value


def test_all_sheets_are_read_and_a_row_is_named_by_its_sheet_and_number(drop: Path) -> None:
    path = book(drop / "m.xlsx", German=[[], HEADER, ["a", "line.wav", "ada", "de", "x"], [], ["b", "none.wav", "ada", "de", "x"]],
                Empty=[], French=[HEADER, ["a", "line.wav", "ada", "fr", "y"], ["A", "line.wav", "ada", "FR"]])
    read = read_manifest(path)
    assert [(line.number, line.identity.locale, read.where(line.number)) for line in read.lines] == [
        (3, "de", f"{path} sheet 'German' row 3"), (7, "fr", f"{path} sheet 'French' row 2")]
    missing, twice = read.bad_rows
    assert missing.problems[0].message.startswith(f"{path} sheet 'German' row 5: audio file 'none.wav'")
    assert twice.problems[0].message.startswith(f"{path} sheet 'French' row 3: sheet 'French' row 2 has the same")


def test_sheets_can_be_named_and_their_names_can_be_a_column(drop: Path) -> None:
    rows = [["id", "audio", "character"], ["a", "line.wav", "ada"]]
    path = book(drop / "m.xlsx", de=rows, fr=rows, Notes=[["read me"]])
    columns = Columns({"locale": "Sheet"})
    read = read_manifest(path, layout=Layout(columns, sheets=("fr", "de")))
    assert [line.identity.locale for line in read.lines] == ["fr", "de"]
    assert refused(path).code == "column-missing"
    assert refused(path, "es").code == "sheet-unknown"
    with pytest.raises(ManifestError, match="sheet 'Notes'"):
        read_manifest(path, layout=Layout(columns))


def test_numbers_are_taken_as_they_are_shown(drop: Path) -> None:
    path = book(drop / "m.xlsx", s=[("id", "audio", "character", "locale", "fps", "seed"), [(7, "0000"), "line.wav", 12, "de", 29.97, 5],
                                    [(8, '"VO_"0000'), "line.wav", 12.0, "de", 30, 6.0], [True, "line.wav", "ada", "de"]])
    read = read_manifest(path)
    assert [(line.identity.id, line.identity.character, line.seed) for line in read.lines] == [
        ("0007", "12", 5), ("VO_0008", "12", 6), ("TRUE", "ada", None)]
    assert str(read.lines[0].fps) == "30000/1001"


@pytest.mark.parametrize(("value", "number_format", "shown"), [
    (7, "General", "7"), (7.5, "General", "7.5"), (0.1 + 0.2, "General", "0.3"), (7, "@", "7"), (7, "0000", "0007"),
    (12345, "0000", "12345"), (1234567, "#,##0", "1,234,567"), (1234.5, "#,##0.00", "1,234.50"), (2.5, "0", "3"), (0.256, "0.0%", "25.6%"),
    (7, r"\L0", "L7"),
    (7, '"a;b "00', "a;b 07"), (3, "0_)", "3 "), (5, "0;-0;0", "5"), (1.50, "0.0#", "1.5"), (-3, "00", "-03"),
    (7, "[Red]0", None), (1.5, "# ?/?", None), (-3, "0;(0)", None), (7, "yyyy", None), (3, "0,,", None)])
def test_a_number_format_shows_what_a_spreadsheet_shows_or_nothing(value: float, number_format: str, shown: str | None) -> None:
    # Expected texts: ECMA-376 Part 1, 18.8.31, and what LibreOffice shows for them.
    assert number_text(value, number_format) == shown


@pytest.mark.parametrize(("cell", "word"), [
    (datetime.date(2026, 3, 1), "the date 2026-03-01"), (datetime.time(1, 2), "the time 01:02:00"), (("#N/A", None), "the error #N/A"),
    ((1.5, "# ?/?"), "a number in the format # ?/?, 1.5")])
def test_what_is_no_text_fails_its_row_where_it_names_a_line_and_is_kept_elsewhere(drop: Path, cell: Any, word: str) -> None:
    path = book(drop / "m.xlsx", s=[(*HEADER[:4], "recorded"), [cell, "line.wav", "ada", "de"], ["b", "line.wav", "ada", "de", cell]])
    read = read_manifest(path)
    (problem,) = read.bad_rows[0].problems
    assert (problem.code, f"'id' holds {word}" in problem.message) == ("cell-type", True)
    assert read.lines[0].extra["recorded"] == word.split(" ")[-1]


def test_a_cell_past_the_header_fails_its_row(drop: Path) -> None:
    path = book(drop / "m.xlsx", s=[HEADER, ["a", "line.wav", "ada", "de", "x", "stray"], ["b", "line.wav", "ada", "de"]])
    read = read_manifest(path)
    assert [line.identity.id for line in read.lines] == ["b"]
    assert [problem.code for problem in read.bad_rows[0].problems] == ["row-malformed"]


def test_without_openpyxl_the_message_says_how_to_install_it(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(drop / "m.xlsx", s=[HEADER, ["a", "line.wav", "ada", "de"]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    importlib.invalidate_caches()
    error = refused(path)
    assert (error.code, "a2f-batch[xlsx]" in error.remedy) == ("extra-missing", True)


def rezip(path: Path, part: str, change: Any) -> None:
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name, content)


LAUGHS = b'<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "' + b"&a;" * 50 + b'"><!ENTITY c "' + b"&b;" * 50 + b'">]>'


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml", "[Content_Types].xml"])
def test_entities_are_refused_in_every_part(drop: Path, part: str) -> None:
    path = book(drop / "m.xlsx", s=[HEADER, ["a", "line.wav", "ada", "de"]])
    rezip(path, part, lambda xml: LAUGHS + re.sub(rb"^<\?xml[^>]*\?>\s*", b"", xml))
    error = refused(path)
    assert (error.code, "DOCTYPE" in error.problem) == ("manifest-malformed", True)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book(drop / "m.xlsx", s=[HEADER, ["a", "line.wav", "ada", "de"]])
    rezip(path, "xl/styles.xml", lambda xml: xml + b" " * 1_000_000)
    monkeypatch.setattr(workbook, "MAX_BYTES", 1_000_000)
    assert refused(path).code == "manifest-too-large"


def test_a_row_number_beyond_any_sheet_does_not_count_to_it(drop: Path) -> None:
    path = book(drop / "m.xlsx", s=[HEADER, ["a", "line.wav", "ada", "de"]])
    rezip(path, "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b'<row r="2"', b'<row r="999999999999"').replace(b'"A2"', b'"A9"'))
    assert refused(path).code == "manifest-malformed"


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"id,audio\n"])
def test_what_is_no_workbook_is_told_so(drop: Path, content: bytes) -> None:
    (drop / "m.xlsx").write_bytes(content)
    assert refused(drop / "m.xlsx").code == "manifest-malformed"


# What XML 1.0 can hold, but for the carriage return, which it reads as a line feed, and Excel's own escape '_x000D_'.
TEXTS = st.text(st.one_of(st.sampled_from('",;|\t\n\' =&<'),
                          st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="_\ufffe\uffff")),
                max_size=30)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(NAMES, NAMES, TEXTS), min_size=1, max_size=6, unique_by=lambda row: row[0].casefold()))
def test_any_names_and_texts_come_back_from_a_workbook(drop: Path, rows: list[tuple[str, str, str]]) -> None:
    written = openpyxl.Workbook()
    sheet = written.active
    sheet.append(HEADER)
    for i, (line_id, character, text) in enumerate(rows, 2):
        for j, value in enumerate((line_id, "line.wav", character, "de", text), 1):
            sheet.cell(i, j).value = value
            sheet.cell(i, j).data_type = "s"  # as typed into a cell of Excel's format Text: '=1' is no formula
    written.save(drop / "m.xlsx")
    read = read_manifest(drop / "m.xlsx")
    assert not read.bad_rows
    assert [line.text for line in read.lines] == [text for _, _, text in rows]
    assert [line.number for line in read.lines] == [*range(2, len(rows) + 2)]
