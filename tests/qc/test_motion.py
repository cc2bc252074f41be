"""Figures of clips whose motion is known."""

from fractions import Fraction

import numpy as np
import pytest

from a2f_batch import FaceClip
from a2f_batch.names import ARKIT_52
from a2f_batch.qc.motion import Motion

SPEECH = np.array([[1.0, 3.0], [5.0, 7.0]])


@pytest.fixture(params=[25, 30, 60, Fraction(30000, 1001)], ids=str)
def fps(request):
    return Fraction(request.param)


def talking(fps, seconds=9.0):
    """Times and values: jaw at 3 Hz in speech, rest elsewhere."""
    times = np.arange(round(seconds * float(fps))) / float(fps)
    values = np.zeros((len(times), 52), np.float32)
    for begin, end in SPEECH:
        inside = (times >= begin) & (times < end)
        values[inside, ARKIT_52.index("jawOpen")] = 0.2 - 0.2 * np.cos(2 * np.pi * 3 * (times[inside] - begin))
    return times, values


def measured(values, fps):
    motion = Motion(FaceClip(ARKIT_52, values, fps), SPEECH)
    return motion.figures(), motion.places


def test_a_mouth_that_talks_and_rests_has_nothing_to_tell(fps):
    figures, places = measured(talking(fps)[1], fps)
    assert figures["still"] <= 2 / fps  # at a cosine's turning points
    assert figures["silence_motion"] == 0 and "silence_motion" not in places
    assert figures["jitter"] == figures["saturated_high"] == figures["blinks"] == 0
    # 0.4 up and down three times a second: at most 0.2 * 2 pi * 3 / 30 in a thirtieth, 0.2 * 2 pi * 3 / 25 in a frame at 25.
    assert 0.1 < figures["jump"] <= 0.2 * 2 * np.pi * 3 / min(float(fps), 30) + 0.01


def test_closures_are_counted_in_a_second_of_speech(fps):
    figures, _ = measured(talking(fps)[1], fps)
    # 0 at the start of each of six rounds a stretch; a frame beside one may be as low, and one at an end be missed.
    assert 3 * 0.8 <= figures["closures"] <= 3 * 2.2


def test_curves_that_freeze_while_somebody_speaks_are_told_with_their_place(fps):
    times, values = talking(fps)
    frozen = (times >= 5.5) & (times < 6.75)
    values[frozen] = values[np.flatnonzero(frozen)[0]]
    figures, places = measured(values, fps)
    assert figures["still"] == pytest.approx(1.25, abs=2 / float(fps))
    assert places["still"] == pytest.approx((5.5, 6.75), abs=2 / float(fps))


def test_a_jaw_that_goes_on_in_a_pause_is_told_with_its_place(fps):
    times, values = talking(fps)
    pause = (times >= 3.5) & (times < 4.5)
    values[pause, ARKIT_52.index("jawOpen")] += (0.1 - 0.1 * np.cos(2 * np.pi * 2 * (times[pause] - 3.5))).astype(np.float32)
    figures, (begin, end) = measured(values, fps)[0], measured(values, fps)[1]["silence_motion"]
    # To and fro twice, 0.2 each way, over the silent seconds: before 0.75, 3.25 to 4.75, after 7.25.
    assert figures["silence_motion"] == pytest.approx(0.8 / (0.75 + 1.5 + 1.75), rel=0.15)
    assert 3 < begin < 3.5 and 4.5 < end < 5


def test_an_emotion_that_comes_in_a_pause_is_no_motion_of_the_mouth(fps):
    times, values = talking(fps)
    values[:, ARKIT_52.index("mouthSmileLeft")] = np.clip((times - 3.6) / 0.5, 0, 1) * 0.6
    assert measured(values, fps)[0]["silence_motion"] == pytest.approx(0, abs=1e-6)


def test_trembling_counts_and_smooth_motion_does_not(fps):
    random = np.random.default_rng()
    _, values = talking(fps)
    assert measured(values, fps)[0]["jitter"] < 0.05
    values += random.normal(0, 0.03, values.shape).astype(np.float32)
    assert measured(values, fps)[0]["jitter"] > 0.2


def test_a_frame_that_pops_is_a_jump_at_its_place(fps):
    times, values = talking(fps)
    at = len(times) // 3
    values[at, ARKIT_52.index("mouthPucker")] = 0.9
    figures, places = measured(values, fps)
    assert figures["jump"] == pytest.approx(0.9)
    assert places["jump"][0] <= times[at] <= places["jump"][1] + 1e-6


def test_channels_at_their_limits_and_a_shut_jaw_are_shares_of_the_speech(fps):
    times, values = talking(fps)
    first = (times >= 1) & (times < 3)
    values[first, ARKIT_52.index("mouthFunnel")] = 1.0
    values[first, ARKIT_52.index("jawOpen")] = 0.0
    figures, _ = measured(values, fps)
    assert figures["saturated_high"] == pytest.approx(0.5, abs=0.02)
    assert figures["saturated_low"] == pytest.approx(0.5, abs=0.1)


def test_blinks_are_counted_by_the_minute(fps):
    times, values = talking(fps, 12.0)
    for blink in (2.0, 4.0, 8.0):
        for side in ("eyeBlinkLeft", "eyeBlinkRight"):
            values[:, ARKIT_52.index(side)] += np.clip(1 - np.abs(times - blink) / 0.15, 0, 1).astype(np.float32)
    assert measured(values, fps)[0]["blinks"] == pytest.approx(15, rel=0.01)


def test_a_clip_without_a_mouth_has_no_figures_of_one():
    clip = FaceClip(("browInnerUp",), np.zeros((30, 1), np.float32), Fraction(30))
    assert set(Motion(clip, SPEECH).figures().values()) == {None}
