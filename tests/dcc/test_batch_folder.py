"""A folder that the batch rendered, as the add-ons read it: listed, opened, and laid out in the stand-in Maya."""

import json
import os
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from a2f_batch import read_clip
from a2f_batch.dcc import bridge
from a2f_batch.dcc.batch_folder import read_batch_folder, read_line
from a2f_batch.errors import A2FError, BatchError
from tests.batch import batch_fixtures as drops
from tests.dcc.maya_session import LINE, ROOT, START, head, session

SCHEMA = json.loads((ROOT / "a2f_batch/dcc/bridge.schema.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A drop of two good lines and a bad one, rendered."""
    folder = tmp_path_factory.mktemp("drop")
    drops.sound(folder / "hé.wav", 0.5)
    drops.sound(folder / "b.wav", 0.7, seed=1)
    drops.manifest(folder / "m.csv", [{"id": "a", "audio": "hé.wav"}, {"id": "bad", "audio": "none.wav"}, {"id": "b", "audio": "b.wav"}])
    done = drops.a2f_batch("render", folder / "m.csv", "--out", folder / "out", "--formats", "npz,csv-plain,anim", "--fps", "24",
                           "--engine", drops.engine(folder), "--workers", "1")
    assert done.returncode == 1
    return folder


@pytest.fixture
def changed(rendered, tmp_path):
    """Return what copies the rendered folder with its summary's first line changed."""
    def change(**entry):
        shutil.copytree(rendered / "out", tmp_path / "out")
        summary = drops.summary(tmp_path / "out")
        summary["lines"][0].update(entry)
        (tmp_path / "out/summary.json").write_text(json.dumps(summary), "utf-8")
        return tmp_path / "out"
    return change


def answered(command, **members):
    return bridge.answer({"a2f_bridge": 1, "command": command, **members})


def test_the_lines_are_listed_with_their_sounds_and_the_failed_one_with_its_reason(rendered):
    found = read_batch_folder(rendered / "out")
    assert [line.name for line in found.lines] == ["de/ada/a", "de/ada/b"]
    assert [line.audio for line in found.lines] == [rendered / "hé.wav", rendered / "b.wav"]
    assert [(line.format, line.fps, line.frames) for line in found.lines] == [("npz", 24, 12), ("npz", 24, 17)]
    (missing,) = found.missing
    assert "audio-missing" in missing or "line" in missing


def test_the_bridge_tells_the_same(rendered):
    listed = answered("lines", folder=str(rendered / "out"))
    jsonschema.Draft202012Validator({"$ref": "#/$defs/listed", **SCHEMA}).validate({"event": "done", **listed})
    opened = answered("open", folder=str(rendered / "out"), line="de/ada/b", meshes=[["jawOpen"]])
    jsonschema.Draft202012Validator({"$ref": "#/$defs/opened", **SCHEMA}).validate({"event": "done", **opened})
    assert opened["frames"] == 17
    with pytest.raises(BatchError, match="no rendered line 'de/ada/bad'"):
        answered("open", folder=str(rendered / "out"), line="de/ada/bad", meshes=[["jawOpen"]])


def test_another_format_is_read_where_the_best_is_gone(rendered, tmp_path):
    shutil.copytree(rendered / "out", tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.npz"):
        path.unlink()
    line = read_batch_folder(tmp_path / "out").lines[0]
    assert line.format == "csv-plain"
    np.testing.assert_allclose(read_line(line)["jawOpen"], read_clip(rendered / "out/de/ada/a.npz")["jawOpen"], atol=1e-6)


def test_a_folder_that_moved_has_no_sounds_until_told_where(rendered, tmp_path):
    summary = drops.summary(rendered / "out")
    shutil.copytree(rendered / "out", tmp_path / "out")
    (tmp_path / "out/summary.json").write_text(json.dumps({**summary, "manifest": "/gone/m.csv"}))
    assert [line.audio for line in read_batch_folder(tmp_path / "out").lines] == [None, None]
    assert read_batch_folder(tmp_path / "out", audio_root=rendered).lines[0].audio == rendered / "hé.wav"


@pytest.mark.parametrize("entry", [
    {"locale": ".."}, {"character": "../.."}, {"id": "/etc/passwd"}, {"id": "a\\b"}, {"id": ""}, {"id": 3}, {"locale": None},
    {"fps": "many"}, {"fps": "1e999999999"}, {"frames": "x"}, {"frames": None}, {"outputs": "npz"}, {"outputs": 3},
    {"outputs": {"exe": "a"}}, {"outputs": [[]]}])
def test_a_hostile_entry_is_one_line_less_and_leads_nowhere(entry, changed):
    found = read_batch_folder(changed(**entry))
    assert [line.name for line in found.lines] == ["de/ada/b"] and len(found.missing) == 2


@pytest.mark.parametrize("audio", [
    "/etc/hostname", "../../../../../../etc/hostname", "C:\\x.wav", "..\\..\\x.wav", "x\0.wav", "", 3, ["a"], "out"])
def test_a_hostile_sound_is_none(audio, changed):
    line = read_batch_folder(changed(audio=audio)).lines[0]
    assert line.name == "de/ada/a" and line.audio is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"lines": 3, "manifest": "m"}', '{"lines": [], "manifest": 3}', "[" * 100_000, '"\xff"'])
def test_what_is_no_summary_is_told(text, tmp_path):
    (tmp_path / "summary.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BatchError, match="no result of") as caught:
        read_batch_folder(tmp_path)
    assert caught.value.code == "summary-unreadable"


@pytest.mark.parametrize("lines", [[3], [None], ["x"], [[]], [{}]])
def test_entries_that_are_none_are_told(lines, tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps({"lines": lines, "manifest": "m.csv"}))
    assert read_batch_folder(tmp_path).lines == () and len(read_batch_folder(tmp_path).missing) == 1


def test_a_cut_file_is_told_when_it_is_opened(rendered, tmp_path):
    shutil.copytree(rendered / "out", tmp_path / "out")
    path = tmp_path / "out/de/ada/a.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(A2FError):
        answered("open", folder=str(tmp_path / "out"), line="de/ada/a", meshes=[["jawOpen"]])


# In Maya.

@pytest.fixture
def maya(tmp_path):
    with session(tmp_path / "maya") as fake:
        yield fake


@pytest.fixture
def window(maya):
    from a2f_batch_maya import show

    head(maya)
    shown = show()
    maya.ui.press("From selection")
    maya.ui.type("textFieldButtonGrp", "Sound", str(LINE))
    maya.ui.type("floatFieldGrp", "Start frame", START)
    return shown


def test_chosen_lines_are_laid_out_one_after_another_and_undone_at_once(rendered, maya, window):
    maya.ui.chosen_files.append(str(rendered / "out"))
    maya.ui.press_beside("Folder")
    assert maya.ui.controls[window.lines]["items"] == ["de/ada/a", "de/ada/b"]
    assert any("not to be imported" in warning for warning in maya.warnings)
    maya.ui.mark(window.lines, 0, 1)
    before = maya.scene.snapshot()
    maya.ui.press("Import selected lines")
    maya.idle.until(lambda: maya.ui.progress is None)
    assert maya.ui.dialogues == []
    first, second = (read_clip(rendered / f"out/de/ada/{name}.npz") for name in "ab")
    wanted = {START + i: value for i, value in enumerate(first["jawOpen"])}
    wanted.update((START + 12 + 12 + i, value) for i, value in enumerate(second["jawOpen"]))
    assert maya.scene.keys("Head_blend.JawOpen") == pytest.approx(wanted, abs=1e-6)
    sounds = [maya.scene.nodes[node] for node in maya.cmds.ls(type="audio")]
    assert [(Path(one["filename"]).name, one["offset"]) for one in sounds] == [("hé.wav", 10), ("b.wav", 34)]
    maya.cmds.undo()
    assert maya.scene.snapshot() == before


def test_an_anim_file_goes_through_maya_s_own_importer(rendered, maya, window):
    path = os.fspath(rendered / "out/de/ada/a.anim")
    maya.ui.chosen_files.append(path)
    maya.ui.press("Import .anim by Maya's importer...")
    assert maya.pending_imports == [(path, tuple(window.chosen_nodes()), "targetTime=4;copies=1;option=replace;pictures=0;connect=0;")]
    assert maya.cmds.ls(selection=True, long=True) == ["|Hero|Teeth"]
