"""Data as classic scripts: a page that is opened from the disk may load those, and nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.export.atomic import holding_back, replacing, write_error

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def call(function: str, *arguments: Any) -> bytes:
    """Return a script that gives `arguments` to the page: `a2f.function(...)`.

    ASCII alone, so that no name can end the script or its line; loaded as a file, never put into HTML.
    """
    return call_with(function, *(spelled(one) for one in arguments))


def call_with(function: str, *spellings: str) -> bytes:
    """Return a script like `call`, of arguments as `spelled` gives them."""
    return f"a2f.{function}({','.join(spellings)});\n".encode("ascii")


def spelled(value: Any) -> str:
    """Return a value as JSON in ASCII, without spaces."""
    return _encode(value)


def packed(values: npt.NDArray[np.uint8] | bytes) -> str:
    """Return bytes as base64, as `web/bytes.js` reads them."""
    return base64.b64encode(bytes(values)).decode("ascii")


def write_changed(path: Path, content: bytes) -> bool:
    """Write `content` unless the file holds it already; return whether it was written.

    Raises:
        ExportError: see `a2f_batch.export.atomic.write_error`.
    """
    with suppress(OSError):
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return False
    with replacing(path) as file:
        file.write(content)
    return True


@contextmanager
def unflushed() -> Iterator[None]:
    """Let files written in this block go to their places at its end, whole, and to the disk when the system likes.

    A report can be made again; to flush twenty thousand small files one by one would take minutes.
    """
    with holding_back() as held:
        yield
        held.rename()


def make_folder(path: Path) -> None:
    """Make a folder of the report.

    Raises:
        ExportError: see `a2f_batch.export.atomic.write_error`.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error
