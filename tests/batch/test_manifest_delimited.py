"""CSV, TSV and JSON Lines as studios have them: delimiters, encodings, and every mistake with its line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2f_batch.batch.manifest import Manifest, read_manifest
from a2f_batch.batch.manifests import Layout
from a2f_batch.errors import ManifestError
from tests.batch.batch_fixtures import sound

HEADER = "id,audio,character,locale,text"


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A folder with one sound, line.wav."""
    sound(tmp_path / "line.wav")
    return tmp_path


def refused(path: Path, **layout: str) -> ManifestError:
    with pytest.raises(ManifestError) as raised:
        read_manifest(path, layout=Layout(**layout))
    return raised.value


def texts(manifest: Manifest) -> dict[str, str]:
    assert not manifest.bad_rows, manifest.bad_rows
    return {line.identity.id: line.text for line in manifest.lines}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_whatever_the_texts_are_full_of(drop: Path, delimiter: str) -> None:
    others = "".join({",", ";", "\t", "|"} - {delimiter}) * 20
    header = delimiter.join(["id", f'"note{others}"', "audio", "character", "locale", "text"])
    (drop / "m.csv").write_text(f"{header}\n" + delimiter.join(["one", "", "line.wav", "ada", "de", others]) + "\n")
    assert texts(read_manifest(drop / "m.csv")) == {"one": others}


@pytest.mark.parametrize(("asked", "delimiter"), [("~", "~"), ("tab", "\t"), (r"\t", "\t"), ("Semicolon", ";"), (":", ":"), ("pipe", "|")])
def test_a_delimiter_can_be_named(drop: Path, asked: str, delimiter: str) -> None:
    (drop / "m.txt").write_text(HEADER.replace(",", delimiter) + "\n" + delimiter.join(["one", "line.wav", "ada", "de", "a,b;c"]) + "\n")
    read = read_manifest(drop / "m.txt", layout=Layout(delimiter=asked))
    # A ';' in a text would need quotes where it is the delimiter.
    assert texts(read) == {"one": "a,b;c"} if delimiter != ";" else len(read.bad_rows) == 1


@pytest.mark.parametrize("asked", ["", "ab", '"', "\n", " "])
def test_what_can_not_part_cells_is_refused(drop: Path, asked: str) -> None:
    (drop / "m.csv").write_text(HEADER + "\n")
    assert refused(drop / "m.csv", delimiter=asked).code == "delimiter"


def test_excels_line_that_says_the_delimiter_is_no_row_and_counts_as_a_line(drop: Path) -> None:
    (drop / "m.csv").write_text(f"sep=^\r\n{HEADER.replace(',', '^')}\r\none^line.wav^ada^de^x\r\ntwo^none.wav^ada^de^x\r\n", newline="")
    read = read_manifest(drop / "m.csv")
    assert [line.number for line in read.lines] == [3]
    assert "m.csv line 4: " in read.bad_rows[0].problems[0].message


def test_spaces_after_delimiters_belong_to_cells_unless_the_header_has_them_too(drop: Path) -> None:
    (drop / "m.csv").write_text("id, audio, character, locale, text\none, line.wav, ada, de, said\n")
    assert texts(read_manifest(drop / "m.csv")) == {"one": "said"}
    (drop / "m.csv").write_text(f"{HEADER}\none,line.wav,ada,de, said\n")
    assert texts(read_manifest(drop / "m.csv")) == {"one": " said"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_unicode_is_read_in_every_form_with_a_mark_or_without(drop: Path, kind: str, encoding: str) -> None:
    row = {"id": "守衛", "audio": "line.wav", "character": "ada", "locale": "ja", "text": "夜明け — «Grüß»\U0001f600"}
    table = "\n".join("\t".join(cells) for cells in (row, row.values())) + "\n"
    (drop / f"m.{kind}").write_bytes((json.dumps(row, ensure_ascii=False) if kind == "jsonl" else table).encode(encoding))
    assert texts(read_manifest(drop / f"m.{kind}")) == {"守衛": row["text"]}


@pytest.mark.parametrize(("encoding", "text"), [("cp1252", "Käse"), ("cp1251", "сыр"), ("cp932", "乾酪")])
def test_a_code_page_is_never_guessed_and_the_message_says_what_to_do(drop: Path, encoding: str, text: str) -> None:
    (drop / "m.csv").write_bytes(f"{HEADER}\none,line.wav,ada,de,x\ntwo,line.wav,ada,de,{text}\n".encode(encoding))
    error = refused(drop / "m.csv")
    assert (error.code, "line 3" in error.problem) == ("manifest-encoding", True)
    assert "--encoding" in error.remedy and "UTF-8" in error.remedy
    assert texts(read_manifest(drop / "m.csv", layout=Layout(encoding=encoding)))["two"] == text


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13"])
def test_an_encoding_that_is_none_is_refused(drop: Path, encoding: str) -> None:
    (drop / "m.csv").write_text(f"{HEADER}\n")
    assert refused(drop / "m.csv", encoding=encoding).code == "manifest-encoding"


def test_bytes_that_are_not_in_the_named_encoding_are_told_with_their_line(drop: Path) -> None:
    (drop / "m.csv").write_bytes(f"{HEADER}\none,line.wav,ada,de,é\n".encode())
    error = refused(drop / "m.csv", encoding="ascii")
    assert (error.code, "line 2" in error.problem) == ("manifest-encoding", True)


def test_every_wrong_row_is_listed_and_none_hides_another(drop: Path) -> None:
    (drop / "m.csv").write_text("\n".join([
        HEADER,
        'one,line.wav,ada,de,"a" b',  # 2: text after a closed quote
        "two,line.wav,ada,de,a,b",  # 3: a comma too many
        "three,none.wav,ada,de,x",  # 4
        "f/our,line.wav,,de,x",  # 5: two faults
        f"long,line.wav,ada,de,{'x' * 200_000}",  # 6: longer than a cell may be
        "five,*.wav,ada,de,x",  # 7
        "six,line.wav,ada,de,x,,",  # empty cells more do no harm
        "",
    ]))
    read = read_manifest(drop / "m.csv")
    assert [(row.number, [problem.code for problem in row.problems]) for row in read.bad_rows] == [
        (2, ["row-malformed"]), (3, ["row-malformed"]), (4, ["audio-missing"]), (5, ["field-missing", "id-unsafe"]),
        (6, ["row-malformed"]), (7, ["audio-path"])]
    assert [line.identity.id for line in read.lines] == ["six"]
    assert "--from-folder" in read.bad_rows[-1].problems[0].remedy


def test_an_unclosed_quote_stops_all_for_nobody_knows_which_rows_it_swallowed(drop: Path) -> None:
    for rest in ('two,line.wav,ada,de,x\nthree,line.wav,ada,de,"x" y\n', "two,line.wav,ada,de,x\n"):
        (drop / "m.csv").write_text(f'{HEADER}\none,line.wav,ada,de,"x\n{rest}')
        error = refused(drop / "m.csv")
        assert (error.code, "line 2" in error.problem) == ("manifest-malformed", True)


def test_a_file_whose_name_looks_like_a_glob_is_that_file(drop: Path) -> None:
    sound(drop / "take[1].wav")
    (drop / "m.csv").write_text(f"{HEADER}\none,take[1].wav,ada,de,x\ntwo,take[2].wav,ada,de,x\n")
    read = read_manifest(drop / "m.csv")
    assert [Path(line.audio).name for line in read.lines] == ["take[1].wav"]
    assert [problem.code for problem in read.bad_rows[0].problems] == ["audio-path"]


@pytest.mark.parametrize(("name", "option"), [("m.csv", "sheets"), ("m.csv", "pattern"), ("m.jsonl", "delimiter"), ("m.xlsx", "encoding")])
def test_an_option_that_means_nothing_for_a_kind_is_refused(drop: Path, name: str, option: str) -> None:
    (drop / name).write_text("")
    error = refused(drop / name, **{option: "utf-8"})
    assert (error.code, f"--{option.rstrip('s')}" in error.problem) == ("manifest-option", True)


# Everything that a name may hold, and texts of anything but halves of surrogate pairs, which no file can hold.
NAMES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='/\\<>:"|?*.'), min_size=1, max_size=12).map(
    lambda name: f"x{name}")
TEXTS = st.text(st.one_of(st.sampled_from('",;|\t\n\r\' ='),
                          st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=30)
ROWS = st.lists(st.tuples(NAMES, NAMES, TEXTS), min_size=1, max_size=6, unique_by=lambda row: row[0].casefold())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, delimiter=st.sampled_from(",;\t|"), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
       newline=st.sampled_from(["\n", "\r\n"]), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_any_names_and_texts_come_back_from_every_text_kind(drop: Path, rows: list[tuple[str, str, str]], delimiter: str, encoding: str,
                                                            newline: str, quoting: int) -> None:
    if any("\r" in text for _, _, text in rows):
        quoting = csv.QUOTE_ALL  # Python 3.11's writer leaves a lone carriage return bare, which is a line break to every reader
    table = io.StringIO()
    writer = csv.writer(table, delimiter=delimiter, lineterminator=newline, quoting=quoting)
    writer.writerow(["id", "audio", "character", "locale", "text"])
    writer.writerows([line_id, "line.wav", character, "de", text] for line_id, character, text in rows)
    name = "m.tsv" if delimiter == "\t" else "m.csv"
    (drop / name).write_bytes(table.getvalue().encode(encoding))
    keys = ("id", "audio", "character", "locale", "text")
    lines = [json.dumps(dict(zip(keys, (line_id, "line.wav", character, "de", text), strict=True))) for line_id, character, text in rows]
    (drop / "m.jsonl").write_bytes("\n".join(lines).encode(encoding))
    from_table, from_json = read_manifest(drop / name), read_manifest(drop / "m.jsonl")
    assert not from_table.bad_rows and not from_json.bad_rows
    assert [(line.identity, line.text) for line in from_table.lines] == [(line.identity, line.text) for line in from_json.lines]
    assert [line.text for line in from_json.lines] == [text for _, _, text in rows]
