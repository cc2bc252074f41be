"""Where a stream is cut: at silences, on whole frames, and at the same places however the sound arrives."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from a2f_batch.rates import frame_count
from a2f_batch.segment import silences

SILENCE_SECONDS = 0.5  # a shorter silence is none
WINDOW_SECONDS, HOP_SECONDS = 0.010, 0.005

Samples = npt.NDArray[np.float32]


class Piece(NamedTuple):
    """Frames `first` to `stop` - 1 of a stream, and the samples `begin` to `end` - 1 that they lie on."""

    first: int
    stop: int
    begin: int
    end: int


class Cutter:
    """Cuts a stream in every silence of `SILENCE_SECONDS` or more, `SILENCE_SECONDS` / 2 behind its start.

    A cut moves to the nearest frame: frame k of a stream begins at sample round(k * rate / fps), counted from the stream's own first
    sample. So a piece of T frames is what a sound file of its samples would be: T frames at the same rate, none of them more than half
    a sample from its place in the stream, however many pieces came before.

    Args:
        rate: samples per second.
        fps: frames per second.
        at_silences: False = the whole stream is one piece.
    """

    def __init__(self, rate: int, fps: Fraction, *, at_silences: bool = True) -> None:
        self._rate, self._fps, self._at_silences = rate, fps, at_silences
        self._window, self._hop = max(1, round(WINDOW_SECONDS * rate)), max(1, round(HOP_SECONDS * rate))
        self._least = round(SILENCE_SECONDS * rate)
        self._heard = np.zeros(0, dtype=np.float32)  # samples from `_offset` on, which is a whole number of hops
        self._offset = 0
        self._is_cut = False  # whether the silence that the next window may go on with has its cut
        self._first = 0  # frame at which the next piece begins
        self._due: list[int] = []  # frames at which pieces end, found but not yet reached by the sound
        self.total = 0  # samples so far

    def add(self, samples: Samples) -> Iterator[Piece]:
        """Take the next samples, shape (n,), full scale -1..1; yield the pieces that are complete with them."""
        self.total += len(samples)
        if not self._at_silences:
            return
        self._heard = np.concatenate([self._heard, samples])
        for cut in self._silence_cuts():
            self._due.append(round(cut * self._fps / self._rate))
        # A cut moves to its frame, which at a low frame rate may lie in what is still to come.
        while self._due and self._sample(self._due[0]) <= self.total:
            frame = self._due.pop(0)
            if frame > self._first:
                yield self._piece(frame, self._sample(frame))

    def finish(self) -> Piece | None:
        """Return the last piece, up to the stream's end; None if it has no frame.

        The stream's frames are round(total / rate * fps), ties to even, as of a file; `end` may be a sample off where that makes the
        piece of its own length a frame longer or shorter.
        """
        n_frames = frame_count(self.total, self._rate, self._fps)
        if n_frames <= self._first:
            return None
        end, first = self.total, self._first
        begin = self._sample(first)
        while frame_count(end - begin, self._rate, self._fps) != n_frames - first:
            end += 1 if frame_count(end - begin, self._rate, self._fps) < n_frames - first else -1
        return self._piece(n_frames, end)

    def _piece(self, stop: int, end: int) -> Piece:
        piece = Piece(self._first, stop, self._sample(self._first), end)
        self._first = stop
        return piece

    def _sample(self, frame: int) -> int:
        return round(frame * self._rate / self._fps)

    def _silence_cuts(self) -> Iterator[int]:
        """Yield a cut for every silence that has become long enough, and forget what needs no second look."""
        windows = (len(self._heard) - self._window) // self._hop + 1
        if windows <= 0:
            return
        last = (windows - 1) * self._hop  # where the last whole window begins
        again = last + self._hop
        # Whole windows only, which begin at multiples of the hop from the stream's start: what is found does not hang on the messages.
        for start, stop in silences(self._heard[:last + self._window], self._rate, window_seconds=WINDOW_SECONDS,
                                    hop_seconds=HOP_SECONDS, min_interval_seconds=0):
            goes_on = stop == last + self._window
            was_cut = self._is_cut and start == 0
            if not was_cut and stop - start >= self._least:
                yield self._offset + start + self._least // 2
                was_cut = True
            if goes_on:
                again = last if was_cut else start
                self._is_cut = was_cut
        if again == last + self._hop:
            self._is_cut = False
        self._offset += again
        self._heard = self._heard[again:]
