"""The measures of benchmarks/quality.py on clips whose figures are known."""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from a2f_batch.clip import FaceClip
from a2f_batch.train.dataset import Sentence
from a2f_batch.train.speech.utterance import Phone


@pytest.fixture(scope="module")
def measures() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks/quality_measures.py"
    spec = importlib.util.spec_from_file_location("quality_measures", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def clip_of(jaw: np.ndarray, close: np.ndarray, pucker: np.ndarray, fps: int = 60) -> FaceClip:
    values = np.stack([jaw, close, pucker, np.zeros_like(jaw)], axis=1).astype(np.float32)
    return FaceClip(("jawOpen", "mouthClose", "mouthPucker", "mouthFunnel"), values, Fraction(fps))


def test_phones_are_counted_by_what_the_lips_do_at_their_time(measures: ModuleType) -> None:
    times = np.arange(120) / 60
    jaw = np.full(120, 0.4)
    close = np.where((times > 0.48) & (times < 0.56), 0.4, 0.0)  # shut once
    pucker = np.where(times > 1.0, 0.6, 0.1)
    clip = clip_of(jaw, close, pucker)
    lips = measures.Lips()
    lips.take(clip, (Phone("p", 0.5, 0.55), Phone("b", 0.59, 0.62), Phone("m", 0.9, 1.0), Phone("a", 0.46, 0.58), Phone("e", 0.7, 0.8),
                     Phone("u", 1.1, 1.2), Phone("o", 0.2, 0.3)), 0.1)
    assert (lips.bilabials, lips.met) == (3, 2)  # b is 40 ms from the closure's last frame; m is far
    assert (lips.vowels, lips.shut_vowels) == (4, 1)
    assert lips.area == 0.75  # u is rounder than e, o is as round as e


def test_f1_forgives_one_frame_and_the_threshold_is_found(measures: ModuleType) -> None:
    shut = np.zeros(75, dtype=bool)
    shut[20:24] = shut[40:44] = True
    sentence = Sentence("s", np.zeros(48000, np.float32), np.zeros((75, 51), np.float32), np.where(shut, 0.0, 0.3).astype(np.float32),
                        np.zeros(75, dtype=bool))
    late = np.roll(shut, 1)
    clip = clip_of(np.full(75, 0.3), np.where(late, 0.25, 0.0), np.zeros(75), 25)  # an opening of 0.05 where it is shut
    assert measures.closure_f1([clip], [sentence], 0.06) == 1.0
    assert measures.closure_f1([clip], [sentence], 0.04) == 0.0
    assert 0.05 < measures.best_threshold([clip], [sentence]) <= 0.15
    far = clip_of(np.full(75, 0.3), np.where(np.roll(shut, 10), 0.3, 0.0), np.zeros(75), 25)
    assert measures.closure_f1([far], [sentence], 0.06) == 0.0


def test_stillness_is_that_of_the_worst_channel(measures: ModuleType) -> None:
    jaw = np.zeros(1000)
    jaw[:20] = 0.5  # two in a hundred
    assert measures.still_percentile([clip_of(np.zeros(1000), np.zeros(1000), np.full(1000, 0.02))]) == pytest.approx(0.02)
    assert measures.still_percentile([clip_of(jaw, np.zeros(1000), np.full(1000, 0.02))]) > 0.4
