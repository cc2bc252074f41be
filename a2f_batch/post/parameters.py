"""Values of a TOML or JSON file as the parameters of a stage, by the types that the stage declares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, get_args, get_origin, get_type_hints

#: A declared type as people are asked for it.
_ASKED = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}


class WrongKindError(ValueError):
    """A value is not of the kind that a stage declares; its text is what to give."""


def kinds(stage: type) -> dict[str, Any]:
    """Return parameter -> declared type of a stage's dataclass, in its order."""
    hints = get_type_hints(stage)
    return {name: hints[name] for name in stage.__dataclass_fields__}  # type: ignore[attr-defined]


def converted(value: object, kind: Any) -> Any:
    """Return `value` as `kind`: float, int, bool, str, tuple[kind, ...] of an array, or Mapping[str, kind] of a table.

    Raises:
        WrongKindError: it is something else, or not finite.
    """
    match get_origin(kind) or kind, value:
        case (origin, list() | tuple()) if origin is tuple:
            with suppress(WrongKindError):  # what is wrong inside is told with the whole: 'each value a number'
                return tuple(converted(entry, get_args(kind)[0]) for entry in value)
        case (origin, Mapping()) if origin is Mapping:
            with suppress(WrongKindError):
                return {str(name): converted(entry, get_args(kind)[1]) for name, entry in value.items()}
        case (origin, bool()) if origin is not bool:
            pass  # Python counts True as 1; a profile that says so is wrong
        case (origin, int() | float()) if origin is float and math.isfinite(value):
            return float(value)
        case (origin, _) if origin in (int, bool, str) and isinstance(value, origin):
            return value
    raise WrongKindError(f"Give {asked(kind)}.")


def asked(kind: Any) -> str:
    """Return a declared type in words: 'a number', 'a table of name = number'."""
    if get_origin(kind) is tuple:
        return f"a list, each entry {asked(get_args(kind)[0])}"
    if get_origin(kind) is Mapping:
        return f"a table of name = value, each value {asked(get_args(kind)[1])}"
    return _ASKED[kind]
