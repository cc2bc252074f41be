"""Manifests of every kind, one reader a file: a path becomes rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a2f_batch.batch.manifests import delimited, folder, json_lines, workbook, wwise
from a2f_batch.batch.manifests.columns import Columns, manifest_name
from a2f_batch.batch.manifests.row import Reading
from a2f_batch.errors import ManifestError


@dataclass(frozen=True)
class Layout:
    """What of a manifest's layout its file does not tell.

    Attributes:
        columns: how the project names columns, and what stands in empty ones.
        delimiter: between the cells of a CSV; None to find it.
        encoding: of a text file; None to find it.
        sheets: of a workbook; empty for all.
        pattern: what a path says of its line, for folders and lists of Wwise's; None for their own.
    """

    columns: Columns = field(default_factory=Columns)
    delimiter: str | None = None
    encoding: str | None = None
    sheets: tuple[str, ...] = ()
    pattern: str | None = None


@dataclass(frozen=True)
class _Kind:
    name: str
    read: Callable[..., Reading]
    options: tuple[str, ...]
    rooted: bool = False  # it says itself where the sounds are


_DELIMITED = _Kind("a CSV file", delimited.read, ("delimiter", "encoding"))
_JSON_LINES = _Kind("a JSON Lines file", json_lines.read, ("encoding",))
_FOLDER = _Kind("a folder", folder.read, ("pattern",))
_KINDS: Mapping[str, _Kind] = {
    ".csv": _DELIMITED, ".tsv": _DELIMITED, ".txt": _DELIMITED, ".jsonl": _JSON_LINES, ".ndjson": _JSON_LINES,
    ".xlsx": _Kind("a workbook", workbook.read, ("sheets",)), ".xlsm": _Kind("a workbook", workbook.read, ("sheets",)),
    ".wsources": _Kind("a list of Wwise's", wwise.read, ("pattern",), rooted=True),
}
_FLAGS = {"sheets": "--sheet"}


def read_rows(path: Path, layout: Layout, *, is_folder: bool = False, own_root: bool = False) -> Reading:
    """Return the rows of the manifest at `path`, by its suffix.

    Args:
        is_folder: take the folder `path` itself as the manifest.
        own_root: the user has said where the sounds are.

    Raises:
        ManifestError: see `a2f_batch.batch.manifest.read_manifest`.
    """
    kind = _FOLDER if is_folder else _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ManifestError(f"{manifest_name(path)} is of no known kind.",
                            f"Give it one of the endings {', '.join(_KINDS)}; save other spreadsheets as .xlsx. A folder is taken "
                            "with --from-folder.", code="manifest-kind")
    chosen: dict[str, Any] = {name: value for name in ("delimiter", "encoding", "sheets", "pattern")
                              if (value := getattr(layout, name)) not in (None, ())}
    if unfit := [_FLAGS.get(name, f"--{name}") for name in chosen if name not in kind.options]:
        raise ManifestError(f"{manifest_name(path)} is {kind.name}, for which {' and '.join(unfit)} means nothing.",
                            f"Leave {'it' if len(unfit) == 1 else 'them'} out.", code="manifest-option")
    if kind.rooted:
        chosen["own_root"] = own_root
    return kind.read(path, layout.columns, **chosen)
