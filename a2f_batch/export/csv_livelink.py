"""Live Link Face CSV: the take format of Apple's Live Link Face app, which Unreal imports."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np

from a2f_batch.clip import FaceClip
from a2f_batch.errors import ClipError, ExportError
from a2f_batch.export import csv_plain
from a2f_batch.export.atomic import replacing
from a2f_batch.export.csv_table import Row, fixed_rows, numbers, read_rows
from a2f_batch.export.timing import assume_fps, infer_fps
from a2f_batch.export.tracks import weights_for
from a2f_batch.names import vocabulary

# The last two fields of a timecode, FF.mmm, count sixtieths of a second and their thousandths at EVERY frame rate:
# Unreal's importer adds FF.mmm / 60 to the seconds, and so does not care about the take's own rate.
_TICKS = 60_000
_DAY = 24 * 3600
_TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d):(\d\d)\.(\d{1,3})", re.ASCII)


def write(clip: FaceClip, path: Path) -> None:
    """Write `clip`, one row a frame at the clip's own rate, values with ten decimals, LF line ends.

    All 61 columns are always there: 52 blend shapes in Live Link's own order, then nine rotations in radians
    (`names.ROTATIONS`); what the clip lacks is 0. Values are written as they are, never clamped.

    Raises:
        ExportError: a channel that Live Link has no column for (code 'channel-without-column'), frames before
            00:00:00 or after 24 hours (code 'time-out-of-range').
    """
    names = vocabulary("livelinkface")
    hub = [names.to_hub.get(column, column) for column in names.channels]
    lacking = [name for name in clip.names if name not in hub]
    if lacking:
        raise ExportError(f"Live Link Face has no column for the channel {', '.join(map(repr, lacking[:8]))}.",
                          "Rename the clip's channels to ARKit's, select() those, or write csv-plain.", code="channel-without-column")
    header = f"Timecode,BlendshapeCount,{','.join(names.channels)}\n".encode("ascii")
    rows = fixed_rows(weights_for(clip, hub), [f"{code},{len(hub)}" for code in _timecodes(clip, path)])
    with replacing(path) as file:
        file.write(header + rows)


def read(path: Path) -> FaceClip:
    """Read a take: ARKit names for the blend shapes, Live Link's for the rotations, in the file's order; rate and start from the timecodes.

    Column names are compared without case, as Unreal does. A file in the plain layout is handed to `csv_plain`.
    One row alone tells no rate: 30 is assumed, with a warning in the log.

    Raises:
        ClipError: not such a file, cut, ragged, unevenly timed.
    """
    header, rows = read_rows(path)
    if csv_plain.is_plain(header):
        return csv_plain.read(path)
    if [cell.strip().lower() for cell in header[:2]] != ["timecode", "blendshapecount"]:
        raise ClipError(f"'{path}' line 1: a Live Link Face take starts with 'Timecode,BlendshapeCount', this file with "
                        f"'{','.join(header[:2])}'.",
                        "Give a Live Link Face take, or a file written as csv or csv-plain.", code="clip-format")
    names = vocabulary("livelinkface")
    known = {column.lower(): names.to_hub.get(column, column) for column in names.channels}
    unknown = [cell for cell in header[2:] if cell.strip().lower() not in known]
    if unknown:
        raise ClipError(f"'{path}' line 1: {', '.join(map(repr, unknown[:8]))} is no column of Live Link Face.",
                        "Rename or remove the column.", code="clip-format")
    ticks = _ticks(path, rows)
    # Two written times differ from their true ones by half a tick each.
    fps = infer_fps(np.array(ticks) / _TICKS, 1.001 / _TICKS, path) if len(rows) > 1 else assume_fps(path)
    return FaceClip(tuple(known[cell.strip().lower()] for cell in header[2:]), numbers(path, header, rows, first=2),
                    fps, Fraction(ticks[0], _TICKS))


def _timecodes(clip: FaceClip, path: Path) -> list[str]:
    """Return every frame's `HH:MM:SS:FF.mmm`, each rounded once from its exact time."""
    if clip.start < 0 or clip.start + clip.duration > _DAY:
        raise ExportError(f"Can't write '{path}': timecodes reach from 0 to 24 hours, the clip is at "
                          f"{float(clip.start):g} to {float(clip.start + clip.duration):g} s.",
                          "Set the clip's start to 0.", code="time-out-of-range")
    # (first + i * step) / unit ticks, in whole numbers, as in rates.frame_times.
    unit = clip.start.denominator * clip.fps.numerator
    first, step = int(clip.start * unit) * _TICKS, int(unit / clip.fps) * _TICKS
    codes = []
    for frame in range(clip.n_frames):
        seconds, tick = divmod((2 * (first + frame * step) + unit) // (2 * unit), _TICKS)
        codes.append(f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{tick // 1000:02d}.{tick % 1000:03d}")
    return codes


def _ticks(path: Path, rows: list[Row]) -> list[int]:
    """Return every row's time in 1/60000 s."""
    ticks = []
    for line, row in enumerate(rows, start=2):
        match = _TIMECODE.fullmatch(row[0].strip())
        if match is None:
            raise ClipError(f"'{path}' line {line}: '{row[0]}' is no timecode HH:MM:SS:FF.mmm.",
                            "Correct the timecode, or export the file again.", code="clip-cell")
        hours, minutes, seconds, sixtieths = map(int, match.groups()[:4])
        ticks.append(((hours * 60 + minutes) * 60 + seconds) * _TICKS + sixtieths * 1000 + int(match[5].ljust(3, "0")))
    return ticks
