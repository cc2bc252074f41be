"""Emotions of a line: the words, and how strong each one is over time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from a2f_batch.errors import EmotionError

EMOTIONS = ("neutral", "joy", "sadness", "anger", "fear", "disgust", "surprise", "shyness",
            "pain", "grief", "cheekiness", "amazement", "outofbreath")
"""Every word there is; the first eight are the seed services' and everybody's, the last five come from NVIDIA's Audio2Face-3D."""

DECIMALS = 6
"""Seconds and levels are kept to a millionth, so that text and value are the same thing."""

_NUMBER = r"\d{1,9}(?:\.\d{1,15})?|\.\d{1,15}"
_TIMED = re.compile(rf"({_NUMBER})\s+(\D.*)", re.DOTALL)
_ONE = re.compile(rf"([^:]*?)\s*(?::\s*({_NUMBER}))?", re.DOTALL)
_HOW = "Write 'joy', 'joy:0.6', 'joy:0.5 + surprise:0.3', or points in time: '0.0 neutral; 1.2 anger:0.8'."


@dataclass(frozen=True)
class Point:
    """How strong each emotion is at one time.

    Attributes:
        seconds: from the start of the line, at least 0.
        levels: (word, level) of every emotion that is felt, level over 0 to 1, in the order of `EMOTIONS`; none is neutral.
    """

    seconds: float
    levels: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        words = [word for word, _ in self.levels]
        for word in words:
            if word not in EMOTIONS:
                raise _unknown(word)
        if len(set(words)) < len(words):
            raise EmotionError(f"An emotion is named twice at {self.seconds:g} s: {', '.join(words)}.", "Name each one once.",
                               code="emotion-syntax")
        if not all(0 <= level <= 1 for _, level in self.levels):
            raise EmotionError(f"Levels of an emotion are 0 to 1, not {', '.join(f'{level:g}' for _, level in self.levels)}.", _HOW,
                               code="emotion-syntax")
        if not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise EmotionError(f"An emotion can't begin at {self.seconds:g} s.", "Give seconds from the start of the line, from 0.",
                               code="emotion-syntax")
        felt = {word: round(float(level), DECIMALS) for word, level in self.levels if word != "neutral"}
        object.__setattr__(self, "seconds", round(float(self.seconds), DECIMALS))
        object.__setattr__(self, "levels", tuple((word, felt[word]) for word in EMOTIONS if felt.get(word)))

    def __str__(self) -> str:
        return " + ".join(word if level == 1 else f"{word}:{_text(level)}" for word, level in self.levels) or "neutral"


@dataclass(frozen=True)
class Envelope:
    """The emotion of a line over time: levels at points, linear between them, held before the first and after the last.

    That is the meaning of NVIDIA's emotion accumulator (timestamped vectors, linear interpolation, hold at both ends). Immutable,
    hashable; `str()` gives the one text that `parse` reads back as an equal value.

    Args:
        points: at least one, in order of time, no two at one time. If nothing changes over them, one point at 0 is kept.

    Raises:
        EmotionError: no points, or not in order (code 'emotion-syntax').
    """

    points: tuple[Point, ...] = (Point(0.0),)

    def __post_init__(self) -> None:
        points = tuple(self.points)
        seconds = [point.seconds for point in points]
        if not points or any(later <= earlier for earlier, later in pairwise(seconds)):
            raise EmotionError(f"The points of an emotion come one after another in time, not at {seconds} s.",
                               "Sort them, and leave at least a millionth of a second between two.", code="emotion-syntax")
        if len({point.levels for point in points}) == 1:
            points = (Point(0.0, points[0].levels),)
        object.__setattr__(self, "points", points)

    def __str__(self) -> str:
        if self.constant:
            return str(self.points[0])
        return "; ".join(f"{_text(point.seconds)} {point}" for point in self.points)

    @classmethod
    def parse(cls, text: str) -> Envelope:
        """Return the envelope that `text` describes.

        Args:
            text: 'joy', 'joy:0.6' (level 0..1; 1 if left out), 'joy:0.5 + surprise:0.3', or several of these, each after its time in
                seconds: '0.0 neutral; 1.2 anger:0.8'. Spaces do not matter; 'out of breath' and 'out-of-breath' are 'outofbreath'.

        Raises:
            EmotionError: no such word (code 'emotion-unknown'); anything else (code 'emotion-syntax').
        """
        parts = text.split(";")
        timed = [_TIMED.fullmatch(part.strip()) for part in parts]
        if len(parts) == 1 and timed[0] is None:
            return cls((Point(0.0, tuple(_levels(text, text))),))
        points = []
        for part, match in zip(parts, timed, strict=True):
            if match is None:
                raise EmotionError(f"The emotion {text!r} has no time and emotion at {part.strip()!r}.", _HOW, code="emotion-syntax")
            points.append(Point(float(match[1]), tuple(_levels(match[2], text))))
        return cls(tuple(points))

    @property
    def constant(self) -> bool:
        """Whether the emotion stays the same over the whole line."""
        return len(self.points) == 1

    @property
    def words(self) -> tuple[str, ...]:
        """The emotions that are felt at some time, in the order of `EMOTIONS`; none for a neutral line."""
        felt = {word for point in self.points for word, _ in point.levels}
        return tuple(word for word in EMOTIONS if word in felt)

    @property
    def dominant(self) -> str:
        """The one word for engines that take one a line: the strongest (of equals the first), or neutral where the emotion changes."""
        return max(self.points[0].levels, key=lambda pair: pair[1], default=("neutral", 1.0))[0] if self.constant else "neutral"

    def at(self, times: npt.ArrayLike) -> dict[str, npt.NDArray[np.float32]]:
        """Return the level of each of `words` at `times` (seconds from the start of the line), shape (times,), 0..1."""
        seconds = [point.seconds for point in self.points]
        levels = [dict(point.levels) for point in self.points]
        return {word: np.interp(np.asarray(times, dtype=np.float64), seconds, [level.get(word, 0.0) for level in levels]).astype(np.float32)
                for word in self.words}


NEUTRAL = Envelope()


def envelope(emotion: str | Envelope) -> Envelope:
    """Return `emotion`, read from text if it is text."""
    return Envelope.parse(emotion) if isinstance(emotion, str) else emotion


def _levels(text: str, whole: str) -> Iterable[tuple[str, float]]:
    for part in text.split("+"):
        match = _ONE.fullmatch(part.strip())
        if match is None or not match[1]:
            raise EmotionError(f"The emotion {whole!r} can't be read at {part.strip()!r}.", _HOW, code="emotion-syntax")
        word = "outofbreath" if re.fullmatch(r"out[\s-]+of[\s-]+breath", match[1]) else match[1]
        yield word, 1.0 if match[2] is None else float(match[2])


def _text(number: float) -> str:
    return f"{number:.{DECIMALS}f}".rstrip("0").rstrip(".")


def _unknown(word: str) -> EmotionError:
    near = get_close_matches(word.lower(), EMOTIONS, n=1)
    question = f"Did you mean '{near[0]}'? " if near else ""
    return EmotionError(f"There is no emotion {word!r}.", f"{question}There are: {', '.join(EMOTIONS)}.", code="emotion-unknown")
