"""Lines in a process apart: for those whose worker died, so that the one at fault is found and takes nothing else with it."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.manifest import Problem
from a2f_batch.batch.render import Job, LineResult

_LENGTH = struct.Struct("<Q")


def render_apart(jobs: Sequence[Job], choice: EngineChoice) -> list[LineResult]:
    """Render the lines one after another in a process of their own, and in a new one each time that it dies.

    The line that it died on is tried once more, as the first in a new process; if that dies too, it failed (code 'worker-lost'). But if
    that was killed from outside, by somebody or for want of memory, others may have been the cause, and it has one more try.
    """
    results: list[LineResult] = []
    spared: Job | None = None
    while len(results) < len(jobs):
        with _Process(choice) as process:
            is_new = True
            while len(results) < len(jobs):
                job = jobs[len(results)]
                result = process.render(job)
                if result is None:
                    break
                results.append(result)
                is_new = False
        if result is None and is_new:
            if process.was_killed and spared is not job:
                spared = job
                continue
            results.append(_lost(job, process))
    return results


class _Process:
    """A process that renders lines. Only values that this program made itself are pickled to it and back."""

    def __init__(self, choice: EngineChoice) -> None:
        self._choice = choice
        # -c rather than -m: the module would be there twice, under two names.
        command = [sys.executable, "-c", f"from {__name__} import _serve; _serve()"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *error: object) -> None:
        # Its standard input stays open as long as we live, and its end ends it.
        self._process.__exit__(None, None, None)

    def render(self, job: Job) -> LineResult | None:
        """Return how the line ended; None if the process died."""
        assert self._process.stdin and self._process.stdout
        try:
            _send(self._process.stdin, (job, self._choice))
            result: LineResult = _receive(self._process.stdout)
        except (OSError, EOFError):
            return None
        return result

    @property
    def was_killed(self) -> bool:
        """Whether the process, once it has ended, was ended by SIGKILL, which no crash of its own raises; Windows does not tell."""
        return os.name == "posix" and self._process.returncode == -signal.SIGKILL

    @property
    def death(self) -> str:
        """How the process ended, once it has."""
        try:
            return f"died of {signal.Signals(-self._process.returncode).name}"
        except ValueError:
            return f"ended with exit code {self._process.returncode}"


def _lost(job: Job, process: _Process) -> LineResult:
    tried = "twice with this line alone in a new one" if process.was_killed else "also with this line alone in a new one"
    remedy = ("Killed from outside: most often the system does that for want of memory. Make room or give fewer --workers, then"
              " --retry-failed.") if process.was_killed else \
        "Check the sound file, and that the machine has memory enough; --workers 0 shows where it dies."
    problem = Problem("worker-lost", f"{job.where}: the process that rendered the line {process.death}, {tried}.", remedy)
    return LineResult(job.line.number, "failed", (problem,))


def _serve() -> None:
    """Render the lines that come by standard input and give the results to standard output, until either ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    asked: queue.SimpleQueue[tuple[Job, EngineChoice]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, asked), daemon=True).start()
    from a2f_batch.batch.steps import render_batch

    while True:
        job, choice = asked.get()
        (result,) = render_batch([job], choice)
        _send(answers, result)


def _listen(source: IO[bytes], asked: queue.SimpleQueue[tuple[Job, EngineChoice]]) -> None:
    try:
        while True:
            asked.put(_receive(source))
    except EOFError:
        os._exit(0)  # at once, for nobody wants what is being rendered


def _send(file: IO[bytes], value: object) -> None:
    content = pickle.dumps(value)
    file.write(_LENGTH.pack(len(content)) + content)
    file.flush()


def _receive(file: IO[bytes]) -> Any:
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    return pickle.loads(file.read(_LENGTH.unpack(head)[0]))
