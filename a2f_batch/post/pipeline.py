"""Profiles: named, ordered lists of post stages."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, partial
from importlib.resources import files
from typing import Any

from a2f_batch.errors import ProfileError
from a2f_batch.post.accents import Accents
from a2f_batch.post.blink import Blink
from a2f_batch.post.bounds import Bounds
from a2f_batch.post.clamp import Clamp
from a2f_batch.post.closure_guard import ClosureGuard
from a2f_batch.post.context import Stage
from a2f_batch.post.custom_blink import CustomBlink
from a2f_batch.post.emotion import EmotionOffset
from a2f_batch.post.eye_darts import EyeDarts
from a2f_batch.post.gain import Gain
from a2f_batch.post.linear_exp import LinearExp
from a2f_batch.post.offset import Offset
from a2f_batch.post.one_pole import OnePole
from a2f_batch.post.parameters import WrongKindError, converted, kinds
from a2f_batch.post.rename import Rename
from a2f_batch.post.scale import Scale
from a2f_batch.post.shift import Shift
from a2f_batch.post.silence_gate import SilenceGate
from a2f_batch.post.smooth import Smooth
from a2f_batch.post.symmetry import Symmetry
from a2f_batch.post.threshold import Threshold
from a2f_batch.post.unitalker_blink import UniTalkerBlink
from a2f_batch.post.unitalker_clip import UniTalkerClip
from a2f_batch.toml_lines import line_numbers

#: The name that a profile calls a stage by -> the stage.
STAGES: dict[str, type[Stage]] = {
    # the nine of the seed service
    "bounds": Bounds, "scale": Scale, "threshold": Threshold, "offset": Offset, "rename": Rename, "linear-exp": LinearExp,
    "custom-blink": CustomBlink, "unitalker-clip": UniTalkerClip, "unitalker-blink": UniTalkerBlink,
    # ours
    "smooth": Smooth, "one-pole": OnePole, "gain": Gain, "closure-guard": ClosureGuard, "silence-gate": SilenceGate,
    "symmetry": Symmetry, "shift": Shift, "emotion": EmotionOffset, "accents": Accents, "eye-darts": EyeDarts, "blink": Blink,
    "clamp": Clamp,
}


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


@dataclass(frozen=True)
class Step:
    """One stage of a profile as a file has it: not yet checked, but with the place of each word.

    Attributes:
        stage: its name as the file has it, which may be none.
        parameters: those that the file gives, as it gives them; the others have the stage's default.
        places: 'stage' and each parameter -> where it is written, such as 'a2f.toml line 12'.
    """

    stage: Any
    parameters: Mapping[str, Any]
    places: Mapping[str, str]

    def changed(self, parameters: Mapping[str, Any], places: Mapping[str, str]) -> Step:
        """Return the step with `parameters` in place of its own or beside them."""
        return Step(self.stage, {**self.parameters, **parameters}, {**self.places, **places})

    def built(self) -> Stage:
        """Return the configured stage.

        Raises:
            ProfileError: see `parse_profile`; the message begins with the place.
        """
        if not isinstance(self.stage, str) or self.stage not in STAGES:
            raise ProfileError(f"{self.places['stage']}: there is no stage {self.stage!r}.", nearest(str(self.stage), STAGES),
                               code="stage-unknown")
        known = kinds(STAGES[self.stage])
        values = {}
        for parameter, value in self.parameters.items():
            place = self.places[parameter]
            if parameter not in known:
                raise ProfileError(f"{place}: the stage '{self.stage}' has no parameter '{parameter}'.", nearest(parameter, known),
                                   code="stage-parameter")
            try:
                values[parameter] = converted(value, known[parameter])
            except WrongKindError as wrong:
                raise ProfileError(f"{place}: '{parameter}' of '{self.stage}' is {value!r}.", str(wrong), code="stage-parameter") from None
        try:
            return STAGES[self.stage](**values)
        except ProfileError as error:
            raise self.placed(error) from None

    def placed(self, error: ProfileError) -> ProfileError:
        """Return what the stage itself complains of, with the place of the parameter that it names, or else of the stage."""
        named = next((parameter for parameter in self.parameters if f"'{parameter}'" in error.problem), "stage")
        return ProfileError(f"{self.places[named]}: {error.problem}", error.remedy, code=error.code)


@dataclass(frozen=True)
class Draft:
    """A profile as files describe it: steps with their places, and not yet a pipeline."""

    name: str
    description: str
    steps: tuple[Step, ...]

    def built(self) -> Profile:
        """Return the pipeline.

        Raises:
            ProfileError: see `parse_profile`.
        """
        return Profile(self.name, self.description, tuple(step.built() for step in self.steps))


@cache
def drafts() -> dict[str, Draft]:
    """Return the profiles that come with the package as their file describes them, by name."""
    text = files(__package__).joinpath("profiles.toml").read_text(encoding="utf-8")
    lines = line_numbers(text)

    def place(*path: str | int) -> str:
        return f"a2f_batch's profiles.toml line {lines[path]}"

    return {name: Draft(name, table["description"], tuple(read_step(entry, partial(place, "profile", name, "stages", i))
                                                          for i, entry in enumerate(table["stages"])))
            for name, table in tomllib.loads(text)["profile"].items()}


@cache
def profiles() -> dict[str, Profile]:
    """Return the profiles that come with the package, by name."""
    return {name: draft.built() for name, draft in drafts().items()}


def profile(name: str) -> Profile:
    """Return the profile `name` of those that come with the package; for a project's own, see `a2f_batch.project`.

    Raises:
        ProfileError: there is none (code 'profile-unknown').
    """
    try:
        return profiles()[name]
    except KeyError:
        raise ProfileError(f"There is no profile '{name}'.", nearest(name, profiles()), code="profile-unknown") from None


def parse_profile(name: str, table: Mapping[str, Any]) -> Profile:
    """Return the profile that a table of `stages` and `description` gives.

    Raises:
        ProfileError: an unknown stage (code 'stage-unknown'), an unknown parameter, a value of the wrong kind or out of its range
            (code 'stage-parameter').
    """
    steps = tuple(read_step(entry, lambda *path, number=i + 1: f"profile '{name}', stage {number}")
                  for i, entry in enumerate(table.get("stages", [])))
    return Draft(name, table.get("description", ""), steps).built()


def read_step(entry: object, place: Callable[..., str]) -> Step:
    """Return an entry of `stages` as a step.

    Args:
        entry: a table with the key 'stage' and parameters.
        place: (key, ...) -> where that part of the entry is written.

    Raises:
        ProfileError: it is no table (code 'profile-type').
    """
    if not isinstance(entry, Mapping):
        raise ProfileError(f"{place()}: a stage is a table, not {entry!r}.", 'Write { stage = "smooth" }, with its parameters if any.',
                           code="profile-type")
    parameters = {key: value for key, value in entry.items() if key != "stage"}
    return Step(entry.get("stage"), parameters, {"stage": place(), **{key: place(key) for key in parameters}})


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a remedy: the one of `known` that `word` was meant to be, if there is one, and all of them."""
    known = list(known)
    near = get_close_matches(word, known, n=1)
    return (f"Did you mean '{near[0]}'? " if near else "") + f"There are: {', '.join(known) or 'none'}."
