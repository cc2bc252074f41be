"""A folder of sound files as a manifest: each file's place says whose line it is."""

from __future__ import annotations

import os
from pathlib import Path

from a2f_batch.batch.manifests.columns import Columns
from a2f_batch.batch.manifests.pattern import DEFAULT_PATTERN, PathPattern
from a2f_batch.batch.manifests.row import Reading, Row
from a2f_batch.batch.manifests.text import unreadable
from a2f_batch.containers import SOUND_SUFFIXES


def read(path: Path, columns: Columns, *, pattern: str | None = None) -> Reading:
    """Return a row for every sound file below the folder `path`, in order of their paths.

    A sound file that does not match the pattern is a row with a problem. What is no sound by its ending, a hidden file or a link to a
    folder is told in `Reading.ignored`.

    Args:
        columns: for their defaults.
        pattern: see `pattern.PathPattern`.

    Raises:
        ManifestError: the folder can't be read (code 'manifest-unreadable'), the pattern is none ('pattern') or leaves out a column that
            has no default ('column-missing').
    """
    wanted = PathPattern(DEFAULT_PATTERN if pattern is None else pattern)
    columns.require(f"The pattern '{wanted.text}'", {"audio", *wanted.names},
                    "Put it into --pattern in braces, or give one value for all lines, such as --default locale=de.")
    rows, ignored = [], []
    number = 0
    for name in sorted(_files(path)):
        found = wanted.match(name)
        hidden = any(part.startswith(".") for part in name.split("/"))
        if hidden or name.endswith("/") or (found is None and os.path.splitext(name)[1].lower() not in SOUND_SUFFIXES):
            ignored.append(name)
            continue
        number += 1
        place = f"file '{name}'"
        if found is None:
            rows.append(Row(number, {"audio": name}, f"its path does not match the pattern '{wanted.text}'.", place,
                            "Move or rename it, or give another --pattern.", "pattern-mismatch"))
        else:
            rows.append(Row(number, columns.fill({**found, "audio": name}), place=place))
    return Reading(rows, tuple(ignored))


def _files(folder: Path) -> list[str]:
    """Return every file below `folder`, '/' between folders; a link to a folder ends in '/' and is not followed: circles."""
    found = []
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            entries = list(os.scandir(folder / below))
        except (OSError, ValueError) as error:
            raise unreadable(folder / below, error) from error
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{below}{entry.name}/")
            else:
                found.append(f"{below}{entry.name}{'/' if entry.is_dir() else ''}")
    return found
