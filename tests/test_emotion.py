import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2f_batch.emotion import EMOTIONS, NEUTRAL, Envelope, Point
from a2f_batch.errors import A2FError, EmotionError

# Millionths on purpose: what text keeps.
LEVELS = st.integers(0, 10**6).map(lambda millionths: millionths / 10**6)
MIXES = st.dictionaries(st.sampled_from(EMOTIONS), LEVELS, max_size=4).map(lambda mix: tuple(mix.items()))
TIMES = st.lists(st.integers(0, 10**10), min_size=1, max_size=6, unique=True).map(lambda times: [time / 10**6 for time in sorted(times)])
ENVELOPES = TIMES.flatmap(lambda times: st.tuples(*(st.builds(Point, st.just(time), MIXES) for time in times))).map(Envelope)


@pytest.mark.parametrize(("text", "levels"), [
    ("neutral", {}), ("neutral:0.4", {}), ("joy:0", {}), ("joy", {"joy": 1}), ("  joy : .6 ", {"joy": 0.6}),
    ("joy:0.5 + surprise:0.25", {"joy": 0.5, "surprise": 0.25}), ("surprise:0.25+joy:0.5", {"joy": 0.5, "surprise": 0.25}),
    ("out of breath", {"outofbreath": 1}), ("out-of-breath:.5", {"outofbreath": 0.5}), ("outofbreath", {"outofbreath": 1}),
    ("3.5 joy", {"joy": 1}), ("0 joy; 2 joy", {"joy": 1}),
])
def test_a_word_with_a_level_holds_for_the_whole_line(text, levels):
    envelope = Envelope.parse(text)
    assert envelope.constant
    for word, curve in envelope.at([0, 1, 1000]).items():
        assert curve.dtype == np.float32
        assert np.array_equal(curve, np.full(3, levels[word], np.float32))
    assert set(envelope.words) == set(levels)
    assert envelope.dominant == max(levels, key=levels.get, default="neutral")


def test_points_in_time_are_joined_by_lines_and_held_at_both_ends():
    envelope = Envelope.parse("1.0 neutral; 2.0 anger:0.8; 4 joy:0.5 + anger:.4")
    curves = envelope.at([0, 1, 1.5, 2, 3, 4, 99])
    assert np.allclose(curves["anger"], [0, 0, 0.4, 0.8, 0.6, 0.4, 0.4])
    assert np.allclose(curves["joy"], [0, 0, 0, 0, 0.25, 0.5, 0.5])
    assert list(curves) == ["joy", "anger"]
    assert (envelope.constant, envelope.dominant) == (False, "neutral")
    assert str(envelope) == "1 neutral; 2 anger:0.8; 4 joy:0.5 + anger:0.4"


@given(ENVELOPES)
def test_its_text_reads_back_as_the_same_value(envelope):
    again = Envelope.parse(str(envelope))
    assert again == envelope
    assert hash(again) == hash(envelope)
    assert str(again) == str(envelope)
    assert pickle.loads(pickle.dumps(envelope)) == envelope


@given(ENVELOPES, st.lists(st.floats(0, 2e4), max_size=9))
def test_levels_are_what_a_plain_loop_between_the_points_gives(envelope, times):
    def level(word, time):
        points = [(point.seconds, dict(point.levels).get(word, 0.0)) for point in envelope.points]
        if time <= points[0][0]:
            return points[0][1]
        for (t0, a), (t1, b) in pairwise(points):
            if t0 <= time <= t1:
                return a + (b - a) * (time - t0) / (t1 - t0)
        return points[-1][1]

    curves = envelope.at(times)
    assert set(curves) == set(envelope.words)
    for word, curve in curves.items():
        assert np.allclose(curve, [level(word, time) for time in times], atol=1e-6)  # float32 of numbers up to 1
        assert ((curve >= 0) & (curve <= 1)).all()


@pytest.mark.parametrize(("text", "code", "said"), [
    ("angr", "emotion-unknown", "Did you mean 'anger'?"), ("Joy", "emotion-unknown", "'joy'"), ("0.0 joyful", "emotion-unknown", "'joy'"),
    ("bored", "emotion-unknown", "neutral, joy"), ("0.5", "emotion-unknown", "neutral, joy"), ("1 2 joy", "emotion-unknown", "'joy'"),
    ("", "emotion-syntax", "0.0 neutral; 1.2 anger:0.8"), (" ; ", "emotion-syntax", "Write"), ("joy:", "emotion-syntax", "joy:"),
    ("joy:1.2", "emotion-syntax", "1.2"), ("joy:-1", "emotion-syntax", "Write"), ("joy:nan", "emotion-syntax", "Write"),
    ("joy:0.5:0.5", "emotion-syntax", "Write"), ("joy + joy", "emotion-syntax", "twice"), ("joy +", "emotion-syntax", "Write"),
    ("joy; anger", "emotion-syntax", "'joy'"), ("0 joy; anger", "emotion-syntax", "'anger'"), ("0 joy;", "emotion-syntax", "Write"),
    ("2 joy; 1 anger", "emotion-syntax", "Sort"), ("1 joy; 1.0000001 anger", "emotion-syntax", "millionth"),
])
def test_what_can_not_be_understood_is_refused_with_the_remedy(text, code, said):
    with pytest.raises(EmotionError) as caught:
        Envelope.parse(text)
    assert caught.value.code == code
    assert said in str(caught.value)
    assert isinstance(caught.value, A2FError)


@given(st.text(alphabet="joy anger;:+.0123456789-\n", max_size=40))
def test_any_text_gives_an_envelope_or_an_emotion_error(text):
    try:
        envelope = Envelope.parse(text)
    except EmotionError as error:
        assert error.code in ("emotion-syntax", "emotion-unknown")
    else:
        assert Envelope.parse(str(envelope)) == envelope


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_points_have_times_that_a_line_can_have(seconds):
    with pytest.raises(EmotionError) as caught:
        Point(seconds)
    assert caught.value.code == "emotion-syntax"


def test_an_envelope_without_points_is_refused():
    with pytest.raises(EmotionError):
        Envelope(())


def test_neutral_is_the_envelope_of_no_emotion():
    assert Envelope.parse("neutral") == NEUTRAL
    assert str(NEUTRAL) == NEUTRAL.dominant == "neutral"
    assert NEUTRAL.at(np.arange(3)) == {}
