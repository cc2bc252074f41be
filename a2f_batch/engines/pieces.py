"""Long lines in pieces: which frames each piece covers, which samples they lie on, and how the curves are joined again.

Every position comes from the frame's index in the whole line, by exact arithmetic, so pieces never drift from their audio.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import Values
from a2f_batch.segment import split

MAX_SECONDS = 25  # a longer line goes through a network in pieces
LEAST_SECONDS = Fraction(1, 2)  # a network sees at least this much; what it makes of the padding is dropped

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Piece:
    """Frames `first` .. `stop` - 1 of a line."""

    first: int
    stop: int


def normalised(samples: Samples) -> Samples:
    """Return a line's samples with zero mean and unit variance: (x - mean) / sqrt(variance + 1e-7); silence stays 0.

    Source: transformers' Wav2Vec2FeatureExtractor, with which UniTalker was trained.
    """
    exact = samples.astype(np.float64)
    normal: Samples = ((exact - exact.mean()) / np.sqrt(exact.var() + 1e-7)).astype(np.float32)
    return normal


def feeds(samples: Samples, n_frames: int, rate: int, fps: Fraction, *, whole_lines: bool = False) -> list[tuple[Piece, Samples, int]]:
    """Return what a network is given for a line: each piece, its samples of zero mean and unit variance (over the line), and how many
    frames to make of them, which may be more than the piece has.

    A line is one piece, or if it is longer than `MAX_SECONDS`, as many as `segment.split` cuts it into.

    Args:
        samples: shape (n,), full scale -1..1, at `rate`.
        whole_lines: give a line of one piece with all its samples, not cut to a whole number of frames.
    """
    normal = normalised(samples)
    if samples.size > MAX_SECONDS * rate:
        cuts = [(start, stop) for start, stop, *_ in split(samples, rate, max_seconds=MAX_SECONDS)]
        return [(piece, *cut(normal, piece, rate, fps)) for piece in plan(cuts, n_frames, rate, fps)]
    whole = Piece(0, n_frames)
    if whole_lines and samples.size >= LEAST_SECONDS * rate:
        return [(whole, normal, n_frames)]
    return [(whole, *cut(normal, whole, rate, fps))]


def plan(cuts: Iterable[tuple[int, int]], n_frames: int, rate: int, fps: Fraction) -> list[Piece]:
    """Return the pieces of a line of `n_frames` frames.

    Args:
        cuts: (start, stop) of each piece in samples, in order; the first starts the line, the last ends it; a piece starts where
            the one before it stops, or earlier: then they overlap.
        rate: samples per second.
        fps: frames per second.

    Returns:
        pieces that together hold every frame 0 .. n_frames - 1. A cut moves to the nearest frame, so that a piece may become a
        frame longer than it was cut.
    """
    ratio = fps / rate
    edges = [(min(round(start * ratio), n_frames), min(round(stop * ratio), n_frames)) for start, stop in cuts]
    edges[-1] = edges[-1][0], n_frames  # the source's own duration decides, not the resampled sound's
    return [Piece(first, stop) for first, stop in edges if first < stop]


def cut(samples: Samples, piece: Piece, rate: int, fps: Fraction) -> tuple[Samples, int]:
    """Return the samples of `piece`, and how many frames they are.

    T frames are exactly round(T * rate / fps) samples, so frame i of the piece is i / fps seconds after its start. A piece under
    `LEAST_SECONDS` is lengthened to it; beyond the end of the line there are zeros.
    """
    n_frames = max(piece.stop - piece.first, ceil(LEAST_SECONDS * fps))
    start = round(piece.first * rate / fps)
    length = round(n_frames * rate / fps)
    inside = samples[start:start + length]
    padded = np.zeros(length, dtype=np.float32)
    padded[:inside.size] = inside
    return padded, n_frames


def join(pieces: Sequence[Piece], curves: Sequence[Values]) -> Values:
    """Return the curves of the whole line, shape (frames, channels).

    Args:
        pieces: as `plan` made them.
        curves: of each piece, shape (at least its frames, channels); frames beyond its own are dropped.

    Where two pieces overlap by K frames, the later one's weight rises linearly: (k + 1) / (K + 1) at frame k of the overlap.
    """
    line = np.empty((pieces[-1].stop, curves[0].shape[1]), dtype=np.float32)
    done = 0
    for piece, values in zip(pieces, curves, strict=True):
        values = values[:piece.stop - piece.first]
        shared = done - piece.first
        weight = (np.arange(1, shared + 1, dtype=np.float32) / np.float32(shared + 1))[:, None]
        line[piece.first:done] = (1 - weight) * line[piece.first:done] + weight * values[:shared]
        line[done:piece.stop] = values[shared:]
        done = piece.stop
    return line
