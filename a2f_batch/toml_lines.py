"""Line numbers of everything in a TOML text, for messages: `tomllib` keeps the values and forgets where they stood."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

KeyPath = tuple[str | int, ...]
"""Keys and list indices from the top: ('profile', 'guard', 'stages', 1, 'mouth')."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
# A multi-line string may end in up to two quotes of its own before the three that close it.
_STRING = re.compile(r'''"""(?:[^\\]|\\.)*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:'{0,2})|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''', re.DOTALL)
_BARE = re.compile(r"[^,\]}#\n]+")


def line_numbers(text: str) -> dict[KeyPath, int]:
    """Return path -> line (from 1) of every table, key and list entry of `text`.

    Args:
        text: valid TOML: something that `tomllib` has read.
    """
    return _Scan(text).lines


class _Scan:
    """One walk through a text. It checks nothing: what is not valid TOML gives wrong numbers or an error of Python's."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._at = 0
        self._entries: dict[KeyPath, int] = {}  # array of tables -> how many there are so far
        self.lines: dict[KeyPath, int] = {}
        table: KeyPath = ()
        while self._skip_blank():
            line = self._line()
            if self._take("["):
                repeated = self._take("[")
                table = self._header(self._key(), line, repeated=repeated)
                self._at += 2 if repeated else 1
            else:
                self._pair(table)

    def _header(self, key: list[str], line: int, *, repeated: bool) -> KeyPath:
        path: KeyPath = ()
        for i, word in enumerate(key):
            path = (*path, word)
            self.lines.setdefault(path, line)
            last = i == len(key) - 1
            if path in self._entries or (last and repeated):
                # A header goes on in the array's last table; [[...]] begins a new one.
                self._entries[path] = self._entries.get(path, 0) + (last and repeated)
                path = (*path, self._entries[path] - 1)
                self.lines.setdefault(path, line)
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for word in self._key():
            path = (*path, word)
            self.lines.setdefault(path, line)
        self._skip_blank()
        self._at += 1  # the "="
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip_blank()
        self.lines.setdefault(path, self._line())
        if self._take("["):
            i = 0
            while self._skip_blank() and not self._take("]"):
                self._value((*path, i))
                self._skip_blank()
                self._take(",")
                i += 1
        elif self._take("{"):
            while self._skip_blank() and not self._take("}"):
                self._pair(path)
                self._skip_blank()
                self._take(",")
        else:
            self._match(_STRING if self._text[self._at] in "\"'" else _BARE)

    def _key(self) -> list[str]:
        words = []
        while True:
            self._skip_blank()
            word = self._match(_KEY)
            words.append(tomllib.loads(f"word = {word}")["word"] if word[0] in "\"'" else word)
            self._skip_blank()
            if not self._take("."):
                return words

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"line {self._line()} is no TOML")
        self._at = found.end()
        return found[0]

    def _skip_blank(self) -> bool:
        """Go on to what is no space, line end or comment; say whether there is something."""
        self._match(_BLANK)
        return self._at < len(self._text)

    def _take(self, character: str) -> bool:
        if self._text.startswith(character, self._at):
            self._at += 1
            return True
        return False

    def _line(self) -> int:
        return bisect_right(self._ends, self._at - 1) + 1
