"""The memory of a scheduler, of its workers and of the client, each apart, while a run goes over a cluster of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from command_run import look

START_SECONDS = 60
# A run of 200 lines takes seconds: looked at more seldom, its peak would be missed, and that of a long run would not.
EVERY_SECONDS = 0.05

# As a run sets them for workers of its own, and docs/scheduler.md for those of others.
VARIABLES = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0", "DASK_DISTRIBUTED__ADMIN__LOG_LENGTH": "100",
             "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "100", "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__LOG_LENGTH": "10",
             "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False", "MALLOC_ARENA_MAX": "1"}


@dataclass
class Peaks:
    """The most bytes that each had at a time; of the cluster, of scheduler and workers (with their nanny) together."""

    cluster: int = 0
    client: int = 0
    together: int = 0


def peaks(arguments: Sequence[str], workers: int) -> Peaks:
    """Run `a2f-batch render` with `arguments` over a fresh scheduler and `workers` worker processes.

    Raises:
        click.ClickException: the run failed, or the scheduler did not start.
    """
    found = Peaks()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        cluster = [_start("dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)),
                   _start("dask", "worker", "--nthreads", "1", "--nworkers", str(workers), "--no-dashboard", "--scheduler-file", str(file),
                          "--local-directory", folder)]
        try:
            client = _start("a2f_batch", "render", *arguments, "--no-report", "--scheduler", _address(file))
            while client.poll() is None:
                of_cluster, of_client = sum(look(one.pid, {}) for one in cluster), look(client.pid, {})
                found.cluster, found.client = max(found.cluster, of_cluster), max(found.client, of_client)
                found.together = max(found.together, of_cluster + of_client)
                time.sleep(EVERY_SECONDS)
        finally:
            for one in reversed(cluster):
                one.terminate()
                one.wait()
    if client.returncode:
        raise click.ClickException(f"The run over a scheduler ended with {client.returncode}: a2f-batch render {' '.join(arguments)}")
    return found


def _start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", *words], env={**os.environ, **VARIABLES}, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def _address(file: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not (file.exists() and file.read_text(encoding="utf-8")):
        if time.monotonic() > deadline:
            raise click.ClickException(f"The scheduler did not start within {START_SECONDS} s.")
        time.sleep(0.1)
    return str(json.loads(file.read_text(encoding="utf-8"))["address"])
