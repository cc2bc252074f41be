"""Hashes of files, remembered by size and time, so that a second plan reads no sound again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence

from a2f_batch.batch.render import OutputFile

# A file changed within the tick of the clock in which it was hashed looks unchanged; FAT's tick is two seconds.
SETTLED_SECONDS = 2.0


class FileHashes:
    """The sha256 of files; one whose size and modification time are as recorded is not read.

    Args:
        recorded: paths -> what an earlier run recorded.
    """

    def __init__(self, recorded: Callable[[Sequence[str]], Mapping[str, OutputFile]]) -> None:
        self._recorded = recorded
        self._expected: Mapping[str, OutputFile | None] = {}
        self._new: dict[str, OutputFile] = {}

    def expect(self, paths: Sequence[str]) -> None:
        """Look up these files' records in one go, in place of those of the last call."""
        self._expected = {**dict.fromkeys(paths), **self._recorded(paths)}

    def sha256(self, path: str) -> str:
        """Return the hash of the file at `path` (absolute), hexadecimal.

        Raises:
            OSError: it can't be read.
        """
        known = self._new.get(path)
        if known is None:
            known = self._expected[path] if path in self._expected else self._recorded([path]).get(path)
        facts = os.stat(path)
        if known and (known.size, known.mtime_ns) == (facts.st_size, facts.st_mtime_ns):
            return known.sha256
        found = OutputFile.of(path)
        if time.time() - found.mtime_ns / 1e9 > SETTLED_SECONDS:
            self._new[path] = found
        return found.sha256

    def take_new(self) -> dict[str, OutputFile]:
        """Return the hashes found since the last call, by path, for the record."""
        new, self._new = self._new, {}
        return new
