"""VRM Animation: clean by the Khronos validator, and read by pygltflib as the specification says."""

import struct
from fractions import Fraction

import numpy as np
import pygltflib
import pytest
from export_fixtures import fresh_seed, random_clip, run_node

from a2f_batch import ClipError, ExportError, FaceClip, export, read_clip
from a2f_batch.export import vrm
from a2f_batch.names import ARKIT_52

# The specification's own list of presets that may be animated.
PRESETS = {"happy", "angry", "sad", "relaxed", "surprised", "neutral", "aa", "ih", "ou", "ee", "oh", "blink", "blinkLeft", "blinkRight"}


def seen(path):
    """Expression -> its key times and weights, by the specification."""
    document = pygltflib.GLTF2().load_binary(str(path))
    extension = document.extensions["VRMC_vrm_animation"]
    assert document.extensionsUsed == ["VRMC_vrm_animation"] and extension["specVersion"] == "1.0"
    nodes = {entry["node"]: name for kind in extension["expressions"].values() for name, entry in kind.items()}
    curves = {}
    for channel in document.animations[0].channels:
        assert channel.target.path == "translation"
        sampler = document.animations[0].samplers[channel.sampler]
        times, moved = floats(document, sampler.input), floats(document, sampler.output).reshape(-1, 3)
        assert (moved[:, 1:] == 0).all()
        curves[nodes[channel.target.node]] = times, moved[:, 0]
    assert len(curves) == len(nodes)
    return extension["expressions"], curves


def floats(document, index):
    accessor = document.accessors[index]
    view = document.bufferViews[accessor.bufferView]
    return np.frombuffer(document.binary_blob(), "<f4", view.byteLength // 4, view.byteOffset)


@pytest.mark.parametrize("perfect_sync", [False, True])
@pytest.mark.parametrize("n_frames", [1, 2, 90])
def test_the_khronos_validator_finds_no_error_and_no_warning(n_frames, perfect_sync, tmp_path):
    path = tmp_path / "line.vrma"
    vrm.write(random_clip(n_frames), path, perfect_sync=perfect_sync, tolerance=0.01)
    (report,) = run_node("validate.mjs", path)
    issues = report["issues"]
    assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"]


def test_speech_moves_the_mouth_presets_and_the_blinks(tmp_path):
    frames = 30
    values = np.zeros((frames, 52), np.float32)
    values[:, ARKIT_52.index("jawOpen")] = np.linspace(0, 1.5, frames)
    values[:, ARKIT_52.index("mouthClose")] = 0.25
    values[10:20, ARKIT_52.index("eyeBlinkLeft")] = 1
    path = tmp_path / "x.vrma"
    export(FaceClip(ARKIT_52, values, 30), path)
    expressions, curves = seen(path)
    assert set(expressions) == {"preset"} and set(expressions["preset"]) <= PRESETS
    assert {"aa", "ih", "ou", "ee", "oh", "blinkLeft", "blinkRight"} <= set(curves)
    assert not {"happy", "angry", "sad"} & set(curves)
    # The mouth's opening is jawOpen less mouthClose, within 0..1.
    np.testing.assert_allclose(curves["aa"][1], (np.linspace(0, 1.5, frames) - 0.25).clip(0, 1), atol=1e-6)
    assert curves["blinkLeft"][1].max() == 1 and curves["blinkRight"][1].max() == 0
    np.testing.assert_allclose(curves["aa"][0], np.arange(frames) / 30, atol=1e-6)


def test_perfect_sync_writes_the_52_as_custom_expressions(tmp_path):
    clip = random_clip(20, names=(*ARKIT_52, "HeadYaw"))
    vrm.write(clip, tmp_path / "x.vrma", perfect_sync=True)
    expressions, curves = seen(tmp_path / "x.vrma")
    assert set(expressions) == {"custom"} and tuple(curves) == ARKIT_52
    for name, (_, weights) in curves.items():
        np.testing.assert_array_equal(weights, clip[name].clip(0, 1))


@pytest.mark.parametrize("fps", [24, Fraction(30000, 1001), 60])
def test_a_reduced_file_reads_back_within_the_tolerance(fps, tmp_path):
    rng = np.random.default_rng(fresh_seed())
    values = np.sin(np.arange(200)[:, None] / 9 + rng.uniform(0, 6, 52)).clip(0, 1)
    clip = FaceClip(ARKIT_52, values.astype(np.float32), Fraction(fps), Fraction(1, 3))
    count = vrm.write(clip, tmp_path / "x.vrma", perfect_sync=True, tolerance=0.005)
    assert count.before == 200 * 52 and count.after < count.before / 2
    back = read_clip(tmp_path / "x.vrma")
    assert (back.names, back.fps, back.start, back.n_frames) == (ARKIT_52, clip.fps, clip.start, 200)
    np.testing.assert_allclose(back.values, clip.values, rtol=0, atol=0.005 + 1e-6)


def test_the_same_clip_gives_the_same_bytes(tmp_path):
    contents = []
    for _ in range(2):
        export(random_clip(10, seed=4), tmp_path / "x.vrma")
        contents.append((tmp_path / "x.vrma").read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize(("clip", "options", "code"), [
    (random_clip(3, names=("wiggleEars",), seed=1), {}, "nothing-matched"),
    (random_clip(3, names=("jawOpen", "aa"), seed=1), {"perfect_sync": True}, "channel-name"),
    (random_clip(3, start=-1, seed=1), {}, "time-out-of-range"),
])
def test_what_a_vrm_has_no_expression_for_is_refused(clip, options, code, tmp_path):
    with pytest.raises(ExportError) as caught:
        vrm.write(clip, tmp_path / "x.vrma", **options)
    assert caught.value.code == code
    assert not list(tmp_path.iterdir())


def test_what_is_no_vrm_animation_is_refused(tmp_path):
    path = tmp_path / "x.vrma"
    vrm.write(random_clip(5), path)
    whole = path.read_bytes()
    size = struct.unpack_from("<I", whole, 12)[0]
    for content in (b"", b"RIFFxxxx", whole[:40], whole[:20 + size], whole.replace(b'"VRMC_vrm_animation"', b'"VRMC_other_thing__"')):
        path.write_bytes(content)
        with pytest.raises(ClipError) as caught:
            vrm.read(path)
        assert caught.value.code == "clip-format"
    with pytest.raises(ClipError) as caught:
        vrm.read(tmp_path / "none.vrma")
    assert caught.value.code == "clip-unreadable"
