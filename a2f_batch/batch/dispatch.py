"""Lines on a Dask client: batches in three tasks each, a short window of them in flight, and every line accounted for."""

from __future__ import annotations

import gc
import logging
import pickle
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, Worker, WorkerPlugin, secede

from a2f_batch import __version__
from a2f_batch.batch import steps
from a2f_batch.batch.apart import render_apart
from a2f_batch.batch.batches import Batches
from a2f_batch.batch.cluster import GPU
from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.manifest import Problem
from a2f_batch.batch.render import Job, LineResult
from a2f_batch.errors import A2FError, BatchError

FETCH_SECONDS = 10  # results are a kilobyte a line
PATIENCE_SECONDS = 60  # how long a run waits without any worker that could go on; a nanny needs about 3 s to start a new one
RESOURCE_SECONDS = 30  # how long it waits at its start for a worker with a GPU
MOST_LOSSES = 10  # of one batch: lines in a process apart kill no worker, so this is others' doing
BATCHES_PER_THREAD = 3  # one at work, one waiting, one on its way to the disk: no worker idles, and the scheduler stays small


def render_jobs(client: Client, jobs: Iterable[Job], choice: EngineChoice, stop: threading.Event, *,
                on_start: Callable[[Sequence[Job]], None] = lambda jobs: None) -> Iterator[list[LineResult]]:
    """Render `jobs` on the client's workers and yield results as they come, a batch's together: their files are in place and on the disk.

    When `stop` is set nothing further is started; what is in flight is finished. Lines whose worker dies are rendered again in a process
    apart; the one that kills that too, and then a new one alone (see `apart`), failed (code 'worker-lost').

    Args:
        jobs: taken some hundred ahead of the workers, to find lines of like length.
        choice: of the lines that have no engine of their own; pinned.
        on_start: called with lines right before they go to a worker; again for those whose worker died.

    Raises:
        EngineError: the workers can't load the engine.
        BatchError: no worker has the GPU that `choice` is for ('no-resource'); the workers can't be used ('worker-setup'); the disk is full
            ('disk-full'), after the results of what was in flight; the scheduler ('scheduler-lost') or all workers ('workers-gone') went.
    """
    plugin = _EnginePlugin(choice)
    cluster = _Cluster(client, choice)
    cluster.wait_for_resource()
    try:
        client.register_plugin(plugin)
    except A2FError:
        raise
    except Exception as error:  # whatever a worker of another make may raise
        raise BatchError(f"The workers can't be set up: {type(error).__name__}: {error}.",
                         f"Install a2f-batch {__version__} in the workers' Python.", code="worker-setup") from error
    try:
        yield from _results(cluster, Batches(jobs), stop, on_start)
    finally:
        if cluster.has_workers():
            client.unregister_worker_plugin(plugin.name)


class _EnginePlugin(WorkerPlugin):
    """Loads the engine when a worker starts or joins, so that a bad one stops the run once and no line waits for it."""

    def __init__(self, choice: EngineChoice) -> None:
        self.name = f"a2f-engine-{uuid.uuid4().hex}"
        self.choice = choice
        self.version = __version__

    def setup(self, worker: Worker) -> None:
        if self.version != __version__:
            raise BatchError(f"Worker {worker.address} has a2f-batch {__version__}, this run {self.version}.",
                             "Install the same version everywhere: others may give other bytes.", code="worker-setup")
        logging.getLogger("a2f_batch").addHandler(logging.NullHandler())  # the results carry the warnings
        if not self.choice.on_gpu or GPU in worker.state.total_resources:
            self.choice.loaded()
        if dask.config.get("distributed.worker.multiprocessing-method") == "forkserver":
            gc.freeze()  # a full collection would write to, and so copy, all memory that is shared with the fork server

    def teardown(self, worker: Worker) -> None:
        self.choice.unload()


class _Cluster:
    """The client's workers, as tasks for them need to be told apart.

    Where the engine runs on a GPU, inference goes to workers that declare one, one batch for each of them at a time, and the rest of the
    work to the others. Without, all three tasks of a batch stay on the worker that decoded it, for there its sounds and clips are.
    """

    def __init__(self, client: Client, choice: EngineChoice) -> None:
        self._client = client
        self._choice = choice
        self._resources = {GPU: 1} if choice.on_gpu else None
        self._asked = 0.0
        self._workers: dict[str, Any] = {}

    def wait_for_resource(self) -> None:
        """Wait until some worker could infer.

        Raises:
            BatchError: none joins in `RESOURCE_SECONDS` (code 'no-resource').
        """
        deadline = time.monotonic() + RESOURCE_SECONDS
        while not self.has_workers():
            if time.monotonic() > deadline or not self._resources:
                raise self._no_worker(RESOURCE_SECONDS)
            time.sleep(0.2)

    @property
    def threads(self) -> int:
        """How many tasks run at once, at least 1."""
        return max(1, sum(int(worker["nthreads"]) for worker in self._known().values()))

    def submit(self, batch: list[Job]) -> Future[list[LineResult]]:
        """Send a batch of lines on its way."""
        apart = [address for address, worker in self._known().items() if GPU not in worker["resources"]] if self._resources else []
        elsewhere = {"workers": apart, "allow_other_workers": True} if apart else {}
        # Pickled here and in one piece: Dask would look at every object within.
        content = pickle.dumps(batch)
        if not self._resources:
            # In one message, not three: each costs client and scheduler milliseconds.
            decode, infer, export = (f"{step}-{uuid.uuid4().hex}" for step in ("decode", "infer", "export"))
            tasks = {decode: (_decode, content), infer: (steps.infer, decode, self._choice), export: (_export, decode, infer)}
            exported: Future[list[LineResult]] = self._client.get(tasks, export, sync=False)
            return exported
        decoded = self._client.submit(_decode, content, pure=False, **elsewhere)
        inferred = self._client.submit(steps.infer, decoded, self._choice, pure=False, resources=self._resources)
        return self._client.submit(_export, decoded, inferred, pure=False, **elsewhere)

    def submit_apart(self, batch: list[Job]) -> Future[list[LineResult]]:
        """Send lines on their way to a process apart from the worker's own."""
        return self._client.submit(_render_apart, pickle.dumps(batch), self._choice, pure=False, resources=self._resources)

    def has_workers(self) -> bool:
        """Whether there is a worker that could infer."""
        self._asked = 0.0
        workers = self._known().values()
        return any(GPU in worker["resources"] for worker in workers) if self._resources else bool(workers)

    def check(self) -> None:
        """Raise if the scheduler is gone (BatchError, code 'scheduler-lost')."""
        if self._client.status not in ("running", "connecting"):
            raise BatchError("The scheduler is gone.", "Start it and its workers, then run the same command again.", code="scheduler-lost")

    def give_up(self) -> BatchError:
        """Return what is to be raised when nothing goes on any more."""
        return self._no_worker(PATIENCE_SECONDS)

    def _no_worker(self, seconds: int) -> BatchError:
        if self._resources and self._known():
            return BatchError(f"No worker with a GPU for {seconds} s: the run asks for device '{self._choice.device}'.",
                              f"Start one with `dask worker ADDRESS --nthreads 1 --resources {GPU}=1`, or use --device cpu.",
                              code="no-resource")
        return BatchError(f"All workers are gone for {seconds} s.", "Start workers, then run the same command again.", code="workers-gone")

    def _known(self) -> dict[str, Any]:
        """Return the workers by address, as they were at most a second ago."""
        if time.monotonic() - self._asked > 1:
            try:
                running = self._client.status == "running"
                self._workers = dict(self._client.scheduler_info(n_workers=-1)["workers"]) if running else {}
            except OSError:  # the connection broke while it was asked
                self._workers = {}
            self._asked = time.monotonic()
        return self._workers


def _decode(batch: bytes) -> list[steps.Decoded]:
    jobs: list[Job] = pickle.loads(batch)
    return steps.decode(jobs)


def _render_apart(batch: bytes, choice: EngineChoice) -> list[LineResult]:
    jobs: list[Job] = pickle.loads(batch)
    return render_apart(jobs, choice)


def _export(decoded: list[steps.Decoded], inferred: list[steps.Inferred]) -> list[LineResult]:
    return steps.export(decoded, inferred, before_flush=secede)  # the worker's thread takes up the next task while this one waits


@dataclass
class _Flight:
    """Lines that are with a worker.

    Attributes:
        losses: how often it was lost with its worker; from the first time on the lines get a process apart.
    """

    batch: list[Job]
    losses: int = 0


def _results(cluster: _Cluster, batches: Batches, stop: threading.Event,
             on_start: Callable[[Sequence[Job]], None]) -> Iterator[list[LineResult]]:
    finished: queue.SimpleQueue[Future[list[LineResult]]] = queue.SimpleQueue()
    flying: dict[object, tuple[_Flight, Future[list[LineResult]]]] = {}
    lost: deque[_Flight] = deque()  # to be sent again, before anything else
    disk_full: Problem | None = None
    idle_seconds = 0
    while True:
        cluster.check()
        while len(flying) < BATCHES_PER_THREAD * cluster.threads and not stop.is_set() and not disk_full:
            flight = lost.popleft() if lost else _Flight(batches.take(cluster.threads))
            if not flight.batch:
                break
            on_start(flight.batch)
            future = cluster.submit_apart(flight.batch) if flight.losses else cluster.submit(flight.batch)
            flying[future.key] = flight, future
            future.add_done_callback(finished.put)
        if not flying:
            break
        try:
            future = finished.get(timeout=1)
        except queue.Empty:
            idle_seconds = 0 if cluster.has_workers() else idle_seconds + 1
            if idle_seconds >= PATIENCE_SECONDS:
                raise cluster.give_up() from None
            continue
        idle_seconds = 0
        flight, _ = flying[future.key]
        try:
            results = future.result(timeout=FETCH_SECONDS)
        except CancelledError:
            raise BatchError("The scheduler is gone.", "Start it and its workers, then run the same command again.",
                             code="scheduler-lost") from None
        except Exception as error:
            if not isinstance(error, KilledWorker) and future.status != "error":
                # Its worker went before it handed the result over: Dask lets another one render it again.
                time.sleep(1)
                future.add_done_callback(finished.put)
                continue
            results = list(_after_loss(flight, error, lost))
        del flying[future.key], future
        for result in results:
            disk_full = disk_full or next((problem for problem in result.problems if problem.code == "disk-full"), None)
        yield results
    if disk_full:
        raise BatchError(disk_full.message, disk_full.remedy, code="disk-full")


def _after_loss(flight: _Flight, error: Exception, lost: deque[_Flight]) -> Iterator[LineResult]:
    """Queue the lines to be tried again; yield their results if they are not."""
    if flight.losses < MOST_LOSSES:
        lost.append(_Flight(flight.batch, flight.losses + 1))
        return
    for job in flight.batch:
        if isinstance(error, KilledWorker):  # though the line was in a process apart
            problem = Problem("worker-lost", f"{job.where}: {flight.losses + 1} workers died one after another while they had this line.",
                              "Check that the workers' machines have memory enough, and run the line again.")
        else:  # the lines did not get to the worker, or their results not back
            problem = Problem("internal", f"{job.where}: {type(error).__name__}: {error}",
                              "Run the line again; if it stays, please report it.", repr(error))
        yield LineResult(job.line.number, "failed", (problem,))
