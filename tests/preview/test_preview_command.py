"""`a2f-batch preview` on rendered folders: what is shown is what was exported, and what can't be shown is told."""

import json
import shutil
import sys

import imageio_ffmpeg
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from a2f_batch import read_clip
from a2f_batch.batch.lines import rows
from a2f_batch.cli import main
from a2f_batch.preview import choose
from a2f_batch.preview.moments import moments
from a2f_batch.preview.show import Stage
from a2f_batch.preview.take import read_take
from tests.batch import batch_fixtures as drops

WIDTH, HEIGHT = 320, 180


def call(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="module")
def drop(tmp_path_factory):
    """A drop rendered with the embedded network: two good lines of one ID in two languages, another, and a bad one."""
    folder = tmp_path_factory.mktemp("drop")
    for name in ("gate_halt.en-US.wav", "gate_pass.es-ES.flac"):
        shutil.copy(drops.ROOT / "manifests/audio" / name, folder / name)
    drops.manifest(folder / "m.csv", [
        {"id": "halt", "audio": "gate_halt.en-US.wav", "locale": "en", "text": "Stop right there!"},
        {"id": "halt", "audio": "gate_pass.es-ES.flac"},
        {"id": "pass", "audio": "gate_pass.es-ES.flac"}, {"id": "bad", "audio": "none.wav"}], (*drops.COLUMNS, "text"))
    done = drops.a2f_batch("render", folder / "m.csv", "--out", folder / "out", "--formats", "npz,csv,glb", "--fps", "12", "--workers", "0")
    assert done.returncode == 1, done.stderr
    return folder


@pytest.fixture(scope="module")
def filmed(drop):
    done = call("preview", drop / "out", "--line", "en/ada/halt", "--size", f"{WIDTH}x{HEIGHT}")
    assert done.exit_code == 0, done.output
    return drop / "out/preview/en/ada/halt.mp4"


def frames(path):
    reader = imageio_ffmpeg.read_frames(str(path))
    facts = next(reader)
    return facts, np.stack([np.frombuffer(frame, np.uint8).reshape(HEIGHT, WIDTH, 3) for frame in reader])


def test_every_frame_of_the_film_is_the_exported_frame_on_the_head(drop, filmed):
    facts, film = frames(filmed)
    clip = read_clip(drop / "out/en/ada/halt.npz")
    assert (facts["fps"], len(film), facts["audio_codec"]) == (12, clip.n_frames, "aac")
    line, = choose.named(drop / "out", ["en/ada/halt"])
    take = read_take(line, drop / "out")
    width = WIDTH - 160
    stage = Stage(width, HEIGHT)
    mouths = slice(HEIGHT // 2, HEIGHT * 7 // 8, 2), slice(width // 4, width * 3 // 4, 2)
    poses = np.stack([stage.shoot(take, i)[mouths].astype(float) for i in range(clip.n_frames)])
    seen = film[:, :, :width][:, *mouths].astype(float)
    apart = np.abs(seen[:, None] - poses[None]).mean(axis=(2, 3, 4))  # film frame x clip frame, in levels of 255
    assert apart.diagonal().max() < 4  # what H.264 loses
    alike = np.abs(poses[:, None] - poses[None]).mean(axis=(2, 3, 4))
    alone = np.flatnonzero((alike + 99 * np.eye(len(alike))).min(axis=1) > 1.5)  # poses that no other frame has
    assert len(alone) > 10
    assert [int(np.argmin(apart[i])) for i in alone] == alone.tolist()


def test_the_mouth_that_is_shown_opens_with_the_clips_jaw(drop):
    line, = choose.named(drop / "out", ["en/ada/halt"])
    take, stage = read_take(line, drop / "out"), Stage(160, 180)
    jaw = take.clip["jawOpen"]
    rest, wide = stage.shoot(take, int(np.argmin(jaw))).copy(), stage.shoot(take, int(np.argmax(jaw))).copy()
    changed = np.abs(rest.astype(int) - wide).max(axis=2) > 25
    assert changed[90:].sum() > 5 * changed[:60].sum()


def test_the_play_head_runs_over_the_time_line_as_the_sound_does(filmed):
    _, film = frames(filmed)
    strip = film[:, 60:70, 160:].min(axis=3).mean(axis=1)  # in the waveform: only the play head is white over its whole height
    at = strip.argmax(axis=1)
    assert (np.diff(at.astype(int)) >= 0).all() and at[0] < 12 and at[-1] > 135


def test_the_clip_of_another_format_can_be_shown(drop):
    line, = choose.named(drop / "out", ["en/ada/halt"])
    assert read_take(line, drop / "out").source.suffix == ".npz"
    assert read_take(line, drop / "out", format_name="csv").source.suffix == ".csv"
    assert read_take(line, drop / "out", fps=24).clip.fps == 24


def test_the_worst_lines_come_in_order_of_their_score_and_on_one_sheet(drop, tmp_path):
    expected = sorted((line for line in rows(drop / "out") if line.qc), key=lambda line: -line.qc.score)
    assert [line.name for line in choose.worst(drop / "out", 2)] == [line.name for line in expected[:2]]
    done = call("preview", drop / "out", "--worst", "20", "--sheet", "--no-video", "--to", tmp_path)
    assert done.exit_code == 0, done.output
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    assert sheet.shape == (72 + 2 * 346, 2 * 776 + 16, 3)
    assert sheet[72 + 52 + 40:72 + 52 + 120, 40:180].std() > 20  # a face on the first card
    assert not list(tmp_path.rglob("*.mp4"))


def test_a_sheet_shows_the_flagged_moments_and_then_what_mouths_are_judged_by(drop):
    from a2f_batch.qc import Flag

    clip = read_clip(drop / "out/en/ada/halt.npz")
    found = moments(clip, (Flag("jitter", "It trembles.", 1.0, 1.5), Flag("noisy", "It is noisy.")), 4)
    assert [one.frame for one in found] == sorted({one.frame for one in found}) and len(found) == 4
    flagged, = (one for one in found if one.flagged)
    assert (flagged.frame, flagged.label) == (15, "jitter")
    widest, = (one for one in found if one.label == "widest")
    opening = clip["jawOpen"] - clip["mouthClose"]
    assert opening[widest.frame] >= opening.max() - 1e-6


@pytest.mark.parametrize(("name", "code", "said"), [
    ("en/ada/hald", "line-unknown", "Did you mean en/ada/halt"), ("halt", "line-ambiguous", "de/ada/halt, en/ada/halt"),
    ("fr/*", "line-unknown", "There are 4"), ("de/ada/bad", "line-not-rendered", "audio-missing")])
def test_a_name_that_is_no_line_to_show_is_told(drop, name, code, said):
    done = call("preview", drop / "out", "--line", name)
    assert done.exit_code == 2 and f"[{code}]" in done.output and said in done.output, done.output


def test_an_id_that_one_line_has_and_patterns_are_names_too(drop):
    assert [line.name for line in choose.named(drop / "out", ["PASS"])] == ["de/ada/pass"]
    assert [line.name for line in choose.named(drop / "out", ["*/halt", "de"])] == ["de/ada/halt", "de/ada/pass", "en/ada/halt"]


def test_a_line_without_its_sound_is_told_and_can_be_shown_mute(drop, tmp_path):
    shutil.copytree(drop / "out", tmp_path / "out", ignore=shutil.ignore_patterns("preview"))
    sound = drop / "gate_halt.en-US.wav"
    sound.rename(drop / "away.wav")
    try:
        done = call("preview", tmp_path / "out", "--line", "en/ada/halt", "--size", "160x160")
        assert done.exit_code == 1 and "[audio-missing]" in done.output and "--mute" in done.output
        assert not list((tmp_path / "out/preview").rglob("*.mp4"))
        done = call("preview", tmp_path / "out", "--line", "en/ada/halt", "--size", "160x160", "--mute", "--fps", "4",
                    "--to", tmp_path / "x.mp4")
        assert done.exit_code == 0, done.output
        assert "audio_codec" not in next(imageio_ffmpeg.read_frames(str(tmp_path / "x.mp4")))
    finally:
        (drop / "away.wav").rename(sound)


@pytest.mark.parametrize("module", ["av", "numba", "matplotlib.figure"])
def test_a_missing_package_of_the_extra_is_told(drop, tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "a2f_batch.preview.raster", raising=False)
    done = call("preview", drop / "out", "--line", "en/ada/halt", "--size", "160x160", "--to", tmp_path)
    assert done.exit_code == 2 and "[preview-missing]" in done.output and "a2f-batch[preview]" in done.output, done.output


@pytest.mark.parametrize("options", [(), ("--line", "x", "--worst", "3"), ("--worst", "1", "--no-video"), ("--worst", "2", "--to", "x.mp4"),
                                     ("--worst", "1", "--size", "961x540"), ("--worst", "1", "--size", "9e9x2")])
def test_a_call_that_makes_no_sense_is_refused(drop, options):
    done = call("preview", drop / "out", *options)
    assert done.exit_code == 2 and "[preview-" in done.output, done.output


def test_a_character_is_shown_with_its_own_meshes_and_those_that_do_not_move(drop, tmp_path):
    import pygltflib

    source = pygltflib.GLTF2().load(str(drop / "out/de/ada/pass.glb"))
    source.asset.generator, source.animations = "another tool", []
    still = next(i for i, mesh in enumerate(source.meshes) if not mesh.primitives[0].targets)
    source.nodes.append(pygltflib.Node(mesh=still, name="badge", translation=[0, -1, 0]))
    source.scenes[0].nodes.append(len(source.nodes) - 1)
    source.save_binary(str(tmp_path / "guard.glb"))
    drops.manifest(tmp_path / "m.csv", [{"id": "one", "audio": "gate_halt.en-US.wav"}])
    done = drops.a2f_batch("render", tmp_path / "m.csv", "--audio-root", drop, "--out", tmp_path / "out", "--formats", "npz,glb",
                           "--fps", "12", "--workers", "0", "--character", tmp_path / "guard.glb")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out/summary.json").read_text())["parameters"]["export"]["character"]
    line, = choose.named(tmp_path / "out", ["one"])
    take = read_take(line, tmp_path / "out")
    ours = read_take(choose.named(drop / "out", ["en/ada/halt"])[0], drop / "out")
    assert len(take.actor.vertices) > len(ours.actor.vertices) and take.actor.both_sides
    assert take.actor.vertices[:, 1].min() < -1
    frame = int(np.argmax(take.clip["jawOpen"]))
    low = take.pose(frame)[0][:, 1] - take.actor.vertices[:, 1]
    assert low.min() < -0.003  # the jaw went down, on its own mesh
