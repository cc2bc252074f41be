import numpy as np
import pytest
from line_fixtures import fresh_random, pieces, voice

import a2f_batch as a2f
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52
from a2f_batch.post import Context
from a2f_batch.post.blink import Blink

SAID = ((0.5, 2.2), (3.0, 4.6), (5.3, 7.9), (8.8, 11.0), (12.0, 14.5), (15.5, 17.0), (18.2, 19.5))


def still(wave, fps=60):
    return a2f.FaceClip(ARKIT_52, np.zeros((wave.frame_count(fps), 52)), fps)


def starts_of(clip):
    """When blinks begin, in seconds, seen in the curve."""
    down = clip["eyeBlinkLeft"] > 0
    return np.flatnonzero(down & ~np.concatenate([[False], down[:-1]])) / float(clip.fps)


@pytest.fixture(scope="module")
def wave():
    return voice(fresh_random(), 20.0, SAID)


def test_blinks_prefer_pauses_and_ends_of_phrases(wave):
    hits = {0.0: [], 1.2: []}
    for look in hits:
        for seed in range(40):
            for begin in starts_of(Blink(look_seconds=look).apply(still(wave), Context(wave, seed))):
                # The frame before the first raised one, and a window of the detector, come on top of the 50 ms.
                hits[look].append(not any(a <= begin < b - 0.08 for a, b in SAID))
    # Pauses lie up to 3.3 s apart and a blink moves 1.2 s at most, so not every one can reach a pause; 0.8 and 0.3 were measured.
    assert np.mean(hits[1.2]) > 0.7
    assert np.mean(hits[0.0]) < 0.45  # where chance alone puts them


def test_without_a_pause_they_begin_in_dips_of_the_loudness():
    wave = voice(fresh_random(), 20.0, ((0.0, 20.0),), syllables=1.0)  # dips at 0.75 s and every second after
    phases = np.concatenate([starts_of(Blink().apply(still(wave), Context(wave, seed))) % 1 for seed in range(20)])
    assert np.mean(np.abs(phases - 0.75) < 0.2) > 0.8


def test_intervals_stay_inside_their_bounds_wherever_blinks_move(wave):
    for seed in range(30):
        spacing = np.diff(starts_of(Blink().apply(still(wave, 120), Context(wave, seed))))
        assert spacing.min() >= 1.6 - 1 / 60
        assert spacing.max() <= 4.8 + 1 / 60


@pytest.mark.parametrize("fps", [12, 24, 60])
def test_no_blink_is_ever_cut(fps):
    random = fresh_random()
    for seed in range(30):
        seconds = random.uniform(0.2, 8)
        wave = voice(random, seconds, ((0.1, seconds),))
        for context in (Context(wave, seed), Context(None, seed)):
            lids = Blink().apply(still(wave, fps), context)["eyeBlinkLeft"]
            assert lids[0] < 0.5
            assert lids[-1] == 0


def test_pieces_of_a_clip_blink_like_the_whole(wave):
    clip, context = still(wave), Context(wave, 9)
    whole = Blink().apply(clip, context)
    cut = a2f.clip.concat([Blink().apply(piece, context) for piece in pieces(clip, fresh_random())])
    assert np.array_equal(cut.values, whole.values)


def test_every_rate_blinks_at_the_same_seconds(wave):
    for seed in range(10):
        fine, coarse = (starts_of(Blink().apply(still(wave, fps), Context(wave, seed))) for fps in (240, 24))
        assert np.allclose(fine, coarse, atol=1.01 / 24)


def test_a_lid_that_is_lower_already_stays(wave):
    clip = a2f.FaceClip(ARKIT_52, np.full((wave.frame_count(60), 52), 0.3), 60)
    lids = Blink().apply(clip, Context(wave, 1))["eyeBlinkRight"]
    assert lids.min() == np.float32(0.3)
    assert lids.max() == pytest.approx(1, abs=0.01)


def test_blinks_longer_than_their_interval_are_refused():
    with pytest.raises(ProfileError, match="least_interval_seconds"):
        Blink(close_seconds=2)
