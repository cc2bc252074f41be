"""Files that are whole or not there: written beside their place, flushed to disk, renamed; one by one or many together."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

from a2f_batch.errors import ExportError

TEMPORARY_SUFFIX = ".tmp"

_TEMPORARY = re.compile(r"\..{1,40}\.[0-9a-f]{16}\.tmp", re.DOTALL)


class HeldBack:
    """Finished files that wait under temporary names for their places.

    Attributes:
        files: place -> where the file is now.
    """

    def __init__(self) -> None:
        self.files: dict[Path, Path] = {}

    def flush(self) -> None:
        """Put the bytes on the disk. For many files, flush all before the first is renamed: the disk's journal is then written once.

        Raises:
            ExportError: see `write_error`.
        """
        for path, temporary in self.files.items():
            try:
                with open(temporary, "r+b") as file:  # Windows flushes only what may be written
                    os.fsync(file.fileno())
            except OSError as error:
                raise write_error(path, error) from error

    def rename(self) -> None:
        """Put the files in their places.

        Raises:
            ExportError: see `write_error`.
        """
        for path, temporary in list(self.files.items()):
            try:
                os.replace(temporary, path)
            except OSError as error:
                raise write_error(path, error) from error
            del self.files[path]

    def drop(self) -> None:
        """Remove the files that are not in their places."""
        for temporary in self.files.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        self.files.clear()


_held_back: ContextVar[HeldBack | None] = ContextVar("held_back", default=None)


@contextmanager
def holding_back() -> Iterator[HeldBack]:
    """Let `replacing` only write, within this block and this thread: the files are the caller's to flush and to rename, or to drop.

    If the block raises, they vanish.
    """
    held = HeldBack()
    token = _held_back.set(held)
    try:
        yield held
    except BaseException:
        held.drop()
        raise
    finally:
        _held_back.reset(token)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file that takes `path`'s place when the block ends (see `holding_back`), and vanishes if it raises.

    Raises:
        ExportError: see `write_error`.
    """
    path = Path(path)
    # A dot in front and no known suffix: nobody takes it for a finished file. Cut short: file systems allow 255 bytes a name.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    held = _held_back.get()
    try:
        with open(temporary, "xb") as file:
            yield file
            if held is None:
                file.flush()
                os.fsync(file.fileno())
        if held is None:
            os.replace(temporary, path)
        else:
            held.files[path] = temporary
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if held is None or held.files.get(path) != temporary:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def is_temporary(name: str) -> bool:
    """Return whether a file of this name is what a process that was killed left of `replacing`."""
    return name.endswith(TEMPORARY_SUFFIX) and _TEMPORARY.fullmatch(name) is not None


def flush_folder(folder: Path) -> None:
    """Put the names in `folder` on the disk, so that a renamed file is in its place after a power cut too. (Windows has no such call.)

    Raises:
        ExportError: see `write_error`.
    """
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system without it, such as some network ones
            raise write_error(folder, error) from error


def write_error(path: Path, error: OSError) -> ExportError:
    """Return what is to be raised when writing `path` failed: code 'disk-full' (a quota too), else 'output-unwritable'."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return ExportError(f"Can't write '{path}': {error.strerror}.", "Make room, then run the same command again.", code="disk-full")
    return ExportError(f"Can't write '{path}': {error.strerror or error}.",
                       "Check that the folder exists, may be written and has room.", code="output-unwritable")
