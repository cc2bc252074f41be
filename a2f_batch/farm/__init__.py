"""Job files for render farms: a run in shards and the merge after it, as each scheduler wants to be told. Nothing here runs anything.

A scheduler is a plain module with `files` and `hint`, and one entry in `SCHEDULERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from a2f_batch.farm import opencue, openjd, slurm
from a2f_batch.farm.job import FarmJob


class Scheduler(Protocol):
    """What can write job files."""

    def files(self, job: FarmJob) -> dict[str, str]:
        """Return the job's files, by name.

        Raises:
            BatchError: the scheduler has no words for what the job asks for (codes 'farm-resource', 'farm-argument').
        """

    def hint(self, job: FarmJob, place: str) -> str:
        """Return how to submit what was written to `place`: the file, or the folder of several."""


SCHEDULERS: Mapping[str, Scheduler] = {"openjd": openjd, "opencue": opencue, "slurm": slurm}
