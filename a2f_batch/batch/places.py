"""What a run itself writes into the output folder, beside the lines' files: journal, lock and summary; a shard has its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from a2f_batch.batch.identity import Identity
from a2f_batch.batch.shard import Shard
from a2f_batch.export.atomic import TEMPORARY_SUFFIX, is_temporary

_SHARD_JOURNAL = re.compile(r"journal-([0-9]{1,6})-of-([0-9]{1,6})\.sqlite")


@dataclass(frozen=True)
class Places:
    """Where a run keeps its records.

    Attributes:
        out: the output folder, absolute.
        shard: which part of the manifest it renders; None = all. Shards of one folder share no record, so they never wait for each other.
    """

    out: Path
    shard: Shard | None = None

    @property
    def journal(self) -> Path:
        """The SQLite file."""
        return self._file("journal", ".sqlite")

    @property
    def lock(self) -> Path:
        """There while a run goes on."""
        return self._file("journal", ".lock")

    @property
    def summary(self) -> Path:
        """What the last run did."""
        return self._file("summary", ".json")

    @property
    def whole(self) -> Places:
        """The places of a run without shards, into which those of shards are merged."""
        return Places(self.out)

    def shards(self) -> list[Places]:
        """Return the places of shards with a journal in the folder, in order."""
        found = [_SHARD_JOURNAL.fullmatch(name) for name in _names(self.out)]
        shards = [Shard(int(match[1]), int(match[2])) for match in found if match and 1 <= int(match[1]) <= int(match[2])]
        return [Places(self.out, shard) for shard in sorted(shards, key=lambda shard: (shard.count, shard.index))]

    def records(self) -> list[Path]:
        """Return the journal and what SQLite may have left beside it."""
        return [self.journal.with_name(self.journal.name + suffix) for suffix in ("", "-wal", "-shm", "-journal")]

    def _file(self, name: str, suffix: str) -> Path:
        return self.out / (f"{name}-{self.shard.name}{suffix}" if self.shard else f"{name}{suffix}")


def leftovers(places: Places) -> Iterator[Path]:
    """Yield the files that stand under temporary names: left by what was killed, a run, or a worker that went on without it.

    To be asked while nothing is rendered here: before a run's first line, and after its last. In a folder that shards share, only those
    of the shard's own lines are told, as far as their names are whole (see `replacing`): another shard may be writing the others.
    """
    for locale in _folders(places.out):
        for character in _folders(locale):
            # The ends first, of all at once: of a hundred thousand files next to none is one.
            for name in [name for name in _names(character) if name.endswith(TEMPORARY_SUFFIX)]:
                if is_temporary(name) and (places.shard is None or _is_own(places.shard, locale.name, character.name, name)):
                    yield character / name


def _is_own(shard: Shard, locale: str, character: str, name: str) -> bool:
    written = name[1:].rsplit(".", 2)[0]  # '.guard_0418.plain.csv.0123456789abcdef.tmp' -> 'guard_0418.plain.csv'
    if len(written) >= 40:  # cut
        return False
    parts = written.split(".")
    # Where the name ends and the suffix starts is not told: a line's id may hold dots. All readings must be this shard's.
    return all(shard.takes(Identity(locale, character, ".".join(parts[:i]))) for i in range(1, len(parts)))


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
