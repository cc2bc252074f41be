"""The weights file of a description: its bytes, found to be there and to be the right ones."""

from __future__ import annotations

import hashlib
from io import BufferedReader

from a2f_batch.engines.description import Description
from a2f_batch.errors import EngineError


def read_weights(description: Description) -> tuple[bytes, str]:
    """Return the bytes of the weights file and their sha256.

    Raises:
        EngineError: the file is not there or can't be read (code 'weights-missing'), or is not the one that the description means
            ('weights-checksum').
    """
    with _opened(description) as file:
        content = file.read()
    return content, _checked(description, hashlib.sha256(content).hexdigest())


def weights_sha256(description: Description) -> str:
    """Return the sha256 of the weights file, which is not kept in memory: some are gigabytes.

    Raises:
        EngineError: as `read_weights`.
    """
    with _opened(description) as file:
        return _checked(description, hashlib.file_digest(file, "sha256").hexdigest())


def _opened(description: Description) -> BufferedReader:
    path = description.weights
    try:
        if not path.is_file():  # a folder opens on some systems, and fails only when it is read
            raise FileNotFoundError(path) if not path.exists() else IsADirectoryError(None, "it is no file")
        return open(path, "rb")
    except OSError as error:
        cause = "is not there" if isinstance(error, FileNotFoundError) else f"can't be read: {error.strerror}"
        raise EngineError(f"The weights file {path}, described by {description.path.name}, {cause}.",
                          f"Whoever owns that file puts it into {path.parent} under the name {path.name}; or load other weights, "
                          "such as 'embedded'.", code="weights-missing") from error


def _checked(description: Description, found: str) -> str:
    if description.sha256 not in (None, found):
        raise EngineError(f"The weights file {description.weights} has the sha256 {found}; {description.path.name} says "
                          f"{description.sha256}.",
                          "Get the file again, or correct the description if this is the file that you mean.", code="weights-checksum")
    return found
