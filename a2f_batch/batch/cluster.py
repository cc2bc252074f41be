"""Workers for a run: processes of this machine, or those of a running Dask scheduler."""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from a2f_batch.batch.engine_choice import EngineChoice
from a2f_batch.errors import BatchError

if TYPE_CHECKING:
    from distributed import Client

GPU = "GPU"  # the resource that a worker with a GPU declares: `dask worker --resources GPU=1`
CONNECT_SECONDS = 10

# Measured with the embedded engine: 210 MB a worker. Of larger weights there are the file, the network's copy and working memory.
_WORKER_BYTES = 400 << 20
_BYTES_PER_WEIGHT_BYTE = 5

# One thread of arithmetic a worker. And one heap: a heap for each of the short threads that wait for the disk grew with the run.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
# Short logs, so that a scheduler is as small after 100 000 lines as after 100; and no watching of ourselves: these are the run's cores.
_SETTINGS: dict[str, Any] = {
    # A batch that kills its worker is not tried on the next one, to kill that too: its lines are tried one by one.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False, "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False, "distributed.worker.memory.terminate": False,
    "distributed.admin.log-length": 100, "distributed.admin.low-level-log-length": 100,
    "distributed.admin.system-monitor.interval": "10s", "distributed.admin.system-monitor.log-length": 10,
    "distributed.admin.system-monitor.gil.enabled": False, "distributed.admin.system-monitor.disk": False,
    "distributed.admin.tick.interval": "1s", "distributed.admin.tick.limit": "1h",
    "distributed.diagnostics.computations.max-history": 1, "distributed.diagnostics.erred-tasks.max-history": 1,
    "distributed.diagnostics.nvml": False,
    # Dask's own setting also has glibc trim its heap at 64 KiB, and so fault in every larger array anew: it doubled a line's time.
    "distributed.nanny.pre-spawn-environ": _ENVIRONMENT,
}


def workers_here(choice: EngineChoice) -> int:
    """Return how many workers this machine has room for: one a core that this process may use, as far as the memory goes.

    Args:
        choice: the run's engine.
    """
    from dask.system import CPU_COUNT  # as affinity and cgroup allow
    from distributed.system import MEMORY_LIMIT

    need = _WORKER_BYTES + _BYTES_PER_WEIGHT_BYTE * choice.described().weights.stat().st_size
    return max(1, min(CPU_COUNT, int(MEMORY_LIMIT // need)))


@contextmanager
def local_client(workers: int, *, gpus: int = 0, preload: Iterable[str] = ()) -> Iterator[Client]:
    """Start `workers` single-threaded processes on this machine, yield their client, and end them.

    The calling program's main module must be guarded by ``if __name__ == "__main__"``: the processes import it.

    Args:
        gpus: how many of the workers declare the resource `GPU`; the first ones.
        preload: modules that every worker will need, imported once for all where processes can be forked.

    Raises:
        BatchError: they don't start (code 'workers-not-started').
    """
    method = _start_fork_server(preload)
    import dask  # from here on about half a second, while the fork server imports its own
    from distributed import Client, Nanny, Scheduler, SpecCluster

    with _quiet(), dask.config.set({**_SETTINGS, "distributed.worker.multiprocessing-method": method}), \
            tempfile.TemporaryDirectory(prefix="a2f-batch-") as scratch:
        options = {"nthreads": 1, "memory_limit": 0, "local_directory": scratch, "silence_logs": logging.CRITICAL, "dashboard": False,
                   "host": "127.0.0.1"}
        specs = {i: {"cls": Nanny, "options": {**options, "resources": {GPU: 1} if i < gpus else {}}} for i in range(workers)}
        # Dask opens its HTTP server in any case: not on 8787 for all the world, but anywhere, for here.
        scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}}
        try:
            with _interrupts_only_here():
                cluster = SpecCluster(workers=specs, scheduler=scheduler, silence_logs=logging.CRITICAL)
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
    from distributed import Client
    from distributed.comm.addressing import resolve_address

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


def _start_fork_server(preload: Iterable[str]) -> str:
    """Start the process that workers are forked from, where there are such; return the way in which processes are to be started.

    It goes on importing while this process does something else.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    from multiprocessing import forkserver

    modules = ["a2f_batch.batch.dispatch", "distributed.nanny", *preload]  # those that can't be imported are left out
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)  # read when the process starts and when numpy is imported
    try:
        with _interrupts_only_here():
            multiprocessing.get_context("forkserver").set_forkserver_preload(modules)
            forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return "forkserver"


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Dask's own account of what our errors say."""
    from distributed.utils import silence_logging_cmgr

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
