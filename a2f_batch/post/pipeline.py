"""Profiles: named, ordered lists of post stages."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from a2f_batch.errors import ProfileError
from a2f_batch.post.blink import Blink
from a2f_batch.post.clamp import Clamp
from a2f_batch.post.context import Stage
from a2f_batch.post.silence_gate import SilenceGate
from a2f_batch.post.smooth import Smooth

STAGES: dict[str, type[Stage]] = {"smooth": Smooth, "silence-gate": SilenceGate, "blink": Blink, "clamp": Clamp}


@dataclass(frozen=True)
class Profile:
    """A pipeline: stages in the order they run.

    Attributes:
        name: what `--profile` calls it.
        description: one line for people.
        stages: configured stages.
    """

    name: str
    description: str
    stages: tuple[Stage, ...]


@cache
def profiles() -> dict[str, Profile]:
    """Return the profiles that come with the package, by name."""
    text = files(__package__).joinpath("profiles.toml").read_text(encoding="utf-8")
    return {name: parse_profile(name, table) for name, table in tomllib.loads(text)["profile"].items()}


def profile(name: str) -> Profile:
    """Return the profile `name`.

    Raises:
        ProfileError: there is none (code 'profile-unknown').
    """
    try:
        return profiles()[name]
    except KeyError:
        raise ProfileError(f"There is no profile '{name}'.", f"Choose from: {', '.join(profiles())}.", code="profile-unknown") from None


def parse_profile(name: str, table: Mapping[str, Any]) -> Profile:
    """Return the profile that a TOML table describes.

    Raises:
        ProfileError: an unknown stage (code 'stage-unknown') or parameter, or a value of the wrong kind (code 'stage-parameter').
    """
    stages = tuple(_parse_stage(f"profile '{name}', stage {i + 1}", entry) for i, entry in enumerate(table.get("stages", [])))
    return Profile(name, table.get("description", ""), stages)


def _parse_stage(where: str, entry: Mapping[str, Any]) -> Stage:
    parameters = dict(entry)
    kind = parameters.pop("stage", None)
    if kind not in STAGES:
        raise ProfileError(f"In {where}: there is no stage {kind!r}.", _nearest(str(kind), STAGES), code="stage-unknown")
    known = {field.name: field for field in dataclasses.fields(STAGES[kind])}  # type: ignore[arg-type]
    for parameter, value in parameters.items():
        if parameter not in known:
            raise ProfileError(f"In {where}: '{kind}' has no parameter '{parameter}'.", _nearest(parameter, known), code="stage-parameter")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ProfileError(f"In {where}: '{parameter}' of '{kind}' is {value!r}.", "Give a number.", code="stage-parameter")
    return STAGES[kind](**parameters)


def _nearest(word: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(word, known, n=1)
    return (f"Did you mean '{near[0]}'? " if near else "") + f"There are: {', '.join(known)}."
