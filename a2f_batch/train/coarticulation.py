"""Phones to mouth curves by dominance: every viseme pulls each track to its own target, with a strength that fades away from it in time.

After Cohen and Massaro (Modeling coarticulation in synthetic visual speech, 1993): curve = sum of dominance * target / sum of dominance,
where a dominance is its strength inside the viseme and falls off exponentially before and after it, each side at its own rate. Targets,
strengths and rates were fitted to a captured face (`fit_rules`), inside bounds that say what a mouth must do whatever the capture saw.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a2f_batch.export.atomic import replacing
from a2f_batch.train.dataset import Array
from a2f_batch.train.phones import NAMES, VOWELS
from a2f_batch.train.recipe import AMPLITUDES
from a2f_batch.train.segments import Segments

TRACKS = tuple(AMPLITUDES)
PARAMETERS = Path(__file__).with_name("visemes.json")

#: (classes, track, lowest, highest target): lips round on rounded vowels and w, part on vowels, tuck the lower lip under the teeth on f and
#: v, and rest in silence. JALI (Edwards, Landreth, Fiume, Singh 2016) gives the same demands as rules.
BOUNDS: tuple[tuple[tuple[str, ...], str, float, float], ...] = (
    (("I", "E", "AE", "AA", "ER", "AX", "AO", "O"), "jawOpen", 0.12, 1.0),
    (("U", "Y"), "jawOpen", 0.10, 0.35),
    (("S", "CH", "F"), "jawOpen", 0.03, 0.15),
    (("U",), "mouthPucker", 0.55, 1.0),
    (("Y", "W"), "mouthPucker", 0.60, 1.0),
    (("O",), "mouthPucker", 0.40, 1.0),
    (("O", "AO"), "mouthFunnel", 0.20, 1.0),
    (("CH",), "mouthFunnel", 0.20, 1.0),
    (("I", "E", "AE"), "mouthPucker", -0.1, 0.03),
    (("I", "E", "AE"), "mouthFunnel", -0.1, 0.05),
    # GRID says these only in "one", "r" and "zero", whose w and r the fit would put into them.
    (("AA", "AX", "ER"), "mouthPucker", -0.1, 0.10),
    (("AA", "AX", "ER"), "mouthFunnel", -0.1, 0.15),
    (("TH", "T", "S", "CH", "K", "R", "J"), "mouthPress", -0.1, 0.08),
    (("TH", "T", "K", "J"), "mouthPucker", -0.1, 0.10),
    (("F",), "mouthRollLower", 0.40, 1.0),
    (("F",), "mouthUpperUp", 0.08, 1.0),
    (("P",), "mouthPress", 0.15, 1.0),
    (("P",), "jawOpen", 0.0, 0.15),
    (tuple(name for name in NAMES if name != "P"), "mouthClose", -0.1, 0.03),
)

#: (classes, tracks, least strength, least rate in 1/s): round lips are round, and spread ones are not, at their own sound, whoever stands
#: beside them; both are gone soon after.
COMMANDING: tuple[tuple[tuple[str, ...], tuple[str, ...], float, float], ...] = (
    (("U", "Y", "W", "O", "AO", "I", "E"), ("mouthPucker", "mouthFunnel"), 1.5, 25.0),
    (("P",), ("mouthPress",), 0.5, 15.0),
    (("F",), ("mouthRollLower", "jawOpen", "mouthUpperUp"), 1.5, 20.0),
)

#: Visemes that GRID has no or too few sounds for, and those whose mean they take.
BORROWED = {"ER": ("AX", "AE"), "O": ("AO", "U"), "Y": ("U",)}

#: Lips are shut from this long before a bilabial's sound to this long before its end (the burst), and part within the ease, which takes
#: at most a share of a neighbouring vowel.
_SHUT_BEFORE, _SHUT_UNTIL, _SHUT_EASE, _SHUT_SHARE = 0.010, 0.010, 0.045, 0.30
#: In the middle of a vowel lips are at least this far apart, in the unit of jawOpen.
_PARTED = 0.14
#: The mouth is at rest this long before and after speech; the model's fading ends there.
_REST_BEFORE, _REST_AFTER = 0.25, 0.30


@dataclass(frozen=True, eq=False)
class Visemes:
    """Parameters of the model, each of shape (classes, tracks).

    Attributes:
        targets: amplitude of the track.
        strengths: natural logarithm of the dominance inside the viseme.
        before: natural logarithm of the rate at which it grows towards the viseme, 1/s.
        after: likewise, of its fading.
    """

    targets: Array
    strengths: Array
    before: Array
    after: Array


def read_visemes(path: Path = PARAMETERS) -> Visemes:
    """Read the fitted parameters."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["classes"] != list(NAMES) or stored["tracks"] != list(TRACKS):
        raise ValueError(f"'{path}' was fitted to other visemes or tracks; run `a2f-batch train rules` again")
    return Visemes(*(np.array(stored[name], dtype=np.float32) for name in ("targets", "strengths", "before", "after")))


def write_visemes(visemes: Visemes, path: Path, source: str) -> None:
    """Write parameters as JSON, a row for each viseme."""
    stored = {"source": source, "classes": list(NAMES), "tracks": list(TRACKS),
              **{name: getattr(visemes, name).astype(np.float64).round(3).tolist() for name in ("targets", "strengths", "before", "after")}}
    text = json.dumps(stored, allow_nan=False).replace("[[", "[\n    [").replace("], [", "],\n    [").replace("]], ", "]],\n  ")
    with replacing(path) as file:
        file.write((text + "\n").encode())


def dominance(times: npt.NDArray[np.float64], segments: Segments, visemes: Visemes) -> Array:
    """Return each segment's dominance at each time on each track, shape (times, segments, tracks)."""
    early = np.maximum(segments.begins[None] - times[:, None], 0)[..., None]
    late = np.maximum(times[:, None] - segments.ends[None], 0)[..., None]
    kinds = segments.classes
    return np.asarray(np.exp(visemes.strengths[kinds] - np.exp(visemes.before[kinds]) * early - np.exp(visemes.after[kinds]) * late),
                      dtype=np.float32)


def rule_curves(segments: Segments, times: npt.NDArray[np.float64], visemes: Visemes) -> tuple[Array, Array]:
    """Return the curves of a line, shape (times, tracks), in ARKit amplitude, and how shut the lips are, 0 to 1, shape (times,)."""
    curves = np.zeros((len(times), len(TRACKS)), dtype=np.float32)
    # A second at a time with the segments near it: the rest of a long line has faded away.
    for first in range(0, len(times), 100):
        here = times[first:first + 100]
        near = np.flatnonzero((segments.ends > here[0] - 1.0) & (segments.begins < here[-1] + 1.0))
        part = Segments(segments.classes[near], segments.begins[near], segments.ends[near])
        weights = dominance(here, part, visemes)
        curves[first:first + 100] = (weights * visemes.targets[part.classes]).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
    curves *= speaking(segments, times)[:, None]
    shut = shut_lips(segments, times)
    jaw, close = TRACKS.index("jawOpen"), TRACKS.index("mouthClose")
    parted = _PARTED * _within_vowels(segments, times)
    curves[:, close] = np.minimum(curves[:, close], np.where(parted > 0, 0.03, np.inf))
    curves[:, jaw] = np.maximum(curves[:, jaw], parted + np.maximum(curves[:, close], 0) * (parted > 0))
    curves[:, close] += shut * np.maximum(curves[:, jaw] - curves[:, close], 0)
    curves[:, close] = np.minimum(curves[:, close], np.maximum(curves[:, jaw], 0))  # lips that are shut can't shut more
    return curves, shut


def speaking(segments: Segments, times: npt.NDArray[np.float64]) -> Array:
    """Return 1 in and next to speech, 0 in silence farther from it, eased between, shape (times,)."""
    level = np.zeros(len(times))
    for kind, begin, end in zip(segments.classes, segments.begins, segments.ends, strict=True):
        if NAMES[kind] != "sil":
            level = np.maximum(level, np.minimum((times - begin + _REST_BEFORE) / _REST_BEFORE, (end + _REST_AFTER - times) / _REST_AFTER))
    level = np.clip(level, 0, 1)
    return np.asarray(level * level * (3 - 2 * level), dtype=np.float32)


def shut_lips(segments: Segments, times: npt.NDArray[np.float64]) -> Array:
    """Return how shut the lips are, shape (times,): 1 through the closure of each bilabial."""
    shut = np.zeros(len(times))
    for i in np.flatnonzero(segments.classes == NAMES.index("P")):
        begin, end = segments.begins[i] - _SHUT_BEFORE, max(segments.ends[i] - _SHUT_UNTIL, segments.begins[i] + 0.02)
        opening, parting = (np.where(times < begin, (begin - times) / _ease(segments, i - 1), 0),
                            np.where(times > end, (times - end) / _ease(segments, i + 1), 0))
        shut = np.maximum(shut, np.clip(1 - np.maximum(opening, parting), 0, 1))
    return np.asarray(shut * shut * (3 - 2 * shut), dtype=np.float32)


def _ease(segments: Segments, neighbour: int) -> float:
    """Return the seconds in which lips meet or part next to a segment."""
    if not 0 <= neighbour < len(segments.classes) or NAMES[segments.classes[neighbour]] not in VOWELS:
        return _SHUT_EASE
    return float(np.clip(_SHUT_SHARE * (segments.ends[neighbour] - segments.begins[neighbour]), 0.015, _SHUT_EASE))


def _within_vowels(segments: Segments, times: npt.NDArray[np.float64]) -> Array:
    """Return 1 in the middle of vowels, 0 at their ends and elsewhere, shape (times,)."""
    level = np.zeros(len(times))
    for kind, begin, end in zip(segments.classes, segments.begins, segments.ends, strict=True):
        if NAMES[kind] in VOWELS:
            level = np.maximum(level, np.clip(np.minimum(times - begin, end - times) / (_SHUT_SHARE * (end - begin)), 0, 1))
    return np.asarray(level * level * (3 - 2 * level), dtype=np.float32)
