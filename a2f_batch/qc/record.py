"""What is kept of a line: figures, places and pictures as the JSON text that the journal holds, and the judgement that is made from them.

The journal keeps what was measured, never what is thought of it: levels apply when it is read, so a changed level needs no rendering.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

SCHEMA = 1
STRIP_POINTS = 128

Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Strip:
    """A line at a glance, left to right over its sound: `STRIP_POINTS` bytes each.

    Attributes:
        wave: the waveform's peak in each part, 0 to 255; 255 is full scale.
        mouth: how far the mouth is open there at most, 0 to 255; 255 is an opening of 1. Empty where the clip tells no opening.
    """

    wave: bytes
    mouth: bytes

    @classmethod
    def of(cls, wave: npt.NDArray[Any], mouth: npt.NDArray[Any] | None) -> Strip:
        """Return the strip of values 0 to 1 (what is outside counts as the nearer), shape (n,) each."""
        return cls(_bytes(wave), b"" if mouth is None else _bytes(mouth))


@dataclass(frozen=True)
class Measured:
    """What was measured of a line.

    Attributes:
        figures: name of `FIGURES` -> value; None where the line has no such thing (no pause to be still in).
        places: name of a figure -> (begin, end) in seconds, where it is worst.
        strip: thumbnails.
        audio: path of the sound, as it was opened; "" if there was none.
        file: the exported file that the curves were read from, where they were not measured while they were rendered: (format, bytes,
            modification time in nanoseconds).
        outline: see `a2f_batch.qc.outline`; empty in records of earlier versions.
    """

    figures: Figures
    places: Mapping[str, tuple[float, float]]
    strip: Strip
    audio: str = ""
    file: tuple[str, int, int] | None = None
    outline: bytes = b""

    def rounded(self) -> Measured:
        """Return it with everything as it is kept, so that a line fresh from the engine is judged as one from the journal."""
        places = {name: (round(begin, 3), round(end, 3)) for name, (begin, end) in self.places.items()}
        return replace(self, figures={name: _rounded(value) for name, value in self.figures.items()}, places=places)


@dataclass(frozen=True)
class Flag:
    """Something that deserves a look.

    Attributes:
        code: stable reason code.
        text: one sentence for people.
        begin, end: seconds, where it is local to a place; None where it is of the whole line.
        remedy: what to do about it.
    """

    code: str
    text: str
    begin: float | None = None
    end: float | None = None
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"code": self.code, "text": self.text, "begin": self.begin, "end": self.end, "remedy": self.remedy}


@dataclass(frozen=True)
class LineQC:
    """A line's figures, judged.

    Attributes:
        figures: see `Measured`; and what is told by comparison with another line, such as 'duration_ratio'.
        flags: worst first.
        score: the larger, the sooner to look at; under 1 without a flag.
        strip: thumbnails.
    """

    figures: Figures = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    score: float = 0.0
    strip: Strip = field(default_factory=lambda: Strip(b"", b""))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; strips as base64."""
        return {"figures": dict(self.figures), "flags": [flag.to_json() for flag in self.flags], "score": self.score,
                "strip": _strip_json(self.strip)}


def to_text(measured: Measured) -> str:
    """Return the JSON that the journal holds of `measured`, `rounded`."""
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "figures": dict(measured.figures), "places": {name: list(place) for name, place in measured.places.items()},
        "strip": _strip_json(measured.strip), "audio": measured.audio}
    if measured.file:
        content["file"] = list(measured.file)
    if measured.outline:
        content["outline"] = base64.b64encode(measured.outline).decode("ascii")
    return json.dumps(content, allow_nan=False, separators=(",", ":"))


def from_text(text: str | None) -> Measured | None:
    """Return what the journal's JSON holds; None if it holds nothing, or another schema's, or what is no such record: measure again."""
    try:
        content = json.loads(text or "null")
        if content is None or content["schema"] != SCHEMA:
            return None
        strip = Strip(*(base64.b64decode(content["strip"][name], validate=True) for name in ("wave", "mouth")))
        figures = {str(name): None if value is None else float(value) for name, value in content["figures"].items()}
        places = {str(name): (float(begin), float(end)) for name, (begin, end) in content["places"].items()}
        file = content.get("file")
        return Measured(figures, places, strip, str(content["audio"]), (str(file[0]), int(file[1]), int(file[2])) if file else None,
                        base64.b64decode(content.get("outline", ""), validate=True))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None


def _strip_json(strip: Strip) -> dict[str, str]:
    return {"wave": base64.b64encode(strip.wave).decode("ascii"), "mouth": base64.b64encode(strip.mouth).decode("ascii")}


def _bytes(values: npt.NDArray[Any]) -> bytes:
    """Return the largest value of each of `STRIP_POINTS` parts."""
    if not len(values):
        return bytes(STRIP_POINTS)
    starts = np.arange(STRIP_POINTS) * len(values) // STRIP_POINTS
    peaks = values[starts] if len(values) <= STRIP_POINTS else np.maximum.reduceat(values, starts)
    return bytes(np.rint(np.clip(peaks, 0, 1) * 255).astype(np.uint8))


def _rounded(value: float | None) -> float | None:
    """Return the value to five significant digits; None for what JSON can't spell."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")
