"""Phones to curves: what every mouth must do, whoever speaks, on phones drawn afresh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from a2f_batch.errors import A2FError
from a2f_batch.train.coarticulation import TRACKS, read_visemes, rule_curves
from a2f_batch.train.examples import Example, finer, load_examples, write_examples
from a2f_batch.train.phones import BILABIAL, CLASSES, ROUNDED, SPREAD, VOWELS, classes_of
from a2f_batch.train.recipe import read_recipe
from a2f_batch.train.segments import corrected, segments_of
from a2f_batch.train.sounds import changed, crop, noise
from a2f_batch.train.speech.ipa import join_marks
from a2f_batch.train.speech.utterance import Phone, Utterance, exists, read_utterances, write_utterance

LETTERS = [letter for letters in CLASSES.values() for letter in letters]


@pytest.fixture
def random() -> np.random.Generator:
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    print(f"seed {seed}")
    return np.random.default_rng(seed)


def draw_phones(random: np.random.Generator, n: int) -> tuple[Phone, ...]:
    phones, at = [], 0.5
    for letter in random.choice(LETTERS, n):
        at += 0.3 * (random.random() < 0.1)
        end = at + random.uniform(0.05, 0.2)
        phones.append(Phone(str(letter), at, end))
        at = end
    return tuple(phones)


def curves_of(phones: tuple[Phone, ...], times: np.ndarray) -> dict[str, np.ndarray]:
    values, _ = rule_curves(segments_of(phones, phones[-1].end + 1), times, read_visemes())
    return dict(zip(TRACKS, values.T, strict=True))


def test_lips_meet_on_every_p_b_and_m_and_part_in_every_vowel(random: np.random.Generator) -> None:
    for _ in range(5):
        phones = draw_phones(random, 60)
        middles = np.array([(phone.begin + phone.end) / 2 for phone in phones])
        curves = curves_of(phones, middles)
        opening = curves["jawOpen"] - curves["mouthClose"]
        bilabial = np.array([phone.ipa in BILABIAL for phone in phones])
        vowel = np.array([classes_of(phone.ipa)[0] in VOWELS for phone in phones])
        # A phone that two equal neighbours were merged with has its middle elsewhere; the closure reaches over all of it.
        assert (np.abs(opening[bilabial]) < 0.02).all(), [phones[i] for i in np.flatnonzero(bilabial & (np.abs(opening) >= 0.02))]
        assert (opening[vowel] > 0.08).all(), [phones[i] for i in np.flatnonzero(vowel & (opening <= 0.08))]


def test_rounded_phones_are_rounder_than_spread_ones_whoever_stands_beside_them(random: np.random.Generator) -> None:
    rounded, spread = [], []
    for _ in range(10):
        phones = draw_phones(random, 60)
        curves = curves_of(phones, np.array([(phone.begin + phone.end) / 2 for phone in phones]))
        lips = np.maximum(curves["mouthPucker"], curves["mouthFunnel"])
        rounded += [value for phone, value in zip(phones, lips, strict=True) if phone.ipa in ROUNDED]
        spread += [value for phone, value in zip(phones, lips, strict=True) if phone.ipa in SPREAD]
    # Among phones of no language, thrown together; in words of a language it is 0.96 to 1 (docs/training.md).
    assert np.mean(np.array(rounded)[:, None] > np.array(spread)[None]) > 0.88


def test_f_and_v_tuck_the_lower_lip_under_the_teeth(random: np.random.Generator) -> None:
    phones = (Phone("a", 0.3, 0.5), Phone(str(random.choice(["f", "v"])), 0.5, 0.6), Phone("a", 0.6, 0.8))
    curves = curves_of(phones, np.array([0.4, 0.55, 0.7]))
    assert curves["mouthRollLower"][1] > curves["mouthRollLower"][[0, 2]].max() + 0.05
    assert curves["jawOpen"][1] < curves["jawOpen"][[0, 2]].min() - 0.05
    assert curves["jawOpen"][1] - curves["mouthClose"][1] > 0.0


def test_what_espeak_writes_as_y_is_spread_where_no_front_vowel_is_rounded() -> None:
    phones = (Phone("t", 0.3, 0.4), Phone("y", 0.4, 0.5))
    said = {language: corrected(phones, "espeak", language)[1].ipa for language in ("ru", "pt-br", "de", "fr", "fi")}
    assert said == {"ru": "ɨ", "pt-br": "i", "de": "y", "fr": "y", "fi": "y"}


def test_a_mouth_rests_far_from_speech_and_only_there(random: np.random.Generator) -> None:
    phones = draw_phones(random, 8)
    times = np.array([0.0, phones[0].begin - 0.26, phones[-1].end + 0.31, phones[-1].end + 0.9])
    assert all((np.abs(curve) < 1e-6).all() for curve in curves_of(phones, times).values())
    inside = curves_of(phones, np.linspace(phones[0].begin, phones[-1].end, 50))
    assert np.ptp(inside["jawOpen"]) > 0.05


def test_curves_do_not_depend_on_which_other_times_are_asked(random: np.random.Generator) -> None:
    phones = draw_phones(random, 40)
    times = np.arange(0, phones[-1].end, 0.01)
    whole = curves_of(phones, times)["jawOpen"]
    alone = curves_of(phones, times[150:180])["jawOpen"]
    # Segments farther than a second away are left out: the slowest rate is 4/s, so what is left out is below e^-4 of a dominance, and
    # near phones outweigh it.
    assert np.abs(whole[150:180] - alone).max() < 0.02


def test_marks_join_their_phones_and_spaces_inside_a_phrase_close() -> None:
    pieces = [("", 0, 0.3), ("ˈ", 0.3, 0.35), ("p", 0.35, 0.4), ("u", 0.4, 0.5), ("ː", 0.5, 0.6), (" ", 0.6, 0.65), ("ʧ", 0.65, 0.7),
              ("A", 0.7, 0.8), ("↗", 0.8, 0.85), (",", 0.85, 1.2), ("m", 1.2, 1.3), (".", 1.3, 1.5)]
    phones = join_marks(pieces)
    assert [phone.ipa for phone in phones] == ["p", "u", "tʃ", "eɪ", "m"]
    assert np.allclose([[phone.begin, phone.end] for phone in phones],
                       [[0.3, 0.4], [0.4, 0.625], [0.625, 0.7], [0.7, 0.85], [1.2, 1.3]])


def test_segments_fill_the_line_and_never_overlap(random: np.random.Generator) -> None:
    for corpus in ("kokoro", "espeak", "piper"):
        line = segments_of(corrected(draw_phones(random, 50), corpus, "en-us"), 20.0)
        assert line.begins[0] == 0
        assert line.ends[-1] == 20.0
        assert np.allclose(line.begins[1:], line.ends[:-1])
        assert (line.ends > line.begins).all()
        assert (line.classes[1:] != line.classes[:-1]).all()


def test_an_utterance_comes_back_as_it_was_written_and_half_of_one_is_none(tmp_path: Path, random: np.random.Generator) -> None:
    phones = draw_phones(random, 12)
    utterance = Utterance("t00001", "espeak", "de", "m1", "train", "größer, Öl?", "none", phones)
    audio = random.standard_normal(16000).astype(np.float32) * 0.1
    write_utterance(tmp_path, utterance, audio)
    (found, path), = read_utterances(tmp_path)
    assert found.text == utterance.text
    assert np.allclose([(phone.begin, phone.end) for phone in found.phones], [(phone.begin, phone.end) for phone in phones], atol=1e-4)
    heard, rate = soundfile.read(path)
    assert rate == 16000
    assert np.corrcoef(heard, audio)[0, 1] > 0.999
    assert exists(tmp_path, "espeak-de", "t00001")
    (tmp_path / "espeak-de" / "t00001.json").unlink()
    assert not exists(tmp_path, "espeak-de", "t00001")
    with pytest.raises(A2FError, match="there is none"):
        list(read_utterances(tmp_path))


def bursts(random: np.random.Generator, seconds: int = 6) -> Example:
    """A line of noise whose first track is its loudness."""
    loudness = np.repeat(random.integers(0, 2, seconds * 5), 20).astype(np.float32)
    envelope = np.repeat(loudness, 160)
    audio = random.standard_normal(len(envelope)) * (envelope + 0.01)
    goals = np.zeros((len(loudness), len(TRACKS) + 2), dtype=np.float16)
    goals[:, 0] = loudness
    return Example("grid", np.clip(audio / audio.std() * 2000, -32768, 32767).astype(np.int16), goals,
                   np.zeros(len(loudness), dtype=np.int8))


def test_curves_stay_with_their_sound_whatever_is_done_to_it(random: np.random.Generator) -> None:
    example = bursts(random)
    hard = replace(read_recipe().sounds, speed_share=1, tilt_share=1, band_share=1, room_share=0, noise_share=1)
    for _ in range(8):
        audio, goals, classes = crop(example, 2.56, 128, hard, random)
        assert audio.shape == (40960,)
        assert goals.shape == (128, len(TRACKS) + 2)
        assert classes.shape == (128,)
        level = np.sqrt((audio.reshape(128, 320) ** 2).mean(axis=1))
        if np.ptp(goals[:, 0]) > 0.5:
            assert np.corrcoef(level, goals[:, 0])[0, 1] > 0.8


def test_a_face_goes_to_rest_where_silence_is_put_around_its_line(random: np.random.Generator) -> None:
    example = bursts(random, 2)
    example.goals[:, 0] = 0.5  # as one cut out in the middle of a movement
    for _ in range(20):
        _, goals, classes = crop(example, 3.2, 160, replace(read_recipe().sounds, speed_share=0, pause_share=1), random)
        assert (goals[:, 0] <= 0.501).all() and goals[:, 0].max() > 0.49
        at = np.flatnonzero(goals[:, 0] > 0.49)
        outside = np.ones(160, dtype=bool)
        outside[max(at[0] - 11, 0):at[-1] + 12] = False  # 0.2 s to ease, at 50 a second
        assert (goals[outside, :-1] == 0).all()
        assert (goals[outside, -1] == 1).all()
        assert (classes[outside] == 0).all()
        assert outside.any()


def test_noise_has_unit_variance_and_changes_keep_the_length(random: np.random.Generator) -> None:
    for _ in range(5):
        made = noise(20000, random)
        assert abs(float(made.std()) - 1) < 0.01
        out = changed(made, replace(read_recipe().sounds, tilt_share=1, band_share=1, room_share=1, noise_share=1), random)
        assert out.shape == made.shape
        assert np.isfinite(out).all()


def test_examples_come_back_from_their_file(tmp_path: Path, random: np.random.Generator) -> None:
    made = [bursts(random, seconds) for seconds in (2, 5, 3)]
    write_examples(made, tmp_path / "examples.npz")
    for one, other in zip(made, load_examples(tmp_path / "examples.npz"), strict=True):
        assert one.source == other.source
        assert np.array_equal(one.audio, other.audio)
        assert np.array_equal(one.goals, other.goals)
        assert np.array_equal(one.visemes, other.visemes)


def test_a_finer_curve_passes_through_its_frames() -> None:
    times = np.arange(50) / 25
    curve = np.sin(2 * np.pi * 2 * times)[:, None].astype(np.float32)
    fine = finer(curve, 4)
    assert np.allclose(fine[::4], curve, atol=1e-6)
    # A Catmull-Rom spline misses a 2 Hz sine at 25 fps by less than 0.004 inside (fourth order: (w h)^4 * 3 / 128).
    assert np.abs(fine[:, 0] - np.sin(2 * np.pi * 2 * np.arange(200) / 100))[8:-12].max() < 0.004
