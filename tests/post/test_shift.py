from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import a2f_batch as a2f
from a2f_batch.errors import ProfileError
from a2f_batch.post import Context
from a2f_batch.post.shift import Shift


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-0.05, 0.05), st.sampled_from([1, 24, Fraction(30000, 1001), 60, 240]), st.integers(0, 60))
def test_it_is_linear_interpolation_with_held_ends(seed, seconds, fps, n_frames):
    clip = a2f.FaceClip(("jawOpen", "browInnerUp"), np.random.default_rng(seed).normal(size=(n_frames, 2)), fps)
    moved = Shift(seconds).apply(clip, Context(None, 0))
    assert (moved.n_frames, moved.fps, moved.start) == (clip.n_frames, clip.fps, clip.start)
    for name in clip.names if n_frames else ():
        expected = np.interp(np.arange(n_frames) + seconds * float(fps), np.arange(n_frames), clip[name].astype(float))
        assert np.allclose(moved[name], expected, atol=5e-6)  # float32


def test_whole_frames_move_bit_by_bit_and_back():
    clip = a2f.FaceClip(("jawOpen",), np.random.default_rng(0).normal(size=(50, 1)), 60)
    ahead = Shift(0.05).apply(clip, Context(None, 0))
    assert np.array_equal(ahead["jawOpen"][:-3], clip["jawOpen"][3:])
    assert (ahead["jawOpen"][-3:] == clip["jawOpen"][-1]).all()
    assert np.array_equal(Shift(-0.05).apply(ahead, Context(None, 0))["jawOpen"][3:], clip["jawOpen"][3:])
    assert Shift(0).apply(clip, Context(None, 0)) is clip


@pytest.mark.parametrize("seconds", [0.051, -0.2, float("nan")])
def test_further_than_50_ms_is_refused(seconds):
    with pytest.raises(ProfileError, match=r"-0.05 to 0.05"):
        Shift(seconds)
