"""How far a run is: a bar at a terminal, a line of text now and then elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import click


class Progress(Protocol):
    """Progress that is shown on stderr until it is closed."""

    def step(self, state: str) -> None:
        """Count one line, which ended as `state`."""

    def make_room(self) -> None:
        """Let what is printed next stand on a line of its own."""

    def close(self) -> None:
        """Show no more."""


def progress(to_do: int, every: float, label: str, unit: str = "lines") -> Progress:
    """Return the progress of `to_do` lines: a bar at a terminal, else a line of text every `every` seconds. TERM=dumb has no bar.

    Args:
        label: what is going on; shown by the bar.
        unit: what is counted.
    """
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return _Bar(to_do, label)
    return _Lines(to_do, every, unit)


class Pace:
    """How many lines ended, in which state, and how fast.

    Attributes:
        to_do: lines of this run.
        states: state -> lines that ended so.
    """

    def __init__(self, to_do: int) -> None:
        self.to_do = to_do
        self.states: Counter[str] = Counter()
        self._start = time.monotonic()

    @property
    def finished(self) -> int:
        """Lines that ended, however."""
        return self.states.total()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    @property
    def lines_per_second(self) -> float:
        """Over the whole run up to now."""
        return self.finished / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """As the pace up to now says; None before the first line."""
        return (self.to_do - self.finished) / self.lines_per_second if self.finished else None


class Every:
    """Calls `tell` every `seconds` on a thread of its own, also while nothing happens: a farm takes a silent process for a dead one."""

    def __init__(self, seconds: float, tell: Callable[[], None]) -> None:
        self._seconds, self._tell = seconds, tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, name="a2f-progress", daemon=True)
        self._thread.start()

    def _go(self) -> None:
        while not self._over.wait(self._seconds):
            self._tell()

    def close(self) -> None:
        """Call no more; a call under way is over when this returns."""
        self._over.set()
        self._thread.join()


class _Bar:
    def __init__(self, to_do: int, label: str) -> None:
        self._failed = 0
        self._bar: Any = click.progressbar(length=to_do, label=label, file=sys.stderr, show_pos=True,
                                           item_show_func=lambda item: f"{self._failed} failed" if self._failed else None)
        self._bar.__enter__()
        self._bar.render_progress()

    def step(self, state: str) -> None:
        self._failed += state == "failed"
        self._bar.update(1, current_item=state)

    def make_room(self) -> None:
        click.echo(err=True)

    def close(self) -> None:
        self._bar.__exit__(None, None, None)


class _Lines:
    def __init__(self, to_do: int, every: float, unit: str) -> None:
        self._pace, self._unit = Pace(to_do), unit
        self._every = Every(every, self._tell)

    def step(self, state: str) -> None:
        self._pace.states[state] += 1

    def _tell(self) -> None:
        pace = self._pace
        failed = f", {pace.states['failed']} failed" if pace.states["failed"] else ""
        left = f", about {_clock(pace.seconds_left)} left" if pace.seconds_left is not None else ""
        click.echo(f"{pace.finished} of {pace.to_do} {self._unit}{failed}, {pace.lines_per_second:.1f} {self._unit}/s{left}", err=True)

    def make_room(self) -> None:
        """Every line stands alone here."""

    def close(self) -> None:
        self._every.close()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
