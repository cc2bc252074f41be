import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import a2f_batch as a2f
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52, ROTATIONS
from a2f_batch.post import Context
from a2f_batch.post.gain import Gain, region_of

NAMES = ARKIT_52 + ROTATIONS


def bent(value, gain, knee):
    value *= gain
    over = value - knee
    return value if over <= 0 or knee == 1 else knee + (1 - knee) * over / (1 - knee + over)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.floats(0, 4)] * 5), st.floats(0, 1))
def test_every_region_follows_the_formula(seed, gains, knee):
    random = np.random.default_rng(seed)
    clip = a2f.FaceClip(NAMES, random.uniform(-0.5, 1.5, (12, 61)), 30)
    stage = Gain(*gains, knee=knee)
    louder = stage.apply(clip, Context(None, 0))
    for i, name in enumerate(NAMES):
        region = region_of(name)
        expected = clip.values[:, i] if region is None else [bent(float(x), getattr(stage, region), knee) for x in clip.values[:, i]]
        assert np.allclose(louder.values[:, i], expected, atol=2e-6), name  # float32 products


def test_the_curve_rises_for_ever_and_stays_under_one():
    weights = np.linspace(0.0, 40.0, 200_000).astype(np.float32)
    stage = Gain(mouth=4.0, knee=0.8)
    curve = stage.apply(a2f.FaceClip(("mouthPucker",), weights[:, None], 30), Context(None, 0))["mouthPucker"]
    assert curve.max() < 1
    rises = np.diff(stage.bend(np.linspace(0.81, 40, 3000).astype(np.float32)))
    assert (rises > 0).all()  # strictly, even in float32
    knee = np.abs(weights - 0.2).argmin()
    slopes = np.diff(curve[knee - 5: knee + 6]) / np.diff(weights[knee - 5: knee + 6])
    assert np.allclose(slopes, 4, rtol=0.04)  # no corner: over five steps the curve itself bends by 3.5 %


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1.2), st.floats(0, 4), st.floats(0, 0.99))
def test_shut_lips_stay_shut_at_any_gain(jaw, gain, knee):
    clip = a2f.FaceClip(("jawOpen", "mouthClose", "mouthSmileLeft"), [[jaw, jaw, 0.5]], 30)
    louder = Gain(jaw=gain, mouth=2.0, knee=knee).apply(clip, Context(None, 0))
    assert louder["jawOpen"][0] == louder["mouthClose"][0]


def test_lids_gaze_and_rotations_are_left_alone():
    clip = a2f.FaceClip(NAMES, np.ones((3, 61)), 30)
    louder = Gain(2, 2, 2, 2, 2).apply(clip, Context(None, 0))
    for name in (*ROTATIONS, "eyeBlinkLeft", "eyeLookDownRight"):
        assert (louder[name] == 1).all()
    assert {region_of(name) for name in ARKIT_52} == {"jaw", "mouth", "cheeks", "eyes", "brows", None}


def test_nothing_under_the_knee_changes_at_gain_one():
    clip = a2f.FaceClip(NAMES, np.random.default_rng(1).uniform(-0.2, 0.85, (50, 61)), 30)
    assert np.array_equal(Gain().apply(clip, Context(None, 0)).values, clip.values)


@pytest.mark.parametrize("wrong", [{"jaw": -1}, {"brows": 5}, {"knee": 1.1}, {"mouth": float("nan")}])
def test_an_impossible_gain_is_refused(wrong):
    with pytest.raises(ProfileError, match=next(iter(wrong))):
        Gain(**wrong)
