import numpy as np
import pytest

import a2f_batch as a2f
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52
from a2f_batch.post import Context
from a2f_batch.post.symmetry import Symmetry

PAIRS = [name[:-4] for name in ARKIT_52
         if name.endswith("Left") and not name.startswith("eyeLook") and name not in ("jawLeft", "mouthLeft")]


@pytest.fixture()
def clip():
    seed = int(np.random.SeedSequence().entropy % 2**32)
    print("seed", seed)
    random = np.random.default_rng(seed)
    return a2f.FaceClip(tuple(random.permutation(ARKIT_52)), random.uniform(0, 1, (40, 52)), 30)


def test_at_full_amount_both_sides_are_their_mean_and_twice_is_once(clip):
    even = Symmetry().apply(clip, Context(None, 0))
    for pair in PAIRS:
        mean = (clip[pair + "Left"] + clip[pair + "Right"]) / 2
        assert np.allclose(even[pair + "Left"], mean, atol=1e-6)
        assert np.allclose(even[pair + "Right"], mean, atol=1e-6)
    for name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        assert not even[name].any()
    assert np.allclose(Symmetry().apply(even, Context(None, 0)).values, even.values, atol=1e-6)


def test_other_channels_and_gaze_are_left_alone(clip):
    even = Symmetry(asymmetry=0.3).apply(clip, Context(None, 5))
    for name in ("jawOpen", "mouthPucker", "browInnerUp", "eyeLookInLeft", "eyeLookOutRight", "tongueOut"):
        assert np.array_equal(even[name], clip[name])


@pytest.mark.parametrize("amount", [0.0, 0.25, 0.5])
def test_a_part_of_the_difference_is_taken(amount, clip):
    nearer = Symmetry(amount=amount).apply(clip, Context(None, 0))
    for pair in PAIRS:
        before = clip[pair + "Left"] - clip[pair + "Right"]
        assert np.allclose(nearer[pair + "Left"] - nearer[pair + "Right"], before * (1 - amount), atol=1e-6)
    assert np.allclose(nearer["jawLeft"], clip["jawLeft"] * (1 - amount), atol=1e-6)


def test_asymmetry_is_the_seeds_small_and_lasting(clip):
    even = Symmetry().apply(clip, Context(None, 1))
    one, again, other = (Symmetry(asymmetry=0.1).apply(clip, Context(None, seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.values, again.values)
    assert not np.array_equal(one.values, other.values)
    ratios = one["mouthSmileLeft"] / even["mouthSmileLeft"]
    assert np.allclose(ratios, ratios[0], rtol=1e-5)
    assert 0.9 <= ratios[0] <= 1.1
    assert np.allclose(one["mouthSmileLeft"] + one["mouthSmileRight"], 2 * even["mouthSmileLeft"], atol=1e-5)
    assert np.allclose(one["eyeBlinkLeft"], one["eyeBlinkRight"], atol=1e-6)
    order = a2f.FaceClip(ARKIT_52, clip.select(ARKIT_52).values, 30)
    assert np.array_equal(Symmetry(asymmetry=0.1).apply(order, Context(None, 1))["browDownLeft"], one["browDownLeft"])


def test_an_amount_over_one_is_refused():
    with pytest.raises(ProfileError, match="amount"):
        Symmetry(amount=1.5)
