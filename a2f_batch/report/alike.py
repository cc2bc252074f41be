"""JSON objects that are mostly alike, such as those of .glb files with the same head: only what differs from the last one is parsed."""

from __future__ import annotations

import json
import re
from typing import Any

_KEY = re.compile(r'[{,]"([A-Za-z]+)":')  # as our own exporter spells the outermost object: without spaces
_scan = json.JSONDecoder().raw_decode


class AlikeJson:
    """Parses objects one after another. Of the outermost object's lists, elements that are spelled as last time are not parsed again.

    A text that begins as a known value is spelled, and goes on as no value does, is that value: so nothing is guessed. What two objects
    share is one value, not to be changed.
    """

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[str, Any]]] = {}

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

    def _list(self, key: str, text: str, at: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        if text[at] == "]":
            return found, at + 1
        known = self._known.setdefault(key, [])
        while True:
            spelling, value = known[len(found)] if len(found) < len(known) else ("", None)
            end = at + len(spelling)
            if not (spelling and text.startswith(spelling, at) and text[end] in ",]"):
                value, end = _scan(text, at)
                known[len(found):len(found) + 1] = [(text[at:end], value)]
            found.append(value)
            if text[end] == "]":
                return found, end + 1
            if text[end] != ",":
                raise ValueError(text[end:end + 20])
            at = end + 1
