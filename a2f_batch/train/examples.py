"""Everything that the network learns from in one form: captured sentences and synthetic ones whose curves come from rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from a2f_batch.errors import A2FError
from a2f_batch.export.atomic import replacing
from a2f_batch.train.coarticulation import TRACKS, Visemes, rule_curves, speaking
from a2f_batch.train.dataset import Array, Corpus, Tracks
from a2f_batch.train.recipe import SAMPLE_RATE
from a2f_batch.train.segments import class_at, corrected, segments_of
from a2f_batch.train.speech.utterance import Phone, Utterance, read_utterances

#: Curves are kept at this rate, four to a captured frame; crops are read off between.
RATE = 100


@dataclass(frozen=True, eq=False)
class Example:
    """One line to learn from.

    Attributes:
        source: 'grid', 'kokoro', 'espeak' or 'piper'.
        audio: shape (n,), 16 kHz, int16: unit variance is 2 000.
        goals: shape (frames at RATE, tracks + 2): the tracks, the opening of the lips (jawOpen - mouthClose), how shut they are.
        visemes: number of the class at each frame, -1 where no one knows.
    """

    source: str
    audio: npt.NDArray[np.int16]
    goals: npt.NDArray[np.float16]
    visemes: npt.NDArray[np.int8]

    def sound(self) -> Array:
        """Return the audio at unit variance, shape (n,)."""
        return self.audio.astype(np.float32) / _UNIT


_UNIT = 2000.0


def _stored(audio: Array) -> npt.NDArray[np.int16]:
    audio = audio - audio.mean()
    return np.clip(audio / max(float(audio.std()), 1e-4) * _UNIT, -32768, 32767).astype(np.int16)


def captured_examples(corpus: Corpus, tracks: Tracks, phones: Mapping[str, Sequence[Phone]], ids: Sequence[str]) -> list[Example]:
    """Return the captured sentences `ids`; the opening comes from the landmarks, in the unit of jawOpen."""
    reach = float(np.percentile(np.concatenate([corpus.sentences[id].opening for id in ids]), 99))
    jaw = tracks.names.index("jawOpen")
    scale = float(np.percentile(np.concatenate([tracks.targets(corpus.sentences[id])[:, jaw] for id in ids]), 99)) / reach
    examples = []
    for id in ids:
        sentence = corpus.sentences[id]
        opening = np.where(sentence.closed, 0.0, sentence.opening * scale)
        goals = np.column_stack([tracks.targets(sentence), opening, sentence.closed]).astype(np.float32)
        fine = finer(goals, RATE // corpus.fps)
        times = np.arange(len(fine)) / RATE
        visemes = class_at(segments_of(phones[id], len(goals) / corpus.fps), times) if id in phones else np.full(len(fine), -1)
        examples.append(Example("grid", _stored(sentence.audio), fine.astype(np.float16), visemes.astype(np.int8)))
    return examples


def finer(curves: Array, factor: int) -> Array:
    """Return `curves` (frames, tracks) at `factor` times the rate by a Catmull-Rom spline, the ends held."""
    held = np.concatenate([curves[:1], curves, curves[-1:], curves[-1:]])
    before, left, right, behind = held[:-3], held[1:-2], held[2:-1], held[3:]
    steps = []
    for i in range(factor):
        x = i / factor
        steps.append(left + 0.5 * x * (right - before + x * (2 * before - 5 * left + 4 * right - behind
                                                             + x * (3 * (left - right) + behind - before))))
    return np.asarray(np.stack(steps, axis=1).reshape(-1, curves.shape[1]), dtype=np.float32)


def rule_example(utterance: Utterance, path: Path, visemes: Visemes) -> Example:
    """Return a synthetic utterance with its curves by rule."""
    audio, rate = soundfile.read(path, dtype="float32")
    assert rate == SAMPLE_RATE, "utterances are written at this rate"
    line = segments_of(corrected(utterance.phones, utterance.corpus, utterance.language), len(audio) / rate)
    times = np.arange(len(audio) * RATE // rate) / RATE
    curves, shut = rule_curves(line, times, visemes)
    opening = np.maximum(curves[:, TRACKS.index("jawOpen")] - curves[:, TRACKS.index("mouthClose")], 0)
    rest = 1 - speaking(line, times)
    goals = np.column_stack([curves, opening, np.maximum(shut, rest)])
    return Example(utterance.corpus, _stored(audio), goals.astype(np.float16), class_at(line, times).astype(np.int8))


def rule_examples(root: Path, visemes: Visemes, split: str = "train") -> list[Example]:
    """Return the synthetic utterances of a split."""
    return [rule_example(utterance, path, visemes) for utterance, path in read_utterances(root) if utterance.split == split]


def write_examples(examples: Sequence[Example], path: Path) -> None:
    """Write examples as one npz: everything end to end, and where each begins."""
    def edges(lengths: list[int]) -> npt.NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(lengths)])

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        np.savez(file, source=np.array([example.source for example in examples]),
                 sounds=edges([len(example.audio) for example in examples]), frames=edges([len(example.goals) for example in examples]),
                 audio=np.concatenate([example.audio for example in examples]),
                 goals=np.concatenate([example.goals for example in examples]),
                 visemes=np.concatenate([example.visemes for example in examples]))


def load_examples(path: Path) -> list[Example]:
    """Read what `write_examples` wrote.

    Raises:
        A2FError: there is no such file (code 'train-corpus').
    """
    if not path.is_file():
        raise A2FError(f"There are no examples to train on: '{path}' is not there.",
                       "Make them: a2f-batch train examples --data GRID_FOLDER.", code="train-corpus")
    with np.load(path, allow_pickle=False) as stored:
        sounds, frames = stored["sounds"], stored["frames"]
        audio, goals, visemes = stored["audio"], stored["goals"], stored["visemes"]
        lines = [(slice(*sounds[i:i + 2]), slice(*frames[i:i + 2])) for i in range(len(sounds) - 1)]
        return [Example(str(source), audio[sound], goals[frame], visemes[frame])
                for source, (sound, frame) in zip(stored["source"], lines, strict=True)]
