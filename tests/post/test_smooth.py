import numpy as np
import pytest

import a2f_batch as a2f
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52
from a2f_batch.post import Context
from a2f_batch.post.smooth import POSTURE, Smooth


@pytest.fixture()
def random():
    seed = int(np.random.SeedSequence().entropy % 2**32)
    print("seed", seed)
    return np.random.default_rng(seed)


@pytest.mark.parametrize("n_frames", [0, 1, 2, 31, 32, 33, 2047, 2048, 2049, 5000])
def test_blocks_and_chunks_leave_no_seam(n_frames, random):
    order = random.permutation(52)
    clip = a2f.FaceClip(tuple(np.array(ARKIT_52)[order]), random.normal(size=(n_frames, 52)), 60)
    stage = Smooth()
    smooth = stage.apply(clip, Context(None, 0)).values
    assert smooth.shape == clip.values.shape
    for channel in random.integers(0, 52, 6):
        name, curve = clip.names[channel], clip.values[:, channel].astype(float)
        seconds = stage.posture_seconds if name.startswith(POSTURE) else \
            stage.mouth_seconds if name.startswith(("jaw", "mouth", "tongue")) else stage.face_seconds
        for i in random.integers(0, n_frames, 20) if n_frames else ():
            reach = int(np.ceil(4 * seconds * 60))
            weights = [np.exp(-0.5 * (k / (seconds * 60)) ** 2) for k in range(-reach, reach + 1)]
            seen = [curve[min(max(i + k, 0), n_frames - 1)] for k in range(-reach, reach + 1)]
            assert smooth[i, channel] == pytest.approx(np.dot(weights, seen) / np.sum(weights), abs=2e-6)  # float32 sums of 35 terms


def test_a_cut_is_not_felt_further_than_four_deviations_away(random):
    clip = a2f.FaceClip(ARKIT_52, random.normal(size=(600, 52)), 60)
    whole, piece = Smooth().apply(clip, Context(None, 0)), Smooth().apply(clip.slice(200, 500), Context(None, 0))
    far = int(np.ceil(4 * 0.07 * 60))
    assert np.allclose(piece.values[far:-far], whole.values[200 + far:500 - far], atol=2e-6)  # blocks begin on other frames


def test_a_peak_stays_on_its_frame():
    curve = np.exp(-0.5 * ((np.arange(200) - 87) / 6) ** 2)
    assert Smooth().apply(a2f.FaceClip(("jawOpen",), curve[:, None], 60), Context(None, 0))["jawOpen"].argmax() == 87


def test_jitter_is_taken_out_and_speech_is_kept(random):
    times = np.arange(3600) / 60
    speech = 0.4 + 0.3 * np.sin(2 * np.pi * 2 * times)
    noise = 0.02 * random.normal(size=3600)

    def smoothed(curve):
        return Smooth().apply(a2f.FaceClip(("jawOpen",), curve[:, None], 60), Context(None, 0))["jawOpen"].astype(float)

    def jitter(curve):
        return np.abs(np.diff(curve, 2)).mean()

    # A Gaussian of 1.5 frames leaves 0.062 of white noise's second difference.
    assert jitter(smoothed(speech + noise) - smoothed(speech)) < 0.08 * jitter(noise)
    assert np.corrcoef(smoothed(speech + noise), speech)[0, 1] > 0.999


@pytest.mark.parametrize("seconds", [-0.1, 2, float("nan")])
def test_an_impossible_width_is_refused(seconds):
    with pytest.raises(ProfileError, match="posture_seconds"):
        Smooth(posture_seconds=seconds)
