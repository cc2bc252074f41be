"""Frame rates as exact rationals, and how many frames a sound has."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeAlias

from a2f_batch.errors import ClipError

Rate: TypeAlias = "int | float | str | Fraction"

MIN_FPS = Fraction(1)
MAX_FPS = Fraction(240)

# Decimal spellings of the NTSC family (SMPTE ST 12-1): 29.97 means 30000/1001, not 2997/100.
_NTSC = {Fraction(text): Fraction(rate * 1000, 1001)
         for text, rate in (("23.976", 24), ("23.98", 24), ("29.97", 30), ("47.952", 48), ("59.94", 60), ("119.88", 120))}


def parse_fps(value: Rate) -> Fraction:
    """Return `value` as an exact frame rate in frames per second.

    Args:
        value: an int, a Fraction, a float, or text such as '30', '30000/1001' or '29.97'.

    Raises:
        ClipError: not a number, or outside 1..240 (code 'fps').
    """
    remedy = f"Give a number from {MIN_FPS} to {MAX_FPS}, such as 30, 29.97 or 30000/1001."
    # str() first: Fraction(29.97) would be the binary float's exact value.
    text = str(value).replace(" ", "")
    try:
        if "e" in text.lower():
            raise ValueError  # no frame rate needs an exponent, and Fraction would compute '1e999999999'
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ClipError(f"Frame rate {value!r} is not a number.", remedy, code="fps") from None
    fps = _NTSC.get(fps, fps)
    if not MIN_FPS <= fps <= MAX_FPS:
        raise ClipError(f"Frame rate {value} is out of range.", remedy, code="fps")
    return fps


def frame_count(n_samples: int, sample_rate: int, fps: Fraction) -> int:
    """Return the number of frames of a sound: round(n_samples / sample_rate * fps), ties to even."""
    return round(Fraction(n_samples, sample_rate) * fps)


def fps_text(fps: Fraction) -> str:
    """Return `fps` as people write it: '30', '30000/1001'."""
    return str(fps)


def frame_times(n_frames: int, fps: Fraction, start: Fraction = Fraction(0)) -> list[float]:
    """Return the time in seconds of every frame, each rounded once from the exact rational."""
    # In whole numbers, (first + i * step) / unit: Python rounds their quotient correctly, and a Fraction a frame is ten times slower.
    unit = start.denominator * fps.numerator
    first, step = int(start * unit), int(unit / fps)
    return [(first + i * step) / unit for i in range(n_frames)]
