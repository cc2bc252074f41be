"""A run's account of itself as text: a bar at a terminal, else a line now and then, and messages in between."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from a2f_batch.cli.progress import Progress, progress
from a2f_batch.errors import A2FError

if TYPE_CHECKING:
    from a2f_batch.batch.identity import Identity
    from a2f_batch.batch.manifest import Problem
    from a2f_batch.batch.render import Rendered


# What would break a line of the log, or turn it round.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LABELS = {"render": "Rendering", "check": "Checking"}


class TextLog:
    """See `a2f_batch.cli.log.Log`. Messages and progress go to stderr, what a command was asked for to stdout.

    Args:
        every: seconds between lines of progress where there is no terminal.
    """

    def __init__(self, every: float) -> None:
        self.run = uuid.uuid4().hex
        self._every = every
        self._progress: Progress | None = None

    def __enter__(self) -> TextLog:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def start(self, command: str, *, rows: int, to_do: int, plan: Mapping[str, int] | None = None, **facts: Any) -> None:
        """Show progress from now on."""
        self._stop()
        self._progress = progress(to_do, self._every, _LABELS.get(command, command))

    def line(self, number: int, identity: Identity | None, state: str, *, problems: Sequence[Problem] = (),
             rendered: Rendered | None = None, warnings: Sequence[str] = ()) -> None:
        """Move the progress on; failures are listed at the end."""
        if self._progress and state not in ("skipped", "kept"):
            self._progress.step(state)

    def tell(self, event: str, text: str, **facts: Any) -> None:
        """Print the text, with what a terminal would take for a command escaped."""
        self.say(f"{time.strftime('%H:%M:%S')} {_CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)}", err=True)

    def warning(self, message: str, code: str) -> None:
        """Print the message."""
        self.say(f"{click.style('warning', fg='yellow')}: {message} [{code}]", err=True)

    def error(self, error: A2FError) -> None:
        """Print kind, what went wrong, reason code, what to do."""
        self.say(f"{click.style(type(error).__name__, fg='red')}: {error.problem} [{error.code}]\n{error.remedy}", err=True)

    def fault(self, error: Exception) -> bool:
        """Leave it to Python."""
        return False

    def interrupted(self) -> None:
        """Print that it was."""
        self.say("Interrupted.", err=True)

    def say(self, text: str = "", *, err: bool = False) -> None:
        """Print `text`, below the bar if there is one."""
        if self._progress:
            self._progress.make_room()
        click.echo(text, err=err)

    def summary(self, totals: Mapping[str, Any], exit_code: int) -> None:
        """End the progress; the command says the rest."""
        self._stop()

    def _stop(self) -> None:
        if self._progress:
            self._progress.close()
        self._progress = None
