"""A script a line, loaded when the line is opened: curves, waveform, flags. Made by all cores, and only for lines that changed."""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from a2f_batch.batch.manifest import Problem
from a2f_batch.errors import A2FError
from a2f_batch.report.curves import CurveFile
from a2f_batch.report.scripts import call, make_folder, packed, unflushed
from a2f_batch.report.sounds import Sound, Sounds
from a2f_batch.report.waveform import outline

SCHEMA = 1  # counts up when the same line gives another script

_AT_ONCE = 64  # lines that a process is given
_WORTH_PROCESSES = 200  # lines: fewer are made before a process has started


@dataclass(frozen=True)
class LineScript:
    """What a line's script is made from.

    Attributes:
        name: 'locale/character/id'.
        path: where the script is.
        curves: the exported file; None if there is none.
        head: the name of its head's script.
        sound: the line's sound; None if it can't be found.
        told: JSON values that go in as they are.
        sounds: copies the sound beside the page; None = no copies.
        sha256: of the sound.
    """

    name: str
    path: Path
    curves: CurveFile | None
    head: str
    sound: Sound | None
    told: Mapping[str, Any]
    sounds: Sounds | None = None
    sha256: str = ""

    @cached_property
    def stamp(self) -> str:
        """The script's first line: another one if anything that it is made from is."""
        made_from = [SCHEMA, self.curves and (self.curves.format, self.curves.stamp), self.head,
                     self.sound and (self.sound.url, self.sound.changed), self.sha256, self.told]
        return f"// {hashlib.blake2b(json.dumps(made_from).encode(), digest_size=12).hexdigest()}\n"

    def is_current(self) -> bool:
        """Return whether the script is there, as it would be made."""
        with suppress(OSError):
            stamp = self.stamp.encode()
            with open(self.path, "rb") as file:
                return file.read(len(stamp)) == stamp
        return False

    def content(self) -> bytes:
        """Return the script. What can't be read is told in it, and shown with the line."""
        told: dict[str, Any] = {**self.told, "head": self.head, "sound": None}
        if self.curves:
            try:
                told["animation"] = {"format": self.curves.format, **self.curves.read().as_json()}
            except A2FError as error:
                told["unreadable"] = problem_json(Problem(error.code, error.problem, error.remedy))
        if self.sound:
            told["sound"] = {"url": self.sound.url, "changed": self.sound.changed}
            try:
                told["wave"] = packed(outline(self.sound.path).tobytes())
            except A2FError as error:
                told["unheard"] = problem_json(Problem(error.code, error.problem, error.remedy))
        return self.stamp.encode() + call("line", self.name, told)


def write_line_scripts(scripts: Sequence[LineScript]) -> int:
    """Write the scripts that are not there yet; return how many.

    Raises:
        ExportError: one can't be written; see `a2f_batch.export.atomic.write_error`.
    """
    for folder in dict.fromkeys(script.path.parent for script in scripts):
        make_folder(folder)
    due = [script for script in scripts if not script.is_current()]
    parts = list(_chunks(due))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(due) < _WORTH_PROCESSES or cores < 2:
        for part in parts:
            _write(part)
        return len(due)
    # Not forked: the run that ends here may have had threads.
    with ProcessPoolExecutor(min(cores, len(parts)), mp_context=get_context("spawn"), initializer=gc.freeze) as processes:
        for _ in processes.map(_write, parts):
            pass
    return len(due)


def problem_json(problem: Problem) -> dict[str, str]:
    """Return a problem for the page."""
    return {"code": problem.code, "message": problem.message, "remedy": problem.remedy}


def _write(scripts: Sequence[LineScript]) -> None:
    from a2f_batch.export.atomic import replacing

    with unflushed():
        for script in scripts:
            with replacing(script.path) as file:
                file.write(script.content())
    for script in scripts:
        if script.sounds and script.sound:
            with suppress(A2FError):  # the page says that the sound can't be played
                script.sounds.copy(script.sha256, script.sound)


def _chunks(scripts: Sequence[LineScript]) -> Iterator[Sequence[LineScript]]:
    for start in range(0, len(scripts), _AT_ONCE):
        yield scripts[start:start + _AT_ONCE]
