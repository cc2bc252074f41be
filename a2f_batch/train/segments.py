"""An utterance as a line of viseme classes in time, which the co-articulation model and the auxiliary head read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2f_batch.train.phones import MISWRITTEN, NAMES, VOWELS, classes_of
from a2f_batch.train.speech.utterance import Phone

#: How much later than the sound a synthesizer's times are, seconds, measured as the shift that makes phones differ most in their log-mel
#: spectra (60 utterances each). Kokoro's own code takes three of its steps, 75 ms, off the first token's length for the same reason.
LAGS = {"kokoro": 0.055, "piper": 0.020, "espeak": 0.0}
#: espeak-ng times a voiceless stop by its burst; the lips or the tongue shut this long before.
_ESPEAK_CLOSURE = 0.035
#: Of a diphthong, the share of its first vowel.
_FIRST_SHARE = 0.55


@dataclass(frozen=True, eq=False)
class Segments:
    """Visemes in order; neighbours of the same class are one, and silence fills what is between phones.

    Attributes:
        classes: number in `phones.NAMES`, shape (n,).
        begins: seconds, shape (n,).
        ends: seconds, shape (n,).
    """

    classes: npt.NDArray[np.int64]
    begins: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]


def corrected(phones: Iterable[Phone], corpus: str, language: str) -> tuple[Phone, ...]:
    """Return the phones of a synthesizer as they are said, at the times where their sound is."""
    lag = LAGS[corpus]
    moved = [Phone(MISWRITTEN.get((language, phone.ipa), phone.ipa), max(phone.begin - lag, 0.0), max(phone.end - lag, 0.0))
             for phone in phones]
    if corpus == "espeak":
        for i, phone in enumerate(moved):
            if phone.ipa[0] in "ptkcq":
                begin = max(phone.begin - _ESPEAK_CLOSURE, 0.0)
                if i and moved[i - 1].end > begin:
                    begin = max(begin, (moved[i - 1].begin + moved[i - 1].end) / 2)
                    moved[i - 1] = Phone(moved[i - 1].ipa, moved[i - 1].begin, begin)
                moved[i] = Phone(phone.ipa, begin, phone.end)
    return tuple(phone for phone in moved if phone.end > phone.begin)


def segments_of(phones: Iterable[Phone], seconds: float) -> Segments:
    """Return the segments of phones over a line of `seconds`."""
    pieces: list[tuple[str, float, float]] = []
    at = 0.0
    for phone in phones:
        if phone.begin > at + 1e-6:
            pieces.append(("sil", at, phone.begin))
        names = classes_of(phone.ipa)
        edges = np.linspace(phone.begin, phone.end, len(names) + 1)
        if len(names) == 2 and names[0] in VOWELS:
            edges[1] = phone.begin + _FIRST_SHARE * (phone.end - phone.begin)
        pieces += [(name, float(edges[i]), float(edges[i + 1])) for i, name in enumerate(names)]
        at = phone.end
    pieces.append(("sil", at, max(seconds, at + 0.01)))
    merged: list[tuple[str, float, float]] = []
    for piece in pieces:
        if merged and merged[-1][0] == piece[0]:
            merged[-1] = (piece[0], merged[-1][1], piece[2])
        else:
            merged.append(piece)
    return Segments(np.array([NAMES.index(name) for name, _, _ in merged]), np.array([begin for _, begin, _ in merged]),
                    np.array([end for _, _, end in merged]))


def class_at(segments: Segments, times: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the class at each time."""
    index = np.clip(np.searchsorted(segments.begins, times, side="right") - 1, 0, len(segments.classes) - 1)
    return np.asarray(segments.classes[index])
