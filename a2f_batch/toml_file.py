"""A TOML file of a user's, whose every mistake is told with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from a2f_batch.errors import ProfileError
from a2f_batch.post.pipeline import nearest
from a2f_batch.toml_lines import KeyPath, line_numbers

Where: TypeAlias = Callable[..., str]


class TomlFile:
    """A file's content, and where each part of it stands.

    Attributes:
        path: the file.
        content: its tables.

    Raises:
        ProfileError: it is no TOML (code 'project-malformed').
    """

    def __init__(self, path: Path, text: str) -> None:
        """Read `text`, the text of `path`."""
        self.path = path
        try:
            self.content: Mapping[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
            line = int(found[2] or text.count("\n") + 1) if found else 1
            raise ProfileError(f"{path} line {line}: this is no TOML: {found[1] if found else error}.",
                               'Look for a missing quote, bracket or comma; a text stands in quotes: name = "text".',
                               code="project-malformed") from None
        self._lines = line_numbers(text)

    def table(self, within: Mapping[str, Any], path: KeyPath) -> Mapping[str, Any]:
        """Return the table that `within` has under the last key of `path`; an empty one if there is none."""
        found: Mapping[str, Any] = self.typed(within.get(str(path[-1]), {}), Mapping, path, "a table")
        return found

    def names(self, within: Mapping[str, Any], path: KeyPath) -> list[str]:
        """Return the list of texts that `within` has under the last key of `path`; an empty one if there is none."""
        wanted = f'a list of names: {path[-1]} = ["accents"]'
        names = self.typed(within.get(str(path[-1]), []), list, path, wanted)
        return [self.typed(name, str, (*path, i), wanted) for i, name in enumerate(names)]

    def keys(self, table: Mapping[str, Any], path: KeyPath, known: Sequence[str]) -> None:
        """Refuse a key that is not in `known` (code 'project-key')."""
        for key in table:
            if key not in known:
                inside = f"[{'.'.join(map(str, path))}]" if path else "a project file"
                raise self.error((*path, key), f"{inside} has no '{key}'.", nearest(key, known), "project-key")

    def typed(self, value: Any, kind: type, path: KeyPath, wanted: str) -> Any:
        """Return `value`, which is refused unless it is a `kind` (code 'profile-type')."""
        if not isinstance(value, kind):
            raise self.error(path, f"'{path[-1]}' is {value!r}.", f"Give {wanted}.", "profile-type")
        return value

    def error(self, path: KeyPath, problem: str, remedy: str, code: str) -> ProfileError:
        """Return the error for what stands at `path`."""
        return ProfileError(f"{self.where(*path)()}: {problem}", remedy, code=code)

    def where(self, *path: str | int) -> Where:
        """Return what says the line of something below `path`."""
        return lambda *more: f"{self.path} line {self._lines[(*path, *more)]}"
