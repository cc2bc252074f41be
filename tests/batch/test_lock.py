"""One run a folder: a second is refused with the holder's name or waits, and a dead one holds nobody up."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from a2f_batch.batch import lock
from a2f_batch.batch.lock import folder_lock, is_held
from a2f_batch.errors import BatchError
from tests.batch.batch_fixtures import a2f_batch, command, environment, tree
from tests.batch.processes import PATIENCE, arguments, go_on, make_drop, make_slow, running, wait_until_said

HOLD = """
import sys, time
from pathlib import Path
from a2f_batch.batch.lock import folder_lock
with folder_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let signs of life be frequent, of this test's processes alone."""
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.1)


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold `path` in another process."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True, env=environment())
    assert process.stdout and process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def of_another_machine(path: Path) -> Path:
    """Write the lock of a process that can't be looked up here; its form is filelock's."""
    path.write_text(f"filelock/2\npid=4711\nhost=render07\nmode=lease\ntoken={'a' * 32}\nduration={lock.LEASE_SECONDS!r}\n")
    return path


def test_a_living_holder_is_named_and_a_dead_one_is_taken_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.lock"
    with holder(path) as process:
        with pytest.raises(BatchError, match=rf"process {process.pid} on .*user ada") as refused, \
                folder_lock(path, name_holder=lambda pid, host: f"user ada, pid {pid}"):
            pass
        assert refused.value.code == "folder-busy"
    assert path.exists()  # it had no time to remove it
    start = time.monotonic()
    assert not is_held(path)
    with folder_lock(path):
        assert time.monotonic() - start < lock.LEASE_SECONDS / 2
        assert path.exists()
    assert not path.exists()


@pytest.mark.usefixtures("quick")
def test_a_silent_holder_on_another_machine_is_taken_over_after_its_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LEASE_SECONDS", 0.6)
    path = of_another_machine(tmp_path / "journal.lock")
    start = time.monotonic()
    with folder_lock(path):
        assert time.monotonic() - start >= lock.LEASE_SECONDS


@pytest.mark.usefixtures("quick")
def test_a_holder_on_another_machine_that_gives_signs_of_life_is_respected(tmp_path: Path) -> None:
    path = of_another_machine(tmp_path / "journal.lock")
    over = threading.Event()

    def live() -> None:
        while not over.wait(0.1):
            path.touch()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with pytest.raises(BatchError, match="process 4711 on render07"), folder_lock(path):
            pass
    finally:
        over.set()
        thread.join()


@pytest.mark.usefixtures("quick")
def test_who_waits_can_be_stopped_and_who_loses_the_lock_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.lock"
    lost: list[str] = []
    told = threading.Event()

    def note(reason: str) -> None:
        lost.append(reason)
        told.set()

    with folder_lock(path, on_lost=note):
        waits: list[str] = []
        stop = threading.Event()

        def wait() -> None:
            with pytest.raises(KeyboardInterrupt), folder_lock(path, wait=True, on_wait=lambda who: (waits.append(who), stop.set()),
                                                               stopped=stop.is_set):
                raise AssertionError("it is ours")

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(PATIENCE)
        assert len(waits) == 1 and "process" in waits[0]
        path.unlink()
        assert told.wait(PATIENCE)
    assert lost == ["marker-missing"]


@pytest.mark.slow
def test_a_second_run_is_refused_with_the_first_ones_name_or_waits_and_finds_all_done(tmp_path: Path) -> None:
    drop = make_drop(tmp_path, 4)
    variables = make_slow(drop)
    with running(drop, "out", "--workers", "0", **variables) as first:
        waiting = subprocess.Popen(command(*arguments(drop, "out", "--workers", "0", "--wait")), env=environment(), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        refused = a2f_batch(*arguments(drop, "out", "--workers", "0"))
        assert refused.returncode == 2
        assert f"process {first.pid} on " in refused.stderr and "(user " in refused.stderr and "[folder-busy]" in refused.stderr
        wait_until_said(waiting, f"is in use by process {first.pid} on ")
        assert first.poll() is None
        go_on(drop)
        output, errors = waiting.communicate(timeout=PATIENCE)
        assert first.wait(PATIENCE) == 0
    assert waiting.returncode == 0, output + errors
    assert "every line is up to date" in output
    assert len(tree(drop / "out")) == 8
