"""Lines and clips for the tests of the post stages."""

from fractions import Fraction
from itertools import pairwise

import numpy as np

import a2f_batch as a2f
from a2f_batch.audio import Waveform
from a2f_batch.names import ARKIT_52

RATE = 16000
SPEECH = ((0.6, 2.5), (3.5, 5.0))


def fresh_random():
    seed = int(np.random.SeedSequence().entropy % 2**32)
    print("seed", seed)
    return np.random.default_rng(seed)


def voice(random, seconds=6.0, stretches=SPEECH, level=0.1, room=1e-4, hz=120.0, syllables=4.0):
    """A buzz that rises and falls four times a second, as syllables do, over room tone."""
    times = np.arange(round(seconds * RATE)) / RATE
    spoken = sum(((times >= a) & (times < b)).astype(float) for a, b in stretches)
    envelope = spoken * (0.55 + 0.45 * np.sin(2 * np.pi * syllables * times))
    buzz = sum(np.sin(2 * np.pi * k * hz * times) / k for k in range(1, 10))
    return Waveform.from_samples((level * envelope * buzz + room * random.normal(size=len(times))).astype(np.float32), RATE)


def babble(wave, fps, random, names=ARKIT_52):
    """Every channel moves all the time."""
    return a2f.FaceClip(names, 0.5 + 0.2 * random.normal(size=(wave.frame_count(Fraction(fps)), len(names))), fps)


def pieces(clip, random, count=3):
    """The clip cut at random frames."""
    cuts = [0, *sorted(random.integers(1, clip.n_frames, count - 1).tolist()), clip.n_frames]
    return [clip.slice(first, stop) for first, stop in pairwise(cuts)]
