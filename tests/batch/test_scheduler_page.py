"""The examples of docs/scheduler.md, run as they stand there on processes of this machine."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.batch.batch_fixtures import ROOT, environment, tree
from tests.batch.processes import LINES, make_drop, noted
from tests.batch.processes import faults as with_faults

PAGE = (ROOT / "docs/scheduler.md").read_text(encoding="utf-8")


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A drop called demo.csv, and the commands `dask` and `a2f-batch` on PATH."""
    make_drop(tmp_path)
    (tmp_path / "m.csv").rename(tmp_path / "demo.csv")
    (tmp_path / "bin").mkdir()
    for name, module in (("a2f-batch", "a2f_batch"), ("dask", "dask")):
        script = tmp_path / "bin" / name
        script.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} \"$@\"\n")
        script.chmod(0o755)
    return tmp_path


def path_of(drop: Path, **variables: str) -> dict[str, str]:
    return environment(PATH=f"{drop / 'bin'}{os.pathsep}{os.environ['PATH']}", **variables)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def run_shell_block(drop: Path, text: str, env: dict[str, str], before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the block's commands, all but the last in the background, on a port that is free."""
    *servers, last = [line.replace("8786", str(PORT)) for line in (before + text).splitlines()]
    started = [subprocess.Popen(shlex.split(line), cwd=drop, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for line in servers]
    try:
        deadline = time.monotonic() + 60
        while True:
            done = subprocess.run([*shlex.split(last), "--engine", "tiny.json", "--formats", "npz"], cwd=drop, env=env, capture_output=True,
                                  text=True, timeout=120, check=False)
            # The page's reader waits for the servers to say that they are there.
            if not re.search(r"\[(scheduler-unreachable|no-workers)\]", done.stdout + done.stderr) or time.monotonic() > deadline:
                return done
    finally:
        for process in started:
            process.kill()
            process.wait(30)


PORT = free_port()
START, WITH_GPU = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
(JOBS,) = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_the_scheduler_and_workers_of_the_page_render(drop: Path) -> None:
    done = run_shell_block(drop, START, path_of(drop))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len([name for name in tree(drop / "faces") if name.endswith(".npz")]) == LINES


@pytest.mark.slow
def test_the_gpu_s_worker_of_the_page_infers(drop: Path) -> None:
    (drop / "tiny.json").write_text((drop / "tiny.json").read_text().replace("unitalker\"", "pretend-gpu\"", 1))
    faults = with_faults(drop)
    done = run_shell_block(drop, WITH_GPU.replace("--nworkers 8", "--nworkers 1"), path_of(drop, **faults),
                           START.splitlines()[0] + "\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len({pid for pid, _ in noted(drop, "infer")}) == 1


@pytest.mark.slow
def test_the_job_queue_of_the_page_renders(drop: Path) -> None:
    program = JOBS.replace("from dask_jobqueue import SLURMCluster", "from dask_jobqueue.local import LocalCluster as SLURMCluster")
    assert program != JOBS
    program = program.replace('"faces",', '"faces", "--engine", "tiny.json", "--formats", "npz",')
    (drop / "jobs.py").write_text(program)
    done = subprocess.run([sys.executable, "jobs.py"], cwd=drop, env=path_of(drop), timeout=120, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len([name for name in tree(drop / "faces") if name.endswith(".npz")]) == LINES
