"""What the default profile does to real curves: jitter, likeness to the captured mouth, pauses and closures, on held-out sentences.

    python benchmarks/post_quality.py GRID_FOLDER [--fps 30] [--profile default]

GRID_FOLDER holds audio/, words.csv and curves.npz, as for `a2f-batch train`. The sentences are the recipe's held-out ones, the
engine is the embedded one; raw is what a face can show of its curves, 0 to 1. Jitter is the mean absolute second difference of the mouth
channels that the engine moves; correlation is with the captured channel, over the frames of labelled words together, and over all: in
pauses the speaker's mouth goes on moving (he breathes, purses his lips, gets ready), and a profile that stills it there can't follow.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

import a2f_batch as a2f
from a2f_batch.clip import FaceClip
from a2f_batch.names import MOUTH
from a2f_batch.post import Context
from a2f_batch.post.clamp import Clamp
from a2f_batch.post.closure_guard import ClosureGuard
from a2f_batch.train.dataset import Corpus, read_corpus
from a2f_batch.train.recipe import split_sentences


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--fps", default=30, show_default=True, help="Frames per second of the curves.")
@click.option("--native", default=0, help="Infer at this rate and resample to --fps; 0 infers at --fps.")
@click.option("--profile", default="default", show_default=True)
def main(folder: Path, fps: int, native: int, profile: str) -> None:
    """Print the figures."""
    corpus = read_corpus(folder)
    ids = split_sentences(list(corpus.sentences))[2]
    waves = [a2f.load_audio(folder / "audio" / f"{id}.flac") for id in ids]
    engine = a2f.load_engine("embedded", device="cpu")
    inferred = [clip.resample(fps) for clip in engine.infer(waves, fps=native or fps)]
    done = [a2f.post(clip, profile, wave=wave, seed=i) for i, (clip, wave) in enumerate(zip(inferred, waves, strict=True))]
    raw = [Clamp().apply(clip, Context(None, 0)) for clip in inferred]
    words = read_words(folder / "words.csv")
    mouth = [name for name in MOUTH if name in raw[0] and name in corpus.channels and np.ptp(raw[0][name]) > 0]
    click.echo(f"{len(ids)} held-out sentences, {fps} fps, profile '{profile}', {len(mouth)} mouth channels\n")
    before, after = (jitter(clips, mouth) for clips in (raw, done))
    click.echo(f"jitter: raw {before:.6f}, finished {after:.6f}, ratio {after / before:.3f}")
    for place in ("speech", "all frames"):
        masks = [spoken(clip, words[id]) | (place != "speech") for clip, id in zip(raw, ids, strict=True)]
        likeness = [np.array([correlation(clips, corpus, ids, name, masks) for name in mouth]) for clips in (raw, done)]
        losses, jaw = likeness[0] - likeness[1], mouth.index("jawOpen")
        worst = int(np.argmax(losses))
        click.echo(f"correlation in {place}: mean {likeness[0].mean():.4f} -> {likeness[1].mean():.4f} (loss {losses.mean():.4f}), "
                   f"jawOpen {likeness[0][jaw]:.4f} -> {likeness[1][jaw]:.4f}, most lost by {mouth[worst]}: {losses[worst]:.4f}")
    rests = np.array([resting(clip, words[id]) for clip, id in zip(done, ids, strict=True)])
    rests = rests[rests >= 0]
    click.echo(f"from 0.2 s after a labelled pause's start: under 0.01 in {np.mean(rests < 0.01):.1%} of {len(rests)} sentences, "
               f"largest {rests.max():.3f}")
    kept = [closures_kept(before, after) for before, after in zip(raw, done, strict=True)]
    click.echo(f"closures as deep as raw: {sum(k for k, _ in kept)} of {sum(n for _, n in kept)}")
    ends = [max(clip["eyeBlinkLeft"][0], clip["eyeBlinkLeft"][-1]) for clip in done]
    click.echo(f"blinks cut at an end: {sum(end > 0.5 for end in ends)}")


def read_words(path: Path) -> dict[str, list[tuple[float, float, str]]]:
    """Return sentence -> (start, end, word), seconds."""
    words: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            words[row["id"]].append((float(row["start"]), float(row["end"]), row["word"]))
    return words


def jitter(clips: list[FaceClip], names: list[str]) -> float:
    """Return the mean absolute second difference of `names`, a sentence counting as much as any other."""
    return float(np.mean([np.abs(np.diff(clip.select(names).values, 2, axis=0)).mean() for clip in clips]))


def spoken(clip: FaceClip, words: list[tuple[float, float, str]]) -> npt.NDArray[np.bool_]:
    """Say which frames lie in labelled words."""
    times = clip.times()
    inside = np.zeros(clip.n_frames, dtype=bool)
    for start, end, word in words:
        if word not in ("sil", "sp"):
            inside |= (times >= start) & (times < end)
    return inside


def correlation(clips: list[FaceClip], corpus: Corpus, ids: list[str], name: str, masks: list[npt.NDArray[np.bool_]]) -> float:
    """Return the correlation of one channel with its capture at the frames of `masks`, the capture going straight between its own."""
    column = corpus.channels.index(name)
    truth: list[npt.NDArray[np.float64]] = []
    found: list[npt.NDArray[np.float32]] = []
    for clip, id, mask in zip(clips, ids, masks, strict=True):
        captured = corpus.sentences[id].captured[:, column]
        truth.append(np.interp(clip.times(), np.arange(len(captured)) / corpus.fps, captured)[mask])
        found.append(clip[name][mask])
    return float(np.corrcoef(np.concatenate(found), np.concatenate(truth))[0, 1])


def resting(clip: FaceClip, words: list[tuple[float, float, str]]) -> float:
    """Return the largest mouth weight from 0.2 s into the sentence's labelled pauses to 0.2 s before their ends; -1 without one."""
    times = clip.times()
    still = np.zeros(clip.n_frames, dtype=bool)
    for start, end, word in words:
        if word in ("sil", "sp"):
            still |= (times > start + 0.2) & (times < end - 0.2)
    mouth = clip.select([name for name in MOUTH if name in clip]).values[still]
    return float(np.abs(mouth).max()) if still.any() else -1.0


def closures_kept(before: FaceClip, after: FaceClip) -> tuple[int, int]:
    """Return (how many of the raw closures are as deep in the finished curves, how many there are)."""
    opening = before["jawOpen"] - before["mouthClose"]
    frames = ClosureGuard().closures(opening, float(before.fps))
    finished = (after["jawOpen"] - after["mouthClose"])[frames]
    # A finished opening that is not over 0 is shut: `clamp` takes away what is beyond.
    return int((finished <= np.maximum(opening[frames], 0) + 1e-4).sum()), len(frames)


if __name__ == "__main__":
    main()
