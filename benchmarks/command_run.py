"""One run of the command line, measured from outside: wall time, the phases that its log tells of, and the memory of all its processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import IO, Any

import click
import psutil

EVERY_SECONDS = 0.5  # between looks at the memory

# Phase -> what in the log ends it: the plan stands; the first line is done; the last one is; and the process has ended.
PHASES = {"start and plan": "start", "workers' start, first lines": "first", "rendering": "last", "end": ""}


@dataclass
class CommandRun:
    """What a run took.

    Attributes:
        seconds: wall time from the start of the process to its end.
        phases: wall seconds of each of `PHASES` that there was.
        peak_bytes: the most that client, scheduler and workers had together; a page that several share counts once.
        all_cpu_seconds: of all processes, to the last look at them.
        totals: of the run's summary.
    """

    seconds: float = 0.0
    phases: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: int = 0
    all_cpu_seconds: float = 0.0
    totals: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of the single steps, summed over all lines."""
        return float(sum(self.totals["step_cpu_seconds"].values()))


def render(*arguments: str) -> CommandRun:
    """Run `a2f-batch render` with `arguments` as a user would.

    Raises:
        click.ClickException: some line failed.
    """
    begin = time.time()
    command = [sys.executable, "-m", "a2f_batch", "render", *arguments, "--log-format", "json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    times: dict[str, float] = {}
    summary: dict[str, Any] = {}
    faults: list[str] = []
    reader = threading.Thread(target=_listen, args=(process.stderr, times, summary, faults))
    reader.start()
    peak = 0
    cpu_seconds: dict[int, float] = {}
    while process.poll() is None:
        peak = max(peak, look(process.pid, cpu_seconds))
        try:
            process.wait(EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    end = time.time()
    reader.join()
    if process.returncode:
        raise click.ClickException(f"`{' '.join(command)}` ended with {process.returncode}:\n" + "\n".join(faults[:5]))
    marks = [begin, *(times[mark] for mark in PHASES.values() if mark in times), end]
    names = [name for name, mark in PHASES.items() if mark in times or not mark]
    phases = {name: after - before for name, (before, after) in zip(names, pairwise(marks), strict=True)}
    return CommandRun(end - begin, phases, peak, sum(cpu_seconds.values()), summary.get("totals", {}))


def look(pid: int, cpu_seconds: dict[int, float]) -> int:
    """Return the bytes that a process and its descendants have together, as far as they still live.

    Args:
        cpu_seconds: takes what each of them has used up to now.
    """
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            figures, times = process.memory_full_info(), process.cpu_times()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        total += getattr(figures, "pss", figures.rss)  # workers are forks of one process: what they share would count several times
        cpu_seconds[process.pid] = times.user + times.system
    return total


def _listen(log: IO[str], times: dict[str, float], summary: dict[str, Any], faults: list[str]) -> None:
    for text in log:
        try:
            event = json.loads(text)
        except json.JSONDecodeError:
            faults.append(text)
            continue
        at = datetime.fromisoformat(event["time"]).timestamp()
        if event["event"] == "start":
            times["start"] = at
        elif event["event"] == "line" and event["state"] == "done":
            times.setdefault("first", at)
            times["last"] = at
        elif event["event"] == "summary":
            summary.update(event)
        elif event["event"] == "error" or (event["event"] == "line" and event["state"] == "failed"):
            faults.append(text)
