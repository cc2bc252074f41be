"""A run's account of itself as JSON Lines on stderr, one event a line; the schema is log.schema.json."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import traceback
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from a2f_batch.cli.progress import Every, Pace
from a2f_batch.cli.stderr_lines import stderr_lines
from a2f_batch.errors import A2FError

if TYPE_CHECKING:
    from a2f_batch.batch.identity import Identity
    from a2f_batch.batch.manifest import Problem
    from a2f_batch.batch.render import Rendered

SCHEMA = 1


class JsonLog:
    """See `a2f_batch.cli.log.Log`. While it is open, all that anybody writes to stderr (libraries, workers) becomes an event.

    Args:
        every: seconds between events of progress.
    """

    def __init__(self, every: float) -> None:
        self.run = uuid.uuid4().hex
        self._every = every
        self._pace = Pace(0)
        self._open = ExitStack()
        self._progress: Every | None = None
        self._stderr: int | None = None  # where events go; None = sys.stderr
        # Again by the same thread, too: a signal's handler may come in the middle of an event.
        self._lock = threading.RLock()

    def __enter__(self) -> JsonLog:
        self._stderr = self._open.enter_context(stderr_lines(lambda line: self.warning(line, "stderr")))
        handler = _Handler(self)
        logging.getLogger().addHandler(handler)
        self._open.callback(logging.getLogger().removeHandler, handler)
        logging.captureWarnings(True)
        self._open.callback(logging.captureWarnings, False)
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()
        self._open.close()
        self._stderr = None

    def start(self, command: str, *, rows: int, to_do: int, plan: Mapping[str, int] | None = None, **facts: Any) -> None:
        """Write the event 'start', and 'progress' now and then from here on."""
        from a2f_batch import __version__

        self._stop()
        self._write("start", command=command, version=__version__, rows=rows, to_do=to_do, plan=dict(plan or {}), **facts)
        self._pace = Pace(to_do)
        self._progress = Every(self._every, self._tell)

    def _tell(self) -> None:
        pace = self._pace
        left = pace.seconds_left
        self._write("progress", to_do=pace.to_do, finished=pace.finished, failed=pace.states["failed"], seconds=round(pace.seconds, 3),
                    lines_per_second=round(pace.lines_per_second, 3), seconds_left=None if left is None else round(left, 1))

    def line(self, number: int, identity: Identity | None, state: str, *, problems: Sequence[Problem] = (),
             rendered: Rendered | None = None, warnings: Sequence[str] = ()) -> None:
        """Write the event 'line'."""
        event: dict[str, Any] = {"number": number, "locale": None, "character": None, "id": None, "state": state}
        if identity:
            event |= {"locale": identity.locale, "character": identity.character, "id": identity.id}
        if problems:
            event["problems"] = [{"code": one.code, "message": one.message, "remedy": one.remedy} for one in problems]
        if rendered:
            event |= {"seconds": round(sum(rendered.seconds.values()), 4), "audio_seconds": round(rendered.duration, 4),
                      "frames": rendered.frames}
            warnings = (*rendered.warnings, *warnings)
        if state in ("done", "ready"):
            event["warnings"] = list(warnings)
        if state not in ("skipped", "kept"):
            self._pace.states[state] += 1
        self._write("line", **event)

    def tell(self, event: str, text: str, **facts: Any) -> None:
        """Write the event."""
        self._write(event, **facts)

    def warning(self, message: str, code: str) -> None:
        """Write the event 'warning'."""
        self._write("warning", code=code, message=message)

    def error(self, error: A2FError) -> None:
        """Write the event 'error'."""
        self._write("error", code=error.code, message=error.problem, remedy=error.remedy)

    def fault(self, error: Exception) -> bool:
        """Write the event 'error' for a wrong call (code 'usage') or a fault of ours (code 'internal', with the traceback)."""
        if isinstance(error, click.ClickException):
            self._write("error", code="usage", message=error.format_message(), remedy="See --help.")
        else:
            self._write("error", code="internal", message=f"{type(error).__name__}: {error}", remedy="Please report this with its detail.",
                        detail="".join(traceback.format_exception(error)))
        return True

    def interrupted(self) -> None:
        """Write the event 'error' with the code 'interrupted'."""
        self._write("error", code="interrupted", message="Interrupted.", remedy="Run the same command again; what is done is kept.")

    def say(self, text: str = "", *, err: bool = False) -> None:
        """Print nothing: it is for people."""

    def summary(self, totals: Mapping[str, Any], exit_code: int) -> None:
        """Write the event 'summary'."""
        self._stop()
        self._write("summary", totals=dict(totals), exit_code=exit_code)

    def _stop(self) -> None:
        if self._progress:
            self._progress.close()
        self._progress = None

    def _write(self, event: str, **content: Any) -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # ASCII, so that any terminal's encoding and half a surrogate pair in a name do no harm.
        text = json.dumps({"schema": SCHEMA, "event": event, "time": time, "run": self.run, **content}, allow_nan=False) + "\n"
        # Nobody reads the log any more, or its disk is full: no reason to stop the work, and no place to tell.
        with self._lock, suppress(OSError):
            if self._stderr is None:
                sys.stderr.write(text)
                sys.stderr.flush()
                return
            left = text.encode("ascii")
            while left:
                left = left[os.write(self._stderr, left):]


class _Handler(logging.Handler):
    """Python's own log records, of warnings and worse, as events."""

    def __init__(self, log: JsonLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the event 'warning' with the logger's name as code."""
        self._log.warning(record.getMessage(), record.name)
