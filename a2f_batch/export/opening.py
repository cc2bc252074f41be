"""The bytes of a file that a clip is read from."""

from __future__ import annotations

from pathlib import Path

from a2f_batch.errors import ClipError


def read_bytes(path: Path, expected: str) -> bytes:
    """Return the file's content.

    Args:
        expected: what it should be, for the remedy: 'an FBX file'.

    Raises:
        ClipError: it is not there, or can't be read (code 'clip-unreadable').
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ClipError(f"Can't read '{path}': {error.strerror or error}.", f"Give the path of {expected}.",
                        code="clip-unreadable") from None
