"""Batches of lines: alike in engine, settings and length, small enough that one lost with its worker costs about a second."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from math import ceil

import soundfile

from a2f_batch.batch.render import Job

MOST_LINES = 24  # each worker holds some batches at a time: twice as many lines were 10 MB more
MOST_SECONDS = 48  # of sound; a longer line goes alone
LOOK_AHEAD = 256  # lines among which mates are sought

# Bytes a second of sound that libsndfile does not open, to guess a length by: 64 kbit/s.
_COMPRESSED_RATE = 8000


class Batches:
    """Cuts `jobs` into batches as they are asked for; the order within the next `LOOK_AHEAD` lines is by length."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = iter(jobs)
        self._ahead: list[tuple[tuple[object, ...], float, Job]] = []
        self._ended = False

    def take(self, workers: int) -> list[Job]:
        """Return the next batch for one of `workers`; empty if no line is left.

        Towards the end batches grow smaller, so that no worker is left with much while the others have nothing.
        """
        self._look_ahead()
        most = MOST_LINES if not self._ended else min(MOST_LINES, ceil(len(self._ahead) / (2 * max(workers, 1))))
        batch: list[Job] = []
        seconds = 0.0
        while self._ahead and len(batch) < most:
            _, length, job = self._ahead[-1]
            if batch and seconds + length > MOST_SECONDS:
                break
            self._ahead.pop()
            batch.append(job)
            seconds += length
        return batch

    def _look_ahead(self) -> None:
        if self._ended or len(self._ahead) > LOOK_AHEAD // 2:
            return
        wanted = LOOK_AHEAD - len(self._ahead)
        new = [(_kind(job), _seconds(job), job) for job in islice(self._jobs, wanted)]
        self._ended = len(new) < wanted
        self._ahead = sorted([*self._ahead, *new], key=lambda one: one[:2])


def _kind(job: Job) -> tuple[object, ...]:
    """Return what lines have in common that an engine can take at once, as text to sort by."""
    recipe = job.recipe
    return str(job.engine), recipe.fps, recipe.emotion.dominant, recipe.style or ""


def _seconds(job: Job) -> float:
    """Return about how long the line's sound is; what can't be told from here is short, and fails later if it must."""
    path = job.line.audio
    try:
        with soundfile.SoundFile(path) as sound:
            return float(sound.frames / sound.samplerate)
    except (soundfile.LibsndfileError, OSError):
        try:
            return os.stat(path).st_size / _COMPRESSED_RATE
        except OSError:
            return 0.0
