import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import a2f_batch as a2f
from a2f_batch.errors import ProfileError
from a2f_batch.post import Context
from a2f_batch.post.one_pole import OnePole


def in_loops(curve, seconds, fps):
    """The seeds' own arithmetic, frame by frame."""
    a = 1 - 0.5 ** (1 / fps / seconds) if seconds > 0 else 1.0
    first = second = float(curve[0])
    done = []
    for x in curve:
        first += (float(x) - first) * a
        second += (first - second) * a
        done.append(second)
    return np.array(done)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.1), st.floats(0.0, 0.1), st.sampled_from([24, 30, 60, 240]), st.integers(1, 2500))
def test_it_equals_the_recursion_of_the_seed(seed, lower, upper, fps, n_frames):
    random = np.random.default_rng(seed)
    clip = a2f.FaceClip(("jawOpen", "browInnerUp", "cheekPuff"), random.uniform(-1, 1, (n_frames, 3)), fps)
    smooth = OnePole(lower, upper).apply(clip, Context(None, 0))
    for name, seconds in (("jawOpen", lower), ("browInnerUp", upper), ("cheekPuff", lower)):
        # 2^-25 of the impulse response is cut off, and up to 700 float32 products are summed.
        assert np.allclose(smooth[name], in_loops(clip[name], seconds, fps), atol=2e-6)


def test_a_still_face_does_not_ramp_in():
    clip = a2f.FaceClip(("jawOpen",), np.full((50, 1), 0.7), 30)
    assert np.allclose(OnePole(0.1, 0.1).apply(clip, Context(None, 0))["jawOpen"], 0.7, atol=1e-6)


def test_it_lags_as_its_docstring_says():
    step = a2f.FaceClip(("jawOpen",), (np.arange(2400) >= 1200).astype(float)[:, None], 240)
    half = np.argmax(OnePole(lower_seconds=0.05).apply(step, Context(None, 0))["jawOpen"] >= 0.5)
    assert (half - 1200) / 240 == pytest.approx(2.42 * 0.05, abs=1 / 120)


def test_zero_seconds_change_nothing():
    clip = a2f.FaceClip(("jawOpen", "browInnerUp"), np.random.default_rng(0).normal(size=(50, 2)), 30)
    assert np.array_equal(OnePole(0, 0).apply(clip, Context(None, 0)).values, clip.values)


@pytest.mark.parametrize("seconds", [-0.01, 0.11, float("inf")])
def test_an_illegal_half_life_is_refused(seconds):
    with pytest.raises(ProfileError, match="lower_seconds"):
        OnePole(lower_seconds=seconds)
