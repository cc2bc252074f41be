"""The emotion library: `emotions.toml` as ARKit offsets and blink variants, one of each for every emotion."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from a2f_batch.emotion import EMOTIONS, Envelope
from a2f_batch.errors import EmotionError
from a2f_batch.names import ARKIT_52, ROTATIONS

HIGHEST = 0.95
"""No offset reaches 1: an emotion leaves room for speech, and its power (1 - o)^l stays finite."""

_BLINK = ("rate", "seconds", "amount")


@dataclass(frozen=True)
class Unit:
    """An action unit of FACS in ARKit's terms.

    Attributes:
        name: what FACS calls it.
        weights: channel -> weight at full intensity, 0..0.95.
        rotations: rotation channel -> radians at full intensity.
    """

    name: str
    weights: Mapping[str, float]
    rotations: Mapping[str, float]

    def half(self, side: str) -> Unit:
        """Return what it does on one side ('L' or 'R') of the face."""
        other = "Right" if side == "L" else "Left"
        return Unit(self.name, {name: weight for name, weight in self.weights.items() if not name.endswith(other)}, self.rotations)


@dataclass(frozen=True)
class Emotion:
    """One emotion at level 1.

    Attributes:
        sources: where the combination of units was taken from.
        units: unit ('AU12', or its left half 'AU12L') -> intensity, 0..1.
        weights: channel -> offset o = 1 - prod over units (1 - intensity * weight), 0..0.95; in the order of `ARKIT_52`.
        rotations: rotation channel -> radians, summed over units.
        blink: factors on a neutral face's blinks: 'rate', 'seconds', 'amount'.
    """

    sources: str
    units: Mapping[str, float]
    weights: Mapping[str, float]
    rotations: Mapping[str, float]
    blink: Mapping[str, float]


@cache
def units() -> Mapping[str, Unit]:
    """Return every action unit that the library uses, by its name ('AU12')."""
    return MappingProxyType({key: Unit(str(table["name"]), {name: float(table[name]) for name in ARKIT_52 if name in table},
                                       {name: float(table[name]) for name in ROTATIONS if name in table})
                             for key, table in _file()["units"].items()})


@cache
def library() -> Mapping[str, Emotion]:
    """Return the library: one `Emotion` for each of `EMOTIONS`, in that order."""
    return MappingProxyType({word: _emotion(_file()["emotion"][word]) for word in EMOTIONS})


def level(word: str, step: int) -> dict[str, float]:
    """Return the offsets of one of the four levels of an emotion: channel -> 1 - (1 - o)^(step / 4).

    Level 4 is the library's o; since the power bends, level 1 of a strong offset is over a quarter of it and a weak one nearly that.

    Raises:
        EmotionError: no such emotion (code 'emotion-unknown') or step (code 'emotion-level').
    """
    (word,) = Envelope.parse(word).words or ("neutral",)
    if step not in (1, 2, 3, 4):
        raise EmotionError(f"There is no level {step!r} of {word}.", "Levels are 1, 2, 3 and 4.", code="emotion-level")
    return {name: 1 - (1 - offset) ** (step / 4) for name, offset in library()[word].weights.items()}


def blink_factors(envelope: Envelope, times: npt.ArrayLike) -> dict[str, npt.NDArray[np.float32]]:
    """Return how the emotion changes blinks at `times`: 'rate', 'seconds' and 'amount', each shape (times,).

    f(t) = prod over emotions f_e^(level_e(t)): 1 for a neutral face, the library's factor at level 1.
    """
    factors = {key: np.zeros(np.shape(times), dtype=np.float64) for key in _BLINK}
    for word, curve in envelope.at(times).items():
        for key in _BLINK:
            factors[key] += curve * np.log(library()[word].blink[key])
    return {key: np.exp(exponent).astype(np.float32) for key, exponent in factors.items()}


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("emotions.toml").read_text(encoding="utf-8"))


def _emotion(table: Mapping[str, Any]) -> Emotion:
    room = dict.fromkeys(ARKIT_52, 1.0)
    rotations = dict.fromkeys(ROTATIONS, 0.0)
    for key, intensity in table["units"].items():
        name, side = re.fullmatch(r"(AU\d+)([LR]?)", key).groups()  # type: ignore[union-attr]
        unit = units()[name].half(side) if side else units()[name]
        for channel, weight in unit.weights.items():
            room[channel] *= 1 - intensity * weight
        for channel, radians in unit.rotations.items():
            rotations[channel] += intensity * radians
    return Emotion(
        table["sources"], MappingProxyType(dict(table["units"])),
        MappingProxyType({channel: min(1 - free, HIGHEST) for channel, free in room.items() if free < 1}),
        MappingProxyType({channel: radians for channel, radians in rotations.items() if radians}),
        MappingProxyType({key: float(table["blink"][key]) for key in _BLINK}),
    )
