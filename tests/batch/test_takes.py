"""All lines of a character in one glb: every line that was done, an animation each, however the run went."""

from __future__ import annotations

import json
import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from a2f_batch import FaceClip, read_clip
from a2f_batch.batch.identity import Identity
from a2f_batch.batch.manifest import Line, Problem
from a2f_batch.batch.render import Job, LineResult, Recipe
from a2f_batch.batch.takes import write_takes_files
from a2f_batch.cli import main
from a2f_batch.emotion import NEUTRAL
from a2f_batch.export import gltf_takes, npz
from a2f_batch.export.options import ExportOptions
from a2f_batch.names import ARKIT_52
from a2f_batch.post import profile
from tests.batch.batch_fixtures import a2f_batch, engine, manifest, sound, summary, tree
from tests.export.export_fixtures import small_mesh


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """Six good lines of three characters, one of them in two languages, and one line without a sound."""
    for i in range(3):
        sound(tmp_path / f"{i}.wav", 0.3 + 0.1 * i, seed=i)
    engine(tmp_path)
    manifest(tmp_path / "m.csv", [
        {"id": "b", "audio": "0.wav"}, {"id": "a", "audio": "1.wav"}, {"id": "c", "audio": "2.wav", "character": "bob"},
        {"id": "gone", "audio": "none.wav"}, {"id": "b", "audio": "2.wav", "locale": "en"}, {"id": "d", "audio": "2.wav"},
        {"id": "e", "audio": "1.wav", "character": "Bob"}])
    return tmp_path


def document(path: Path) -> dict[str, Any]:
    """Return a .glb's JSON."""
    raw = path.read_bytes()
    found: dict[str, Any] = json.loads(raw[20:20 + struct.unpack_from("<I", raw, 12)[0]])
    return found


def call(drop: Path, out: str, *arguments: str | Path) -> Result:
    """Render the drop in this process, grouped by character."""
    result = CliRunner().invoke(main, ["render", "--no-report", str(drop / "m.csv"), "--out", str(drop / out), "--engine",
                                       str(drop / "tiny.json"),
                                       "--workers", "0", "--group-by", "character", "--formats", "glb", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def animation(path: Path, name: str) -> FaceClip:
    """Read one animation of a takes file, by way of a copy that has no other."""
    raw = path.read_bytes()
    (size,) = struct.unpack_from("<I", raw, 12)
    content = json.loads(raw[20:20 + size])
    content["animations"] = [one for one in content["animations"] if one["name"] == name]
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    copy = path.with_name("one.glb")
    copy.write_bytes(raw[:8] + struct.pack("<II", len(raw) - size + len(text), len(text)) + b"JSON" + text + raw[20 + size:])
    clip = read_clip(copy)
    copy.unlink()
    return clip


def test_every_line_that_is_done_is_an_animation_of_its_characters_file(drop: Path) -> None:
    result = call(drop, "out", "--formats", "glb,npz,csv", "--no-compact", "--fps", "29.97")
    assert result.exit_code == 1, result.output  # one line has no sound
    files = sorted(name for name in tree(drop / "out") if name.endswith(".glb"))
    assert files == ["de/ada/ada.takes.glb", "de/bob/bob.takes.glb", "en/ada/ada.takes.glb"]
    lines = {"de/ada/ada.takes.glb": {"b": "0.wav", "a": "1.wav", "d": "2.wav"}, "de/bob/bob.takes.glb": {"c": "2.wav", "e": "1.wav"},
             "en/ada/ada.takes.glb": {"b": "2.wav"}}
    for file, sounds in lines.items():
        made = document(drop / "out" / file)["animations"]
        assert [one["name"] for one in made] == list(sounds)
        told = [one["extras"]["audio"] for one in made]
        assert told == [{"name": name, "mimeType": "audio/wav", "offset": 0} for name in sounds.values()]
    for line in ("b", "a", "d"):
        shown, baked = animation(drop / "out/de/ada/ada.takes.glb", line), read_clip(drop / f"out/de/ada/{line}.npz")
        assert (shown.fps, shown.n_frames) == (baked.fps, baked.n_frames) == (Fraction(30000, 1001), baked.n_frames)
        moving = [name for name in baked.names if name in ARKIT_52]
        np.testing.assert_array_equal(shown.select(moving).values, baked.select(moving).values)
    report = summary(drop / "out")
    assert [(one["file"], one["status"], one["animations"], one["missing"]) for one in report["takes"]] == [
        ("de/ada/ada.takes.glb", "done", 3, {"gone": "audio-missing"}), ("de/bob/bob.takes.glb", "done", 2, {}),
        ("en/ada/ada.takes.glb", "done", 1, {})]
    assert report["lines"][0]["outputs"] == {"glb": "de/ada/ada.takes.glb", "npz": "de/ada/b.npz", "csv": "de/ada/b.csv"}
    assert report["parameters"]["group_by"] == "character"


@pytest.mark.slow  # worker processes
def test_the_files_are_the_same_bytes_from_one_process_or_many(drop: Path) -> None:
    options = ["--audio", "embed", "--mesh", "proxy", "--tolerance", "0.5mm"]
    assert call(drop, "here", *options).exit_code == 1
    done = a2f_batch("render", "--no-report", drop / "m.csv", "--out", drop / "there", "--engine", drop / "tiny.json", "--workers", "2",
                     "--group-by",
                     "character", "--formats", "glb", *options)
    assert done.returncode == 1, done.stderr
    here, there = tree(drop / "here"), tree(drop / "there")
    assert here == there
    assert sorted(here) == sorted([*(f"de/{who}.npz" for who in ("Bob/e", "ada/a", "ada/b", "ada/d", "bob/c")), "en/ada/b.npz",
                                   "de/ada/ada.takes.glb", "de/bob/bob.takes.glb", "en/ada/ada.takes.glb"])
    for name in ("0.wav", "1.wav", "2.wav"):
        assert (drop / name).read_bytes() in here["de/ada/ada.takes.glb"]


def test_on_a_character_each_file_is_that_character(drop: Path) -> None:
    from tests.export.test_options import character_file

    assert call(drop, "out", "--character", character_file(drop / "guard.gltf")).exit_code == 1
    made = document(drop / "out/de/ada/ada.takes.glb")
    assert [node["name"] for node in made["nodes"]] == ["Guard"]
    assert [one["name"] for one in made["animations"]] == ["b", "a", "d"]
    assert summary(drop / "out")["match"]["unmatched_targets"] == ["Wings"]


def test_formats_of_which_none_can_hold_many_lines_are_refused(drop: Path) -> None:
    result = call(drop, "out", "--formats", "fbx,csv")
    assert result.exit_code == 2 and "[group-format]" in result.stderr
    assert not (drop / "out").exists()


def jobs(out: Path, ids: str, *, export: ExportOptions | None = None) -> list[Job]:
    """Return jobs of one character with the clips that a run would have left."""
    made = []
    for number, one in enumerate(ids, start=2):
        line = Line(number, Identity("de", "ada", one), str(out / f"{one}.wav"), f"{one}.wav")
        recipe = Recipe(Fraction(30), NEUTRAL, None, profile("default"), 0, "mix", export or ExportOptions(mesh="proxy"))
        job = Job(line, f"m.csv line {number}", recipe, {"npz": out / "clips" / f"{one}.npz"})
        clip = FaceClip(ARKIT_52, np.random.default_rng(number).uniform(0, 1, (9, 52)).astype(np.float32), 30)
        job.files["npz"].parent.mkdir(parents=True, exist_ok=True)
        npz.write(clip, job.files["npz"])
        made.append(job)
    return made


def done(jobs: list[Job]) -> dict[int, LineResult]:
    return {job.line.number: LineResult(job.line.number, "done") for job in jobs}


def test_a_line_that_can_not_be_put_in_is_named_and_costs_no_other(tmp_path: Path) -> None:
    four = jobs(tmp_path, "abcd")
    four[1].files["npz"].unlink()
    npz.write(FaceClip(("wings",), np.zeros((3, 1), np.float32), 30), four[2].files["npz"])
    (made,) = write_takes_files(four, done(four), tmp_path)
    assert (made.status, list(made.lines.values())) == ("done", ["a", "d"])
    assert made.missing == {"b": "clip-unreadable", "c": "channel-without-target"}
    assert [problem.message.split(":")[0] for problem in made.problems] == ["m.csv line 3", "m.csv line 4"]
    two = [four[0], four[3]]
    assert [one["name"] for one in document(tmp_path / "de/ada/ada.takes.glb")["animations"]] == ["a", "d"]
    before = (tmp_path / "de/ada/ada.takes.glb").read_bytes()
    write_takes_files(reversed(two), done(two), tmp_path)
    # What was refused has left nothing behind, and the order is the rows'.
    assert (tmp_path / "de/ada/ada.takes.glb").read_bytes() == before


def test_a_character_without_a_done_line_has_no_file_and_one_not_tried_keeps_it(tmp_path: Path) -> None:
    two = jobs(tmp_path, "ab")
    file = tmp_path / "de/ada/ada.takes.glb"
    write_takes_files(two, done(two), tmp_path)
    before = file.read_bytes()
    failed = LineResult(2, "failed", (Problem("audio-cut", "it is cut", "mend it"),))
    (made,) = write_takes_files(two, {2: failed}, tmp_path)
    assert (made.status, made.missing) == ("unfinished", {"a": "audio-cut"})
    assert file.read_bytes() == before
    (made,) = write_takes_files(two, {2: failed, 3: LineResult(3, "failed", failed.problems)}, tmp_path)
    assert (made.status, made.missing) == ("failed", {"a": "audio-cut", "b": "audio-cut"})
    assert not file.exists()


def test_a_file_that_can_not_be_written_is_told_and_the_other_characters_are(tmp_path: Path) -> None:
    two = jobs(tmp_path, "ab")
    (tmp_path / "de").mkdir()
    (tmp_path / "de/ada").write_text("no folder")
    (made,) = write_takes_files(two, done(two), tmp_path)
    assert made.status == "failed" and [problem.code for problem in made.problems] == ["output-unwritable"]


def test_many_takes_wait_on_disk_and_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for limit in (1 << 24, 1):
        monkeypatch.setattr(gltf_takes, "_IN_MEMORY", limit)
        three = jobs(tmp_path, "abc")
        write_takes_files(three, done(three), tmp_path)
        files.append((tmp_path / "de/ada/ada.takes.glb").read_bytes())
    assert files[0] == files[1]
    assert sorted(path.name for path in (tmp_path / "de/ada").iterdir()) == ["ada.takes.glb"]


def test_a_second_run_puts_together_only_the_files_whose_lines_changed(drop: Path) -> None:
    call(drop, "out")
    out = drop / "out"
    before = {name: (out / name).stat().st_mtime_ns for name in tree(out)}
    call(drop, "out")
    assert {name: (out / name).stat().st_mtime_ns for name in tree(out)} == before
    assert [one["status"] for one in summary(out)["takes"]] == ["skipped", "skipped", "skipped"]
    assert summary(out)["lines"][0]["outputs"] == {"npz": "de/ada/b.npz", "glb": "de/ada/ada.takes.glb"}
    sound(drop / "0.wav", 0.5, seed=9)  # one line of ada's, in German
    call(drop, "out")
    assert [one["status"] for one in summary(out)["takes"]] == ["done", "skipped", "skipped"]
    call(drop, "out", "--tolerance", "0.01")  # an option of the grouped file alone
    assert [one["status"] for one in summary(out)["takes"]] == ["done", "done", "done"]
    edited = out / "en/ada/ada.takes.glb"
    edited.write_bytes(edited.read_bytes() + b"by hand")
    call(drop, "out", "--tolerance", "0.02")
    assert [one["status"] for one in summary(out)["takes"]] == ["done", "done", "kept"] and edited.read_bytes().endswith(b"by hand")
    call(drop, "out", "--tolerance", "0.02", "--overwrite-edits")
    assert [one["status"] for one in summary(out)["takes"]] == ["skipped", "skipped", "done"]


def test_a_shard_leaves_the_files_to_the_run_of_the_whole(drop: Path) -> None:
    for part in ("1/2", "2/2"):
        call(drop, "parts", "--shard", part)
    assert not [name for name in tree(drop / "parts") if name.endswith(".glb")]
    call(drop, "parts")
    call(drop, "whole")
    assert tree(drop / "parts") == tree(drop / "whole")


@pytest.mark.slow
def test_a_character_of_many_lines_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gltf_takes, "_IN_MEMORY", 1 << 20)
    mesh, clip = small_mesh(), FaceClip(ARKIT_52, np.random.default_rng(0).uniform(0, 1, (900, 52)).astype(np.float32), 30)
    peaks = []
    for count in (20, 220):
        tracemalloc.start()
        gltf_takes.write_takes(((f"line {i}", clip) for i in range(count)), tmp_path / "x.glb", mesh=mesh)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 205 kB of curves a line, and some 2 kB of JSON, as objects and as text, that wait to be written before them.
    assert (tmp_path / "x.glb").stat().st_size > 220 * 200_000
    assert peaks[1] - peaks[0] < 200 * 20_000
