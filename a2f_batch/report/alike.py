"""JSON objects that are mostly alike, such as those of .glb files with the same head: only what differs from the last one is parsed."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

_KEY = re.compile(r'[{,]"([A-Za-z]+)":')  # as our own exporter spells the outermost object: without spaces
_scan = json.JSONDecoder().raw_decode


@dataclass
class _List:
    """A list that was parsed: how it is spelled from behind its bracket on, its elements, and where the sign behind each of them is."""

    text: str = ""
    values: list[Any] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


class AlikeJson:
    """Parses objects one after another. Of the outermost object's lists, the elements up to the first that is spelled unlike last time's
    are not parsed again.

    Texts that agree up to the sign behind an element agree in that element: so nothing is guessed. What two objects share is one value,
    not to be changed.
    """

    def __init__(self) -> None:
        self._known: dict[str, _List] = {}

    def loads(self, content: bytes) -> Any:
        """Return what `json.loads` returns.

        Raises:
            ValueError: as `json.loads`.
        """
        try:
            return self._object(content.decode().rstrip(" "))
        except (ValueError, IndexError):  # laid out another way, or no JSON
            return json.loads(content)

    def _object(self, text: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        at, end = 0, len(text) - 1
        while at < end:
            key = _KEY.match(text, at)
            if key is None or (key[0][0] == "{") != (at == 0):
                raise ValueError(text[at:at + 20])
            if text[key.end()] == "[":
                found[key[1]], at = self._list(key[1], text, key.end() + 1)
            else:
                found[key[1]], at = _scan(text, key.end())
        if text[at:] != "}":
            raise ValueError(text[at:])
        return found

    def _list(self, key: str, text: str, start: int) -> tuple[list[Any], int]:
        if text[start] == "]":
            return [], start + 1
        last = self._known.get(key, _List())
        same = bisect_left(last.ends, True, key=lambda end: not text.startswith(last.text[:end + 1], start))
        values, ends = last.values[:same], last.ends[:same]
        at = start + ends[-1] if ends else start - 1  # the sign before what comes
        while not (ends and text[at] == "]"):
            if ends and text[at] != ",":
                raise ValueError(text[at:at + 20])
            value, at = _scan(text, at + 1)
            values.append(value)
            ends.append(at - start)
        if same < len(ends) or same < len(last.ends):
            self._known[key] = _List(text[start:at + 1], values, ends)
        return list(values), at + 1
