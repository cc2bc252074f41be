"""Lines on dask.distributed: worker processes with the engine loaded once each, a short window of lines in flight."""

from __future__ import annotations

import logging
import multiprocessing.resource_tracker
import queue
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, NoReturn

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, Worker, WorkerPlugin
from distributed.comm.addressing import resolve_address
from distributed.utils import silence_logging_cmgr

from a2f_batch import __version__
from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.batch.manifest import Problem
from a2f_batch.batch.render import Job, LineResult, remove_files, render_job
from a2f_batch.errors import A2FError, BatchError

CONNECT_SECONDS = 10
FETCH_SECONDS = 10  # a result is a kilobyte
PATIENCE_SECONDS = 60  # how long a run waits without any worker; a nanny needs about 3 s to start a new one
LINES_PER_THREAD = 2  # one at work and one waiting: no worker idles for the way to the client and back, and the scheduler stays small


@contextmanager
def local_client(workers: int) -> Iterator[Client]:
    """Start `workers` single-threaded processes on this machine, yield their client, and end them.

    The calling program's main module must be guarded by ``if __name__ == "__main__"``: the processes import it.

    Raises:
        BatchError: they don't start (code 'workers-not-started').
    """
    settings: dict[str, Any] = {
        # A line that kills its worker is not tried on the next one, to kill that too; `render_jobs` tries it once more, alone.
        "distributed.scheduler.allowed-failures": 0,
        # Dask's own setting also has glibc trim its heap at 64 KiB, and so fault in every larger array anew: it doubled a line's time.
        "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1},
    }
    with _quiet(), dask.config.set(settings), tempfile.TemporaryDirectory(prefix="a2f-batch-") as scratch:
        try:
            with _interrupts_only_here():
                cluster = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1",
                                       # Dask opens its HTTP server in any case: not on 8787 for all the world, but anywhere, for here.
                                       scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                                       memory_limit=0, local_directory=scratch, silence_logs=logging.CRITICAL)
        except (OSError, RuntimeError) as error:  # TimeoutError is an OSError
            raise BatchError(f"Can't start {workers} worker processes: {error}.",
                             "Give fewer with --workers, or --workers 0 to render in this process.", code="workers-not-started") from error
        with cluster, Client(cluster) as client:
            yield client


@contextmanager
def remote_client(address: str) -> Iterator[Client]:
    """Connect to a running scheduler and yield its client.

    Raises:
        BatchError: nothing answers there (code 'scheduler-unreachable'), or it has no worker (code 'no-workers').
    """
    with _quiet():
        try:
            resolve_address(address)  # Client never ends its threads for an address that it can't parse
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise BatchError(f"No scheduler answers at '{address}': {error}.",
                             "Start one with `dask scheduler` and give its address, such as tcp://host:8786.",
                             code="scheduler-unreachable") from error
        with client:
            try:
                client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            except TimeoutError:
                raise BatchError(f"The scheduler at '{address}' has no worker.", f"Start one with `dask worker {address} --nthreads 1`.",
                                 code="no-workers") from None
            yield client


def render_jobs(client: Client, jobs: Iterable[Job], choice: EngineChoice, stop: threading.Event) -> Iterator[LineResult]:
    """Render `jobs` on the client's workers and yield results as they come.

    When `stop` is set no further line is started; those in flight are finished. A line whose worker dies fails (code 'worker-lost').

    Raises:
        EngineError: the workers can't load the engine.
        BatchError: the workers can't be used ('worker-setup'), or the scheduler ('scheduler-lost') or all workers ('workers-gone') went.
    """
    plugin = _EnginePlugin(choice)
    try:
        client.register_plugin(plugin)
    except A2FError:
        raise
    except Exception as error:  # whatever a worker of another make may raise
        raise BatchError(f"The workers can't be set up: {type(error).__name__}: {error}.",
                         f"Install a2f-batch {__version__} in the workers' Python.", code="worker-setup") from error
    try:
        yield from _all(client, jobs, choice, stop)
    finally:
        if _alive(client):
            client.unregister_worker_plugin(plugin.name)


def _all(client: Client, jobs: Iterable[Job], choice: EngineChoice, stop: threading.Event) -> Iterator[LineResult]:
    suspects = []
    threads = sum(client.nthreads().values())
    for job, result in _in_flight(client, jobs, choice, stop, LINES_PER_THREAD * threads):
        if result is None:
            suspects.append(job)
        else:
            yield result
    # A worker that dies takes all lines with it that were sent there. Alone, only the one that kills its worker does so again.
    for job, result in _in_flight(client, suspects, choice, stop, 1):
        yield result or _worker_lost(job)


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
        self.choice.loaded()

    def teardown(self, worker: Worker) -> None:
        self.choice.unload()


def _work(job: Job, choice: EngineChoice) -> LineResult:
    return render_job(job, (job.engine or choice).loaded())


def _in_flight(client: Client, jobs: Iterable[Job], choice: EngineChoice, stop: threading.Event,
               window: int) -> Iterator[tuple[Job, LineResult | None]]:
    """Keep up to `window` jobs with the workers; yield each with its result, None if its worker died."""
    finished: queue.SimpleQueue[Future[LineResult]] = queue.SimpleQueue()
    flying: dict[object, tuple[Job, Future[LineResult]]] = {}
    waiting = iter(jobs)
    idle_seconds = 0
    while True:
        if client.status not in ("running", "connecting"):
            _give_up(client)
        while len(flying) < window and not stop.is_set() and (job := next(waiting, None)) is not None:
            future = client.submit(_work, job, choice, pure=False)
            flying[future.key] = job, future
            future.add_done_callback(finished.put)
        if not flying:
            return
        try:
            future = finished.get(timeout=1)
        except queue.Empty:
            idle_seconds = 0 if _alive(client) else idle_seconds + 1
            if idle_seconds >= PATIENCE_SECONDS:
                _give_up(client)
            continue
        idle_seconds = 0
        job, _ = flying[future.key]
        try:
            result = future.result(timeout=FETCH_SECONDS)
        except KilledWorker:
            result = None
        except CancelledError:
            _give_up(client)
        except Exception as error:
            if future.status != "error":  # its worker went before it handed the result over: Dask lets another one render it again
                time.sleep(1)
                future.add_done_callback(finished.put)
                continue
            # The line did not get to the worker, or its result not back.
            result = _failed(job, Problem("internal", f"{job.where}: {type(error).__name__}: {error}",
                                          "Run the line again; if it stays, please report it.", repr(error)))
        del flying[future.key]
        yield job, result


def _alive(client: Client) -> bool:
    try:
        return client.status == "running" and bool(client.scheduler_info()["workers"])
    except OSError:  # the connection broke while it was asked
        return False


def _give_up(client: Client) -> NoReturn:
    if client.status == "running":
        raise BatchError(f"All workers are gone for {PATIENCE_SECONDS} s.", "Start workers, then run the same command again.",
                         code="workers-gone")
    raise BatchError("The scheduler is gone.", "Start it and its workers, then run the same command again.", code="scheduler-lost")


def _worker_lost(job: Job) -> LineResult:
    return _failed(job, Problem("worker-lost", f"{job.where}: the process that rendered the line died, also with this line alone.",
                                "Check the sound file, and that the machine has memory enough; --workers 0 shows where it dies."))


def _failed(job: Job, problem: Problem) -> LineResult:
    remove_files(job.files.values())
    return LineResult(job.line.number, "failed", (problem,))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Dask's own account of what our errors say."""
    with silence_logging_cmgr(logging.CRITICAL, root="distributed"), silence_logging_cmgr(logging.CRITICAL, root="asyncio"):
        yield


@contextmanager
def _interrupts_only_here() -> Iterator[None]:
    """Let processes that are started within, and threads with what they start later, never see a Ctrl-C: the run ends them in order.

    A terminal sends SIGINT to every process of the group; the mask is inherited. (POSIX; Windows has no such mask.)
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    multiprocessing.resource_tracker.ensure_running()  # it would lift the mask on its own start
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
