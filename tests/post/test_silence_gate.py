from fractions import Fraction

import numpy as np
import pytest
from line_fixtures import babble, fresh_random, pieces, voice

import a2f_batch as a2f
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52, MOUTH
from a2f_batch.post import Context
from a2f_batch.post.silence_gate import SilenceGate


@pytest.mark.parametrize("fps", [24, Fraction(30000, 1001), 60])
def test_within_a_fifth_of_a_second_of_a_pause_the_mouth_is_under_a_hundredth(fps):
    random = fresh_random()
    wave = voice(random)
    clip = babble(wave, fps, random)
    context = Context(wave, 0)
    gated = SilenceGate().apply(clip, context)
    times = clip.times()
    for start, stop in ((2.5, 3.5), (5.0, 6.0)):
        # Within one window of 10 ms of the true end of speech; the attack begins 0.16 s before the next.
        still = (times > start + 0.2) & (times < stop - (0.18 if stop < 6 else 0))
        assert np.abs(gated.select(MOUTH).values[still]).max() < 0.01
    speech = (times > 0.62) & (times < 2.45)
    assert np.array_equal(gated.values[speech], clip.values[speech])
    upper = [name for name in ARKIT_52 if name not in MOUTH]
    assert np.array_equal(gated.select(upper).values, clip.select(upper).values)


def test_the_gate_is_smooth_and_between_0_and_1():
    times = np.arange(0, 6, 1 / 240)
    gate = SilenceGate().gate(np.array([[1.0, 2.0], [2.25, 3.0], [5.0, 5.5]]), times)
    assert gate.min() == 0
    assert gate.max() == 1
    assert np.abs(np.diff(gate)).max() < np.pi / 2 / 240 / 0.12 * 1.01  # the steepest of the half cosines


def test_the_gate_is_what_loops_give():
    random = fresh_random()
    stretches = np.cumsum(random.uniform(0.05, 0.8, 12)).reshape(-1, 2)
    gate, times = SilenceGate(), np.arange(0, 9, 0.01)

    def slope(distance, length):
        return 0.5 + 0.5 * np.cos(np.pi * min(max(distance / length, 0), 1))
    expected = []
    for t in times:
        found = [0.0]
        for start, stop in stretches:
            if t >= start:
                found.append(slope(t - stop - gate.hold_seconds, gate.release_seconds))
            else:
                found.append(slope(start - t - gate.lead_seconds, gate.attack_seconds))
        expected.append(max(found))
    assert np.allclose(gate.gate(stretches, times), expected, atol=1e-6)


def test_pieces_of_a_clip_are_gated_like_the_whole():
    random = fresh_random()
    wave = voice(random)
    clip, context = babble(wave, 30, random), Context(wave, 0)
    whole = SilenceGate().apply(clip, context)
    assert np.array_equal(a2f.clip.concat([SilenceGate().apply(piece, context) for piece in pieces(clip, random)]).values, whole.values)


def test_a_silent_line_has_a_closed_mouth():
    random = fresh_random()
    wave = voice(random, stretches=())
    assert not SilenceGate().apply(babble(wave, 30, random), Context(wave, 0)).select(MOUTH).values.any()


def test_times_below_zero_are_refused():
    with pytest.raises(ProfileError, match="release_seconds"):
        SilenceGate(release_seconds=-1)
