import numpy as np
import pytest
from line_fixtures import fresh_random, pieces, voice

import a2f_batch as a2f
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52
from a2f_batch.post import Context
from a2f_batch.post.accents import BROWS, HEAD, Accents


@pytest.fixture(scope="module")
def context():
    random = fresh_random()
    return Context(voice(random, 12.0, ((0.5, 3.0), (4.0, 7.5), (8.5, 11.0)), syllables=2.1), 5)


def still(context, fps=60):
    return a2f.FaceClip(ARKIT_52, np.zeros((context.wave.frame_count(fps), 52)), fps)


def plain(stage, accents, times, heights):
    """The highest of the bumps at each time, in loops."""
    curve = []
    for t in times:
        found = [0.0]
        for (at, _), height in zip(accents, heights, strict=True):
            phase = (at - t) / stage.rise_seconds if t < at else (t - at) / stage.fall_seconds
            found.append(height * (0.5 + 0.5 * np.cos(np.pi * min(phase, 1))))
        curve.append(max(found))
    return np.array(curve)


@pytest.mark.parametrize("fps", [1, 24, 60])
def test_nods_and_brows_are_the_bumps_of_the_formula(fps, context):
    stage, found = Accents(), context.features("test").accents
    assert len(found) > 5
    clip = stage.apply(still(context, fps), context)
    nod = np.radians(stage.nod_degrees) * plain(stage, found, clip.times(), found[:, 1])
    assert np.allclose(clip["HeadPitch"], nod, atol=1e-6)
    brow = stage.brow * plain(stage, found, clip.times(), np.maximum(found[:, 1] - 0.4, 0) / 0.6)
    assert np.allclose(clip["browInnerUp"], brow, atol=1e-6)
    assert np.allclose(clip["browOuterUpLeft"], 0.6 * brow, atol=1e-6)


def test_the_head_moves_within_three_degrees_and_only_near_accents(context):
    clip = Accents().apply(still(context), context)
    head = np.degrees(np.abs(clip.select(HEAD).values))
    assert 0.3 < head.max() < 3
    near = np.abs(clip.times()[:, None] - context.features("test").accents[:, 0]).min(axis=1) < 0.3
    assert not clip.values[~near].any()
    assert {name for name in clip.names if clip[name].any()} <= {*BROWS, *HEAD}


def test_accents_are_the_seeds_and_the_same_in_every_piece(context):
    clip = still(context)
    whole = Accents().apply(clip, context)
    cut = a2f.clip.concat([Accents().apply(piece, context) for piece in pieces(clip, fresh_random())])
    assert np.allclose(cut.values, whole.values, atol=1e-6)
    other = Accents().apply(clip, Context(context.wave, 6))
    assert np.array_equal(other["HeadPitch"], whole["HeadPitch"])
    assert not np.array_equal(other["HeadYaw"], whole["HeadYaw"])


def test_silence_moves_nothing():
    silent = Context(voice(fresh_random(), 3.0, ()), 1)
    assert not Accents().apply(still(silent), silent).values.any()


def test_what_the_face_did_before_stays(context):
    clip = a2f.FaceClip(("browInnerUp", "jawOpen"), np.full((300, 2), 0.2), 60)
    moved = Accents().apply(clip, context)
    assert np.array_equal(moved["jawOpen"], clip["jawOpen"])
    assert (moved["browInnerUp"] >= clip["browInnerUp"]).all()


@pytest.mark.parametrize("wrong", [{"nod_degrees": 4}, {"brow": -0.1}, {"rise_seconds": 0}])
def test_a_wild_head_is_refused(wrong):
    with pytest.raises(ProfileError, match=next(iter(wrong))):
        Accents(**wrong)


def test_without_the_sound_it_says_what_to_do(context):
    with pytest.raises(ProfileError, match="wave="):
        Accents().apply(still(context), Context(None, 1))
