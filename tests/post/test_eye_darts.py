import numpy as np
import pytest
from line_fixtures import fresh_random, pieces

import a2f_batch as a2f
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52, ROTATIONS
from a2f_batch.post import Context
from a2f_batch.post.eye_darts import EYES, EyeDarts


def still(fps=60, seconds=120, names=ARKIT_52 + ROTATIONS):
    return a2f.FaceClip(names, np.zeros((seconds * fps, len(names))), fps)


def test_weights_and_rotations_of_both_eyes_look_the_same_way():
    clip = EyeDarts().apply(still(), Context(None, 3))
    yaw, pitch = np.degrees(clip["LeftEyeYaw"]), np.degrees(clip["LeftEyePitch"])
    assert np.array_equal(clip["LeftEyeYaw"], clip["RightEyeYaw"])
    assert np.array_equal(clip["LeftEyePitch"], clip["RightEyePitch"])
    for left, right, angle in (("eyeLookOutLeft", "eyeLookInRight", yaw), ("eyeLookInLeft", "eyeLookOutRight", -yaw),
                               ("eyeLookDownLeft", "eyeLookDownRight", pitch), ("eyeLookUpLeft", "eyeLookUpRight", -pitch)):
        assert np.array_equal(clip[left], clip[right])
        assert np.allclose(clip[left], np.maximum(angle, 0) / 30, atol=1e-6)
        assert clip[left].max() > 0
    assert np.hypot(yaw, pitch).max() <= 6.001
    touched = [name for name in clip.names if clip[name].any()]
    assert set(touched) == {name for name in clip.names if name.startswith("eyeLook")} | set(EYES)


def test_darts_are_as_fast_as_the_main_sequence_says():
    times = np.arange(0, 300, 0.001)
    gaze = EyeDarts().gaze(np.random.default_rng(fresh_random().integers(2**31)), times)
    moving = np.abs(np.diff(gaze, axis=0)).max(axis=1) > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], moving, [False]]).astype(int))).reshape(-1, 2)
    assert len(edges) > 60
    for first, stop in edges[1:-1]:
        degrees = np.hypot(*(gaze[stop] - gaze[first]))
        if degrees > 0.3:  # smaller ones end in steps too small to see
            assert (stop - first) / 1000 == pytest.approx(0.025 + 0.0024 * degrees, abs=0.003)  # two samples
    away = np.hypot(*gaze.T) > 1e-9
    assert 0.1 < away.mean() < 0.4  # 0.93 of 4.03 s: 23 %, some 75 cycles


def test_gaze_is_the_seeds_and_the_same_at_every_rate_and_in_every_piece():
    clip, context = still(60, 60), Context(None, 7)
    whole = EyeDarts().apply(clip, context)
    assert np.array_equal(EyeDarts().apply(still(30, 60), context).values, whole.values[::2])
    cut = a2f.clip.concat([EyeDarts().apply(piece, context) for piece in pieces(clip, fresh_random())])
    assert np.array_equal(cut.values, whole.values)
    assert not np.array_equal(EyeDarts().apply(clip, Context(None, 8)).values, whole.values)


def test_channels_that_are_missing_are_added_and_what_was_there_stays():
    clip = a2f.FaceClip(("jawOpen", "eyeLookUpLeft"), np.full((600, 2), 0.1), 30)
    darted = EyeDarts().apply(clip, Context(None, 1))
    assert darted.names[:2] == clip.names
    assert set(EYES) < set(darted.names)
    assert np.array_equal(darted["jawOpen"], clip["jawOpen"])
    assert (darted["eyeLookUpLeft"] >= clip["eyeLookUpLeft"]).all()


@pytest.mark.parametrize("n_frames", [0, 1])
def test_the_shortest_clips_pass(n_frames):
    assert EyeDarts().apply(a2f.FaceClip(ARKIT_52, np.zeros((n_frames, 52)), 30), Context(None, 0)).n_frames == n_frames


def test_no_amount_is_no_gaze():
    assert not EyeDarts(amount=0).apply(still(), Context(None, 1)).values.any()


def test_darts_across_the_room_are_refused():
    with pytest.raises(ProfileError, match="most_degrees"):
        EyeDarts(most_degrees=45)
