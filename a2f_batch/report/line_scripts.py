"""A script a line, loaded when the line is opened: curves, waveform, flags. Made by all cores, and only for lines that changed."""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from a2f_batch.batch.manifest import Problem
from a2f_batch.errors import A2FError
from a2f_batch.report.curves import CurveFile
from a2f_batch.report.scripts import call_with, make_folder, packed, spelled, unflushed
from a2f_batch.report.sounds import Sound, Sounds
from a2f_batch.report.waveform import outline

SCHEMA = 3  # counts up when the same line gives another script

_AT_ONCE = 64  # lines that a process is given
_MOST_PROCESSES = 61  # that Windows can wait for
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
        told: a JSON object, `spelled`, whose values go in as they are.
        wave: the sound's outline, `packed`; "" = to be read from the sound.
        sounds: copies the sound beside the page; None = no copies.
        sha256: of the sound.
    """

    name: str
    path: str
    curves: CurveFile | None
    head: str
    sound: Sound | None
    told: str
    wave: str = ""
    sounds: Sounds | None = None
    sha256: str = ""

    @cached_property
    def stamp(self) -> str:
        """The script's first line: another one if anything that it is made from is."""
        made_from = [SCHEMA, self.curves and (self.curves.format, self.curves.stamp), self.head,
                     self.sound and (self.sound.url, self.sound.changed), self.sha256]
        return f"// {hashlib.blake2b((json.dumps(made_from) + self.wave + self.told).encode(), digest_size=12).hexdigest()}\n"

    def is_current(self) -> bool:
        """Return whether the script is there, as it would be made."""
        with suppress(OSError):
            stamp = self.stamp.encode()
            with open(self.path, "rb", buffering=0) as file:
                return file.read(len(stamp)) == stamp
        return False

    def content(self) -> bytes:
        """Return the script. What can't be read is told in it, and shown with the line."""
        told: dict[str, Any] = {"head": self.head, "sound": None}
        if self.curves:
            try:
                told["animation"] = {"format": self.curves.format, **self.curves.read().as_json()}
            except A2FError as error:
                told["unreadable"] = problem_json(Problem(error.code, error.problem, error.remedy))
        if self.sound:
            told["sound"] = {"url": self.sound.url, "changed": self.sound.changed}
            try:
                told["wave"] = self.wave or packed(outline(Path(self.sound.path)))
            except A2FError as error:
                told["unheard"] = problem_json(Problem(error.code, error.problem, error.remedy))
        return self.stamp.encode() + call_with("line", spelled(self.name), f"{self.told[:-1]},{spelled(told)[1:]}")


@contextmanager
def writing_line_scripts(scripts: Iterable[LineScript]) -> Iterator[int]:
    """Write the scripts that are not there yet; yield how many. Other processes write them during the block, if they are many.

    Raises:
        ExportError: one can't be written; see `a2f_batch.export.atomic.write_error`.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    due, folders = 0, set[str]()
    waiting: list[Sequence[LineScript]] = []
    running: list[Future[None]] = []
    with ExitStack() as stack:
        processes: ProcessPoolExecutor | None = None
        for part in _chunks(script for script in scripts if not script.is_current()):
            for folder in dict.fromkeys(os.path.dirname(script.path) for script in part):
                if folder not in folders:
                    make_folder(Path(folder))
                    folders.add(folder)
            due += len(part)
            waiting.append(part)
            if processes is None and due >= _WORTH_PROCESSES and cores > 1:
                # Not forked: the run that ends here may have had threads.
                processes = ProcessPoolExecutor(min(cores, _MOST_PROCESSES), mp_context=get_context("spawn"), initializer=gc.freeze)
                stack.callback(processes.shutdown, cancel_futures=True)
            if processes:
                running += [processes.submit(_write, one) for one in waiting]
                waiting.clear()
        yield due
        for part in waiting:
            _write(part)
        for one in running:
            one.result()


def problem_json(problem: Problem) -> dict[str, str]:
    """Return a problem for the page."""
    return {"code": problem.code, "message": problem.message, "remedy": problem.remedy}


def _write(scripts: Sequence[LineScript]) -> None:
    from a2f_batch.export.atomic import replacing

    with unflushed():
        for script in scripts:
            with replacing(Path(script.path)) as file:
                file.write(script.content())
    for script in scripts:
        if script.sounds and script.sound:
            with suppress(A2FError):  # the page says that the sound can't be played
                script.sounds.copy(script.sha256, script.sound)


def _chunks(scripts: Iterable[LineScript]) -> Iterator[Sequence[LineScript]]:
    scripts = iter(scripts)
    while part := list(islice(scripts, _AT_ONCE)):
        yield part
