"""Runs that are interrupted, killed, cut off or out of room: nothing half written is left, and the same command finishes the rest."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from a2f_batch.export.atomic import is_temporary
from tests.batch.batch_fixtures import command, environment, summary, tree
from tests.batch.processes import (
    PATIENCE,
    arguments,
    faults,
    go_on,
    make_drop,
    make_slow,
    render,
    rendering,
    running,
    scheduler,
    session,
    wait_for,
    wait_until_said,
)

OUTPUTS = (".npz", ".csv", ".glb")


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    """A drop, and in the folder 'whole' what an undisturbed run makes of it."""
    make_drop(tmp_path)
    assert render(tmp_path, "whole", "--workers", "0").returncode == 0
    return tmp_path


def outputs(out: Path) -> dict[str, bytes]:
    """Return the lines' files in `out`."""
    return {name: content for name, content in tree(out).items() if name.endswith(OUTPUTS)}


def assert_ends(run: subprocess.Popen[str], code: int) -> None:
    """The run ends by itself, with that exit code and without a traceback."""
    output, errors = run.communicate(timeout=PATIENCE)
    assert run.returncode == code, output + errors
    assert "Traceback" not in output + errors, output + errors


@pytest.fixture
def chance() -> random.Random:
    """Fresh chances, whose seed pytest shows when the test fails."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


def assert_same_command_finishes(drop: Path, **variables: str) -> None:
    """Every file that is there is whole; the same command, undisturbed, makes the rest and leaves nothing else behind."""
    whole = outputs(drop / "whole")
    for name, content in outputs(drop / "out").items():
        assert content == whole[name], f"{name} is half written"
    done = render(drop, "out", "--workers", "2", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert outputs(drop / "out") == whole
    assert not [path for path in (drop / "out").rglob("*") if is_temporary(path.name)]


@pytest.mark.slow
def test_an_interrupt_finishes_the_lines_in_flight_and_the_same_command_the_rest(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, 24)
    assert render(drop, "whole", "--workers", "0").returncode == 0
    variables = make_slow(drop)
    with running(drop, "out", "--workers", "2", **variables) as run:
        os.killpg(run.pid, signal.SIGINT)  # to every process, as a terminal does
        wait_until_said(run, "interrupt again")
        go_on(drop)
        assert_ends(run, 130)
        wait_for(lambda: not session(run), "a process is left")
    entries = summary(drop / "out")["lines"]
    done = [entry["id"] for entry in entries if entry["status"] == "done"]
    assert 1 <= len(done) < 24
    assert {entry["code"] for entry in entries if entry["status"] == "unfinished"} == {"not-started"}
    assert sorted(outputs(drop / "out")) == sorted(f"de/ada/{name}{suffix}" for name in done for suffix in (".npz", ".csv"))
    assert_same_command_finishes(drop)


@pytest.mark.slow
def test_a_second_interrupt_stops_at_once(drop: Path) -> None:
    variables = make_slow(drop)
    with running(drop, "out", "--workers", "1", **variables) as run:
        os.killpg(run.pid, signal.SIGINT)
        wait_until_said(run, "interrupt again")
        time.sleep(0.5)
        assert run.poll() is None
        os.killpg(run.pid, signal.SIGINT)
        assert_ends(run, 130)
        wait_for(lambda: not session(run), "a process is left")
    assert outputs(drop / "out") == {}
    assert_same_command_finishes(drop, FAULTS_SECONDS="0")


@pytest.mark.slow
def test_a_lost_scheduler_ends_the_run_with_a_summary(drop: Path) -> None:
    variables = make_slow(drop)
    with scheduler(drop, **variables) as (address, processes), running(drop, "out", "--scheduler", address, **variables) as run:
        processes[0].kill()
        assert_ends(run, 1)
    codes = {entry.get("code") for entry in summary(drop / "out")["lines"]}
    assert "scheduler-lost" in codes <= {None, "scheduler-lost"}
    assert_same_command_finishes(drop)


@pytest.mark.slow
def test_workers_killed_at_random_cost_nothing_but_time(drop: Path, chance: random.Random) -> None:
    variables = make_slow(drop, 0.3)
    with running(drop, "out", "--workers", "2", **variables) as run:
        for _ in range(3):
            time.sleep(chance.uniform(0, 1))
            if workers := rendering(run, drop):
                chance.choice(workers).kill()
        assert_ends(run, 0)
    assert outputs(drop / "out") == outputs(drop / "whole")
    assert [entry["status"] for entry in summary(drop / "out")["lines"]] == ["done"] * 8


@pytest.mark.slow
def test_a_run_killed_at_random_leaves_nothing_half_written_and_is_finished_by_the_same_command(drop: Path, chance: random.Random) -> None:
    variables = make_slow(drop, 0.15)
    for _ in range(3):
        (drop / "faults.log").unlink(missing_ok=True)
        with running(drop, "out", "--workers", "2", **variables) as run:
            time.sleep(chance.uniform(0, 1))
            run.kill()
            # The workers find their parent gone by themselves; what is left is not ended for them.
            wait_for(lambda: not session(run), "a worker lives on")
    assert_same_command_finishes(drop, **faults(drop))


FULL_DISK = """
set -eu
mount -t tmpfs -o size=5m none "$OUT"
"$@" > "$DROP/first.txt" 2>&1 || echo $? > "$DROP/first.code"
cp -r "$OUT" "$DROP/first"
mount -o remount,size=200m "$OUT"
"$@" > "$DROP/second.txt" 2>&1 || echo $? > "$DROP/second.code"
cp -r "$OUT" "$DROP/second"
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_full_disk_stops_the_run_early_and_the_same_command_finishes_when_there_is_room(tmp_path: Path, workers: str) -> None:
    drop = make_drop(tmp_path, 100)
    assert render(drop, "whole", "--workers", "0", formats="npz,csv,glb").returncode == 0
    (drop / "out").mkdir()
    run = command(*arguments(drop, "out", "--workers", workers, formats="npz,csv,glb"))
    # A mount of one's own needs no root where the kernel lets users have namespaces. There is no other way here to a disk that is full.
    done = subprocess.run([shutil.which("unshare") or "unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--mount",
                           "sh", "-c", FULL_DISK, "sh", *run], env=environment(OUT=str(drop / "out"), DROP=str(drop)), timeout=300,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"no small disk can be made here, so that nothing was tested: {done.stderr}"
    told = (drop / "first.txt").read_text()
    assert (drop / "first.code").read_text().strip() == "1", told
    assert "[disk-full]" in told
    assert "Traceback" not in told, told
    whole, first = outputs(drop / "whole"), outputs(drop / "first")
    assert 0 < len(first) < len(whole)
    assert all(content == whole[name] for name, content in first.items())
    assert told.count("[disk-full]") < 60, "the run went on although the disk was full"
    assert not (drop / "second.code").exists(), (drop / "second.txt").read_text()
    assert outputs(drop / "second") == whole
