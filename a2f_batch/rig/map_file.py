"""Map files, TOML or JSON: what a channel is called elsewhere."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from a2f_batch.errors import ExportError


def read_map(path: Path, remedy: str) -> dict[str, Any]:
    """Return the table in a map file: TOML where its suffix is .toml, else JSON.

    Args:
        remedy: what to write into it, for the error.

    Raises:
        ExportError: missing, not TOML or JSON, or no table (code 'map-unreadable').
    """
    path = Path(path)
    try:
        # Windows' Notepad begins a file with a mark, which neither TOML nor JSON allows.
        text = path.read_bytes().decode("utf-8-sig")
        content = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ExportError(f"Can't read the map '{path}': {reason}.", remedy, code="map-unreadable") from None
    if not isinstance(content, dict):
        raise ExportError(f"The map '{path}' is no table.", remedy, code="map-unreadable")
    return content


def read_attribute_map(path: Path) -> dict[str, str]:
    """Return channel -> attribute of a blend-shape node, as `maya_anim.write` takes it.

    Raises:
        ExportError: see `read_map`; something else than an attribute's name (code 'map-unreadable').
    """
    remedy = 'Write lines such as  jawOpen = "weight[3]"  or  tongueOut = "teeth:blendShape2.tongue"  in a .toml file.'
    content = read_map(path, remedy)
    for channel, attribute in content.items():
        if not isinstance(attribute, str) or not attribute:
            raise ExportError(f"The map '{path}' sends '{channel}' to {attribute!r}, which is no attribute's name.", remedy,
                              code="map-unreadable")
    return content
