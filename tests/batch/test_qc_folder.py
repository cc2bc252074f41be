"""Figures of a rendered folder: in the journal, made up for where they are missing, judged by the project's levels."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import soundfile
from click.testing import CliRunner, Result

from a2f_batch.batch.lines import LineRow, rows, worst_first
from a2f_batch.batch.qc_again import check
from a2f_batch.cli import main
from a2f_batch.errors import ProfileError
from a2f_batch.export import export, read_clip
from a2f_batch.project import load_project
from a2f_batch.qc import LEVELS, Levels
from a2f_batch.resources import resource_folder
from tests.batch.batch_fixtures import manifest, tree

SOUNDS = {"one": "gate_halt.en-US.wav", "two": "stall_offer.en-GB.mp3"}


def call(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert not result.exception or isinstance(result.exception, SystemExit), result.output
    return result


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drop of two lines in two languages, and one whose sound is missing; rendered to npz and csv."""
    folder = tmp_path_factory.mktemp("drop")
    audio = resource_folder("manifests") / "audio"
    for name in SOUNDS.values():
        shutil.copy(audio / name, folder)
    long = [{"id": "long", "audio": SOUNDS["one"], "locale": "en"}, {"id": "long", "audio": "cut.wav", "locale": "de"}]
    samples, rate = soundfile.read(folder / SOUNDS["one"])
    soundfile.write(folder / "cut.wav", samples[: len(samples) // 2], rate)
    rows_ = [{"id": name, "audio": file, "locale": "en"} for name, file in SOUNDS.items()]
    manifest(folder / "drop.csv", [*rows_, *long, {"id": "gone", "audio": "gone.wav", "locale": "en"}])
    assert render(folder).exit_code == 1
    return folder


@pytest.fixture()
def drop(whole: Path, tmp_path: Path) -> Path:
    """The drop in a place of its own, as if it had been rendered there."""
    folder = Path(shutil.copytree(whole, tmp_path / "drop", copy_function=shutil.copy2))
    summary = folder / "out/summary.json"
    summary.write_text(summary.read_text().replace(json.dumps(str(whole / "drop.csv")), json.dumps(str(folder / "drop.csv"))))
    return folder


def render(folder: Path, *options: str | Path) -> Result:
    return call("render", "--no-report", folder / "drop.csv", "--out", folder / "out", "--formats", "npz,csv", "--workers", "0", *options)


def by_name(lines: list[LineRow]) -> dict[str, LineRow]:
    return {line.name: line for line in lines}


def forget_figures(out: Path) -> None:
    """Make the journal one of a version that had no figures."""
    with sqlite3.connect(out / "journal.sqlite") as db:
        db.execute("UPDATE lines SET qc = NULL")


def kept(out: Path) -> dict[str, Any]:
    with sqlite3.connect(out / "journal.sqlite") as db:
        return dict(db.execute("SELECT line, qc FROM lines"))


def test_every_line_of_a_folder_has_its_figures_sound_files_and_what_went_wrong(whole: Path) -> None:
    lines = by_name(rows(whole / "out"))
    assert sorted(lines) == ["de/ada/long", "en/ada/gone", "en/ada/long", "en/ada/one", "en/ada/two"]
    one, gone = lines["en/ada/one"], lines["en/ada/gone"]
    assert one.qc and one.qc.figures["seconds"] == pytest.approx(5.15, abs=0.01) and one.problem is None
    assert one.audio == whole / SOUNDS["one"] and one.outputs["npz"] == whole / "out/en/ada/one.npz" and one.outputs["npz"].is_file()
    assert gone.qc is None and gone.state == "failed" and gone.problem and gone.problem.code == "audio-missing"


def test_a_journal_without_figures_gets_the_same_ones_from_the_files(drop: Path) -> None:
    before, files = kept(drop / "out"), tree(drop / "out")
    lines = {line.name: line.qc for line in rows(drop / "out")}
    forget_figures(drop / "out")
    assert not any(line.qc for line in rows(drop / "out"))
    done = check(drop / "out")
    assert done.measured == 4 and not done.problems and not done.unkept
    again = {line.name: line.qc for line in rows(drop / "out")}
    for name, qc in lines.items():
        assert (qc is None) == (again[name] is None)
        assert qc is None or (again[name].figures, again[name].strip) == (qc.figures, qc.strip)  # npz is lossless
    assert check(drop / "out").measured == 0
    assert tree(drop / "out") == files and set(kept(drop / "out")) == set(before)


def test_a_line_whose_sound_is_gone_is_told_and_the_others_are_measured(drop: Path) -> None:
    forget_figures(drop / "out")
    (drop / SOUNDS["two"]).unlink()
    done = check(drop / "out")
    assert done.measured == 3 and list(done.problems) == ["en/ada/two"]
    result = call("qc", drop / "out")
    assert result.exit_code == 1 and "en/ada/two" in result.output


def test_a_file_edited_by_hand_is_measured_again(drop: Path) -> None:
    path = drop / "out/en/ada/one.npz"
    clip = read_clip(path)
    values = clip.values.copy()
    values[20:] = values[20]
    export(clip.with_values(values), path)
    assert not {flag.code for flag in by_name(rows(drop / "out"))["en/ada/one"].qc.flags}  # type: ignore[union-attr]
    done = check(drop / "out")
    edited = by_name(done.lines)["en/ada/one"]
    assert done.measured == 1 and edited.qc and edited.qc.flags[0].code == "still-mouth"
    assert check(drop / "out").measured == 0
    # The next render keeps the edit, and its figures.
    assert render(drop).exit_code == 1
    assert by_name(check(drop / "out").lines)["en/ada/one"].qc == edited.qc
    # Rendered again, the line has the figures of what is there now.
    assert render(drop, "--overwrite-edits").exit_code == 1
    assert check(drop / "out").measured == 0
    fresh = by_name(rows(drop / "out"))["en/ada/one"].qc
    assert fresh and not fresh.flags


def test_a_folder_that_can_not_be_written_is_measured_all_the_same(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_figures(drop / "out")
    connect = sqlite3.connect

    def only_reading(address: str, *arguments: Any, **options: Any) -> sqlite3.Connection:
        if "mode=ro" not in str(address):
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return connect(address, *arguments, **options)

    monkeypatch.setattr(sqlite3, "connect", only_reading)
    done = check(drop / "out")
    assert done.measured == 4 and done.unkept and all(line.qc for line in done.lines if line.state == "done")


def test_levels_of_the_project_apply_at_once_and_render_nothing(drop: Path) -> None:
    project = drop / "a2f.toml"
    assert "late-start" not in call("qc", drop / "out", "--all").output
    project.write_text('[qc]\nlate-start = 0.25\nfew-closures = false\nsource_locale = "en"\nmuch-shorter = 0.8\n')
    result = call("qc", drop / "out", "--project", project)
    assert "late-start" in result.output and "much-shorter" in result.output and result.exit_code == 0
    ratio = by_name(rows(drop / "out", load_project(project).qc))["de/ada/long"].qc
    assert ratio and ratio.figures["duration_ratio"] == pytest.approx(0.5, abs=0.01)
    files = tree(drop / "out")
    assert "4 skipped" in (output := render(drop, "--project", project).output) or "4 up to date" in output or "0 of" in output, output
    assert tree(drop / "out") == files


def test_a_level_may_be_loosened_and_a_check_left_out(whole: Path) -> None:
    tight = worst_first(rows(whole / "out", Levels({"late-start": 0.21})))
    assert tight[0].qc and tight[0].qc.score > 1
    off = rows(whole / "out", Levels({"late-start": None}))
    assert not any(flag.code == "late-start" for line in off if line.qc for flag in line.qc.flags)
    assert load_project(None).qc == LEVELS or load_project(None).path


@pytest.mark.parametrize(("text", "line", "code", "says"), [
    ("[qc]\njiter = 1", 2, "project-key", "jitter"),
    ("[qc]\n\njitter = true", 3, "profile-type", "number"),
    ('[qc]\njitter = "high"', 2, "profile-type", "number"),
    ("[qc]\nunrelated = 1.5", 2, "qc-level", "under 1"),
    ("[qc]\njitter = -1", 2, "qc-level", "over 0"),
    ("[qc]\njitter = nan", 2, "profile-type", "number"),
    ("[qc]\nsource_locale = 3", 2, "profile-type", "en-US"),
    ("qc = 3", 1, "profile-type", "table"),
])
def test_a_wrong_level_is_told_with_its_line(tmp_path: Path, text: str, line: int, code: str, says: str) -> None:
    (tmp_path / "a2f.toml").write_text(text + "\n")
    with pytest.raises(ProfileError) as told:
        load_project(tmp_path / "a2f.toml")
    assert told.value.code == code and f"a2f.toml line {line}:" in told.value.problem and says in str(told.value)


def test_the_table_the_json_and_the_status_name_the_worst_line_first(drop: Path) -> None:
    path = drop / "out/en/ada/two.npz"
    clip = read_clip(path)
    export(clip.with_values(clip.values[::-1]), path)
    table = call("qc", drop / "out").output
    assert table.splitlines()[0].endswith("en/ada/two") and ("[out-of-step]" in table or "[unrelated]" in table)
    content = json.loads(call("qc", drop / "out", "--json").output)
    assert content["lines"][0]["line"] == "en/ada/two" and content["lines"][0]["score"] > 1 and len(content["lines"]) == 4
    assert len(json.loads(call("qc", drop / "out", "--json", "--worst", "1").output)["lines"]) == 1
    status = call("status", drop / "out").output
    assert "deserve a look" in status and "en/ada/two" in status
    worst = json.loads(call("status", drop / "out", "--json").output)["worst"]
    assert worst[0]["line"] == "en/ada/two"
    assert "worst" not in json.loads(call("status", drop / "out", "--json", "--worst", "0").output)


def test_what_is_no_folder_of_ours_is_told(tmp_path: Path) -> None:
    result = call("qc", tmp_path)
    assert result.exit_code == 2 and "journal" in result.output


def test_a_run_that_goes_on_does_not_lose_its_newer_figures(drop: Path) -> None:
    forget_figures(drop / "out")
    lines = [line for line in rows(drop / "out") if line.state == "done"]
    with sqlite3.connect(drop / "out/journal.sqlite") as db:
        db.execute("UPDATE lines SET qc = 'newer', updated = updated + 1 WHERE line = ?", (lines[0].name,))
    from a2f_batch.batch.journal import Journal

    with Journal.open(drop / "out/journal.sqlite") as journal:
        journal.note_qc([(line.name, line.updated, "ours") for line in lines])
    assert kept(drop / "out")[lines[0].name] == "newer" and kept(drop / "out")[lines[1].name] == "ours"
    assert os.path.exists(drop / "out/journal.sqlite")
