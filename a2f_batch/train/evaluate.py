"""How well curves follow a captured face: correlation of every channel, and whether lip closures are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from a2f_batch.names import vocabulary
from a2f_batch.train.dataset import Array, Corpus, Sentence

if TYPE_CHECKING:
    from a2f_batch.train.network import MouthNet

#: A sentence -> its curves in the order of names/unitalker51.json at the corpus' rate, shape (frames, 51).
Predict = Callable[[Sentence], Array]


@dataclass(frozen=True)
class Scores:
    """Figures over all frames of some sentences together.

    Attributes:
        correlation: ARKit channel -> Pearson correlation with the captured channel; channels that either side leaves constant are absent.
        deviation: ARKit channel -> standard deviation of the predicted curve.
        closure_f1: of frames with mouthClose >= jawOpen - 0.02, against frames with shut lips, in speech, one frame of slack.
        rest_jaw: mean predicted jawOpen in pauses.
        frames: how many frames.
    """

    correlation: dict[str, float]
    deviation: dict[str, float]
    closure_f1: float
    rest_jaw: float
    frames: int


def score(predict: Predict, corpus: Corpus, ids: Iterable[str]) -> Scores:
    """Run `predict` on the sentences `ids` and compare with their capture; frames past the shorter of the two are left out."""
    names = [vocabulary("unitalker51").to_hub[name] for name in vocabulary("unitalker51").channels]
    jaw, close = names.index("jawOpen"), names.index("mouthClose")
    found, captured, resting, counts = [], [], [], np.zeros(4, dtype=np.int64)
    for sentence in (corpus.sentences[id] for id in ids):
        curves = predict(sentence)
        n = min(len(curves), len(sentence.captured))
        curves = curves[:n]
        found.append(curves)
        captured.append(sentence.captured[:n])
        resting.append(sentence.resting[:n])
        speech = ~sentence.resting[:n]
        counts += _closure_counts(curves[:, close] >= curves[:, jaw] - 0.02, sentence.closed[:n], speech)
    values, truth, rest = np.concatenate(found), np.concatenate(captured), np.concatenate(resting)
    correlation = {name: float(np.corrcoef(values[:, i], truth[:, corpus.channels.index(name)])[0, 1])
                   for i, name in enumerate(names) if name in corpus.channels
                   and np.ptp(values[:, i]) > 0 and np.ptp(truth[:, corpus.channels.index(name)]) > 0}
    hits, claimed, met, closures = counts
    precision, recall = hits / max(claimed, 1), met / max(closures, 1)
    return Scores(correlation, {name: float(values[:, i].std()) for i, name in enumerate(names)},
                  float(2 * precision * recall / max(precision + recall, 1e-9)), float(values[rest, jaw].mean()), len(values))


def follow(weights: str, folder: Path, corpus: Corpus, ids: Iterable[str], fps: int, channel: str) -> float:
    """Return the correlation of one channel, inferred by the engine at `fps`, with the capture interpolated to its frames.

    A network that gives good curves at the capture's own rate only shows here.
    """
    from a2f_batch.audio import load_audio
    from a2f_batch.engines import load_engine

    engine = load_engine(weights, device="cpu")
    found, captured = [], []
    for id in ids:
        clip = engine.infer([load_audio(folder / "audio" / f"{id}.flac")], fps=fps)[0]
        truth = corpus.sentences[id].captured[:, corpus.channels.index(channel)]
        inside = clip.times() <= (len(truth) - 1) / corpus.fps
        found.append(clip[channel][inside])
        captured.append(np.interp(clip.times()[inside], np.arange(len(truth)) / corpus.fps, truth))
    return float(np.corrcoef(np.concatenate(found), np.concatenate(captured))[0, 1])


def network_prediction(network: MouthNet, finer: int = 1) -> Predict:
    """Return how a network in torch, in evaluation mode, predicts, at `finer` times the corpus' rate."""
    import torch

    from a2f_batch.train.export_onnx import Contract

    contract = Contract(network).eval()

    def predict(sentence: Sentence) -> Array:
        with torch.no_grad():
            curves: Array = contract(torch.from_numpy(sentence.audio)[None], torch.tensor([10], dtype=torch.int32),
                                     torch.tensor([finer * len(sentence.captured)], dtype=torch.int32))[0].numpy()
        return curves

    return predict


def engine_prediction(weights: str, folder: Path, fps: int) -> Predict:
    """Return how the engine predicts from the corpus' sound files, read as users' lines are."""
    from a2f_batch.audio import load_audio
    from a2f_batch.engines import load_engine

    engine = load_engine(weights, device="cpu")
    names = [vocabulary("unitalker51").to_hub[name] for name in vocabulary("unitalker51").channels]

    def predict(sentence: Sentence) -> Array:
        wave = load_audio(folder / "audio" / f"{sentence.id}.flac")
        return engine.infer([wave], fps=fps)[0].select(names).values

    return predict


def _closure_counts(claimed: npt.NDArray[np.bool_], closed: npt.NDArray[np.bool_], speech: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return (claims that meet a closure, claims, closures that meet a claim, closures), counting frames of speech."""
    return np.array([(claimed & _widened(closed) & speech).sum(), (claimed & speech).sum(),
                     (closed & _widened(claimed) & speech).sum(), (closed & speech).sum()])


def _widened(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return `flags` true one frame earlier and later too."""
    return flags | np.roll(flags, 1) & (np.arange(len(flags)) > 0) | np.roll(flags, -1) & (np.arange(len(flags)) < len(flags) - 1)


def table(scores: Scores) -> str:
    """Return the figures as a Markdown table, best correlation first."""
    rows = sorted(scores.correlation.items(), key=lambda item: -item[1])
    lines = [f"Closed lips: F1 {scores.closure_f1:.3f}. jawOpen in pauses: {scores.rest_jaw:.3f} on average.", "",
             "| channel | correlation | deviation of the curve |", "| --- | --- | --- |"]
    lines += [f"| {name} | {value:.3f} | {scores.deviation[name]:.3f} |" for name, value in rows]
    return "\n".join(lines)
