"""The processes that render: a bounded number, each with the engine loaded; a sound that kills one takes no other request with it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.errors import BatchError

_P = ParamSpec("_P")
_T = TypeVar("_T")
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has but the other, which is as sure there


class BusyError(BatchError):
    """As many requests as may wait are waiting."""


class Workers:
    """Processes that render, and the queue before them.

    Args:
        choice: their engine.
        count: how many.
        waiting: requests that may wait beside those that are rendered.
        render_seconds: a process that works on one thing for longer is ended.

    Attributes:
        names: channels of the engine's raw curves.
        places: requests that may be in the house at once.
        inside: requests that are.

    Raises:
        A2FError: the engine can't be loaded.
    """

    def __init__(self, choice: EngineChoice, *, count: int, waiting: int, render_seconds: float) -> None:
        self._choice, self._render_seconds = choice, render_seconds
        self.places, self.inside = count + waiting, 0
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._all: set[_Worker] = set()
        try:
            started = [self._started() for _ in range(count)]
            for worker in started:
                self.names: tuple[str, ...] = worker.ready.result()[1]
                self._idle.put_nowait(worker)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place for a request.

        Raises:
            BusyError: there is none (code 'busy').
        """
        if self.inside >= self.places:
            raise BusyError(f"{self.inside} requests are rendered or wait already.", "Send this one again in a few seconds.", code="busy")
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return what `function` gives in the next free process.

        Raises:
            BatchError: the process died (code 'worker-lost'), or was ended because it took too long ('render-timeout').
        """
        worker = await self._idle.get()
        if worker.is_broken:  # killed by somebody while it had nothing to do
            worker = self._replaced(worker)
        try:
            future = worker.pool.submit(function, *args, **kwargs)
            done, _ = await asyncio.wait([asyncio.wrap_future(future)], timeout=self._render_seconds)
            if not done:
                raise BatchError(f"The rendering took more than {self._render_seconds:g} s and was stopped.",
                                 "Send a shorter sound, or start the service with a higher --render-seconds.", code="render-timeout")
            return future.result()
        except BrokenProcessPool:
            raise BatchError("The process that rendered this sound died.", "Check the sound file; the service goes on with a new process.",
                             code="worker-lost") from None
        finally:
            # What is still at work here is of nobody's use: it took too long, or its client went away.
            if worker.is_broken or not future.done():
                worker = self._replaced(worker)
            self._idle.put_nowait(worker)

    def close(self) -> None:
        """End all processes."""
        for worker in self._all:
            worker.end()

    def _replaced(self, worker: _Worker) -> _Worker:
        worker.end()
        self._all.discard(worker)
        return self._started()

    def _started(self) -> _Worker:
        worker = _Worker(self._choice)
        self._all.add(worker)
        return worker


class _Worker:
    """One process, which begins to load the engine at once.

    Attributes:
        ready: its process id and the engine's channels, when the engine is loaded.
    """

    def __init__(self, choice: EngineChoice) -> None:
        # Spawned, not forked: the parent has threads, and on a GPU a forked process has no use of it.
        self.pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
        self.ready: Future[tuple[int, tuple[str, ...]]] = self.pool.submit(_load, choice)

    @property
    def is_broken(self) -> bool:
        """Whether the process has died."""
        try:
            self.pool.submit(os.getpid).cancel()
        except BrokenProcessPool:
            return True
        return False

    def end(self) -> None:
        """End the process in the middle of what it does."""
        # Of a dead process the number may be another's by now.
        if self.ready.done() and not self.ready.exception() and not self.is_broken:
            with suppress(ProcessLookupError):
                os.kill(self.ready.result()[0], _KILL)
        self.pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    # Ctrl+C goes to every process of a terminal; the service itself decides when its workers end ...
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    # ... and if it is killed, they end with it.
    threading.Thread(target=follow, name="a2f-follow", daemon=True).start()


def _load(choice: EngineChoice) -> tuple[int, tuple[str, ...]]:
    return os.getpid(), choice.loaded().names
