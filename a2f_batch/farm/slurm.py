"""Slurm: a script that submits an array of shards, and a merge that waits for all of them.

Source: https://slurm.schedmd.com/sbatch.html and job_array.html.
"""

from __future__ import annotations

import shlex

from a2f_batch.farm.job import FarmJob

_DRAIN_SECONDS = 60  # what a shard gets to finish its lines in flight before its time is over


def files(job: FarmJob) -> dict[str, str]:
    """Return the script, by file name.

    Its own arguments go to both calls of `sbatch`: a partition, an account.
    """
    return {f"{job.name}.sh": f"""\
#!/bin/bash
# {job.name}: {job.shards} shards, then their merge. Written by `a2f-batch farm slurm`.
# Submit it with bash; its arguments go to both calls of sbatch, such as --partition=long.
set -euo pipefail

array=$(sbatch --parsable "$@" <<'SHARDS'
#!/bin/bash
{_directives(job)}
exec {_words(job)}
SHARDS
)
# --parsable gives the job's id, and where there are several clusters ';' and the cluster's name.
array=${{array%%;*}}
merge=$(sbatch --parsable --dependency="afterok:$array" "$@" <<'MERGE'
#!/bin/bash
#SBATCH --job-name={job.name}-merge
#SBATCH --ntasks=1
exec {shlex.join(job.merge())}
MERGE
)
echo "Submitted {job.name}: array $array, merge ${{merge%%;*}}."
"""}


def hint(job: FarmJob, place: str) -> str:
    """Return how to submit the file at `place`."""
    return f"Submit it with: bash {shlex.quote(place)}"


def _directives(job: FarmJob) -> str:
    # A shard that lost its node does what is left when it is queued again.
    directives = [f"--job-name={job.name}", f"--array=1-{job.shards}", "--ntasks=1", "--requeue"]
    if job.cores:
        directives.append(f"--cpus-per-task={job.cores}")
    if job.memory_mib:
        directives.append(f"--mem={job.memory_mib}M")
    if job.gpus:
        directives.append(f"--gres=gpu:{job.gpus}")
    if job.seconds:
        hours, rest = divmod(job.seconds, 3600)
        directives.append(f"--time={hours:02}:{rest // 60:02}:{rest % 60:02}")
        # To the shell, which `exec` made the render itself; without B: only to steps started by srun.
        directives.append(f"--signal=B:TERM@{_DRAIN_SECONDS}")
    return "\n".join(f"#SBATCH {directive}" for directive in directives)


def _words(job: FarmJob) -> str:
    shard = f"/{job.shards}"
    return " ".join(f'"$SLURM_ARRAY_TASK_ID{shard}"' if word == shard else shlex.quote(word) for word in job.render(shard))
