"""Journals of shards into one: within a folder, or with their files from folders of their own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from a2f_batch.batch.identity import Identity
from a2f_batch.batch.journal import Journal, line_name
from a2f_batch.batch.lock import folder_lock, is_held
from a2f_batch.batch.outputs import Output
from a2f_batch.batch.places import Places, leftovers
from a2f_batch.batch.render import OutputFile, make_folder, remove_files
from a2f_batch.errors import BatchError
from a2f_batch.export import FORMATS
from a2f_batch.export.atomic import replacing


@dataclass
class Merged:
    """What a merge did.

    Attributes:
        journals: that were folded in.
        lines: rows in the journal now.
        copied: files brought from other folders.
        kept: files of the folder that differ from a shard's and from what the journal knows of; they stay.
        missing: files that a shard's journal names and its folder has not.
    """

    journals: list[Path] = field(default_factory=list)
    lines: int = 0
    copied: int = 0
    kept: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def merge(out: Path, folders: Sequence[Path] = ()) -> Merged:
    """Fold the journals of the shards in `out`, and of all runs in `folders` with their files, into the journal of `out`.

    The folded journals of `out` itself are removed; other folders stay as they are. Of two rows of one line in two folders the newer wins.
    Doing it again changes nothing.

    Raises:
        BatchError: a folder has no journal (code 'journal-missing'), a run goes on in one ('folder-busy'), or see `Journal.open`.
        ExportError: a file can't be copied.
    """
    places = Places(out.absolute())
    sources = [_records(Places(folder.absolute())) for folder in folders if folder.absolute() != places.out]
    own = places.shards()
    if not own and not sources and not places.journal.is_file():
        raise _no_journal(out)
    merged = Merged()
    make_folder(places.out)
    with folder_lock(places.lock):
        for one in (*own, *(record for records in sources for record in records)):
            if is_held(one.lock):
                raise BatchError(f"A run is going on in '{one.out}'{f' (shard {one.shard})' if one.shard else ''}.", "Let it end first.",
                                 code="folder-busy")
        remove_files(leftovers(places))  # those, too, whose shard was not told by their name
        with Journal.open(places.journal) as journal:
            for one in own:
                fold(journal, one.journal)
                merged.journals.append(one.journal)
                for file in one.records():
                    file.unlink(missing_ok=True)
            for records in sources:
                for one in records:
                    missing = _bring(journal, places, one, merged)
                    fold(journal, one.journal, newer_only=True)
                    # What stands in their places is older, and nobody's edit.
                    journal.forget(missing)
                    merged.journals.append(one.journal)
            merged.lines = journal.count()
    return merged


def fold(journal: Journal, source: Path, *, newer_only: bool = False) -> None:
    """Take the rows of the journal at `source` into `journal`.

    Args:
        newer_only: leave a row that is newer here; otherwise the source's always wins.

    Raises:
        BatchError: see `Journal.open`.
    """
    with _checked(source):
        journal.take_in(source, newer_only=newer_only)


def adopt(journal: Journal, source: Path, identities: Iterable[Identity]) -> None:
    """Take those rows of the journal at `source` into `journal` that are of `identities` and not there yet.

    Raises:
        BatchError: see `Journal.open`.
    """
    with _checked(source):
        journal.take_in(source, only_new=[line_name(identity) for identity in identities])


def _checked(source: Path) -> Journal:
    found = Journal.read(source)
    if found is None:
        raise _no_journal(source.parent)
    return found


def _records(places: Places) -> list[Places]:
    found = [*([places] if places.journal.is_file() else []), *places.shards()]
    if not found:
        raise _no_journal(places.out)
    return found


def _no_journal(folder: Path) -> BatchError:
    return BatchError(f"'{folder}' holds no journal.", "Name the output folder of a run.", code="journal-missing")


def _bring(journal: Journal, places: Places, source: Places, merged: Merged) -> list[tuple[Identity, str]]:
    """Copy the files that the source's journal names, with their times; a file that somebody edited here stays. Return what is missing."""
    missing = []
    with _checked(source.journal) as other:
        for name, outputs in other.newer_outputs(journal):
            identity = Identity(*name.split("/"))
            known = journal.outputs(identity)
            for fmt, output in outputs.items():
                if fmt not in FORMATS:
                    continue
                file = name + FORMATS[fmt].suffix
                if not _copy(source.out / file, places.out / file, output, known.get(fmt), file, merged):
                    missing.append((identity, fmt))
    return missing


def _copy(source: Path, target: Path, output: Output, known: Output | None, name: str, merged: Merged) -> bool:
    """Copy a file, unless what is here is the same or somebody's edit; return whether there was one to copy."""
    try:
        content = source.read_bytes()
    except OSError:
        merged.missing.append(name)
        return False
    with suppress(OSError):
        there = OutputFile.of(target)
        if there.sha256 == output.sha256:
            return True
        if known is None or there.sha256 != known.sha256:
            merged.kept.append(name)
            return True
    make_folder(target.parent)
    with replacing(target) as file:
        file.write(content)
    if hashlib.sha256(content).hexdigest() == output.sha256:  # else somebody edited it there, and that is to be seen here
        os.utime(target, ns=(output.mtime_ns, output.mtime_ns))
    merged.copied += 1
    return True
