import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2f_batch.clip import FaceClip, concat
from a2f_batch.errors import ClipError


def random_clip(n_frames=20, names=("jawOpen", "mouthClose", "HeadYaw"), fps=30, seed=None):
    seed = int(np.random.SeedSequence().entropy % 2**32) if seed is None else seed
    print("seed", seed)
    return FaceClip(names, np.random.default_rng(seed).normal(size=(n_frames, len(names))), fps, meta={"line": "a"})


def test_a_clip_can_not_be_changed():
    source = np.zeros((3, 1), np.float32)
    clip = FaceClip(("jawOpen",), source, 30)
    source[:] = 1
    assert clip.values.max() == 0
    with pytest.raises(ValueError, match="read-only"):
        clip.values[0, 0] = 1
    with pytest.raises(AttributeError):
        clip.fps = 25
    with pytest.raises(TypeError):
        clip.meta["seed"] = 1


@pytest.mark.parametrize(("names", "values", "code"), [
    (("a",), np.zeros((2, 2)), "clip-shape"), (("a",), np.zeros(2), "clip-shape"), (("a", "a"), np.zeros((1, 2)), "clip-names"),
    (("",), np.zeros((1, 1)), "clip-names"), (("a",), [[np.nan]], "clip-not-finite"), (("a",), [[np.inf]], "clip-not-finite"),
])
def test_a_malformed_clip_is_refused(names, values, code):
    with pytest.raises(ClipError) as caught:
        FaceClip(names, values, 30)
    assert caught.value.code == code


def test_a_clip_survives_pickling_whole():
    clip = random_clip()
    back = pickle.loads(pickle.dumps(clip))
    assert (back.names, back.fps, back.start, dict(back.meta)) == (clip.names, clip.fps, clip.start, dict(clip.meta))
    assert np.array_equal(back.values, clip.values)


def test_a_slice_keeps_its_frames_at_their_times():
    clip = random_clip(fps=Fraction(30000, 1001))
    assert np.array_equal(clip.slice(5, 9).times(), clip.times()[5:9])
    assert np.array_equal(clip.slice(5, 9).values, clip.values[5:9])


@given(cut=st.integers(0, 20))
def test_a_clip_cut_in_two_and_joined_is_the_clip(cut):
    clip = random_clip(seed=1)
    joined = concat([clip.slice(0, cut), clip.slice(cut, 20)])
    assert np.array_equal(joined.values, clip.values)
    assert joined.start == clip.start


def test_clips_that_differ_in_rate_or_channels_are_not_joined():
    with pytest.raises(ClipError, match="resample"):
        concat([random_clip(fps=30), random_clip(fps=25)])
    with pytest.raises(ClipError, match="select"):
        concat([random_clip(), random_clip(names=("jawOpen",))])
    with pytest.raises(ClipError):
        concat([])


def test_select_orders_fills_and_refuses():
    clip = random_clip()
    assert np.array_equal(clip.select(["mouthClose", "jawOpen"]).values, clip.values[:, [1, 0]])
    filled = clip.select(["tongueOut", "jawOpen"], missing=0.25)
    assert (filled["tongueOut"] == 0.25).all()
    assert np.array_equal(filled["jawOpen"], clip["jawOpen"])
    with pytest.raises(ClipError, match="'tongueOut'"):
        clip.select(["tongueOut"])


def test_rename_moves_curves_to_new_names():
    clip = random_clip()
    renamed = clip.rename({"jawOpen": "JawOpen"})
    assert renamed.names == ("JawOpen", "mouthClose", "HeadYaw")
    with pytest.raises(ClipError, match="'nose'"):
        clip.rename({"nose": "Nose"})
    with pytest.raises(ClipError, match="unique"):
        clip.rename({"jawOpen": "mouthClose"})


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60, Fraction(30000, 1001), 120])
def test_resampling_is_linear_interpolation_at_the_new_times(fps):
    clip = random_clip(90)
    there = clip.resample(fps)
    assert there.n_frames == round(Fraction(90, 30) * Fraction(fps))
    for i, name in enumerate(clip.names):
        # float32 curves of size about 1, interpolated in float32: a few units in the last place
        assert np.allclose(there[name], np.interp(there.times(), clip.times(), clip.values[:, i]), atol=2e-6)


def test_resampling_to_the_same_rate_changes_nothing():
    clip = random_clip()
    assert np.array_equal(clip.resample(30).values, clip.values)


def test_resampling_to_nothing_is_an_error():
    with pytest.raises(ClipError, match="no frame"):
        random_clip(1, fps=60).resample(1)
