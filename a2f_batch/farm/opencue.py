"""OpenCue: a command file for `cuecmd`, one shard a line.

cuecmd runs each line as a frame through /bin/sh and takes every line that is not blank for a command: there is no place for a remark.
It knows no dependencies: the merge is called when the job is done.

Source: cuecmd 1.37 (https://pypi.org/project/opencue-cuecmd/), its main.py and execute_commands.py.
"""

from __future__ import annotations

import shlex

from a2f_batch.errors import BatchError
from a2f_batch.farm.job import FarmJob


def files(job: FarmJob) -> dict[str, str]:
    """Return the command file, by file name.

    Raises:
        BatchError: the job asks for what cuecmd has no words for (code 'farm-resource').
    """
    for asked, option in ((job.gpus, "--gpus"), (job.seconds, "--time")):
        if asked:
            raise BatchError(f"cuecmd has nothing for {option}.", "Leave it out, and set it on the job's layer in OpenCue.",
                             code="farm-resource")
    return {f"{job.name}.cmds": "".join(f"{shlex.join(job.render(f'{index}/{job.shards}'))}\n" for index in range(1, job.shards + 1))}


def hint(job: FarmJob, place: str) -> str:
    """Return how to submit the file at `place`."""
    words = ["cuecmd", place, "--job-name", job.name]
    if job.cores:
        words += ["--cores", str(job.cores)]
    if job.memory_mib:
        words += ["--memory", f"{job.memory_mib / 1024:g}"]
    return f"Submit it with: {shlex.join(words)}\nWhen all frames are done: {shlex.join(job.merge())}"
