from fractions import Fraction

import pytest

from a2f_batch.errors import ClipError
from a2f_batch.rates import frame_count, frame_times, parse_fps


@pytest.mark.parametrize(("value", "fps"), [
    (30, Fraction(30)), ("24", Fraction(24)), (Fraction(25), Fraction(25)), ("30000/1001", Fraction(30000, 1001)),
    (29.97, Fraction(30000, 1001)), ("29.97", Fraction(30000, 1001)), ("23.976", Fraction(24000, 1001)), (59.94, Fraction(60000, 1001)),
    ("12.5", Fraction(25, 2)), (" 30 ", Fraction(30)),
])
def test_a_rate_is_exact_however_it_is_spelled(value, fps):
    assert parse_fps(value) == fps


@pytest.mark.parametrize("value", [0, -1, 0.5, 241, 1000, "fast", "", "1/0", "nan", "inf", None, float("nan")])
def test_a_rate_that_is_none_names_what_is_allowed(value):
    with pytest.raises(ClipError, match="1 to 240") as caught:
        parse_fps(value)
    assert caught.value.code == "fps"


def test_ties_in_the_frame_count_go_to_the_even_neighbour():
    assert frame_count(800, 16000, Fraction(30)) == 2  # 1.5
    assert frame_count(400, 16000, Fraction(20)) == 0  # 0.5
    assert frame_count(1200, 16000, Fraction(100, 3)) == 2  # 2.5


def test_the_last_frame_of_ten_hours_is_still_exact():
    fps = Fraction(30000, 1001)
    n_frames = frame_count(36000 * 44100, 44100, fps)
    assert frame_times(n_frames, fps)[-1] == float(Fraction(n_frames - 1) * 1001 / 30000)
