import numpy as np
import pytest

import a2f_batch as a2f
from a2f_batch.errors import ProfileError
from a2f_batch.post import Context
from a2f_batch.post.closure_guard import PARTING, ClosureGuard
from a2f_batch.post.gain import Gain
from a2f_batch.post.smooth import Smooth

NAMES = ("jawOpen", "mouthClose", "mouthSmileLeft", "browInnerUp", *PARTING)


@pytest.fixture()
def random():
    seed = int(np.random.SeedSequence().entropy % 2**32)
    print("seed", seed)
    return np.random.default_rng(seed)


def plosives(fps, random, seconds=20.0):
    """An opening and closing jaw with p's of 60 to 100 ms at known times, and parting lips that drop at each."""
    times = np.arange(round(seconds * fps)) / fps
    at = np.cumsum(random.uniform(0.35, 0.8, 60))
    at = np.round(at[at < seconds - 0.3] * fps) / fps
    shut = np.zeros(len(times))
    for moment in at:
        shut = np.maximum(shut, np.exp(-0.5 * ((times - moment) / random.uniform(0.02, 0.03)) ** 2))
    jaw = 0.45 + 0.15 * np.sin(2 * np.pi * 1.3 * times)
    values = np.zeros((len(times), len(NAMES)))
    values[:, 0], values[:, 1], values[:, 2], values[:, 3] = jaw, jaw * shut, 0.2, 0.3
    values[:, 4:] = 0.3 * (1 - shut)[:, None]
    return a2f.FaceClip(NAMES, values, fps), np.round(at * fps).astype(int)


def opening(clip):
    return clip["jawOpen"] - clip["mouthClose"]


@pytest.mark.parametrize("fps", [25, 30, 60, 120])
def test_a_p_survives_smoothing_and_gain(fps, random):
    raw, closures = plosives(fps, random)
    context = Context(None, 0, raw=raw)
    soft = Gain(jaw=1.5, mouth=1.5).apply(Smooth().apply(raw, context), context)
    assert (opening(soft)[closures] > 0.1).mean() > 0.8  # without the guard they would open
    guarded = ClosureGuard().apply(soft, context)
    assert (opening(guarded)[closures] <= opening(raw)[closures] + 1e-6).all()
    for name in PARTING:
        assert (guarded[name][closures] <= raw[name][closures] + 1e-6).all()
    assert np.array_equal(guarded["jawOpen"], soft["jawOpen"])
    assert np.array_equal(guarded["browInnerUp"], soft["browInnerUp"])


def test_the_guard_only_closes_and_only_near_closures(random):
    raw, _ = plosives(60, random)
    context = Context(None, 0, raw=raw)
    soft = Smooth().apply(raw, context)
    guarded = ClosureGuard().apply(soft, context)
    assert (guarded["mouthClose"] >= soft["mouthClose"]).all()
    found = ClosureGuard().closures(opening(raw), 60)
    away = np.abs(np.arange(raw.n_frames)[:, None] - found).min(axis=1) >= round(0.08 * 60)
    assert away.any()
    assert np.array_equal(guarded.values[away], soft.values[away])
    assert np.abs(np.diff(guarded["mouthClose"], 2)).max() < np.abs(np.diff(raw["mouthClose"], 2)).max()  # no jump


def test_a_p_that_the_engine_did_not_quite_shut_is_kept_as_deep(random):
    times = np.arange(120) / 60
    nearly = 0.38 * np.exp(-0.5 * ((times - 1) / 0.025) ** 2)
    raw = a2f.FaceClip(("jawOpen", "mouthClose"), np.stack([np.full(120, 0.5), nearly], axis=1), 60)
    context = Context(None, 0, raw=raw)
    guarded = ClosureGuard().apply(Smooth().apply(raw, context), context)
    assert opening(guarded)[60] == pytest.approx(0.12, abs=1e-6)


def test_what_is_closed_already_is_not_touched_and_twice_is_once(random):
    raw, _ = plosives(30, random)
    context = Context(None, 0, raw=raw)
    assert np.array_equal(ClosureGuard().apply(raw, context).values, raw.values)
    once = ClosureGuard().apply(Smooth().apply(raw, context), context)
    assert np.allclose(ClosureGuard().apply(once, context).values, once.values, atol=1e-6)


def test_closures_are_the_minima_that_loops_find(random):
    curve = np.repeat(random.uniform(0, 0.6, 150), random.integers(1, 4, 150)).astype(np.float32)
    guard, reach = ClosureGuard(), round(0.12 * 60)
    expected = []
    for i, here in enumerate(curve):
        left, right = curve[max(i - reach, 0): i + 1], curve[i: i + reach + 1]
        lowest = here <= curve[max(i - 1, 0)] and here <= curve[min(i + 1, len(curve) - 1)]
        if lowest and (here <= guard.closed_opening or min(left.max(), right.max()) - here >= np.float32(guard.depth)):
            expected.append(i)
    assert guard.closures(curve, 60).tolist() == expected


@pytest.mark.parametrize("n_frames", [0, 1, 2, 3])
def test_the_shortest_clips_pass(n_frames):
    raw = a2f.FaceClip(NAMES, np.zeros((n_frames, len(NAMES))), 60)
    assert not ClosureGuard().apply(raw, Context(None, 0, raw=raw)).values.any()


def test_a_clip_without_mouth_close_passes_unchanged():
    raw = a2f.FaceClip(("jawOpen",), np.full((9, 1), 0.2), 30)
    assert ClosureGuard().apply(raw, Context(None, 0, raw=raw)) is raw


def test_the_guard_without_the_raw_clip_says_what_to_do(random):
    raw, _ = plosives(30, random, 2)
    with pytest.raises(ProfileError, match=r"post\(\)") as caught:
        ClosureGuard().apply(raw, Context(None, 0))
    assert caught.value.code == "raw-missing"
    with pytest.raises(ProfileError, match="its frames are others"):
        ClosureGuard().apply(raw, Context(None, 0, raw=raw.slice(1, raw.n_frames)))
