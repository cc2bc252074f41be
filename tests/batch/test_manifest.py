"""Reading manifests: what is taken, what fails a row, and what stops a run before it starts."""

from __future__ import annotations

import csv
import json
import os
import pickle
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2f_batch.batch.manifest import Manifest, read_manifest
from a2f_batch.emotion import EMOTIONS, Envelope
from a2f_batch.errors import ManifestError
from a2f_batch.export import FORMATS
from a2f_batch.post import profiles
from a2f_batch.resources import resource_folder
from tests.batch.batch_fixtures import COLUMNS, manifest, sound

ROW = {"id": "line", "audio": "line.wav", "character": "ada", "locale": "de"}


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A folder with one sound, line.wav."""
    sound(tmp_path / "drop" / "line.wav")
    return tmp_path / "drop"


def codes(manifest: Manifest) -> list[list[str]]:
    return [[problem.code for problem in row.problems] for row in manifest.bad_rows]


def refusal(read: Callable[[], object]) -> ManifestError:
    with pytest.raises(ManifestError) as raised:
        read()
    return raised.value


def json_lines(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_csv_row_becomes_a_line_with_every_field(drop: Path) -> None:
    columns = (*COLUMNS, "emotion", "profile", "fps", "text", "style", "seed", "take", "note")
    row = {"emotion": "joy", "profile": "raw", "fps": "29.97", "text": 'Say "ah",\nthen stop', "style": "calm", "seed": 7, "take": "03"}
    (line,) = read_manifest(manifest(drop / "m.csv", [row], columns)).lines
    assert (line.number, line.identity.locale, line.identity.character, line.identity.id) == (2, "de", "ada", "line0")
    assert Path(line.audio) == drop / "line.wav"
    assert (line.emotion, line.profile, line.fps, line.style, line.seed) == (Envelope.parse("joy"), "raw", Fraction(30000, 1001), "calm", 7)
    assert line.text == 'Say "ah",\nthen stop'
    assert line.extra == {"take": "03", "note": ""}
    assert pickle.loads(pickle.dumps(line)) == line


def test_json_lines_give_the_same_line_as_csv(drop: Path) -> None:
    cells = [{**ROW, "fps": "30000/1001", "seed": "7", "text": "Grüß dich"}, {**ROW, "id": "守衛", "fps": "", "seed": ""}]
    from_csv = read_manifest(manifest(drop / "m.csv", cells, (*COLUMNS, "fps", "seed", "text"))).lines
    rows: list[dict[str, Any]] = [{**ROW, "fps": "30000/1001", "seed": 7, "text": "Grüß dich"}, {**ROW, "id": "守衛", "fps": None}]
    from_json = read_manifest(json_lines(drop / "m.jsonl", "", *rows)).lines
    assert from_csv == from_json  # the blank first line gives both the line numbers 2 and 3


@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_as_spreadsheets_write_it(drop: Path, delimiter: str, newline: str, bom: bool) -> None:
    header = ["ID", "Audio", "Character", "Locale", "Text"]
    rows = [header, ["one", "line.wav", "ada", "de", "Käse"], ["", "", "", "", ""], ["two", "line.wav", "ada", "de"]]
    text = newline.join(delimiter.join(row) for row in rows)
    (drop / "m.csv").write_bytes(text.encode("utf-8-sig" if bom else "utf-8"))
    read = read_manifest(drop / "m.csv")
    assert [(line.number, line.identity.id, line.text) for line in read.lines] == [(2, "one", "Käse"), (4, "two", "")]


def test_a_row_number_is_that_of_its_first_line_in_the_file(drop: Path) -> None:
    path = manifest(drop / "m.csv", [{"text": "one\ntwo\nthree"}, {"text": "x"}, {"fps": "0"}], (*COLUMNS, "text", "fps"))
    read = read_manifest(path)
    assert [line.number for line in read.lines] == [2, 5]
    assert [row.number for row in read.bad_rows] == [6]
    assert f"{path} line 6:" in read.bad_rows[0].problems[0].message


BAD_ROWS: list[tuple[dict[str, Any], list[str]]] = [
    ({"id": ""}, ["field-missing"]),
    ({"audio": ""}, ["field-missing"]),
    ({"id": "../../x"}, ["id-unsafe"]),
    ({"character": "a:b"}, ["id-unsafe"]),
    ({"locale": "CON"}, ["id-unsafe"]),
    ({"locale": "Summary.JSON"}, ["id-unsafe"]),
    ({"id": "x."}, ["id-unsafe"]),
    ({"id": "LINE-0"}, ["id-duplicate"]),
    ({"audio": "missing.wav"}, ["audio-missing"]),
    ({"audio": "sub"}, ["audio-missing"]),
    ({"audio": "x" * 300}, ["audio-missing"]),
    ({"audio": "../outside.wav"}, ["audio-path"]),
    ({"audio": "sub/../../drop-2/x.wav"}, ["audio-path"]),
    ({"audio": r"..\outside.wav"}, ["audio-path"]),
    ({"audio": "/etc/hostname"}, ["audio-path"]),
    ({"audio": r"C:\x.wav"}, ["audio-path"]),
    ({"audio": r"\\server\x.wav"}, ["audio-path"]),
    ({"audio": "link.wav"}, ["audio-path"]),
    ({"audio": "linked/outside.wav"}, ["audio-path"]),
    ({"profile": "defualt"}, ["profile-unknown"]),
    ({"emotion": "joyful"}, ["emotion-unknown"]),
    ({"emotion": "joy:2"}, ["emotion-syntax"]),
    ({"emotion": "1.2 anger; 0.4 joy"}, ["emotion-syntax"]),
    ({"fps": "fast"}, ["fps"]),
    ({"fps": "1e999999999"}, ["fps"]),
    ({"fps": "0"}, ["fps"]),
    ({"seed": "-1"}, ["seed"]),
    ({"seed": "1" * 5000}, ["seed"]),
    ({"id": "a/b", "locale": "nul", "audio": "missing.wav", "fps": "x", "profile": "y"},
     ["id-unsafe", "id-unsafe", "audio-missing", "profile-unknown", "fps"]),
]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize(("row", "expected"), BAD_ROWS, ids=[str(row)[:60] for row, _ in BAD_ROWS])
def test_a_wrong_row_fails_alone_with_every_reason_and_its_line(drop: Path, row: dict[str, Any], expected: list[str], kind: str) -> None:
    sound(drop.parent / "outside.wav")
    (drop / "sub").mkdir()
    (drop / "link.wav").symlink_to(drop.parent / "outside.wav")
    (drop / "linked").symlink_to(drop.parent)
    rows = [{**ROW, "id": "line-0"}, {**ROW, "id": "line-1", **row}, {**ROW, "id": "line-2"}]
    if kind == "csv":
        path = manifest(drop / "m.csv", rows, (*COLUMNS, "profile", "emotion", "fps", "seed"))
    else:
        path = json_lines(drop / "m.jsonl", "", *rows)
    read = read_manifest(path, formats=tuple(FORMATS.values()))
    assert [line.identity.id for line in read.lines] == ["line-0", "line-2"]
    assert codes(read) == [expected]
    (bad,) = read.bad_rows
    assert bad.number == 3
    assert all(problem.message.startswith(f"{path} line 3: ") and problem.remedy for problem in bad.problems)


JSON_ROWS: list[tuple[str, list[str]]] = [
    ('{"id": ', ["row-malformed"]), ("[1, 2]", ["row-malformed"]), ("nothing", ["row-malformed"]), ("[" * 100_000, ["row-malformed"]),
    ('{"id": "a", "id": "b"}', ["row-malformed"]), ('{"id": "a", "x": NaN}', ["row-malformed"]),
    ('{"id": "a", "x": 1e999}', ["row-malformed"]),
    ('{"id": "a", "x": ' + "9" * 5000 + "}", ["row-malformed"]),
    ('{"id": 5, "audio": "line.wav", "character": "ada", "locale": "de"}', ["field-type"]),
    ('{"id": "a", "audio": ["line.wav"], "character": "ada", "locale": "de"}', ["field-type"]),
    ('{"id": "a", "audio": "line.wav", "character": "ada", "locale": "de", "text": 5}', ["field-type"]),
    ('{"id": "a", "audio": "line.wav", "character": "ada", "locale": "de", "fps": true}', ["fps"]),
    ('{"id": "a", "audio": "line.wav", "character": "ada", "locale": "de", "fps": {}}', ["fps"]),
    ('{"id": "a", "audio": "line.wav", "character": "ada", "locale": "de", "seed": 1.5}', ["seed"]),
    ('{"id": "a", "audio": "line.wav", "character": "ada", "locale": "de", "seed": true}', ["seed"]),
    ('{"id": "\\ud800", "audio": "line.wav", "character": "ada", "locale": "de"}', ["id-unsafe"]),
    ('{"id": "a", "audio": "\\ud800.wav", "character": "ada", "locale": "de"}', ["audio-path"]),
    ('{"id": "a", "audio": "\\u0000.wav", "character": "ada", "locale": "de"}', ["audio-path"]),
    ('{"id": "a", "audio": "line.wav", "locale": "de"}', ["field-missing"]),
]


@pytest.mark.parametrize(("text", "expected"), JSON_ROWS, ids=[text[:60] for text, _ in JSON_ROWS])
def test_a_wrong_json_row_fails_alone(drop: Path, text: str, expected: list[str]) -> None:
    read = read_manifest(json_lines(drop / "m.jsonl", ROW, text, {**ROW, "id": "other"}))
    assert [line.number for line in read.lines] == [1, 3]
    assert codes(read) == [expected]


def test_a_row_with_too_many_cells_fails_alone(drop: Path) -> None:
    (drop / "m.csv").write_text("id,audio,character,locale,text\na,line.wav,ada,de,Well, well\nb,line.wav,ada,de,Well\n")
    read = read_manifest(drop / "m.csv")
    assert [line.identity.id for line in read.lines] == ["b"]
    assert codes(read) == [["row-malformed"]]


def test_a_second_row_of_one_identity_fails_and_names_the_first(drop: Path) -> None:
    rows = [{"id": "straße"}, {"id": "other"}, {"id": "STRASSE", "locale": "DE", "character": "Ada"}, {"id": "straße", "character": "bob"}]
    read = read_manifest(manifest(drop / "m.csv", rows))
    assert [line.number for line in read.lines] == [2, 3, 5]
    assert "line 2 has the same" in read.bad_rows[0].problems[0].message


def test_two_lines_that_would_write_one_file_are_told_apart_by_the_formats(drop: Path) -> None:
    path = manifest(drop / "m.csv", [{"id": "a"}, {"id": "A.plain"}, {"id": "a.plain", "locale": "fr"}])
    both = read_manifest(path, formats=(FORMATS["csv-plain"], FORMATS["csv"]))
    assert [line.number for line in both.lines] == [2, 4]
    assert codes(both) == [["output-duplicate"]]
    assert "line 2" in both.bad_rows[0].problems[0].message
    assert len(read_manifest(path, formats=(FORMATS["csv"],)).lines) == 3


def test_audio_is_found_from_another_root_and_through_links_within_it(drop: Path, tmp_path: Path) -> None:
    root = tmp_path / "sounds"
    sound(root / "deep" / "a.wav")
    (root / "b.wav").symlink_to("deep/a.wav")
    (tmp_path / "alias").symlink_to(root)
    path = manifest(drop / "m.csv", [{"audio": r"deep\a.wav"}, {"audio": "b.wav"}, {"audio": "./deep/../deep/a.wav"}])
    for place in (root, tmp_path / "alias"):
        found = [Path(line.audio) for line in read_manifest(path, audio_root=place).lines]
        assert found == [root / "deep" / "a.wav", root / "b.wav", root / "deep" / "a.wav"]
    assert refusal(lambda: read_manifest(path, audio_root=tmp_path / "none")).code == "audio-root"


def test_a_named_pipe_is_no_audio_and_nobody_waits_on_it(drop: Path) -> None:
    os.mkfifo(drop / "pipe.wav")
    assert codes(read_manifest(manifest(drop / "m.csv", [{"audio": "pipe.wav"}]))) == [["audio-missing"]]


UNREADABLE: list[tuple[str, bytes | None, str]] = [
    ("m.csv", None, "manifest-unreadable"),
    ("m.ods", b"PK", "manifest-kind"),
    ("m.csv", b"id,audio,character,locale\nK\xe4se,line.wav,ada,de\n", "manifest-encoding"),
    ("m.csv", "id,audio,character,locale\n".encode("utf-16")[:-1], "manifest-encoding"),
    ("m.csv", b"", "manifest-empty"),
    ("m.csv", b"id,audio,character,locale\n", "manifest-empty"),
    ("m.csv", b"id,audio,character\na,line.wav,ada\n", "column-missing"),
    ("m.csv", b"id,audio,ID,character,locale\na,line.wav,ada,x,y\n", "column-duplicate"),
    ("m.csv", b'id,audio,character,locale\n"a,line.wav,ada,de\nb,line.wav,ada,de\n', "manifest-malformed"),
    ("m.jsonl", b"", "manifest-empty"),
    ("m.jsonl", b"nothing\n", "manifest-malformed"),
    ("m.jsonl", b'{"id": "a", "audio": "line.wav", "locale": "de"}\n', "column-missing"),
]


@pytest.mark.parametrize(("name", "content", "code"), UNREADABLE, ids=[f"{name}-{code}" for name, _, code in UNREADABLE])
def test_a_manifest_that_can_not_be_used_stops_all_with_its_name(drop: Path, name: str, content: bytes | None, code: str) -> None:
    if content is not None:
        (drop / name).write_bytes(content)
    error = refusal(lambda: read_manifest(drop / name))
    assert error.code == code
    assert str(drop / name) in error.problem
    assert error.remedy


def test_an_encoding_fault_is_told_with_its_line(drop: Path) -> None:
    (drop / "m.csv").write_bytes(b"id,audio,character,locale\na,line.wav,ada,de\nK\xe4se,line.wav,ada,de\n")
    assert "line 3" in refusal(lambda: read_manifest(drop / "m.csv")).problem


def schema() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((resource_folder("manifests") / "line.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(content)
    return content


def mostly(good: st.SearchStrategy[Any], *bad: object) -> st.SearchStrategy[Any]:
    """Draw from `good` nine times in ten: rows with one fault are what the agreement is about."""
    return st.integers(0, 9).flatmap(lambda draw: st.sampled_from(bad) if draw == 0 else good)


NAMES = mostly(st.text(alphabet="aZ9é守- .", min_size=1, max_size=6).map(lambda name: f"x{name}x"),
               "con", "NUL.txt", "Com1", "com¹ .x", "summary.json", "Journal-2-of-3.SQLite-WAL",
               "x" * 121, "CONIN$", "../x", "a/b", "a:b", "a\\b", "a\x01", "a\u2028",
               ".a", "a.", "a ", " a", "", 5, None)
SPACE = st.sampled_from(["", " ", "  ", "\t"])
LEVELS = st.sampled_from(["", ":0.6", " : 1", ":.25", ":1.000", ":0", ":000.5"])
WORDS = st.lists(st.sampled_from([*EMOTIONS, "out of breath"]), min_size=1, max_size=3, unique_by=lambda word: word.replace(" ", ""))
ONE_POINT = WORDS.flatmap(
    lambda words: st.tuples(*(st.tuples(SPACE, st.just(word), LEVELS, SPACE).map("".join) for word in words)).map("+".join))
IN_TIME = st.lists(st.tuples(st.integers(0, 9999), ONE_POINT), min_size=1, max_size=4, unique_by=lambda point: point[0]).map(
    lambda points: ";".join(f"{hundredths / 100} {point}" for hundredths, point in sorted(points)))
FELT = st.one_of(st.sampled_from(["", None]), ONE_POINT, IN_TIME)
ROWS = st.fixed_dictionaries(
    {"id": NAMES, "audio": mostly(st.just("line.wav"), "", "/line.wav", "a:line.wav", "\\line.wav", "\x01", 5, None),
     "character": NAMES, "locale": NAMES},
    optional={"emotion": mostly(FELT, 1, ["joy"], "joyful", "Joy", "joy:1.1", "joy:-1", "joy:.", "joy 0.5", "joy;", "0 joy;", "1joy", "1 2",
                                "joy; 1 anger", "0 joy; anger", "+joy", "joy + ", ":0.5", " ", "out", "0.0 neutral, 1.2 joy", "1e1 joy"),
              "profile": mostly(st.sampled_from([*profiles(), "", None]), 1),
              "fps": mostly(st.sampled_from([30, 29.97, 1, 240, "30000/1001", "", None]), 0, 241, -1, []),
              "seed": mostly(st.sampled_from([0, 2**53 - 1, "12", "", None]), 2**53, -1, 0.5, "x", "-1", True),
              "text": mostly(st.sampled_from(["", None, "hello"]), 5), "style": mostly(st.sampled_from(["", None, "calm"]), False),
              "take": st.integers()})


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=ROWS)
def test_the_published_schema_and_the_reader_agree(drop: Path, row: dict[str, Any]) -> None:
    by_schema = jsonschema.Draft202012Validator(SCHEMA).is_valid(row)
    by_reader = bool(read_manifest(json_lines(drop / "m.jsonl", row)).lines)
    assert by_schema == by_reader


SCHEMA = schema()


def test_the_demo_manifest_is_right_by_reader_and_schema() -> None:
    path = resource_folder("manifests") / "demo.csv"
    read = read_manifest(path, formats=tuple(FORMATS.values()))
    assert not read.bad_rows
    assert len(read.lines) >= 8
    with open(path, encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            jsonschema.Draft202012Validator(SCHEMA).validate(row)
