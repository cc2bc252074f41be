"""The measures of `quality.py`: each takes clips and what is true of their lines, and gives a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.names import MOUTH
from a2f_batch.train.dataset import Corpus, Sentence, Tracks
from a2f_batch.train.phones import BILABIAL, ROUNDED, SPREAD, VOWELS, classes_of
from a2f_batch.train.speech.utterance import Phone

Curve = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

#: A closure counts as made for a phone this near to it.
REACH_SECONDS = 0.040


def opening(clip: FaceClip) -> Curve:
    """Return jawOpen - mouthClose, shape (frames,)."""
    return np.asarray(clip["jawOpen"] - clip["mouthClose"])


def correlation(clips: Sequence[FaceClip], sentences: Sequence[Sentence], corpus: Corpus, channel: str) -> float:
    """Return the correlation of a channel with its capture over all frames together; 0 where the clips leave it constant."""
    found, truth = [], []
    for clip, sentence in zip(clips, sentences, strict=True):
        n = min(clip.n_frames, len(sentence.captured))
        found.append(clip[channel][:n])
        truth.append(sentence.captured[:n, corpus.channels.index(channel)])
    a, b = np.concatenate(found), np.concatenate(truth)
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 else 0.0


def closure_f1(clips: Sequence[FaceClip], sentences: Sequence[Sentence], threshold: float) -> float:
    """Return the F1 of frames of speech with an opening below `threshold` against those with shut lips, one frame of slack."""
    counts = np.zeros(4)
    for clip, sentence in zip(clips, sentences, strict=True):
        n = min(clip.n_frames, len(sentence.captured))
        claimed, shut, speech = opening(clip)[:n] < threshold, sentence.closed[:n], ~sentence.resting[:n]
        counts += [(claimed & _widened(shut) & speech).sum(), (claimed & speech).sum(),
                   (shut & _widened(claimed) & speech).sum(), (shut & speech).sum()]
    precision, recall = counts[0] / max(counts[1], 1), counts[2] / max(counts[3], 1)
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def best_threshold(clips: Sequence[FaceClip], sentences: Sequence[Sentence]) -> float:
    """Return the threshold of the opening that gives the best F1."""
    candidates = np.arange(0.005, 0.155, 0.005)
    return float(candidates[int(np.argmax([closure_f1(clips, sentences, float(one)) for one in candidates]))])


def _widened(flags: Flags) -> Flags:
    wide = flags.copy()
    wide[1:] |= flags[:-1]
    wide[:-1] |= flags[1:]
    return wide


@dataclass
class Lips:
    """Counts over phones, of one language or of all: add lines with `take`."""

    bilabials: int = 0
    met: int = 0
    vowels: int = 0
    shut_vowels: int = 0
    rounded: list[float] | None = None
    spread: list[float] | None = None

    def take(self, clip: FaceClip, phones: Sequence[Phone], threshold: float) -> None:
        """Count the phones of one line."""
        self.rounded, self.spread = self.rounded or [], self.spread or []
        times, shut = clip.times(), opening(clip) < threshold
        round_lips = np.maximum(clip["mouthPucker"], clip["mouthFunnel"])
        for phone in phones:
            if phone.ipa in BILABIAL:
                self.bilabials += 1
                self.met += bool(shut[(times >= phone.begin - REACH_SECONDS) & (times <= phone.end + REACH_SECONDS)].any())
            if classes_of(phone.ipa)[0] in VOWELS:
                third = (phone.end - phone.begin) / 3
                inside = (times >= phone.begin + third) & (times <= phone.end - third)
                if inside.any():
                    self.vowels += 1
                    self.shut_vowels += bool(shut[inside].any())
            if phone.ipa in ROUNDED or phone.ipa in SPREAD:
                value = float(np.interp((phone.begin + phone.end) / 2, times, round_lips))
                (self.rounded if phone.ipa in ROUNDED else self.spread).append(value)

    @property
    def recall(self) -> float:
        """Share of p, b and m with shut lips within reach."""
        return self.met / max(self.bilabials, 1)

    @property
    def false(self) -> float:
        """Share of vowels with shut lips in their middle third."""
        return self.shut_vowels / max(self.vowels, 1)

    @property
    def area(self) -> float:
        """Area under the curve of rounded against spread phones: how often a rounded one is rounder than a spread one."""
        if not self.rounded or not self.spread:
            return float("nan")
        a, b = np.array(self.rounded)[:, None], np.array(self.spread)[None]
        return float(((a > b) + 0.5 * (a == b)).mean())


def jitter_ratio(clips: Sequence[FaceClip], sentences: Sequence[Sentence], corpus: Corpus, tracks: Tracks) -> float:
    """Return the mean absolute second difference of the mouth channels that move, in frames of speech, over that of the capture.

    The capture is put into the units of the clips, channel by channel (`Tracks.factors`).
    """
    names = [name for name in MOUTH if name in corpus.channels and tracks.factors[corpus.channels.index(name)] > 0]
    found, truth = 0.0, 0.0
    for clip, sentence in zip(clips, sentences, strict=True):
        n = min(clip.n_frames, len(sentence.captured))
        columns = [corpus.channels.index(name) for name in names]
        speech = ~sentence.resting[1:n - 1]
        found += float(np.abs(np.diff(clip.select(names).values[:n], 2, axis=0))[speech].sum())
        truth += float(np.abs(np.diff(sentence.captured[:n, columns] * tracks.factors[columns], 2, axis=0))[speech].sum())
    return found / truth


def still_percentile(clips: Sequence[FaceClip]) -> float:
    """Return the largest 99th percentile that any mouth channel has over all frames together."""
    names = [name for name in MOUTH if name in clips[0]]
    values = np.concatenate([clip.select(names).values for clip in clips])
    return float(np.percentile(np.abs(values), 99, axis=0).max())


def likeness(clip: FaceClip, other: FaceClip, channel: str = "jawOpen") -> float:
    """Return the correlation of one channel of two clips of a line."""
    n = min(clip.n_frames, other.n_frames)
    a, b = clip[channel][:n], other[channel][:n]
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0
