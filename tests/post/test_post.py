from fractions import Fraction

import numpy as np
import pytest

import a2f_batch as a2f
from a2f_batch.audio import Waveform
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52, MOUTH, ROTATIONS
from a2f_batch.post import Context, pipeline, profiles
from a2f_batch.post.blink import Blink
from a2f_batch.post.clamp import Clamp
from a2f_batch.post.silence_gate import SilenceGate
from a2f_batch.post.smooth import Smooth
from a2f_batch.speech import SpeechDetector

RATE = 16000


@pytest.fixture()
def random():
    seed = int(np.random.SeedSequence().entropy % 2**32)
    print("seed", seed)
    return np.random.default_rng(seed)


def spoken_line(random, seconds=6.0, stretches=((1.0, 2.5), (3.5, 5.0)), level=0.1, room=1e-4):
    """Noise that rises and falls four times a second, as syllables do, over room tone."""
    times = np.arange(round(seconds * RATE)) / RATE
    envelope = sum(((times >= a) & (times < b)).astype(float) for a, b in stretches) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * times))
    return Waveform.from_samples((random.normal(size=len(times)) * (envelope * level + room)).astype(np.float32), RATE)


def babbling_clip(wave, fps, random):
    """Every channel moves all the time, in silence too."""
    n_frames = wave.frame_count(Fraction(fps))
    return a2f.FaceClip(ARKIT_52, 0.5 + 0.3 * random.normal(size=(n_frames, 52)), fps)


STAGES = [Smooth(), SilenceGate(), Blink(), Clamp()]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
@pytest.mark.parametrize("fps", [24, 60, Fraction(30000, 1001)])
def test_a_stage_keeps_names_times_and_source_and_makes_nothing_infinite(stage, fps, random):
    wave = spoken_line(random)
    clip = babbling_clip(wave, fps, random)
    before = clip.values.copy()
    after = stage.apply(clip, Context(wave, 1))
    assert (after.names, after.fps, after.start, after.n_frames) == (clip.names, clip.fps, clip.start, clip.n_frames)
    assert np.array_equal(clip.values, before)
    again = stage.apply(clip, Context(wave, 1))
    assert np.array_equal(after.values, again.values)


@pytest.mark.parametrize("stage", [Smooth(), SilenceGate(), Clamp()], ids=lambda stage: type(stage).__name__)
def test_a_still_face_stays_still(stage, random):
    wave = spoken_line(random)
    clip = a2f.FaceClip(ARKIT_52, np.zeros((180, 52)), 30)
    assert not stage.apply(clip, Context(wave, 0)).values.any()


def test_the_clamp_leaves_rotations_alone():
    clip = a2f.FaceClip(("jawOpen", "HeadYaw"), [[1.5, -0.4], [-0.5, 1.2]], 30)
    assert np.allclose(Clamp().apply(clip, Context(None, 0)).values, [[1, -0.4], [0, 1.2]])


def test_smoothing_is_a_gaussian_that_moves_nothing_in_time(random):
    from scipy.ndimage import gaussian_filter1d

    clip = a2f.FaceClip(("jawOpen", "mouthPressLeft", "browInnerUp", "mouthPucker"), random.normal(size=(400, 4)), 60)
    smooth = Smooth(mouth_seconds=0.02, posture_seconds=0.03, face_seconds=0.05).apply(clip, Context(None, 0))
    for name, seconds in (("jawOpen", 0.02), ("mouthPressLeft", 0.03), ("browInnerUp", 0.05), ("mouthPucker", 0.02)):
        reference = gaussian_filter1d(clip[name].astype(float), seconds * 60, mode="nearest", radius=int(np.ceil(4 * seconds * 60)))
        assert np.allclose(smooth[name], reference, atol=1e-5)  # float32 sums of a few dozen terms of size 1


def test_smoothing_less_than_a_frame_changes_nothing(random):
    clip = a2f.FaceClip(("jawOpen",), random.normal(size=(50, 1)), 24)
    assert np.array_equal(Smooth(mouth_seconds=0.001).apply(clip, Context(None, 0)).values, clip.values)


def test_the_mouth_is_shut_and_still_within_a_fifth_of_a_second_of_a_pause_and_open_in_speech(random):
    wave = spoken_line(random)
    clip = babbling_clip(wave, 60, random)
    gated = SilenceGate().apply(clip, Context(wave, 0))
    times = clip.times()
    pauses = (times < 0.8) | ((times > 2.75) & (times < 3.3)) | (times > 5.25)
    speech = ((times > 1.0) & (times < 2.4)) | ((times > 3.5) & (times < 4.9))
    for name in MOUTH:
        assert np.abs(gated[name][pauses]).max() < 0.01
        assert np.array_equal(gated[name][speech], clip[name][speech])
    assert np.array_equal(gated["browInnerUp"], clip["browInnerUp"])


@pytest.mark.parametrize("level", [0.004, 0.03, 0.3])
@pytest.mark.parametrize("room", [0.0, 1e-5, 3e-4])
def test_speech_is_found_at_any_level(level, room, random):
    wave = spoken_line(random, level=level, room=min(room, level / 30))
    found = SpeechDetector().stretches(wave.samples, wave.rate)
    assert np.allclose(found, [[1.0, 2.5], [3.5, 5.0]], atol=0.06)  # the envelope is faint for up to 60 ms at an end


def test_a_short_gap_as_in_a_stop_consonant_does_not_shut_the_mouth(random):
    wave = spoken_line(random, stretches=((1.0, 2.0), (2.12, 3.0)))
    assert len(SpeechDetector().stretches(wave.samples, wave.rate)) == 1


@pytest.mark.parametrize("samples", ["silence", "room tone"])
def test_nobody_speaks_in_silence_or_steady_room_tone(samples, random):
    level = 10 ** (-50 / 20) if samples == "room tone" else 0
    wave = Waveform.from_samples((random.normal(size=3 * RATE) * level).astype(np.float32), RATE)
    assert len(SpeechDetector().stretches(wave.samples, wave.rate)) == 0


def test_a_line_without_any_pause_is_not_gated(random):
    wave = spoken_line(random, 3.0, ((0.0, 3.0),), room=0)
    assert np.allclose(SpeechDetector().stretches(wave.samples, wave.rate), [[0, 3]], atol=0.05)


def test_a_gate_without_the_sound_says_what_to_do():
    with pytest.raises(ProfileError, match="wave=") as caught:
        a2f.post(a2f.FaceClip(ARKIT_52, np.zeros((3, 52)), 30))
    assert caught.value.code == "wave-missing"


def blinks_of(clip):
    """Frames at which the lids are down by more than half, as (first, last + 1)."""
    return np.flatnonzero(np.diff(np.concatenate([[0], clip["eyeBlinkLeft"] > 0.5, [0]]).astype(int))).reshape(-1, 2)


def test_blinks_come_whole_and_at_human_intervals(random):
    still = a2f.FaceClip(ARKIT_52, np.zeros((60 * 60, 52)), 60)
    for seed in random.integers(0, 2**31, 20):
        clip = Blink().apply(still, Context(None, int(seed)))
        lids = clip["eyeBlinkLeft"]
        assert np.array_equal(lids, clip["eyeBlinkRight"])
        assert lids[0] == lids[-1] == 0
        assert lids.max() == 1
        blinks = blinks_of(clip)
        assert 60 / 4.8 - 2 <= len(blinks) <= 60 / 1.6 + 1
        spacing = np.diff(blinks[:, 0]) / 60
        assert spacing.min() >= 1.6 - 0.02
        assert spacing.max() <= 4.8 + 0.02
        assert np.abs(np.diff(lids)).max() < 0.3  # no jump: a lid takes 100 ms, six frames, to close


def test_blinks_depend_on_the_seed_and_not_on_the_frame_rate():
    def starts(seed, fps):
        still = a2f.FaceClip(ARKIT_52, np.zeros((30 * fps, 52)), fps)
        return blinks_of(Blink().apply(still, Context(None, seed)))[:, 0] / fps
    assert len(starts(1, 120)) == len(starts(1, 30))
    assert np.allclose(starts(1, 120), starts(1, 30), atol=1 / 30)
    assert not np.array_equal(starts(1, 60), starts(2, 60))


def test_a_clip_without_lids_gets_them():
    clip = Blink().apply(a2f.FaceClip(("jawOpen",), np.zeros((300, 1)), 30), Context(None, 0))
    assert clip.names == ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight")
    assert clip["eyeBlinkRight"].max() > 0.9


def test_impossible_blinks_are_refused():
    with pytest.raises(ProfileError, match="least_interval_seconds"):
        Blink(least_interval_seconds=0.1)


def test_an_all_silent_line_is_a_still_closed_blinking_face(random):
    wave = Waveform.from_samples(np.zeros(10 * RATE, np.float32), RATE)
    clip = a2f.post(babbling_clip(wave, 30, random), wave=wave, seed=3)
    assert not clip.select(MOUTH).values.any()
    assert len(blinks_of(clip)) >= 1


def test_the_raw_profile_changes_nothing(random):
    wave = spoken_line(random)
    clip = babbling_clip(wave, 30, random)
    assert np.array_equal(a2f.post(clip, profile="raw").values, clip.values)


def test_the_default_profile_stays_between_rest_and_full(random):
    wave = spoken_line(random)
    clip = a2f.post(babbling_clip(wave, 30, random), wave=wave)
    weights = clip.select([name for name in clip.names if name not in ROTATIONS]).values
    assert weights.min() >= 0
    assert weights.max() <= 1
    turned = np.degrees(np.abs(clip.select(ROTATIONS, missing=0).values)).max(axis=0)
    assert (turned[:3] <= 3).all()
    assert (turned[3:] <= 6.001).all()  # EyeDarts.most_degrees, in float32


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(ProfileError, match="default, raw") as caught:
        a2f.post(a2f.FaceClip(ARKIT_52, np.zeros((3, 52)), 30), profile="defualt")
    assert caught.value.code == "profile-unknown"


@pytest.mark.parametrize(("entry", "message"), [
    ({"stage": "smoth"}, "Did you mean 'smooth'"), ({}, "no stage None"),
    ({"stage": "smooth", "mouth_second": 1}, "Did you mean 'mouth_seconds'"),
    ({"stage": "smooth", "mouth_seconds": "long"}, "Give a number"), ({"stage": "clamp", "upper": True}, "Give a number"),
])
def test_a_wrong_stage_in_a_profile_is_named_with_the_nearest_right_one(entry, message):
    with pytest.raises(ProfileError, match=message):
        pipeline.parse_profile("mine", {"stages": [entry]})


def test_the_profiles_that_ship_all_describe_themselves():
    assert set(profiles()) == {"default", "raw"}
    assert all(profile.description for profile in profiles().values())
