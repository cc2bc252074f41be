"""Real processes for the batch's tests: runs of the command line, schedulers and workers, with faults that the tests choose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.batch.batch_fixtures import ROOT, a2f_batch, command, engine, environment, manifest, sound

LINES = 8
FAULTS = Path(__file__).parent / "faults"
PATIENCE = 180  # seconds that anything may take on a busy machine
AGES = 600  # seconds of a line that nobody waits for: whoever does is out of patience first


def make_drop(folder: Path, lines: int = LINES) -> Path:
    """Make sounds of different length, m.csv and a tiny network in `folder`, and return it."""
    for i in range(lines):
        sound(folder / f"{i}.wav", 0.3 + 0.1 * (i % 8), seed=i)
    engine(folder)
    manifest(folder / "m.csv", [{"audio": f"{i}.wav"} for i in range(lines)])
    return folder


def arguments(drop: Path, out: str, *more: str, formats: str = "npz,csv") -> list[str]:
    """Return the arguments of a run over the drop."""
    return ["render", "--no-report", str(drop / "m.csv"), "--out", str(drop / out), "--engine", str(drop / "tiny.json"), "--formats",
            formats, *more]


def render(drop: Path, out: str, *more: str, formats: str = "npz,csv", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return a2f_batch(*arguments(drop, out, *more, formats=formats), **variables)


def faults(drop: Path, seconds: float = 0) -> dict[str, str]:
    """Return the variables that have every process obey the names of sound files; see faults/sitecustomize.py."""
    return {"PYTHONPATH": os.pathsep.join([str(FAULTS), str(ROOT)]), "FAULTS_LOG": str(drop / "faults.log"), "FAULTS_SECONDS": str(seconds),
            "FAULTS_UNTIL": str(drop / "go on")}


def noted(drop: Path, word: str) -> list[tuple[int, str]]:
    """Return (process, what) of every note of the faults that starts with `word`."""
    log = drop / "faults.log"
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    return [(int(line[1]), line[2]) for line in lines if line[0] == word]


def go_on(drop: Path) -> None:
    """Let no line be slow any more."""
    (drop / "go on").touch()


def make_slow(drop: Path, seconds: float = AGES) -> dict[str, str]:
    """Make every line take `seconds` longer, or until `go_on`; return the variables for that."""
    rows = []
    for path in sorted(drop.glob("[0-9]*.wav"), key=lambda path: int(path.stem)):
        rows.append({"audio": path.rename(path.with_name(f"slow{path.name}")).name})
    manifest(drop / "m.csv", rows)
    return faults(drop, seconds)


@contextmanager
def running(drop: Path, out: str, *more: str, formats: str = "npz,csv", **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Start a run in a session of its own and go on once the first line is being rendered; end what is left of it."""
    run = subprocess.Popen(command(*arguments(drop, out, *more, formats=formats)), env=environment(**variables), start_new_session=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: run.poll() is not None or noted(drop, "decode"), "no line was started")
        yield run
    finally:
        for process in session(run):
            process.kill()
        run.communicate()


@contextmanager
def scheduler(drop: Path, workers: Sequence[Sequence[str]] = ((), ()),
              **variables: str) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Run a scheduler and workers, each with further arguments, as processes of their own; yield the address and the processes."""
    file = drop / "scheduler.json"

    def start(*words: str) -> subprocess.Popen[bytes]:
        # From another folder: nothing may hang on the current one.
        return subprocess.Popen([sys.executable, "-m", "dask", *words, "--no-dashboard", "--scheduler-file", str(file)],
                                env=environment(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0", **variables), cwd="/",
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    processes = [start("scheduler", "--host", "127.0.0.1", "--port", "0")]
    try:
        processes += [start("worker", "--nthreads", "1", "--local-directory", str(drop / f"worker{i}"), *words)
                      for i, words in enumerate(workers)]
        wait_for(lambda: file.exists() and file.read_text(), "the scheduler did not start")
        yield json.loads(file.read_text())["address"], processes
    finally:
        for process in processes:
            process.kill()  # a nanny's worker sees that and ends itself
            process.wait(30)


def wait_for(happened: Callable[[], object], otherwise: str) -> None:
    """Return once `happened()` is true."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def wait_until_said(run: subprocess.Popen[str], text: str) -> None:
    """Return once the run has said `text` on stderr."""
    assert run.stderr
    assert any(text in line for line in run.stderr), f"the run ended, and never said {text!r}"


def session(run: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the living processes of the run's session."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == run.pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def rendering(run: subprocess.Popen[str], drop: Path) -> list[psutil.Process]:
    """Return the run's workers that have rendered a line; not a process that tries one alone: whose death is laid to that line."""
    pids = {pid for pid, _ in noted(drop, "decode")}
    return [process for process in session(run) if process.pid in pids and process.pid != run.pid and not _is_apart(process)]


def _is_apart(process: psutil.Process) -> bool:
    try:
        return any("_serve()" in word for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False
