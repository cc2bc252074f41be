"""Columns that a project names in a2f.toml, and defaults from there and from the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner, Result

from a2f_batch.batch.manifest import Manifest, read_manifest
from a2f_batch.batch.manifests import Layout
from a2f_batch.batch.manifests.columns import Columns
from a2f_batch.cli import main
from a2f_batch.errors import ManifestError, ProfileError
from a2f_batch.project import load_project
from tests.batch.batch_fixtures import sound

MAPPED = """[manifest.columns]
id = "VO_ID"
audio = "File"
character = "Speaker"
emotion = "Mood"
[manifest.defaults]
locale = "de"
emotion = "joy:0.5"
fps = 29.97
"""


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A folder with one sound, line.wav, and a project file."""
    sound(tmp_path / "line.wav")
    (tmp_path / "a2f.toml").write_text(MAPPED)
    return tmp_path


def read(path: Path) -> Manifest:
    return read_manifest(path, layout=Layout(load_project(path.parent / "a2f.toml").columns))


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_a_projects_names_of_columns_are_taken_from_every_kind(drop: Path) -> None:
    header, row = ["ID", "vo_id", "FILE", "Speaker", "Mood"], ["4711", "one", "line.wav", "ada", ""]
    (drop / "m.csv").write_text(f"{';'.join(header)}\n{';'.join(row)}\n")
    (drop / "m.tsv").write_text("\t".join(header) + "\n" + "\t".join(row) + "\n", encoding="utf-16")
    (drop / "m.jsonl").write_text("\n" + json.dumps(dict(zip(["id", "VO_ID", "File", "Speaker", "Mood"], row, strict=True))) + "\n")
    book = openpyxl.Workbook()
    book.active.append(header)
    book.active.append(row)
    book.save(drop / "m.xlsx")
    lines = [read(drop / name).lines for name in ("m.csv", "m.tsv", "m.jsonl", "m.xlsx")]
    assert all(found == lines[0] for found in lines)
    (line,) = lines[0]
    assert (line.identity.locale, line.identity.character, line.identity.id) == ("de", "ada", "one")
    assert (str(line.emotion), str(line.fps)) == ("joy:0.5", "30000/1001")
    assert line.extra == {"column id": "4711"}  # the sheet's own "ID" is lost to nobody


def test_a_manifest_with_our_own_names_is_read_in_the_same_project(drop: Path) -> None:
    (drop / "m.csv").write_text("id,audio,character,emotion\none,line.wav,ada,anger\n")
    (line,) = read(drop / "m.csv").lines
    assert (line.identity.locale, str(line.emotion)) == ("de", "anger")


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_a_column_that_the_project_names_and_the_manifest_lacks_stops_all(drop: Path, name: str) -> None:
    table = "VO_ID,File,Speaker\none,line.wav,ada\n"
    row = '{"VO_ID": "one", "File": "line.wav", "Speaker": "ada"}\n'
    (drop / name).write_text(table if name == "m.csv" else row)
    with pytest.raises(ManifestError, match=r"no column 'mood' \(emotion\), which .*a2f.toml line 1 names") as raised:
        read_manifest(drop / name, layout=Layout(Columns({"id": "VO_ID", "emotion": "mood"}, origin=f"{drop / 'a2f.toml'} line 1")))
    assert raised.value.code == "column-missing"


@pytest.mark.parametrize(("text", "line", "code"), [
    ("[manifest]\ncolumn = {}", 2, "project-key"), ("[manifest.columns]\nid = 'a'\nidd = 'b'", 3, "project-key"),
    ("[manifest.columns]\nid = 5", 2, "profile-type"), ("[manifest.columns]\nid = ' '", 2, "profile-type"),
    ("manifest = 5", 1, "profile-type"), ("[manifest.columns]\nid = 'A'\ntext = 'a'", 3, "column-duplicate"),
    ("[manifest.defaults]\nid = 'a'", 2, "project-key"), ("[manifest.defaults]\nlocale = 'a/b'", 2, "default"),
    ("[manifest.defaults]\nlocale = ''", 2, "default"), ("[manifest.defaults]\nlocale = 5", 2, "profile-type"),
    ("[manifest.defaults]\n\nfps = 0", 3, "fps"), ("[manifest.defaults]\nemotion = 'joyful'", 2, "emotion-unknown"),
    ("[manifest.defaults]\nprofile = 'x'", 2, "profile-unknown")])
def test_a_mistake_in_the_manifests_tables_is_told_with_its_line(tmp_path: Path, text: str, line: int, code: str) -> None:
    (tmp_path / "a2f.toml").write_text(text)
    with pytest.raises(ProfileError) as raised:
        load_project(tmp_path / "a2f.toml")
    assert (raised.value.code, f"a2f.toml line {line}: " in raised.value.problem) == (code, True)
    assert raised.value.remedy


def test_the_command_line_wins_over_the_projects_defaults(drop: Path) -> None:
    (drop / "m.csv").write_text("VO_ID,File,Speaker,Mood\none,line.wav,ada,\n")
    for more, place in (((), "de"), (("--default", "locale=fr"), "fr")):
        checked = call("check", drop / "m.csv", "--project", drop / "a2f.toml", "--log-format", "json", *more)
        events = [json.loads(line) for line in checked.stderr.splitlines()]
        assert [event["locale"] for event in events if event["event"] == "line"] == [place]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--default", "locale"], "COLUMN=VALUE"), (["--default", "id=x"], "no default for 'id'"), (["--default", "fps=0"], "out of range"),
    (["--from-folder", "."], "not both")])
def test_a_wrong_call_is_told_so(drop: Path, arguments: list[str], message: str) -> None:
    checked = call("check", drop / "m.csv", *arguments)
    assert checked.exit_code == 2
    assert message in checked.output


def test_check_needs_a_manifest_or_a_folder() -> None:
    checked = call("check")
    assert (checked.exit_code, "--from-folder" in checked.output) == (2, True)


def test_check_and_render_take_a_folder_and_say_which_files_are_left_out(tmp_path: Path) -> None:
    sound(tmp_path / "drop" / "de" / "ada" / "one.wav")
    (tmp_path / "drop" / "notes.txt").write_text("")
    checked = call("check", "--from-folder", tmp_path / "drop")
    assert checked.exit_code == 0, checked.output
    assert "1 of 1 lines are ready" in checked.output
    assert "notes.txt" in checked.output
    rendered = call("render", "--no-report", "--from-folder", tmp_path / "drop", "--out", tmp_path / "out", "--formats", "csv-plain",
                    "--workers", "0")
    assert rendered.exit_code == 0, rendered.output
    assert "notes.txt" in rendered.output
    assert [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("one*.csv")] == ["de/ada/one.plain.csv"]


def test_check_of_the_rows_alone_reads_no_sound(tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    (tmp_path / "m.csv").write_text("id,audio,character,locale\none,broken.wav,ada,de\ntwo,none.wav,ada,de\n")
    checked = call("check", tmp_path / "m.csv", "--rows-only")
    assert re.search(r"1 of 2 lines are ready, sounds not read; 1 would fail", checked.output)
    assert call("check", tmp_path / "m.csv").output.count("line 2: ") == 1
