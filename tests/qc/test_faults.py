"""Faults planted into demo lines are found under the right code, and lines as they are have no flag."""

from itertools import permutations

import numpy as np
import pytest

from a2f_batch.audio import Waveform
from a2f_batch.names import is_mouth
from a2f_batch.qc import judge, measure
from tests.qc.line_fixtures import FPS, DemoLine, demo_lines, rendered

LINES = list(demo_lines())


def fresh_random():
    seed = int(np.random.SeedSequence().entropy % 2**32)
    print("seed", seed)
    return np.random.default_rng(seed)


@pytest.fixture(params=LINES)
def line(request):
    return demo_lines()[request.param]


def test_a_line_as_it_is_has_no_flag(line):
    assert line.codes() <= {"few-closures"}  # the Japanese line's lips close nowhere


def test_figures_do_not_depend_on_whether_post_processing_listened(line):
    assert measure(line.wave, line.clip, line.heard) == measure(line.wave, line.clip)


@pytest.mark.parametrize("frames", [-6, 6])
def test_curves_shifted_by_200_ms_are_out_of_step_by_so_much(line, frames):
    at = np.clip(np.arange(line.clip.n_frames) - frames, 0, line.clip.n_frames - 1)
    measured = measure(line.wave, line.clip.with_values(line.clip.values[at]), line.heard)
    assert "out-of-step" in {flag.code for flag in judge(measured).flags}
    assert measured.figures["lag"] == pytest.approx(1000 * frames / FPS, abs=40)


def test_another_lines_curves_of_the_same_length_do_not_go_with_the_sound():
    missed = []
    for name, other_name in permutations(LINES, 2):
        line, other = demo_lines()[name], demo_lines()[other_name]
        at = np.minimum(np.arange(line.clip.n_frames), other.clip.n_frames - 1)
        if not line.codes(other.clip.values[at]) & {"unrelated", "out-of-step"}:
            missed.append((name, other_name))
    # Two mouths that open and close in the same rhythm by chance are told apart by nothing; docs/qc.md has the shares on real prompts.
    assert len(missed) <= 8, missed


def test_another_lines_curves_as_they_are_have_the_wrong_length():
    line, other = demo_lines()["gate_halt.en-US.wav"], demo_lines()["gate_pass.it-IT.flac"]
    assert "wrong-length" in DemoLine(line.wave, other.clip, line.heard).codes()


def test_curves_that_freeze_are_a_still_mouth(line):
    first = int(fresh_random().integers(0, line.clip.n_frames // 2))
    values = line.clip.values.copy()
    values[first:] = values[first]
    assert "still-mouth" in line.codes(values)


def test_noise_for_a_sound_is_noisy():
    noise = fresh_random().normal(0, 0.05, 48000)
    assert rendered(Waveform.from_samples(noise.astype(np.float32), 16000)).codes() & {"noisy", "no-speech"}


def test_a_clipped_sound_is_told(line):
    loud = np.clip(line.wave.samples / np.abs(line.wave.samples).max() * 4, -1, 1)
    assert "clipping" in rendered(Waveform.from_samples(loud, 16000)).codes()


def test_a_jaw_that_goes_on_in_a_pause_moves_in_silence(line):
    quiet = np.concatenate([line.wave.samples, fresh_random().normal(0, 1e-4, 16000).astype(np.float32)])
    longer = rendered(Waveform.from_samples(quiet, 16000))
    assert "moves-in-silence" not in longer.codes()
    values, times = longer.clip.values.copy(), longer.clip.times() - float(line.wave.duration)
    values[:, longer.clip.names.index("jawOpen")] += np.where(times > 0.3, 0.08 * (1 - np.cos(6 * np.pi * times)), 0).astype(np.float32)
    flags = judge(measure(longer.wave, longer.clip.with_values(values), longer.heard)).flags
    (found,) = (flag for flag in flags if flag.code == "moves-in-silence")
    assert found.begin < float(line.wave.duration) + 0.4 and found.end > float(line.wave.duration) + 0.6


def test_a_trembling_mouth_and_a_frame_that_pops_are_told(line):
    random = fresh_random()
    mouth = [i for i, name in enumerate(line.clip.names) if is_mouth(name)]
    values = line.clip.values.copy()
    values[:, mouth] += random.normal(0, 0.04, (len(values), len(mouth))).astype(np.float32)
    assert "jitter" in line.codes(values)
    values = line.clip.values.copy()
    values[random.integers(1, len(values)), line.clip.names.index("jawOpen")] += 0.8
    assert "jump" in line.codes(values)


def test_a_flagged_line_scores_over_every_line_without_a_flag(line):
    clean = judge(measure(line.wave, line.clip, line.heard))
    frozen = judge(measure(line.wave, line.clip.with_values(np.repeat(line.clip.values[:1], line.clip.n_frames, axis=0)), line.heard))
    assert frozen.score > 1 and (clean.flags or clean.score < 1) and frozen.score > clean.score


@pytest.mark.parametrize("fps", [24, 25, 60, 120])
def test_any_frame_rate_gives_nearly_the_same_figures(fps):
    at_30 = demo_lines()["gate_halt.en-US.wav"]
    other = rendered(at_30.wave, fps)
    here, there = (measure(one.wave, one.clip, one.heard).figures for one in (at_30, other))
    for name, within in (("lag", 15), ("correlation", 0.05), ("closures", 0.4), ("loudness", 0), ("still", 0.05), ("jump", 0.12)):
        assert there[name] == pytest.approx(here[name], abs=within), name
    assert other.codes() == at_30.codes()


def test_the_shortest_and_the_emptiest_lines_have_figures():
    for samples in (np.zeros(16000), fresh_random().normal(0, 0.1, 600), np.zeros(600)):
        line = rendered(Waveform.from_samples(samples.astype(np.float32), 16000))
        judge(measure(line.wave, line.clip, line.heard))
