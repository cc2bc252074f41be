"""What the endpoints share: the settings, the workers, the profiles and the folder for uploads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from a2f_batch.project import load_project
from a2f_batch.serve.access import Tell
from a2f_batch.serve.lines import Lines
from a2f_batch.serve.settings import Settings
from a2f_batch.serve.workers import Workers


@dataclass(frozen=True)
class Service:
    """A service that is ready to serve; use it as a context, which ends its processes and removes its folder.

    Attributes:
        folder: private; each upload has a folder of its own in it.
        tell: writes an event to the log.
        warn: writes a warning to the log: message, reason code.
    """

    settings: Settings
    workers: Workers
    lines: Lines
    tell: Tell
    warn: Callable[[str, str], None]
    _temporary: tempfile.TemporaryDirectory[str]

    @classmethod
    def start(cls, settings: Settings, tell: Tell, warn: Callable[[str, str], None]) -> Service:
        """Load everything.

        Raises:
            A2FError: the engine or the project can't be used.
        """
        workers = Workers(settings.engine, count=settings.workers, waiting=settings.waiting, render_seconds=settings.render_seconds)
        try:
            lines = Lines(load_project(settings.project, channels=workers.names), workers.names)
            lines.names("default")
            return cls(settings, workers, lines, tell, warn, tempfile.TemporaryDirectory(prefix="a2f-serve-", ignore_cleanup_errors=True))
        except BaseException:
            workers.close()
            raise

    @property
    def folder(self) -> Path:
        """The folder for uploads: the user's own, mode 0700."""
        return Path(self._temporary.name)

    @property
    def engine_facts(self) -> dict[str, Any]:
        """What is told of the engine."""
        facts = self.settings.engine.facts()
        return {name: facts[name] for name in ("engine", "weights", "weights_sha256", "device", "precision")}

    def __enter__(self) -> Service:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.workers.close()
        self._temporary.cleanup()
