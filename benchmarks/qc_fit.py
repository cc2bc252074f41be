"""Fit the filter of a2f_batch/qc/expected.json: what a mouth does, from a sound's bands.

    python benchmarks/qc_fit.py GRID_FOLDER MADE_FOLDER... > a2f_batch/qc/expected.json

GRID_FOLDER as for `a2f-batch train`; a MADE_FOLDER, named such as 'espeak-de', holds sounds (flac) of one made voice. Targets are
the finished curves of the embedded engine and, for GRID, also those captured from video; every curve of a line is brought to mean 0 and
deviation 1. Each kind of voice counts as much as the next, and so does GRID, half for each of its targets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from a2f_batch.audio import Waveform, load_audio
from a2f_batch.clip import FaceClip
from a2f_batch.engines import load_engine
from a2f_batch.engines.base import Engine
from a2f_batch.post import post
from a2f_batch.qc.expected import CURVES, heard, shown
from a2f_batch.qc.sound import HOP_SECONDS, spectrum
from a2f_batch.train.dataset import read_corpus

RIDGE = 0.003
FPS = 30
LEAST_DEVIATION = 0.005  # a curve that hardly moves teaches nothing
MOST = {"espeak": 30, "kokoro": 9}  # sounds of a folder, by the kind that its name begins with
Matrix = npt.NDArray[np.float64]


@click.command()
@click.argument("grid", type=click.Path(exists=True, path_type=Path))
@click.argument("made", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--lines", default=400, show_default=True, help="Of GRID.")
@click.option("--seed", default=3, show_default=True)
def main(grid: Path, made: tuple[Path, ...], lines: int, seed: int) -> None:
    """Fit, and print the JSON."""
    engine, random = load_engine("embedded", device="cpu"), np.random.default_rng(seed)
    kinds: dict[str, list[Path]] = {}
    for folder in made:
        kinds.setdefault(folder.name.partition("-")[0], []).append(folder)
    sums = [_sums((wave, _finished(wave, engine)) for folder in folders for wave in _sounds(folder, random)) for folders in kinds.values()]
    corpus = read_corpus(grid)
    chosen = random.permutation(list(corpus.sentences))[:lines].tolist()
    waves = {name: load_audio(grid / "audio" / f"{name}.flac") for name in chosen}
    sums.append(0.5 * _sums((wave, _finished(wave, engine)) for wave in waves.values()))
    fps, captured = Fraction(corpus.fps), {name: corpus.sentences[name].captured for name in chosen}
    sums.append(0.5 * _sums((waves[name], FaceClip(corpus.channels, captured[name], fps)) for name in chosen))
    both = np.sum(sums, axis=0)
    read = both.shape[1] - len(CURVES)
    square, product = both[:, :read], both[:, read:]
    weights = np.linalg.solve(square + np.eye(read) * square.trace() / read * RIDGE, product)
    source = ("benchmarks/qc_fit.py: the embedded engine on espeak-ng, Piper (joe) and Kokoro voices and on the GRID corpus, speaker 1"
              " (CC BY 4.0; Cooke, Barker, Cunningham, Shao 2006), and the mouth captured there")
    click.echo(json.dumps({"source": source, "weights": {curve: [float(f"{one:.4g}") for one in weights[:, i]]
                                                         for i, curve in enumerate(CURVES)}}))


def _sounds(folder: Path, random: np.random.Generator) -> Iterator[Waveform]:
    """Yield some of a folder's sounds, more of a voice that stands alone for its kind."""
    files = sorted(folder.glob("*.flac"))
    for i in random.permutation(len(files))[:MOST.get(folder.name.partition("-")[0], 200)]:
        yield load_audio(files[i])


def _finished(wave: Waveform, engine: Engine) -> FaceClip:
    (raw,) = engine.infer([wave], fps=FPS, seed=[0])
    return post(raw, "default", wave=wave)


def _sums(pairs: Iterable[tuple[Waveform, FaceClip]]) -> Matrix:
    """Return the mean products of what is read with itself and with the curves, shape (read, read + curves)."""
    total, count = np.zeros((0, 0)), 0
    for wave, clip in pairs:
        read = heard(spectrum(wave.samples, wave.rate).bands)
        times, curves = np.arange(len(read)) * HOP_SECONDS, shown(clip)
        seen = np.stack([np.interp(times, clip.times(), curves[name]) for name in CURVES], axis=1)
        seen -= seen.mean(axis=0)
        deviation = seen.std(axis=0)
        seen = np.where(deviation > LEAST_DEVIATION, seen / np.maximum(deviation, LEAST_DEVIATION), 0)
        read = read - read.mean(axis=0)
        one = read.T @ np.concatenate([read, seen], axis=1)
        total, count = (total + one if total.size else one), count + len(read)
    return np.asarray(total / count, dtype=np.float64)


if __name__ == "__main__":
    main()
