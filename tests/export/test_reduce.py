"""Reduced keys: the bound, checked by SciPy's own curves, and by the formats' independent readers."""

import json
from fractions import Fraction

import numpy as np
import pygltflib
import pytest
from export_fixtures import fresh_seed, random_clip, run_node, run_reader, small_mesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.interpolate import CubicHermiteSpline

from a2f_batch import ClipError, ExportError, FaceClip
from a2f_batch.export import fbx, gltf, maya_anim
from a2f_batch.export.reduce import KeyCount, evaluate, reduce_keys, slopes

MESH = small_mesh()
INTERPOLATIONS = ["linear", "cubic"]
WRITERS = {"glb": gltf, "fbx": fbx, "anim": maya_anim}
# Values, times and slopes are float32 in the files: the bound holds to their rounding.
ROUNDING = 2e-6

curves = arrays.arrays(np.float32, st.tuples(st.integers(1, 60), st.integers(1, 4)),
                       elements=st.one_of(st.sampled_from([0, 0.25, 1]), st.floats(-2, 2, width=32)))


def by_scipy(frames, values, tangents, n_frames):
    """Curves at every frame from their keys alone."""
    at = np.arange(n_frames)
    if len(frames) == 1:
        return np.repeat(values, n_frames, axis=0)
    if tangents is None:
        return np.stack([np.interp(at, frames, column) for column in values.T.astype(float)], axis=1)
    return CubicHermiteSpline(frames, values.astype(float), tangents.astype(float))(at)


def speech(n_frames=300, fps=30, names=("jawOpen", "mouthClose", "eyeBlinkLeft", "browInnerUp", "mouthFunnel", *MESH.targets[-5:])):
    """Curves like those of speech: smooth, some still, all at rest in the last fifth."""
    rng = np.random.default_rng(fresh_seed())
    time = np.arange(n_frames)[:, None] / float(fps)
    phase = rng.uniform(0, 6.28, len(names))
    values = np.clip(np.sin(time * rng.uniform(2, 12, len(names)) + phase), 0, 1) * (np.sin(time + phase) > -0.5) * (time < 0.8 * time[-1])
    values[:, -1] = 0.25
    return FaceClip(names, values.astype(np.float32), Fraction(fps))


@settings(deadline=None, max_examples=300)
@given(curves, st.sampled_from([0, 1e-4, 0.002, 0.05, 1]), st.sampled_from(INTERPOLATIONS))
def test_kept_keys_give_every_frame_within_the_tolerance(values, tolerance, interpolation):
    frames = reduce_keys(values, tolerance, interpolation)
    assert frames[0] == 0 and frames[-1] == len(values) - 1 and (np.diff(frames) > 0).all()
    tangents = slopes(values)[frames] if interpolation == "cubic" else None
    made = by_scipy(frames, values[frames], tangents, len(values))
    # SciPy multiplies in another order: some units in the last place of a double.
    assert np.abs(made - values).max() <= tolerance + 1e-13
    own = evaluate(frames, values[frames], len(values), None if tangents is None else (tangents, tangents))
    np.testing.assert_allclose(own, made, rtol=0, atol=1e-13)
    assert np.abs(own - values).max() <= tolerance


@settings(deadline=None, max_examples=100)
@given(curves, st.sampled_from(INTERPOLATIONS))
def test_each_channel_has_its_own_tolerance(values, interpolation):
    allowed = np.linspace(0.01, 0.5, values.shape[1])
    frames = reduce_keys(values, allowed, interpolation)
    tangents = slopes(values)[frames] if interpolation == "cubic" else None
    made = by_scipy(frames, values[frames], tangents, len(values))
    assert (np.abs(made - values).max(axis=0) <= allowed + 1e-13).all()


def test_what_needs_few_keys_gets_few():
    ramp = np.interp(np.arange(100), [0, 30, 70, 99], [0, 1, 0.25, 0.25]).astype(np.float32)[:, None]
    assert reduce_keys(ramp, 1e-6).tolist() == [0, 30, 70, 99]
    still = np.full((3600, 52), 0.3, np.float32)
    assert reduce_keys(still, 0).tolist() == [0, 3599]
    parabola = np.square(np.linspace(-1, 1, 201)).astype(np.float32)[:, None]
    assert len(reduce_keys(parabola, 1e-3, "cubic")) < len(reduce_keys(parabola, 1e-3)) / 3
    assert reduce_keys(parabola, None).tolist() == list(range(201))


@pytest.mark.parametrize(("options", "code"), [
    ({"tolerance": -0.1}, "tolerance"), ({"tolerance": float("nan")}, "tolerance"),
    ({"tolerance": None, "interpolation": "bouncy"}, "interpolation-unknown"),
])
@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_no_tolerance_or_interpolation_is_refused(options, code, suffix, tmp_path):
    with pytest.raises(ExportError) as caught:
        WRITERS[suffix].write(random_clip(5, seed=1, names=MESH.targets), tmp_path / f"x.{suffix}", **options)
    assert caught.value.code == code
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [30, Fraction(30000, 1001), 60])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_reduced_file_reads_back_as_the_clip_on_every_frame(suffix, interpolation, fps, tmp_path):
    options = {} if suffix == "anim" else {"mesh": MESH}
    for n_frames in (1, 2, 300):
        clip = speech(n_frames, fps)
        path = tmp_path / f"{n_frames}.{suffix}"
        count = WRITERS[suffix].write(clip, path, tolerance=0.002, interpolation=interpolation, **options)
        back = WRITERS[suffix].read(path)
        assert (back.fps, back.n_frames, back.start) == (clip.fps, n_frames, clip.start)
        assert np.abs(back.select(clip.names).values - clip.values).max() <= 0.002 + ROUNDING
        assert count.before == n_frames * (len(clip.names) if suffix == "anim" else len(MESH.targets))
        if n_frames == 300:
            assert count.after < count.before * (0.85 if suffix == "glb" else 0.5)
            plain = WRITERS[suffix].write(clip, tmp_path / f"plain.{suffix}", **options)
            assert plain == KeyCount(count.before, count.before)
            assert path.stat().st_size < (tmp_path / f"plain.{suffix}").stat().st_size * (2 if interpolation == "cubic" else 1)


@pytest.mark.parametrize("suffix", WRITERS)
def test_cubic_keys_on_every_frame_give_the_clip_itself(suffix, tmp_path):
    clip = random_clip(40, names=MESH.targets)
    WRITERS[suffix].write(clip, tmp_path / f"x.{suffix}", interpolation="cubic", **({} if suffix == "anim" else {"mesh": MESH}))
    np.testing.assert_allclose(WRITERS[suffix].read(tmp_path / f"x.{suffix}").values, clip.values, rtol=0, atol=ROUNDING)


def test_ufbx_evaluates_a_reduced_file_within_the_tolerance(tmp_path):
    clip = speech(200, 30)
    paths = [tmp_path / f"{interpolation}.fbx" for interpolation in INTERPOLATIONS]
    for path in paths:
        count = fbx.write(clip, path, mesh=MESH, tolerance=0.002, interpolation=path.stem)
        assert count.after < 0.5 * count.before
    run_reader("fbx_frames.py", tmp_path / "seen.json", "30", "200", *paths)
    for seen in json.loads((tmp_path / "seen.json").read_text()):
        for name in clip.names:
            # ufbx solves a cubic's time to some 1e-6.
            np.testing.assert_allclose(seen[name], clip[name], rtol=0, atol=0.002 + 2e-5)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_reduced_gltf_is_valid_and_its_samplers_give_the_clip(interpolation, tmp_path):
    clip = speech(300, 24)
    path = tmp_path / "x.glb"
    gltf.write(clip, path, mesh=MESH, tolerance=0.01, interpolation=interpolation)
    (report,) = run_node("validate.mjs", path)
    issues = report["issues"]
    assert issues["numErrors"] == issues["numWarnings"] == 0, issues["messages"]
    document = pygltflib.GLTF2().load(str(path))
    for channel in document.animations[0].channels:
        sampler = document.animations[0].samplers[channel.sampler]
        times, output = (floats(document, index) for index in (sampler.input, sampler.output))
        names = document.meshes[document.nodes[channel.target.node].mesh].extras["targetNames"]
        assert len(times) < 260
        assert sampler.interpolation == {"linear": "LINEAR", "cubic": "CUBICSPLINE"}[interpolation]
        rows = output.reshape(len(times), -1, len(names))
        # The specification's layout: in-tangent, value, out-tangent; tangents over seconds.
        tangents = rows[:, 2] / 24 if interpolation == "cubic" else None
        made = by_scipy(times * 24, rows[:, rows.shape[1] // 2], tangents, 300)
        np.testing.assert_allclose(made, clip.select(names, missing=0).values, rtol=0, atol=0.01 + 1e-5)


def floats(document, index):
    accessor = document.accessors[index]
    view = document.bufferViews[accessor.bufferView]
    return np.frombuffer(document.binary_blob(), "<f4", accessor.count, view.byteOffset + (accessor.byteOffset or 0)).astype(float)


@pytest.mark.parametrize(("old", "new"), [("linear linear", "spline spline"), ("    299 ", "    298 "), ("    299 ", "    99999999 ")])
def test_a_reduced_curve_that_can_not_be_known_is_refused(old, new, tmp_path):
    path = tmp_path / "x.anim"
    maya_anim.write(speech(300), path, tolerance=0.002)
    assert old in path.read_text()
    first, _, rest = path.read_text().rpartition(old) if old.startswith(" ") else path.read_text().partition(old)
    path.write_text(first + new + rest)
    with pytest.raises(ClipError) as caught:
        maya_anim.read(path)
    assert caught.value.code == "clip-format"
