"""A review: what somebody said of lines in the report, as the file that its page downloads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from a2f_batch.errors import BatchError

KIND, SCHEMA = "a2f-batch review", 1
VERDICTS = ("accepted", "rejected", "")


def rejected_lines(path: Path) -> dict[str, str]:
    """Return the lines that a review rejects: name -> the take that was, the beginning of its key; "" stands for any take.

    Raises:
        BatchError: it can't be read (code 'review-unreadable'), it is no review or a newer one's (code 'review-format').
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise BatchError(f"Can't read the review '{path}': {error.strerror or error}.", "Give the file that the report's page downloaded.",
                         code="review-unreadable") from error
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"it is not JSON ({error})") from None
    if not isinstance(content, Mapping) or content.get("kind") != KIND:
        raise _refused(path, f"its 'kind' is not '{KIND}'")
    if content.get("schema") != SCHEMA:
        raise _refused(path, f"its schema is {content.get('schema')!r}, and this version knows {SCHEMA}")
    lines = content.get("lines")
    if not isinstance(lines, list):
        raise _refused(path, "it has no list 'lines'")
    found = {}
    for number, one in enumerate(lines, start=1):
        name, verdict, take = _line(path, number, one)
        if verdict == "rejected":
            found[name] = take
    return found


def _line(path: Path, number: int, one: Any) -> tuple[str, str, str]:
    what = f"entry {number} of 'lines'"
    if not isinstance(one, Mapping) or not isinstance(one.get("line"), str) or one["line"].count("/") != 2:
        raise _refused(path, f"{what} names no line (locale/character/id)")
    verdict, take = one.get("verdict", ""), one.get("take", "")
    if verdict not in VERDICTS:
        raise _refused(path, f"the verdict of {what} is {verdict!r}")
    if not isinstance(take, str):
        raise _refused(path, f"the take of {what} is {take!r}")
    return one["line"], verdict, take


def _refused(path: Path, reason: str) -> BatchError:
    return BatchError(f"'{path}' is no review of a2f-batch: {reason}.",
                      "Give the file that the report's page downloads (its button 'Download review').", code="review-format")
