"""Where an output folder stands, from its journals; a run may be going on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a2f_batch.batch.journal import Journal
from a2f_batch.batch.lock import is_held
from a2f_batch.batch.places import Places
from a2f_batch.errors import BatchError

STATES = ("done", "kept", "pending", "started", "failed", "quarantined")


@dataclass
class Status:
    """Where a folder stands.

    Attributes:
        lines: locale -> state -> lines.
        audio_seconds: of the lines that are done.
        problems: reason code -> (lines, one of them).
        runs: the last run of each journal; 'running' tells whether it goes on, 'lines_per_second' how fast.
    """

    lines: dict[str, Counter[str]] = field(default_factory=dict)
    audio_seconds: float = 0.0
    problems: dict[str, tuple[int, str]] = field(default_factory=dict)
    runs: list[Mapping[str, Any]] = field(default_factory=list)

    def total(self) -> Counter[str]:
        """Return state -> lines."""
        return sum(self.lines.values(), Counter())

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "schema": 1,
            "lines": {state: self.total()[state] for state in STATES},
            "locales": {locale: {state: states[state] for state in STATES if states[state]} for locale, states in self.lines.items()},
            "audio_seconds": round(self.audio_seconds, 3),
            "problems": {code: {"lines": lines, "such_as": name} for code, (lines, name) in self.problems.items()},
            "runs": [dict(run) for run in self.runs],
        }


def read_status(out: Path) -> Status:
    """Return where the output folder stands. Of shards with journals of their own, those count; a line is in one of them.

    Raises:
        BatchError: there is no journal (code 'journal-missing'), or it can't be read; see `journal_file.connect`.
    """
    places = Places(out.absolute())
    status = Status()
    shards = places.shards()
    seen: set[str] = set()
    for one in (*shards, places):
        journal = Journal.read(one.journal)
        if journal is None:
            continue
        with journal:
            _count(status, journal, seen, every=not shards)
            run = journal.last_run()
            if run:
                status.runs.append(_with_pace(run, journal, one))
    if not status.runs and not status.lines:
        raise BatchError(f"'{out}' holds no journal.", "Name the output folder of a run.", code="journal-missing")
    status.lines = dict(sorted(status.lines.items()))
    return status


def _count(status: Status, journal: Journal, seen: set[str], *, every: bool) -> None:
    """Count the journal's lines; unless `every`, those that an earlier journal has are left out."""
    for name, locale, state, duration, code in journal.summary_rows():
        if not every:
            if name in seen:
                continue
            seen.add(name)
        status.lines.setdefault(locale, Counter())[state] += 1
        if state in ("done", "kept"):
            status.audio_seconds += duration
        if state in ("failed", "quarantined"):
            lines, first = status.problems.get(code, (0, name))
            status.problems[code] = lines + 1, first


def _with_pace(run: Mapping[str, Any], journal: Journal, places: Places) -> dict[str, Any]:
    running = run["ended"] is None and is_held(places.lock)
    ended = journal.ended_in(run["id"])
    seconds = (time.time() if running else run["ended"] or run["started"]) - run["started"]
    return {**run, "running": running, "finished": ended, "lines_per_second": round(ended / seconds, 3) if seconds > 0 else None,
            "journal": places.journal.name}
