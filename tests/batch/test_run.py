"""Runs on real worker processes: the same bytes however they are spread, and a death that costs one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from a2f_batch.batch.identity import Identity
from tests.batch.batch_fixtures import a2f_batch, command, engine, environment, manifest, sound, summary, tree

LINES = 8

# Runs in every worker process before its first line: what a broken decoder or a slow disk would do.
POISON = """
import os, time
from a2f_batch.batch import render
from a2f_batch.audio import load_audio as load  # Dask runs this file twice in a process

def load_audio(path, **options):
    if "poison" in str(path):
        os.abort()
    if "slow" in str(path):
        time.sleep(float(os.environ["SLOW_SECONDS"]))
    return load(path, **options)

render.load_audio = load_audio
"""


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A folder with eight sounds of different length, m.csv and a tiny network."""
    for i in range(LINES):
        sound(tmp_path / f"{i}.wav", 0.3 + 0.1 * i, seed=i)
    engine(tmp_path)
    manifest(tmp_path / "m.csv", [{"audio": f"{i}.wav"} for i in range(LINES)])
    return tmp_path


def render(drop: Path, out: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return a2f_batch("render", drop / "m.csv", "--out", drop / out, "--engine", drop / "tiny.json", "--formats", "npz,csv", *arguments,
                     **variables)


def poisoned(drop: Path) -> dict[str, str]:
    """Return the variable that makes Dask's workers load POISON."""
    (drop / "poison.py").write_text(POISON)
    return {"DASK_DISTRIBUTED__WORKER__PRELOAD": str(drop / "poison.py")}


@contextmanager
def scheduler(drop: Path, **variables: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a scheduler and two workers as processes of their own; yield the address, and the scheduler's process."""
    file = drop / "scheduler.json"

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        # From another folder: nothing may hang on the current one.
        return subprocess.Popen([sys.executable, "-m", "dask", *arguments, "--no-dashboard", "--scheduler-file", str(file)],
                                env=environment(**variables), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    processes = [start("scheduler", "--host", "127.0.0.1", "--port", "0")]
    try:
        processes += [start("worker", "--nthreads", "1", "--local-directory", str(drop / f"worker{i}")) for i in range(2)]
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text():
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"], processes[0]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


def test_any_number_of_workers_and_a_running_scheduler_give_the_same_bytes(drop: Path) -> None:
    results = {"in this process": render(drop, "0", "--workers", "0"), "two": render(drop, "2", "--workers", "2")}
    with scheduler(drop) as (address, _):
        results["scheduler"] = render(drop, "s", "--scheduler", address)
    for name, done in results.items():
        assert (done.returncode, done.stderr) == (0, ""), f"{name}: {done.stdout}{done.stderr}"
    first = tree(drop / "0")
    assert sorted(first) == sorted(f"de/ada/line{i}{suffix}" for i in range(LINES) for suffix in (".npz", ".csv"))
    for out in ("2", "s"):
        assert tree(drop / out) == first
    entries = {out: summary(drop / out)["lines"] for out in ("0", "2", "s")}
    for out in entries:
        for entry in entries[out]:
            entry.pop("seconds")  # measured
        assert entries[out] == entries["0"]
    assert [entry["line"] for entry in entries["2"]] == list(range(2, LINES + 2))


def test_a_line_whose_worker_dies_loses_only_itself(drop: Path) -> None:
    sound(drop / "poison.wav")
    rows = [{"audio": f"{i}.wav"} for i in range(LINES)]
    rows[3] = {"audio": "poison.wav"}
    manifest(drop / "m.csv", rows)
    older = drop / "out" / Identity("de", "ada", "line3").file(".npz")
    older.parent.mkdir(parents=True)
    older.write_bytes(b"of an earlier run")
    done = render(drop, "out", "--workers", "2", **poisoned(drop))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "[worker-lost]" in done.stdout
    lines = summary(drop / "out")["lines"]
    assert [entry["status"] for entry in lines] == ["failed" if i == 3 else "done" for i in range(LINES)]
    assert lines[3]["code"] == "worker-lost"
    assert sorted(tree(drop / "out")) == sorted(f"de/ada/line{i}{suffix}" for i in range(LINES) if i != 3 for suffix in (".npz", ".csv"))


def slow(drop: Path, seconds: float) -> dict[str, str]:
    """Make every line take `seconds`, and the first one write 'started'; return the variables for the workers."""
    for i in range(LINES):
        (drop / f"{i}.wav").rename(drop / f"slow{i}.wav")
    manifest(drop / "m.csv", [{"audio": f"slow{i}.wav"} for i in range(LINES)])
    variables = poisoned(drop)
    (drop / "poison.py").write_text(POISON.replace("time.sleep", f"open({str(drop / 'started')!r}, 'w'); time.sleep"))
    return {**variables, "SLOW_SECONDS": str(seconds)}


def start_run(drop: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start a run in a process group of its own, and return when the first line is being rendered."""
    run = subprocess.Popen(command("render", drop / "m.csv", "--out", drop / "out", "--engine", drop / "tiny.json", "--formats", "npz,csv",
                                   *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                           env=environment(**variables))
    deadline = time.monotonic() + 60
    while not (drop / "started").exists():
        assert run.poll() is None and time.monotonic() < deadline, "no line was started"
        time.sleep(0.05)
    return run


def group_is_empty(run: subprocess.Popen[str]) -> bool:
    """Whether no process of the run's session is left, a second's grace for the last ones to end."""
    for _ in range(40):
        if not [one for one in psutil.pids() if _session(one) == run.pid]:
            return True
        time.sleep(0.1)
    return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid) if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else None
    except (ProcessLookupError, psutil.NoSuchProcess):
        return None


def test_an_interrupt_finishes_the_lines_in_flight_and_the_same_command_finishes_the_rest(drop: Path) -> None:
    run = start_run(drop, "--workers", "2", **slow(drop, 0.6))
    os.killpg(run.pid, signal.SIGINT)  # to every process, as a terminal does
    output, errors = run.communicate(timeout=60)
    assert run.returncode == 130, output + errors
    assert "Traceback" not in output + errors, output + errors
    entries = summary(drop / "out")["lines"]
    done = [entry["id"] for entry in entries if entry["status"] == "done"]
    assert 1 <= len(done) < LINES
    assert {entry["code"] for entry in entries if entry["status"] == "unfinished"} == {"not-started"}
    assert sorted(tree(drop / "out")) == sorted(f"de/ada/{name}{suffix}" for name in done for suffix in (".npz", ".csv"))
    assert group_is_empty(run)
    assert render(drop, "out", "--workers", "0").returncode == 0
    assert len(tree(drop / "out")) == 2 * LINES


def test_a_second_interrupt_stops_at_once_and_leaves_nothing_half_done(drop: Path) -> None:
    run = start_run(drop, "--workers", "1", **slow(drop, 300))
    os.killpg(run.pid, signal.SIGINT)
    time.sleep(0.5)
    assert run.poll() is None
    os.killpg(run.pid, signal.SIGINT)
    output, errors = run.communicate(timeout=30)
    assert run.returncode == 130, output + errors
    assert "Traceback" not in output + errors, output + errors
    assert {entry["code"] for entry in summary(drop / "out")["lines"]} == {"interrupted"}
    assert tree(drop / "out") == {}
    assert group_is_empty(run)


def test_a_lost_scheduler_ends_the_run_with_a_summary_and_the_same_command_finishes_the_rest(drop: Path) -> None:
    variables = slow(drop, 0.6)
    with scheduler(drop, **variables) as (address, process):
        run = start_run(drop, "--scheduler", address)
        time.sleep(0.5)
        process.kill()
        output, errors = run.communicate(timeout=60)
    assert run.returncode == 1, output + errors
    assert "Traceback" not in output + errors, output + errors
    entries = summary(drop / "out")["lines"]
    assert {entry.get("code") for entry in entries} <= {None, "scheduler-lost"}
    assert any(entry.get("code") == "scheduler-lost" for entry in entries)
    assert render(drop, "out", "--workers", "0").returncode == 0
    assert len(tree(drop / "out")) == 2 * LINES
