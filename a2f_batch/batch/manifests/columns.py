"""Which column of a manifest is which of ours, and what stands where it has none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import Any

from a2f_batch.batch.identity import name_problem
from a2f_batch.emotion import Envelope
from a2f_batch.errors import ManifestError
from a2f_batch.rates import parse_fps

REQUIRED = ("id", "audio", "character", "locale")
OPTIONAL = ("emotion", "profile", "fps", "text", "style", "seed")
KNOWN = REQUIRED + OPTIONAL

# What one value for every line makes sense for.
DEFAULTS = ("character", "locale", "emotion", "profile", "fps", "style")


@dataclass(frozen=True)
class Columns:
    """How a project names its columns.

    Attributes:
        names: our column -> the manifest's.
        defaults: our column -> what a row has that leaves it empty.
        origin: who says so, for messages, such as 'a2f.toml line 4'.
        id_from_audio: a row without an id is called as its sound file, without the ending.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    origin: str = "a2f.toml"
    id_from_audio: bool = False

    def with_defaults(self, defaults: Mapping[str, str]) -> Columns:
        """Return these columns with `defaults` too, which win."""
        return replace(self, defaults={**self.defaults, **defaults})

    def renamed(self, where: str, found: Collection[str]) -> dict[str, str]:
        """Return the manifest's column -> ours for those that `names` names; a manifest with none of them has our names itself.

        Args:
            where: the manifest, or the sheet, for messages.
            found: the manifest's columns.

        Raises:
            ManifestError: it has some of the columns of `names` and not all (code 'column-missing').
        """
        there = {theirs: ours for ours, theirs in self.names.items() if theirs in found}
        missing = [(ours, theirs) for ours, theirs in self.names.items() if theirs not in found]
        if there and missing:
            lacks = ", ".join(f"'{theirs}' ({ours})" for ours, theirs in missing)
            raise ManifestError(f"{where} has no column {lacks}, which {self.origin} names.",
                                f"Correct [manifest.columns] or the manifest. It has: {', '.join(map(str, found))}.", code="column-missing")
        return there

    def require(self, where: str, found: Collection[str], remedy: str = "") -> None:
        """Refuse a manifest without the columns that every row needs.

        Args:
            where: the manifest, or the sheet, for messages.
            found: its columns, called as ours.
            remedy: what to do, if that is not to add the column.

        Raises:
            ManifestError: one is missing (code 'column-missing').
        """
        missing = [name for name in REQUIRED if name not in found and name not in self.defaults
                   and not (name == "id" and self.id_from_audio)]
        if missing:
            has = ", ".join(sorted(found)) or "none"
            more = remedy or (f"It needs: {', '.join(REQUIRED)}. It has: {has}. Columns of other names are told in [manifest.columns] of "
                              "a2f.toml; one value for all lines is given with --default, such as --default locale=de.")
            raise ManifestError(f"{where} has no column {', '.join(map(repr, missing))}.", more, code="column-missing")

    def fill(self, cells: dict[str, Any]) -> dict[str, Any]:
        """Return `cells` with what stands for the empty ones put in."""
        for name, value in self.defaults.items():
            if cells.get(name) in (None, ""):
                cells[name] = value
        if self.id_from_audio and cells.get("id") in (None, "") and isinstance(cells.get("audio"), str):
            cells["id"] = PureWindowsPath(cells["audio"]).stem  # takes both '/' and '\'
        return cells


class Header:
    """The header of a table: makes cells of each row's values.

    Args:
        names: as the table has them; ours are found in any case.
        columns: the project's.
        where: the manifest, or the sheet, for messages.
        constants: columns that the table does not have and that `columns` may name all the same, and their one value: the sheet's name.
        remedy: what to do if a column is missing, see `Columns.require`.

    Raises:
        ManifestError: a column is missing (code 'column-missing') or there twice ('column-duplicate').
    """

    def __init__(self, names: Sequence[str], columns: Columns, where: str, constants: Mapping[str, str] | None = None,
                 remedy: str = "") -> None:
        stripped = [name.strip() for name in names]
        lower = [name.lower() for name in stripped]
        offered = {name: value for name, value in (constants or {}).items() if name not in lower}
        asked = replace(columns, names={ours: theirs.strip().lower() for ours, theirs in columns.names.items()})
        ours = asked.renamed(where, [*lower, *(name for name in offered if name in asked.names.values())])
        taken = set(ours.values())
        # A column with our name beside another that the project takes for it stays, under a name of its own.
        self.names = [ours.get(name) or (f"column {name}" if name in taken else name) or f"column {i + 1}" for i, name in enumerate(lower)]
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ManifestError(f"{where} has the column {', '.join(map(repr, twice))} twice.", "Rename or remove one of them.",
                                code="column-duplicate")
        self._constants = {ours[name]: value for name, value in offered.items() if name in ours}
        columns.require(where, {*self.names, *self._constants}, remedy)
        self._columns = columns
        self._fill = bool(columns.defaults or columns.id_from_audio)

    def cells(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return the cells of a row; values past the header's end are left out."""
        cells = dict(zip(self.names, values, strict=False))
        if self._constants:
            cells.update(self._constants)
        return self._columns.fill(cells) if self._fill else cells


def checked_default(name: str, value: str) -> str:
    """Return `value` as what every line has in column `name` that leaves it empty.

    Raises:
        A2FError: `name` can have no default (code 'default'), or `value` is wrong in that column.
    """
    if name not in DEFAULTS:
        raise ManifestError(f"There is no default for '{name}'.", f"One value for all lines can be given for: {', '.join(DEFAULTS)}.",
                            code="default")
    reason = name_problem(value) if name in ("character", "locale") else "" if value else "it is empty"
    if reason:
        raise ManifestError(f"{value!r} can't be the {name} of all lines: {reason}.", f"Choose another {name}.", code="default")
    checks: dict[str, Callable[[str], object]] = {"emotion": Envelope.parse, "fps": parse_fps}
    if name in checks:
        checks[name](value)
    return value


def manifest_name(path: Path) -> str:
    """Return how messages about a whole manifest begin."""
    return f"Manifest '{path}'"
