"""Patterns of paths, such as '{locale}/{character}/{id}.wav': what a file's place says of its line."""

from __future__ import annotations

import re
import unicodedata

from a2f_batch.errors import ManifestError

DEFAULT_PATTERN = "{locale}/{character}/{id}.*"

_FIELD = re.compile(r"\{([^{}]*)\}")
_HOW = f"Write a path with columns in braces, such as '{DEFAULT_PATTERN}' or '{{character}}/{{locale}}_{{id}}.wav'."


class PathPattern:
    """A path with columns in braces.

    A column takes some text within one folder's or file's name; of two in one name, the first takes as little as it can. A column that
    is there twice has the same text twice. '.*' at the end stands for any ending. Case counts in columns and not in the rest.

    Raises:
        ManifestError: the text is no pattern (code 'pattern').
    """

    def __init__(self, text: str) -> None:
        self.text = text
        path = unicodedata.normalize("NFC", text.replace("\\", "/")).removeprefix("./")
        if not path or path.startswith("/") or path[1:2] == ":" or {"..", ".", ""} & set(path.split("/")):
            raise ManifestError(f"The pattern '{text}' is no path below the folder.", _HOW, code="pattern")
        body, any_ending = (path[:-2], r"\.[^./]+") if path.endswith(".*") else (path, "")
        names: dict[str, None] = {}
        parts = []
        for i, part in enumerate(_FIELD.split(body)):
            if i % 2 == 0:
                if wrong := re.search(r"[{}*?]", part):
                    raise ManifestError(f"The pattern '{text}' has a '{wrong[0]}' that stands for nothing.", _HOW, code="pattern")
                parts.append(re.escape(part))
            elif not re.fullmatch("[a-z][a-z0-9_]*", part):
                raise ManifestError(f"The pattern '{text}' has the column '{{{part}}}': a column is small letters.", _HOW, code="pattern")
            elif part == "audio":
                raise ManifestError(f"The pattern '{text}' has the column '{{audio}}': that is the file itself.", _HOW, code="pattern")
            else:
                parts.append(f"(?P={part})" if part in names else f"(?P<{part}>[^/]+?)")
                names[part] = None
        self.names = tuple(names)
        self._regex = re.compile("".join(parts) + any_ending, re.IGNORECASE)

    def match(self, path: str) -> dict[str, str] | None:
        """Return what `path` ('/' between folders) says in each column; None if it does not match."""
        found = self._regex.fullmatch(unicodedata.normalize("NFC", path))
        return found.groupdict() if found else None
