import numpy as np
import pytest

from a2f_batch import speech
from a2f_batch.audio import Waveform
from a2f_batch.pitch import HOP_SECONDS
from a2f_batch.speech import SpeechDetector, listen

RATE = 16000


@pytest.fixture()
def random():
    seed = int(np.random.SeedSequence().entropy % 2**32)
    print("seed", seed)
    return np.random.default_rng(seed)


def talk(random, seconds, stretches, level=0.1, noise=1e-4):
    """Noise in syllables, over `noise`: a number, or one a sample."""
    times = np.arange(round(seconds * RATE)) / RATE
    spoken = sum(((times >= a) & (times < b)).astype(float) for a, b in stretches) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * times))
    return (random.normal(size=len(times)) * (level * spoken + noise)).astype(np.float32)


def test_a_fan_that_starts_in_the_middle_of_a_line_is_not_speech(random):
    times = np.arange(24 * RATE) / RATE
    said = [(1.0, 3.0), (4.0, 6.0), (9.0, 10.5), (14.0, 16.0), (18.0, 20.0), (22.0, 23.0)]
    noise = np.where(times < 12, 1e-4, 0.006)  # -80 dB, then -44 dB: 21 dB under the speech
    found = SpeechDetector().stretches(talk(random, 24, said, noise=noise), RATE)
    quiet = [stretch for stretch in found.tolist() if not any(a - 0.1 < stretch[1] and stretch[0] < b + 0.1 for a, b in said)]
    # Where the fan starts, the floor takes half its window to follow.
    assert all(start >= 10 and stop <= 14 for start, stop in quiet)
    for a, b in said:
        assert any(start <= a + 0.06 and stop >= b - 0.06 for start, stop in found)
    assert sum(stop - start for start, stop in found.tolist() if start >= 14) <= 2 + 2 + 1 + 0.4


def test_steady_loud_noise_between_words_is_no_speech(random):
    said = [(1.0, 3.0), (4.5, 6.0), (7.5, 9.0)]
    found = SpeechDetector().stretches(talk(random, 10, said, level=0.1, noise=0.005), RATE)  # 22 dB
    assert np.allclose(found, said, atol=0.06)


def test_hysteresis_keeps_a_word_that_fades_in_one_piece(random):
    times = np.arange(4 * RATE) / RATE
    fading = 0.1 * 10 ** (-np.abs(10 * np.sin(2 * np.pi * 10 * times)) / 20)  # flutters 10 dB, ten times a second
    samples = (random.normal(size=len(times)) * np.where((times > 1) & (times < 3), fading, 1e-4)).astype(np.float32)
    assert np.allclose(SpeechDetector().stretches(samples, RATE), [[1, 3]], atol=0.02)


def test_rumble_as_loud_as_the_quieter_sounds_of_speech_hides_no_pause(random):
    times = np.arange(10 * RATE) / RATE
    said = [(1.0, 3.0), (4.5, 6.0), (7.5, 9.0)]
    # 20 to 60 Hz that swells and ebbs twice a second, 18 dB under the speech at its loudest.
    rumble = sum(np.sin(2 * np.pi * hz * times + random.uniform(0, 6)) for hz in (20, 33, 47, 60)) * 0.012 * np.sin(2 * np.pi * times) ** 2
    found = SpeechDetector().stretches((talk(random, 10, said) + rumble).astype(np.float32), RATE)
    assert np.allclose(found, said, atol=0.06)


def test_a_breath_before_a_phrase_is_no_speech(random):
    breath = talk(random, 6, [(0.6, 0.9)], level=0.004)  # 28 dB under the speech
    found = SpeechDetector().stretches(breath + talk(random, 6, [(1.4, 3.0), (3.6, 5.0)]), RATE)
    assert np.allclose(found, [(1.4, 3.0), (3.6, 5.0)], atol=0.06)


def test_a_quiet_speaker_after_a_shout_is_heard(random):
    said = [(1.0, 2.0), (4.0, 5.0)]
    samples = talk(random, 6, said[:1], level=0.3) + talk(random, 6, said[1:], level=0.004)  # 38 dB apart
    assert np.allclose(SpeechDetector().stretches(samples, RATE), said, atol=0.06)


def test_speech_is_found_alike_in_a_line_and_in_a_long_recording_of_it(random):
    line = talk(random, 6, [(1.0, 2.5), (3.5, 5.0)])
    alone = SpeechDetector().stretches(line, RATE)
    long = SpeechDetector().stretches(np.concatenate([line] * 5), RATE)
    assert np.allclose(long, np.concatenate([alone + 6 * i for i in range(5)]), atol=0.011)  # a window


def test_the_features_agree_with_each_other(random):
    wave = Waveform.from_samples(talk(random, 6.003, [(1.0, 2.5), (3.5, 5.0)]), RATE)
    features = listen(wave.samples, wave.rate)
    assert len(features.level) == len(features.melody) == len(features.times()) == 601
    assert features.phrase_ends == pytest.approx([2.5, 5.0], abs=0.06)
    assert features.seconds == pytest.approx(6.003)
    loud = features.level[(features.times() > 1.0) & (features.times() < 2.4)].mean()
    assert loud > features.level[features.times() < 0.9].mean() + 40
    found = features.accents[:, 0]
    assert ((found >= features.stretches[0, 0] - HOP_SECONDS) & (found <= features.stretches[-1, 1])).all()


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_sum_in_pieces_is_the_sum_at_once_to_the_bit(beyond, random):
    samples = random.normal(size=3 * speech._PIECE + beyond).astype(np.float32)
    np.testing.assert_array_equal(speech._running_sum(samples), np.concatenate([[0.0], np.cumsum(samples, dtype=np.float64)]))


@pytest.mark.parametrize("n_samples", [1, 159, 160, 161, 700, 4000])
def test_short_sounds_are_heard_without_complaint(n_samples, random):
    features = listen((random.normal(size=n_samples) * 0.1).astype(np.float32), RATE)
    assert len(features.level) == -(-n_samples // 160)
    assert np.isfinite(features.level).all()
    assert np.isfinite(features.melody).all()


def test_nothing_is_heard_in_digital_silence():
    features = listen(np.zeros(RATE, np.float32), RATE)
    assert len(features.stretches) == len(features.accents) == 0
    assert np.isnan(features.pitch).all()
    assert not features.melody.any()
