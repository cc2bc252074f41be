"""One run a folder: who has it, whether he still lives, and waiting for him."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from a2f_batch.errors import BatchError

LEASE_SECONDS = 30.0  # without a sign of life for so long, the holder is taken for dead; of a process on this machine it is known at once
HEARTBEAT_SECONDS = 2.0  # how often the holder gives a sign of life; what a second run needs to be sure that there is one


@contextmanager
def folder_lock(path: Path, *, wait: bool = False, name_holder: Callable[[int, str], str] = lambda pid, host: "",
                on_wait: Callable[[str], None] = lambda holder: None, stopped: Callable[[], bool] = lambda: False,
                on_lost: Callable[[str], None] = lambda reason: None) -> Iterator[None]:
    """Hold the lock file `path` for the time of the block.

    The file is a lease: it names the process and the host, and its time is renewed every `HEARTBEAT_SECONDS`. It is taken over from a
    process of this machine that is dead, and from any that has not renewed it for `LEASE_SECONDS` (by this process's own clock).

    Args:
        path: of the lock file; its folder is there.
        wait: wait for another holder to end; otherwise refuse.
        name_holder: (process id, host) -> more on that run for the message, such as its user; may be empty.
        on_wait: called once, with the holder, before waiting.
        stopped: asked while waiting: whether to give up, with a KeyboardInterrupt.
        on_lost: called from another thread, with the reason, if the lock is taken from us: this process was stopped for longer than the
            lease, or somebody removed the file. Nothing must be written any more.

    Raises:
        BatchError: somebody else has it (code 'folder-busy'), or it can't be written (code 'output-unwritable').
    """
    from filelock import SoftFileLease, Timeout

    lease = SoftFileLease(path, lease_duration=LEASE_SECONDS, heartbeat_interval=HEARTBEAT_SECONDS, thread_local=False,
                          on_compromise=lambda loss: on_lost(str(loss.reason)))
    signs = _SignsOfLife(path)
    told = False

    def holder() -> str:
        owner = lease.owner
        if owner is None:
            return "another run"
        more = name_holder(owner.pid, owner.hostname)
        return f"process {owner.pid} on {owner.hostname}" + (f" ({more})" if more else "")

    def give_up() -> bool:
        nonlocal told
        alive = signs.seen()
        if alive and wait and not told:
            told = True
            on_wait(holder())
        return stopped() or (alive and not wait)

    try:
        lease.acquire(timeout=-1, poll_interval=0.1, cancel_check=give_up)
    except Timeout:
        if stopped():
            raise KeyboardInterrupt from None
        raise BatchError(f"The folder '{path.parent}' is in use by {holder()}.",
                         "Let that run end, or give --wait to start after it.", code="folder-busy") from None
    except OSError as error:
        raise BatchError(f"Can't write '{path}': {error.strerror or error}.", "Check that the folder may be written.",
                         code="output-unwritable") from error
    try:
        yield
    finally:
        lease.release()


def is_held(path: Path) -> bool:
    """Return whether a living run has the lock file `path`; a dead one's is removed."""
    if not path.exists():
        return False
    try:
        with folder_lock(path):
            return False
    except BatchError:
        return True


class _SignsOfLife:
    """Whether somebody renews a lock file while we look at it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first: tuple[int, int] | None = None

    def seen(self) -> bool:
        stamp = None
        with suppress(OSError):
            facts = os.stat(self._path)
            stamp = facts.st_ino, facts.st_mtime_ns
        if self._first is None:
            self._first = stamp
        return stamp is not None and stamp != self._first
