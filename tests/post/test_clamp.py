import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import a2f_batch as a2f
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52, ROTATIONS
from a2f_batch.post import Context
from a2f_batch.post.clamp import Clamp


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-1, 0.5), st.floats(0.5, 2))
def test_weights_end_at_the_bounds_and_twice_is_once(seed, lower, upper):
    random = np.random.default_rng(seed)
    names = tuple(random.permutation(ARKIT_52 + ROTATIONS))
    clip = a2f.FaceClip(names, random.normal(size=(20, 61)) * 2, 30)
    once = Clamp(lower, upper).apply(clip, Context(None, 0))
    for i, name in enumerate(names):
        curve = clip.values[:, i]
        expected = curve if name in ROTATIONS else [min(max(float(x), np.float32(lower)), np.float32(upper)) for x in curve]
        assert np.array_equal(once.values[:, i], np.asarray(expected, dtype=np.float32))
    assert np.array_equal(Clamp(lower, upper).apply(once, Context(None, 0)).values, once.values)


def test_bounds_the_wrong_way_round_are_refused():
    with pytest.raises(ProfileError, match="lower <= upper"):
        Clamp(lower=1, upper=0)
