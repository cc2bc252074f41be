"""A rendered batch folder on a head in Blender."""

import numpy as np
import pytest
from blender_host import MESHES, TOLERANCE
from click.testing import CliRunner

from a2f_batch.cli import main
from a2f_batch.dcc.fit import fit
from a2f_batch.export import read_clip


@pytest.fixture(scope="module")
def batch(line, tmp_path_factory):
    """A rendered folder of three lines, of which one failed."""


    folder = tmp_path_factory.mktemp("batch")
    (folder / "audio").mkdir()
    for name in ("one", "two"):
        (folder / "audio" / f"{name}.wav").write_bytes(line.read_bytes())
    (folder / "audio" / "bad.wav").write_bytes(b"RIFF")
    (folder / "lines.csv").write_text("id,character,locale,audio\n" + "".join(
        f"{name},hero,en-US,audio/{name}.wav\n" for name in ("one", "bad", "two")))
    done = CliRunner().invoke(main, ["render", str(folder / "lines.csv"), "--out", str(folder / "out"), "--formats", "npz", "--fps", "30",
                                     "--workers", "0", "--keep-going"])
    assert (folder / "out" / "summary.json").is_file(), done.output
    return folder


def test_a_rendered_folder_becomes_actions_with_sound_strips_one_line_after_another(blender, batch):
    before = blender.state()
    blender.push()
    assert blender.operator("a2f.import_folder", directory=str(batch / "out")) == ["FINISHED"]
    reports = blender.reports
    assert "2 lines imported" in reports and "Not imported: en-US/hero/bad" in reports
    strips = blender.strips()
    of_head = [strip for strip in strips if strip["owner"] == "Key"]
    # 30 frames at 30 a second are 24 of the scene; the last key is at 1 + 29 * 24 / 30.
    assert [strip["strip"] for strip in of_head] == ["en-US/hero/one", "en-US/hero/two"]
    assert of_head[0]["frames"] == pytest.approx([1, 24.2], abs=1e-4) and of_head[1]["frames"] == pytest.approx([37, 60.2], abs=1e-4)
    assert {strip["track"] for strip in strips} == {"a2f_batch"}
    if blender.plays_sound():
        assert sorted(blender.timeline()) == [["en-US/hero/one", 1, 1, "one.wav"], ["en-US/hero/two", 1, 37, "two.wav"]]
    else:
        assert "Blender can't play the sounds of en-US/hero/one, en-US/hero/two" in reports
    face = fit(read_clip(batch / "out/en-US/hero/two.npz", format="npz"), list(MESHES.values()))
    for mesh, curves in zip(MESHES, face.meshes, strict=True):
        strip = next(strip for strip in strips if strip["strip"].endswith("two") and strip["owner"] == {
            "Head": "Key", "Teeth": "Key.001", "Lashes": "Key.002"}[mesh])
        for target, values in zip(curves.targets, curves.values.T, strict=True):
            np.testing.assert_allclose([y for _, y in blender.strip_keys(f"Hero {mesh}", strip["action"])[target]], values, atol=TOLERANCE)
    once = blender.state()
    assert blender.operator("a2f.import_folder", directory=str(batch / "out")) == ["FINISHED"]
    assert blender.state() == once and len(blender.timeline()) == (2 if blender.plays_sound() else 0)
    blender.undo()
    blender.undo()
    assert blender.state() == before and blender.timeline() == []


def test_a_folder_that_no_batch_rendered_is_told(blender, tmp_path):
    said = blender.operator("a2f.import_folder", directory=str(tmp_path))
    assert "summary.json" in said and "Choose the folder that was given to --out" in said
    assert blender.state()["actions"] == []
