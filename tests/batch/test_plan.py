"""The plan: what a second run does again, and why; each reason by doing the real thing to a real folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pygltflib
import pytest
from click.testing import CliRunner, Result

from a2f_batch.batch.plan import Selection, changed_parts
from a2f_batch.cli import main
from tests.batch.batch_fixtures import COLUMNS, engine, manifest, sound, summary, tree
from tests.engines import tiny_onnx

FORMATS = "npz,csv"


PROJECT = """
[profile.loud]
extends = "default"
override.gain.mouth = 1.5
[character.bob]
profile = "loud"
"""


@pytest.fixture
def drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three lines of two characters, a project file and a tiny network; rendered once into out."""
    for i in range(3):
        sound(tmp_path / f"{i}.wav", 0.3 + 0.1 * i, seed=i)
        os.utime(tmp_path / f"{i}.wav", (time.time() - 60 - i,) * 2)  # old enough for its hash to be remembered
    engine(tmp_path)
    write_manifest(tmp_path)
    (tmp_path / "a2f.toml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    assert render(tmp_path).exit_code == 0
    return tmp_path


def write_manifest(drop: Path, *changes: dict[str, str]) -> None:
    """Write m.csv: lines 0 and 1 of ada, 2 of bob, each with its `changes`."""
    rows = [{"audio": "0.wav"}, {"audio": "1.wav"}, {"audio": "2.wav", "character": "bob"}]
    manifest(drop / "m.csv", [{**row, **change} for row, change in zip(rows, [*changes, {}, {}, {}][:3], strict=True)],
             (*COLUMNS, "fps", "emotion", "seed", "style", "profile", "text"))


def render(drop: Path, *arguments: str, formats: str = FORMATS) -> Result:
    result = CliRunner().invoke(main, ["render", "--no-report", str(drop / "m.csv"), "--out", str(drop / "out"), "--engine",
                                       str(drop / "tiny.json"),
                                       "--formats", formats, "--workers", "0", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def stamps(drop: Path) -> dict[str, tuple[int, int]]:
    """Return (inode, time) of every output: both are new when a file is written."""
    paths = (drop / "out" / name for name in tree(drop / "out"))
    return {path.relative_to(drop / "out").as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def fates(drop: Path) -> list[tuple[str, list[str]]]:
    return [(entry["status"], entry.get("reasons", [])) for entry in summary(drop / "out")["lines"]]


def rendered_again(drop: Path, *arguments: str, formats: str = FORMATS) -> set[str]:
    """Render, and return the files that were written."""
    before = stamps(drop)
    result = render(drop, *arguments, formats=formats)
    assert result.exit_code == 0, result.output
    return {name for name, stamp in stamps(drop).items() if before.get(name) != stamp}


def files(*lines: int, suffixes: tuple[str, ...] = (".npz", ".csv")) -> set[str]:
    return {f"de/{'bob' if line == 2 else 'ada'}/line{line}{suffix}" for line in lines for suffix in suffixes}


SKIPPED = ("skipped", [])


def test_what_is_done_is_not_done_again_and_is_told_with_its_figures(drop: Path) -> None:
    first = summary(drop / "out")["lines"]
    assert rendered_again(drop) == set()
    second = summary(drop / "out")
    assert fates(drop) == [SKIPPED] * 3
    assert (second["totals"]["skipped"], second["totals"]["done"]) == (3, 0)
    for was, now in zip(first, second["lines"], strict=True):
        assert {name: now[name] for name in ("frames", "outputs", "seed", "source", "warnings")} == {
            name: was[name] for name in ("frames", "outputs", "seed", "source", "warnings")}


def test_nothing_to_do_loads_neither_engine_nor_dask(drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(*arguments: object, **options: object) -> None:
        raise AssertionError("the engine was loaded")

    monkeypatch.setattr("a2f_batch.batch.engine_choice.load_engine", loaded)
    monkeypatch.setattr("a2f_batch.batch.cluster.local_client", loaded)
    result = render(drop, "--workers", "2")
    assert (result.exit_code, "up to date" in result.output) == (0, True), result.output


def new_sound(drop: Path) -> None:
    sound(drop / "1.wav", 0.4, seed=9)


def same_length_sound(drop: Path) -> None:
    content = bytearray((drop / "1.wav").read_bytes())
    content[-2] ^= 1
    (drop / "1.wav").write_bytes(content)


def other_weights(drop: Path) -> None:
    tiny_onnx.save(tiny_onnx.network(factor=0.5), drop / "tiny.onnx")


def other_description(drop: Path) -> None:
    content = json.loads((drop / "tiny.json").read_text())
    (drop / "tiny.json").write_text(json.dumps({**content, "name": "tiny, renamed"}))  # npz files name the weights


def other_profile(drop: Path) -> None:
    (drop / "a2f.toml").write_text((drop / "a2f.toml").read_text().replace("1.5", "1.2"))


def no_change(drop: Path) -> None:
    """Leave everything."""


CHANGES: list[tuple[str, Callable[[Path], None], list[str], dict[int, list[str]]]] = [
    ("sound", new_sound, [], {1: ["audio changed"]}),
    ("one sample", same_length_sound, [], {1: ["audio changed"]}),
    ("profile in a2f.toml", other_profile, [], {2: ["profile changed"]}),
    ("run's profile", no_change, ["--profile", "raw"], {0: ["profile changed"], 1: ["profile changed"]}),
    ("fps", no_change, ["--fps", "25"], {i: ["fps changed"] for i in range(3)}),
    ("seed", no_change, ["--seed", "1"], {i: ["seed changed"] for i in range(3)}),
    ("channel", no_change, ["--channel", "left"], {i: ["channel changed"] for i in range(3)}),
    ("weights", other_weights, [], {i: ["weights changed"] for i in range(3)}),
    ("description", other_description, [], {i: ["engine description changed"] for i in range(3)}),
    ("a row's fps", lambda drop: write_manifest(drop, {}, {"fps": "24"}), [], {1: ["fps changed"]}),
    ("a row's emotion", lambda drop: write_manifest(drop, {"emotion": "joy:0.5"}), [], {0: ["emotion changed"]}),
    ("a row's seed and profile", lambda drop: write_manifest(drop, {"seed": "5", "profile": "raw"}), [],
     {0: ["seed changed", "profile changed"]}),
    ("forced", no_change, ["--force"], {i: ["forced"] for i in range(3)}),
    ("forced for one", no_change, ["--force", "--only", "*/bob"], {2: ["forced"]}),
]


@pytest.mark.parametrize(("change", "arguments", "expected"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_what_changed_is_rendered_again_and_the_reason_is_told(drop: Path, change: Callable[[Path], None], arguments: list[str],
                                                               expected: dict[int, list[str]]) -> None:
    change(drop)
    planned = render(drop, "--dry-run", *arguments)
    before = stamps(drop)
    assert rendered_again(drop, *arguments) == files(*expected)
    got = fates(drop)
    assert {i: reasons for i, (status, reasons) in enumerate(got) if status == "done"} == expected
    assert {status for status, _ in got} <= {"done", "skipped", "not-selected"}
    # The dry run said so, and wrote nothing.
    assert planned.exit_code == 0
    for i, reasons in expected.items():
        assert f"render de/{'bob' if i == 2 else 'ada'}/line{i} (npz, csv): {', '.join(reasons)}\n" in planned.output
    assert planned.output.count("render ") == len(expected)
    assert before == {**stamps(drop), **{name: before[name] for name in files(*expected)}}
    again = [] if "--force" in arguments else arguments
    assert rendered_again(drop, *again) == set()


@pytest.mark.parametrize("row", [{"text": "other words"}, {"id": "line0"}], ids=["text", "nothing"])
def test_a_column_that_changes_no_byte_renders_nothing(drop: Path, row: dict[str, str]) -> None:
    write_manifest(drop, row)
    assert rendered_again(drop) == set()


def test_a_new_time_alone_renders_nothing_again(drop: Path) -> None:
    for path in (drop / "0.wav", drop / "tiny.onnx", drop / "tiny.json", drop / "a2f.toml", drop / "out/de/ada/line0.npz"):
        os.utime(path, (1, 1))
    before = stamps(drop)
    assert render(drop).exit_code == 0
    assert stamps(drop) == before
    assert fates(drop) == [SKIPPED] * 3


def test_a_copied_folder_is_still_up_to_date(drop: Path) -> None:
    for name in tree(drop / "out"):
        path = drop / "out" / name
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    assert rendered_again(drop) == set()


def test_rows_may_move_in_the_manifest(drop: Path) -> None:
    lines = (drop / "m.csv").read_text().splitlines()
    (drop / "m.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    assert rendered_again(drop) == set()
    assert [entry["line"] for entry in summary(drop / "out")["lines"]] == [2, 3, 4]
    assert [entry["id"] for entry in summary(drop / "out")["lines"]] == ["line2", "line1", "line0"]


def test_a_deleted_file_is_made_again_alone_and_the_same(drop: Path) -> None:
    before = tree(drop / "out")
    (drop / "out/de/ada/line1.csv").unlink()
    assert rendered_again(drop) == {"de/ada/line1.csv"}
    assert fates(drop) == [SKIPPED, ("done", ["output missing"]), SKIPPED]
    assert tree(drop / "out") == before


def test_a_file_edited_by_hand_stays_whatever_changes_until_it_may_be_overwritten(drop: Path) -> None:
    before = tree(drop / "out")
    edited = drop / "out/de/ada/line1.csv"
    edited.write_bytes(edited.read_bytes() + b"\n")
    assert rendered_again(drop) == set()
    assert fates(drop)[1] == ("kept", ["output edited by hand"])
    result = render(drop)
    assert "1 file edited by hand: kept" in result.output
    assert summary(drop / "out")["lines"][1]["kept"] == ["csv"]
    assert rendered_again(drop, "--fps", "25", "--force") == files(0, 1, 2) - {"de/ada/line1.csv"}
    assert rendered_again(drop) == files(0, 1, 2) - {"de/ada/line1.csv"}
    assert rendered_again(drop, "--overwrite-edits") == {"de/ada/line1.csv"}
    assert tree(drop / "out") == before
    assert rendered_again(drop) == set()


def test_a_file_edited_by_hand_outlives_the_failure_of_its_line(drop: Path) -> None:
    edited = drop / "out/de/ada/line1.csv"
    edited.write_bytes(b"mine")
    (drop / "1.wav").write_bytes(b"no sound")
    assert render(drop).exit_code == 1
    assert set(tree(drop / "out")) == files(0, 2) | {"de/ada/line1.csv"}
    assert edited.read_bytes() == b"mine"
    sound(drop / "1.wav", 0.4, seed=1)
    assert rendered_again(drop) == {"de/ada/line1.npz"}
    assert edited.read_bytes() == b"mine"


def test_verify_finds_an_edit_of_the_same_size_and_time(drop: Path) -> None:
    edited = drop / "out/de/ada/line0.npz"
    stamp = edited.stat()
    content = bytearray(edited.read_bytes())
    content[-1] ^= 1
    edited.write_bytes(content)
    os.utime(edited, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert render(drop).exit_code == 0
    assert fates(drop)[0] == SKIPPED
    assert render(drop, "--verify").exit_code == 0
    assert fates(drop)[0] == ("kept", ["output edited by hand"])


def test_a_further_format_is_written_alone_and_one_that_is_not_asked_for_any_more_is_told_of(drop: Path) -> None:
    assert rendered_again(drop, formats="npz,csv,anim") == files(0, 1, 2, suffixes=(".anim",))
    assert fates(drop) == [("done", ["format added"])] * 3
    result = render(drop, formats="npz,csv")
    assert "3 files of an earlier run" in result.output
    assert [entry["older_files"] for entry in summary(drop / "out")["lines"]] == [[name] for name in sorted(
        files(0, 1, 2, suffixes=(".anim",)))]
    assert rendered_again(drop, formats="npz,csv,anim") == set()


def test_an_option_renders_only_the_formats_that_take_it(drop: Path) -> None:
    render(drop, formats="npz,csv,anim")
    assert rendered_again(drop, "--tolerance", "0.01", formats="npz,csv,anim") == files(0, 1, 2, suffixes=(".anim",))
    assert fates(drop) == [("done", ["option tolerance changed"])] * 3
    assert rendered_again(drop, "--timecode-start", "01:00:00:00") == files(0, 1, 2, suffixes=(".csv",))
    assert fates(drop) == [("done", ["option timecode_start changed"])] * 3


def write_character(path: Path, name: str = "jawOpen") -> None:
    """Write a triangle with one morph target as a .glb."""
    points = np.zeros((6, 3), np.float32)
    points[1:3] = np.eye(3, dtype=np.float32)[:2]
    points[3:] = 0.1
    attributes = pygltflib.Attributes(POSITION=0)
    primitive = pygltflib.Primitive(attributes=attributes, targets=[{"POSITION": 1}])
    views = [pygltflib.BufferView(buffer=0, byteOffset=start, byteLength=36) for start in (0, 36)]
    accessors = [pygltflib.Accessor(bufferView=i, componentType=5126, count=3, type="VEC3", min=points[3 * i:3 * i + 3].min(0).tolist(),
                                    max=points[3 * i:3 * i + 3].max(0).tolist()) for i in range(2)]
    document = pygltflib.GLTF2(scene=0, scenes=[pygltflib.Scene(nodes=[0])], nodes=[pygltflib.Node(mesh=0)],
                               meshes=[pygltflib.Mesh(primitives=[primitive], extras={"targetNames": [name]})],
                               buffers=[pygltflib.Buffer(byteLength=72)], bufferViews=views, accessors=accessors)
    document.set_binary_blob(points.tobytes())
    document.save_binary(path)


def test_a_changed_character_or_map_renders_the_files_that_carry_it(drop: Path) -> None:
    write_character(drop / "guard.glb")
    (drop / "map.json").write_text('{"jawOpen": "jawOpen"}')
    arguments = ("--character", str(drop / "guard.glb"), "--rig-map", str(drop / "map.json"))
    glbs = files(0, 1, 2, suffixes=(".glb",))
    assert rendered_again(drop, *arguments, formats="glb,csv") == glbs
    assert rendered_again(drop, *arguments, formats="glb,csv") == set()
    write_character(drop / "guard.glb", "jawLeft")
    (drop / "map.json").write_text('{"jawOpen": "jawLeft"}')
    assert rendered_again(drop, *arguments, formats="glb,csv") == glbs
    assert fates(drop) == [("done", ["character changed", "rig map changed"])] * 3


def test_a_linked_sound_that_moved_changes_the_link(drop: Path) -> None:
    assert rendered_again(drop, "--audio", "link", formats="glb") == files(0, 1, 2, suffixes=(".glb",))
    (drop / "moved").mkdir()
    (drop / "0.wav").rename(drop / "moved/0.wav")
    write_manifest(drop, {"audio": "moved/0.wav"})
    assert rendered_again(drop, "--audio", "link", formats="glb") == files(0, suffixes=(".glb",))
    assert fates(drop)[0] == ("done", ["audio's place changed"])
    assert rendered_again(drop, formats="npz,csv") == set()  # these do not name it


def test_a_failed_line_is_tried_again_and_a_retry_is_for_failed_lines_alone(drop: Path) -> None:
    (drop / "1.wav").write_bytes(b"no sound")
    assert render(drop).exit_code == 1
    assert set(tree(drop / "out")) == files(0, 2)
    (drop / "out/de/ada/line0.npz").unlink()
    sound(drop / "1.wav", 0.4, seed=1)
    assert rendered_again(drop, "--retry-failed") == files(1)
    assert fates(drop) == [("not-selected", []), ("done", ["failed before"]), ("not-selected", [])]
    assert rendered_again(drop, "--retry-failed") == set()
    assert rendered_again(drop) == {"de/ada/line0.npz"}


def test_a_line_that_left_the_manifest_is_told_of_and_its_files_stay(drop: Path) -> None:
    manifest(drop / "m.csv", [{"audio": "0.wav"}])
    result = render(drop)
    assert result.exit_code == 0
    assert "2 lines no longer in the manifest, such as de/ada/line1" in result.output
    assert summary(drop / "out")["removed"] == ["de/ada/line1", "de/bob/line2"]
    assert set(tree(drop / "out")) == files(0, 1, 2)
    assert "no longer in the manifest: de/bob/line2" in render(drop, "--dry-run").output


def test_the_lines_of_another_manifest_in_the_same_folder_are_none_of_this_ones_business(drop: Path) -> None:
    (drop / "other.csv").write_text("id,audio,character,locale\nline9,0.wav,ada,de\n")
    result = CliRunner().invoke(main, ["render", "--no-report", str(drop / "other.csv"), "--out", str(drop / "out"), "--engine",
                                       str(drop / "tiny.json"),
                                       "--formats", FORMATS, "--workers", "0"])
    assert result.exit_code == 0
    assert "no longer" not in result.output
    assert fates(drop) == [("done", ["new"])]
    assert rendered_again(drop) == set()


def test_only_some_lines_are_rendered_and_the_others_are_told_of(drop: Path) -> None:
    before = stamps(drop)
    assert rendered_again(drop, "--force", "--only", "de/ada/*0", "--only", "DE/BOB") == files(0, 2)
    assert fates(drop)[1] == ("not-selected", [])
    assert {name: stamp for name, stamp in stamps(drop).items() if "line1" in name} == {
        name: stamp for name, stamp in before.items() if "line1" in name}


@pytest.mark.parametrize(("pattern", "taken"), [("de", True), ("de/*", True), ("de/ada", True), ("*/ada/line?", True), ("*1", True),
                                                ("DE/Ada/LINE1", True), ("d", False), ("de/bob", False), ("ada", False)])
def test_a_pattern_takes_lines_and_all_below_a_folder(pattern: str, taken: bool) -> None:
    assert Selection(only=(pattern,)).takes("de/ada/line1") == taken


def test_a_dry_run_on_no_folder_makes_none_and_tells_of_wrong_rows(drop: Path) -> None:
    manifest(drop / "m.csv", [{"audio": "0.wav"}, {"audio": "gone.wav"}])
    result = render(drop, "--out", str(drop / "new"), "--dry-run")
    assert result.exit_code == 1
    assert "render de/ada/line0 (npz, csv): new" in result.output
    assert "[audio-missing]" in result.output
    assert not (drop / "new").exists()
    names = sorted(path.name for path in (drop / "out").iterdir())
    render(drop, "--dry-run")
    assert sorted(path.name for path in (drop / "out").iterdir()) == names


def test_a_row_that_was_wrong_for_a_while_finds_its_files_again(drop: Path) -> None:
    (drop / "1.wav").rename(drop / "away.wav")
    assert render(drop).exit_code == 1
    assert summary(drop / "out")["lines"][1]["older_files"] == ["de/ada/line1.csv", "de/ada/line1.npz"]
    (drop / "away.wav").rename(drop / "1.wav")
    assert rendered_again(drop) == set()
    assert fates(drop) == [SKIPPED] * 3


def test_reasons_are_named_by_what_differs() -> None:
    assert changed_parts('{"audio": "a", "fps": "30"}', '{"audio": "b", "fps": "30"}') == ["audio changed"]
    assert changed_parts('{"audio": "a"}', '{"audio": "a", "render": "2"}') == ["a2f-batch's rendering changed"]
