"""Fit the network of a2f_batch/qc/expected.json: what a mouth does, from a sound's bands. It needs torch.

    python benchmarks/qc_fit.py GRID_FOLDER MADE_FOLDER... > a2f_batch/qc/expected.json

GRID_FOLDER as for `a2f-batch train`; a MADE_FOLDER, named such as 'espeak-de', holds sounds (flac) of one made voice. Targets are
the finished curves of the embedded engine and, for GRID, also those captured from video; every curve of a line is brought to mean 0 and
deviation 1. Each kind of voice counts as much as the next, and so does GRID, half for each of its targets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

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

HIDDEN, STEPS, LINES_A_STEP, RATE = 32, 3000, 24, 3e-3
FPS = 30
LEAST_DEVIATION = 0.005  # a curve that hardly moves teaches nothing
MOST = {"espeak": 30, "kokoro": 9}  # sounds of a folder, by the kind that its name begins with
Matrix = npt.NDArray[np.float32]


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
    groups = [[_pair(wave, _finished(wave, engine)) for folder in folders for wave in _sounds(folder, random)]
              for folders in kinds.values()]
    corpus = read_corpus(grid)
    chosen = random.permutation(list(corpus.sentences))[:lines].tolist()
    waves = {name: load_audio(grid / "audio" / f"{name}.flac") for name in chosen}
    fps, captured = Fraction(corpus.fps), {name: corpus.sentences[name].captured for name in chosen}
    groups.append([_pair(wave, _finished(wave, engine)) for wave in waves.values()]
                  + [_pair(waves[name], FaceClip(corpus.channels, captured[name], fps)) for name in chosen])
    first, bias, second = _fit(groups, random)
    source = ("benchmarks/qc_fit.py: the embedded engine on espeak-ng, Piper (joe) and Kokoro voices and on the GRID corpus, speaker 1"
              " (CC BY 4.0; Cooke, Barker, Cunningham, Shao 2006), and the mouth captured there")
    click.echo(json.dumps({"source": source, "hidden": _rounded(first), "bias": _rounded(bias),
                           "curves": {curve: _rounded(second[:, i]) for i, curve in enumerate(CURVES)}}))


def _rounded(values: Matrix) -> Any:
    return [_rounded(one) for one in values] if values.ndim > 1 else [float(f"{one:.4g}") for one in values]


def _fit(groups: list[list[tuple[Matrix, Matrix]]], random: np.random.Generator) -> tuple[Matrix, Matrix, Matrix]:
    """Return the network's weights; each group counts as much as the next, each line is compared about its own mean."""
    import torch

    torch.set_num_threads(2)
    read, curves = groups[0][0][0].shape[1], len(CURVES)
    first = torch.tensor(random.standard_normal((read, HIDDEN)) * read ** -0.5, dtype=torch.float32, requires_grad=True)
    bias = torch.zeros(HIDDEN, requires_grad=True)
    second = torch.tensor(random.standard_normal((HIDDEN, curves)) * HIDDEN ** -0.5, dtype=torch.float32, requires_grad=True)
    optimiser = torch.optim.AdamW([first, bias, second], lr=RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        some = [groups[k][int(random.integers(len(groups[k])))] for k in random.integers(len(groups), size=LINES_A_STEP)]
        error = torch.zeros(())
        for bands, wanted in some:
            found = torch.relu(torch.from_numpy(bands) @ first + bias) @ second
            error = error + (found - found.mean(dim=0) - torch.from_numpy(wanted)).square().mean()
        optimiser.zero_grad()
        (error / len(some)).backward()  # type: ignore[no-untyped-call, unused-ignore]
        optimiser.step()
        schedule.step()
    return tuple(one.detach().numpy() for one in (first, bias, second))  # type: ignore[return-value, unused-ignore]


def _sounds(folder: Path, random: np.random.Generator) -> Iterator[Waveform]:
    """Yield some of a folder's sounds, more of a voice that stands alone for its kind."""
    files = sorted(folder.glob("*.flac"))
    for i in random.permutation(len(files))[:MOST.get(folder.name.partition("-")[0], 200)]:
        yield load_audio(files[i])


def _finished(wave: Waveform, engine: Engine) -> FaceClip:
    (raw,) = engine.infer([wave], fps=FPS, seed=[0])
    return post(raw, "default", wave=wave)


def _pair(wave: Waveform, clip: FaceClip) -> tuple[Matrix, Matrix]:
    """Return what is read, shape (hops, read), and the curves about their means in units of their deviation, shape (hops, curves)."""
    read = heard(spectrum(wave.samples, wave.rate).bands)
    times, curves = np.arange(len(read)) * HOP_SECONDS, shown(clip)
    seen = np.stack([np.interp(times, clip.times(), curves[name]) for name in CURVES], axis=1)
    seen -= seen.mean(axis=0)
    deviation = seen.std(axis=0)
    seen = np.where(deviation > LEAST_DEVIATION, seen / np.maximum(deviation, LEAST_DEVIATION), 0)
    return read.astype(np.float32), seen.astype(np.float32)


if __name__ == "__main__":
    main()
