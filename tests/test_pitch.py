import time

import numpy as np
import pytest

from a2f_batch.pitch import HOP_SECONDS, PitchTracker, accents, inside, levels_dbfs, melody
from a2f_batch.speech import listen

RATE = 16000


@pytest.fixture()
def random():
    seed = int(np.random.SeedSequence().entropy % 2**32)
    print("seed", seed)
    return np.random.default_rng(seed)


def buzz(hz, random, noise=0.0):
    """A voice-like tone whose pitch is `hz`, one value a sample."""
    phase = np.cumsum(2 * np.pi * hz / RATE)
    tone = sum(np.sin(k * phase + random.uniform(0, 6)) / k for k in range(1, 8))
    return (0.1 * tone + noise * random.normal(size=len(phase))).astype(np.float32)


def plain_yin(samples, rate, middle, tracker):
    """Steps 1 to 5 of the paper for one frame, in loops, on the sound at half its rate."""
    half = [float(samples[2 * i]) + float(samples[2 * i + 1]) for i in range(len(samples) // 2)]
    rate //= 2
    window, lags = round(tracker.window_seconds * rate), int(rate / tracker.least_hz) + 2
    first = round(middle * rate) - (window + lags) // 2
    x = [half[i] if 0 <= i < len(half) else 0.0 for i in range(first, first + window + lags)]
    difference = [sum((x[j] - x[j + lag]) ** 2 for j in range(window)) for lag in range(lags)]
    share, running = [1.0], 0.0
    for lag in range(1, lags):
        running += difference[lag]
        share.append(difference[lag] * lag / running)
    for lag in range(max(int(rate / tracker.most_hz), 2), lags - 1):
        if share[lag] < tracker.threshold and share[lag] <= share[lag + 1] and share[lag] < share[lag - 1]:
            left, here, right = share[lag - 1: lag + 2]
            return rate / (lag + (left - right) / (2 * (left - 2 * here + right)))
    return float("nan")


def test_pitch_agrees_with_the_paper_in_plain_loops(random):
    hz = np.interp(np.arange(RATE) / RATE, [0, 1], random.uniform(90, 250, 2))
    samples = buzz(hz, random, noise=0.005)
    tracker = PitchTracker()
    contour = tracker.contour(samples, RATE)
    for frame in range(5, 45, 4):
        around = [plain_yin(samples, RATE, (frame + k) * 2 * HOP_SECONDS, tracker) for k in range(-2, 3)]
        assert contour[frame] == pytest.approx(float(np.median(around)), rel=1e-6)


@pytest.mark.parametrize("hz", [70, 110, 165, 220, 333, 480])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_steady_pitch_is_found(hz, noise, random):
    contour = PitchTracker().contour(buzz(np.full(RATE, float(hz)), random, noise), RATE)[3:-3]
    assert np.isfinite(contour).mean() > 0.95
    assert np.nanmax(np.abs(12 * np.log2(contour / hz))) < 0.5  # semitones; a lag is up to a whole one at 480 Hz and 8 kHz


def test_noise_and_silence_have_no_pitch(random):
    noise = PitchTracker().contour((0.1 * random.normal(size=2 * RATE)).astype(np.float32), RATE)
    assert np.isfinite(noise).mean() < 0.05
    assert np.isnan(PitchTracker().contour(np.zeros(RATE, np.float32), RATE)).all()


def test_pitch_does_not_depend_on_the_level(random):
    samples = buzz(np.full(RATE, 140.0), random, 0.002)
    assert np.allclose(PitchTracker().contour(samples, RATE), PitchTracker().contour(samples / 64, RATE), rtol=1e-6, equal_nan=True)


def test_levels_are_those_of_a_sine():
    sine = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)
    assert np.allclose(levels_dbfs(sine, 160), 10 * np.log10(0.5), atol=1e-4)


def test_the_melody_is_in_semitones_over_the_median_and_never_breaks(random):
    pitch = np.full(100, np.nan)
    pitch[20:40], pitch[60:101] = 100.0, 200.0
    tune = melody(pitch, np.array([[0.0, 2.0]]), 200)
    assert np.isfinite(tune).all()
    assert tune[150] - tune[50] == pytest.approx(12)
    assert not melody(np.full(100, np.nan), np.array([[0.0, 2.0]]), 200).any()


def test_accents_lie_on_the_stressed_syllables(random):
    times = np.arange(6 * RATE) / RATE
    stressed = np.array([1.3, 2.7, 4.4])
    bump = np.exp(-0.5 * ((times[:, None] - stressed) / 0.08) ** 2).sum(axis=1)
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 5 * times)
    samples = buzz(110 * 2 ** (5 * bump / 12), random) * (0.15 * syllables + 0.85 * bump) * ((times > 0.5) & (times < 5.5))
    found = listen(samples.astype(np.float32), RATE).accents
    strongest = np.sort(found[np.argsort(-found[:, 1])[:3], 0])
    assert np.allclose(strongest, stressed, atol=0.08)  # the smoothing spans a syllable
    assert ((found[:, 1] > 0) & (found[:, 1] < 1)).all()
    assert (np.diff(found[:, 0]) >= 0.35 - 1e-9).all()


def test_an_even_hum_has_no_accents(random):
    level, tune = np.full(500, -20.0), np.zeros(500)
    assert len(accents(level, tune, np.array([[0.0, 5.0]]))) == 0


def test_times_are_told_inside_stretches_as_one_would_by_hand(random):
    stretches = np.array([[0.5, 1.0], [2.0, 2.5]])
    times = random.uniform(0, 3, 200)
    assert inside(times, stretches).tolist() == [any(a <= t < b for a, b in stretches) for t in times]


def test_the_analysis_is_far_faster_than_the_sound(random):
    samples = buzz(np.full(60 * RATE, 130.0), random, 0.01)
    took = []
    for _ in range(3):
        begin = time.process_time()
        listen(samples, RATE)
        took.append(time.process_time() - begin)
    assert 60 / min(took) > 300  # measured 700 on one core of a busy two-core machine; the bar is 300
