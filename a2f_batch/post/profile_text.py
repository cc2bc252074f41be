"""A profile as the TOML that makes it: every stage with every parameter, and where each comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields

from a2f_batch.post.context import Stage
from a2f_batch.post.pipeline import Draft, Step

OWN = "the stage's own"
_COMMENT_COLUMN = 48


def profile_text(draft: Draft) -> str:
    """Return `draft` as TOML that can be pasted into a project file, with the place of each stage and parameter as a comment.

    Raises:
        ProfileError: a stage can't be built.
    """
    head = f"profile.{toml_key(draft.name)}"
    lines = [f"[{head}]", f"description = {toml_value(draft.description)}"]
    if not draft.steps:
        lines.append("stages = []")
    for step in draft.steps:
        lines += ["", _commented(f"[[{head}.stages]]", step.places["stage"]), f"stage = {toml_value(step.stage)}",
                  *_parameters(step, step.built())]
    return "\n".join(lines) + "\n"


def toml_value(value: object) -> str:
    """Return a text, a number, true or false, a list or a table as TOML, on one line.

    Raises:
        TypeError: it is something else.
    """
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str():
            # TOML's escapes are JSON's, and it wants one more.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
        case Mapping():
            return f"{{ {', '.join(f'{toml_key(name)} = {toml_value(one)}' for name, one in value.items())} }}" if value else "{}"
    raise TypeError(f"TOML has no {type(value).__name__}")


def toml_key(name: str) -> str:
    """Return a key, in quotes if it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def _parameters(step: Step, stage: Stage) -> list[str]:
    return [_commented(f"{field.name} = {toml_value(getattr(stage, field.name))}", step.places.get(field.name, OWN))
            for field in fields(stage)]  # type: ignore[arg-type]


def _commented(line: str, comment: str) -> str:
    return f"{line:<{_COMMENT_COLUMN}} # {comment}"
