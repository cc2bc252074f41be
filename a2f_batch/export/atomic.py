"""Files that are whole or not there: write beside the target, flush to disk, rename."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from a2f_batch.errors import ExportError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file that takes `path`'s place when the block ends, and vanishes if it raises.

    Raises:
        ExportError: the folder does not exist or can't be written, the disk is full (code 'output-unwritable').
    """
    path = Path(path)
    # A dot in front and no known suffix: nobody takes it for a finished file. Cut short: file systems allow 255 bytes a name.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise ExportError(f"Can't write '{path}': {error.strerror or error}.",
                          "Check that the folder exists, may be written and has room.", code="output-unwritable") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
