"""What stages with a number for each named channel share: finding the channels in a clip, refusing useless numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ProfileError


def columns(clip: FaceClip, names: Iterable[str], stage: str) -> dict[str, int]:
    """Return name -> column of `clip` for those of `names` that the clip has.

    A name that the clip lacks is left out, so one profile serves engines with and without `tongueOut`.

    Raises:
        ProfileError: the clip has none of them (code 'channel-unmatched').
    """
    place = {name: column for column, name in enumerate(clip.names)}
    names = tuple(names)
    found = {name: place[name] for name in names if name in place}
    if not found:
        raise ProfileError(f"The stage '{stage}' is for {shown(names)}, and the clip has no such channel: {shown(clip.names)}.",
                           "Name channels that the clip has at this point of the profile (a 'rename' before it changes them).",
                           code="channel-unmatched")
    return found


def row(clip: FaceClip, numbers: Mapping[str, float], stage: str, *, elsewhere: float) -> npt.NDArray[np.float32]:
    """Return `numbers`, channel -> number, as one value a channel of `clip`, shape (channels,); `elsewhere` for channels not named.

    Arithmetic on all channels with such a row is faster than picking columns out of the rows of a long clip.

    Raises:
        ProfileError: the clip has none of the channels (code 'channel-unmatched').
    """
    found = columns(clip, numbers, stage)
    values = np.full(len(clip.names), elsewhere, dtype=np.float32)
    values[list(found.values())] = [numbers[name] for name in found]
    return values


def check_numbers(stage: str, **tables: Mapping[str, float]) -> None:
    """Check that the tables, channel -> number, hold at least one number, and that all are finite.

    Raises:
        ProfileError: they do not (code 'stage-parameter').
    """
    if not any(tables.values()):
        raise ProfileError(f"The stage '{stage}' was given no {' and no '.join(tables)}: it would do nothing.",
                           f"Give a table, such as {next(iter(tables))} = {{ jawOpen = 0.5 }}.", code="stage-parameter")
    for parameter, table in tables.items():
        for name, number in table.items():
            if not math.isfinite(number):
                raise ProfileError(f"'{parameter}' of '{stage}' is {number} for {name}.", "Give a finite number.", code="stage-parameter")


def shown(names: Sequence[str]) -> str:
    """Return the first few names, for a message."""
    return ", ".join(names[:8]) + (f" ... ({len(names)} in all)" if len(names) > 8 else "")
