"""The nine stages of the dlp3d service: plain-loop references written from its published behaviour, not from our code."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2f_batch.audio import Waveform
from a2f_batch.clip import FaceClip, concat
from a2f_batch.emotion import Envelope
from a2f_batch.errors import ProfileError
from a2f_batch.names import ARKIT_52, vocabulary
from a2f_batch.post import Context
from a2f_batch.post.bounds import Bounds
from a2f_batch.post.custom_blink import CustomBlink
from a2f_batch.post.linear_exp import LinearExp
from a2f_batch.post.offset import Offset
from a2f_batch.post.rename import Rename
from a2f_batch.post.scale import Scale
from a2f_batch.post.threshold import Threshold
from a2f_batch.post.unitalker_blink import UniTalkerBlink
from a2f_batch.post.unitalker_clip import UniTalkerClip

QUIET = Context(None, 0)
UNITALKER = vocabulary("unitalker51")
UNITALKER_HUB = tuple(UNITALKER.to_hub[channel] for channel in UNITALKER.channels)

# One rounding of a float32 near 1 is 6e-8; the references work in float64, the stages make two or three roundings.
FLOAT32 = {"rtol": 3e-7, "atol": 3e-7}


@pytest.fixture()
def random():
    seed = int(np.random.SeedSequence().entropy % 2**32)
    print("seed", seed)
    return np.random.default_rng(seed)


def wild_clip(random, names=ARKIT_52, n_frames=90, fps=30, start=0):
    """Values below rest, above full and in between."""
    return FaceClip(names, random.normal(0.4, 0.5, (n_frames, len(names))), fps, Fraction(start))


def silence(seconds):
    return Waveform.from_samples(np.zeros(round(seconds * 16000), np.float32), 16000)


def by_loops(clip, rule):
    """Apply rule(name, x) -> y value by value, in Python's floats."""
    return np.array([[rule(name, float(x)) for name, x in zip(clip.names, row, strict=True)] for row in clip.values])


def clipped(x, low, high):
    return low if x < low else high if x > high else x


# The per-channel stages against loops


def test_bounds_are_the_seeds(random):
    clip = wild_clip(random)
    lower = {"jawOpen": 0.1, "mouthClose": -0.2, "noSuchChannel": 0.0}
    upper = {"jawOpen": 0.6, "browInnerUp": 0.3}
    after = Bounds(lower, upper).apply(clip, QUIET)
    reference = by_loops(clip, lambda name, x: min(max(x, lower.get(name, -math.inf)), upper.get(name, math.inf)))
    assert np.allclose(after.values, reference, **FLOAT32)
    assert np.array_equal(Bounds(lower, upper).apply(after, QUIET).values, after.values)


def test_scale_is_the_seeds(random):
    clip = wild_clip(random)
    factors = {"jawOpen": 0.33, "mouthFunnel": 2.5, "tongueOut": 0.0}
    reference = by_loops(clip, lambda name, x: x * factors.get(name, 1.0))
    assert np.allclose(Scale(factors).apply(clip, QUIET).values, reference, **FLOAT32)


def test_threshold_is_the_seeds_and_takes_the_limit_itself(random):
    limits = {"jawOpen": 0.25, "browInnerUp": 0.0}
    clip = wild_clip(random)
    clip = clip.with_values(np.where(np.arange(90)[:, None] % 7 == 0, np.float32(0.25), clip.values))
    after = Threshold(limits).apply(clip, QUIET)
    reference = by_loops(clip, lambda name, x: 0.0 if x <= limits.get(name, -math.inf) else x)
    assert np.array_equal(after.values, reference.astype(np.float32))
    assert not after["jawOpen"][::7].any()
    assert np.array_equal(Threshold(limits).apply(after, QUIET).values, after.values)


def test_linear_exp_is_the_seeds(random):
    clip = wild_clip(random)
    names, offset, reference_weight, strength, weight = ("jawOpen", "mouthFunnel"), -0.106, 0.75, 8, 0.4

    def rule(name, x):
        if name not in names:
            return x
        z = clipped(x + offset, 0, 1) / reference_weight
        return clipped((1 - weight) * z + weight * (1 - math.exp(-strength * z)), 0, 1)

    after = LinearExp(names).apply(clip, QUIET)
    # float32's error in x + offset is up to 6e-8, and the steepest slope of the formula is (0.6 + 0.4 * 8) / 0.75 = 5.
    assert np.allclose(after.values, by_loops(clip, rule), atol=6e-7, rtol=0)


def test_linear_exp_leaves_rest_at_rest_and_never_turns_a_curve_around():
    ramp = FaceClip(("jawOpen",), np.linspace(-0.5, 1.5, 500)[:, None], 30)
    curve = LinearExp().apply(ramp, QUIET)["jawOpen"]
    assert (np.diff(curve) >= 0).all()
    assert curve[0] == 0
    assert curve[-1] == 1
    assert not LinearExp().apply(FaceClip(("jawOpen",), np.zeros((5, 1)), 30), QUIET).values.any()


def test_the_unitalker_clip_goes_by_the_columns_of_the_seed(random):
    clip = wild_clip(random, UNITALKER_HUB)
    reference = clip.values.astype(float).copy()
    for row in reference:
        for column in range(2, 14):
            row[column] = clipped(row[column], 0, 1) * 0.8
        for column in (45, 0, 1):
            row[column] = clipped(row[column], 0, 0.01)
    assert np.allclose(UniTalkerClip().apply(clip, QUIET).values, reference, **FLOAT32)


def test_the_unitalker_clip_does_not_care_about_order_or_a_52nd_channel(random):
    clip = wild_clip(random, UNITALKER_HUB)
    shuffled = tuple(random.permutation([*UNITALKER_HUB, "tongueOut"]))
    other = UniTalkerClip().apply(clip.select(shuffled, missing=0.7), QUIET)
    assert np.array_equal(other.select(UNITALKER_HUB).values, UniTalkerClip().apply(clip, QUIET).values)
    assert (other["tongueOut"] == np.float32(0.7)).all()


# Offset: sets and their choice

SETS = {"anger_3": {"browDownLeft": 0.4, "browDownRight": 0.4, "mouthFrownLeft": 0.0}, "joy_1": {"mouthSmileLeft": 0.1},
        "joy_4": {"mouthSmileLeft": 0.6, "HeadPitch": -1.2}, "calm": {"browInnerUp": -0.1}}


def test_an_offset_is_added_and_held_between_rest_and_full(random):
    clip = wild_clip(random)
    after = Offset(SETS, "anger_3").apply(clip, QUIET)
    chosen = SETS["anger_3"]
    reference = by_loops(clip, lambda name, x: clipped(x + chosen[name], 0, 1) if name in chosen else x)
    assert np.allclose(after.values, reference, **FLOAT32)


def test_an_offset_of_a_rotation_is_not_held():
    clip = FaceClip(("mouthSmileLeft", "HeadPitch"), [[0.7, -0.5]], 30)
    assert np.allclose(Offset(SETS, "joy_4").apply(clip, QUIET).values, [[1.0, -1.7]], **FLOAT32)


@pytest.mark.parametrize(("emotion", "choice", "chosen"), [
    ("anger:0.8", "calm", "anger_3"), ("anger:0.75", "", "anger_3"), ("anger:0.88", "calm", "calm"), ("anger:0.5", "", None),
    ("joy:0.02", "calm", "joy_1"), ("joy", "calm", "joy_4"), ("joy:0.3 + anger:0.7", "", "anger_3"), ("neutral", "", None),
    ("neutral", "calm", "calm"), ("pain", "calm", "calm"), ("0 anger:0.8; 2 joy", "calm", "calm"),
])
def test_a_line_takes_the_set_of_its_emotion_and_else_the_chosen_one(emotion, choice, chosen):
    clip = FaceClip(ARKIT_52, np.full((4, 52), 0.5), 30)
    after = Offset(SETS, choice).apply(clip, Context(None, 0, emotion=Envelope.parse(emotion)))
    expected = clip if chosen is None else Offset({"only": SETS[chosen]}, "only").apply(clip, QUIET)
    assert np.array_equal(after.values, expected.values)
    assert chosen is None or not np.array_equal(after.values, clip.values)


# Rename


def test_rename_feeds_many_targets_from_one_source_and_zero_where_there_is_none(random):
    mapping = {"あ": "jawOpen", "い": "", "ワ": "jawOpen", "う": "mouthFunnel", "ん": "notInTheClip"}
    clip = wild_clip(random, fps=Fraction(30000, 1001), start=Fraction(1, 3))
    after = Rename(mapping).apply(clip, QUIET)
    assert after.names == tuple(mapping)
    assert (after.fps, after.start, after.meta) == (clip.fps, clip.start, clip.meta)
    for target, source in mapping.items():
        assert np.array_equal(after[target], clip[source] if source in clip else np.zeros(90))


def test_rename_to_a_vocabulary_and_back_loses_nothing(random):
    clip = wild_clip(random, UNITALKER_HUB)
    there = Rename(vocabulary="unitalker51").apply(clip, QUIET)
    assert there.names == UNITALKER.channels
    back = Rename(dict(UNITALKER.from_hub)).apply(there, QUIET)
    assert np.array_equal(back.select(clip.names).values, clip.values)


def test_rename_of_which_nothing_matches_is_refused():
    with pytest.raises(ProfileError, match="JawOpen") as caught:
        Rename({"あ": "JawOpen", "い": ""}).apply(FaceClip(ARKIT_52, np.zeros((3, 52)), 30), QUIET)
    assert caught.value.code == "channel-unmatched"


def test_the_default_chain_of_the_seed_runs_on_mmd_names(random):
    """unitalker_clip, arkit_to_mmd, jaw blend, mouth scale, offset, blink: values of one frame by hand."""
    clip = wild_clip(random, UNITALKER_HUB, n_frames=300)
    stages = [UniTalkerClip(), Rename({"あ": "jawOpen", "ワ": "jawOpen", "びっくり": "eyeWideLeft", "まばたき": "", "下": ""}),
              LinearExp(("ワ",)), Scale({"あ": 0.2, "ワ": 0.33}), Offset({"happiness_1": {"びっくり": 0.05, "下": 0.0}}, "happiness_1"),
              CustomBlink({"まばたき": 1.0, "下": 0.6}, least_interval_seconds=1.0, most_interval_seconds=3.0)]
    mmd = clip
    for stage in stages:
        mmd = stage.apply(mmd, QUIET)
    jaw, wide = (clip[name].astype(float) for name in ("jawOpen", "eyeWideLeft"))
    z = np.clip(jaw - 0.106, 0, 1) / 0.75
    assert np.allclose(mmd["あ"], 0.2 * jaw, **FLOAT32)
    assert np.allclose(mmd["ワ"], 0.33 * np.clip(0.6 * z + 0.4 * (1 - np.exp(-8 * z)), 0, 1), atol=6e-7)
    assert np.allclose(mmd["びっくり"], np.clip(wide, 0, 1) * 0.8 + 0.05, **FLOAT32)
    assert mmd["まばたき"].max() == 1
    assert np.allclose(mmd["下"], 0.6 * mmd["まばたき"], **FLOAT32)


# Blinks

CUSTOM = [0, .104, .352, .648, .896, 1, .441, .102, -.065, -.110, -.082, -.029, 0]
SHORT = [0.4, 0.6, 1.0, 0.6]


def blinked(clip, after):
    """First frames of the runs in which the left lid was replaced; the clip's lids are at 0.3, which no blink's frame is."""
    changed = np.concatenate([[False], after["eyeBlinkLeft"] != np.float32(0.3), [False]])
    return np.flatnonzero(changed[1:] & ~changed[:-1])


def half_asleep(n_frames, fps, start=0):
    return FaceClip(ARKIT_52, np.full((n_frames, 52), 0.3), fps, Fraction(start))


def assert_is_pasted(clip, after, starts, curve):
    """`after` is `clip` with `curve` in place of both lids from each start, frame by frame."""
    reference = clip.values.astype(float).copy()
    for start in starts:
        for step, value in enumerate(curve):
            for lid in ("eyeBlinkLeft", "eyeBlinkRight"):
                reference[start + step, clip.names.index(lid)] = value
    assert np.allclose(after.values, reference, **FLOAT32)


def test_a_custom_blink_is_the_seeds_curve_at_30_fps_with_the_seeds_intervals(random):
    rests = []
    for seed in random.integers(0, 2**31, 40):
        clip = half_asleep(1200, 30)
        after = CustomBlink().apply(clip, Context(None, int(seed)))
        starts = blinked(clip, after)
        assert_is_pasted(clip, after, starts, CUSTOM)
        rests += [starts[0], *(np.diff(starts) - len(CUSTOM))]
        # None is cut, and none is missing: after the last one there is no room for the longest rest and a blink.
        assert starts[-1] + len(CUSTOM) <= 1200 < starts[-1] + 2 * len(CUSTOM) + 120
    assert min(rests) >= 60
    assert max(rests) <= 120
    assert len(set(rests)) > 40  # of 61 values that are equally likely, 400 draws miss but a few


def test_a_unitalker_blink_is_the_seeds_four_frames_at_30_fps_three_or_four_seconds_apart(random):
    spacings = set()
    for seed in random.integers(0, 2**31, 20):
        clip = half_asleep(1800, 30)
        after = UniTalkerBlink().apply(clip, Context(None, int(seed)))
        starts = blinked(clip, after)
        assert_is_pasted(clip, after, starts, SHORT)
        spacings |= {starts[0] + 2, *np.diff(starts)}
        assert starts[-1] + 2 >= 1800 - 120 - 3
    assert spacings == {90, 120}


def test_equal_bounds_make_a_metronome():
    for stage, curve, first, step in ((CustomBlink(least_interval_seconds=1, most_interval_seconds=1), CUSTOM, 30, 43),
                                      (UniTalkerBlink(3, 3), SHORT, 88, 90)):
        clip = half_asleep(1000, 30)
        after = stage.apply(clip, QUIET)
        starts = blinked(clip, after)
        # A blink needs a frame after it on which the short one is over; the long one ends at 0 itself.
        room = 1000 - len(curve) - (curve is SHORT)
        assert starts.tolist() == list(range(first, room + 1, step))
        assert_is_pasted(clip, after, starts, curve)


def test_between_the_frames_of_30_fps_a_unitalker_blink_is_linear_and_goes_over_into_the_clip():
    lids = UniTalkerBlink(3, 3).apply(half_asleep(240, 60), QUIET)["eyeBlinkLeft"]
    assert np.allclose(lids[174:185], [0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0, 0.8, 0.6, 0.45, 0.3], **FLOAT32)


STAGES = [CustomBlink(), UniTalkerBlink()]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
@pytest.mark.parametrize("fps", [24, 25, Fraction(30000, 1001), 48, 50, Fraction(60000, 1001), 60, 120])
def test_blinks_are_at_the_same_seconds_and_shut_the_lids_at_every_rate(stage, fps, random):
    seed, seconds = int(random.integers(2**31)), 200
    at_30 = stage.apply(half_asleep(seconds * 30, 30), Context(None, seed))
    clip = half_asleep(round(seconds * fps), fps)
    after = stage.apply(clip, Context(None, seed))
    shut = np.flatnonzero(after["eyeBlinkLeft"] == 1) / float(fps)
    expected = np.flatnonzero(at_30["eyeBlinkLeft"] == 1) / 30
    assert len(expected) > 20
    assert abs(len(shut) - len(expected)) <= 1  # whether the last is over by the last frame depends on when that is
    both = min(len(shut), len(expected))
    assert np.abs(shut[:both] - expected[:both]).max() <= 0.5 / fps + 1e-6
    assert not np.delete(after.values != clip.values, [clip.names.index(lid) for lid in ("eyeBlinkLeft", "eyeBlinkRight")], axis=1).any()


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
def test_every_second_frame_at_60_fps_is_the_frame_at_30(stage, random):
    seed = int(random.integers(2**31))
    fast, slow = (stage.apply(half_asleep(40 * fps, fps), Context(silence(40), seed)) for fps in (60, 30))
    blinks = slow.times() < 39  # the last frame of 60 fps is later: one more blink may be over by then
    assert np.allclose(fast.values[::2][blinks], slow.values[blinks], **FLOAT32)
    steps = np.abs(np.diff(fast["eyeBlinkLeft"]))
    assert steps.max() < 0.31  # the largest step of the curves at 30 fps, 0.56 in one frame, takes two


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 720), max_size=8), seed=st.integers(0, 2**32), fps=st.sampled_from([24, 30, Fraction(30000, 1001)]))
def test_the_pieces_of_a_line_blink_as_the_whole_does(stage, cuts, seed, fps):
    wave = silence(30)
    whole = half_asleep(wave.frame_count(Fraction(fps)), fps)
    places = sorted({0, *cuts, whole.n_frames})
    pieces = [stage.apply(whole.slice(a, b), Context(wave, seed)) for a, b in pairwise(places)]
    assert np.array_equal(concat(pieces).values, stage.apply(whole, Context(wave, seed)).values)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
def test_blinks_come_from_the_seed(stage):
    clip = half_asleep(1800, 30)
    first, again, other = (stage.apply(clip, Context(None, seed)).values for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
@pytest.mark.parametrize("n_frames", [0, 1, 12, 50])
def test_a_line_too_short_for_a_blink_stays_as_it_is(stage, n_frames):
    clip = half_asleep(n_frames, 30)
    assert np.array_equal(stage.apply(clip, QUIET).values, clip.values)


def test_a_blink_is_as_strong_as_the_lines_emotion_says():
    stage = CustomBlink(amounts={"fear_4": 0.699}, amount=0.9)
    lids = {text: stage.apply(half_asleep(600, 30), Context(None, 0, emotion=Envelope.parse(text)))["eyeBlinkLeft"]
            for text in ("fear", "fear:0.2", "neutral")}
    assert lids["fear"].max() == np.float32(0.699)
    assert lids["neutral"].max() == lids["fear:0.2"].max() == np.float32(0.9)
    assert lids["fear"].min() == np.float32(0.699 * -0.110)


# What all nine have in common

NINE = [Bounds({"jawOpen": 0.0}, {"jawOpen": 0.5}), Scale({"jawOpen": 2.0}), Threshold({"jawOpen": 0.1}), Offset(SETS, "calm"),
        Rename({name: name for name in ARKIT_52}), LinearExp(), CustomBlink(), UniTalkerClip(), UniTalkerBlink()]


@pytest.mark.parametrize("stage", NINE, ids=lambda stage: type(stage).__name__)
def test_a_stage_changes_neither_its_clip_nor_the_times(stage, random):
    clip = wild_clip(random, n_frames=400, fps=Fraction(30000, 1001), start=Fraction(7, 11))
    before = clip.values.copy()
    after = stage.apply(clip, QUIET)
    assert (after.names, after.fps, after.start, after.n_frames) == (clip.names, clip.fps, clip.start, clip.n_frames)
    assert np.array_equal(clip.values, before)
    assert np.array_equal(stage.apply(clip, QUIET).values, after.values)


@pytest.mark.parametrize("stage", [stage for stage in NINE if not isinstance(stage, CustomBlink | UniTalkerBlink)],
                         ids=lambda stage: type(stage).__name__)
@settings(max_examples=20, deadline=None)
@given(cut=st.integers(0, 40), seed=st.integers(0, 2**32))
def test_a_stage_does_the_same_to_the_pieces_of_a_clip(stage, cut, seed):
    clip = wild_clip(np.random.default_rng(seed), n_frames=40)
    pieces = concat([stage.apply(clip.slice(0, cut), QUIET), stage.apply(clip.slice(cut, 40), QUIET)])
    assert np.array_equal(pieces.values, stage.apply(clip, QUIET).values)


@pytest.mark.parametrize("stage", [Bounds({"jawOpen": 0.0}), Scale({"jawOpen": 3.0}), Threshold({"jawOpen": 0.1}), LinearExp(),
                                   Rename(vocabulary="unitalker51"), UniTalkerClip()], ids=lambda stage: type(stage).__name__)
def test_a_still_face_stays_still(stage):
    assert not stage.apply(FaceClip(ARKIT_52, np.zeros((9, 52)), 30), QUIET).values.any()


@pytest.mark.parametrize("stage", NINE, ids=lambda stage: type(stage).__name__)
def test_a_stage_none_of_whose_channels_is_there_is_refused(stage):
    with pytest.raises(ProfileError, match=r"'[a-z-]+'.*somethingElse") as caught:
        stage.apply(FaceClip(("somethingElse",), np.zeros((300, 1)), 30), QUIET)
    assert caught.value.code == "channel-unmatched"


@pytest.mark.parametrize("make", [
    Bounds, Scale, Threshold, Offset, Rename, lambda: Bounds({"jawOpen": 0.5}, {"jawOpen": 0.4}), lambda: Scale({"jawOpen": math.nan}),
    lambda: Threshold({"jawOpen": math.inf}), lambda: Offset(SETS, "joy_2"), lambda: Offset({"none": {}}),
    lambda: Rename({"a": "b"}, "unitalker51"), lambda: Rename(vocabulary="nobody"), lambda: Rename({"": "jawOpen"}),
    lambda: LinearExp(()), lambda: LinearExp(normalize_reference=0), lambda: LinearExp(blend_weight=1.5),
    lambda: LinearExp(offset=math.nan), lambda: LinearExp(exponential_strength=-1), lambda: CustomBlink({}),
    lambda: CustomBlink(amount=math.nan),
    lambda: CustomBlink(least_interval_seconds=5), lambda: CustomBlink(least_interval_seconds=-1), lambda: UniTalkerClip(eye_scale=2),
    lambda: UniTalkerClip(still_limit=math.nan), lambda: UniTalkerBlink(0, 4), lambda: UniTalkerBlink(4, 3),
])
def test_useless_parameters_are_refused(make):
    with pytest.raises(ProfileError) as caught:
        make()
    assert caught.value.code == "stage-parameter"
