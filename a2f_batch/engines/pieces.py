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

LEAST_SECONDS = Fraction(1, 2)  # a network sees at least this much; what it makes of the padding is dropped

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Piece:
    """Frames `first` .. `stop` - 1 of a line."""

    first: int
    stop: int


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
