"""All that is written to this process's stderr, by whomever, line by line."""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stderr_lines(tell: Callable[[str], None]) -> Iterator[int | None]:
    """Give every line that is written to stderr within to `tell`, on a thread of its own; yield a descriptor of the true stderr.

    It is done to the file descriptor, for native libraries and worker processes write there past Python. Where stderr is no descriptor 2
    (a test, another program's Python), nothing is done and None is yielded.
    """
    if not _is_descriptor_2():
        yield None
        return
    sys.stderr.flush()
    true_stderr = os.dup(2)
    read_end, write_end = os.pipe()
    os.dup2(write_end, 2)
    # The pipe has no end while a child lives that inherited it, such as multiprocessing's resource tracker: a last line says where we end.
    last = uuid.uuid4().hex

    def read() -> None:
        with open(read_end, encoding="utf-8", errors="backslashreplace") as lines:
            for line in lines:
                if line.rstrip() == last:
                    return
                if line.strip():
                    tell(line.rstrip())

    reader = threading.Thread(target=read, name="a2f-stderr", daemon=True)
    reader.start()
    try:
        yield true_stderr
    finally:
        sys.stderr.flush()
        os.dup2(true_stderr, 2)
        os.write(write_end, f"\n{last}\n".encode())
        reader.join()
        os.close(write_end)
        os.close(true_stderr)


def _is_descriptor_2() -> bool:
    try:
        return sys.stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):  # no stderr (pythonw), one without a file behind it, a closed one
        return False
