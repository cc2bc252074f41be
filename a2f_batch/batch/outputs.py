"""A line's finished files as the journal records them: what they were when they were written, and from what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple


class Output(NamedTuple):
    """A file as it was written, and from what.

    Attributes:
        sha256, size, mtime_ns: see `OutputFile`.
        key: of the line's parts.
        options: hash of the format's options.
    """

    sha256: str
    size: int
    mtime_ns: int
    key: str
    options: str


def outputs_text(outputs: Mapping[str, Output]) -> str:
    """Return recorded files as the JSON that the journal holds."""
    return json.dumps({name: output._asdict() for name, output in outputs.items()})


def as_recorded(size: int, mtime_ns: int, key: str, options: str) -> str:
    """Return what `outputs_text` holds of a file with these figures; that of another format has other `options`."""
    return f'"size": {size}, "mtime_ns": {mtime_ns}, "key": "{key}", "options": "{options}"'


def outputs_from(text: str) -> dict[str, Output]:
    """Return the recorded files that `text` holds."""
    return {name: Output(*one.values()) for name, one in json.loads(text).items()}
