"""`a2f-batch convert`, run as people run it."""

import sys
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner

from a2f_batch import FaceClip, export, read_clip
from a2f_batch.cli import main
from a2f_batch.names import ARKIT_52


def converted(*arguments):
    return CliRunner().invoke(main, ["convert", *map(str, arguments)])


@pytest.fixture
def clip():
    rng = np.random.default_rng(20)
    return FaceClip(ARKIT_52, np.sin(np.arange(60)[:, None] / 10 + rng.uniform(0, 6, 52)).clip(0, 1).astype(np.float32), Fraction(24))


def test_a_csv_edited_by_hand_goes_into_any_format(clip, tmp_path):
    export(clip, tmp_path / "line.csv")
    header, *rows = (tmp_path / "line.csv").read_text().splitlines()
    column = header.split(",").index("JawOpen")
    edited = [",".join("0.5" if i == column else cell for i, cell in enumerate(row.split(","))) for row in rows]
    (tmp_path / "line.csv").write_text("\n".join([header, *edited, ""]))
    for suffix in (".npz", ".plain.csv", ".long.csv", ".anim", ".fbx", ".glb"):
        done = converted(tmp_path / "line.csv", tmp_path / f"out{suffix}")
        assert done.exit_code == 0, done.output
        assert "60 frames at 24 fps" in done.output
        back = read_clip(tmp_path / f"out{suffix}")
        assert back.fps == 24
        np.testing.assert_allclose(back["jawOpen"], 0.5, atol=1e-4)
        np.testing.assert_allclose(back["mouthClose"], clip["mouthClose"], atol=1e-4)


def test_a_clip_is_resampled_and_its_keys_reduced(clip, tmp_path):
    export(clip, tmp_path / "line.npz")
    done = converted(tmp_path / "line.npz", tmp_path / "line.anim", "--fps", "60", "--tolerance", "0.01")
    assert done.exit_code == 0, done.output
    assert "150 frames at 60 fps" in done.output and "of 7800 keys" in done.output
    np.testing.assert_allclose(read_clip(tmp_path / "line.anim").values, clip.resample(60).values, atol=0.01001)


def test_a_format_can_be_named(clip, tmp_path):
    export(clip, tmp_path / "line.npz")
    assert converted(tmp_path / "line.npz", tmp_path / "table.txt", "--to", "csv-long").exit_code == 0
    assert converted(tmp_path / "table.txt", tmp_path / "again.npz", "--from", "csv-long").exit_code == 0
    np.testing.assert_array_equal(read_clip(tmp_path / "again.npz").values, clip.values)


@pytest.mark.parametrize(("source", "out", "code"), [
    ("none.npz", "x.csv", "clip-unreadable"), ("line.npz", "x.docx", "format-unknown"), ("line.docx", "x.csv", "format-unknown"),
])
def test_what_can_not_be_converted_is_told_with_code_2(source, out, code, clip, tmp_path):
    export(clip, tmp_path / "line.npz")
    done = converted(tmp_path / source, tmp_path / out)
    assert done.exit_code == 2
    assert f"[{code}]" in done.output and "Traceback" not in done.output
    assert not (tmp_path / out).exists()


def test_help_names_the_command():
    assert "convert" in CliRunner().invoke(main, ["--help"]).output
    assert "a2f_batch.cli.convert" not in sys.modules or converted("--help").exit_code == 0


@pytest.mark.parametrize(("out", "options", "told"), [
    ("x.glb", ["--audio", "embed"], "[audio-missing]"),
    ("x.csv", ["--timecode-start", "1:0:0"], "Give HH:MM:SS:FF"),
    ("x.csv", ["--timecode-start", "24:00:00:00"], "Give HH:MM:SS:FF"),
    ("x.csv", ["--timecode-start", "01:00:00:24"], "FF below 24"),
])
def test_what_can_not_be_honoured_is_refused_and_nothing_is_written(out, options, told, clip, tmp_path):
    export(clip, tmp_path / "line.npz")
    done = converted(tmp_path / "line.npz", tmp_path / out, *options)
    assert done.exit_code == 2 and told in done.output
    assert not (tmp_path / out).exists()
