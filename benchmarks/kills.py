"""A run that is killed again and again: its client, its scheduler, its workers, by SIGKILL at random moments, each time gone on with.

Looks at the journal and the folder from outside, with readers of its own, for the whole time: what was committed must stand, and what has
its final name must be whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psutil

VICTIMS = ("worker", "scheduler", "client")
LAST_KILL = 0.5  # of the lines done: their rows come a batch at a time, and the run must not end before its last kill
MOST_DELAY_SECONDS = 1.0  # from the moment that the run is at work to the kill
PATIENCE_SECONDS = 180

_OWN_RECORDS = ("journal", "summary")


@dataclass
class Survival:
    """What a run went through, and what is wrong with what it left.

    Attributes:
        kills: victim -> how often.
        starts: how often the command was run until it ended by itself.
        attempts: how often a line was started -> lines.
        seconds: wall time of all.
        wrong: what must not be, in words; empty if all is well.
    """

    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    attempts: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


def survive(command: Sequence[str], out: Path, undisturbed: Path, scratch: Path, *, kills: int, seed: int,
            variables: Mapping[str, str] | None = None) -> Survival:
    """Run `command` on a scheduler and two workers, kill one of these `kills` times, then let it end; compare with `undisturbed`.

    A worker whose scheduler or client was killed may go on, and write, when all has ended: then it is killed, and what it has left under a
    temporary name since is for the next run to remove, which must find nothing else to do.

    Args:
        command: of a render, without --scheduler.
        out: its output folder.
        undisturbed: the output folder of the same command when nothing befell it.
        scratch: folder for the workers.
        seed: decides who is killed and when.
        variables: of the environment of all processes.
    """
    chance = random.Random(seed)
    begin = time.perf_counter()
    expected = {name: hash_of(path) for name, path in tree(undisturbed).items()}
    seen = Survival()
    watch = _Watch(out, expected, seen.wrong)
    total = _count(undisturbed)
    points = sorted(chance.uniform(0, LAST_KILL * total) for _ in range(kills))
    with _Processes(command, scratch, {**os.environ, **(variables or {})}) as processes:
        for point in points:
            runs = watch.runs + processes.revive()
            while processes.alive and (watch.done < point or watch.runs < runs):  # until it is at work, and far enough
                _pause(0.1, watch)
            # Then some moment more.
            _pause(chance.uniform(0, MOST_DELAY_SECONDS), watch)
            victim = chance.choice(VICTIMS)
            if not processes.alive:
                seen.wrong.append(f"the run had ended before kill {sum(seen.kills.values()) + 1}: give it more lines")
                break
            processes.kill(victim, chance)
            seen.kills[victim] += 1
            watch.look()
            watch.look_at_files()
        code = 1
        while code:  # a run whose scheduler was killed last says so; the same command finishes
            processes.revive()
            code = processes.ended()
            if code and processes.starts > 3 * kills + 3:
                seen.wrong.append(f"the command does not get to its end: exit code {code}")
                break
        seen.starts = processes.starts
    watch.look()
    watch.look_at_files()
    end = (out / "summary.json").stat().st_mtime_ns
    seen.wrong += [f"left behind: {name}" for name, path in tree(out).items() if name not in expected and path.stat().st_mtime_ns < end]
    seen.wrong += _clean_run(command, variables, out)
    watch.look()
    left = {name: hash_of(path) for name, path in tree(out).items()}
    seen.wrong += [f"missing: {name}" for name in sorted(expected.keys() - left.keys())]
    seen.wrong += [f"left behind by two runs: {name}" for name in sorted(left.keys() - expected.keys())]
    seen.wrong += [f"other bytes: {name}" for name in sorted(left.keys() & expected.keys()) if left[name] != expected[name]]
    rows = _rows(out)
    seen.wrong += [f"not done: {line} is {state}" for line, (state, *_) in rows.items() if state != "done"]
    seen.wrong += [f"{len(rows)} lines in the journal, not {total}"] * (len(rows) != total)
    seen.attempts = Counter(attempts for _, attempts, _ in rows.values())
    seen.seconds = time.perf_counter() - begin
    return seen


def _clean_run(command: Sequence[str], variables: Mapping[str, str] | None, out: Path) -> list[str]:
    """Run `command` once more, and return what is wrong if it finds something to do."""
    done = subprocess.run([sys.executable, *command, "--workers", "0"], env={**os.environ, **(variables or {})}, capture_output=True,
                          text=True, check=False)
    totals = json.loads((out / "summary.json").read_text(encoding="utf-8"))["totals"]
    if done.returncode or totals["skipped"] != totals["rows"]:
        return [f"the run after the last one ends with {done.returncode}, {totals['done']} done: {done.stdout[-500:]}"]
    return []


def tree(out: Path) -> dict[str, Path]:
    """Return every file under `out`, by relative path, but the run's own records at its top."""
    return {path.relative_to(out).as_posix(): path for path in out.rglob("*")
            if path.is_file() and not (path.parent == out and path.name.startswith(_OWN_RECORDS))}


def hash_of(path: Path) -> str:
    """Return the sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Watch:
    """What the journal and the folder have told so far."""

    def __init__(self, out: Path, expected: Mapping[str, str], wrong: list[str]) -> None:
        self._out, self._expected, self._wrong = out, expected, wrong
        self._committed: dict[str, tuple[int, dict[str, str]]] = {}
        self._whole: dict[str, tuple[int, int]] = {}
        self.runs = 0

    @property
    def done(self) -> int:
        """Lines committed."""
        return len(self._committed)

    def look(self) -> None:
        """Read the journal: a committed line must be as it was."""
        rows = _rows(self._out)
        for line, (state, attempts, outputs) in rows.items():
            before = self._committed.get(line)
            # Not their times: when a worker that a dead run left behind writes the same bytes again, the next run notes the new time.
            committed = attempts, {fmt: output["sha256"] for fmt, output in json.loads(outputs).items()}
            if before and (state, committed) != ("done", before):
                self._wrong.append(f"rendered again after its row was committed: {line}, {state}, attempt {attempts}")
                del self._committed[line]
            elif state == "done" and not before:
                self._committed[line] = committed
        self.runs = _count(self._out, "runs")

    def look_at_files(self) -> None:
        """Read what has its final name and was not read before: it must be whole; and every file of a committed line must be there."""
        files = tree(self._out)
        self._whole = {name: stamp for name, stamp in self._whole.items() if name in files}
        for name, path in files.items():
            if name not in self._expected:
                continue  # of a temporary name, which the end must not have
            with suppress(FileNotFoundError):
                facts = path.stat()
                if self._whole.get(name) == (facts.st_size, facts.st_mtime_ns):
                    continue
                if hash_of(path) != self._expected[name]:
                    self._wrong.append(f"half written: {name}")
                self._whole[name] = facts.st_size, facts.st_mtime_ns
        self._wrong += [f"committed, and not there: {line}, {fmt}" for line, (_, outputs) in self._committed.items()
                        for fmt, sha256 in outputs.items()
                        if f"{line}.{fmt}" not in self._whole or self._expected[f"{line}.{fmt}"] != sha256]


class _Processes:
    """A scheduler, two workers under their nannies, and the client; whoever is dead is started again by `revive`."""

    def __init__(self, command: Sequence[str], scratch: Path, variables: Mapping[str, str]) -> None:
        self._command, self._scratch = command, scratch
        self._variables = {**variables, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
        self._scheduler: subprocess.Popen[bytes] | None = None
        self._nannies: subprocess.Popen[bytes] | None = None
        self._client: subprocess.Popen[bytes] | None = None
        self._all: list[subprocess.Popen[bytes]] = []
        self.starts = 0

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._all:
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.wait()

    def revive(self) -> bool:
        """Start what is dead; return whether the client was."""
        if not _lives(self._scheduler):
            # The old scheduler's workers end by themselves, some seconds later; meanwhile they go on with what they have.
            self._address.unlink(missing_ok=True)
            self._scheduler = self._start("-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                                          "--scheduler-file", str(self._address))
            self._nannies = None
        if not _lives(self._nannies):
            self._nannies = self._start("-m", "dask", "worker", "--nthreads", "1", "--nworkers", "2", "--no-dashboard",
                                        "--scheduler-file", str(self._address), "--local-directory", str(self._scratch))
        if _lives(self._client):
            return False
        _until(lambda: self._address.exists() and self._address.read_text())
        address = json.loads(self._address.read_text())["address"]
        self._client = self._start(*self._command, "--scheduler", address)
        self.starts += 1
        return True

    def kill(self, victim: str, chance: random.Random) -> None:
        """Kill a process."""
        assert self._scheduler and self._nannies and self._client
        if victim == "worker":
            _until(lambda: _workers(self._nannies))
            chance.choice(_workers(self._nannies)).kill()
        elif victim == "scheduler":
            self._scheduler.kill()
            self._scheduler.wait()
            self._client.wait(PATIENCE_SECONDS)  # it notices, and writes its summary
        else:
            self._client.kill()
            self._client.wait()

    def ended(self) -> int:
        """Wait for the client; return its exit code."""
        assert self._client
        return self._client.wait(PATIENCE_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether the client goes on."""
        return _lives(self._client)

    @property
    def _address(self) -> Path:
        return self._scratch / "scheduler.json"

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        with open(self._scratch / "output.txt", "ab") as output:
            process = subprocess.Popen([sys.executable, *words], env=self._variables, stdout=output, stderr=output)
        self._all.append(process)
        return process


def _workers(nannies: subprocess.Popen[bytes] | None) -> list[psutil.Process]:
    found = []
    if nannies:
        for process in psutil.Process(nannies.pid).children():
            with suppress(psutil.NoSuchProcess):
                if "--multiprocessing-fork" in process.cmdline():
                    found.append(process)
    return found


def _lives(process: subprocess.Popen[bytes] | None) -> bool:
    return process is not None and process.poll() is None


def _pause(seconds: float, watch: _Watch) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.1))
        watch.look()


def _until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Nothing happened for {PATIENCE_SECONDS} s.")
        time.sleep(0.05)


def _rows(out: Path) -> dict[str, tuple[str, int, str]]:
    """Return line -> state, attempts, outputs, as the journal has them now."""
    journal = out / "journal.sqlite"
    if not journal.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            return {line: (state, attempts, outputs) for line, state, attempts, outputs
                    in db.execute("SELECT line, state, attempts, outputs FROM lines")}
    except sqlite3.OperationalError:  # not made yet, or just being turned into one file
        return {}


def _count(out: Path, table: str = "lines") -> int:
    journal = out / "journal.sqlite"
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True, timeout=10)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    return 0
